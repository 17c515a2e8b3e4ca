//! Heartbeats: one entry for each window of the log, with the root over what was counted for each device
//! (docs/spec/heartbeat.md).
//!
//! A device's owner learns what the service says it took from the device, and can count the device's `anomaly` entries
//! in the window: a missing anomaly shows, and so does a gap in the sequence numbers, without an entry for each reading.

use serde::{Deserialize, Serialize};

use crate::{
    entry::{self, EntryError, Heartbeat},
    hash::{Hash, leaf_hash, root_of},
    merkle::{MemoryTree, ProofError, inclusion_proof, verify_inclusion},
    text::Pseudonym,
};

/// A counter is a pseudonym and four integers.
pub const MAX_COUNTER: usize = 256;

/// What was counted for one device in one window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counter {
    v: u8,
    /// The device's pseudonym.
    pub device: Pseudonym,
    /// Readings accepted in the window.
    pub readings: u64,
    /// Entries of kind `anomaly` in the window.
    pub anomalies: u64,
    /// The sequence numbers of those readings; absent where none has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequences: Option<Sequences>,
}

/// The range of the sequence numbers of a device's readings in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequences {
    /// The lowest.
    pub low: u64,
    /// The highest.
    pub high: u64,
}

/// What a heartbeat says of all its counters together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// How many counters.
    pub devices: u64,
    /// The sum of their readings.
    pub readings: u64,
    /// The sum of their anomalies.
    pub anomalies: u64,
    /// The root over them.
    pub root: Hash,
}

/// A counter in its place under a heartbeat's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The counter's bytes.
    pub counter: Vec<u8>,
    /// Its index among the heartbeat's counters.
    pub index: u64,
    /// The inclusion proof, lowest hash first.
    pub proof: Vec<Hash>,
}

/// Why something does not show what a heartbeat says of a device.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// A counter is malformed.
    #[error("counter {index}: {source}")]
    Counter {
        /// Its index.
        index: u64,
        /// What is wrong.
        source: EntryError,
    },
    /// A counter is not under the root.
    #[error("counter {index} does not lead to the heartbeat's root: {source}")]
    Proof {
        /// Its index.
        index: u64,
        /// What is wrong.
        source: ProofError,
    },
    /// The counters shown are neither the device's nor its two neighbours.
    #[error("expected the counter of {0}, or those that would stand beside it")]
    Neither(Pseudonym),
}

impl Counter {
    /// A counter.
    pub fn new(device: Pseudonym, readings: u64, anomalies: u64, sequences: Option<Sequences>) -> Self {
        Self { v: entry::VERSION, device, readings, anomalies, sequences }
    }

    /// The counter's bytes: a leaf under the heartbeat's root.
    ///
    /// # Errors
    /// [`EntryError::Canonical`] for a number of more than 53 bits.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EntryError> {
        entry::to_bytes(self, MAX_COUNTER)
    }

    /// Reads a counter, and refuses bytes that are not exactly by the format.
    ///
    /// # Errors
    /// See [`EntryError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EntryError> {
        let counter: Self = entry::from_bytes(bytes, MAX_COUNTER)?;
        match counter.sequences {
            Some(Sequences { low, high }) if low > high => Err(EntryError::Member("a lowest not above the highest")),
            _ => Ok(counter),
        }
    }

    /// How many sequence numbers between the lowest and the highest no reading of this window had. Those that came in
    /// another window, late or early, count here too.
    pub fn missing(&self) -> u64 {
        self.sequences.map_or(0, |range| (range.high - range.low).saturating_add(1).saturating_sub(self.readings))
    }
}

impl Totals {
    /// Adds up counters; they are sorted by device, each device once.
    ///
    /// # Errors
    /// [`EntryError::Member`] if they are not.
    pub fn of(counters: &[Counter]) -> Result<Self, EntryError> {
        if !counters.is_sorted_by(|a, b| a.device < b.device) {
            return Err(EntryError::Member("counters sorted by device, each device once"));
        }
        let leaves = counters.iter().map(|counter| Ok(leaf_hash(&counter.to_bytes()?)));
        Ok(Self {
            devices: counters.len() as u64,
            readings: counters.iter().map(|counter| counter.readings).sum(),
            anomalies: counters.iter().map(|counter| counter.anomalies).sum(),
            root: root_of(&leaves.collect::<Result<Vec<_>, EntryError>>()?),
        })
    }
}

/// Finds among a heartbeat's counters what shows what it says of one device: the device's counter, or those that would
/// stand beside it. Holds no more of the others than their hashes.
#[derive(Debug)]
pub struct Locator {
    device: Pseudonym,
    tree: MemoryTree,
    shown: Vec<(u64, Vec<u8>)>,
    found: bool,
}

impl Locator {
    /// Looks for this device.
    pub fn new(device: Pseudonym) -> Self {
        Self { device, tree: MemoryTree::default(), shown: Vec::new(), found: false }
    }

    /// Takes the next counter, in the order of the tree.
    ///
    /// # Errors
    /// [`AccountError::Counter`] if it is none.
    pub fn push(&mut self, counter: Vec<u8>) -> Result<(), AccountError> {
        let index = self.tree.size();
        self.tree.push(leaf_hash(&counter));
        if self.found {
            return Ok(());
        }
        let read = Counter::from_bytes(&counter).map_err(|source| AccountError::Counter { index, source })?;
        // The last one before the device, and the first one from it on.
        if read.device <= self.device {
            self.shown.clear();
        }
        self.found = read.device >= self.device;
        self.shown.push((index, counter));
        Ok(())
    }

    /// What was found, with its proofs.
    pub fn finish(self) -> Vec<Located> {
        let size = self.tree.size();
        let located = |(index, counter)| {
            let Ok(proof) = inclusion_proof(&self.tree, index, size);
            Located { counter, index, proof }
        };
        self.shown.into_iter().map(located).collect()
    }
}

/// What a heartbeat says of a device: its counter, or `None` where it says that nothing was counted.
///
/// `shown` comes from whoever keeps the counters, and is not believed.
///
/// # Errors
/// See [`AccountError`].
pub fn account(heartbeat: &Heartbeat, device: &Pseudonym, shown: &[Located]) -> Result<Option<Counter>, AccountError> {
    let verified = shown.iter().map(|located| located.verify(heartbeat)).collect::<Result<Vec<_>, _>>()?;
    let neither = || Err(AccountError::Neither(device.clone()));
    match (shown, verified.as_slice()) {
        ([], []) if heartbeat.devices == 0 => Ok(None),
        ([_], [counter]) if counter.device == *device => Ok(Some(counter.clone())),
        ([at], [first]) if at.index == 0 && *device < first.device => Ok(None),
        ([at], [last]) if at.index + 1 == heartbeat.devices && last.device < *device => Ok(None),
        ([left, right], [before, after])
            if left.index + 1 == right.index && before.device < *device && *device < after.device =>
        {
            Ok(None)
        }
        _ => neither(),
    }
}

impl Located {
    fn verify(&self, heartbeat: &Heartbeat) -> Result<Counter, AccountError> {
        let index = self.index;
        verify_inclusion(&leaf_hash(&self.counter), index, heartbeat.devices, &self.proof, &heartbeat.root)
            .map_err(|source| AccountError::Proof { index, source })?;
        Counter::from_bytes(&self.counter).map_err(|source| AccountError::Counter { index, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(number: u32) -> Pseudonym {
        format!("{number:032x}").parse().unwrap()
    }

    fn counters(devices: u32) -> Vec<Counter> {
        // Every second pseudonym, so that there is room beside each.
        let sequences = |n| (n % 2 == 0).then_some(Sequences { low: 5, high: 5 + u64::from(n) });
        (0..devices).map(|n| Counter::new(device(2 * n + 1), 1 + u64::from(n), 0, sequences(n))).collect()
    }

    fn heartbeat(counters: &[Counter]) -> Heartbeat {
        let id = "01a1f838-78f3-71e9-9e5a-a50460b61251".parse().unwrap();
        let recorded = "2026-11-20T09:10:12.979Z".parse().unwrap();
        Heartbeat::new(id, recorded, 0, Totals::of(counters).unwrap())
    }

    fn locate(counters: &[Vec<u8>], device: &Pseudonym) -> Result<Vec<Located>, AccountError> {
        let mut locator = Locator::new(device.clone());
        counters.iter().try_for_each(|counter| locator.push(counter.clone()))?;
        Ok(locator.finish())
    }

    #[test]
    fn every_device_is_accounted_for_present_or_absent() {
        for devices in 0..20 {
            let counters = counters(devices);
            let heartbeat = heartbeat(&counters);
            let bytes: Vec<_> = counters.iter().map(|counter| counter.to_bytes().unwrap()).collect();
            for number in 0..=2 * devices + 1 {
                let shown = locate(&bytes, &device(number)).unwrap();
                let expected = counters.iter().find(|counter| counter.device == device(number));
                assert_eq!(account(&heartbeat, &device(number), &shown).unwrap().as_ref(), expected);
                // What speaks for one device speaks for no other on the far side of what is shown.
                let elsewhere = device((number + 4) % (2 * devices + 2));
                if let Ok(found) = account(&heartbeat, &elsewhere, &shown) {
                    assert_eq!(found.as_ref(), counters.iter().find(|counter| counter.device == elsewhere));
                }
            }
        }
    }

    #[test]
    fn a_device_that_counts_is_not_shown_absent() {
        let counters = counters(9);
        let heartbeat = heartbeat(&counters);
        let bytes: Vec<_> = counters.iter().map(|counter| counter.to_bytes().unwrap()).collect();
        let hidden = device(9);
        let around = [device(8), device(10)].map(|beside| locate(&bytes, &beside).unwrap());
        let neighbours: Vec<_> = vec![around[0][0].clone(), around[1][1].clone()];
        assert!(matches!(account(&heartbeat, &hidden, &neighbours), Err(AccountError::Neither(_))));
        assert!(matches!(account(&heartbeat, &hidden, &[]), Err(AccountError::Neither(_))));
        assert!(matches!(account(&heartbeat, &hidden, &neighbours[..1]), Err(AccountError::Neither(_))));
        let mut changed = locate(&bytes, &hidden).unwrap();
        changed[0].counter = Counter::new(hidden.clone(), 4, 0, None).to_bytes().unwrap();
        assert!(matches!(account(&heartbeat, &hidden, &changed), Err(AccountError::Proof { .. })));
    }

    #[test]
    fn gaps_are_counted_and_malformed_counters_refused() {
        let counter = |low, high| Counter::new(device(1), 3, 0, Some(Sequences { low, high }));
        assert_eq!(
            (counter(5, 7).missing(), counter(5, 9).missing(), counter(0, u64::MAX).missing()),
            (0, 2, u64::MAX - 3)
        );
        assert!(Counter::from_bytes(&counter(7, 5).to_bytes().unwrap()).is_err());
        assert!(Totals::of(&[counter(1, 1), counter(1, 1)]).is_err());
    }
}
