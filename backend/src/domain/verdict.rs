//! What is known of a reading after detection, and what came of submitting it.

use std::sync::Arc;

use ledger::{Hash, checkpoint::LogKey, signed::Signed};
use serde::{Deserialize, Serialize};

use super::{DeviceName, Micros, Millis, Reading};

/// The verdict's label, as it is stored and shown.
pub(crate) use api::{FeedbackVerdict, Label};

/// A reading with its verdict, ready to be committed.
#[derive(Debug, Clone)]
pub(crate) struct Judged {
    /// The reading.
    pub(crate) reading: Reading,
    /// The verdict.
    pub(crate) verdict: Verdict,
    /// What the log is to record; present exactly when the label is `anomaly`.
    pub(crate) finding: Option<PendingFinding>,
}

/// Score, label and model: what every reading gets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    /// From 0 to 1.
    pub(crate) score: f64,
    /// A score at or above it is an anomaly.
    pub(crate) threshold: f64,
    /// The label.
    pub(crate) label: Label,
    /// The version of the model that judged.
    pub(crate) model_version: Arc<str>,
}

/// A device as the store knows it.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    /// Its name.
    pub(crate) name: DeviceName,
    /// Random, 32 hex digits: its name in the public log.
    pub(crate) pseudonym: String,
    /// The profile whose model judges it.
    pub(crate) profile: String,
    /// The detector's state after the last reading.
    pub(crate) state: Vec<u8>,
    /// The highest sequence number seen.
    pub(crate) last_sequence: Option<u64>,
    /// The lowest sequence number seen.
    pub(crate) first_sequence: Option<u64>,
    /// Readings with a sequence number: fewer than there are from the first to the last, where some are missing.
    pub(crate) sequenced: u64,
    /// When the last reading came, by the service's clock.
    pub(crate) last_seen: Option<Millis>,
    /// The latest time of a reading seen.
    pub(crate) last_time: Option<Micros>,
}

/// What is to become a log entry. Findings and models wait in the queue, as JSON; the others are made when they are due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Pending {
    /// A finding.
    Finding(PendingFinding),
    /// A model that came into use.
    Model {
        /// SHA-256 of its bytes, hex.
        model: String,
        /// Its profile.
        name: String,
        /// SHA-256 of its training sample, hex.
        sample: String,
    },
    /// A recent block.
    Beacon {
        /// The chain's id.
        chain_id: u64,
        /// The block's number.
        block: u64,
        /// Its hash.
        block_hash: Hash,
    },
    /// What was counted since the last heartbeat.
    Heartbeat {
        /// The window's first entry.
        from: u64,
        /// Devices counted.
        devices: u64,
        /// Their readings.
        readings: u64,
        /// Their anomalies.
        anomalies: u64,
        /// The root over the counters.
        root: Hash,
    },
    /// The key that signs from here on.
    Key {
        /// The new key.
        log_key: LogKey,
    },
    /// The next part of the audit log.
    Audit {
        /// The first record's number.
        from: u64,
        /// How many records.
        records: u64,
        /// The root over them.
        root: Hash,
    },
}

/// A finding that waits to become a log entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PendingFinding {
    pub(crate) device: String,
    pub(crate) pseudonym: String,
    pub(crate) sequence: Option<u64>,
    pub(crate) time_ms: i64,
    pub(crate) values: Vec<MetricValue>,
    pub(crate) r#type: ledger::entry::Type,
    pub(crate) severity: ledger::entry::Severity,
    pub(crate) score: f64,
    pub(crate) threshold: f64,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) sentence: String,
    /// SHA-256 of the model's bytes, hex.
    pub(crate) model: String,
    /// SHA-256 of the detector's state before the reading, hex.
    pub(crate) state: String,
    /// That state; absent in rows of before it was kept.
    #[serde(default, with = "base64_option")]
    pub(crate) kept_state: Option<Vec<u8>>,
    /// The device's signature over the reading; absent in rows of before this member, and where it did not sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signed: Option<Signed>,
    /// Between whom, where the reading is a network flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) flow: Option<ledger::entry::Flow>,
}

/// One metric's value with its unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetricValue {
    pub(crate) metric: String,
    pub(crate) unit: String,
    pub(crate) value: f64,
}

/// Why a value was found anomalous.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    pub(crate) metric: String,
    pub(crate) unit: String,
    pub(crate) value: f64,
    /// Absent in rows of before this member; so are the other two.
    #[serde(default)]
    pub(crate) expected: Option<f64>,
    pub(crate) expected_low: f64,
    pub(crate) expected_high: f64,
    pub(crate) feature: String,
    pub(crate) score: f64,
    #[serde(default)]
    pub(crate) probability: Option<f64>,
    #[serde(default)]
    pub(crate) contribution: Option<f64>,
}

/// Bytes that may be absent, as base64: a list of numbers would be four times as long.
mod base64_option {
    use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        bytes.as_ref().map(|bytes| BASE64.encode(bytes)).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        let text: Option<String> = Option::deserialize(deserializer)?;
        text.map(|text| BASE64.decode(text).map_err(D::Error::custom)).transpose()
    }
}

/// What people said of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Feedback {
    /// The finding's entry.
    pub(crate) index: u64,
    /// Whether it was right.
    pub(crate) verdict: FeedbackVerdict,
    /// In words.
    pub(crate) comment: Option<String>,
    /// When it was said, by the service's clock.
    pub(crate) at: Millis,
}

impl Feedback {
    /// As the interface tells it.
    pub(crate) fn into_api(self) -> api::Feedback {
        api::Feedback { verdict: self.verdict, comment: self.comment, time: self.at.to_time().to_string() }
    }
}

/// What came of submitting a reading that is now on disk.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Accepted {
    /// Whether the same reading had been stored before.
    pub(crate) duplicate: bool,
    /// Its (first) verdict.
    pub(crate) verdict: Verdict,
    /// The log entry's index, for an anomaly.
    pub(crate) index: Option<u64>,
    /// The finding in one sentence, for an anomaly whose payload still exists; of an erased reading, that it is erased.
    pub(crate) sentence: Option<String>,
}

/// A reading that has just been committed, for whoever listens.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    /// The reading.
    pub(crate) reading: Reading,
    /// What came of it.
    pub(crate) accepted: Accepted,
}

/// Why a reading was not accepted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The same key with other content. What is stored stays.
    #[error("a reading of {device} with this {key} is stored with other content; a correction needs a key of its own")]
    Conflict {
        /// The device.
        device: DeviceName,
        /// `sequence` or `time`.
        key: &'static str,
    },
    /// A signed reading whose number is not above those that were taken, and that is not a stored one once more: perhaps
    /// somebody sends again what the device once sent.
    #[error(
        "a signed reading of {device} needs a sequence number above {last}, which was taken already, found {found}"
    )]
    Replayed {
        /// The device.
        device: DeviceName,
        /// The highest that was taken.
        last: u64,
        /// The reading's.
        found: u64,
    },
    /// Of a finding something else was said before. What was said first stands.
    #[error("of entry {0} something else was said before, and stands")]
    SaidOtherwise(u64),
    /// Older than readings of this device are kept.
    #[error(
        "readings of {device} are kept from {oldest} on, found one of {time}: whether it was sent before is not known"
    )]
    TooOld {
        /// The device.
        device: DeviceName,
        /// The reading's time.
        time: Millis,
        /// The first time of which readings are kept.
        oldest: Millis,
    },
    /// The detector cannot judge it.
    #[error("{0}")]
    Unjudgeable(String),
    /// Nothing is wrong with the reading: it could not be stored now.
    #[error("{0}")]
    Unavailable(&'static str),
}
