//! The log's affairs that several parts share: what happened, whether it may go on, and reading its tiles.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alloy::primitives::B256;
use ledger::{
    Hash,
    checkpoint::LogKey,
    keys::KeyHistory,
    tile::{self, TileId},
    trust::TrustRoots,
};

use super::{
    Millis,
    ports::{LogReader, StoreError},
};

/// How often entries are made that no reading asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Periods {
    /// A heartbeat, and with it the audit log's digest, this often.
    pub(crate) heartbeat: Duration,
    /// A beacon before findings, if the last one is older than this.
    pub(crate) beacon: Duration,
}

/// What is to be told to whoever listens, after it has happened.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// Anomalies with these indexes have been committed.
    Anomalies(Arc<[u64]>),
    /// The log or the chain has moved.
    Ledger,
}

/// Whether the log may be extended, and whether that works.
#[derive(Debug, Clone, Default)]
pub(crate) struct Halt(Arc<HaltState>);

#[derive(Debug, Default)]
struct HaltState {
    /// Set once, for good: why nothing may be appended any more.
    reason: OnceLock<String>,
    /// The log was held against the contract's head since the start. Before, a database from an old backup would be
    /// extended into a second history under the same key.
    compared: AtomicBool,
    /// The last commit failed.
    failing: AtomicBool,
}

impl Halt {
    /// Stops every further commit; the text says why and what to do.
    pub(crate) fn set(&self, why: String) {
        if self.0.reason.set(why.clone()).is_ok() {
            tracing::error!(%why, "the log is halted: nothing is accepted or signed any more");
        }
    }

    /// Why, if it is set.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.0.reason.get().map(String::as_str)
    }

    /// The log does not contradict the contract: entries may be made of findings.
    pub(crate) fn set_compared(&self) {
        self.0.compared.store(true, Ordering::Release);
    }

    /// Whether entries may be made of findings. Findings are kept meanwhile.
    pub(crate) fn may_sequence(&self) -> bool {
        self.0.compared.load(Ordering::Acquire) && self.reason().is_none()
    }

    /// Keeps whether the last commit failed.
    pub(crate) fn set_failing(&self, failing: bool) {
        self.0.failing.store(failing, Ordering::Relaxed);
    }

    /// Whether the last commit failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.0.failing.load(Ordering::Relaxed)
    }

    /// A guard for a part of the service: if the part ends by a panic, the log is halted.
    pub(crate) fn watch(&self, part: &str) -> PanicGuard {
        PanicGuard { halt: self.clone(), part: part.to_owned() }
    }
}

/// Halts the log when it is dropped by a panic.
pub(crate) struct PanicGuard {
    halt: Halt,
    part: String,
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.halt.set(format!("the part {:?} of the service failed: start the service anew", self.part));
        }
    }
}

/// Waits until the service is to stop; also when nobody is left to say so.
pub(crate) async fn stopped(stop: &mut tokio::sync::watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// How the service and its chain get on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChainHealth {
    /// Not asked yet.
    Unknown,
    /// All is well.
    Ok,
    /// The node does not answer. May pass.
    Unreachable,
    /// Chain, contract or account are not those that the service is set up for.
    Misconfigured,
    /// The log's own store cannot be read or written now.
    StoreFailed,
    /// Anchoring does not get on: the node does not take the transaction or lags, gas is too dear, or an entry or the
    /// next block is overdue.
    Behind,
    /// Log and contract contradict each other.
    Diverged,
}

impl ChainHealth {
    /// All of them.
    pub(crate) const ALL: [ChainHealth; 7] = [
        ChainHealth::Unknown,
        ChainHealth::Ok,
        ChainHealth::Unreachable,
        ChainHealth::Misconfigured,
        ChainHealth::StoreFailed,
        ChainHealth::Behind,
        ChainHealth::Diverged,
    ];

    /// Its name in the interface.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ChainHealth::Unknown => "unknown",
            ChainHealth::Ok => "ok",
            ChainHealth::Unreachable => "unreachable",
            ChainHealth::Misconfigured => "misconfigured",
            ChainHealth::StoreFailed => "store_failed",
            ChainHealth::Behind => "behind",
            ChainHealth::Diverged => "diverged",
        }
    }
}

/// A block of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) number: u64,
    /// Computed from the header that the node gave; not what the node calls it.
    pub(crate) hash: B256,
}

/// Something that kept the service from anchoring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// When it was seen last.
    pub(crate) at: Millis,
    /// What was the matter, and what to do.
    pub(crate) what: String,
}

/// The chain as the service last saw it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChainView {
    pub(crate) health: ChainHealth,
    /// What is the matter, and what to do.
    pub(crate) problem: Option<String>,
    /// The last problem since the start, also when it has passed.
    pub(crate) last_trouble: Option<Trouble>,
    /// The contract's head at the newest block.
    pub(crate) head: Option<(u64, Hash)>,
    /// The newest block.
    pub(crate) latest_block: Option<Block>,
    pub(crate) finalized_block: Option<u64>,
    /// Entries under a recorded root.
    pub(crate) anchored_size: u64,
    /// Entries under a root that is recorded in a final block, and the proof of it is stored.
    pub(crate) final_size: u64,
    /// How long the oldest entry that is not anchored has waited.
    pub(crate) oldest_unanchored_ms: Option<i64>,
    /// What the service believes the trust roots to be, once it has seen them.
    pub(crate) trust: Option<TrustRoots>,
}

impl Default for ChainView {
    fn default() -> Self {
        Self {
            health: ChainHealth::Unknown,
            problem: None,
            last_trouble: None,
            head: None,
            latest_block: None,
            finalized_block: None,
            anchored_size: 0,
            final_size: 0,
            oldest_unanchored_ms: None,
            trust: None,
        }
    }
}

/// Reads the first hashes of a stored tile.
pub(crate) fn read_tile(log: &dyn LogReader, id: TileId) -> Result<Vec<Hash>, StoreError> {
    let TileId { level, index, width } = id;
    let missing = || StoreError::Damaged(format!("tile {level}/{index} is missing or shorter than {width} hashes"));
    let mut hashes = log.tile(level, index)?.and_then(|bytes| tile::from_bytes(&bytes)).ok_or_else(missing)?;
    if hashes.len() < width as usize {
        return Err(missing());
    }
    hashes.truncate(width as usize);
    Ok(hashes)
}

/// All keys of a log. There are few.
pub(crate) fn key_history(log: &dyn LogReader, first: LogKey) -> Result<KeyHistory, StoreError> {
    let mut entries = Vec::new();
    let mut before = u64::MAX;
    while let Some((index, bytes)) = log.newest("key", before)? {
        entries.push((index, bytes));
        before = index;
    }
    entries.reverse();
    KeyHistory::from_entries(first, entries).map_err(|error| StoreError::Damaged(error.to_string()))
}
