//! Anomalies as `GET /api/v1/anomalies` lists them and the feed announces them.

use serde::{Deserialize, Serialize};

/// How far an entry has come on the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    /// In the log, not yet on the chain.
    Pending,
    /// Under a root that the contract has recorded in a block that is not final.
    Anchored,
    /// Under a root that the contract has recorded in a final block.
    Final,
}

/// One metric's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Metric {
    /// The metric's name.
    pub metric: String,
    /// Its unit; empty where none is known.
    pub unit: String,
    /// The value.
    pub value: f64,
}

/// An anomaly: what its payload says, and where its entry stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Anomaly {
    /// The entry's index in the log.
    pub index: u64,
    /// The entry's identifier (UUIDv7).
    pub id: String,
    /// How far the entry has come on the chain.
    pub state: EntryState,
    /// The device's name.
    pub device: String,
    /// Time of the reading (RFC 3339, UTC).
    pub time: String,
    /// When the service recorded it (RFC 3339, UTC).
    pub recorded: String,
    /// `point`, `contextual`, `change_point` or `threshold`.
    pub r#type: String,
    /// `info`, `warning` or `critical`.
    pub severity: String,
    /// From 0 to 1.
    pub score: f64,
    /// A score at or above it is an anomaly.
    pub threshold: f64,
    /// The finding in one sentence.
    pub sentence: String,
    /// The reading's values.
    pub values: Vec<Metric>,
    /// The model's version.
    pub model_version: String,
}

/// One page of a list, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Give it as `cursor` to get the next page: what is below this index. Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
