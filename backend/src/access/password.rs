//! Passwords: which are taken, and how they are kept.

use std::sync::{Arc, OnceLock};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;

use super::secret::{one_time_password, random};
use crate::domain::ports::StoreError;

/// As OWASP advises for Argon2id: 19 MiB of memory, two passes, one lane.
const MEMORY_KIB: u32 = 19 << 10;
const PASSES: u32 = 2;

/// Hashes at a time: 4 × 19 MiB = 76 MiB. One takes about 20 ms of one core.
const AT_ONCE: usize = 4;

/// Who waits for that: 64 wait at most a second. More are told to come back.
const WAITING: usize = 64;

/// Characters of a password. Shorter ones are guessed; the longest is a long sentence, not a file.
const LENGTH: std::ops::RangeInclusive<usize> = 12..=256;

/// What everybody tries first, of those that are long enough. Compared without case.
const COMMON: &[&str] = &[
    "123456789012",
    "1234567890123",
    "12345678901234",
    "123456789123",
    "123456123456",
    "123123123123",
    "121212121212",
    "098765432109",
    "987654321098",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "qwertyuiop12",
    "qwertyuiop123",
    "qwerty123456",
    "qwertyqwerty",
    "asdfghjkl123",
    "asdfghjklqwe",
    "zxcvbnm12345",
    "abcdefghijkl",
    "abcdefgh1234",
    "abcd12345678",
    "abc123abc123",
    "a1b2c3d4e5f6",
    "password1234",
    "password12345",
    "password123456",
    "passwordpassword",
    "mypassword123",
    "password!123",
    "password@123",
    "password2024",
    "password2025",
    "password2026",
    "p@ssw0rd1234",
    "p@ssword1234",
    "passw0rd1234",
    "administrator",
    "administrator1",
    "admin1234567",
    "admin12345678",
    "adminadminadmin",
    "adminadmin123",
    "rootrootroot",
    "changemechangeme",
    "changeme1234",
    "letmeinletmein",
    "letmein12345",
    "welcome12345",
    "welcome123456",
    "welcomewelcome",
    "iloveyou1234",
    "iloveyouforever",
    "iloveyousomuch",
    "unbelievable",
    "manchesterunited",
    "liverpoolfc1",
    "correcthorsebatterystaple",
    "trustno1trustno1",
    "monkeymonkey",
    "dragondragon",
    "sunshine1234",
    "princess1234",
    "football1234",
    "baseball1234",
    "superman1234",
    "internet1234",
    "computer1234",
    "samsung12345",
    "raspberrypi1",
    "anomalyledger",
    "anomaly-ledger",
];

/// Why a password is not taken. Says nothing of the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PasswordError {
    #[error("expected a password of {} to {} characters, found {found}", LENGTH.start(), LENGTH.end())]
    Length {
        /// How many there were.
        found: usize,
    },
    #[error("expected a password other than the name")]
    Name,
    #[error("this password is among those that everybody tries first: choose another one")]
    Common,
    #[error("expected another password than the one up to now")]
    Same,
}

/// Whether a password may be taken by this user.
pub(super) fn check(password: &str, name: &str) -> Result<(), PasswordError> {
    let length = password.chars().count();
    if !LENGTH.contains(&length) {
        return Err(PasswordError::Length { found: length });
    }
    let small = password.to_lowercase();
    if small.trim() == name {
        return Err(PasswordError::Name);
    }
    let first = small.chars().next();
    if COMMON.contains(&small.trim()) || small.chars().all(|c| Some(c) == first) {
        return Err(PasswordError::Common);
    }
    Ok(())
}

/// A password on the command line, as it was given or made.
pub(crate) struct PasswordText {
    text: String,
    made: bool,
}

impl PasswordText {
    /// One that somebody has chosen.
    ///
    /// # Errors
    /// If it may not be taken.
    pub(crate) fn given(text: &str, name: &str) -> Result<Self, PasswordError> {
        check(text, name)?;
        Ok(Self { text: text.to_owned(), made: false })
    }

    /// One to be used once.
    ///
    /// # Errors
    /// If the operating system has no random numbers.
    pub(crate) fn made() -> Result<Self, StoreError> {
        Ok(Self { text: one_time_password()?, made: true })
    }

    /// Whether it was made here, and so has to be changed.
    pub(crate) fn was_made(&self) -> bool {
        self.made
    }

    /// The password.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Its PHC string.
    ///
    /// # Errors
    /// If the operating system has no random numbers.
    pub(crate) fn hash(&self) -> Result<String, StoreError> {
        hash(&self.text)
    }
}

/// Too many wait for a password's hash.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("too many are signing in: try again")]
pub(crate) struct Busy;

/// Makes and compares hashes, a few at a time, on threads that may block.
#[derive(Clone)]
pub(super) struct Hasher {
    working: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Default for Hasher {
    fn default() -> Self {
        Self { working: Arc::new(Semaphore::new(AT_ONCE)), waiting: Arc::new(Semaphore::new(AT_ONCE + WAITING)) }
    }
}

impl Hasher {
    /// The PHC string of a password.
    pub(super) async fn hash(&self, password: String) -> Result<Result<String, StoreError>, Busy> {
        self.work(move || hash(&password)).await
    }

    /// Whether a password fits a PHC string. Without one, the same work is done for nothing.
    pub(super) async fn fits(&self, password: String, stored: Option<String>) -> Result<bool, Busy> {
        self.work(move || fits(&password, stored.as_deref())).await
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let _waiting = self.waiting.try_acquire().map_err(|_| Busy)?;
        let working = Arc::clone(&self.working).acquire_owned().await.map_err(|_| Busy)?;
        // The permit goes with the work, which runs to its end even if nobody waits for it any more.
        let work = move || {
            let _working = working;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| Busy)
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).expect("constants within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The PHC string of a password.
///
/// # Errors
/// If the operating system has no random numbers.
pub(super) fn hash(password: &str) -> Result<String, StoreError> {
    let hash = argon2().hash_password_with_salt(password.as_bytes(), &random::<16>()?);
    hash.map(|hash| hash.to_string()).map_err(|error| StoreError::Engine(error.to_string().into()))
}

/// Whether a password fits a PHC string. Without one it is held against a hash of nobody's: who asks for a name that
/// does not exist waits as long.
fn fits(password: &str, stored: Option<&str>) -> bool {
    static NOBODYS: OnceLock<String> = OnceLock::new();
    let nobodys = NOBODYS.get_or_init(|| hash("of nobody").unwrap_or_default());
    // The parameters are the stored hash's, so those of older ones hold.
    let fits = argon2().verify_password(password.as_bytes(), stored.unwrap_or(nobodys)).is_ok();
    stored.is_some() && fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_that_are_guessed_are_refused() {
        for (password, error) in [
            ("elevenchars", PasswordError::Length { found: 11 }),
            (&*"x1".repeat(129), PasswordError::Length { found: 258 }),
            ("ada.lovelace", PasswordError::Name),
            ("ADA.Lovelace", PasswordError::Name),
            ("PassWord1234", PasswordError::Common),
            ("aaaaaaaaaaaaaa", PasswordError::Common),
        ] {
            assert_eq!(check(password, "ada.lovelace"), Err(error), "{password}");
        }
        for password in ["ein langer Satz", "пароль длинный", "x1x2x3x4x5x6"] {
            assert_eq!(check(password, "ada"), Ok(()), "{password}");
        }
    }

    #[test]
    fn hashes_are_argon2id_with_owasps_parameters_and_salted() {
        let (one, other) = (hash("a long password").unwrap(), hash("a long password").unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, other);
        assert!(fits("a long password", Some(&one)) && !fits("a long passwore", Some(&one)));
        assert!(!fits("of nobody", None) && !fits("x", Some("no hash")));
    }

    #[tokio::test]
    async fn no_more_wait_than_there_is_room_for() {
        let hasher = Hasher::default();
        let all = hasher.waiting.clone().acquire_many_owned((AT_ONCE + WAITING) as u32).await.unwrap();
        assert!(hasher.fits("x".into(), None).await.is_err());
        drop(all);
        assert!(!hasher.fits("x".into(), None).await.unwrap());
    }
}
