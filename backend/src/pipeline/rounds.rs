//! Entries that no reading asks for: when a beacon, a heartbeat or a part of the audit log is due.
//!
//! Where the last ones stand is read from the log itself, so a restart changes nothing.

use std::time::Duration;

use alloy::primitives::B256;
use ledger::{
    Hash, audit,
    entry::Entry,
    heartbeat::{Counter, Totals},
};
use tokio::sync::watch;

use crate::domain::{
    Millis,
    log::{ChainView, Periods},
    ports::{Extension, LogReader, StoreError, Transaction},
    verdict::Pending,
};

/// Audit records under one entry: with up to 4 KiB each they have to fit in memory.
const MAX_RECORDS: u64 = 10_000;

/// Audit entries made at once. What is beyond waits for the next heartbeat.
const MAX_PARTS: usize = 16;

/// Where the last entries of these kinds stand.
#[derive(Clone)]
pub(super) struct Rounds {
    periods: Periods,
    view: watch::Receiver<ChainView>,
    /// The first index of the open window, and when it began.
    window: (u64, Millis),
    /// The block of the newest beacon, and when it was made.
    beacon: Option<(B256, Millis)>,
    /// Audit records that the log covers.
    audited: u64,
}

impl Rounds {
    /// Reads where the last ones stand.
    pub(super) fn load(
        log: &dyn LogReader,
        periods: Periods,
        view: watch::Receiver<ChainView>,
        now: Millis,
    ) -> Result<Self, StoreError> {
        let newest = |kind: &str| -> Result<Option<(u64, Entry)>, StoreError> {
            let Some((index, bytes)) = log.newest(kind, u64::MAX)? else { return Ok(None) };
            let entry = Entry::from_bytes(&bytes);
            Ok(Some((index, entry.map_err(|error| StoreError::Damaged(format!("entry {index}: {error}")))?)))
        };
        let made = |entry: &Entry| Millis::parse(entry.recorded().as_str()).unwrap_or(now);
        let window = match newest("heartbeat")? {
            Some((index, heartbeat)) => (index + 1, made(&heartbeat)),
            // The first window began with the log.
            None => (
                0,
                log.entries(0, 1)?.pop().and_then(|first| Entry::from_bytes(&first).ok()).as_ref().map_or(now, made),
            ),
        };
        let beacon = newest("beacon")?.and_then(|(_, entry)| match &entry {
            Entry::Beacon(beacon) => Some((B256::from(beacon.block_hash.0), made(&entry))),
            _ => None,
        });
        let audited = newest("audit")?.map_or(0, |(_, entry)| match entry {
            Entry::Audit(audit) => audit.from + audit.records,
            _ => 0,
        });
        Ok(Self { periods, view, window, beacon, audited })
    }

    /// Rounds that have not looked, for a log that is halted.
    pub(super) fn unloaded(periods: Periods, view: watch::Receiver<ChainView>, now: Millis) -> Self {
        Self { periods, view, window: (0, now), beacon: None, audited: 0 }
    }

    /// Looks again where the last ones stand.
    pub(super) fn reload(&self, log: &dyn LogReader, now: Millis) -> Result<Self, StoreError> {
        Self::load(log, self.periods, self.view.clone(), now)
    }

    /// A beacon, if there is a block that the log does not name yet and the last beacon is old.
    pub(super) fn beacon(&mut self, now: Millis) -> Option<Pending> {
        let (block, chain_id) = {
            let view = self.view.borrow();
            (view.latest_block?, view.trust.as_ref()?.chain_id)
        };
        match self.beacon {
            Some((hash, _)) if hash == block.hash => return None,
            Some((_, made)) if !passed(self.periods.beacon, made, now) => return None,
            _ => {}
        }
        self.beacon = Some((block.hash, now));
        Some(Pending::Beacon { chain_id, block: block.number, block_hash: Hash(block.hash.0) })
    }

    /// Whether the window is to be closed.
    pub(super) fn is_due(&self, now: Millis) -> bool {
        passed(self.periods.heartbeat, self.window.1, now)
    }

    /// How long until it is.
    pub(super) fn until_due(&self, now: Millis) -> Duration {
        let age = Duration::from_millis(now.since(self.window.1).unsigned_abs());
        self.periods.heartbeat.saturating_sub(age)
    }

    /// What closes the window: what the log does not cover yet of the audit log, and then the heartbeat.
    pub(super) fn close(&self, tx: &mut dyn Transaction) -> Result<(Vec<Pending>, Vec<Counter>), StoreError> {
        let mut rows = Vec::new();
        let mut from = self.audited;
        while rows.len() < MAX_PARTS {
            let records = tx.audit_records(from, MAX_RECORDS)?;
            if records.is_empty() {
                break;
            }
            let (root, records) = (audit::root(&records), records.len() as u64);
            rows.push(Pending::Audit { from, records, root });
            from += records;
        }
        let counters = tx.counters()?;
        let totals = Totals::of(&counters).map_err(|error| StoreError::Damaged(error.to_string()))?;
        let Totals { devices, readings, anomalies, root } = totals;
        rows.push(Pending::Heartbeat { from: self.window.0, devices, readings, anomalies, root });
        Ok((rows, counters))
    }

    /// Takes note that a window was closed by this extension, whose last entry is the heartbeat.
    pub(super) fn closed(&mut self, rows: &[Pending], extension: &Extension, now: Millis) {
        for row in rows {
            if let Pending::Audit { records, .. } = row {
                self.audited += records;
            }
        }
        self.window = (extension.from + extension.entries.len() as u64, now);
    }
}

/// Whether a period has passed. A clock that was turned back must not put things off.
fn passed(period: Duration, since: Millis, now: Millis) -> bool {
    let age = now.since(since);
    age < 0 || age as u128 >= period.as_millis()
}
