//! One series alone: the only place that knows how the detector is driven over a stream.
//!
//! Starts with default settings, sees each reading once, in order, and no label.

use std::sync::OnceLock;

use detect::{Lone, MetricSpec, Model, TrainSpec, TrainingReading, TrainingSample, Value};
use simulate::{Metric, Profile, Stream};

use crate::Result;

/// A midnight in November 2023, UTC.
pub const MIDNIGHT: i64 = 1_699_920_000_000;

/// A series that has not been seen yet. Its model is made once and shared by copying.
///
/// # Errors
/// As the detector.
pub fn lone() -> Result<Lone> {
    static FRESH: OnceLock<Lone> = OnceLock::new();
    if let Some(fresh) = FRESH.get() {
        return Ok(fresh.clone());
    }
    let made = Lone::new(Lone::SEED)?;
    Ok(FRESH.get_or_init(|| made).clone())
}

/// Judges a whole series from its first row on. `rows[i]` has a value for each of `names`; what is
/// not a number is left out of the reading, and a row without any value scores 0 without being judged.
///
/// # Errors
/// As the detector.
pub fn judge_all(names: &[impl AsRef<str>], times: &[i64], rows: &[impl AsRef<[f64]>]) -> Result<Vec<f64>> {
    let mut lone = lone()?;
    let mut scores = Vec::with_capacity(rows.len());
    let mut values = Vec::with_capacity(names.len());
    for (time, row) in times.iter().zip(rows) {
        values.clear();
        for (name, value) in names.iter().zip(row.as_ref()).filter(|(_, value)| value.is_finite()) {
            values.push(Value { metric: name.as_ref(), value: *value });
        }
        scores.push(if values.is_empty() { 0.0 } else { lone.push(*time, &values)?.score });
    }
    Ok(scores)
}

/// A model of one profile's devices, from clean streams of eight of them over three days, as the
/// service trains it, from other seeds.
///
/// # Errors
/// As the simulator and the detector's training.
pub fn own_model(profile: &'static Profile) -> Result<Model> {
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
    let metric = |metric: &Metric| MetricSpec::new(metric.name, metric.unit, metric.low, metric.high);
    let metrics = profile.metrics.iter().map(metric).collect::<std::result::Result<_, _>>()?;
    Ok(Model::train(&TrainSpec::new(profile.name, metrics, 42)?, &sample)?)
}
