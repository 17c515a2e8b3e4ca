//! Secrets that the service makes, and how they are kept: as their SHA-256.
//!
//! They have 256 random bits, so nobody can guess one, and a fast hash is enough. What is shown is looked up by its hash:
//! how long that takes says nothing of the secret.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ledger::{Hash, hash::sha256};

use crate::domain::ports::StoreError;

/// Bytes of a secret that are random.
const BYTES: usize = 32;

/// Characters of a secret that are shown afterwards, to recognise it by: the beginning that says what it is, and 8 of 43
/// others, which leaves 208 of 256 bits unknown.
pub(crate) const PREFIX: usize = 12;

/// What a secret is for. Their beginnings tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A device's API key.
    Device,
    /// A person's token.
    Token,
    /// A session's cookie.
    Session,
    /// An invitation.
    Invitation,
}

impl Kind {
    fn start(self) -> &'static str {
        match self {
            Kind::Device => "ald_",
            Kind::Token => "alt_",
            Kind::Session => "als_",
            Kind::Invitation => "ali_",
        }
    }

    /// A new secret.
    ///
    /// # Errors
    /// If the operating system has no random numbers.
    pub(crate) fn make(self) -> Result<String, StoreError> {
        Ok(format!("{}{}", self.start(), URL_SAFE_NO_PAD.encode(random::<BYTES>()?)))
    }

    /// Under what a shown secret is kept; `None` of what is no such secret.
    pub(crate) fn hash(self, shown: &str) -> Option<Hash> {
        shown.starts_with(self.start()).then(|| sha256(&[shown.as_bytes()]))
    }
}

/// Random bytes of the operating system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Engine(Box::new(error)))?;
    Ok(bytes)
}

/// A password to be typed once: 120 random bits, without letters and digits that look alike.
pub(super) fn one_time_password() -> Result<String, StoreError> {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz123456789";
    let letters: Vec<char> = random::<24>()?.iter().map(|byte| LETTERS[usize::from(byte % 32)] as char).collect();
    Ok(letters.chunks(6).map(String::from_iter).collect::<Vec<_>>().join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_different_and_of_their_kind() {
        let (one, other) = (Kind::Token.make().unwrap(), Kind::Token.make().unwrap());
        assert_ne!(one, other);
        assert_eq!((one.len(), &one[..4]), (4 + 43, "alt_"));
        assert!(Kind::Token.hash(&one).is_some() && Kind::Session.hash(&one).is_none());
        let password = one_time_password().unwrap();
        assert_eq!(password.len(), 27);
        assert_ne!(password, one_time_password().unwrap());
    }
}
