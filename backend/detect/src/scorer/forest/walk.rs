//! Walking complete trees, without branches that could be mispredicted and without bounds checks that could fail.
//! Knows neither scores nor how trees grow.
//!
//! Every tree is stored as a complete binary tree of fixed depth; where it ended early, nodes that send everything left
//! fill it up. So a walk is a fixed number of steps, unrolled by the compiler. Thresholds and values are compared as
//! integers that sort like the numbers: that is exact everywhere, takes fewer cycles, and its outcome is the carry that
//! `2 i + carry` adds.

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

/// Trees walked side by side for one row. Steps of one walk wait for each other, those of different walks do not; with
/// eight to sixteen of them the processor is busy (measured), and ten divides the usual hundred.
const TREES: usize = 10;
/// Rows walked side by side down one tree.
const ROWS: usize = 8;
/// Keys of the rows that go through all trees together: 4096 × 4 bytes, a third of a first-level cache, so that there
/// is room for a tree (2 KiB) beside them.
const BLOCK_KEYS: usize = 4096;

/// The trees of one forest, all of the same depth.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trees {
    /// 8 or 10: two depths are enough to be compiled for.
    pub(super) depth: u32,
    /// 2^depth nodes a tree; the root is node 1, the children of i are 2i and 2i + 1.
    pub(super) nodes: Vec<Node>,
    /// 2^depth leaves a tree: path lengths in 1/1024 edge.
    pub(super) leaves: Vec<u16>,
}

impl Trees {
    /// Trees that end at the root, deep enough for `limit` (at most 10) splits on a path.
    pub(super) fn ended(count: usize, limit: u32) -> Self {
        let depth = if limit <= 8 { 8 } else { 10 };
        Self { depth, nodes: vec![ENDED; count << depth], leaves: vec![0; count << depth] }
    }

    pub(super) fn count(&self) -> usize {
        self.leaves.len() >> self.depth
    }

    /// Nodes, and leaves, of a tree.
    pub(super) fn width(&self) -> usize {
        1 << self.depth
    }

    /// Sum of a row's path lengths over all trees, in 1/1024 edge; none if a number is not finite. A row has at most
    /// 4096 numbers, and as many as the trees were grown for.
    pub(super) fn path_sum(&self, row: &[f32]) -> Option<u32> {
        match (self.depth, row.len()) {
            (8, ..=16) => self.one::<8, 256, 16>(row),
            (8, ..=128) => self.one::<8, 256, 128>(row),
            (8, _) => self.one::<8, 256, 4096>(row),
            (_, ..=16) => self.one::<10, 1024, 16>(row),
            (_, ..=128) => self.one::<10, 1024, 128>(row),
            _ => self.one::<10, 1024, 4096>(row),
        }
    }

    /// The same for rows of `columns` numbers each.
    pub(super) fn path_sums(&self, columns: usize, rows: &[f32]) -> Option<Vec<u32>> {
        match (self.depth, columns) {
            (8, ..=16) => self.many::<8, 256, 16>(columns, rows),
            (8, ..=128) => self.many::<8, 256, 128>(columns, rows),
            (8, _) => self.many::<8, 256, 4096>(columns, rows),
            (_, ..=16) => self.many::<10, 1024, 16>(columns, rows),
            (_, ..=128) => self.many::<10, 1024, 128>(columns, rows),
            _ => self.many::<10, 1024, 4096>(columns, rows),
        }
    }

    fn each<const WIDTH: usize>(&self) -> (&[[Node; WIDTH]], &[[u16; WIDTH]]) {
        (self.nodes.as_chunks().0, self.leaves.as_chunks().0)
    }

    /// One row down all trees, several of them at a time.
    fn one<const DEPTH: u32, const WIDTH: usize, const COLUMNS: usize>(&self, row: &[f32]) -> Option<u32> {
        let mut keys = [0; COLUMNS];
        if !write_keys(row, &mut keys) {
            return None;
        }
        let (nodes, leaves) = self.each::<WIDTH>();
        let (nodes, other_nodes) = nodes.as_chunks::<TREES>();
        let (leaves, other_leaves) = leaves.as_chunks::<TREES>();
        let mut sum = 0;
        for (nodes, leaves) in nodes.iter().zip(leaves) {
            let paths = walk::<DEPTH, WIDTH, COLUMNS, TREES>(|lane| (&nodes[lane], &leaves[lane], &keys));
            sum += paths.iter().sum::<u32>();
        }
        for (nodes, leaves) in other_nodes.iter().zip(other_leaves) {
            sum += walk::<DEPTH, WIDTH, COLUMNS, 1>(|_| (nodes, leaves, &keys))[0];
        }
        Some(sum)
    }

    /// All rows down one tree after the other, several rows at a time, so that the tree stays in the cache.
    fn many<const DEPTH: u32, const WIDTH: usize, const COLUMNS: usize>(
        &self,
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
            let (nodes, leaves) = self.each::<WIDTH>();
            for (nodes, leaves) in nodes.iter().zip(leaves) {
                for (keys, sums) in keys.iter().zip(sums.iter_mut()) {
                    let paths = walk::<DEPTH, WIDTH, COLUMNS, ROWS>(|lane| (nodes, leaves, &keys[lane]));
                    sums.iter_mut().zip(paths).for_each(|(sum, path)| *sum += path);
                }
                for (keys, sum) in other_keys.iter().zip(other_sums.iter_mut()) {
                    *sum += walk::<DEPTH, WIDTH, COLUMNS, 1>(|_| (nodes, leaves, keys))[0];
                }
            }
        }
        Some(all_sums)
    }
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
    lane: impl Fn(usize) -> (&'a [Node; WIDTH], &'a [u16; WIDTH], &'a [u32; COLUMNS]),
) -> [u32; LANES] {
    let mut at = [1usize; LANES];
    for _ in 0..DEPTH {
        for (i, at) in at.iter_mut().enumerate() {
            let (nodes, _, keys) = lane(i);
            let node = nodes[*at & (WIDTH - 1)];
            let right = node.threshold < keys[node.column as usize & (COLUMNS - 1)];
            *at = 2 * *at + usize::from(right);
        }
    }
    std::array::from_fn(|i| u32::from(lane(i).1[at[i] & (WIDTH - 1)]))
}
