//! The log's keys: the first, which names it, and the secrets that are at hand.

use ledger::{
    checkpoint::{LogKey, LogSigner},
    keys::KeyHistory,
};

/// The log's first key and its secrets. Which of them signs is said by the log itself.
#[derive(Debug)]
pub(crate) struct Keyring {
    first: LogKey,
    signers: Vec<LogSigner>,
    /// Those that may be announced.
    next: Vec<LogKey>,
}

impl Keyring {
    /// The secrets of the log that this key names, and which of them may be announced.
    pub(crate) fn new(first: LogKey, signers: Vec<LogSigner>, next: Vec<LogKey>) -> Self {
        Self { first, signers, next }
    }

    /// The log's first key, whose hash is the log's id.
    pub(crate) fn first(&self) -> &LogKey {
        &self.first
    }

    /// The secret half of a key, if it is at hand.
    pub(crate) fn signer(&self, key: &LogKey) -> Option<&LogSigner> {
        self.signers.iter().find(|signer| signer.log_key() == *key)
    }

    /// The keys that may be announced and that the log has never had.
    pub(crate) fn unannounced(&self, history: &KeyHistory) -> Vec<LogKey> {
        self.next.iter().filter(|key| history.keys().all(|known| known != *key)).cloned().collect()
    }
}
