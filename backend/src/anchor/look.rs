//! Is it the chain that was there before, does it go forward, and does the contract hold our log?

use ledger::{Hash, tile::TileTree, trust::TrustRoots};
use tokio::task::block_in_place;

use super::{
    anchorer::{Anchorer, Memory, TickError},
    chain::Heads,
    compare::contradiction,
    error::ChainError,
};
use crate::domain::{
    log::read_tile,
    ports::{StoreError, TRUST_SETTING, pinned_trust},
};

impl Anchorer {
    /// The trust roots of the chain before us. Those seen first are kept; others later are a fault that a person has
    /// to look at. Asked at the start, and again after every fault.
    pub(super) async fn identify(&self, memory: &mut Memory) -> Result<TrustRoots, TickError> {
        if let Some(known) = &memory.trust {
            return Ok(known.clone());
        }
        let pinned = block_in_place(|| pinned_trust(&*self.anchors))?;
        let seen = self.chain.identify(&self.log_key, pinned.as_ref()).await?;
        match pinned {
            None => block_in_place(|| self.pin(&seen))?,
            Some(pinned) if seen.succeeds(&pinned) => {
                tracing::info!(from = %pinned.contract, to = %seen.contract, "the log goes on in a successor contract");
                block_in_place(|| self.pin(&seen))?;
            }
            Some(pinned) => {
                let changed = pinned.differences(&seen);
                if !changed.is_empty() {
                    return Err(ChainError::Misconfigured(format!(
                        "this is another log than before ({} changed): look at --data-dir",
                        changed.join(", ")
                    ))
                    .into());
                }
            }
        }
        memory.trust = Some(seen.clone());
        Ok(seen)
    }

    fn pin(&self, seen: &TrustRoots) -> Result<(), StoreError> {
        let text = serde_json::to_string(seen).map_err(|error| StoreError::Engine(Box::new(error)))?;
        self.anchors.put_setting(TRUST_SETTING, &text)
    }

    /// Whether the chain is as long as it was. A shorter one is that of a node which lags, or a chain that was rolled
    /// back: which of them, only time tells. So nothing is done on its word until it has stayed. Behind one address
    /// there may be several nodes, so a single such answer is no trouble yet.
    pub(super) fn goes_forward(&self, heads: &Heads, memory: &mut Memory) -> Result<bool, TickError> {
        let found = heads.latest_block.number;
        if memory.highest == 0 {
            memory.highest = block_in_place(|| self.highest_proven())?;
        }
        if found >= memory.highest {
            memory.highest = found;
            memory.older_since = None;
            return Ok(true);
        }
        let now = self.clock.now();
        let Some(since) = memory.older_since else {
            memory.older_since = Some(now);
            // The chain may be another one.
            memory.trust = None;
            return Ok(false);
        };
        let waited = now.since(since);
        if waited < 0 || waited >= self.config.resend_after.as_millis() as i64 {
            tracing::warn!(found, seen = memory.highest, "the chain was rolled back");
            memory.highest = found;
            memory.older_since = None;
            return Ok(true);
        }
        Err(ChainError::Older { seen: memory.highest, found }.into())
    }

    /// The newest block of which a proof is stored; 0 where there is none.
    fn highest_proven(&self) -> Result<u64, StoreError> {
        let newest = self.anchors.newest_final()?;
        Ok(newest.and_then(|row| row.proven_at()).map_or(0, |block| block.number))
    }

    /// Our tiles must give the contract's root at the contract's size.
    pub(super) fn compare(&self, heads: Heads, memory: &mut Memory) -> Result<(), TickError> {
        let newest = self.log.newest_checkpoint()?.map_or(0, |newest| newest.size);
        let seen: Vec<_> = heads.finalized.map(|(_, head)| head).into_iter().chain([heads.latest]).collect();
        for head in &seen {
            if head.size == 0 || memory.compared.contains(head) {
                continue;
            }
            if let Some(why) = contradiction(&*self.log, newest, *head)? {
                return Err(TickError::Diverged(why));
            }
        }
        memory.compared = seen;
        self.halt.set_compared();
        Ok(())
    }

    pub(super) fn tiles(
        &self,
        size: u64,
    ) -> TileTree<impl Fn(ledger::tile::TileId) -> Result<Vec<Hash>, StoreError> + '_> {
        TileTree::new(size, |id| read_tile(&*self.log, id))
    }
}
