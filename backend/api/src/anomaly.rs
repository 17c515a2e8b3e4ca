//! Anomalies as `GET /api/v1/anomalies` lists them and the feed announces them.

use serde::{Deserialize, Serialize};

use crate::Feedback;

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

/// Why a value was found anomalous, as the payload says it (docs/spec/entry.md).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reason {
    /// The metric's name.
    pub metric: String,
    /// Its unit; empty where none is known.
    pub unit: String,
    /// The value.
    pub value: f64,
    /// The value that was expected; absent where the payload does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<f64>,
    /// Lower end of what was expected.
    pub expected_low: f64,
    /// Upper end of what was expected.
    pub expected_high: f64,
    /// What gave it away.
    pub feature: String,
    /// How strongly, from 0 to 1.
    pub score: f64,
    /// How probable a deviation this large is in an ordinary reading of the device, from 0 to 1; absent where the
    /// payload does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// This reason's share in the finding, from 0 to 1; absent where the payload does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contribution: Option<f64>,
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
    /// What fired, strongest first.
    #[serde(default)]
    pub reasons: Vec<Reason>,
    /// The reading's values.
    pub values: Vec<Metric>,
    /// The model's version.
    pub model_version: String,
    /// What people said of it; absent where nobody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<Feedback>,
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
