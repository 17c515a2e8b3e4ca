//! A device's signature over its reading (docs/spec/signed-reading.md, version 1).
//!
//! It shows that the holder of a key sent these values. Whose key it is, and whether it was sent before, are matters of
//! the service: nothing here knows a device's registered key, or what was received.

use std::{fmt, str::FromStr};

use alloy_primitives::hex;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    canonical::{self, CanonicalError},
    entry::Payload,
    hash::{Hash, sha256},
    text::{Decimal, Time},
};

/// What the message begins with, so that a key's signatures over anything else are none over a reading.
const CONTEXT: &[u8] = b"anomaly-ledger/reading/v1\n";

/// Why a reading cannot be signed, or a signature over it does not hold.
#[derive(Debug, thiserror::Error)]
pub enum SignedError {
    /// Without a sequence number a copy could not be told from the original.
    #[error("expected a sequence number in a signed reading, found none")]
    NoSequence,
    /// There is nothing to sign.
    #[error("expected at least one metric in a signed reading, found none")]
    NoMetric,
    /// The sequence number does not go into canonical JSON.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// The key is one that no honest key maker makes, or one of several spellings of a point.
    #[error("expected an Ed25519 public key in its canonical form and not of small order, found {0}")]
    Key(Bytes<32>),
    /// It does not.
    #[error("the signature is not by the key with the fingerprint {fingerprint} over this reading")]
    Signature {
        /// Of the key.
        fingerprint: Hash,
    },
}

/// The text is not as many lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} lower-case hexadecimal digits, found {found:?}")]
pub struct BytesTextError {
    expected: usize,
    found: String,
}

/// N bytes, written as lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes<const N: usize>(pub [u8; N]);

/// Who signed a reading, and the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The device's public key.
    pub key: Bytes<32>,
    /// Over the message that [`message`] makes.
    pub signature: Bytes<64>,
}

/// The secret key of a device. It is wiped when dropped, and never printed.
pub struct DeviceSigner(SigningKey);

/// What is signed: of these members alone, with the values sorted by metric.
///
/// # Errors
/// [`SignedError::NoSequence`], [`SignedError::NoMetric`] and [`SignedError::Canonical`].
pub fn message<'a>(
    device: &str,
    sequence: Option<u64>,
    time: &Time,
    values: impl Iterator<Item = (&'a str, &'a Decimal)>,
) -> Result<Vec<u8>, SignedError> {
    let sequence = sequence.ok_or(SignedError::NoSequence)?;
    let metrics: Vec<Value> = values.map(|(metric, value)| json!({ "metric": metric, "value": value })).collect();
    if metrics.is_empty() {
        return Err(SignedError::NoMetric);
    }
    let reading = json!({ "device": device, "metrics": metrics, "sequence": sequence, "time": time });
    Ok([CONTEXT, &canonical::write(&reading)?].concat())
}

/// The message of the reading that a payload records.
///
/// # Errors
/// As [`message`].
pub fn message_of(payload: &Payload) -> Result<Vec<u8>, SignedError> {
    let values = payload.values.iter().map(|value| (value.metric.as_str(), &value.value));
    message(&payload.device, payload.sequence, &payload.time, values)
}

/// Checks that a key may be a device's.
///
/// # Errors
/// [`SignedError::Key`].
pub fn check_key(key: &[u8; 32]) -> Result<(), SignedError> {
    verifying_key(key).map(|_| ())
}

/// SHA-256 of a public key: what people compare.
pub fn fingerprint(key: &[u8; 32]) -> Hash {
    sha256(&[key])
}

/// 1. The key is a point in its canonical encoding, and not of small order.
fn verifying_key(bytes: &[u8; 32]) -> Result<VerifyingKey, SignedError> {
    let refused = || SignedError::Key(Bytes(*bytes));
    // y below 2^255 − 19, whose bytes are ed ff … ff 7f; the highest bit is x's sign. The library takes y modulo it.
    let reduced = bytes[0] < 0xed || bytes[1..31].iter().any(|byte| *byte != 0xff) || bytes[31] & 0x7f != 0x7f;
    let key = VerifyingKey::from_bytes(bytes).map_err(|_| refused())?;
    if reduced && !key.is_weak() { Ok(key) } else { Err(refused()) }
}

impl Signed {
    /// Checks that the key has signed this message.
    ///
    /// # Errors
    /// [`SignedError::Key`] and [`SignedError::Signature`].
    pub fn verify(&self, message: &[u8]) -> Result<(), SignedError> {
        let key = verifying_key(&self.key.0)?;
        // 2. S is reduced, R not of small order; 3. without the cofactor: strict, so that all verifiers agree.
        let holds = key.verify_strict(message, &Signature::from_bytes(&self.signature.0)).is_ok();
        if holds { Ok(()) } else { Err(SignedError::Signature { fingerprint: self.fingerprint() }) }
    }

    /// The key's fingerprint.
    pub fn fingerprint(&self) -> Hash {
        fingerprint(&self.key.0)
    }
}

impl DeviceSigner {
    /// The signer with this secret: 32 random bytes.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(secret))
    }

    /// The public half.
    pub fn key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// Signs what [`message`] has made.
    pub fn sign(&self, message: &[u8]) -> Signed {
        Signed { key: Bytes(self.key()), signature: Bytes(self.0.sign(message).to_bytes()) }
    }
}

impl<const N: usize> fmt::Display for Bytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl<const N: usize> fmt::Debug for Bytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> FromStr for Bytes<N> {
    type Err = BytesTextError;

    fn from_str(text: &str) -> Result<Self, BytesTextError> {
        let refused = || BytesTextError { expected: 2 * N, found: text.chars().take(2 * N + 1).collect() };
        let digits = text.len() == 2 * N && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let mut bytes = [0; N];
        if !digits || hex::decode_to_slice(text, &mut bytes).is_err() {
            return Err(refused());
        }
        Ok(Self(bytes))
    }
}

impl<const N: usize> TryFrom<String> for Bytes<N> {
    type Error = BytesTextError;

    fn try_from(text: String) -> Result<Self, BytesTextError> {
        text.parse()
    }
}

impl<const N: usize> From<Bytes<N>> for String {
    fn from(bytes: Bytes<N>) -> String {
        bytes.to_string()
    }
}
