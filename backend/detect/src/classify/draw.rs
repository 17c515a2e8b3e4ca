//! Which rows are learnt from, held back, and given to a tree. Draws class by class; looks at no cell.

use crate::random::Random;

/// Rows that one tree is grown from, about: smartcore's time for a tree grows with the square of its rows where labels
/// are noisy (measured with 40 columns: a second for 20,000, and memory of 90 MB). Of more rows every tree draws its
/// own, so that the forest still sees all (L. Breiman, "Pasting small votes", Machine Learning 36, 1999).
pub(super) const TREE_ROWS: usize = 20_000;
/// Rows that a class keeps in that sample, if it has them.
const LEAST_ROWS: usize = 32;

/// The rows of every class, in ascending order.
pub(super) fn by_class(labels: &[u16], classes: usize) -> Vec<Vec<usize>> {
    let mut rows = vec![Vec::new(); classes];
    labels.iter().enumerate().for_each(|(row, class)| rows[usize::from(*class)].push(row));
    rows
}

/// Takes a share of every class, rounded down, out of `rows`; gives what was taken.
pub(super) fn hold_back(rows: &mut [Vec<usize>], share: f64, random: &mut Random) -> Vec<usize> {
    let mut taken = Vec::new();
    for rows in rows {
        let count = (rows.len() as f64 * share) as usize;
        choose(rows, count, random);
        taken.extend(rows.drain(..count));
    }
    taken.sort_unstable();
    taken
}

/// Rows for one tree: all where they are few enough, else of every class its part, and of rare ones more.
pub(super) fn for_tree(rows: &mut [Vec<usize>], random: &mut Random) -> Vec<usize> {
    let all: usize = rows.iter().map(Vec::len).sum();
    let mut drawn = Vec::new();
    for rows in rows {
        let part = rows.len() * TREE_ROWS / all;
        let count = if all <= TREE_ROWS { rows.len() } else { part.max(LEAST_ROWS).min(rows.len()) };
        choose(rows, count, random);
        drawn.extend_from_slice(&rows[..count]);
    }
    drawn.sort_unstable();
    drawn
}

/// Brings a sample without replacement to the front: Fisher and Yates, only as far as needed.
fn choose(rows: &mut [usize], count: usize, random: &mut Random) {
    for i in 0..count {
        let j = i + random.below(rows.len() - i);
        rows.swap(i, j);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_in_every_draw_and_no_row_twice() {
        let labels: Vec<u16> = (0..30_000).map(|i| if i == 77 { 2 } else { u16::from(i % 700 == 0) }).collect();
        let mut random = Random::new(1);
        let mut rows = by_class(&labels, 3);
        let held_back = hold_back(&mut rows, 0.25, &mut random);
        assert_eq!(held_back.len(), 7499);
        for _ in 0..3 {
            let drawn = for_tree(&mut rows, &mut random);
            let of = |class| drawn.iter().filter(|row| labels[**row] == class).count();
            assert_eq!([of(0), of(1), of(2)], [19_969, 32, 1]);
            assert!(drawn.is_sorted_by(|a, b| a < b));
            assert!(drawn.iter().all(|row| held_back.binary_search(row).is_err()));
        }
    }
}
