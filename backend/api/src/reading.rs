//! What `POST /api/v1/readings` answers.

use serde::{Deserialize, Serialize};

use crate::Problem;

/// What the detector says of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// As expected.
    Normal,
    /// Not as expected.
    Anomaly,
    /// The detector does not know the device well enough yet.
    WarmingUp,
}

/// What became of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Stored, on disk.
    Stored,
    /// The same reading was stored before; its first verdict is given.
    Duplicate,
    /// Not stored; the problem says why.
    Rejected,
}

/// The verdict on a reading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Judgement {
    /// From 0 to 1.
    pub score: f64,
    /// A score at or above it is an anomaly, once the detector knows the device.
    pub threshold: f64,
    /// The verdict.
    pub label: Label,
    /// The version of the model that judged.
    pub model_version: String,
    /// The log entry; absent unless the label is `anomaly`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// The finding in one sentence; absent unless the label is `anomaly`. Of an erased reading: that it is erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentence: Option<String>,
}

/// What became of one reading of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReadingResult {
    /// What became of it.
    pub status: Status,
    /// The verdict; absent where it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judgement: Option<Judgement>,
    /// Why it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// The answer to `POST /api/v1/readings`: one result for each reading, in their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Readings {
    /// How many were stored, or had been before.
    pub accepted: u64,
    /// How many were rejected.
    pub rejected: u64,
    /// The results.
    pub results: Vec<ReadingResult>,
}
