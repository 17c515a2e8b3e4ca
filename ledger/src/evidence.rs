//! The evidence bundle: one JSON file that carries all that speaks for an entry (docs/spec/evidence.md).
//!
//! A bundle claims; [`crate::verdict`] examines. Reading one checks its form and nothing else.

use alloy_primitives::{B256, Bytes};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Hash;

/// An entry of 64 KiB, a payload of 16 KiB, some dozens of proof nodes of at most 532 bytes, and a checkpoint of 128 KiB,
/// all in base64 or hex, stay below 300 KiB; each of 16 changes of key brings at most one more entry and checkpoint.
pub const MAX_BUNDLE: usize = 1 << 22;

/// Why a file is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Too long.
    #[error("expected at most {MAX_BUNDLE} bytes, found {0}")]
    Length(usize),
    /// Not JSON by version 1 of the format.
    #[error("not an evidence bundle: {0}")]
    Form(#[from] serde_json::Error),
    /// An array or a null where an object should be.
    #[error("expected objects as objects, and nothing absent as null")]
    Shape,
    /// Of another version.
    #[error("expected version 1, found {0}")]
    Version(u64),
    /// A payload without salt, or a salt without payload.
    #[error("expected payload and salt both, or neither")]
    HalfDisclosed,
}

/// What speaks for one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The entry's bytes, unaltered.
    pub entry: Vec<u8>,
    /// Payload and salt, where the reader may have them.
    pub disclosure: Option<Disclosure>,
    /// The entry's index.
    pub index: u64,
    /// The inclusion proof, lowest hash first.
    pub proof: Vec<Hash>,
    /// The signed checkpoint, verbatim.
    pub checkpoint: String,
    /// What the chain said when the anchor became final; `None` before.
    pub anchor: Option<Anchor>,
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
    /// The block's header, RLP.
    pub header: Bytes,
    /// From the header's state root to the contract's account.
    pub account_proof: Vec<Bytes>,
    /// From the account's storage root to the record's slot.
    pub storage_proof: Vec<Bytes>,
}

impl Bundle {
    /// Reads a bundle.
    ///
    /// # Errors
    /// See [`BundleError`]. Unknown and repeated members are refused.
    pub fn from_json(bytes: &[u8]) -> Result<Self, BundleError> {
        if bytes.len() > MAX_BUNDLE {
            return Err(BundleError::Length(bytes.len()));
        }
        let file: Value = serde_json::from_slice(bytes)?;
        // Derived readers take arrays for objects, by position, and null for what is absent; a format does not.
        let anchor = file.get("anchor");
        let nulls = file.as_object().is_some_and(|members| members.values().any(Value::is_null));
        if !file.is_object() || nulls || anchor.is_some_and(|anchor| !anchor.is_object()) {
            return Err(BundleError::Shape);
        }
        // Read from the text once more, because a `Value` forgets repeated members.
        let file: File = serde_json::from_slice(bytes)?;
        if file.v != 1 {
            return Err(BundleError::Version(file.v));
        }
        let disclosure = match (file.payload, file.salt) {
            (Some(Base64(payload)), Some(Base64(salt))) => {
                let salt = salt.try_into().map_err(|_| BundleError::HalfDisclosed)?;
                Some(Disclosure { payload, salt })
            }
            (None, None) => None,
            _ => return Err(BundleError::HalfDisclosed),
        };
        Ok(Self {
            entry: file.entry.0,
            disclosure,
            index: file.index,
            proof: file.proof,
            checkpoint: file.checkpoint,
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
            index: self.index,
            proof: self.proof.clone(),
            checkpoint: self.checkpoint.clone(),
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
    index: u64,
    proof: Vec<Hash>,
    checkpoint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    anchor: Option<Anchor>,
}

/// Bytes, written in base64 with padding.
struct Base64(Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}
