//! The rows from which everything but the forest is learnt: all of a small table, a random part of
//! a large one.

use crate::random::Random;

/// Chosen rows of a table, row-major.
pub(super) struct Sample<'a> {
    columns: usize,
    rows: &'a [f32],
    chosen: Vec<u32>,
}

impl<'a> Sample<'a> {
    /// At most `most` of the rows, without replacement, in a random order; the choice is `seed`'s.
    pub(super) fn new(columns: usize, rows: &'a [f32], most: usize, seed: u64) -> Self {
        let count = rows.len() / columns;
        let mut chosen: Vec<u32> = (0..count as u32).collect();
        let mut random = Random::new(seed);
        let taken = most.min(count);
        for i in 0..taken {
            let j = i + random.below(count - i);
            chosen.swap(i, j);
        }
        chosen.truncate(taken);
        Self { columns, rows, chosen }
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &'a [f32]> {
        self.chosen.iter().map(|row| &self.rows[*row as usize * self.columns..][..self.columns])
    }

    pub(super) fn column(&self, index: usize) -> impl Iterator<Item = f32> {
        self.chosen.iter().map(move |row| self.rows[*row as usize * self.columns + index])
    }
}
