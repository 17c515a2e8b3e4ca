//! The forest by its public interface: what holds for every forest and row, what scikit-learn says of the same trees,
//! and scores that must not move by a bit.
#![allow(clippy::unwrap_used)] // helpers of a test may stop at the first surprise too
#[path = "bits/rows.rs"]
mod rows;

use detect::scorer::forest::{Forest, ForestSpec, average_path};
use proptest::prelude::*;
use rows::rows;

/// The byte form taken apart again, by what the module's first lines say and not by its code.
struct Plain {
    columns: usize,
    sample_size: usize,
    height: u32,
    /// For each tree its nodes: column and threshold.
    trees: Vec<Vec<(usize, f32)>>,
    leaves: Vec<Vec<u16>>,
}

impl Plain {
    fn of(forest: &Forest) -> Self {
        let bytes = forest.to_bytes();
        let number = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let (count, columns, sample_size) = (usize::from(number(0)), usize::from(number(2)), usize::from(number(4)));
        let height = sample_size.next_power_of_two().ilog2();
        let width = 1 << height;
        let node = |at: usize| {
            let threshold = [bytes[at + 2], bytes[at + 3], bytes[at + 4], bytes[at + 5]];
            (usize::from(number(at)), f32::from_le_bytes(threshold))
        };
        let nodes: Vec<_> = (0..count * width).map(|i| node(6 + 6 * i)).collect();
        let start = 6 + 6 * count * width;
        let leaves: Vec<_> = (0..count * width).map(|i| number(start + 2 * i)).collect();
        assert_eq!(bytes.len(), start + 2 * count * width);
        let trees = nodes.chunks(width).map(<[_]>::to_vec).collect();
        Self { columns, sample_size, height, trees, leaves: leaves.chunks(width).map(<[_]>::to_vec).collect() }
    }

    /// Splits until the tree has ended: the node's number, and how many splits there were.
    fn end_of(&self, tree: usize, row: &[f32]) -> (usize, u32) {
        let (mut node, mut level) = (1, 0);
        while level < self.height && self.trees[tree][node].1.is_finite() {
            let (column, threshold) = self.trees[tree][node];
            node = 2 * node + usize::from(row[column] > threshold);
            level += 1;
        }
        (node, level)
    }

    fn bytes(&self) -> Vec<u8> {
        let header = [self.trees.len(), self.columns, self.sample_size].map(|number| (number as u16).to_le_bytes());
        let nodes = self.trees.iter().flatten();
        let nodes = nodes
            .flat_map(|(column, threshold)| (*column as u16).to_le_bytes().into_iter().chain(threshold.to_le_bytes()));
        let leaves = self.leaves.iter().flatten().flat_map(|leaf| leaf.to_le_bytes());
        header.into_iter().flatten().chain(nodes).chain(leaves).collect()
    }
}

/// c(n) as scikit-learn's `_average_path_length` has it.
fn scikit_learn_path(n: usize) -> f64 {
    match n {
        0 | 1 => 0.0,
        2 => 1.0,
        n => 2.0 * (((n - 1) as f64).ln() + 0.577_215_664_901_532_9) - 2.0 * (n as f64 - 1.0) / n as f64,
    }
}

#[test]
fn average_path_is_the_papers() {
    for n in 0..=1024 {
        assert!((average_path(n) - scikit_learn_path(n)).abs() < 1e-12, "{n}");
    }
    // The paper's ψ of 256, with the exact harmonic number.
    let harmonic: f64 = (1..256).map(|i| 1.0 / f64::from(i)).sum();
    assert!((average_path(256) - (2.0 * harmonic - 510.0 / 256.0)).abs() < 0.005);
}

/// Every tree has seen all rows where the sample is as large as they are many. So whoever counts the rows that end where
/// a row ends can work out its score by scikit-learn's formula.
#[test]
fn scores_are_those_of_the_path_length_formula() {
    let rows = rows(200, 3);
    let forest = Forest::train(&ForestSpec { trees: 25, sample_size: 200, seed: 9 }, 3, &rows).unwrap();
    let plain = Plain::of(&forest);
    for row in rows.chunks(3).chain([[9.0, -9.0, 0.0].as_slice()]) {
        let mut edges = 0.0;
        for tree in 0..forest.trees() {
            let end = plain.end_of(tree, row);
            let together = rows.chunks(3).filter(|other| plain.end_of(tree, other) == end).count();
            edges += f64::from(end.1) + scikit_learn_path(together);
        }
        let expected = 2f64.powf(-edges / 25.0 / scikit_learn_path(200));
        assert!((forest.score(row).unwrap() - expected).abs() < 5e-5, "{expected}");
    }
}

/// peers/sklearn_forest.py has made the file.
#[test]
fn scores_of_scikit_learns_trees_are_scikit_learns() {
    let file: serde_json::Value = serde_json::from_str(include_str!("sklearn/forest.json")).unwrap();
    let digits = file["forest"].as_str().unwrap().as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let forest = Forest::from_bytes(&digits.chunks(2).map(byte).collect::<Vec<_>>()).unwrap();
    let rows: Vec<Vec<f32>> = serde_json::from_value(file["rows"].clone()).unwrap();
    let scores: Vec<f64> = serde_json::from_value(file["scores"].clone()).unwrap();
    assert_eq!((rows.len(), forest.trees()), (160, 6));
    for (row, expected) in rows.iter().zip(scores) {
        assert!((forest.score(row).unwrap() - expected).abs() < 5e-5, "{expected}");
    }
}

#[test]
fn the_far_scores_higher_than_the_near() {
    let forest = Forest::train(&ForestSpec::default(), 2, &rows(1000, 2)).unwrap();
    let near = forest.score(&[1.5, 1.5]).unwrap();
    let far = forest.score(&[9.0, -9.0]).unwrap();
    assert!(near < 0.5 && far > 0.7, "{near} {far}");
}

#[test]
fn wrong_shapes_are_refused() {
    let spec = ForestSpec::default();
    assert!(Forest::train(&spec, 2, &[1.0]).is_err());
    assert!(Forest::train(&spec, 2, &[1.0, f32::NAN, 1.0, 2.0]).is_err());
    assert!(Forest::train(&spec, 0, &[]).is_err());
    assert!(Forest::train(&spec, 4097, &[]).is_err());
    assert!(Forest::train(&ForestSpec { trees: 0, ..spec }, 1, &[1.0, 2.0]).is_err());
    let forest = Forest::train(&spec, 1, &[1.0, 2.0]).unwrap();
    assert!(forest.score(&[1.0, 2.0]).is_err());
    assert!(forest.score(&[]).is_err());
    assert!(forest.score_batch(&[1.0, 2.0, 3.0], &mut [0.0; 2]).is_err());
    forest.score_batch(&[], &mut []).unwrap();
    let constant = Forest::train(&spec, 1, &[1.0, 1.0, 1.0]).unwrap();
    assert!(constant.score(&[5.0]).unwrap() <= 1.0);
}

#[test]
fn damaged_thresholds_are_refused() {
    let bytes = Forest::train(&ForestSpec { trees: 1, sample_size: 2, seed: 0 }, 1, &[1.0, 2.0]).unwrap().to_bytes();
    assert!(Forest::from_bytes(&bytes).is_ok());
    // The root: after three numbers of the head and node 0.
    for (column, threshold) in [(1u16, 1.5), (0, f32::NAN), (0, f32::NEG_INFINITY), (0, -0.0)] {
        let mut damaged = bytes.clone();
        damaged[12..14].copy_from_slice(&column.to_le_bytes());
        damaged[14..18].copy_from_slice(&threshold.to_le_bytes());
        assert!(Forest::from_bytes(&damaged).is_err(), "{column} {threshold}");
    }
    assert!(Forest::from_bytes(&bytes[..bytes.len() - 1]).is_err());
    assert!(Forest::from_bytes(&[bytes, vec![0]].concat()).is_err());
}

/// Numbers of all sizes, and often the same.
fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => -3.0..3.0f32,
        1 => Just(0.0),
        1 => Just(-0.0),
        1 => prop_oneof![Just(f32::MAX), Just(f32::MIN), Just(f32::MIN_POSITIVE), Just(1e-45)],
        1 => any::<f32>().prop_filter("finite", |value| value.is_finite()),
    ]
}

/// A forest of any shape that is compiled for, and rows for it.
fn grown() -> impl Strategy<Value = (Forest, Vec<f32>)> {
    let columns = prop_oneof![6 => 1..=16usize, 1 => 17..=128usize, 1 => 129..=200usize];
    let shape = (columns, 2..40usize, 1..25usize, prop_oneof![2..=256usize, 257..=1024usize], any::<u64>());
    shape.prop_flat_map(|(columns, rows, trees, sample_size, seed)| {
        let rows = rows + if sample_size > 256 { 300 } else { 0 };
        prop::collection::vec(number(), columns * rows).prop_map(move |rows| {
            let spec = ForestSpec { trees, sample_size, seed };
            (Forest::train(&spec, columns, &rows).unwrap(), rows)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_holds_for_every_forest((forest, rows) in grown(), turn in any::<prop::sample::Index>()) {
        let columns = forest.columns();
        let mut batch = vec![0.0; rows.len() / columns];
        forest.score_batch(&rows, &mut batch).unwrap();
        let plain = Plain::of(&forest);
        prop_assert_eq!(plain.bytes(), forest.to_bytes());

        let read = Forest::from_bytes(&forest.to_bytes()).unwrap();
        prop_assert_eq!(&read, &forest);
        let mut turned = Plain::of(&forest);
        let places = turn.index(forest.trees());
        turned.trees.rotate_left(places);
        turned.leaves.rotate_left(places);
        let turned = Forest::from_bytes(&turned.bytes()).unwrap();

        for (row, in_batch) in rows.chunks(columns).zip(batch) {
            let score = forest.score(row).unwrap();
            prop_assert!((0.0..=1.0).contains(&score), "{}", score);
            prop_assert_eq!(score.to_bits(), in_batch.to_bits());
            prop_assert_eq!(score.to_bits(), read.score(row).unwrap().to_bits());
            prop_assert_eq!(score.to_bits(), turned.score(row).unwrap().to_bits());
            let mut sum = 0;
            for tree in 0..forest.trees() {
                let (node, level) = plain.end_of(tree, row);
                sum += u64::from(plain.leaves[tree][(node << (plain.height - level)) - (1 << plain.height)]);
            }
            let edges = sum as f64 / 1024.0 / forest.trees() as f64;
            prop_assert!((score - 2f64.powf(-edges / scikit_learn_path(plain.sample_size))).abs() < 1e-12);
        }
    }

    #[test]
    fn what_is_not_finite_is_refused(
        (forest, mut rows) in grown(),
        at in any::<prop::sample::Index>(),
        wrong in prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY)],
    ) {
        let at = at.index(rows.len());
        rows[at] = wrong;
        let columns = forest.columns();
        let mut scores = vec![7.0; rows.len() / columns];
        prop_assert!(forest.score_batch(&rows, &mut scores).is_err());
        prop_assert!(scores.iter().all(|score| *score == 7.0));
        prop_assert!(forest.score(&rows[at / columns * columns..][..columns]).is_err());
    }
}
