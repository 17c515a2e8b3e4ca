//! The end-to-end recipe: clean simulated streams to a model, as the service does it. And where the public data sets
//! are, if anywhere.
#![allow(dead_code)] // each test binary uses its own part

use std::path::{Path, PathBuf};

use detect::{MetricSpec, Model, TrainSpec, TrainingReading, TrainingSample, Value};
use simulate::{Profile, Stream};

/// A midnight in November 2023, UTC.
pub(crate) const START: i64 = 1_699_920_000_000;

/// The clean streams of eight devices over three days.
pub(crate) fn sample(profile: &'static Profile) -> TrainingSample {
    let mut sample = TrainingSample::new();
    for device in 0..8 {
        let stream = Stream::new(profile, device, 1, START, 60_000, &[]).unwrap();
        let readings: Vec<TrainingReading> = stream
            .take(3 * 1440)
            .map(|sample| TrainingReading {
                time_ms: sample.time_ms,
                values: sample.values.iter().map(|(name, value)| (name.to_string(), *value)).collect(),
            })
            .collect();
        sample.add_device(&readings).unwrap();
    }
    sample
}

/// The model of one profile.
pub(crate) fn train(profile: &'static Profile) -> Model {
    let metrics = profile.metrics.iter().map(|m| MetricSpec::new(m.name, m.unit, m.low, m.high).unwrap()).collect();
    let spec = TrainSpec::new(profile.name, metrics, 42).unwrap();
    Model::train(&spec, &sample(profile)).unwrap()
}

/// A model for metrics that it does not know.
pub(crate) fn train_generic() -> Model {
    let mut all = TrainingSample::new();
    for profile in simulate::general() {
        all.add_sample(&sample(profile));
    }
    Model::train(&TrainSpec::new("generic", Vec::new(), 42).unwrap(), &all).unwrap()
}

/// A simulated sample's values as a reading's.
pub(crate) fn view(values: &[(&'static str, f64)]) -> Vec<Value<'static>> {
    values.iter().map(|&(metric, value)| Value { metric, value }).collect()
}

/// One of the public data sets, or `None`, with a message, where they are not on this machine. As in `tests/src/paths.rs`.
pub(crate) fn data_set(name: &str) -> Option<PathBuf> {
    let given = std::env::var_os("ANOMALY_LEDGER_TEST_DATA").map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let dir = given.clone().unwrap_or_else(beside).join(name);
    if dir.is_dir() {
        return Some(dir);
    }
    assert!(given.is_none(), "ANOMALY_LEDGER_TEST_DATA is set, and there is no {}", dir.display());
    println!("skipped: {} is not there; set ANOMALY_LEDGER_TEST_DATA to the folder of data sets", dir.display());
    None
}
