//! The anchorer's tick: look, settle what has happened, take the next step, show where things stand.

use std::{sync::Arc, time::Duration};

use alloy::primitives::B256;
use ledger::{checkpoint::LogKey, trust::TrustRoots};
use tokio::{
    sync::{broadcast, watch},
    task::block_in_place,
};

use super::{
    chain::{Chain, Head, Heads},
    error::ChainError,
};
use crate::domain::{
    Clock, Millis,
    log::{Block, ChainHealth, ChainView, Event, Halt, Trouble, stopped},
    ports::{AnchorStore, LogReader, StoreError},
};

/// A node that is down is asked less and less often, but at least this often.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How the anchorer goes about it.
#[derive(Debug, Clone)]
pub(crate) struct AnchorerConfig {
    /// Anchor when this many entries wait.
    pub(crate) max_entries: u64,
    /// Anchor when an entry has waited this long.
    pub(crate) max_age: Duration,
    /// How often to look.
    pub(crate) poll: Duration,
    /// Send the transaction again, with a higher fee, when it has not been included for this long. Also how long a
    /// chain has to stay shorter than it was before that is believed.
    pub(crate) resend_after: Duration,
    /// What waits for its anchor longer than this waits for a person; so does a chain without a new block.
    pub(crate) behind_after: Duration,
    /// Whether payloads travel with the anchor.
    pub(crate) publish: bool,
}

/// Why a tick did not end well.
#[derive(Debug, thiserror::Error)]
pub(super) enum TickError {
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Log and contract contradict each other.
    #[error("{0}")]
    Diverged(String),
}

impl TickError {
    fn health(&self) -> ChainHealth {
        match self {
            TickError::Chain(error) => error.health(),
            TickError::Store(_) => ChainHealth::StoreFailed,
            TickError::Diverged(_) => ChainHealth::Diverged,
        }
    }
}

/// Brings checkpoints into the contract.
pub(crate) struct Anchorer {
    pub(crate) chain: Chain,
    pub(crate) anchors: Arc<dyn AnchorStore>,
    pub(crate) log: Arc<dyn LogReader>,
    pub(crate) log_key: LogKey,
    pub(crate) config: AnchorerConfig,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) halt: Halt,
    pub(crate) view: watch::Sender<ChainView>,
    pub(crate) events: broadcast::Sender<Event>,
}

/// What one tick hands to the next. All of it may be lost: what counts is in the store and on the chain.
#[derive(Default)]
pub(super) struct Memory {
    /// Known since the last fault.
    pub(super) trust: Option<TrustRoots>,
    /// The last heads that were compared with the tiles.
    pub(super) compared: Vec<Head>,
    /// The highest block that the node has shown, and since when it shows only lower ones.
    pub(super) highest: u64,
    pub(super) older_since: Option<Millis>,
    /// The newest block, and since when it is.
    pub(super) newest: Option<(Block, Millis)>,
    /// The final block below which all stored proofs are known to be of this chain.
    pub(super) proofs_hold_at: Option<B256>,
    /// The transaction that was offered to the node last.
    pub(super) offered: Option<Offered>,
    /// A nonce that the account has left behind, or not reached, without the head having moved.
    pub(super) astray: Option<u64>,
    /// How many transactions in a row were included and failed, and when the next one may be made.
    pub(super) failed: Option<(u32, B256, Millis)>,
    /// Whether the last tick found a contradiction.
    contradicted: bool,
}

/// What came of offering a transaction to the node.
#[derive(Clone, Copy)]
pub(super) struct Offered {
    pub(super) transaction: B256,
    /// The newest block then: only a transaction that a later one has passed over needs a higher fee.
    pub(super) at_block: u64,
    pub(super) taken: bool,
}

impl Anchorer {
    /// Works until told to stop. What is under way stays in the outbox, and is followed up at the next start.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut memory = Memory::default();
        let mut failures = 0_u32;
        loop {
            // A tick may be cut short anywhere: what it has begun is in the outbox.
            let result = tokio::select! {
                result = self.tick(&mut memory) => result,
                () = stopped(&mut stop) => return,
            };
            match result {
                Ok(()) => {
                    failures = 0;
                    memory.contradicted = false;
                }
                Err(error) => {
                    failures += 1;
                    let again = memory.contradicted;
                    memory.contradicted = matches!(error, TickError::Diverged(_));
                    // The chain may be another one when it answers again.
                    memory.trust = None;
                    memory.compared.clear();
                    self.report(&error, again && memory.contradicted);
                }
            }
            let pause = self.config.poll * 2_u32.pow(failures.min(5));
            tokio::select! {
                () = tokio::time::sleep(pause.min(LONGEST_PAUSE.max(self.config.poll))) => {}
                () = stopped(&mut stop) => return,
            }
        }
    }

    async fn tick(&self, memory: &mut Memory) -> Result<(), TickError> {
        let trust = self.identify(memory).await?;
        let heads = self.chain.heads().await?;
        if !self.goes_forward(&heads, memory)? {
            return Ok(());
        }
        block_in_place(|| self.compare(heads, memory))?;
        // A node that gives no proofs, because it has pruned the state, say, must not keep the next anchor back.
        let settled = self.settle(heads, &trust, memory).await;
        let advanced = self.advance(heads, &trust, memory).await;
        // What was seen is shown, whatever came of the rest.
        block_in_place(|| self.show(heads, trust))?;
        settled?;
        advanced?;
        let trouble = block_in_place(|| self.waits_too_long(heads, memory))?;
        let health = if trouble.is_some() { ChainHealth::Behind } else { ChainHealth::Ok };
        self.publish(|view| self.set_health(view, health, trouble));
        Ok(())
    }

    /// Shows where log and chain stand.
    fn show(&self, heads: Heads, trust: TrustRoots) -> Result<(), TickError> {
        let oldest = self.oldest_age(heads.latest.size)?.map(|age| age.max(0));
        // Final is what is proven to be so; the node's word for a head alone is not enough.
        let (_, proven) = self.anchors.anchored_sizes()?;
        self.publish(|view| {
            view.head = Some((heads.latest.size, heads.latest.root));
            view.latest_block = Some(heads.latest_block);
            view.finalized_block = heads.finalized.map(|(block, _)| block.number);
            view.anchored_size = heads.latest.size;
            view.final_size = proven.min(heads.latest.size);
            view.oldest_unanchored_ms = oldest;
            view.trust = Some(trust);
        });
        Ok(())
    }

    /// What is wrong though every step succeeds: nothing moves.
    fn waits_too_long(&self, heads: Heads, memory: &mut Memory) -> Result<Option<String>, TickError> {
        let now = self.clock.now();
        let since = match memory.newest {
            Some((block, since)) if block == heads.latest_block && now.since(since) >= 0 => since,
            _ => now,
        };
        memory.newest = Some((heads.latest_block, since));
        let limit = self.config.behind_after.as_millis() as i64;
        let stands_still = now.since(since);
        if stands_still > limit && !self.anchors.open_anchors()?.is_empty() {
            return Ok(Some(format!(
                "the chain stands still: block {} has been the newest for {} s, and an anchor is under way. Start the \
                 chain's block production again, or ask another node",
                heads.latest_block.number,
                stands_still / 1_000
            )));
        }
        Ok(self.oldest_age(heads.latest.size)?.filter(|age| *age > limit).map(|age| {
            format!(
                "the oldest entry has waited {} s for its anchor, although the node takes the transaction: if \
                 the chain was away until now, this passes; else, is --max-fee-gwei too low for what others pay?",
                age / 1_000
            )
        }))
    }

    /// Says what is the matter. A contradiction halts the log for good, so it has to be seen twice: one false answer
    /// of a node is not enough.
    fn report(&self, error: &TickError, contradicted_twice: bool) {
        let health = error.health();
        let problem = error.to_string();
        if contradicted_twice {
            self.halt.set(problem.clone());
        }
        let anchored = self.view.borrow().anchored_size;
        let oldest = block_in_place(|| self.oldest_age(anchored)).unwrap_or_default().map(|age| age.max(0));
        self.publish(|view| {
            view.oldest_unanchored_ms = oldest;
            self.set_health(view, health, Some(problem));
        });
    }

    /// Says how log and chain get on, and logs it when that changes.
    fn set_health(&self, view: &mut ChainView, health: ChainHealth, problem: Option<String>) {
        match &problem {
            Some(problem) if view.health != health => {
                tracing::warn!(%problem, state = health.name(), "anchoring is interrupted");
            }
            None if view.problem.is_some() => tracing::info!(state = health.name(), "anchoring goes on"),
            _ => {}
        }
        view.health = health;
        if let Some(what) = &problem {
            metrics::counter!("anchor_faults_total", "state" => health.name()).increment(1);
            view.last_trouble = Some(Trouble { at: self.clock.now(), what: what.clone() });
        }
        view.problem = problem;
    }

    /// Changes the view, and tells listeners if that made a difference to them.
    fn publish(&self, change: impl FnOnce(&mut ChainView)) {
        let mut moved = false;
        self.view.send_modify(|view| {
            let before = view.clone();
            change(view);
            moved = (before.health, before.head, before.final_size) != (view.health, view.head, view.final_size);
        });
        if moved {
            let _ = self.events.send(Event::Ledger);
        }
    }
}
