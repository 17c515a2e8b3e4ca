//! Heartbeats: what was counted in each window of the log.

use serde::{Deserialize, Serialize};

use crate::EntryState;

/// A heartbeat, as its entry says it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Heartbeat {
    /// The entry's index: the window ends before it.
    pub index: u64,
    /// How far the entry has come.
    pub state: EntryState,
    /// When the window was closed (RFC 3339).
    pub recorded: String,
    /// The index of the window's first entry.
    pub from: u64,
    /// Devices counted.
    pub devices: u64,
    /// Readings accepted in the window.
    pub readings: u64,
    /// Anomalies in the window.
    pub anomalies: u64,
}

/// What a heartbeat says of one device, with what shows it (docs/spec/heartbeat.md).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Account {
    /// The heartbeat's bytes, base64.
    pub heartbeat: String,
    /// The device's counter; or, where it has none, those that would stand beside it.
    pub shown: Vec<LocatedCounter>,
}

/// A counter in its place under a heartbeat's root.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LocatedCounter {
    /// The counter's bytes, base64.
    pub counter: String,
    /// Its index among the heartbeat's counters.
    pub index: u64,
    /// The inclusion proof: hashes in hex, lowest first.
    pub proof: Vec<String>,
}
