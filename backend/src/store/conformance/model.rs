//! What readings are, without any engine: a list.

use std::collections::BTreeMap;

use ledger::entry::{Severity, Type};

use crate::domain::{
    DeviceName, Key, Micros, Millis, Reading,
    ports::{Extension, NewEntry, StoredCheckpoint, WriteStore},
    series::{Row, RowKey},
    verdict::{Device, Judged, Label, PendingFinding, Verdict},
};

/// 2026-01-05T08:00:00Z.
pub(super) const START: Millis = Millis(1_767_600_000_000);

/// A reading as it was handed over, and the entry that it got.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) judged: Judged,
    pub(super) entry: Option<u64>,
}

/// All of them, in the order in which they were committed.
#[derive(Default)]
pub(super) struct Model {
    pub(super) kept: Vec<Kept>,
    /// Rows of the queue that wait, with the place of their reading.
    waiting: Vec<(i64, usize)>,
    size: u64,
}

/// A device's name by its number.
pub(super) fn name(device: u8) -> DeviceName {
    DeviceName::new(&format!("device-{device}")).unwrap()
}

/// A judged reading; every seventh or so is a finding.
pub(super) fn judged(device: u8, time: Micros, sequence: Option<u64>, value: f64) -> Judged {
    let mut values = vec![("temperature".to_owned(), value)];
    if value > 20.0 {
        values.push(("µ \"quoted\"".to_owned(), value / 3.0));
    }
    let now = Millis(START.0 + 400 * 24 * 3_600_000);
    let reading = Reading::new(name(device), Some(time), sequence, values, now).unwrap();
    let anomaly = value > 24.0;
    let label = if anomaly {
        Label::Anomaly
    } else if value < 1.0 {
        Label::WarmingUp
    } else {
        Label::Normal
    };
    let verdict = Verdict { score: value / 31.0, threshold: 0.77, label, model_version: "generic-1".into() };
    let finding = anomaly.then(|| finding(&reading));
    Judged { reading, verdict, finding }
}

fn finding(reading: &Reading) -> PendingFinding {
    let even = reading.time().0 % 2 == 0;
    PendingFinding {
        device: reading.device().as_str().to_owned(),
        pseudonym: "00".repeat(16),
        sequence: reading.sequence(),
        time_ms: reading.time().millis().0,
        values: Vec::new(),
        r#type: if even { Type::Point } else { Type::Contextual },
        severity: if even { Severity::Critical } else { Severity::Info },
        score: 0.9,
        threshold: 0.77,
        reasons: Vec::new(),
        sentence: "something".into(),
        model: "00".repeat(32),
        state: "00".repeat(32),
        kept_state: None,
        flow: None,
        signed: None,
    }
}

impl Model {
    /// Commits readings whose keys are new; others are left out, as the caller's look-up would.
    pub(super) fn record(&mut self, writer: &mut dyn WriteStore, readings: Vec<Judged>) {
        let mut new: Vec<Judged> = Vec::new();
        for judged in readings {
            let same = |other: &Judged| {
                other.reading.device() == judged.reading.device() && other.reading.key() == judged.reading.key()
            };
            if !self.kept.iter().any(|kept| same(&kept.judged)) && !new.iter().any(same) {
                new.push(judged);
            }
        }
        let devices: Vec<Device> = new.iter().map(|judged| self.device(judged)).collect();
        let mut queued = Vec::new();
        writer
            .transaction(&mut |tx| {
                tx.put_devices(&devices)?;
                queued = tx.record(&new)?;
                Ok(())
            })
            .unwrap();
        for (judged, queued) in new.into_iter().zip(queued) {
            self.waiting.extend(queued.map(|queued| (queued, self.kept.len())));
            self.kept.push(Kept { judged, entry: None });
        }
    }

    fn device(&self, judged: &Judged) -> Device {
        let name = judged.reading.device().clone();
        Device {
            pseudonym: format!("{:0>32}", name.as_str().trim_start_matches("device-")),
            name,
            profile: "generic".into(),
            state: vec![1],
            last_sequence: None,
            last_time: None,
            first_sequence: None,
            sequenced: 0,
            last_seen: None,
        }
    }

    /// Makes entries of all that waits.
    pub(super) fn append(&mut self, writer: &mut dyn WriteStore) {
        if self.waiting.is_empty() {
            return;
        }
        let (from, waiting) = (self.size, std::mem::take(&mut self.waiting));
        let entry = |(queued, _): &(i64, usize)| NewEntry {
            bytes: vec![7],
            kind: "anomaly",
            disclosure: None,
            state: None,
            queued: *queued,
        };
        self.size += waiting.len() as u64;
        let checkpoint = StoredCheckpoint { size: self.size, root: ledger::Hash([1; 32]), note: self.size.to_string() };
        let entries = waiting.iter().map(entry).collect();
        let extension = Extension { from, entries, checkpoints: vec![checkpoint], ..Extension::default() };
        writer.transaction(&mut |tx| tx.append(&extension)).unwrap();
        for (index, (_, place)) in (from..).zip(waiting) {
            self.kept[place].entry = Some(index);
        }
    }

    /// A device's rows as they have to be shown, by time.
    pub(super) fn rows(&self, device: u8) -> Vec<Row> {
        let of = |kept: &&Kept| *kept.judged.reading.device() == name(device);
        let mut rows: Vec<Row> = self.kept.iter().filter(of).map(row).collect();
        rows.sort_by_key(Row::position);
        rows
    }

    /// Count, minimum, maximum, last value and anomalies of a metric in each step.
    pub(super) fn buckets(&self, device: u8, metric: &str, step: i64) -> Vec<(i64, u64, f64, f64, f64, u64)> {
        let mut buckets = BTreeMap::new();
        for row in self.rows(device) {
            let Some(&(_, value)) = row.values.iter().find(|(name, _)| name == metric) else { continue };
            let start = row.time.0.div_euclid(step) * step;
            let bucket = buckets.entry(start).or_insert((start, 0, value, value, value, 0));
            bucket.1 += 1;
            bucket.2 = bucket.2.min(value);
            bucket.3 = bucket.3.max(value);
            bucket.4 = value;
            bucket.5 += u64::from(row.verdict.label == Label::Anomaly);
        }
        buckets.into_values().collect()
    }
}

/// How a reading has to be shown.
fn row(kept: &Kept) -> Row {
    let Judged { reading, verdict, .. } = &kept.judged;
    let key = match reading.key() {
        Key::Sequence(sequence) => RowKey::Sequence(sequence),
        Key::Time(_) => RowKey::Time,
    };
    Row {
        time: reading.time(),
        key,
        values: reading.values().to_vec(),
        erased: false,
        verdict: verdict.clone(),
        entry: kept.entry,
    }
}
