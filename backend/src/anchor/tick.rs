//! One tick of the anchorer: look, settle what has happened, take the next step.

use std::{sync::Arc, time::Duration};

use alloy::primitives::Bytes;
use ledger::{
    Hash,
    chain::contract_account,
    checkpoint::LogKey,
    entry::Entry,
    evidence::Anchor,
    merkle::{consistency_proof, root},
    publication::{self, Item, MAX_PUBLICATION},
    tile::TileTree,
    trust::TrustRoots,
};
use tokio::{
    sync::{broadcast, watch},
    task::block_in_place,
};

use super::chain::{Anchoring, Chain, ChainError, Head, Heads};
use crate::domain::{
    Clock, Millis,
    log::{ChainHealth, ChainView, Event, Halt, read_tile, stopped},
    ports::{AnchorRow, AnchorState, AnchorStore, LogReader, StoreError, StoredCheckpoint, TRUST_SETTING},
};

/// Entries looked at for one publication. At 300 bytes each they fill it; smaller ones do not occur.
const MAX_BATCH_PUBLISHED: u64 = 512;

/// Proofs fetched in one tick, so that a backlog does not delay the next anchor.
const MAX_PROOFS: usize = 8;

/// An anchor takes a block or two. What waits longer than this waits for a person.
const BEHIND: Duration = Duration::from_secs(120);

/// How the anchorer goes about it.
#[derive(Debug, Clone)]
pub(crate) struct AnchorerConfig {
    /// Anchor when this many entries wait.
    pub(crate) max_entries: u64,
    /// Anchor when an entry has waited this long.
    pub(crate) max_age: Duration,
    /// How often to look.
    pub(crate) poll: Duration,
    /// Send the transaction again, with a higher fee, when it has not been included for this long.
    pub(crate) resend_after: Duration,
    /// Whether payloads travel with the anchor.
    pub(crate) publish: bool,
}

/// Why a tick did not end well.
#[derive(Debug, thiserror::Error)]
enum TickError {
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Log and contract contradict each other.
    #[error("{0}")]
    Diverged(String),
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

/// What a final block shows of an anchoring.
enum Proof {
    /// The record is there.
    Recorded(Box<Anchor>),
    /// It is not there, and never will be: the head is beyond it.
    NotRecorded,
    /// The node's final block is older than the one that was seen.
    NotYet,
}

/// What one tick hands to the next.
#[derive(Default)]
struct Memory {
    /// Known since the last fault.
    trust: Option<TrustRoots>,
    /// The last head that was compared with the tiles.
    compared: Option<Head>,
    /// A nonce that the account has left behind, or not reached, without the head having moved.
    astray: Option<u64>,
    /// What the node said when it did not take the transaction.
    trouble: Option<String>,
    /// Whether the last tick found a contradiction.
    contradicted: bool,
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
                    memory.compared = None;
                    self.report(&error, failures, again && memory.contradicted);
                }
            }
            // A node that is down is asked less and less often, up to every five seconds.
            let pause = self.config.poll * 2_u32.pow(failures.min(5));
            tokio::select! {
                () = tokio::time::sleep(pause.min(Duration::from_secs(5))) => {}
                () = stopped(&mut stop) => return,
            }
        }
    }

    /// Says what is the matter. A contradiction halts the log for good, so it has to be seen twice: one false answer
    /// of a node is not enough.
    fn report(&self, error: &TickError, failures: u32, contradicted_twice: bool) {
        let health = match error {
            TickError::Chain(ChainError::Unreachable { .. }) => ChainHealth::Unreachable,
            TickError::Diverged(_) => ChainHealth::Diverged,
            TickError::Chain(_) => ChainHealth::Misconfigured,
            TickError::Store(_) => ChainHealth::StoreFailed,
        };
        let problem = error.to_string();
        if failures == 1 {
            tracing::warn!(%problem, "anchoring is interrupted");
        }
        if contradicted_twice {
            self.halt.set(problem.clone());
        }
        let oldest = block_in_place(|| self.oldest_age(self.view.borrow().anchored_size)).unwrap_or_default();
        self.publish(|view| {
            view.health = health;
            view.problem = Some(problem);
            view.oldest_unanchored_ms = oldest;
        });
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

    async fn tick(&self, memory: &mut Memory) -> Result<(), TickError> {
        let trust = match memory.trust.clone() {
            Some(trust) => trust,
            None => {
                let trust = self.chain.identify(&self.log_key).await?;
                block_in_place(|| self.pin(&trust))?;
                memory.trust = Some(trust.clone());
                trust
            }
        };
        let heads = self.chain.heads().await?;
        block_in_place(|| self.compare(heads, memory))?;
        let final_size = heads.finalized.map_or(0, |(_, head)| head.size.min(heads.latest.size));
        // A node that gives no proofs, because it has pruned the state, say, must not keep the next anchor back.
        let settled = self.settle(heads, final_size, &trust).await;
        self.advance(heads.latest, &trust, memory).await?;
        settled?;

        let oldest = block_in_place(|| self.oldest_age(heads.latest.size))?;
        if heads.latest.size > self.view.borrow().anchored_size {
            memory.trouble = None;
        }
        let behind = oldest.filter(|age| *age > BEHIND.as_millis() as i64).map(|age| {
            format!("the oldest entry has waited {} s for its anchor: is the fee's ceiling too low?", age / 1_000)
        });
        let behind = memory.trouble.clone().or(behind);
        self.publish(|view| {
            *view = ChainView {
                health: if behind.is_some() { ChainHealth::Behind } else { ChainHealth::Ok },
                problem: behind,
                head: Some((heads.latest.size, heads.latest.root)),
                latest_block: Some(heads.latest_block),
                finalized_block: heads.finalized.map(|(block, _)| block),
                anchored_size: heads.latest.size,
                final_size,
                oldest_unanchored_ms: oldest,
                trust: Some(trust),
            };
        });
        Ok(())
    }

    /// The trust roots seen first are kept; others later are a fault that a person has to look at.
    fn pin(&self, seen: &TrustRoots) -> Result<(), TickError> {
        let Some(pinned) = self.anchors.setting(TRUST_SETTING)? else {
            let text = serde_json::to_string(seen).map_err(|error| StoreError::Engine(Box::new(error)))?;
            return Ok(self.anchors.put_setting(TRUST_SETTING, &text)?);
        };
        let pinned: TrustRoots = serde_json::from_str(&pinned)
            .map_err(|error| StoreError::Damaged(format!("setting {TRUST_SETTING}: {error}")))?;
        match pinned.differences(seen).as_slice() {
            [] => Ok(()),
            changed => Err(ChainError::Misconfigured(format!(
                "this is another chain or contract than before ({} changed): point --rpc-url and --contract to the \
                 ones in GET /api/v1/trust, or restore the chain's state",
                changed.join(", ")
            ))
            .into()),
        }
    }

    /// Our tiles must give the contract's root at the contract's size.
    fn compare(&self, heads: Heads, memory: &mut Memory) -> Result<(), TickError> {
        let newest = self.log.newest_checkpoint()?.map_or(0, |newest| newest.size);
        for head in heads.finalized.map(|(_, head)| head).into_iter().chain([heads.latest]) {
            if head.size == 0 || memory.compared == Some(head) {
                continue;
            }
            if head.size > newest {
                return Err(TickError::Diverged(format!(
                    "the contract's head has {} entries, our log {newest}: the database is older than the chain \
                     (restored from a backup?). Restore the newest one",
                    head.size
                )));
            }
            let ours = root(&self.tiles(newest), head.size)?;
            if ours != head.root {
                return Err(TickError::Diverged(format!(
                    "at size {} the contract's root is {}, ours {ours}: the log was changed. Run `anomaly-ledger fsck`",
                    head.size, head.root
                )));
            }
        }
        memory.compared = Some(heads.latest);
        self.halt.set_compared();
        Ok(())
    }

    fn tiles(&self, size: u64) -> TileTree<impl Fn(ledger::tile::TileId) -> Result<Vec<Hash>, StoreError> + '_> {
        TileTree::new(size, |id| read_tile(&*self.log, id))
    }

    /// Brings the outbox in line with the heads, and stores the proof of what has become final.
    async fn settle(&self, heads: Heads, final_size: u64, trust: &TrustRoots) -> Result<(), TickError> {
        block_in_place(|| self.adopt(heads.latest))?;
        let open = block_in_place(|| self.anchors.open_anchors())?;
        let mut proofs = 0;
        for row in open {
            if row.size <= final_size && proofs < MAX_PROOFS {
                proofs += 1;
                match self.prove(&row, heads, trust).await? {
                    Proof::Recorded(proof) => {
                        // What was sent is of no more use, and may be large.
                        let row = AnchorRow { state: AnchorState::Final, proof: Some(*proof), raw: Vec::new(), ..row };
                        block_in_place(|| self.anchors.put_anchor(&row))?;
                        metrics::counter!("anchors_final_total").increment(1);
                    }
                    // A later anchor has overtaken it; the contract never recorded this root.
                    Proof::NotRecorded => block_in_place(|| self.anchors.drop_anchor(row.size))?,
                    Proof::NotYet => {}
                }
                continue;
            }
            let state = if row.size <= heads.latest.size { AnchorState::Included } else { AnchorState::Sent };
            if state != row.state {
                block_in_place(|| self.anchors.put_anchor(&AnchorRow { state, ..row }))?;
            }
        }
        Ok(())
    }

    /// Takes the contract's word for what is anchored: forgets what a deep reorganisation has taken back, and makes a
    /// row for a head that has none (the outbox was lost, or another copy of the service has anchored it).
    fn adopt(&self, head: Head) -> Result<(), TickError> {
        let lost = self.anchors.drop_final_above(head.size)?;
        if lost > 0 {
            tracing::warn!(lost, size = head.size, "the chain has taken final anchors back");
        }
        if head.size > 0 && !self.anchors.has_anchor(head.size)? {
            let sent_ms = self.clock.now().0;
            let state = AnchorState::Included;
            let (size, root) = (head.size, head.root);
            let row =
                AnchorRow { size, root, state, nonce: 0, transaction: None, raw: Vec::new(), sent_ms, proof: None };
            self.anchors.put_anchor(&row)?;
        }
        Ok(())
    }

    /// The proof of a record at the final block, checked.
    async fn prove(&self, row: &AnchorRow, heads: Heads, trust: &TrustRoots) -> Result<Proof, TickError> {
        let state = self.chain.proofs(row.root, row.size).await?;
        let seen = heads.finalized.map_or(u64::MAX, |(block, _)| block);
        // Behind an address there may be several nodes, and this answer may come from one that lags.
        let Some(at) = state.finalized.filter(|at| at.header.number >= seen) else { return Ok(Proof::NotYet) };
        let lies =
            |what: String| ChainError::Misconfigured(format!("the node gives a proof that does not hold: {what}"));
        let account = contract_account(at.header.state_root, trust.contract, &at.contract.account_proof)
            .map_err(|error| lies(error.to_string()))?;
        if account.code_hash != trust.code_hash {
            return Err(lies(format!("code hash {}", account.code_hash)).into());
        }
        let record = account.record(&row.root, &at.contract.record_proof).map_err(|error| lies(error.to_string()))?;
        let recorded = record.is_some_and(|record| record.size == row.size);
        if !recorded {
            return Ok(Proof::NotRecorded);
        }
        Ok(Proof::Recorded(Box::new(Anchor {
            transaction: row.transaction,
            contract: Some(trust.contract),
            header: Bytes::from(at.header.rlp),
            account_proof: at.contract.account_proof,
            storage_proof: at.contract.record_proof,
        })))
    }

    /// Follows the transaction under way, or sends the next.
    async fn advance(&self, head: Head, trust: &TrustRoots, memory: &mut Memory) -> Result<(), TickError> {
        let open = block_in_place(|| self.anchors.open_anchors())?;
        if let Some(row) = open.iter().find(|row| row.size > head.size) {
            return self.follow(row, memory).await;
        }
        if self.halt.reason().is_some() {
            return Ok(());
        }
        let Some(anchoring) = block_in_place(|| self.next(head))? else { return Ok(()) };
        let nonce = self.chain.nonce().await?;
        let signed = self.chain.sign(&anchoring, nonce, trust.chain_id).await?;
        let row = AnchorRow {
            size: anchoring.size,
            root: anchoring.root,
            state: AnchorState::Sent,
            nonce: signed.nonce,
            transaction: Some(signed.hash),
            raw: signed.raw,
            sent_ms: self.clock.now().0,
            proof: None,
        };
        // Written before it is sent: after a crash the very same transaction is sent again, never a second one.
        block_in_place(|| self.anchors.put_anchor(&row))?;
        tracing::info!(size = row.size, transaction = %signed.hash, nonce = row.nonce, "anchoring");
        metrics::counter!("anchors_sent_total").increment(1);
        self.send(&row, memory).await
    }

    /// Sends a row's transaction. One that can never be included is forgotten, so that the next tick says so again;
    /// one that the node did not take for another reason stays, because it may have it all the same.
    async fn send(&self, row: &AnchorRow, memory: &mut Memory) -> Result<(), TickError> {
        match self.chain.send(&row.raw).await {
            Ok(()) => memory.trouble = None,
            Err(ChainError::NotTaken(why)) => {
                tracing::warn!(size = row.size, %why, "the node did not take the anchoring transaction");
                memory.trouble = Some(ChainError::NotTaken(why).to_string());
            }
            Err(error) => {
                if matches!(error, ChainError::Refused(_)) {
                    block_in_place(|| self.anchors.drop_anchor(row.size))?;
                }
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// A transaction that has not moved the head yet: wait, send it again, or give it up if it cannot be included.
    async fn follow(&self, row: &AnchorRow, memory: &mut Memory) -> Result<(), TickError> {
        if !self.chain.is_ours(&row.raw) {
            // Signed by an account that was replaced since, or adopted from a head that the chain has taken back.
            tracing::warn!(size = row.size, "the anchoring transaction is not of this account; making another");
            return Ok(block_in_place(|| self.anchors.drop_anchor(row.size))?);
        }
        if self.chain.nonce().await? == row.nonce {
            memory.astray = None;
        } else {
            // Used up, or, after a rollback, not reached. Once may be a block between two questions; twice means that
            // this transaction will never be included.
            if memory.astray.replace(row.nonce) == Some(row.nonce) {
                tracing::warn!(
                    size = row.size,
                    nonce = row.nonce,
                    "the anchoring transaction had no effect; making another"
                );
                block_in_place(|| self.anchors.drop_anchor(row.size))?;
            }
            return Ok(());
        }
        let now = self.clock.now();
        let waited = now.since(Millis(row.sent_ms));
        // A clock that was turned back must not keep it waiting.
        if waited < 0 || waited >= self.config.resend_after.as_millis() as i64 {
            // With a higher fee if the ceiling allows it; the very same transaction otherwise.
            let signed = self.chain.sign_again(&row.raw).await?;
            tracing::info!(size = row.size, nonce = row.nonce, transaction = %signed.hash, "sending the anchor again");
            // Which of several will be included is not known, so none is named in the evidence.
            let transaction = row.transaction.filter(|hash| *hash == signed.hash);
            let row = AnchorRow { sent_ms: now.0, transaction, raw: signed.raw, ..row.clone() };
            block_in_place(|| self.anchors.put_anchor(&row))?;
            self.send(&row, memory).await?;
        }
        Ok(())
    }

    /// What to anchor next, if enough waits or has waited long enough.
    fn next(&self, head: Head) -> Result<Option<Anchoring>, TickError> {
        let Some(newest) = self.log.newest_checkpoint()? else { return Ok(None) };
        let waiting = newest.size.saturating_sub(head.size);
        let age = self.oldest_age(head.size)?.unwrap_or(0);
        if waiting == 0
            || (waiting < self.config.max_entries && (0..self.config.max_age.as_millis() as i64).contains(&age))
        {
            return Ok(None);
        }
        let (target, publication) =
            if self.config.publish { self.published(head.size, &newest)? } else { (newest.clone(), Vec::new()) };
        // The checkpoint is not believed: root and proof come from the tiles.
        let tiles = self.tiles(newest.size);
        let derived = root(&tiles, target.size)?;
        if derived != target.root {
            return Err(TickError::Diverged(format!(
                "the tiles give the root {derived} at size {}, but {} was signed. Run `anomaly-ledger fsck`",
                target.size, target.root
            )));
        }
        let proof = consistency_proof(&tiles, head.size, target.size)?;
        Ok(Some(Anchoring { root: derived, size: target.size, proof, publication }))
    }

    /// The newest checkpoint whose entries since the head fit one publication, and that publication.
    fn published(&self, from: u64, newest: &StoredCheckpoint) -> Result<(StoredCheckpoint, Vec<u8>), TickError> {
        let mut items = Vec::new();
        let mut length = 0;
        for (index, entry) in (from..).zip(self.log.entries(from, MAX_BATCH_PUBLISHED)?) {
            let item = Item { entry, disclosure: self.log.disclosure(index)? };
            length += item.len();
            if length > MAX_PUBLICATION {
                break;
            }
            items.push(item);
        }
        let reach = from + items.len() as u64;
        let fitting = if newest.size <= reach {
            Some(newest.clone())
        } else {
            self.log.checkpoints(from, reach, MAX_BATCH_PUBLISHED)?.pop()
        };
        // The sequencer signs often enough that one fits; a gap in the table would be damage.
        let target = fitting.ok_or_else(|| {
            StoreError::Damaged(format!("no checkpoint between {from} and {reach}, where a batch has to end"))
        })?;
        items.truncate((target.size - from) as usize);
        Ok((target, publication::encode(&items)))
    }

    /// How long the oldest entry above this size has waited; negative if the clock was turned back.
    fn oldest_age(&self, anchored: u64) -> Result<Option<i64>, StoreError> {
        let Some(entry) = self.log.entries(anchored, 1)?.pop() else { return Ok(None) };
        // A damaged entry is fsck's matter; for the age it counts as new.
        let Ok(entry) = Entry::from_bytes(&entry) else { return Ok(Some(0)) };
        let recorded = Millis::parse(entry.recorded().as_str()).unwrap_or(self.clock.now());
        Ok(Some(self.clock.now().since(recorded)))
    }
}
