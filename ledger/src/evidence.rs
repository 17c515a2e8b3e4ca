//! The evidence bundle: one JSON file that carries all that speaks for an entry (docs/spec/evidence.md).
//!
//! A bundle claims; [`crate::verdict`] examines. Reading one checks its form and nothing else.

use alloy_primitives::{Address, B256, Bytes};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Hash, keys::KeyLink};

/// Two entries of 64 KiB, a payload of 16 KiB, a state of 4 KiB, some dozens of proof nodes of at most 532 bytes, and a checkpoint of
/// 128 KiB, all in base64 or hex, stay below 400 KiB; each of 16 changes of key brings at most one more entry and
/// checkpoint.
pub const MAX_BUNDLE: usize = 1 << 22;

/// A detector's state has at most this many bytes.
pub const MAX_STATE: usize = 4_096;

/// Why a file is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Too long.
    #[error("expected at most {MAX_BUNDLE} bytes, found {0}")]
    Length(usize),
    /// Not JSON by version 1 of the format.
    #[error("not an evidence bundle: {0}")]
    Form(#[from] serde_json::Error),
    /// The content is fine, but it would be written differently.
    #[error("expected objects as objects, hexadecimal in lower case, and nothing absent as null or empty")]
    Shape,
    /// Of another version.
    #[error("expected version 1, found {0}")]
    Version(u64),
    /// A payload without salt, or a salt without payload.
    #[error("expected payload and salt both, or neither")]
    HalfDisclosed,
    /// A state without the payload that names it, an empty one, or one that is too long.
    #[error("expected a state of 1 to {MAX_STATE} bytes beside a payload, or none")]
    State,
}

/// What speaks for one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The entry's bytes, unaltered.
    pub entry: Vec<u8>,
    /// Payload and salt, where the reader may have them.
    pub disclosure: Option<Disclosure>,
    /// The detector's state before the reading, where it was kept; only beside a payload, which names its hash.
    pub state: Option<Vec<u8>>,
    /// The entry's index.
    pub index: u64,
    /// The inclusion proof, lowest hash first.
    pub proof: Vec<Hash>,
    /// The signed checkpoint, verbatim.
    pub checkpoint: String,
    /// What leads from a key that the reader trusts to the one that signed the checkpoint; empty if the key never
    /// changed before.
    pub keys: Vec<KeyLink>,
    /// The newest beacon before the entry.
    pub beacon: Option<BeaconProof>,
    /// What the chain said when the anchor became final; `None` before.
    pub anchor: Option<Anchor>,
}

/// A `beacon` entry, and that it is in the tree of the bundle's checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeaconProof {
    /// The beacon's index.
    pub index: u64,
    /// Its bytes, unaltered.
    #[serde(with = "base64_text")]
    pub entry: Vec<u8>,
    /// Its inclusion proof, lowest hash first.
    pub proof: Vec<Hash>,
}

/// What an entry commits to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disclosure {
    /// The payload's bytes, unaltered.
    pub payload: Vec<u8>,
    /// The salt.
    pub salt: [u8; 32],
}

/// The contract's record of the checkpoint's root, proven from a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// The anchoring transaction; for information.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<B256>,
    /// The contract that holds the record; a hint, because only the auditor's trust roots say which contracts count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<Address>,
    /// The block's header, RLP.
    pub header: Bytes,
    /// From the header's state root to the contract's account.
    pub account_proof: Vec<Bytes>,
    /// From the account's storage root to the record's slot.
    pub storage_proof: Vec<Bytes>,
}

impl Bundle {
    /// A bundle that brings no more than an entry's place under a checkpoint.
    pub fn new(entry: Vec<u8>, index: u64, proof: Vec<Hash>, checkpoint: String) -> Self {
        Self {
            entry,
            disclosure: None,
            state: None,
            index,
            proof,
            checkpoint,
            keys: Vec::new(),
            beacon: None,
            anchor: None,
        }
    }

    /// Reads a bundle.
    ///
    /// # Errors
    /// See [`BundleError`]. Unknown and repeated members are refused.
    pub fn from_json(bytes: &[u8]) -> Result<Self, BundleError> {
        let file: File = read(bytes)?;
        let disclosure = match (file.payload, file.salt) {
            (Some(Base64(payload)), Some(Base64(salt))) => {
                let salt = salt.try_into().map_err(|_| BundleError::HalfDisclosed)?;
                Some(Disclosure { payload, salt })
            }
            (None, None) => None,
            _ => return Err(BundleError::HalfDisclosed),
        };
        let state = file.state.map(|Base64(state)| state);
        if state.as_ref().is_some_and(|state| disclosure.is_none() || !(1..=MAX_STATE).contains(&state.len())) {
            return Err(BundleError::State);
        }
        Ok(Self {
            entry: file.entry.0,
            disclosure,
            state,
            index: file.index,
            proof: file.proof,
            checkpoint: file.checkpoint,
            keys: file.keys,
            beacon: file.beacon,
            anchor: file.anchor,
        })
    }

    /// Writes the bundle.
    pub fn to_json(&self) -> String {
        let file = File {
            v: 1,
            entry: Base64(self.entry.clone()),
            payload: self.disclosure.as_ref().map(|d| Base64(d.payload.clone())),
            salt: self.disclosure.as_ref().map(|d| Base64(d.salt.to_vec())),
            state: self.state.clone().map(Base64),
            index: self.index,
            proof: self.proof.clone(),
            checkpoint: self.checkpoint.clone(),
            keys: self.keys.clone(),
            beacon: self.beacon.clone(),
            anchor: self.anchor.clone(),
        };
        serde_json::to_string_pretty(&file).expect("strings, integers and lists always serialise")
    }
}

/// The file as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    v: u64,
    entry: Base64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<Base64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    salt: Option<Base64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<Base64>,
    index: u64,
    proof: Vec<Hash>,
    checkpoint: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    keys: Vec<KeyLink>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    beacon: Option<BeaconProof>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    anchor: Option<Anchor>,
}

/// Reads a file of evidence, version 1.
pub(crate) fn read<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, BundleError> {
    if bytes.len() > MAX_BUNDLE {
        return Err(BundleError::Length(bytes.len()));
    }
    let value: Value = serde_json::from_slice(bytes)?;
    if let Some(version) = value.get("v").and_then(Value::as_u64)
        && version != 1
    {
        return Err(BundleError::Version(version));
    }
    // Read from the text once more, because a `Value` forgets repeated members.
    let file: T = serde_json::from_slice(bytes)?;
    // Derived readers take arrays for objects, by position, and null for what is absent; a format does not.
    if serde_json::to_value(&file)? != value {
        return Err(BundleError::Shape);
    }
    Ok(file)
}

/// Bytes, written in base64 with padding.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Base64(#[serde(with = "base64_text")] Vec<u8>);

/// How bytes are written in a file of evidence: in base64 with padding.
pub(crate) mod base64_text {
    use super::{BASE64, Engine};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        BASE64.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
