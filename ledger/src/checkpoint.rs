//! Signed checkpoints: C2SP tlog-checkpoint in a C2SP signed-note, with Ed25519 (docs/spec/checkpoint.md).

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::{
    canonical::MAX_INTEGER,
    hash::{Hash, sha256},
};

/// The algorithm byte of Ed25519 in signed-note keys.
const ED25519: u8 = 0x01;

/// A log and its witnesses sign. signed-note wants readers to take at least as many; more are not worth reading.
const MAX_SIGNATURES: usize = 16;

/// Four lines of text, and at most 16 signatures: those of post-quantum keys have up to 5 kB each (signed-note), which
/// is 7 kB in base64, and so 112 kB together.
pub const MAX_CHECKPOINT: usize = 1 << 17;

/// Why a checkpoint, a key or an origin is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The origin does not follow the rules.
    #[error("expected an origin of 1 to 128 printable ASCII characters without space and '+', found {0:?}")]
    Origin(String),
    /// The verifier key does not follow the rules.
    #[error("expected a verifier key as <origin>+<key id>+<base64>: {0}")]
    Key(&'static str),
    /// The note does not follow the rules.
    #[error("not a signed checkpoint: {0}")]
    Form(&'static str),
    /// The text names another log.
    #[error("expected the origin {expected:?}, found {found:?}")]
    OtherOrigin {
        /// The trusted key's origin.
        expected: String,
        /// The checkpoint's.
        found: String,
    },
    /// No signature line by the trusted key.
    #[error("expected a signature by {expected}, found signatures by {found:?} only")]
    Unsigned {
        /// Name and key id.
        expected: String,
        /// Names and key ids.
        found: Vec<String>,
    },
    /// A signature line by the trusted key does not hold.
    #[error("the signature by {0} does not hold")]
    Signature(String),
}

/// A log's name: 1 to 128 printable ASCII characters without space and `+`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin(String);

/// What a log says: its origin, how many entries it has, and their root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log.
    pub origin: Origin,
    /// The tree size.
    pub size: u64,
    /// The root at that size.
    pub root: Hash,
}

/// The public key of a log, with its name: a signed-note verifier key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogKey {
    origin: Origin,
    key: VerifyingKey,
}

/// The secret key of a log. It is wiped when dropped, and never printed.
pub struct LogSigner {
    origin: Origin,
    key: SigningKey,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(self.root.0))
    }

    /// Reads the text of a checkpoint.
    fn from_text(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.split_terminator('\n');
        let (Some(origin), Some(size), Some(root), None) = (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Form("expected three lines of text"));
        };
        let digits =
            !size.is_empty() && size.bytes().all(|b| b.is_ascii_digit()) && (size == "0" || !size.starts_with('0'));
        let size = size.parse().ok().filter(|size| digits && *size <= MAX_INTEGER as u64);
        let root = BASE64.decode(root).ok().and_then(|root| Hash::try_from(&root[..]).ok());
        Ok(Self {
            origin: origin.parse()?,
            size: size.ok_or(CheckpointError::Form("expected a tree size from 0 to 2^53-1 in the second line"))?,
            root: root.ok_or(CheckpointError::Form("expected 32 bytes in base64 in the third line"))?,
        })
    }

    /// Reads a signed checkpoint without asking who signed it: for showing, not for believing.
    ///
    /// # Errors
    /// [`CheckpointError::Form`] and [`CheckpointError::Origin`].
    pub fn unverified(note: &str) -> Result<Self, CheckpointError> {
        Self::from_text(open(note)?.0)
    }
}

impl LogKey {
    /// The key of the log with this origin.
    ///
    /// # Errors
    /// [`CheckpointError::Key`] if the bytes are no point on the curve.
    pub fn new(origin: Origin, key: [u8; 32]) -> Result<Self, CheckpointError> {
        let key = VerifyingKey::from_bytes(&key).map_err(|_| CheckpointError::Key("not an Ed25519 public key"))?;
        Ok(Self { origin, key })
    }

    /// The log's name.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// SHA-256(origin ‖ 0x0A ‖ 0x01 ‖ public key). That of a log's first key is the log's id.
    pub fn key_hash(&self) -> Hash {
        sha256(&[self.origin.0.as_bytes(), b"\n", &[ED25519], self.key.as_bytes()])
    }

    /// The first four bytes of the key hash.
    pub fn key_id(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.key_hash().0;
        [a, b, c, d]
    }

    /// Name and key id, for people.
    fn label(&self) -> String {
        format!("{}+{:08x}", self.origin, u32::from_be_bytes(self.key_id()))
    }

    /// Reads a signed checkpoint and checks that this key has signed it.
    ///
    /// # Errors
    /// See [`CheckpointError`]. Signatures by other keys are passed over.
    pub fn verify(&self, note: &str) -> Result<Checkpoint, CheckpointError> {
        let (text, lines) = open(note)?;
        let checkpoint = Checkpoint::from_text(text)?;
        let mut others = Vec::new();
        let mut signed = false;
        for line in lines {
            let (name, id, signature) = signature_line(line)?;
            if name != self.origin.0 || id != self.key_id() {
                others.push(format!("{name}+{:08x}", u32::from_be_bytes(id)));
                continue;
            }
            let signature = Signature::from_slice(&signature).map_err(|_| CheckpointError::Signature(self.label()))?;
            // Strict: no small-order keys, no malleable signatures, so that all verifiers agree.
            self.key
                .verify_strict(text.as_bytes(), &signature)
                .map_err(|_| CheckpointError::Signature(self.label()))?;
            signed = true;
        }
        if !signed {
            return Err(CheckpointError::Unsigned { expected: self.label(), found: others });
        }
        if checkpoint.origin != self.origin {
            return Err(CheckpointError::OtherOrigin { expected: self.origin.0.clone(), found: checkpoint.origin.0 });
        }
        Ok(checkpoint)
    }
}

impl LogSigner {
    /// The signer with this secret.
    pub fn new(origin: Origin, secret: &[u8; 32]) -> Self {
        Self { origin, key: SigningKey::from_bytes(secret) }
    }

    /// The public half.
    pub fn log_key(&self) -> LogKey {
        LogKey { origin: self.origin.clone(), key: self.key.verifying_key() }
    }

    /// Signs that the log has this size and root.
    pub fn sign(&self, size: u64, root: Hash) -> String {
        let text = Checkpoint { origin: self.origin.clone(), size, root }.text();
        let mut signature = self.log_key().key_id().to_vec();
        signature.extend(self.key.sign(text.as_bytes()).to_bytes());
        format!("{text}\n\u{2014} {} {}\n", self.origin, BASE64.encode(signature))
    }
}

/// Splits a signed note into its text and its signature lines.
fn open(note: &str) -> Result<(&str, Vec<&str>), CheckpointError> {
    if note.len() > MAX_CHECKPOINT {
        return Err(CheckpointError::Form("expected at most 131072 bytes"));
    }
    if note.bytes().any(|byte| byte < b' ' && byte != b'\n') {
        return Err(CheckpointError::Form("expected no control characters but the newline"));
    }
    // signed-note: the last empty line ends the text, which keeps its own final newline.
    let split = note.rfind("\n\n").ok_or(CheckpointError::Form("expected an empty line before the signatures"))?;
    let (text, signatures) = (&note[..=split], &note[split + 2..]);
    let Some(signatures) = signatures.strip_suffix('\n') else {
        return Err(CheckpointError::Form("expected signature lines, each ended by a newline"));
    };
    let lines: Vec<&str> = signatures.split('\n').collect();
    if lines.len() > MAX_SIGNATURES {
        return Err(CheckpointError::Form("expected at most 16 signatures"));
    }
    Ok((text, lines))
}

/// Reads one signature line: name, key id, signature.
fn signature_line(line: &str) -> Result<(&str, [u8; 4], Vec<u8>), CheckpointError> {
    const ERROR: CheckpointError = CheckpointError::Form("expected signature lines as \u{2014} <name> <base64>");
    let (name, base64) = line.strip_prefix("\u{2014} ").and_then(|rest| rest.split_once(' ')).ok_or(ERROR)?;
    let bytes = BASE64.decode(base64).map_err(|_| ERROR)?;
    let (id, signature) = bytes.split_first_chunk().ok_or(ERROR)?;
    if name.is_empty() || name.contains(|c: char| c == '+' || c.is_whitespace()) || signature.is_empty() {
        return Err(ERROR);
    }
    Ok((name, *id, signature.to_vec()))
}

impl FromStr for Origin {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b'+') {
            return Ok(Self(text.to_owned()));
        }
        Err(CheckpointError::Origin(text.chars().take(128).collect()))
    }
}

impl TryFrom<String> for Origin {
    type Error = CheckpointError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> String {
        origin.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ED25519];
        key.extend(self.key.as_bytes());
        write!(f, "{}+{}", self.label(), BASE64.encode(key))
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for LogSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogSigner({})", self.log_key().label())
    }
}

impl FromStr for LogKey {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(3, '+');
        let (Some(origin), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(CheckpointError::Key("expected three parts"));
        };
        let bytes = BASE64.decode(key).map_err(|_| CheckpointError::Key("the key is not base64"))?;
        let Some((&ED25519, key)) = bytes.split_first() else {
            return Err(CheckpointError::Key("expected algorithm 1 (Ed25519)"));
        };
        let key = key.try_into().map_err(|_| CheckpointError::Key("expected 32 bytes of key"))?;
        let key = Self::new(origin.parse()?, key)?;
        if key.label() != format!("{origin}+{id}") {
            return Err(CheckpointError::Key("the key id does not belong to this key"));
        }
        Ok(key)
    }
}

impl TryFrom<String> for LogKey {
    type Error = CheckpointError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<LogKey> for String {
    fn from(key: LogKey) -> String {
        key.to_string()
    }
}

#[cfg(test)]
mod tests;
