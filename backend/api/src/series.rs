//! Readings that are kept, what is summed up of them, and what is counted over them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Label;

/// A stored reading with its verdict, as `GET /api/v1/devices/{device}/readings` lists it, and as a line of an export
/// has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(example = json!({
    "device": "weather-1", "time": "2026-01-05T08:02:00Z", "sequence": 3,
    "metrics": {"humidity": 40.1, "pressure": 1013.2, "temperature": 200.0},
    "score": 0.99, "threshold": 0.5, "label": "anomaly", "model_version": "weather-station-1f0c2d3a", "index": 5
})))]
pub struct StoredReading {
    /// The device's name.
    pub device: String,
    /// Time of the reading (RFC 3339, UTC, to the microsecond).
    pub time: String,
    /// The device's sequence number; absent where it gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// The values, exactly as they were stored; empty if they were erased, or nothing came.
    pub metrics: BTreeMap<String, f64>,
    /// The values were erased. Absent where they were not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
    /// It is no reading: the device had been silent for too long, and that was noticed at this time. Absent otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub silence: bool,
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
}

/// In which order readings are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// From the newest time back.
    #[default]
    Newest,
    /// From the oldest time on.
    Oldest,
}

/// What a down-sampled series was computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// The readings themselves.
    Raw,
    /// What was summed up of each minute.
    Minute,
    /// What was summed up of each hour.
    Hour,
}

/// One metric of one device over time, down-sampled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(example = json!({
    "device": "weather-1", "metric": "temperature", "from": "2026-01-05T08:00:00Z", "to": "2026-01-05T09:00:00Z",
    "resolution": "raw", "step_ms": 60_000,
    "buckets": [{"time": "2026-01-05T08:02:00Z", "min": 21.4, "max": 200.0, "mean": 110.7, "count": 2, "anomalies": 1}]
})))]
pub struct Series {
    /// The device's name.
    pub device: String,
    /// The metric.
    pub metric: String,
    /// Where it begins (RFC 3339, UTC): the beginning of the first bucket that there may be.
    pub from: String,
    /// Where it ends; what is at this time is not in it any more.
    pub to: String,
    /// What it was computed from.
    pub resolution: Resolution,
    /// How long a bucket is, in milliseconds. Each begins at a multiple of it since 1970.
    pub step_ms: u64,
    /// The buckets in which there are values, oldest first. At most as many as points were asked for.
    pub buckets: Vec<Bucket>,
}

/// The values of a metric within one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Bucket {
    /// Where it begins (RFC 3339, UTC).
    pub time: String,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
    /// The mean of the values.
    pub mean: f64,
    /// How many values.
    pub count: u64,
    /// How many of them are of readings that were judged anomalous.
    pub anomalies: u64,
}

/// Which devices had the most anomalies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(example = json!({
    "from": "2026-01-05T00:00:00Z", "to": "2026-01-06T00:00:00Z",
    "items": [{"device": "weather-1", "readings": 1440, "anomalies": 3, "rate": 0.002_083_333_333_333_333_3}]
})))]
pub struct DeviceStatistics {
    /// From when on it was counted (RFC 3339, UTC): whole hours, or days beyond a month.
    pub from: String,
    /// Up to when.
    pub to: String,
    /// The devices with anomalies, most anomalies first, then by name.
    pub items: Vec<DeviceCount>,
}

/// What was counted of one device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceCount {
    /// The device's name.
    pub device: String,
    /// How many readings.
    pub readings: u64,
    /// How many anomalies; that it was silent is one, too.
    pub anomalies: u64,
    /// Anomalies for each reading; 0 without readings.
    pub rate: f64,
}

/// How long each count of anomalies is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Hours of UTC.
    #[default]
    Hour,
    /// Days of UTC.
    Day,
}

/// How many anomalies there were over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(example = json!({
    "from": "2026-01-05T08:00:00Z", "to": "2026-01-05T10:00:00Z", "step": "hour",
    "items": [{"time": "2026-01-05T08:00:00Z", "type": "point", "severity": "critical", "count": 1}]
})))]
pub struct AnomalyStatistics {
    /// From when on it was counted (RFC 3339, UTC): whole steps.
    pub from: String,
    /// Up to when.
    pub to: String,
    /// How long each step is.
    pub step: Step,
    /// What was counted, oldest first, then by type and severity. What was not found is not listed.
    pub items: Vec<AnomalyCount>,
}

/// Anomalies of one type and severity within one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AnomalyCount {
    /// Where the step begins (RFC 3339, UTC).
    pub time: String,
    /// `point`, `contextual`, `change_point` or `threshold`.
    pub r#type: String,
    /// `info`, `warning` or `critical`.
    pub severity: String,
    /// How many.
    pub count: u64,
}

/// The last line of an export as lines of JSON. A file without it was cut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExportEnd {
    /// Always true.
    pub end: bool,
    /// How many readings stand before it.
    pub readings: u64,
    /// How many readings were passed over, since their values are erased.
    pub erased: u64,
    /// SHA-256 of all bytes before this line, hex.
    pub sha256: String,
}
