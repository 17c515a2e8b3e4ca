//! The members of each kind of entry.

use serde::{Deserialize, Serialize};

use super::VERSION;
use crate::{
    checkpoint::LogKey,
    hash::Hash,
    text::{Id, Pseudonym, Time},
};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look soon.
    Warning,
    /// Needs somebody now.
    Critical,
}

/// A finding, as the log records it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anomaly {
    v: u8,
    /// Unique in the log.
    pub id: Id,
    /// When the service made the entry.
    pub recorded: Time,
    /// SHA-256(salt ‖ payload).
    pub commitment: Hash,
    /// The device's pseudonym.
    pub device: Pseudonym,
    /// SHA-256 of the model's bytes.
    pub model: Hash,
    /// Time of the reading, as the device gave it.
    pub observed: Time,
    /// How much it matters.
    pub severity: Severity,
}

/// A model that came into use, as the log records it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    v: u8,
    /// Unique in the log.
    pub id: Id,
    /// When the service made the entry.
    pub recorded: Time,
    /// SHA-256 of the model's bytes.
    pub model: Hash,
    /// The profile that it serves.
    pub name: String,
    /// SHA-256 of the training sample.
    pub sample: Hash,
}

/// A recent block: what follows in the log is not older than it, for nobody knew its hash before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beacon {
    v: u8,
    /// Unique in the log.
    pub id: Id,
    /// When the service made the entry.
    pub recorded: Time,
    /// The chain's id (EIP-155).
    pub chain_id: u64,
    /// The block's number.
    pub block: u64,
    /// The block's hash.
    pub block_hash: Hash,
}

/// What was counted in one window of the log (see [`crate::heartbeat`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    v: u8,
    /// Unique in the log.
    pub id: Id,
    /// When the service made the entry: the window's end.
    pub recorded: Time,
    /// The index of the window's first entry: one after the last heartbeat, or 0. The window ends before this entry.
    pub from: u64,
    /// Devices counted: the leaves under `root`.
    pub devices: u64,
    /// Readings accepted.
    pub readings: u64,
    /// Entries of kind `anomaly` in the window.
    pub anomalies: u64,
    /// Root of the tree over the devices' counters.
    pub root: Hash,
}

/// The next part of the audit log (see [`crate::audit`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    v: u8,
    /// Unique in the log.
    pub id: Id,
    /// When the service made the entry.
    pub recorded: Time,
    /// The number of the first record, counted from 0.
    pub from: u64,
    /// How many records.
    pub records: u64,
    /// Root of the tree over the records.
    pub root: Hash,
}

/// The key that signs from here on: the checkpoint that ends with this entry is the last of the key before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    v: u8,
    /// Unique in the log.
    pub id: Id,
    /// When the service made the entry.
    pub recorded: Time,
    /// The new key, under the same origin.
    pub log_key: LogKey,
}

impl Anomaly {
    /// An entry for a finding. `commitment` comes from [`super::commitment`].
    pub fn new(
        id: Id,
        recorded: Time,
        commitment: Hash,
        device: Pseudonym,
        model: Hash,
        observed: Time,
        severity: Severity,
    ) -> Self {
        Self { v: VERSION, id, recorded, commitment, device, model, observed, severity }
    }
}

impl Model {
    /// An entry for a model.
    pub fn new(id: Id, recorded: Time, model: Hash, name: String, sample: Hash) -> Self {
        Self { v: VERSION, id, recorded, model, name, sample }
    }
}

impl Beacon {
    /// An entry for a block.
    pub fn new(id: Id, recorded: Time, chain_id: u64, block: u64, block_hash: Hash) -> Self {
        Self { v: VERSION, id, recorded, chain_id, block, block_hash }
    }
}

impl Heartbeat {
    /// An entry for a window that began at `from`, with the devices' counters.
    pub fn new(id: Id, recorded: Time, from: u64, totals: crate::heartbeat::Totals) -> Self {
        let crate::heartbeat::Totals { devices, readings, anomalies, root } = totals;
        Self { v: VERSION, id, recorded, from, devices, readings, anomalies, root }
    }
}

impl Audit {
    /// An entry for records from `from` on.
    pub fn new(id: Id, recorded: Time, from: u64, records: u64, root: Hash) -> Self {
        Self { v: VERSION, id, recorded, from, records, root }
    }
}

impl Key {
    /// An entry for a new key.
    pub fn new(id: Id, recorded: Time, log_key: LogKey) -> Self {
        Self { v: VERSION, id, recorded, log_key }
    }
}
