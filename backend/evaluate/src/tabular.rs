//! Rows without time: the only place that knows how the detector is driven over a table.

use detect::scorer::forest::{Forest, ForestSpec};

use crate::Result;

/// Scores of one table's rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// By the Isolation Forest alone.
    pub forest: Vec<f64>,
    /// By all scorers together, where the detector has more than one for tables.
    pub fused: Option<Vec<f64>>,
}

/// Trains on the rows of `train` and scores those of `test`, row after row.
///
/// # Errors
/// As the detector.
pub fn scores(columns: usize, train: &[f32], test: &[f32], seed: u64) -> Result<Scores> {
    let forest = Forest::train(&ForestSpec { seed, ..ForestSpec::default() }, columns, train)?;
    let forest = test.chunks_exact(columns).map(|row| forest.score(row)).collect::<std::result::Result<_, _>>()?;
    Ok(Scores { forest, fused: None })
}
