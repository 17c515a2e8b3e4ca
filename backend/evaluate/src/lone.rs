//! One series alone: the only place that knows how the detector is driven over a stream.
//!
//! Starts from nothing but a generic model, sees each reading once, in order, and no label.

use std::sync::OnceLock;

use detect::{
    DetectError, DeviceState, Judgement, Model, ReadingView, TrainSpec, TrainingReading, TrainingSample, Value,
    judge_in_place,
};
use simulate::{Profile, Stream};

use crate::Result;

/// A midnight in November 2023, UTC.
pub const MIDNIGHT: i64 = 1_699_920_000_000;

/// One series with its own state.
#[derive(Clone, Debug)]
pub struct Lone {
    model: &'static Model,
    state: DeviceState,
}

impl Lone {
    /// A series that has not been seen yet.
    ///
    /// # Errors
    /// As the detector's training.
    pub fn new() -> Result<Self> {
        Ok(Self { model: generic()?, state: DeviceState::new() })
    }

    /// Judges the next reading; values sorted by metric.
    ///
    /// # Errors
    /// As [`judge_in_place`].
    pub fn push(&mut self, time_ms: i64, values: &[Value<'_>]) -> std::result::Result<Judgement, DetectError> {
        judge_in_place(self.model, &mut self.state, &ReadingView { time_ms, values })
    }
}

/// Judges a whole series from its first row on. `rows[i]` has a value for each of `names`, in any
/// order of names; what is not a number is left out of the reading, and a row without any value
/// scores 0 without being judged.
///
/// # Errors
/// As the detector.
pub fn judge_all(names: &[impl AsRef<str>], times: &[i64], rows: &[impl AsRef<[f64]>]) -> Result<Vec<f64>> {
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_key(|at| names[*at].as_ref());
    let mut lone = Lone::new()?;
    let mut scores = Vec::with_capacity(rows.len());
    let mut values = Vec::with_capacity(names.len());
    for (time, row) in times.iter().zip(rows) {
        let value = |at: &usize| Value { metric: names[*at].as_ref(), value: row.as_ref()[*at] };
        values.clear();
        values.extend(order.iter().map(value).filter(|value| value.value.is_finite()));
        scores.push(if values.is_empty() { 0.0 } else { lone.push(*time, &values)?.score });
    }
    Ok(scores)
}

/// A model for metrics that it does not know, from clean streams of all simulated devices. Made once.
///
/// # Errors
/// As the simulator and the detector's training.
pub fn generic() -> Result<&'static Model> {
    static GENERIC: OnceLock<Model> = OnceLock::new();
    if let Some(model) = GENERIC.get() {
        return Ok(model);
    }
    let mut all = TrainingSample::new();
    for profile in simulate::profiles() {
        all.add_sample(&sample(profile)?);
    }
    let trained = Model::train(&TrainSpec::new("generic", Vec::new(), 42)?, &all)?;
    Ok(GENERIC.get_or_init(|| trained))
}

fn sample(profile: &'static Profile) -> Result<TrainingSample> {
    let mut sample = TrainingSample::new();
    for device in 0..8 {
        let stream = Stream::new(profile, device, 1, MIDNIGHT, 60_000, &[])?;
        let owned = |values: Vec<(&'static str, f64)>| values.into_iter().map(|(name, value)| (name.to_owned(), value));
        let readings: Vec<TrainingReading> = stream
            .take(3 * 1440)
            .map(|sample| TrainingReading { time_ms: sample.time_ms, values: owned(sample.values).collect() })
            .collect();
        sample.add_device(&readings)?;
    }
    Ok(sample)
}
