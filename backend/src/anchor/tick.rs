//! One tick of the anchorer: look, settle what has happened, take the next step.

use std::{sync::Arc, time::Duration};

use alloy::primitives::Bytes;
use ledger::{
    Hash,
    chain::{Record, contract_account, record_slot, storage_word},
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

/// How the anchorer goes about it.
#[derive(Debug, Clone)]
pub(crate) struct AnchorerConfig {
    /// Anchor when this many entries wait.
    pub(crate) max_entries: u64,
    /// Anchor when an entry has waited this long.
    pub(crate) max_age: Duration,
    /// How often to look.
    pub(crate) poll: Duration,
    /// Send the same transaction again when it has not been included for this long.
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

/// What one tick hands to the next.
#[derive(Default)]
struct Memory {
    /// Known since the last fault.
    trust: Option<TrustRoots>,
    /// The last head that was compared with the tiles.
    compared: Option<Head>,
    /// A nonce that was used up without the head having moved.
    burnt: Option<u64>,
}

impl Anchorer {
    /// Works until told to stop. What is under way stays in the outbox, and is followed up at the next start.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut memory = Memory::default();
        let mut failures = 0_u32;
        loop {
            match self.tick(&mut memory).await {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures += 1;
                    memory = Memory::default();
                    self.report(&error, failures);
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

    fn report(&self, error: &TickError, failures: u32) {
        let health = match error {
            TickError::Chain(ChainError::Unreachable { .. }) => ChainHealth::Unreachable,
            TickError::Diverged(_) => ChainHealth::Diverged,
            TickError::Chain(_) | TickError::Store(_) => ChainHealth::Misconfigured,
        };
        let problem = error.to_string();
        if failures == 1 {
            tracing::warn!(%problem, "anchoring is interrupted");
        }
        if health == ChainHealth::Diverged {
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
        self.settle(heads.latest.size, final_size, &trust).await?;
        self.advance(heads.latest, &trust, memory).await?;

        let oldest = block_in_place(|| self.oldest_age(heads.latest.size))?;
        self.publish(|view| {
            *view = ChainView {
                health: ChainHealth::Ok,
                problem: None,
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
        Ok(())
    }

    fn tiles(&self, size: u64) -> TileTree<impl Fn(ledger::tile::TileId) -> Result<Vec<Hash>, StoreError> + '_> {
        TileTree::new(size, |id| read_tile(&*self.log, id))
    }

    /// Brings the outbox in line with the heads, and stores the proof of what has become final.
    async fn settle(&self, anchored: u64, final_size: u64, trust: &TrustRoots) -> Result<(), TickError> {
        let open = block_in_place(|| self.anchors.open_anchors())?;
        let mut proofs = 0;
        for row in open {
            if row.size <= final_size && proofs < MAX_PROOFS {
                proofs += 1;
                match self.prove(&row, trust).await? {
                    Some(proof) => {
                        let row = AnchorRow { state: AnchorState::Final, proof: Some(proof), ..row };
                        block_in_place(|| self.anchors.put_anchor(&row))?;
                        metrics::counter!("anchors_final_total").increment(1);
                    }
                    // A later anchor has overtaken it; the contract never recorded this root.
                    None => block_in_place(|| self.anchors.drop_anchor(row.size))?,
                }
                continue;
            }
            let state = if row.size <= anchored { AnchorState::Included } else { AnchorState::Sent };
            if state != row.state {
                block_in_place(|| self.anchors.put_anchor(&AnchorRow { state, ..row }))?;
            }
        }
        Ok(())
    }

    /// The proof of a record at the final block, checked; `None` if there is no such record.
    async fn prove(&self, row: &AnchorRow, trust: &TrustRoots) -> Result<Option<Anchor>, TickError> {
        let state = self.chain.proofs(row.root, row.size).await?;
        let Some(at) = state.finalized else { return Ok(None) };
        let lies =
            |what: String| ChainError::Misconfigured(format!("the node gives a proof that does not hold: {what}"));
        let account = contract_account(at.header.state_root, trust.contract, &at.account_proof)
            .map_err(|error| lies(error.to_string()))?;
        let word = storage_word(account.storage_root, record_slot(&row.root), &at.record_proof)
            .map_err(|error| lies(error.to_string()))?;
        let recorded = Record::from_word(word).is_some_and(|record| record.size == row.size);
        Ok(recorded.then(|| Anchor {
            transaction: Some(row.transaction),
            header: Bytes::from(at.header.rlp),
            account_proof: at.account_proof,
            storage_proof: at.record_proof,
        }))
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
            transaction: signed.hash,
            raw: signed.raw,
            sent_ms: self.clock.now().0,
            proof: None,
        };
        // Written before it is sent: after a crash the very same transaction is sent again, never a second one.
        block_in_place(|| self.anchors.put_anchor(&row))?;
        tracing::info!(size = row.size, transaction = %row.transaction, nonce = row.nonce, "anchoring");
        metrics::counter!("anchors_sent_total").increment(1);
        Ok(self.chain.send(&row.raw).await?)
    }

    /// A transaction that has not moved the head yet: wait, send it again, or give it up if it cannot be included.
    async fn follow(&self, row: &AnchorRow, memory: &mut Memory) -> Result<(), TickError> {
        if self.chain.nonce().await? > row.nonce {
            // Its nonce is used. Once may be a block between two questions; twice means that it failed, or that
            // something else took the nonce.
            if memory.burnt.replace(row.nonce) == Some(row.nonce) {
                tracing::warn!(
                    size = row.size,
                    nonce = row.nonce,
                    "the anchoring transaction was not effective; making another"
                );
                block_in_place(|| self.anchors.drop_anchor(row.size))?;
            }
            return Ok(());
        }
        let now = self.clock.now();
        if now.since(Millis(row.sent_ms)) >= self.config.resend_after.as_millis() as i64 {
            tracing::info!(size = row.size, nonce = row.nonce, "sending the anchoring transaction again");
            self.chain.send(&row.raw).await?;
            block_in_place(|| self.anchors.put_anchor(&AnchorRow { sent_ms: now.0, ..row.clone() }))?;
        }
        Ok(())
    }

    /// What to anchor next, if enough waits or has waited long enough.
    fn next(&self, head: Head) -> Result<Option<Anchoring>, TickError> {
        let Some(newest) = self.log.newest_checkpoint()? else { return Ok(None) };
        let waiting = newest.size.saturating_sub(head.size);
        let age = self.oldest_age(head.size)?.unwrap_or(0);
        if waiting == 0 || (waiting < self.config.max_entries && age < self.config.max_age.as_millis() as i64) {
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

    /// How long the oldest entry above this size has waited.
    fn oldest_age(&self, anchored: u64) -> Result<Option<i64>, StoreError> {
        let Some(entry) = self.log.entries(anchored, 1)?.pop() else { return Ok(None) };
        let recorded = match Entry::from_bytes(&entry) {
            Ok(Entry::Anomaly(anomaly)) => anomaly.recorded,
            Ok(Entry::Model(model)) => model.recorded,
            // A damaged entry is fsck's matter; for the age it counts as new.
            Err(_) => return Ok(Some(0)),
        };
        let recorded = Millis::parse(recorded.as_str()).unwrap_or(self.clock.now());
        Ok(Some(self.clock.now().since(recorded).max(0)))
    }
}
