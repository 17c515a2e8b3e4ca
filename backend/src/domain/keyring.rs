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
}

impl Keyring {
    /// The secrets of the log that this key names.
    pub(crate) fn new(first: LogKey, signers: Vec<LogSigner>) -> Self {
        Self { first, signers }
    }

    /// The log's first key, whose hash is the log's id.
    pub(crate) fn first(&self) -> &LogKey {
        &self.first
    }

    /// The secret half of a key, if it is at hand.
    pub(crate) fn signer(&self, key: &LogKey) -> Option<&LogSigner> {
        self.signers.iter().find(|signer| signer.log_key() == *key)
    }

    /// The keys at hand that the log has never had: those to be announced.
    pub(crate) fn unannounced(&self, history: &KeyHistory) -> Vec<LogKey> {
        let keys = self.signers.iter().map(LogSigner::log_key);
        keys.filter(|key| history.keys().all(|known| known != key)).collect()
    }
}
