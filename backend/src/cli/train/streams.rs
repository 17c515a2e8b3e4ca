//! A model of one kind of device, from readings with times.

use std::collections::{BTreeMap, BTreeSet};

use detect::{DetectError, MetricSpec, Model, TrainSpec, TrainingReading, TrainingSample};

use super::{Args, Trained, told};
use crate::{
    cli::{
        WrongUse,
        input::{Readings, Stop},
        progress::Progress,
    },
    domain::verdict::Label,
};

/// Values that are kept at most, some 250 MiB: a device's readings are learnt from as a whole.
const MOST: usize = 4_000_000;

/// Rows between two looks at the progress bar.
const STRIDE: u64 = 4096;

pub(super) fn train(args: &Args, readings: &Readings) -> Result<(), Stop> {
    let profile = args
        .profile
        .as_deref()
        .ok_or_else(|| WrongUse::new("readings with times need --profile NAME, such as pump"))?;
    let normal = Normal::read(readings, profile)?;
    let spec = TrainSpec::new(profile, specs(args, profile, &normal)?, args.seed).map_err(wrong)?;
    let mut sample = TrainingSample::new();
    for (device, readings) in &normal.devices {
        sample.add_device(readings).map_err(|error| WrongUse(format!("device {device:?}: {error}")))?;
    }
    let model = Model::train(&spec, &sample).map_err(wrong)?;
    let meta = serde_json::to_string_pretty(&model.meta())? + "\n";
    let files = Trained { model: model.to_bytes(), meta, sample: Some(sample.to_csv()) };
    files.write(&args.output)?;
    let from = format!("{} readings of {} devices", normal.readings, normal.devices.len());
    told(&args.output, &normal.notes, &model.version(), &from);
    Ok(())
}

fn wrong(error: DetectError) -> WrongUse {
    match error {
        DetectError::TooFewRows { .. } => WrongUse(format!(
            "{error}. A row is kept of every few readings once a device is warm: give more readings of each device"
        )),
        error => WrongUse(error.to_string()),
    }
}

/// Readings to learn from, by device.
struct Normal {
    devices: BTreeMap<String, Vec<TrainingReading>>,
    metrics: BTreeSet<String>,
    readings: u64,
    notes: Vec<String>,
}

impl Normal {
    fn read(source: &Readings, profile: &str) -> Result<Self, Stop> {
        let mut normal = Self { devices: BTreeMap::new(), metrics: BTreeSet::new(), readings: 0, notes: Vec::new() };
        let mut progress = Progress::rows("readings read");
        let (mut seen, mut values, mut beyond) = (0, 0, 0_u64);
        let notes = source.each(&mut |reading| {
            seen += 1;
            if seen % STRIDE == 0 {
                progress.advance(STRIDE, 0);
            }
            let other = reading.profile.is_some_and(|of| of != profile);
            let anomalous = reading.found.as_ref().is_some_and(|found| found.label == Label::Anomaly);
            if other || anomalous || reading.values.is_empty() {
                return Ok(());
            }
            values += reading.values.len();
            if values > MOST {
                beyond += 1;
                return Ok(());
            }
            normal.readings += 1;
            for (metric, _) in reading.values {
                if !normal.metrics.contains(metric) {
                    normal.metrics.insert(metric.clone());
                }
            }
            let kept = TrainingReading { time_ms: reading.time_ms, values: reading.values.to_vec() };
            normal.devices.entry(reading.device.to_owned()).or_default().push(kept);
            Ok(())
        })?;
        progress.finish();
        normal.notes = notes;
        if beyond > 0 {
            normal.notes.push(format!("the last {beyond} readings are left out: {MOST} values are enough"));
        }
        if normal.readings == 0 {
            return Err(WrongUse(format!("no normal reading of a device of profile {profile:?}, out of {seen}")).into());
        }
        Ok(normal)
    }
}

/// What is known of the metrics that occur: as the user says, else as the built-in profile of this name has it.
fn specs(args: &Args, profile: &str, normal: &Normal) -> Result<Vec<MetricSpec>, WrongUse> {
    if let Some(unknown) = args.metrics.iter().find(|spec| !normal.metrics.contains(spec.name())) {
        let have = normal.metrics.iter().take(20).cloned().collect::<Vec<_>>().join(", ");
        return Err(WrongUse(format!("--metric {}: no reading has it; they have {have}", unknown.name())));
    }
    let built_in = simulate::profile(profile);
    let of = |name: &String| -> Option<Result<MetricSpec, DetectError>> {
        if let Some(given) = args.metrics.iter().find(|spec| spec.name() == name) {
            return Some(Ok(given.clone()));
        }
        let known = built_in?.metrics.iter().find(|metric| metric.name == name)?;
        Some(MetricSpec::new(known.name, known.unit, known.low, known.high))
    };
    normal.metrics.iter().filter_map(of).collect::<Result<_, _>>().map_err(|error| WrongUse(error.to_string()))
}
