//! API keys of devices: 256 random bits, of which only the SHA-256 is kept.

use std::fmt;

use super::RegistrationError;
use crate::domain::{DeviceName, Millis, reading::is_name};

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
    /// A key of a device, with the hash and the beginning of its text.
    ///
    /// # Errors
    /// [`RegistrationError`] for a label that cannot be shown, or more seconds than a century has.
    pub(crate) fn new(
        (secret, hash, prefix): (String, [u8; 32], &str),
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
        let stored = StoredKey {
            id: 0,
            device: device.clone(),
            hash,
            prefix: prefix.to_owned(),
            label,
            created: now,
            expires: expires_seconds.map(|seconds| Millis(now.0 + seconds as i64 * 1_000)),
            used: None,
        };
        Ok(Self { secret, stored })
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
    fn the_text_of_a_key_is_not_told_and_its_terms_are_checked() {
        let device = DeviceName::new("pump-7").unwrap();
        let key = |label: Option<&str>, expires| {
            let text = ("ald_secret".to_owned(), [7; 32], "ald_");
            NewKey::new(text, &device, label.map(str::to_owned), expires, Millis(1_000))
        };
        let made = key(Some("spare"), Some(60)).unwrap();
        assert_eq!(made.stored.expires, Some(Millis(61_000)));
        assert!(!format!("{made:?}").contains("secret"));
        assert!(key(Some("a\0"), None).is_err());
        assert!(key(None, Some(0)).is_err());
        assert!(key(None, Some(u64::MAX)).is_err());
    }
}
