//! Growing one tree: algorithm 2 of the paper, iTree, into a complete tree.

use super::{
    FRACTIONS, average_path,
    walk::{Node, key, value},
};
use crate::random::Random;

/// One tree in the making.
pub(super) struct Grower<'a> {
    /// The tree's sample, one column after the other.
    pub(super) sample: &'a [f32],
    /// Rows of the sample.
    pub(super) rows: usize,
    /// Every column once, in any order: what a split draws from.
    pub(super) columns: &'a mut [u32],
    /// Where trees end at the latest.
    pub(super) limit: u32,
    pub(super) depth: u32,
    pub(super) random: &'a mut Random,
    pub(super) nodes: &'a mut [Node],
    pub(super) leaves: &'a mut [u16],
}

impl Grower<'_> {
    pub(super) fn grow(&mut self, node: usize, level: u32, chosen: &mut [u16]) {
        let split = if level < self.limit && chosen.len() > 1 { self.split(chosen) } else { None };
        let Some(split) = split else {
            let edges = f64::from(level) + average_path(chosen.len());
            self.end(node, level, libm::round(edges * FRACTIONS) as u16);
            return;
        };
        self.nodes[node] = split;
        let middle = self.partition(chosen, split);
        let (left, right) = chosen.split_at_mut(middle);
        self.grow(2 * node, level + 1, left);
        self.grow(2 * node + 1, level + 1, right);
    }

    /// A random column among those that are not constant here, and a random place in its range. Columns are drawn
    /// without replacement until one is not constant, which is the same and looks at fewer of them.
    fn split(&mut self, chosen: &[u16]) -> Option<Node> {
        for drawn in 0..self.columns.len() {
            let pick = drawn + self.random.below(self.columns.len() - drawn);
            self.columns.swap(drawn, pick);
            let column = self.columns[drawn];
            let values = self.column(column);
            let (low, high) = chosen.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), row| {
                let value = values[usize::from(*row)];
                (if value < low { value } else { low }, if value > high { value } else { high })
            });
            if low < high {
                return Some(Node { threshold: self.place(low, high), column });
            }
        }
        None
    }

    /// From low to below high, so that both sides get a row whatever rounding does.
    fn place(&mut self, low: f32, high: f32) -> u32 {
        let place = f64::from(low) + (f64::from(high) - f64::from(low)) * self.random.unit();
        let threshold = place as f32;
        key(if threshold < high { threshold } else { low })
    }

    fn column(&self, column: u32) -> &[f32] {
        &self.sample[column as usize * self.rows..][..self.rows]
    }

    fn partition(&self, chosen: &mut [u16], split: Node) -> usize {
        let (values, threshold) = (self.column(split.column), value(split.threshold));
        let mut middle = 0;
        for i in 0..chosen.len() {
            if values[usize::from(chosen[i])] <= threshold {
                chosen.swap(i, middle);
                middle += 1;
            }
        }
        middle
    }

    /// The tree ends here: every leaf below gets the same path length.
    fn end(&mut self, node: usize, level: u32, path: u16) {
        let below = self.depth - level;
        let first = (node << below) - (1 << self.depth);
        self.leaves[first..first + (1 << below)].fill(path);
    }
}
