//! Inclusion proofs: RFC 9162, sections 2.1.3.1 and 2.1.3.2.

use super::{Nodes, ProofError, nodes::range_root, split};
use crate::hash::{Hash, node_hash};

/// The proof that leaf `index` is in the tree of `size` leaves, lowest hash first.
///
/// # Errors
/// When a node cannot be read.
///
/// # Panics
/// If `index` is not below `size`: the caller has checked it.
pub fn inclusion_proof<N: Nodes + ?Sized>(nodes: &N, index: u64, size: u64) -> Result<Vec<Hash>, N::Error> {
    assert!(index < size, "index {index} is not below {size}");
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    // PATH(m, D[n]) from the top down; the RFC lists it from the bottom up.
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range_root(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(nodes, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Checks that `leaf` stands at `index` in the tree of `size` leaves with this root.
///
/// # Errors
/// See [`ProofError`]; the proof must have exactly the hashes that index and size ask for.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], expected: &Hash) -> Result<(), ProofError> {
    let computed = root_from_inclusion(leaf, index, size, proof)?;
    // 5. "Compare sn to 0, and r against the root_hash."
    if computed != *expected {
        return Err(ProofError::Root { expected: *expected, computed });
    }
    Ok(())
}

/// The root to which leaf, index and proof lead at this size.
///
/// # Errors
/// [`ProofError::Index`] and [`ProofError::Length`].
pub fn root_from_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash]) -> Result<Hash, ProofError> {
    // 1. "Compare leaf_index against tree_size. If leaf_index is greater than or equal, fail."
    if index >= size {
        return Err(ProofError::Index { index, size });
    }
    let expected = length(index, size);
    if proof.len() != expected {
        return Err(ProofError::Length { expected, found: proof.len() });
    }
    // 2. "Set two variables, fn and sn: fn to leaf_index, sn to tree_size - 1."
    let (mut fn_, mut sn) = (index, size - 1);
    // 3. "Set r to hash."
    let mut r = *leaf;
    // 4. "For each value p in the inclusion_path array:"
    for p in proof {
        // 4.1 is what `length` has ruled out: sn is not 0 here.
        if fn_ & 1 == 1 || fn_ == sn {
            // 4.2.1 "Set r to HASH(0x01 || p || r)."
            r = node_hash(p, &r);
            // 4.2.2 "If LSB(fn) is not set, right-shift both until LSB(fn) is set or fn is 0."
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        } else {
            // 4.3 "Otherwise, set r to HASH(0x01 || r || p)."
            r = node_hash(&r, p);
        }
        // 4.4 "Finally, right-shift both fn and sn one time."
        fn_ >>= 1;
        sn >>= 1;
    }
    Ok(r)
}

/// How many hashes a proof has: one for each level below the point where the paths of this leaf and of the
/// last one part, and above it one for each step to the right.
fn length(index: u64, size: u64) -> usize {
    let inner = u64::BITS - (index ^ (size - 1)).leading_zeros();
    let border = (index.checked_shr(inner).unwrap_or(0)).count_ones();
    (inner + border) as usize
}
