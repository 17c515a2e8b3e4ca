//! Models: what judged, and still can be asked.

use serde::{Deserialize, Serialize};

use crate::EntryState;

/// A model that came into use, as its entry says it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
