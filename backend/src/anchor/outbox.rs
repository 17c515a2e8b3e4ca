//! The transaction under way: made, written down, offered to the node, followed, raised, given up.

use ledger::trust::TrustRoots;
use tokio::task::block_in_place;

use super::{
    anchorer::{Anchorer, Memory, Offered, TickError},
    chain::Heads,
    error::ChainError,
    transaction::Sent,
};
use crate::domain::{
    Millis,
    log::Block,
    ports::{AnchorRow, AnchorState},
};

/// The longest pause after a transaction that failed: each of them costs money.
const LONGEST_PENALTY_MS: i64 = 600_000;

impl Anchorer {
    /// Follows the transaction under way, or makes the next.
    pub(super) async fn advance(&self, heads: Heads, trust: &TrustRoots, memory: &mut Memory) -> Result<(), TickError> {
        if heads.latest.size > self.view.borrow().anchored_size {
            memory.failed = None;
        }
        let open = block_in_place(|| self.anchors.open_anchors())?;
        if let Some(row) = open.into_iter().find(|row| row.size > heads.latest.size) {
            return self.follow(row, heads.latest_block, memory).await;
        }
        if self.halt.reason().is_some() {
            return Ok(());
        }
        let Some(anchoring) = block_in_place(|| self.next(heads.latest))? else { return Ok(()) };
        self.pause_after_failure(memory)?;
        let nonce = self.chain.nonce(heads.latest_block).await?;
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
        self.offer(&row, heads.latest_block, memory).await
    }

    /// A transaction that has not moved the head yet: wait, send it again, or give it up if it cannot be included.
    async fn follow(&self, row: AnchorRow, newest: Block, memory: &mut Memory) -> Result<(), TickError> {
        if !self.chain.is_ours(&row.raw) {
            // Signed by an account that was replaced since, or for a predecessor; or adopted from a head that the chain has taken back.
            tracing::warn!(
                size = row.size,
                "the anchor has no transaction of this account for this contract; making one"
            );
            return Ok(block_in_place(|| self.anchors.drop_anchor(row.size))?);
        }
        if self.chain.nonce(newest).await? != row.nonce {
            return self.give_up(&row, memory).await;
        }
        memory.astray = None;
        let now = self.clock.now();
        let waited = now.since(Millis(row.sent_ms));
        // A clock that was turned back must not keep it waiting.
        if waited < 0 || waited >= self.config.resend_after.as_millis() as i64 {
            let row = self.raised(row, newest, now, memory).await?;
            return self.offer(&row, newest, memory).await;
        }
        // After a start, or a refusal: the node may not have it.
        match memory.offered {
            Some(offered) if offered.taken && Some(offered.transaction) == row.transaction => Ok(()),
            _ => self.offer(&row, newest, memory).await,
        }
    }

    /// The transaction with a higher fee, if a block has passed it over and the ceiling allows it; else as it is. On
    /// disk when this returns.
    async fn raised(
        &self,
        row: AnchorRow,
        newest: Block,
        now: Millis,
        memory: &Memory,
    ) -> Result<AnchorRow, TickError> {
        // Of a chain without new blocks, or a transaction that this process did not offer, the fee says nothing.
        let passed_over = memory
            .offered
            .is_some_and(|offered| Some(offered.transaction) == row.transaction && newest.number > offered.at_block);
        let mut row = AnchorRow { sent_ms: now.0, ..row };
        if passed_over {
            let signed = self.chain.sign_again(&row.raw).await;
            if matches!(signed, Err(ChainError::Refused(_))) {
                // Made for a head that is no more. Whatever becomes of it, the next one has the same nonce.
                block_in_place(|| self.anchors.drop_anchor(row.size))?;
            }
            if let Some(signed) = signed? {
                tracing::info!(size = row.size, nonce = row.nonce, transaction = %signed.hash, "raising the fee");
                metrics::counter!("anchors_raised_total").increment(1);
                row = AnchorRow { transaction: Some(signed.hash), raw: signed.raw, ..row };
            }
        }
        block_in_place(|| self.anchors.put_anchor(&row))?;
        Ok(row)
    }

    /// Offers a row's transaction to the node. It stays in the outbox whatever the node says: the node may have it all
    /// the same, and what is refused now may be taken later.
    async fn offer(&self, row: &AnchorRow, newest: Block, memory: &mut Memory) -> Result<(), TickError> {
        let Some(transaction) = row.transaction else { return Ok(()) };
        let at_block = match memory.offered {
            Some(offered) if offered.transaction == transaction => offered.at_block,
            _ => newest.number,
        };
        memory.offered = Some(Offered { transaction, at_block, taken: false });
        if self.chain.send(&row.raw).await? == Sent::Taken {
            memory.offered = Some(Offered { transaction, at_block, taken: true });
        }
        Ok(())
    }

    /// The account's nonce is not the transaction's: used up, or, after a rollback, not reached. Once may be a block
    /// between two questions; twice means that this transaction will never be included.
    async fn give_up(&self, row: &AnchorRow, memory: &mut Memory) -> Result<(), TickError> {
        if memory.astray.replace(row.nonce) != Some(row.nonce) {
            return Ok(());
        }
        memory.astray = None;
        if let Some(transaction) = row.transaction
            && self.chain.outcome(transaction).await? == Some(false)
        {
            let times = memory.failed.map_or(1, |(times, ..)| times.saturating_add(1));
            let pause = self.config.resend_after.as_millis() as i64;
            let pause = pause.saturating_mul(1 << times.min(16)).min(LONGEST_PENALTY_MS);
            memory.failed = Some((times, transaction, Millis(self.clock.now().0.saturating_add(pause))));
        }
        tracing::warn!(size = row.size, nonce = row.nonce, "the anchoring transaction had no effect; making another");
        Ok(block_in_place(|| self.anchors.drop_anchor(row.size))?)
    }

    /// Each transaction that fails costs money: after one, the next waits, twice as long each time.
    fn pause_after_failure(&self, memory: &Memory) -> Result<(), TickError> {
        let Some((_, transaction, until)) = memory.failed else { return Ok(()) };
        let left = until.since(self.clock.now());
        // A clock that was turned back must not keep it waiting longer.
        if left <= 0 || left > LONGEST_PENALTY_MS {
            return Ok(());
        }
        Err(ChainError::Failed { transaction, again_s: 1 + left / 1_000 }.into())
    }
}
