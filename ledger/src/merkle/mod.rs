//! The tree by RFC 9162, section 2.1: roots, proofs, and their strict verification.
//!
//! Making a proof needs the tree's nodes, and so asks a [`Nodes`] for them. Verifying one needs nothing but
//! hashes. Neither reads storage.

mod consistency;
mod inclusion;
mod nodes;

pub use consistency::{consistency_proof, verify_consistency};
pub use inclusion::{inclusion_proof, root_from_inclusion, verify_inclusion};
pub use nodes::{MemoryTree, Nodes, root};

use crate::Hash;

/// Why a proof does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The index is not in the tree.
    #[error("expected an index below the tree size {size}, found {index}")]
    Index {
        /// The index asked for.
        index: u64,
        /// The tree size.
        size: u64,
    },
    /// The older size is above the newer one.
    #[error("expected a size of at most {newer}, found {older}")]
    Sizes {
        /// The older size.
        older: u64,
        /// The newer size.
        newer: u64,
    },
    /// A hash too many or too few.
    #[error("expected {expected} hashes, found {found}")]
    Length {
        /// How many the sizes ask for.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The hashes lead to another root.
    #[error("expected the root {expected}, computed {computed}")]
    Root {
        /// The root that was claimed.
        expected: Hash,
        /// The root that the proof gives.
        computed: Hash,
    },
}

/// The largest power of two below `size`; `size` is at least 2.
fn split(size: u64) -> u64 {
    debug_assert!(size >= 2);
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}
