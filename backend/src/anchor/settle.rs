//! What has happened to the anchors under way: included, final and proven, overtaken, or taken back.

use alloy::primitives::Bytes;
use ledger::{chain::contract_account, evidence::Anchor, trust::TrustRoots};
use tokio::task::block_in_place;

use super::{
    anchorer::{Anchorer, Memory, TickError},
    chain::{Head, Heads},
    error::ChainError,
};
use crate::domain::ports::{AnchorRow, AnchorState};

/// Proofs fetched in one tick, so that a backlog does not delay the next anchor.
const MAX_PROOFS: usize = 8;

/// Proofs looked at again in one tick. More than a few are taken back only where a test chain is rolled back far.
const MAX_REOPENED: usize = 64;

/// What a final block shows of an anchoring.
enum Proof {
    /// The record is there.
    Recorded(Box<Anchor>),
    /// It is not there, and never will be: the head is beyond it.
    NotRecorded,
    /// The node's answers are of different moments, or of different nodes.
    NotYet,
}

impl Anchorer {
    /// Brings the outbox in line with the heads, and stores the proof of what has become final.
    pub(super) async fn settle(&self, heads: Heads, trust: &TrustRoots, memory: &mut Memory) -> Result<(), TickError> {
        self.reopen_what_was_taken_back(heads, memory).await?;
        block_in_place(|| self.adopt(heads.latest))?;
        let final_size = heads.finalized.map_or(0, |(_, head)| head.size.min(heads.latest.size));
        let open = block_in_place(|| self.anchors.open_anchors())?;
        let mut proofs = 0;
        // Oldest first: so the newest proof is never of an older block than the others.
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
                    Proof::NotYet => return Ok(()),
                }
                continue;
            }
            match (row.state, row.size <= heads.latest.size) {
                (AnchorState::Sent, true) => {
                    let row = AnchorRow { state: AnchorState::Included, ..row };
                    block_in_place(|| self.anchors.put_anchor(&row))?;
                }
                (AnchorState::Included, false) => {
                    // Reorganised out. The node may have forgotten it: the same is offered at once, and its time to
                    // be included begins anew.
                    tracing::warn!(size = row.size, "the chain has taken back an anchor");
                    let row = AnchorRow { state: AnchorState::Sent, sent_ms: self.clock.now().0, ..row };
                    block_in_place(|| self.anchors.put_anchor(&row))?;
                    memory.offered = None;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A stored proof holds only as long as its block is the chain's. A reorganisation deeper than finality can take
    /// the block away, and even put the same record into another one: then the anchoring is open again, and is proven
    /// anew. As long as the final block is the same, so is all below it.
    async fn reopen_what_was_taken_back(&self, heads: Heads, memory: &mut Memory) -> Result<(), TickError> {
        let at = heads.finalized.map(|(block, _)| block.hash);
        if at.is_some() && memory.proofs_hold_at == at {
            return Ok(());
        }
        for _ in 0..MAX_REOPENED {
            let Some(row) = block_in_place(|| self.anchors.newest_final())? else { break };
            // A stored proof that cannot be read is fsck's matter; making it anew does no harm.
            if let Some(proven) = row.proven_at() {
                let now = match proven.number > heads.latest_block.number {
                    true => None,
                    false => match self.chain.block_at(proven.number).await? {
                        // Another node behind the same address, which lags.
                        None => return Ok(()),
                        there => there,
                    },
                };
                if now == Some(proven) {
                    break;
                }
            }
            tracing::warn!(size = row.size, "the chain has taken back the block of a final anchor");
            let row = AnchorRow { state: AnchorState::Included, proof: None, ..row };
            block_in_place(|| self.anchors.put_anchor(&row))?;
        }
        memory.proofs_hold_at = at;
        Ok(())
    }

    /// Takes the contract's word for what is anchored: makes a row for a head that has none (the outbox was lost, or
    /// another copy of the service has anchored it).
    fn adopt(&self, head: Head) -> Result<(), TickError> {
        if head.size == 0 || self.anchors.has_anchor(head.size)? {
            return Ok(());
        }
        self.anchors.put_anchor(&AnchorRow {
            size: head.size,
            root: head.root,
            state: AnchorState::Included,
            nonce: 0,
            transaction: None,
            raw: Vec::new(),
            sent_ms: self.clock.now().0,
            proof: None,
        })?;
        Ok(())
    }

    /// The proof of a record at the final block, checked.
    async fn prove(&self, row: &AnchorRow, heads: Heads, trust: &TrustRoots) -> Result<Proof, TickError> {
        let state = self.chain.proofs(row.root, row.size).await?;
        let seen = heads.finalized.map_or(u64::MAX, |(block, _)| block.number);
        // Behind an address there may be several nodes, and this answer may come from one that lags.
        let Some(at) = state.finalized.filter(|at| at.header.number >= seen) else { return Ok(Proof::NotYet) };
        let lies = |what: String| {
            ChainError::Misconfigured(format!(
                "the node gives a proof that does not hold ({what}): nothing is called final on its word. Ask another \
                 node (--rpc-url)"
            ))
        };
        let account = contract_account(at.header.state_root, trust.contract, &at.contract.account_proof)
            .map_err(|error| lies(error.to_string()))?;
        if account.code_hash != trust.code_hash {
            return Err(lies(format!("code hash {}, expected {}", account.code_hash, trust.code_hash)).into());
        }
        let record = account.record(&row.root, &at.contract.record_proof).map_err(|error| lies(error.to_string()))?;
        // The block must be the chain's still, now that the proof of it is here.
        let there = self.chain.block_at(at.header.number).await?;
        if there.is_none_or(|there| there.hash != at.header.hash) {
            return Ok(Proof::NotYet);
        }
        if record.is_none_or(|record| record.size != row.size) {
            return Ok(Proof::NotRecorded);
        }
        // It is named only if it was included: after a raise of the fee, another one may have been.
        let transaction = match row.transaction {
            Some(hash) => self.chain.outcome(hash).await?.filter(|succeeded| *succeeded).map(|_| hash),
            None => None,
        };
        Ok(Proof::Recorded(Box::new(Anchor {
            transaction,
            contract: Some(trust.contract),
            header: Bytes::from(at.header.rlp),
            account_proof: at.contract.account_proof,
            storage_proof: at.contract.record_proof,
        })))
    }
}
