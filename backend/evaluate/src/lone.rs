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
        static GENERIC: OnceLock<Model> = OnceLock::new();
        let model = match GENERIC.get() {
            Some(model) => model,
            None => {
                let trained = generic_model()?;
                GENERIC.get_or_init(|| trained)
            }
        };
        Ok(Self { model, state: DeviceState::new() })
    }

    /// Judges the next reading; values sorted by metric.
    ///
    /// # Errors
    /// As [`judge_in_place`].
    pub fn push(&mut self, time_ms: i64, values: &[Value<'_>]) -> std::result::Result<Judgement, DetectError> {
        judge_in_place(self.model, &mut self.state, &ReadingView { time_ms, values })
    }
}

/// A model for metrics that it does not know, from clean streams of all simulated devices.
///
/// # Errors
/// As the simulator and the detector's training.
pub fn generic_model() -> Result<Model> {
    let mut all = TrainingSample::new();
    for profile in simulate::profiles() {
        all.add_sample(&sample(profile)?);
    }
    Ok(Model::train(&TrainSpec::new("generic", Vec::new(), 42)?, &all)?)
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
