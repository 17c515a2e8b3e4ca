//! Consistency proofs: RFC 9162, sections 2.1.4.1 and 2.1.4.2.

use super::{Nodes, ProofError, nodes::range_root, split};
use crate::hash::{EMPTY_ROOT, Hash, node_hash};

/// The proof that the tree of `newer` leaves extends that of `older` leaves; empty where `older` is 0 or equal.
///
/// # Errors
/// When a node cannot be read.
///
/// # Panics
/// If `older` is above `newer`: the caller has checked it.
pub fn consistency_proof<N: Nodes + ?Sized>(nodes: &N, older: u64, newer: u64) -> Result<Vec<Hash>, N::Error> {
    assert!(older <= newer, "{older} is above {newer}");
    let mut proof = Vec::new();
    if older == 0 || older == newer {
        return Ok(proof);
    }
    // SUBPROOF(m, D[start:end], b) from the top down; the RFC lists it from the bottom up.
    let (mut start, mut end) = (0, newer);
    let mut whole = true;
    while older != end {
        let middle = start + split(end - start);
        if older <= middle {
            proof.push(range_root(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(range_root(nodes, start, middle)?);
            start = middle;
            whole = false;
        }
    }
    if !whole {
        proof.push(range_root(nodes, start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Checks that the tree of `newer` leaves with root `newer_root` extends that of `older` leaves.
///
/// Where the RFC is silent: from size 0 the proof is empty and `older_root` is the empty root; between equal
/// sizes the proof is empty and the roots are equal.
///
/// # Errors
/// See [`ProofError`].
pub fn verify_consistency(
    older: u64,
    newer: u64,
    proof: &[Hash],
    older_root: &Hash,
    newer_root: &Hash,
) -> Result<(), ProofError> {
    if older > newer {
        return Err(ProofError::Sizes { older, newer });
    }
    if older == 0 || older == newer {
        let anchor = if older == 0 { &EMPTY_ROOT } else { newer_root };
        if !proof.is_empty() {
            return Err(ProofError::Length { expected: 0, found: proof.len() });
        }
        return same_root(older_root, anchor);
    }
    // 1. "If consistency_path is an empty array, stop and fail." The exact length is checked at the end.
    // 2. "If first is an exact power of 2, then prepend first_hash to the consistency_path array."
    let mut path = proof.iter();
    let first = if older.is_power_of_two() { Some(older_root) } else { path.next() };
    let Some(first) = first else { return Err(ProofError::Length { expected: 1, found: 0 }) };
    // 3. "Set two variables, fn and sn: fn to first - 1, sn to second - 1."
    let (mut fn_, mut sn) = (older - 1, newer - 1);
    // 4. "If LSB(fn) is set, then right-shift both fn and sn equally until LSB(fn) is not set."
    let ones = fn_.trailing_ones();
    fn_ >>= ones;
    sn >>= ones;
    // 5. "Set both fr and sr to the first value in the consistency_path array."
    let (mut fr, mut sr) = (*first, *first);
    // 6. "For each subsequent value c in the consistency_path array:"
    let mut used = proof.len() - path.len();
    for c in path {
        // 6.1 "If sn is 0, then stop the iteration and fail the proof verification."
        if sn == 0 {
            return Err(ProofError::Length { expected: used, found: proof.len() });
        }
        used += 1;
        if fn_ & 1 == 1 || fn_ == sn {
            // 6.2.1, 6.2.2 "Set fr to HASH(0x01 || c || fr). Set sr to HASH(0x01 || c || sr)."
            fr = node_hash(c, &fr);
            sr = node_hash(c, &sr);
            // 6.2.3 "If LSB(fn) is not set, right-shift both until LSB(fn) is set or fn is 0."
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        } else {
            // 6.3 "Otherwise, set sr to HASH(0x01 || sr || c)."
            sr = node_hash(&sr, c);
        }
        // 6.4 "Finally, right-shift both fn and sn one time."
        fn_ >>= 1;
        sn >>= 1;
    }
    // 7. "... verify that fr is equal to first_hash, sr is equal to second_hash, and sn is 0."
    if sn != 0 {
        return Err(ProofError::Length { expected: used + 1, found: proof.len() });
    }
    same_root(older_root, &fr)?;
    same_root(newer_root, &sr)
}

fn same_root(expected: &Hash, computed: &Hash) -> Result<(), ProofError> {
    if expected == computed {
        return Ok(());
    }
    Err(ProofError::Root { expected: *expected, computed: *computed })
}
