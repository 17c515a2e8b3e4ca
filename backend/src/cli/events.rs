//! What a contract has emitted, read in ranges of blocks, so that memory does not grow with the chain.

use alloy::{
    primitives::{Address, B256},
    rpc::types::Log,
    sol_types::SolEvent,
};
use ledger::Hash;
use reqwest::Url;
use serde_json::json;

use super::client::{ChainFault, ask_chain_bounded};
use crate::anchor::contract::AnomalyLogger::{Anchored, Published};

/// Blocks asked for at a time, at first and at most: nodes that limit ranges allow 500 to 10,000.
const RANGE: u64 = 10_000;

/// The largest answer that is read. A publication takes at most 192 KiB of it; a block of 30 million gas 8 MB.
const MAX_ANSWER: usize = 32 * 1024 * 1024;

/// Ranges asked again in a row, each half as long: from 10,000 blocks to one it takes 14.
const MAX_HALVINGS: u32 = 20;

/// Something that the contract has emitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) block: u64,
    pub(super) transaction: B256,
    /// Its place in the block.
    pub(super) place: u64,
    pub(super) kind: Kind,
}

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A root was anchored.
    Anchored { root: Hash, size: u64, sequence: u64 },
    /// Entries and payloads were published, from this index on.
    Published { first: u64, publication: Vec<u8> },
}

/// Why events cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum EventError {
    /// The node does not give them, not even of one block.
    #[error("the node gives no events of block {block}: {why}")]
    Refused {
        /// The block.
        block: u64,
        /// What it says.
        why: String,
    },
    /// What it gives is no event of this contract.
    #[error("the node gives what is no event of {contract}: {why}")]
    Malformed {
        /// The contract.
        contract: Address,
        /// What is wrong.
        why: String,
    },
}

/// The events of a contract over a range of blocks.
pub(super) struct Events<'a> {
    http: &'a reqwest::Client,
    url: &'a Url,
    contract: Address,
    next: u64,
    to: u64,
    range: u64,
}

impl<'a> Events<'a> {
    /// Events from one block to another, both included.
    pub(super) fn new(http: &'a reqwest::Client, url: &'a Url, contract: Address, from: u64, to: u64) -> Self {
        Self { http, url, contract, next: from, to, range: RANGE }
    }

    /// The events of the next range, in their order; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Event>>, EventError> {
        if self.next > self.to {
            return Ok(None);
        }
        let mut halvings = 0;
        loop {
            let to = self.next.saturating_add(self.range - 1).min(self.to);
            let filter = json!([{
                "address": self.contract,
                "topics": [[Anchored::SIGNATURE_HASH, Published::SIGNATURE_HASH]],
                "fromBlock": format!("0x{:x}", self.next),
                "toBlock": format!("0x{to:x}"),
            }]);
            match ask_chain_bounded(self.http, self.url, "eth_getLogs", &filter, MAX_ANSWER).await {
                Ok(logs) => {
                    let (from, next) = (self.next, to.saturating_add(1));
                    self.next = next;
                    self.range = (self.range * 2).min(RANGE);
                    return self.read(logs, from, to).map(Some);
                }
                // Too many blocks, too many events, too long an answer: nodes agree on no code, so ask for less.
                Err(ChainFault::Refused { .. } | ChainFault::TooLong) if self.range > 1 && halvings < MAX_HALVINGS => {
                    halvings += 1;
                    self.range = (to - self.next + 1).div_ceil(2);
                }
                Err(error) => return Err(EventError::Refused { block: self.next, why: error.to_string() }),
            }
        }
    }

    fn read(&self, logs: serde_json::Value, from: u64, to: u64) -> Result<Vec<Event>, EventError> {
        let malformed = |why: String| EventError::Malformed { contract: self.contract, why };
        let logs: Vec<Log> = serde_json::from_value(logs).map_err(|error| malformed(error.to_string()))?;
        let mut events = logs.into_iter().map(|log| self.event(&log)).collect::<Result<Vec<_>, _>>()?;
        if let Some(event) = events.iter().find(|event| !(from..=to).contains(&event.block)) {
            return Err(malformed(format!("asked for blocks {from} to {to}, got one of block {}", event.block)));
        }
        events.sort_by_key(|event| (event.block, event.place));
        Ok(events)
    }

    fn event(&self, log: &Log) -> Result<Event, EventError> {
        let malformed = |why: String| EventError::Malformed { contract: self.contract, why };
        let (Some(block), Some(transaction), Some(place)) = (log.block_number, log.transaction_hash, log.log_index)
        else {
            return Err(malformed("an event without block, transaction or place".into()));
        };
        if log.address() != self.contract || log.removed {
            return Err(malformed(format!("an event of {} in block {block}", log.address())));
        }
        let kind = if log.topic0() == Some(&Anchored::SIGNATURE_HASH) {
            let event = log.log_decode_validate::<Anchored>().map_err(|error| malformed(error.to_string()))?.inner;
            Kind::Anchored { root: Hash(event.root.0), size: event.size, sequence: event.sequence }
        } else {
            let event = log.log_decode_validate::<Published>().map_err(|error| malformed(error.to_string()))?.inner;
            Kind::Published { first: event.firstIndex, publication: event.publication.to_vec() }
        };
        Ok(Event { block, transaction, place, kind })
    }
}
