//! What the log says of itself: each heartbeat against the entries of its window and the counters that are kept, each
//! part of the audit log against its records.

use std::collections::BTreeMap;

use ledger::{
    audit,
    entry::{Audit, Entry, Heartbeat},
    heartbeat::{Counter, Totals},
    text::Pseudonym,
};

use crate::{
    domain::ports::{LogReader, StoreError},
    store::Reader,
};

/// The window that is open, and how far the audit log is covered.
#[derive(Default)]
pub(super) struct Windows {
    /// Entries below it came back from the chain: counters and audit records are not there.
    restored_below: u64,
    /// The window's first entry.
    from: u64,
    /// Its anomalies by device. As many devices as one window has.
    anomalies: BTreeMap<Pseudonym, u64>,
    /// Audit records that entries have covered.
    audited: u64,
    /// Heartbeats and audit entries of which nothing more is here, because they came back from the chain.
    bare: u64,
}

impl Windows {
    /// For a log whose first entries came back from the chain.
    pub(super) fn new(restored_below: u64) -> Self {
        Self { restored_below, ..Self::default() }
    }

    /// Takes the next entry, and gives what does not agree with it.
    pub(super) fn entry(&mut self, log: &Reader, index: u64, entry: &Entry) -> Result<Vec<String>, StoreError> {
        match entry {
            Entry::Anomaly(anomaly) => {
                *self.anomalies.entry(anomaly.device.clone()).or_default() += 1;
                Ok(Vec::new())
            }
            Entry::Heartbeat(heartbeat) => {
                let from = std::mem::replace(&mut self.from, index + 1);
                let anomalies = std::mem::take(&mut self.anomalies);
                let kept = index >= self.restored_below;
                self.bare += u64::from(!kept);
                let differences = differences(log, index, heartbeat, from, &anomalies, kept)?;
                Ok(differences.into_iter().map(|what| format!("heartbeat {index}: {what}")).collect())
            }
            Entry::Audit(entry) => self.audit(log, index, entry),
            _ => Ok(Vec::new()),
        }
    }

    /// What is left at the end: audit records that no entry covers yet must be there without a gap; and what could not
    /// be looked at is said.
    pub(super) fn end(&self, log: &Reader) -> Result<(Option<String>, Option<String>), StoreError> {
        let gap = log.audit_gap(self.audited)?;
        let gap = gap.map(|number| format!("audit record {number}: missing, though later ones are there"));
        let bare = (self.bare > 0).then(|| {
            format!(
                "{} heartbeats and audit entries came back from the chain: their counters and records are not here",
                self.bare
            )
        });
        Ok((gap, bare))
    }

    fn audit(&mut self, log: &Reader, index: u64, entry: &Audit) -> Result<Vec<String>, StoreError> {
        let (expected, found) = (std::mem::replace(&mut self.audited, entry.from + entry.records), entry.from);
        let mut lines = Vec::new();
        if found != expected {
            lines.push(format!("entry {index}: its audit records begin at {found}, expected {expected}"));
        }
        if index < self.restored_below {
            self.bare += 1;
            return Ok(lines);
        }
        let records = log.audit_records(entry.from, entry.records)?;
        if !audit::holds(entry, &records) {
            let last = (entry.from + entry.records).saturating_sub(1);
            lines.push(format!("entry {index}: the audit records {found} to {last} are not those that it commits to"));
        }
        Ok(lines)
    }
}

fn differences(
    log: &Reader,
    index: u64,
    heartbeat: &Heartbeat,
    from: u64,
    anomalies: &BTreeMap<Pseudonym, u64>,
    kept: bool,
) -> Result<Vec<String>, StoreError> {
    let mut lines = Vec::new();
    if heartbeat.from != from {
        lines.push(format!("it counts from entry {}, the window begins at {from}", heartbeat.from));
    }
    let found: u64 = anomalies.values().sum();
    if heartbeat.anomalies != found {
        lines.push(format!("it counts {} anomalies, its window has {found}", heartbeat.anomalies));
    }
    if !kept {
        return Ok(lines);
    }
    let mut counters = Vec::new();
    let mut unreadable = 0;
    log.counters(index, &mut |bytes| match Counter::from_bytes(&bytes) {
        Ok(counter) => counters.push(counter),
        Err(_) => unreadable += 1,
    })?;
    let said = (heartbeat.devices, heartbeat.readings, heartbeat.root);
    match Totals::of(&counters) {
        Ok(kept) if unreadable == 0 && (kept.devices, kept.readings, kept.root) == said => {}
        _ => lines.push("the counters that are kept for it are not those that it commits to".into()),
    }
    for counter in &counters {
        let found = anomalies.get(&counter.device).copied().unwrap_or(0);
        if counter.anomalies != found {
            let (device, said) = (&counter.device, counter.anomalies);
            lines.push(format!("it counts {said} anomalies of the device {device}, its window has {found}"));
        }
    }
    Ok(lines)
}
