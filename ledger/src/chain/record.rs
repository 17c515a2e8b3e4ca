//! The contract's storage: where it keeps what, and what a word means.

use alloy_primitives::{B256, U256, keccak256};

use crate::Hash;

/// The number of a storage slot.
pub type Slot = B256;

/// The slot that holds the head's root.
pub const HEAD_SLOT: Slot = B256::ZERO;

/// The slot of the mapping from roots to records.
const RECORDS_SLOT: u8 = 1;

/// The slot that holds the record of a root: `keccak256(root ‖ u256(1))`.
pub fn record_slot(root: &Hash) -> Slot {
    let mut key = [0; 64];
    key[..32].copy_from_slice(&root.0);
    key[63] = RECORDS_SLOT;
    keccak256(key)
}

/// What the contract keeps for ever about an anchored root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// The tree size that the root belongs to.
    pub size: u64,
    /// Counts anchors from 1.
    pub sequence: u64,
    /// The block's timestamp in seconds.
    pub time: u64,
    /// The block's number.
    pub block: u64,
}

impl Record {
    /// The record in a storage word; `None` for a root that was not anchored.
    pub fn from_word(word: U256) -> Option<Self> {
        let [size, sequence, time, block] = word.into_limbs();
        (word != U256::ZERO).then_some(Self { size, sequence, time, block })
    }
}
