//! Types of devices: what they measure, what is possible, what is safe, and how long it is kept.

use serde::{Deserialize, Serialize};

/// A type of device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceType {
    /// Its name.
    pub name: String,
    /// Whether it comes with the program. It may be changed all the same.
    pub built_in: bool,
    /// When it was changed last (RFC 3339, UTC); absent where it is as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<String>,
    /// What it says.
    pub definition: DeviceTypeDefinition,
}

/// What a type says; what `PUT /api/v1/device-types/{name}` takes, as a whole.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DeviceTypeDefinition {
    /// What it is, for people: at most 200 bytes.
    #[serde(default)]
    pub title: String,
    /// The profile whose model judges new devices of this type; where the service has no such model, the generic one.
    pub profile: String,
    /// What is known of its metrics: at most 32. Others may be sent as well, and are bounded by nothing.
    #[serde(default)]
    pub metrics: Vec<TypeMetric>,
    /// Seconds without a reading after which a device is offline: 1 to 31,536,000.
    pub offline_after_seconds: u64,
    /// How long what it sends is kept.
    #[serde(default)]
    pub retention: Retention,
}

/// One metric of a type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TypeMetric {
    /// Its name, as readings give it.
    pub metric: String,
    /// Its unit.
    #[serde(default)]
    pub unit: String,
    /// What such a device can measure. A reading outside is refused: it is a fault, not a measurement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub possible: Option<Bounds>,
    /// What is safe. A reading outside is a finding of type `threshold`. At most 6 metrics of a type have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safe: Option<Bounds>,
    /// How severe a finding outside of what is safe is.
    #[serde(default)]
    pub severity: LimitSeverity,
}

/// From one value to another, both included; without one of them, without end.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// The lowest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// The highest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

/// How severe it is when a limit is crossed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LimitSeverity {
    /// Worth knowing.
    Info,
    /// Worth looking at.
    #[default]
    Warning,
    /// Somebody has to act.
    Critical,
}

/// How long readings are kept, in seconds; for ever where it is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Readings as they came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_seconds: Option<u64>,
    /// What is summed up of each minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minute_seconds: Option<u64>,
    /// What is summed up of each hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hour_seconds: Option<u64>,
}

/// What `GET /api/v1/device-types` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceTypes {
    /// All types, by name.
    pub items: Vec<DeviceType>,
}
