//! The payload of an `anomaly` entry, and the commitment to it.

use serde::{Deserialize, Serialize};

use super::{EntryError, MAX_PAYLOAD, Severity, VERSION, from_bytes, to_bytes};
use crate::{
    hash::{Hash, sha256},
    signed::Signed,
    text::{Decimal, Endpoint, Id, Time},
};

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
    /// The device's signature over the reading (docs/spec/signed-reading.md); absent where it did not sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
    /// Between whom, where the reading is a network flow and its ends are known; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<Flow>,
}

/// The ends of a network flow; one of them at least.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Where it goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Endpoint>,
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Endpoint>,
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
    /// The value that was expected; absent in payloads of before this member, and where none is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Decimal>,
    /// Lower end of what was expected.
    pub expected_low: Decimal,
    /// Upper end of what was expected.
    pub expected_high: Decimal,
    /// The feature that fired.
    pub feature: String,
    /// How strongly, from 0 to 1.
    pub score: Decimal,
    /// How probable a deviation this large is in an ordinary reading of the device, from 0 to 1; may be absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<Decimal>,
    /// The share of this reason in the finding's evidence, from 0 to 1; may be absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contribution: Option<Decimal>,
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
            signed: None,
            flow: None,
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
        let payload: Self = from_bytes(bytes, MAX_PAYLOAD)?;
        payload.check()?;
        Ok(payload)
    }

    /// What the types do not say.
    fn check(&self) -> Result<(), EntryError> {
        let share = |decimal: &Decimal| decimal.as_str().parse().is_ok_and(|value: f64| (0.0..=1.0).contains(&value));
        if ![&self.score, &self.threshold].into_iter().chain(self.reasons.iter().map(|reason| &reason.score)).all(share)
        {
            return Err(EntryError::Member("scores and threshold from 0 to 1"));
        }
        if !self.reasons.iter().flat_map(|reason| [&reason.probability, &reason.contribution]).flatten().all(share) {
            return Err(EntryError::Member("probabilities and contributions from 0 to 1"));
        }
        if !self.values.is_sorted_by(|a, b| a.metric < b.metric) {
            return Err(EntryError::Member("values sorted by metric, each metric once"));
        }
        if self.signed.is_some() && (self.sequence.is_none() || self.values.is_empty()) {
            return Err(EntryError::Member("a sequence number and values in a signed reading"));
        }
        if self.flow.as_ref().is_some_and(|flow| flow.source.is_none() && flow.destination.is_none()) {
            return Err(EntryError::Member("a source or a destination of a flow"));
        }
        Ok(())
    }
}

/// SHA-256(salt ‖ payload).
pub fn commitment(salt: &[u8; 32], payload: &[u8]) -> Hash {
    sha256(&[salt, payload])
}
