//! Reading a tree's nodes, and the roots made of them.

use std::convert::Infallible;

use crate::hash::{EMPTY_ROOT, Hash, node_hash};

/// Something that knows the complete subtrees of a tree.
pub trait Nodes {
    /// Why a node cannot be given.
    type Error;

    /// The hash of the complete subtree of 2^`level` leaves that begins at leaf `index`·2^`level`.
    ///
    /// It is only asked for subtrees that lie wholly within the tree.
    ///
    /// # Errors
    /// When the node cannot be read.
    fn node(&self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// The root of the first `size` leaves.
///
/// # Errors
/// When a node cannot be read.
pub fn root<N: Nodes + ?Sized>(nodes: &N, size: u64) -> Result<Hash, N::Error> {
    if size == 0 {
        return Ok(EMPTY_ROOT);
    }
    range_root(nodes, 0, size)
}

/// MTH(D[start:end]) for a range that occurs in the RFC's recursion: not empty, and `start` is a multiple of
/// a power of two not less than its length.
pub(super) fn range_root<N: Nodes + ?Sized>(nodes: &N, start: u64, end: u64) -> Result<Hash, N::Error> {
    // The range is a run of complete subtrees, each smaller than the one before, so the root folds from the right.
    let mut parts = Vec::new();
    let mut at = start;
    while at < end {
        let level = (u64::BITS - 1 - (end - at).leading_zeros()).min(at.trailing_zeros());
        parts.push(nodes.node(level, at >> level)?);
        at += 1 << level;
    }
    let last = parts.pop().unwrap_or(EMPTY_ROOT);
    Ok(parts.iter().rev().fold(last, |right, left| node_hash(left, &right)))
}

/// A whole tree in memory: for tests, small trees, and the reference that others are compared with.
#[derive(Debug, Clone, Default)]
pub struct MemoryTree {
    levels: Vec<Vec<Hash>>,
}

impl MemoryTree {
    /// The tree over these leaf hashes.
    pub fn new(leaves: impl IntoIterator<Item = Hash>) -> Self {
        let mut tree = Self::default();
        leaves.into_iter().for_each(|leaf| tree.push(leaf));
        tree
    }

    /// Appends a leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let nodes = &mut self.levels[level];
            nodes.push(hash);
            if nodes.len() % 2 == 1 {
                return;
            }
            hash = node_hash(&nodes[nodes.len() - 2], &hash);
        }
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }
}

impl Nodes for MemoryTree {
    type Error = Infallible;

    fn node(&self, level: u32, index: u64) -> Result<Hash, Infallible> {
        Ok(self.levels[level as usize][index as usize])
    }
}
