//! One series alone: no fleet, no profile, nothing trained beforehand. Drives the detector over any
//! number of metrics with default settings; what it measures is what people run.

use std::collections::BTreeMap;

use crate::{
    DetectError, DeviceState, Judgement, Label, MAX_METRICS, Model, Policy, ReadingView, TrainSpec, TrainingReading,
    TrainingSample, Value, judge_in_place, random::Random,
};

/// A detector for one series.
///
/// ```
/// use detect::{Lone, Value};
///
/// let mut lone = Lone::new(Lone::SEED)?;
/// for minute in 0..500_i64 {
///     let value = 20.0 + (minute % 7) as f64 / 10.0;
///     let judgement = lone.push(minute * 60_000, &[Value { metric: "temperature", value }])?;
///     assert!(judgement.score < 0.5);
/// }
/// let judgement = lone.push(500 * 60_000, &[Value { metric: "temperature", value: 60.0 }])?;
/// assert!(judgement.score > 0.5 && judgement.finding.is_some());
/// # Ok::<(), detect::DetectError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lone {
    model: Model,
    policy: Policy,
    /// One for every [`MAX_METRICS`] metrics, in the order in which they appeared.
    states: Vec<DeviceState>,
    /// Each metric's place in that order.
    places: BTreeMap<String, usize>,
}

impl Lone {
    /// The seed where nobody asks for another. Any number would do; it is one for all, so that what
    /// is measured is what people run.
    pub const SEED: u64 = 1;

    /// A series that has not been seen yet.
    ///
    /// # Errors
    /// As [`Model::train_for_strangers`]; none is expected.
    pub fn new(seed: u64) -> Result<Self, DetectError> {
        let spec = TrainSpec::new("generic", Vec::new(), seed)?;
        Ok(Self::with(Model::train_for_strangers(&spec, &strangers(seed)?)?))
    }

    /// As [`new`](Self::new), by another model.
    pub fn with(model: Model) -> Self {
        Self { model, policy: Policy::default(), states: Vec::new(), places: BTreeMap::new() }
    }

    /// The same under a policy, for a series that has not been seen yet: another budget, limits of
    /// people.
    #[must_use]
    pub fn under(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// Judges the next reading: finite values, in any order of names, each at most once. With more
    /// metrics than one state holds, the strongest part's judgement is the whole's.
    ///
    /// # Errors
    /// As [`judge`](crate::judge).
    pub fn push(&mut self, time_ms: i64, values: &[Value<'_>]) -> Result<Judgement, DetectError> {
        let mut parts: Vec<Vec<Value<'_>>> = vec![Vec::new(); self.states.len().max(1)];
        for value in values {
            let place = match self.places.get(value.metric) {
                Some(place) => *place,
                None => {
                    let place = self.places.len();
                    self.places.insert(value.metric.to_owned(), place);
                    place
                }
            };
            let part = place / MAX_METRICS;
            if part >= parts.len() {
                parts.resize_with(part + 1, Vec::new);
            }
            parts[part].push(*value);
        }
        self.states.resize_with(parts.len(), || DeviceState::with_policy(&self.policy));
        let mut whole: Option<Judgement> = None;
        for (part, (state, mut own)) in self.states.iter_mut().zip(parts).enumerate() {
            own.sort_by(|a, b| a.metric.cmp(b.metric));
            if own.is_empty() && !(part == 0 && values.is_empty()) {
                continue;
            }
            let judgement = judge_in_place(&self.model, state, &ReadingView { time_ms, values: &own })?;
            whole = Some(match whole {
                None => judgement,
                Some(before) => stronger(before, judgement),
            });
        }
        whole.ok_or(DetectError::Empty { what: "the reading", expected: "value" })
    }
}

/// Two judgements about one reading.
fn stronger(one: Judgement, other: Judgement) -> Judgement {
    let (mut strong, weak) = if other.score > one.score { (other, one) } else { (one, other) };
    if strong.finding.is_none() && weak.finding.is_some() {
        (strong.finding, strong.label) = (weak.finding, Label::Anomaly);
    } else if strong.label == Label::WarmingUp {
        strong.label = weak.label;
    }
    strong
}

/// Made-up calm series of several sorts: white noise, slowly wandering, with a daily cycle.
fn strangers(seed: u64) -> Result<TrainingSample, DetectError> {
    const READINGS: u32 = 1200;
    const INTERVAL_MS: i64 = 600_000;
    let mut random = Random::new(seed);
    let mut sample = TrainingSample::new();
    for kind in 0..6u32 {
        let keep = 0.19 * f64::from(kind);
        let mut noise = 0.0;
        let readings: Vec<TrainingReading> = (0..READINGS)
            .map(|at| {
                // Nearly normal: three uniform numbers.
                let fresh = random.unit() + random.unit() + random.unit() - 1.5;
                noise = keep * noise + fresh;
                let turn = f64::from(at) / 144.0 * core::f64::consts::TAU;
                let cycle = f64::from(kind % 3) * 4.0 * libm::sin(turn);
                let values = vec![("x".to_owned(), 50.0 + noise + cycle)];
                TrainingReading { time_ms: i64::from(at) * INTERVAL_MS, values }
            })
            .collect();
        sample.add_device(&readings)?;
    }
    Ok(sample)
}
