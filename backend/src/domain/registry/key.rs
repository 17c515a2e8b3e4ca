//! API keys of devices: 256 random bits, of which only the SHA-256 is kept.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ledger::hash::sha256;

use super::RegistrationError;
use crate::domain::{DeviceName, Millis, reading::is_name};

/// How every device key begins: who finds one somewhere knows what it is.
const BEGINNING: &str = "ald_";

/// Characters that are kept to recognise a key by: 8 of the 43 random ones, which leaves 208 bits unknown.
const PREFIX: usize = 12;

/// Longest name of a key, in bytes.
const MAX_LABEL: usize = 64;

/// A hundred years: longer than any device.
const MAX_EXPIRES: u64 = 100 * 31_536_000;

/// A key that was just made; the only time that its text is there.
pub(crate) struct NewKey {
    /// The text. Not in any log: this type has no `Debug` of it.
    pub(crate) secret: String,
    /// What is stored.
    pub(crate) stored: StoredKey,
}

/// A key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredKey {
    /// Its number; 0 before it is stored.
    pub(crate) id: i64,
    /// Whose it is.
    pub(crate) device: DeviceName,
    /// SHA-256 of the text.
    pub(crate) hash: [u8; 32],
    /// How the text begins.
    pub(crate) prefix: String,
    /// What it is called.
    pub(crate) label: Option<String>,
    /// When it was made.
    pub(crate) created: Millis,
    /// When it ends by itself.
    pub(crate) expires: Option<Millis>,
    /// When it was shown last, to a minute.
    pub(crate) used: Option<Millis>,
}

impl NewKey {
    /// Draws a key for a device.
    ///
    /// # Errors
    /// [`RegistrationError`] for a label that cannot be shown, or more seconds than a century has.
    ///
    /// # Panics
    /// If the system gives no random numbers: nothing that it signs or issues would be worth anything.
    pub(crate) fn draw(
        device: &DeviceName,
        label: Option<String>,
        expires_seconds: Option<u64>,
        now: Millis,
    ) -> Result<Self, RegistrationError> {
        if let Some(label) = label.as_deref().filter(|label| !is_name(label, MAX_LABEL)) {
            return Err(RegistrationError::text("label", MAX_LABEL, label));
        }
        if let Some(seconds) = expires_seconds.filter(|seconds| !(1..=MAX_EXPIRES).contains(seconds)) {
            return Err(RegistrationError::seconds("expires_seconds", 1, MAX_EXPIRES, seconds));
        }
        let mut random = [0; 32];
        getrandom::fill(&mut random).expect("the system gives random numbers");
        let secret = format!("{BEGINNING}{}", URL_SAFE_NO_PAD.encode(random));
        let stored = StoredKey {
            id: 0,
            device: device.clone(),
            hash: Self::hash(&secret),
            prefix: secret[..PREFIX].to_owned(),
            label,
            created: now,
            expires: expires_seconds.map(|seconds| Millis(now.0 + seconds as i64 * 1_000)),
            used: None,
        };
        Ok(Self { secret, stored })
    }

    /// What a text is looked up by. The time of the look-up tells nothing of the keys: who can choose texts cannot choose
    /// their hashes.
    pub(crate) fn hash(secret: &str) -> [u8; 32] {
        sha256(&[secret.as_bytes()]).0
    }

    /// Whether a text could be a device's key.
    pub(crate) fn is_one(text: &str) -> bool {
        text.starts_with(BEGINNING)
    }
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey").field("stored", &self.stored).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_key_is_random_and_its_text_is_not_told() {
        let device = DeviceName::new("pump-7").unwrap();
        let key = NewKey::draw(&device, None, Some(60), Millis(1_000)).unwrap();
        let other = NewKey::draw(&device, None, None, Millis(1_000)).unwrap();
        assert_eq!((key.secret.len(), key.stored.expires), (47, Some(Millis(61_000))));
        assert!(NewKey::is_one(&key.secret) && key.secret != other.secret);
        assert_eq!(key.stored.hash, NewKey::hash(&key.secret));
        assert!(!format!("{key:?}").contains(&key.secret[PREFIX..]));
        assert!(NewKey::draw(&device, Some("a\0".into()), None, Millis(0)).is_err());
        assert!(NewKey::draw(&device, None, Some(0), Millis(0)).is_err());
        assert!(NewKey::draw(&device, None, Some(u64::MAX), Millis(0)).is_err());
    }
}
