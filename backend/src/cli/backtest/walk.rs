//! Goes through readings in order, with one detector's state for each device. Counts nothing itself.

use std::{
    collections::{HashMap, hash_map::Entry},
    rc::Rc,
};

use detect::{DetectError, DeviceState, Label, Model, Policies, Policy, ReadingView, Value};
use ledger::entry::Payload;

use super::{
    models::Choice,
    report::{Report, Sort},
};
use crate::cli::{
    WrongUse,
    input::{Reading, Stop},
    progress::Progress,
};

/// Readings between two looks at the progress bar.
const STRIDE: u64 = 4096;

/// One device on its way.
struct Device {
    state: DeviceState,
    model: Rc<Model>,
    policy: Policy,
}

/// The way through all readings.
pub(super) struct Walk {
    models: Choice,
    policies: Policies,
    /// `None` for a device that is not to be judged.
    devices: HashMap<String, Option<Device>>,
    report: Report,
    progress: Progress,
    seen: u64,
}

impl Walk {
    pub(super) fn new(models: Choice, policies: Policies, report: Report) -> Self {
        let progress = Progress::rows("readings judged");
        Self { models, policies, devices: HashMap::new(), report, progress, seen: 0 }
    }

    /// Judges the next reading.
    pub(super) fn judge(&mut self, reading: &Reading<'_>) -> Result<(), Stop> {
        self.seen += 1;
        if self.seen.is_multiple_of(STRIDE) {
            self.progress.advance(STRIDE, self.report.findings);
        }
        let device = match self.devices.entry(reading.device.to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let device = self.models.model(reading.profile)?.map(|(profile, model)| {
                    let policy = self.policies.of(&profile, reading.device);
                    Device { state: DeviceState::with_policy(&policy), model, policy }
                });
                new.insert(device)
            }
        };
        let Some(Device { state, model, policy }) = device else { return Ok(()) };
        let silence = state.silence(policy, reading.time_ms);
        if let Some(finding) = &silence {
            self.report.finding(reading.device, reading.time_ms, finding);
        }
        if reading.values.is_empty() {
            compare(&mut self.report, reading, silence.is_some());
            return Ok(());
        }
        let values: Vec<Value<'_>> =
            reading.values.iter().map(|(metric, value)| Value { metric, value: *value }).collect();
        let view = ReadingView { time_ms: reading.time_ms, values: &values };
        let judgement = detect::judge_in_place(model, state, &view).map_err(|error| refused(reading, &error))?;
        self.report.reading(reading.device, reading.time_ms);
        if let Some(finding) = &judgement.finding {
            self.report.finding(reading.device, reading.time_ms, finding);
        }
        compare(&mut self.report, reading, judgement.label == Label::Anomaly);
        Ok(())
    }

    /// Asks who has been silent up to the end, and gives the report.
    pub(super) fn end(mut self, newest_ms: i64) -> Report {
        let mut devices: Vec<_> = self.devices.into_iter().filter_map(|(name, device)| Some((name, device?))).collect();
        devices.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, Device { state, policy, .. }) in &mut devices {
            if let Some(finding) = state.silence(policy, newest_ms) {
                self.report.finding(name, newest_ms, &finding);
            }
        }
        self.progress.finish();
        self.report
    }
}

/// Holds what is found now against what the service found.
fn compare(report: &mut Report, reading: &Reading<'_>, now: bool) {
    let Some(found) = &reading.found else { return };
    let then = (found.label == api::Label::Anomaly).then(|| {
        let payload = found.payload.and_then(|bytes| Payload::from_bytes(bytes).ok());
        payload.map_or(Sort::Erased, |payload| Sort::from(payload.r#type))
    });
    report.compare(reading.device, reading.time_ms, now, then);
}

fn refused(reading: &Reading<'_>, error: &DetectError) -> WrongUse {
    let hint = if matches!(error, DetectError::TooManyMetrics { .. }) {
        ": --ignore leaves columns out; --device names the column that says of which device a row is"
    } else {
        ""
    };
    WrongUse(format!("device {:?}, time {}: {error}{hint}", reading.device, reading.time_ms))
}
