//! Isolation Forest. Knows nothing about metrics, time or thresholds: rows in, scores out.
//!
//! Source: F. T. Liu, K. M. Ting and Z.-H. Zhou, "Isolation Forest", ICDM 2008. Each tree splits a
//! small random sample at random until rows stand alone; rows that stand alone early are unusual.
//!
//! Every tree is stored as a complete binary tree of fixed depth, so that walking it has no
//! branches to mispredict and several trees can be walked at once. Path lengths are whole numbers
//! of 1/1024, so their sum does not depend on the order of the trees: permuting trees changes
//! nothing, to the last bit.

use crate::{
    DetectError,
    bytes::{Reader, Writer},
    random::Random,
};

/// Path lengths are kept as whole numbers of this fraction of an edge.
const FRACTIONS: f64 = 1024.0;
/// The longest path in a tree of 1024 rows is 10 + c(1024) = 22.9 edges: 23,500 fits 16 bits.
const MAX_SAMPLE: usize = 1024;
const MAX_TREES: usize = 1000;
const MAX_COLUMNS: usize = 4096;
/// Trees walked side by side: enough to hide the latency of a load, few enough for registers.
const LANES: usize = 8;

/// How to grow a forest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForestSpec {
    /// Number of trees, 1 to 1000; the paper recommends 100.
    pub trees: usize,
    /// Rows per tree, 2 to 1024; the paper recommends 256. Fewer are used if there are fewer.
    pub sample_size: usize,
    /// Determines everything random.
    pub seed: u64,
}

impl Default for ForestSpec {
    /// The paper's 100 trees of 256 rows.
    fn default() -> Self {
        Self { trees: 100, sample_size: 256, seed: 0 }
    }
}

/// A grown forest; immutable.
#[derive(Clone, Debug, PartialEq)]
pub struct Forest {
    columns: usize,
    /// Rows each tree was grown from.
    sample_size: usize,
    depth: u32,
    /// 2^depth nodes a tree; the root is node 1, the children of i are 2i and 2i+1.
    nodes: Vec<Node>,
    /// 2^depth leaves a tree: path lengths in 1/1024 edge.
    leaves: Vec<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Node {
    /// Rows below go left, others right. Infinity where the tree has ended above.
    threshold: f32,
    column: u32,
}

const NO_SPLIT: Node = Node { threshold: f32::INFINITY, column: 0 };

/// Average path length of an unsuccessful search in a binary search tree of `n` rows: equation 1
/// of the paper, c(n) = 2 H(n−1) − 2 (n−1)/n, with the exact harmonic number.
pub fn average_path(n: usize) -> f64 {
    if n <= 1 {
        return 0.0;
    }
    let harmonic: f64 = (1..n).map(|i| 1.0 / i as f64).sum();
    2.0 * harmonic - 2.0 * (n - 1) as f64 / n as f64
}

impl Forest {
    /// Grows a forest from `rows`, row-major, `columns` finite numbers each.
    ///
    /// # Errors
    /// [`DetectError::Parameter`] for numbers out of range, [`DetectError::TooFewRows`] below two
    /// rows, [`DetectError::Malformed`] for an incomplete row or a number that is not finite.
    pub fn train(spec: &ForestSpec, columns: usize, rows: &[f32]) -> Result<Self, DetectError> {
        in_range("trees", spec.trees, 1, MAX_TREES, "1 to 1000")?;
        in_range("sample size", spec.sample_size, 2, MAX_SAMPLE, "2 to 1024")?;
        in_range("columns", columns, 1, MAX_COLUMNS, "1 to 4096")?;
        if !rows.len().is_multiple_of(columns) {
            let expected = format!("a multiple of {columns} numbers");
            return Err(DetectError::malformed("forest rows", expected, rows.len()));
        }
        if let Some(value) = rows.iter().find(|value| !value.is_finite()) {
            return Err(DetectError::malformed("forest rows", "finite numbers", value));
        }
        let count = rows.len() / columns;
        if count < 2 {
            return Err(DetectError::TooFewRows { expected: 2, actual: count });
        }
        let sample_size = spec.sample_size.min(count);
        let depth = usize::BITS - (sample_size - 1).leading_zeros();
        let width = 1usize << depth;
        let mut forest = Self {
            columns,
            sample_size,
            depth,
            nodes: vec![NO_SPLIT; width * spec.trees],
            leaves: vec![0; width * spec.trees],
        };
        let mut random = Random::new(spec.seed);
        let mut order: Vec<u32> = (0..count as u32).collect();
        for tree in 0..spec.trees {
            // Fisher and Yates, only as far as needed: a sample without replacement.
            for i in 0..sample_size {
                let j = i + random.below(count - i);
                order.swap(i, j);
            }
            let mut chosen = order[..sample_size].to_vec();
            let span = tree * width..(tree + 1) * width;
            let mut grower = Grower {
                rows,
                columns,
                depth,
                random: &mut random,
                nodes: &mut forest.nodes[span.clone()],
                leaves: &mut forest.leaves[span],
            };
            grower.grow(1, 0, &mut chosen);
        }
        Ok(forest)
    }

    /// Numbers in a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of trees.
    pub fn trees(&self) -> usize {
        self.leaves.len() >> self.depth
    }

    /// The anomaly score 2^(−E(h)/c(n)) of the paper: about 0.5 for the ordinary, towards 1 for
    /// the easily isolated. A number that is not finite is treated as larger than every split.
    ///
    /// # Errors
    /// [`DetectError::Malformed`] if `row` does not have [`columns`](Self::columns) numbers.
    pub fn score(&self, row: &[f32]) -> Result<f64, DetectError> {
        if row.len() != self.columns {
            let expected = format!("{} numbers", self.columns);
            return Err(DetectError::malformed("forest row", expected, row.len()));
        }
        let edges = self.path_sum(row) as f64 / FRACTIONS / self.trees() as f64;
        Ok(libm::exp2(-edges / average_path(self.sample_size)))
    }

    /// Sum of the path lengths over all trees, in 1/1024 edge.
    fn path_sum(&self, row: &[f32]) -> u64 {
        let width = 1usize << self.depth;
        let mut sum = 0;
        let blocks = self.nodes.chunks(LANES * width).zip(self.leaves.chunks(LANES * width));
        for (nodes, leaves) in blocks {
            let lanes = nodes.len() / width;
            let mut at = [1usize; LANES];
            for _ in 0..self.depth {
                for (lane, at) in at.iter_mut().enumerate().take(lanes) {
                    let node = &nodes[lane * width + *at];
                    let left = row[node.column as usize] < node.threshold;
                    *at = 2 * *at + usize::from(!left);
                }
            }
            for (lane, at) in at.iter().enumerate().take(lanes) {
                sum += u64::from(leaves[lane * width + at - width]);
            }
        }
        sum
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u16(self.trees() as u16);
        writer.u16(self.columns as u16);
        writer.u16(self.sample_size as u16);
        for node in &self.nodes {
            writer.u16(node.column as u16);
            writer.u32(node.threshold.to_bits());
        }
        for leaf in &self.leaves {
            writer.u16(*leaf);
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        let trees = usize::from(reader.u16()?);
        let columns = usize::from(reader.u16()?);
        let sample_size = usize::from(reader.u16()?);
        in_range("trees", trees, 1, MAX_TREES, "1 to 1000")?;
        in_range("columns", columns, 1, MAX_COLUMNS, "1 to 4096")?;
        in_range("sample size", sample_size, 2, MAX_SAMPLE, "2 to 1024")?;
        let depth = usize::BITS - (sample_size - 1).leading_zeros();
        let count = trees << depth;
        // Taken at once, so that a short file fails before anything is allocated.
        let mut nodes = Reader::new("forest nodes", reader.take(6 * count)?);
        let nodes = (0..count)
            .map(|_| {
                let column = u32::from(nodes.u16()?);
                let threshold = f32::from_bits(nodes.u32()?);
                let valid = (column as usize) < columns && (threshold.is_finite() || threshold == f32::INFINITY);
                let found = || format!("column {column}, threshold {threshold}");
                valid
                    .then_some(Node { threshold, column })
                    .ok_or_else(|| nodes.error(format!("a column below {columns}"), found()))
            })
            .collect::<Result<_, _>>()?;
        let leaves = (0..count).map(|_| reader.u16()).collect::<Result<_, _>>()?;
        Ok(Self { columns, sample_size, depth, nodes, leaves })
    }
}

/// Algorithm 2 of the paper, iTree, into the complete tree.
struct Grower<'a> {
    rows: &'a [f32],
    columns: usize,
    depth: u32,
    random: &'a mut Random,
    nodes: &'a mut [Node],
    leaves: &'a mut [u16],
}

impl Grower<'_> {
    fn grow(&mut self, node: usize, level: u32, chosen: &mut [u32]) {
        let split = if level < self.depth && chosen.len() > 1 { self.split(chosen) } else { None };
        let Some(split) = split else {
            let edges = f64::from(level) + average_path(chosen.len());
            self.fill(node, level, libm::round(edges * FRACTIONS) as u16);
            return;
        };
        self.nodes[node] = split;
        let middle = self.partition(chosen, split);
        let (left, right) = chosen.split_at_mut(middle);
        self.grow(2 * node, level + 1, left);
        self.grow(2 * node + 1, level + 1, right);
    }

    /// A random column among those that are not constant here, and a random place in its range.
    fn split(&mut self, chosen: &[u32]) -> Option<Node> {
        let ranges: Vec<(usize, f32, f32)> = (0..self.columns)
            .filter_map(|column| {
                let values = chosen.iter().map(|row| self.at(*row, column));
                let (low, high) = values
                    .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
                (low < high).then_some((column, low, high))
            })
            .collect();
        if ranges.is_empty() {
            return None;
        }
        let (column, low, high) = ranges[self.random.below(ranges.len())];
        let place = f64::from(low) + (f64::from(high) - f64::from(low)) * self.random.unit();
        // Above low and at most high, so that both sides get a row whatever the rounding did.
        let mut threshold = place as f32;
        if threshold <= low || threshold > high {
            threshold = high;
        }
        Some(Node { threshold, column: column as u32 })
    }

    fn partition(&self, chosen: &mut [u32], split: Node) -> usize {
        let mut middle = 0;
        for i in 0..chosen.len() {
            if self.at(chosen[i], split.column as usize) < split.threshold {
                chosen.swap(i, middle);
                middle += 1;
            }
        }
        middle
    }

    fn at(&self, row: u32, column: usize) -> f32 {
        self.rows[row as usize * self.columns + column]
    }

    /// The tree ends here: every leaf below gets the same path length.
    fn fill(&mut self, node: usize, level: u32, path: u16) {
        let below = self.depth - level;
        let width = 1usize << self.depth;
        let first = (node << below) - width;
        self.leaves[first..first + (1 << below)].fill(path);
    }
}

fn in_range(
    name: &'static str,
    actual: usize,
    low: usize,
    high: usize,
    expected: &'static str,
) -> Result<(), DetectError> {
    if (low..=high).contains(&actual) {
        return Ok(());
    }
    Err(DetectError::Parameter { name, expected, actual: actual.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cloud() -> Vec<f32> {
        let mut random = Random::new(3);
        (0..2000).map(|_| (random.unit() + random.unit() + random.unit()) as f32).collect()
    }

    #[test]
    fn average_path_is_the_papers() {
        assert_eq!(average_path(0), 0.0);
        assert_eq!(average_path(1), 0.0);
        assert_eq!(average_path(2), 1.0);
        // 2 (ln 255 + γ) − 2·255/256, the paper's estimate of the harmonic number.
        let estimate = 2.0 * (libm::log(255.0) + 0.577_215_664_901_532_9) - 510.0 / 256.0;
        assert!((average_path(256) - estimate).abs() < 0.005);
        assert!((average_path(256) - 10.248_8).abs() < 1e-3);
    }

    #[test]
    fn the_far_scores_higher_than_the_near() {
        let forest = Forest::train(&ForestSpec::default(), 2, &cloud()).unwrap();
        let near = forest.score(&[1.5, 1.5]).unwrap();
        let far = forest.score(&[9.0, -9.0]).unwrap();
        assert!(near < 0.5 && far > 0.7, "{near} {far}");
    }

    #[test]
    fn permuted_trees_give_the_same_bits() {
        let forest = Forest::train(&ForestSpec::default(), 2, &cloud()).unwrap();
        let mut turned = forest.clone();
        let width = 1usize << forest.depth;
        turned.nodes.rotate_left(37 * width);
        turned.leaves.rotate_left(37 * width);
        for row in cloud().chunks(2) {
            assert_eq!(forest.score(row).unwrap().to_bits(), turned.score(row).unwrap().to_bits());
        }
    }

    #[test]
    fn the_complete_tree_agrees_with_a_plain_walk() {
        // One tree over distinct numbers isolates every row: depth plus c(1) or a bundle at the
        // depth limit; so all leaves together hold the whole sample.
        let rows: Vec<f32> = (0..64).map(|i| i as f32).collect();
        let spec = ForestSpec { trees: 1, sample_size: 64, seed: 1 };
        let forest = Forest::train(&spec, 1, &rows).unwrap();
        for row in &rows {
            let mut node = 1;
            let mut level = 0;
            while level < forest.depth && forest.nodes[node].threshold.is_finite() {
                node = 2 * node + usize::from(*row >= forest.nodes[node].threshold);
                level += 1;
            }
            let path = forest.path_sum(&[*row]) as f64 / FRACTIONS;
            assert!(path >= f64::from(level), "{path} {level}");
            if level < forest.depth {
                assert_eq!(path, f64::from(level));
            }
        }
    }

    #[test]
    fn wrong_shapes_are_refused() {
        let spec = ForestSpec::default();
        assert!(Forest::train(&spec, 2, &[1.0]).is_err());
        assert!(Forest::train(&spec, 2, &[1.0, f32::NAN, 1.0, 2.0]).is_err());
        assert!(Forest::train(&spec, 0, &[]).is_err());
        assert!(Forest::train(&ForestSpec { trees: 0, ..spec }, 1, &[1.0, 2.0]).is_err());
        let forest = Forest::train(&spec, 1, &[1.0, 2.0]).unwrap();
        assert!(forest.score(&[1.0, 2.0]).is_err());
        let constant = Forest::train(&spec, 1, &[1.0, 1.0, 1.0]).unwrap();
        assert!(constant.score(&[5.0]).unwrap() <= 1.0);
    }
}
