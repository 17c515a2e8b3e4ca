//! What people say of a finding.

use serde::{Deserialize, Serialize};

/// Whether a finding was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FeedbackVerdict {
    /// There was nothing: the detector is to be less sure of itself with this device.
    FalseAlarm,
    /// There was something.
    Real,
}

/// What `POST /api/v1/anomalies/{index}/feedback` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(example = json!({"verdict": "false_alarm", "comment": "the door was open"})))]
#[serde(deny_unknown_fields)]
pub struct FeedbackRequest {
    /// Whether the finding was right.
    pub verdict: FeedbackVerdict,
    /// In words: 1 to 1,000 characters without control characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// What was said of a finding. The first that is said stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(example = json!({
    "verdict": "false_alarm", "comment": "the door was open", "time": "2026-01-05T08:30:00.000Z"
})))]
pub struct Feedback {
    /// Whether the finding was right.
    pub verdict: FeedbackVerdict,
    /// In words; absent where none were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// When it was said (RFC 3339, UTC).
    pub time: String,
}
