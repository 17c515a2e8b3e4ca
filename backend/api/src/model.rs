//! Models: what judged, and still can be asked.

use serde::{Deserialize, Serialize};

use crate::EntryState;

/// A model that came into use, as its entry says it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(example = json!({
    "index": 0, "state": "final", "recorded": "2026-01-05T07:59:58.120Z",
    "hash": "2f9c8c1c4d8c5a3f8d2f9f5a6f0a1b7c3d4e5f60718293a4b5c6d7e8f9012345", "name": "weather-station",
    "sample": "9b74c9897bac770ffc029102a200c5de8d7f2c6a5b4e3d2c1b0a99887766554f", "version": "weather-station-2f9c8c1c4d8c"
})))]
pub struct Model {
    /// The entry's index.
    pub index: u64,
    /// How far the entry has come.
    pub state: EntryState,
    /// When it was recorded (RFC 3339): before the first finding that names it.
    pub recorded: String,
    /// SHA-256 of the model's bytes, hex: what findings name.
    pub hash: String,
    /// The profile that it serves.
    pub name: String,
    /// SHA-256 of the training sample, hex.
    pub sample: String,
    /// The model's version; its hash where the service does not know it.
    pub version: String,
}
