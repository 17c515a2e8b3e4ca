//! Walking complete trees, without branches that could be mispredicted and without bounds checks that could fail.
//! Knows neither scores nor how trees grow.
//!
//! Every tree is stored as a complete binary tree of fixed depth; where it ended early, nodes that send everything left
//! fill it up. So a walk is a fixed number of steps, unrolled by the compiler. Thresholds and values are compared as
//! integers that sort like the numbers: that is exact everywhere, and takes fewer cycles.

/// 8 bytes, so that the top three levels of a tree share a cache line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Node {
    /// Values with this key or a lower one go left, others right.
    pub(super) threshold: u32,
    pub(super) column: u32,
}

/// Sends every value left: no finite number has so high a key.
pub(super) const ENDED: Node = Node { threshold: u32::MAX, column: 0 };

/// An integer that sorts as the finite number does; 0 and −0 are the same.
pub(super) fn key(value: f32) -> u32 {
    // −0 + 0 is 0. Bits sort like integers, except that negative numbers sort backwards and above the positive ones.
    let bits = (value + 0.0).to_bits();
    bits ^ (((bits as i32) >> 31) as u32 | SIGN)
}

/// The number that has this key.
pub(super) fn value(key: u32) -> f32 {
    f32::from_bits(if key & SIGN == 0 { !key } else { key ^ SIGN })
}

const SIGN: u32 = 1 << 31;

/// Trees walked side by side for one row. Steps of one walk wait for each other, those of different walks do not: with
/// four a row takes 1.7 times as long as with ten, and more than ten bring nothing (measured). Ten divides a hundred.
const TREES: usize = 10;
/// Rows walked side by side down one tree; with six or twelve a batch takes a tenth to a fifth longer (measured).
const ROWS: usize = 8;
/// Keys of the rows that go through all trees together: 4096 × 4 bytes, a third of a first-level cache, so that there
/// is room for a tree (2.6 kB) beside them.
const BLOCK_KEYS: usize = 4096;

/// One complete tree. Aligned to cache lines, and an odd number of them long: so the places that every walk comes by,
/// such as the roots, spread over all sets of a cache. Trees of 2048 bytes would crowd them into two.
#[derive(Clone, Debug, PartialEq)]
#[repr(align(64))]
pub(super) struct Tree<const WIDTH: usize> {
    /// The root is node 1, the children of i are 2i and 2i + 1.
    nodes: [Node; WIDTH],
    /// Path lengths in 1/1024 edge.
    leaves: [u16; WIDTH],
    /// What makes the number of lines odd.
    padding: [u8; 64],
}

impl<const WIDTH: usize> Tree<WIDTH> {
    const ENDED: Self = Self { nodes: [ENDED; WIDTH], leaves: [0; WIDTH], padding: [0; 64] };

    fn parts(&self) -> (&[Node], &[u16]) {
        (&self.nodes, &self.leaves)
    }

    fn parts_mut(&mut self) -> (&mut [Node], &mut [u16]) {
        (&mut self.nodes, &mut self.leaves)
    }
}

/// The trees of one forest. Two depths are enough to be compiled for: shallower trees are filled up.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Trees {
    /// 8 splits on a path.
    Low(Vec<Tree<256>>),
    /// 10 splits on a path.
    High(Vec<Tree<1024>>),
}

impl Trees {
    /// Trees that end at the root, deep enough for `limit` (at most 10) splits on a path.
    pub(super) fn ended(count: usize, limit: u32) -> Self {
        if limit <= 8 { Self::Low(vec![Tree::ENDED; count]) } else { Self::High(vec![Tree::ENDED; count]) }
    }

    pub(super) fn count(&self) -> usize {
        match self {
            Self::Low(trees) => trees.len(),
            Self::High(trees) => trees.len(),
        }
    }

    /// Splits on a path; a tree has 2^depth nodes, the first of them unused, and as many leaves.
    pub(super) fn depth(&self) -> u32 {
        match self {
            Self::Low(_) => 8,
            Self::High(_) => 10,
        }
    }

    /// Nodes and leaves of a tree.
    pub(super) fn tree(&self, number: usize) -> (&[Node], &[u16]) {
        match self {
            Self::Low(trees) => trees[number].parts(),
            Self::High(trees) => trees[number].parts(),
        }
    }

    /// Nodes and leaves of a tree, to be changed.
    pub(super) fn tree_mut(&mut self, number: usize) -> (&mut [Node], &mut [u16]) {
        match self {
            Self::Low(trees) => trees[number].parts_mut(),
            Self::High(trees) => trees[number].parts_mut(),
        }
    }

    /// Sum of a row's path lengths over all trees, in 1/1024 edge; none if a number is not finite. A row has at most
    /// 4096 numbers, and as many as the trees were grown for.
    pub(super) fn path_sum(&self, row: &[f32]) -> Option<u32> {
        match (self, row.len()) {
            (Self::Low(trees), ..=16) => one::<8, 256, 16>(trees, row),
            (Self::Low(trees), ..=128) => one::<8, 256, 128>(trees, row),
            (Self::Low(trees), _) => one::<8, 256, 4096>(trees, row),
            (Self::High(trees), ..=16) => one::<10, 1024, 16>(trees, row),
            (Self::High(trees), ..=128) => one::<10, 1024, 128>(trees, row),
            (Self::High(trees), _) => one::<10, 1024, 4096>(trees, row),
        }
    }

    /// The same for rows of `columns` numbers each.
    pub(super) fn path_sums(&self, columns: usize, rows: &[f32]) -> Option<Vec<u32>> {
        match (self, columns) {
            (Self::Low(trees), ..=16) => many::<8, 256, 16>(trees, columns, rows),
            (Self::Low(trees), ..=128) => many::<8, 256, 128>(trees, columns, rows),
            (Self::Low(trees), _) => many::<8, 256, 4096>(trees, columns, rows),
            (Self::High(trees), ..=16) => many::<10, 1024, 16>(trees, columns, rows),
            (Self::High(trees), ..=128) => many::<10, 1024, 128>(trees, columns, rows),
            (Self::High(trees), _) => many::<10, 1024, 4096>(trees, columns, rows),
        }
    }
}

/// One row down all trees, several of them at a time.
fn one<const DEPTH: u32, const WIDTH: usize, const COLUMNS: usize>(trees: &[Tree<WIDTH>], row: &[f32]) -> Option<u32> {
    let mut keys = [0; COLUMNS];
    if !write_keys(row, &mut keys) {
        return None;
    }
    let (trees, others) = trees.as_chunks::<TREES>();
    let mut sum = 0;
    for trees in trees {
        let paths = walk::<DEPTH, WIDTH, COLUMNS, TREES>(|lane| (&trees[lane], &keys));
        sum += paths.iter().sum::<u32>();
    }
    for tree in others {
        sum += walk::<DEPTH, WIDTH, COLUMNS, 1>(|_| (tree, &keys))[0];
    }
    Some(sum)
}

/// All rows down one tree after the other, several rows at a time, so that the tree stays in the cache.
fn many<const DEPTH: u32, const WIDTH: usize, const COLUMNS: usize>(
    trees: &[Tree<WIDTH>],
    columns: usize,
    rows: &[f32],
) -> Option<Vec<u32>> {
    let mut all_sums = vec![0; rows.len() / columns];
    let mut block = vec![[0; COLUMNS]; (BLOCK_KEYS / COLUMNS).max(ROWS)];
    for (rows, sums) in rows.chunks(columns * block.len()).zip(all_sums.chunks_mut(block.len())) {
        for (keys, row) in block.iter_mut().zip(rows.chunks_exact(columns)) {
            if !write_keys(row, keys) {
                return None;
            }
        }
        let (keys, other_keys) = block[..sums.len()].as_chunks::<ROWS>();
        let (sums, other_sums) = sums.as_chunks_mut::<ROWS>();
        for tree in trees {
            for (keys, sums) in keys.iter().zip(sums.iter_mut()) {
                let paths = walk::<DEPTH, WIDTH, COLUMNS, ROWS>(|lane| (tree, &keys[lane]));
                sums.iter_mut().zip(paths).for_each(|(sum, path)| *sum += path);
            }
            for (keys, sum) in other_keys.iter().zip(other_sums.iter_mut()) {
                *sum += walk::<DEPTH, WIDTH, COLUMNS, 1>(|_| (tree, keys))[0];
            }
        }
    }
    Some(all_sums)
}

/// False if a number is not finite.
fn write_keys<const COLUMNS: usize>(row: &[f32], keys: &mut [u32; COLUMNS]) -> bool {
    let mut finite = true;
    for (key, value) in keys.iter_mut().zip(row) {
        finite &= value.is_finite();
        *key = self::key(*value);
    }
    finite
}

/// Walks `LANES` pairs of tree and row side by side; gives their path lengths.
///
/// The masks change nothing: a node's number is below `WIDTH` on the way and below 2 `WIDTH` at the end, and columns
/// are checked where trees are made and read. They are what lets the compiler leave the bounds checks out.
#[inline(always)]
fn walk<'a, const DEPTH: u32, const WIDTH: usize, const COLUMNS: usize, const LANES: usize>(
    lane: impl Fn(usize) -> (&'a Tree<WIDTH>, &'a [u32; COLUMNS]),
) -> [u32; LANES] {
    let mut at = [1usize; LANES];
    for _ in 0..DEPTH {
        for (i, at) in at.iter_mut().enumerate() {
            let (tree, keys) = lane(i);
            let node = tree.nodes[*at & (WIDTH - 1)];
            let right = node.threshold < keys[node.column as usize & (COLUMNS - 1)];
            *at = 2 * *at + usize::from(right);
        }
    }
    std::array::from_fn(|i| u32::from(lane(i).0.leaves[at[i] & (WIDTH - 1)]))
}
