//! The simulator: recall of each injected kind, and false alarms per device-day, at threshold 0.5.
//!
//! By a model of the profile, trained as the service does it, and by a detector that knows nothing of the
//! device beforehand. No allowance is made for the return to normal after an event. Seeds are not
//! those of the training.

use std::collections::BTreeMap;

use detect::{Lone, Value};
use simulate::{Injection, Kind, Profile, Stream, profiles};

use crate::{
    Result,
    lone::{MIDNIGHT, lone, own_model},
    metric::bootstrap,
    table::Line,
};

/// Kinds, their names and how many a day are injected.
const KINDS: [(Kind, &str, f64); 3] =
    [(Kind::Point, "point", 4.0), (Kind::Contextual, "contextual", 4.0), (Kind::ChangePoint, "change point", 2.0)];
const SEED: u64 = 77;
const DAY: usize = 1440;

/// How much to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Devices of each profile and kind.
    pub devices: u32,
    /// Days of each device, with a reading a minute.
    pub days: usize,
}

/// What became of one device.
struct Device {
    /// Injected events.
    events: f64,
    /// Those of them with a finding.
    found: f64,
    /// Findings outside events.
    false_alarms: f64,
}

/// The lines of the table: for each kind its recall and false alarms, and alarms on clean streams.
///
/// # Errors
/// As the simulator and the detector.
pub fn measure(size: Size) -> Result<Vec<Line>> {
    let mut own = Vec::new();
    let mut alone = Vec::new();
    for profile in profiles() {
        own.push((profile, Lone::with(own_model(profile)?)));
        alone.push((profile, lone()?));
    }
    let mut lines = Vec::new();
    for (detectors, by) in [(own, "profile's model"), (alone, "alone")] {
        for (kind, name, rate) in KINDS {
            let devices = all_devices(&detectors, size, &[Injection { kind, rate }])?;
            let found: Vec<(f64, f64)> = devices.iter().map(|device| (device.found, device.events)).collect();
            let events: f64 = devices.iter().map(|device| device.events).sum();
            let line = Line::new("simulator", format!("recall, {name}, {by}"), ratio(&found));
            let line = line.within(bootstrap::of_ratio(&found)).against("aim", 0.95);
            lines.push(line.beside(format!("{events} events")));
            lines.push(alarms(size, &devices, &format!("false alarms a device-day, beside {name}, {by}")));
        }
        lines.push(alarms(
            size,
            &all_devices(&detectors, size, &[])?,
            &format!("false alarms a device-day, clean, {by}"),
        ));
    }
    Ok(lines)
}

fn alarms(size: Size, devices: &[Device], measure: &str) -> Line {
    let days: Vec<(f64, f64)> = devices.iter().map(|device| (device.false_alarms, size.days as f64)).collect();
    let line = Line::new("simulator", measure, ratio(&days)).within(bootstrap::of_ratio(&days));
    line.against("limit", 1.0).beside("lower is better")
}

fn ratio(units: &[(f64, f64)]) -> f64 {
    units.iter().map(|unit| unit.0).sum::<f64>() / units.iter().map(|unit| unit.1).sum::<f64>()
}

fn all_devices(detectors: &[(&'static Profile, Lone)], size: Size, injections: &[Injection]) -> Result<Vec<Device>> {
    let devices =
        detectors.iter().flat_map(|(profile, fresh)| (0..size.devices).map(move |index| (*profile, fresh, index)));
    devices.map(|(profile, fresh, index)| device(profile, fresh.clone(), index, size.days, injections)).collect()
}

/// Runs one device and counts.
fn device(
    profile: &'static Profile,
    mut lone: Lone,
    index: u32,
    days: usize,
    injections: &[Injection],
) -> Result<Device> {
    let mut seen: BTreeMap<u64, bool> = BTreeMap::new();
    let mut false_alarms = 0.0;
    for sample in Stream::new(profile, index, SEED, MIDNIGHT, 60_000, injections)?.take(days * DAY) {
        let values: Vec<Value<'_>> = sample.values.iter().map(|&(metric, value)| Value { metric, value }).collect();
        let found = lone.push(sample.time_ms, &values)?.finding.is_some();
        match sample.truth {
            Some(event) => *seen.entry(event.id).or_default() |= found,
            None => false_alarms += f64::from(u8::from(found)),
        }
    }
    let found = seen.values().filter(|found| **found).count() as f64;
    Ok(Device { events: seen.len() as f64, found, false_alarms })
}
