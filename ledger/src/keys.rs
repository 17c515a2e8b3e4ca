//! Which key signs a checkpoint of which size, and how one key hands over to the next (docs/spec/checkpoint.md).
//!
//! The log's first key names the log for ever. A `key` entry at index *i* announces the next key: the checkpoint of
//! size *i* + 1 is still signed by the key before, every larger one by the new key. [`KeyHistory`] knows that of a
//! whole log; a list of [`KeyLink`]s shows it to somebody who trusts one key and has nothing else.

use serde::{Deserialize, Serialize};

use crate::{
    Hash,
    checkpoint::{CheckpointError, LogKey},
    entry::{Entry, EntryError},
    hash::leaf_hash,
    merkle::{self, verify_inclusion},
};

/// The longest chain of keys that a reader follows. Each link costs a signature and some 3 KiB of evidence.
pub const MAX_LINKS: usize = 16;

/// Why a change of key is refused.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The changes are not in the order of the log.
    #[error("expected a key entry above index {above}, found one at {found}")]
    Order {
        /// The index of the change before.
        above: u64,
        /// The index of this one.
        found: u64,
    },
    /// The new key is for another log.
    #[error("expected a key for the log {expected:?}, found one for {found:?}")]
    Origin {
        /// The log's origin.
        expected: String,
        /// The new key's.
        found: String,
    },
    /// A key serves once.
    #[error("expected a new key, found {0}, which this log has had before")]
    Reused(String),
    /// The chain is longer than [`MAX_LINKS`].
    #[error("expected at most {MAX_LINKS} changes of key, found {0}")]
    Length(usize),
    /// The entry is another kind's.
    #[error("expected an entry of kind key, found {0}")]
    Kind(&'static str),
    /// The entry cannot be read.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The checkpoint that ends with the entry does not hold under the key before.
    #[error("the checkpoint of the change at index {index}: {error}")]
    Checkpoint {
        /// The entry's index.
        index: u64,
        /// What is wrong.
        error: CheckpointError,
    },
    /// The checkpoint does not end with the entry.
    #[error("expected a checkpoint of size {expected} for the change of key, found one of size {found}")]
    Size {
        /// One more than the entry's index.
        expected: u64,
        /// The checkpoint's size.
        found: u64,
    },
    /// The entry is not in the tree that the key before has signed.
    #[error("the key entry at index {index}: {error}")]
    Inclusion {
        /// The entry's index.
        index: u64,
        /// What is wrong.
        error: merkle::ProofError,
    },
    /// The last change lies at or above the checkpoint for whose key it was brought.
    #[error("expected changes of key below index {below} only, for a checkpoint one larger; found one at {found}")]
    Beyond {
        /// The checkpoint's size, less one.
        below: u64,
        /// The index of the last change.
        found: u64,
    },
}

/// All keys that a log has had: the first, and each that was announced, with the index of its entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHistory {
    first: LogKey,
    announced: Vec<(u64, LogKey)>,
}

impl KeyHistory {
    /// The history of a log whose key never changed.
    pub fn new(first: LogKey) -> Self {
        Self { first, announced: Vec::new() }
    }

    /// The history that these `key` entries make, with their indexes in ascending order.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn from_entries<B: AsRef<[u8]>>(
        first: LogKey,
        entries: impl IntoIterator<Item = (u64, B)>,
    ) -> Result<Self, KeyError> {
        let mut history = Self::new(first);
        for (index, entry) in entries {
            history.announce(index, announced_by(entry.as_ref())?)?;
        }
        Ok(history)
    }

    /// Adds a change of key: the entry at `index` announces `key`. On an error nothing is added.
    ///
    /// # Errors
    /// [`KeyError::Order`], [`KeyError::Origin`] and [`KeyError::Reused`].
    pub fn announce(&mut self, index: u64, key: LogKey) -> Result<(), KeyError> {
        if key == self.first {
            return Err(KeyError::Reused(key.to_string()));
        }
        announce(&mut self.announced, &self.first, index, key)
    }

    /// The log's first key, whose hash is the log's id.
    pub fn first(&self) -> &LogKey {
        &self.first
    }

    /// The key that was announced last: the one for every checkpoint to come.
    pub fn newest(&self) -> &LogKey {
        self.announced.last().map_or(&self.first, |(_, key)| key)
    }

    /// The key that signs a checkpoint of this size. A checkpoint that ends with a `key` entry is still the old key's.
    pub fn key_at(&self, size: u64) -> &LogKey {
        let serving = self.announced.iter().rev().find(|(index, _)| serves_at(*index, size));
        serving.map_or(&self.first, |(_, key)| key)
    }

    /// All keys, oldest first.
    pub fn keys(&self) -> impl Iterator<Item = &LogKey> {
        std::iter::once(&self.first).chain(self.announced.iter().map(|(_, key)| key))
    }

    /// Each change: the index of its entry, and the key that it announced.
    pub fn changes(&self) -> &[(u64, LogKey)] {
        &self.announced
    }
}

/// Adds a change of key to others of the same log.
fn announce(announced: &mut Vec<(u64, LogKey)>, of: &LogKey, index: u64, key: LogKey) -> Result<(), KeyError> {
    if let Some((above, _)) = announced.last()
        && index <= *above
    {
        return Err(KeyError::Order { above: *above, found: index });
    }
    if key.origin() != of.origin() {
        return Err(KeyError::Origin { expected: of.origin().to_string(), found: key.origin().to_string() });
    }
    if announced.iter().any(|(_, had)| *had == key) {
        return Err(KeyError::Reused(key.to_string()));
    }
    announced.push((index, key));
    Ok(())
}

/// Whether a key that is announced at `index` is in service at this size.
fn serves_at(index: u64, size: u64) -> bool {
    index.checked_add(1).is_some_and(|last_of_old| last_of_old < size)
}

/// The key that a `key` entry announces.
fn announced_by(entry: &[u8]) -> Result<LogKey, KeyError> {
    match Entry::from_bytes(entry)? {
        Entry::Key(entry) => Ok(entry.log_key),
        other => Err(KeyError::Kind(other.kind())),
    }
}

/// What shows one change of key to somebody who trusts the key before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyLink {
    /// The `key` entry's index.
    pub index: u64,
    /// Its bytes, unaltered.
    #[serde(with = "crate::evidence::base64_text")]
    pub entry: Vec<u8>,
    /// Its inclusion proof in the tree that ends with it, lowest hash first.
    pub proof: Vec<Hash>,
    /// The checkpoint of that tree, verbatim: signed by the key before.
    pub checkpoint: String,
}

/// The keys from the trusted one on, as far as these links lead.
///
/// Links up to the one that announces the trusted key are passed over: what they say rests on keys that nobody here
/// trusts. If none announces it, the first link has to be the trusted key's own.
///
/// # Errors
/// See [`KeyError`].
pub fn follow(trusted: &LogKey, links: &[KeyLink]) -> Result<KeyHistory, KeyError> {
    if links.len() > MAX_LINKS {
        return Err(KeyError::Length(links.len()));
    }
    // 1. Every link announces a key of this log, no key twice, in the order of the log: also those passed over.
    let mut announced = Vec::new();
    for link in links {
        announce(&mut announced, trusted, link.index, announced_by(&link.entry)?)?;
    }
    let passed_over = announced.iter().position(|(_, key)| key == trusted).map_or(0, |at| at + 1);
    // 2. From the trusted key on, each key has signed the tree that ends with the announcement of the next.
    let mut history = KeyHistory::new(trusted.clone());
    for (link, (index, key)) in links.iter().zip(announced).skip(passed_over) {
        hands_over(history.newest(), link)?;
        history.announce(index, key)?;
    }
    Ok(history)
}

/// The key that must have signed a checkpoint of this size, by links that were brought for it.
///
/// # Errors
/// See [`KeyError`]; links that lie beyond the checkpoint are refused.
pub fn signing_key(trusted: &LogKey, links: &[KeyLink], size: u64) -> Result<LogKey, KeyError> {
    if let Some(last) = links.last()
        && !serves_at(last.index, size)
    {
        return Err(KeyError::Beyond { below: size.saturating_sub(1), found: last.index });
    }
    follow(trusted, links).map(|history| history.newest().clone())
}

/// Checks that this key has signed the tree that ends with the link's entry.
fn hands_over(key: &LogKey, link: &KeyLink) -> Result<(), KeyError> {
    let index = link.index;
    let checkpoint = key.verify(&link.checkpoint).map_err(|error| KeyError::Checkpoint { index, error })?;
    let expected = index.saturating_add(1);
    if checkpoint.size != expected {
        return Err(KeyError::Size { expected, found: checkpoint.size });
    }
    verify_inclusion(&leaf_hash(&link.entry), index, checkpoint.size, &link.proof, &checkpoint.root)
        .map_err(|error| KeyError::Inclusion { index, error })
}
