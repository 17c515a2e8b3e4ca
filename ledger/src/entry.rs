//! Entries, their payloads, and the commitment that joins them (docs/spec/entry.md, version 1).
//!
//! Bytes are made once, by `to_bytes`, and from then on only stored, hashed and compared.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    canonical::{self, CanonicalError},
    hash::{Hash, sha256},
    text::{Decimal, Id, Pseudonym, TextError, Time},
};

/// The version of entries and payloads that this crate writes; [`read`] refuses others.
const VERSION: u8 = 1;

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
    #[error("expected kind \"anomaly\" or \"model\", found {0}")]
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

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look soon.
    Warning,
    /// Needs somebody now.
    Critical,
}

/// What sort of anomaly a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// One reading far from its neighbours.
    Point,
    /// A value that is usual at other times, but not now.
    Contextual,
    /// The level, and with it what is usual, has changed.
    ChangePoint,
    /// A configured limit was crossed.
    Threshold,
}

/// A finding, as the log records it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anomaly {
    v: u8,
    kind: AnomalyKind,
    /// Unique in the log.
    pub id: Id,
    /// When the service made the entry.
    pub recorded: Time,
    /// SHA-256(salt ‖ payload).
    pub commitment: Hash,
    /// The device's pseudonym.
    pub device: Pseudonym,
    /// SHA-256 of the model's bytes.
    pub model: Hash,
    /// Time of the reading, as the device gave it.
    pub observed: Time,
    /// How much it matters.
    pub severity: Severity,
}

/// A model that came into use, as the log records it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    v: u8,
    kind: ModelKind,
    /// Unique in the log.
    pub id: Id,
    /// When the service made the entry.
    pub recorded: Time,
    /// SHA-256 of the model's bytes.
    pub model: Hash,
    /// The profile that it serves.
    pub name: String,
    /// SHA-256 of the training sample.
    pub sample: Hash,
}

/// What the log holds: one leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A finding.
    Anomaly(Anomaly),
    /// A model that came into use.
    Model(Model),
}

/// The payload of an `anomaly` entry: what the log commits to without showing it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    v: u8,
    /// The entry's identifier.
    pub entry: Id,
    /// The device's name.
    pub device: String,
    /// The reading's sequence number, where the device gives one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// The reading's time.
    pub time: Time,
    /// The reading's values, sorted by metric.
    pub values: Vec<MetricValue>,
    /// What sort of anomaly it is.
    pub r#type: Type,
    /// How much it matters.
    pub severity: Severity,
    /// From 0 to 1.
    pub score: Decimal,
    /// A score at or above it is an anomaly.
    pub threshold: Decimal,
    /// What fired, strongest first.
    pub reasons: Vec<Reason>,
    /// The finding in one sentence.
    pub sentence: String,
    /// SHA-256 of the model's bytes.
    pub model: Hash,
    /// SHA-256 of the detector's state before the reading.
    pub state: Hash,
}

/// One metric's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricValue {
    /// The metric's name.
    pub metric: String,
    /// Its unit; empty where none is known.
    pub unit: String,
    /// The value.
    pub value: Decimal,
}

/// Why a metric's value was found anomalous.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// The metric's name.
    pub metric: String,
    /// Its unit; empty where none is known.
    pub unit: String,
    /// The value.
    pub value: Decimal,
    /// Lower end of what was expected.
    pub expected_low: Decimal,
    /// Upper end of what was expected.
    pub expected_high: Decimal,
    /// The feature that fired.
    pub feature: String,
    /// How strongly, from 0 to 1.
    pub score: Decimal,
}

impl Anomaly {
    /// An entry for a finding. `commitment` comes from [`commitment`].
    pub fn new(
        id: Id,
        recorded: Time,
        commitment: Hash,
        device: Pseudonym,
        model: Hash,
        observed: Time,
        severity: Severity,
    ) -> Self {
        Self { v: VERSION, kind: AnomalyKind::Anomaly, id, recorded, commitment, device, model, observed, severity }
    }
}

impl Model {
    /// An entry for a model.
    pub fn new(id: Id, recorded: Time, model: Hash, name: String, sample: Hash) -> Self {
        Self { v: VERSION, kind: ModelKind::Model, id, recorded, model, name, sample }
    }
}

impl Entry {
    /// The entry's bytes: the leaf.
    ///
    /// # Errors
    /// [`EntryError::Length`] above [`MAX_ENTRY`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, EntryError> {
        match self {
            Entry::Anomaly(entry) => to_bytes(entry, MAX_ENTRY),
            Entry::Model(entry) => to_bytes(entry, MAX_ENTRY),
        }
    }

    /// Reads an entry, and refuses bytes that are not exactly by the format.
    ///
    /// # Errors
    /// See [`EntryError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EntryError> {
        let value = read(bytes, MAX_ENTRY)?;
        let entry = match value["kind"].as_str() {
            Some("anomaly") => Entry::Anomaly(serde_json::from_value(value)?),
            Some("model") => Entry::Model(serde_json::from_value(value)?),
            Some(_) => {
                // Of a later edition: what every entry has, this one must have too.
                let common = |member: &str| value[member].as_str().unwrap_or_default();
                common("id").parse::<Id>()?;
                common("recorded").parse::<Time>()?;
                return Err(EntryError::Kind(value["kind"].clone()));
            }
            None => return Err(EntryError::NoKind),
        };
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
            Entry::Model(_) | Entry::Anomaly(_) => Ok(()),
        }
    }

    /// The kind's name.
    pub fn kind(&self) -> &'static str {
        match self {
            Entry::Anomaly(_) => "anomaly",
            Entry::Model(_) => "model",
        }
    }
}

/// The parts of a payload that [`Payload::new`] takes from the detector.
#[derive(Debug, Clone)]
pub struct Judged {
    /// See [`Payload::type`].
    pub r#type: Type,
    /// See [`Payload::severity`].
    pub severity: Severity,
    /// See [`Payload::score`].
    pub score: Decimal,
    /// See [`Payload::threshold`].
    pub threshold: Decimal,
    /// See [`Payload::reasons`].
    pub reasons: Vec<Reason>,
    /// See [`Payload::sentence`].
    pub sentence: String,
    /// See [`Payload::model`].
    pub model: Hash,
    /// See [`Payload::state`].
    pub state: Hash,
}

impl Payload {
    /// A payload for the entry with this identifier.
    pub fn new(
        entry: Id,
        device: String,
        sequence: Option<u64>,
        time: Time,
        mut values: Vec<MetricValue>,
        judged: Judged,
    ) -> Self {
        values.sort_by(|a, b| a.metric.cmp(&b.metric));
        let Judged { r#type, severity, score, threshold, reasons, sentence, model, state } = judged;
        Self {
            v: VERSION,
            entry,
            device,
            sequence,
            time,
            values,
            r#type,
            severity,
            score,
            threshold,
            reasons,
            sentence,
            model,
            state,
        }
    }

    /// The payload's bytes.
    ///
    /// # Errors
    /// [`EntryError::Length`] above [`MAX_PAYLOAD`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, EntryError> {
        to_bytes(self, MAX_PAYLOAD)
    }

    /// Reads a payload, and refuses bytes that are not exactly by the format.
    ///
    /// # Errors
    /// See [`EntryError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EntryError> {
        let payload: Self = serde_json::from_value(read(bytes, MAX_PAYLOAD)?)?;
        payload.check()?;
        same(&payload.to_bytes()?, bytes)?;
        Ok(payload)
    }

    /// What the types do not say.
    fn check(&self) -> Result<(), EntryError> {
        let share = |decimal: &Decimal| decimal.as_str().parse().is_ok_and(|value: f64| (0.0..=1.0).contains(&value));
        let shares = [&self.score, &self.threshold].into_iter().chain(self.reasons.iter().map(|reason| &reason.score));
        if !shares.into_iter().all(share) {
            return Err(EntryError::Member("scores and threshold from 0 to 1"));
        }
        if !self.values.is_sorted_by(|a, b| a.metric < b.metric) {
            return Err(EntryError::Member("values sorted by metric, each metric once"));
        }
        Ok(())
    }
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

/// SHA-256(salt ‖ payload).
pub fn commitment(salt: &[u8; 32], payload: &[u8]) -> Hash {
    sha256(&[salt, payload])
}

fn to_bytes<T: Serialize>(record: &T, max: usize) -> Result<Vec<u8>, EntryError> {
    let bytes = canonical::write(&serde_json::to_value(record)?)?;
    if bytes.len() > max {
        return Err(EntryError::Length { max, found: bytes.len() });
    }
    Ok(bytes)
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AnomalyKind {
    Anomaly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ModelKind {
    Model,
}
