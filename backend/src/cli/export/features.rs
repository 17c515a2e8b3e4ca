//! What the detector looks at, reading by reading, to train with: each device is gone through from its first reading on,
//! with a state of its own, as `backtest` does.

use std::{
    collections::{HashMap, hash_map::Entry},
    io::Write,
    path::Path,
    process::ExitCode,
    rc::Rc,
};

use detect::{DeviceState, Model, NAMES, Policies, Policy, ReadingView, Row, Value};
use ledger::entry::Payload;

use super::{Args, open};
use crate::{
    cli::{
        Outcome, WrongUse,
        backtest::models::Choice,
        input::{Found, Reading, Readings, Stop, say},
        output::Output,
        policy,
        progress::Progress,
    },
    domain::{
        Millis,
        verdict::{FeedbackVerdict, Label},
    },
    export::{label_name, number, text},
};

/// Readings between two looks at the progress bar.
const STRIDE: u64 = 4_096;

/// The columns before the features, and after them.
const BEFORE: [&str; 2] = ["device", "time"];
const AFTER: [&str; 5] = ["score", "label", "type", "feedback", "anomaly"];

/// Writes the features of the readings of a data directory.
pub(super) fn export(args: &Args, dir: &Path) -> Outcome {
    let store = open(dir)?;
    let said = store.all_feedback()?;
    let mut walk = Walk {
        args,
        models: Choice::of(None, Some(dir), None)?,
        policies: policy::read(args.policy.as_deref())?,
        devices: HashMap::new(),
        said,
        output: Output::create(args.output.as_deref())?,
        line: [BEFORE.as_slice(), &NAMES, &AFTER].concat().join(",").into_bytes(),
        written: 0,
        cold: 0,
    };
    walk.end_line()?;
    let mut progress = Progress::exported(None);
    let mut seen = 0_u64;
    let mut notes = Readings::Store(Box::new(store)).each(&mut |reading| {
        seen += 1;
        if seen.is_multiple_of(STRIDE) {
            progress.wrote(walk.written);
        }
        walk.reading(reading)
    })?;
    walk.output.finish()?;
    progress.finish();
    if walk.cold > 0 {
        notes.push(format!("{} readings have no features: the device was not known well enough yet", walk.cold));
    }
    say(&notes);
    eprintln!("{} readings written", walk.written);
    Ok(ExitCode::SUCCESS)
}

/// One device on its way.
struct Device {
    state: DeviceState,
    model: Rc<Model>,
    policy: Policy,
}

/// The way through all readings.
struct Walk<'a> {
    args: &'a Args,
    models: Choice,
    policies: Policies,
    devices: HashMap<String, Option<Device>>,
    /// What people have said of findings, by index.
    said: HashMap<u64, FeedbackVerdict>,
    output: Output,
    line: Vec<u8>,
    written: u64,
    /// Readings before there were features.
    cold: u64,
}

impl Walk<'_> {
    /// Takes the next reading; writes its line, if it is asked for.
    fn reading(&mut self, reading: &Reading<'_>) -> Result<(), Stop> {
        if self.args.device.as_ref().is_some_and(|device| device.as_str() != reading.device) {
            return Ok(());
        }
        let device = match self.devices.entry(reading.device.to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(self.models.model(reading.profile)?.map(|(profile, model)| {
                let policy = self.policies.of(&profile, reading.device);
                Device { state: DeviceState::with_policy(&policy), model, policy }
            })),
        };
        let Some(Device { state, model, policy }) = device else { return Ok(()) };
        let _ = state.silence(policy, reading.time_ms);
        if reading.values.is_empty() {
            return Ok(());
        }
        let values: Vec<Value<'_>> =
            reading.values.iter().map(|(metric, value)| Value { metric, value: *value }).collect();
        let view = ReadingView { time_ms: reading.time_ms, values: &values };
        // What was seen before the reading was learnt from.
        let row = detect::row_of(state, &view);
        detect::judge_in_place(model, state, &view).map_err(|error| {
            WrongUse(format!("device {:?}, time {}: {error}", reading.device, Millis(reading.time_ms)))
        })?;
        let (Some(found), true) = (&reading.found, self.is_asked_for(reading)) else { return Ok(()) };
        match row {
            None => self.cold += 1,
            Some(row) => self.write(reading, &row, found)?,
        }
        Ok(())
    }

    fn is_asked_for(&self, reading: &Reading<'_>) -> bool {
        let (from, to) = (self.args.from.map(|time| time.millis().0), self.args.to.map(|time| time.millis().0));
        let label = reading.found.as_ref().map(|found| found.label);
        from.is_none_or(|from| from <= reading.time_ms)
            && to.is_none_or(|to| reading.time_ms < to)
            && self.args.label.is_none_or(|asked| label == Some(asked))
    }

    fn write(&mut self, reading: &Reading<'_>, row: &Row, found: &Found<'_>) -> Result<(), Stop> {
        let line = &mut self.line;
        text(line, reading.device);
        write!(line, ",{},", Millis(reading.time_ms))?;
        for feature in row {
            write!(line, "{feature},")?;
        }
        number(line, found.score);
        let said = found.entry.and_then(|entry| self.said.get(&entry));
        let payload = found.payload.and_then(|bytes| Payload::from_bytes(bytes).ok());
        let kind = payload.and_then(|payload| serde_json::to_value(payload.r#type).ok());
        let feedback = match said {
            None => "",
            Some(FeedbackVerdict::Real) => "real",
            Some(FeedbackVerdict::FalseAlarm) => "false_alarm",
        };
        // What the service found, unless people said that it was nothing.
        let anomaly = found.label == Label::Anomaly && said != Some(&FeedbackVerdict::FalseAlarm);
        let kind = kind.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
        write!(line, ",{},{kind},{feedback},{}", label_name(found.label), u8::from(anomaly))?;
        self.written += 1;
        self.end_line()
    }

    fn end_line(&mut self) -> Result<(), Stop> {
        self.line.push(b'\n');
        self.output.write_all(&self.line)?;
        self.line.clear();
        Ok(())
    }
}
