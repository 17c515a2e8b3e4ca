//! Results that must not move by a bit, on any machine and at any optimisation level, as lines of text. Uses nothing but
//! `detect`, so that tests/optimisation.rs can build it alone once more.

mod rows;

use detect::scorer::forest::{Forest, ForestSpec};
use rows::rows;

/// What is compared.
pub(crate) fn lines() -> Vec<String> {
    forest()
}

fn forest() -> Vec<String> {
    let forest = Forest::train(&ForestSpec { seed: 4, ..ForestSpec::default() }, 12, &rows(2000, 12)).expect("grown");
    // FNV-1a: enough to see that a byte moved.
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let print = forest.to_bytes().iter().fold(0xcbf2_9ce4_8422_2325, step);
    let scores = rows(5, 12).chunks(12).map(|row| forest.score(row).expect("scored").to_bits()).collect::<Vec<_>>();
    let scores = scores.iter().map(|bits| format!("forest score {bits:016x}"));
    [format!("forest bytes {print:016x}")].into_iter().chain(scores).collect()
}
