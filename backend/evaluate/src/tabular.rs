//! Rows without time: the only place that knows how the detector is driven over a table.

use detect::TableModel;

use crate::Result;

/// Scores of one table's rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// By the Isolation Forest alone.
    pub forest: Vec<f64>,
    /// By all scorers together.
    pub fused: Vec<f64>,
}

/// Trains on the rows of `train` and scores those of `test`, row after row.
///
/// # Errors
/// As the detector.
pub fn scores(columns: usize, train: &[f32], test: &[f32], seed: u64) -> Result<Scores> {
    let names: Vec<String> = (0..columns).map(|column| column.to_string()).collect();
    let model = TableModel::train(&names, train, seed)?;
    let mut scores = Scores { forest: Vec::new(), fused: Vec::new() };
    for row in test.chunks_exact(columns) {
        scores.forest.push(model.forest_score(row)?);
        scores.fused.push(model.score(row)?);
    }
    Ok(scores)
}
