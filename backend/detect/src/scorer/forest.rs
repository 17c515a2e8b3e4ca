//! Isolation Forest. Knows nothing about metrics, time or thresholds: rows in, scores out.
//!
//! Source: F. T. Liu, K. M. Ting and Z.-H. Zhou, "Isolation Forest", ICDM 2008. Each tree splits a small random sample
//! at random until rows stand alone; rows that stand alone early are unusual. What the paper leaves open is done as
//! scikit-learn does it: the column of a split is drawn among those that are not constant there, the height limit is
//! ⌈log2 of the sample⌉, and c(n) uses the estimate ln(n−1) + γ of the harmonic number.
//!
//! Same bits everywhere: numbers are compared as integers, path lengths are whole numbers of 1/1024 edge, so that their
//! sum does not depend on the order of the trees, and one `libm::exp2` ends it.
//!
//! Byte form, little-endian: trees u16, columns u16, sample size u16; then for each tree 2^h nodes (column u16,
//! threshold f32, values above go right; node 0 is not used, the root is 1, the children of i are 2i and 2i + 1; column
//! 0 and an infinite threshold where the tree has ended) for the height limit h; then for each tree 2^h leaves (path length in 1/1024 edge, u16).

mod grow;
mod walk;

use self::{
    grow::Grower,
    walk::{ENDED, Node, Trees, key, value},
};
use crate::{
    DetectError,
    bytes::{Reader, Writer},
    random::Random,
};

/// Path lengths are kept as whole numbers of this fraction of an edge.
const FRACTIONS: f64 = 1024.0;
/// The longest path in a tree of 1024 rows is 10 + c(1024) = 23 edges: 23,500 fits 16 bits.
const MAX_SAMPLE: usize = 1024;
const MAX_TREES: usize = 1000;
const MAX_COLUMNS: usize = 4096;

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
    /// Sum of path lengths times this is the score's exponent.
    scale: f64,
    trees: Trees,
}

/// Average path length of an unsuccessful search in a binary search tree of `n` rows: equation 1 of the paper,
/// c(n) = 2 H(n−1) − 2 (n−1)/n, with H(i) ≈ ln i + γ; 1 for two rows, 0 for fewer.
pub fn average_path(n: usize) -> f64 {
    const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;
    match n {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => 2.0 * (libm::log((n - 1) as f64) + EULER_GAMMA) - 2.0 * (n - 1) as f64 / n as f64,
    }
}

impl Forest {
    fn new(columns: usize, sample_size: usize, trees: Trees) -> Self {
        let count = trees.count();
        let scale = -1.0 / (FRACTIONS * count as f64 * average_path(sample_size));
        Self { columns, sample_size, scale, trees }
    }

    /// Grows a forest from `rows`, row-major, `columns` finite numbers each.
    ///
    /// # Errors
    /// [`DetectError::Parameter`] for numbers out of range, [`DetectError::TooFewRows`] below two rows,
    /// [`DetectError::Malformed`] for an incomplete row or a number that is not finite.
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
        let limit = height_limit(sample_size);
        let mut trees = Trees::ended(spec.trees, limit);
        let width = trees.width();
        let mut random = Random::new(spec.seed);
        let mut order: Vec<u32> = (0..count as u32).collect();
        let mut candidates: Vec<u32> = (0..columns as u32).collect();
        let mut sample = vec![0.0; sample_size * columns];
        for (nodes, leaves) in trees.nodes.chunks_mut(width).zip(trees.leaves.chunks_mut(width)) {
            // Fisher and Yates, only as far as needed: a sample without replacement.
            for i in 0..sample_size {
                let j = i + random.below(count - i);
                order.swap(i, j);
                let row = &rows[order[i] as usize * columns..][..columns];
                for (column, value) in row.iter().enumerate() {
                    sample[column * sample_size + i] = *value;
                }
            }
            let mut chosen: Vec<u16> = (0..sample_size as u16).collect();
            Grower {
                sample: &sample,
                rows: sample_size,
                columns: &mut candidates,
                limit,
                depth: trees.depth,
                random: &mut random,
                nodes,
                leaves,
            }
            .grow(1, 0, &mut chosen);
        }
        Ok(Self::new(columns, sample_size, trees))
    }

    /// Numbers in a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of trees.
    pub fn trees(&self) -> usize {
        self.trees.count()
    }

    /// The anomaly score 2^(−E(h)/c(n)) of the paper: about 0.5 for the ordinary, towards 1 for the easily isolated.
    ///
    /// # Errors
    /// [`DetectError::Malformed`] if `row` does not have [`columns`](Self::columns) numbers or one is NaN or infinite.
    pub fn score(&self, row: &[f32]) -> Result<f64, DetectError> {
        if row.len() != self.columns {
            let expected = format!("{} numbers", self.columns);
            return Err(DetectError::malformed("forest row", expected, row.len()));
        }
        let sum = self.trees.path_sum(row).ok_or_else(|| not_finite(row))?;
        Ok(self.score_of(sum))
    }

    /// The same scores as [`score`](Self::score), bit for bit, of many rows, row-major; faster than one by one.
    ///
    /// # Errors
    /// [`DetectError::Malformed`] if `rows` are not [`columns`](Self::columns) numbers for each of `scores`, or one is
    /// NaN or infinite; `scores` is unchanged then.
    pub fn score_batch(&self, rows: &[f32], scores: &mut [f64]) -> Result<(), DetectError> {
        if rows.len() != self.columns * scores.len() {
            let expected = format!("{} rows of {} numbers", scores.len(), self.columns);
            return Err(DetectError::malformed("forest rows", expected, rows.len()));
        }
        let sums = self.trees.path_sums(self.columns, rows).ok_or_else(|| not_finite(rows))?;
        for (score, sum) in scores.iter_mut().zip(sums) {
            *score = self.score_of(sum);
        }
        Ok(())
    }

    /// The byte form of the first lines of this module.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.write(&mut writer);
        writer.0
    }

    /// Reads the byte form back, bit for bit.
    ///
    /// # Errors
    /// [`DetectError::Malformed`] or [`DetectError::Parameter`] for what [`to_bytes`](Self::to_bytes) could not have
    /// written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DetectError> {
        let mut reader = Reader::new("forest", bytes);
        let forest = Self::read(&mut reader)?;
        reader.end()?;
        Ok(forest)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u16(self.trees() as u16);
        writer.u16(self.columns as u16);
        writer.u16(self.sample_size as u16);
        // A shallow tree stands at the left of the deeper one that it was padded to.
        let used = 1 << height_limit(self.sample_size);
        let padding = self.trees.depth - height_limit(self.sample_size);
        for nodes in self.trees.nodes.chunks(self.trees.width()) {
            for node in &nodes[..used] {
                writer.u16(node.column as u16);
                writer.u32(if *node == ENDED { f32::INFINITY } else { value(node.threshold) }.to_bits());
            }
        }
        for leaves in self.trees.leaves.chunks(self.trees.width()) {
            for leaf in leaves.iter().step_by(1 << padding) {
                writer.u16(*leaf);
            }
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        let trees = usize::from(reader.u16()?);
        let columns = usize::from(reader.u16()?);
        let sample_size = usize::from(reader.u16()?);
        in_range("trees", trees, 1, MAX_TREES, "1 to 1000")?;
        in_range("columns", columns, 1, MAX_COLUMNS, "1 to 4096")?;
        in_range("sample size", sample_size, 2, MAX_SAMPLE, "2 to 1024")?;
        let limit = height_limit(sample_size);
        // Taken at once, so that a short file fails before anything is allocated.
        let mut nodes = Reader::new("forest nodes", reader.take((6 * trees) << limit)?);
        let mut leaves = Reader::new("forest leaves", reader.take((2 * trees) << limit)?);
        let mut grown = Trees::ended(trees, limit);
        let (width, padding) = (grown.width(), grown.depth - limit);
        for tree in grown.nodes.chunks_mut(width) {
            for node in &mut tree[..1 << limit] {
                *node = read_node(&mut nodes, columns)?;
            }
        }
        for tree in grown.leaves.chunks_mut(width) {
            for leaf in tree.chunks_mut(1 << padding) {
                leaf.fill(leaves.u16()?);
            }
        }
        Ok(Self::new(columns, sample_size, grown))
    }

    fn score_of(&self, path_sum: u32) -> f64 {
        libm::exp2(f64::from(path_sum) * self.scale)
    }
}

fn read_node(reader: &mut Reader<'_>, columns: usize) -> Result<Node, DetectError> {
    let column = u32::from(reader.u16()?);
    let threshold = f32::from_bits(reader.u32()?);
    if threshold == f32::INFINITY && column == 0 {
        return Ok(ENDED);
    }
    let node = Node { threshold: key(threshold), column };
    // −0 would read back as 0: other bytes, so another hash.
    let exact = threshold.is_finite() && value(node.threshold).to_bits() == threshold.to_bits();
    if !exact || column as usize >= columns {
        let expected = format!("a finite threshold and a column below {columns}");
        return Err(reader.error(expected, format!("column {column}, threshold {threshold}")));
    }
    Ok(node)
}

fn not_finite(rows: &[f32]) -> DetectError {
    let value = rows.iter().find(|value| !value.is_finite()).copied().unwrap_or(f32::NAN);
    DetectError::malformed("forest row", "finite numbers", value)
}

/// ⌈log2 n⌉ for n ≥ 2.
fn height_limit(sample_size: usize) -> u32 {
    usize::BITS - (sample_size - 1).leading_zeros()
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
