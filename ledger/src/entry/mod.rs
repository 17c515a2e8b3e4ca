//! Entries, their payloads, and the commitment that joins them (docs/spec/entry.md, version 1).
//!
//! Bytes are made once, by `to_bytes`, and from then on only stored, hashed and compared.

mod kinds;
mod payload;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    canonical::{self, CanonicalError},
    text::{Id, TextError, Time},
};
pub use kinds::{Anomaly, Audit, Beacon, Heartbeat, Key, Model, Severity};
pub use payload::{Flow, Judged, MetricValue, Payload, Reason, Type, commitment};

/// The version of everything in canonical JSON that this crate writes; it refuses others.
pub(crate) const VERSION: u8 = 1;

/// An entry's length is written in 16 bits (C2SP tlog-tiles), so this is the most.
pub const MAX_ENTRY: usize = 65_535;

/// A payload is one reading and its reasons; 16 KiB leaves room for about a hundred metrics.
pub const MAX_PAYLOAD: usize = 16_384;

/// Why bytes are no entry or payload of version 1, or why none can be made.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// Not canonical JSON.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// Canonical, but with a member too many, too few, or of a wrong type.
    #[error("not by version 1 of the format: {0}")]
    Shape(#[from] serde_json::Error),
    /// Of another version.
    #[error("expected version 1, found {0}")]
    Version(Value),
    /// Of a kind that this version does not explain.
    #[error("expected one of the kinds {expected}, found {0}", expected = KINDS.join(", "))]
    Kind(Value),
    /// Without a kind.
    #[error("expected a kind as text")]
    NoKind,
    /// A member says what it may not.
    #[error("expected {0}")]
    Member(&'static str),
    /// A text that every entry has is missing or malformed.
    #[error(transparent)]
    Text(#[from] TextError),
    /// Too long.
    #[error("expected at most {max} bytes, found {found}")]
    Length {
        /// The limit.
        max: usize,
        /// The length.
        found: usize,
    },
}

/// The kinds that version 1 explains.
pub const KINDS: [&str; 6] = ["anomaly", "audit", "beacon", "heartbeat", "key", "model"];

/// What the log holds: one leaf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// A finding.
    Anomaly(Anomaly),
    /// A part of the audit log.
    Audit(Audit),
    /// A recent block.
    Beacon(Beacon),
    /// What was counted since the last one.
    Heartbeat(Heartbeat),
    /// The key that signs from here on.
    Key(Key),
    /// A model that came into use.
    Model(Model),
}

impl Entry {
    /// The entry's bytes: the leaf.
    ///
    /// # Errors
    /// [`EntryError::Length`] above [`MAX_ENTRY`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, EntryError> {
        to_bytes(self, MAX_ENTRY)
    }

    /// Reads an entry, and refuses bytes that are not exactly by the format.
    ///
    /// # Errors
    /// See [`EntryError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EntryError> {
        let value = read(bytes, MAX_ENTRY)?;
        match value["kind"].as_str() {
            Some(kind) if KINDS.contains(&kind) => {}
            Some(_) => {
                // Of a later edition: what every entry has, this one must have too.
                let common = |member: &str| value[member].as_str().unwrap_or_default();
                common("id").parse::<Id>()?;
                common("recorded").parse::<Time>()?;
                return Err(EntryError::Kind(value["kind"].clone()));
            }
            None => return Err(EntryError::NoKind),
        }
        let entry: Self = serde_json::from_value(value)?;
        entry.check()?;
        same(&entry.to_bytes()?, bytes)?;
        Ok(entry)
    }

    /// What the types do not say.
    fn check(&self) -> Result<(), EntryError> {
        match self {
            Entry::Model(model) if !(1..=64).contains(&model.name.chars().count()) => {
                Err(EntryError::Member("a name of 1 to 64 characters"))
            }
            Entry::Audit(audit) if audit.records == 0 => Err(EntryError::Member("at least one record")),
            _ => Ok(()),
        }
    }

    /// The kind's name.
    pub fn kind(&self) -> &'static str {
        match self {
            Entry::Anomaly(_) => "anomaly",
            Entry::Audit(_) => "audit",
            Entry::Beacon(_) => "beacon",
            Entry::Heartbeat(_) => "heartbeat",
            Entry::Key(_) => "key",
            Entry::Model(_) => "model",
        }
    }

    /// When the service made the entry.
    pub fn recorded(&self) -> &Time {
        match self {
            Entry::Anomaly(entry) => &entry.recorded,
            Entry::Audit(entry) => &entry.recorded,
            Entry::Beacon(entry) => &entry.recorded,
            Entry::Heartbeat(entry) => &entry.recorded,
            Entry::Key(entry) => &entry.recorded,
            Entry::Model(entry) => &entry.recorded,
        }
    }
}

/// Writes a record in canonical form.
pub(crate) fn to_bytes<T: Serialize>(record: &T, max: usize) -> Result<Vec<u8>, EntryError> {
    let bytes = canonical::write(&serde_json::to_value(record)?)?;
    if bytes.len() > max {
        return Err(EntryError::Length { max, found: bytes.len() });
    }
    Ok(bytes)
}

/// Reads a record of version 1, and refuses bytes that would not be written so.
pub(crate) fn from_bytes<T: Serialize + DeserializeOwned>(bytes: &[u8], max: usize) -> Result<T, EntryError> {
    let record: T = serde_json::from_value(read(bytes, max)?)?;
    same(&to_bytes(&record, max)?, bytes)?;
    Ok(record)
}

fn read(bytes: &[u8], max: usize) -> Result<Value, EntryError> {
    if bytes.len() > max {
        return Err(EntryError::Length { max, found: bytes.len() });
    }
    let value = canonical::read(bytes)?;
    if value["v"] != 1 {
        return Err(EntryError::Version(value["v"].clone()));
    }
    Ok(value)
}

/// Bytes that were read must be those that would be written: so an array cannot stand for an object, or a null for
/// what is absent.
fn same(written: &[u8], read: &[u8]) -> Result<(), EntryError> {
    if written == read {
        Ok(())
    } else {
        Err(EntryError::Member("each object as an object, and nothing absent as null"))
    }
}
