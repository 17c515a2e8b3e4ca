//! What is told of a table model beside its bytes.

use serde::Serialize;

/// How a model does on its own training rows, or on a sample of 16,384 of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TableFigures {
    /// Median of the forest's scores.
    pub forest_median: f64,
    /// 99 % quantile of the forest's scores.
    pub forest_high: f64,
    /// Median of the fused scores.
    pub score_median: f64,
    /// Share of rows at or above the threshold.
    pub share_above_threshold: f64,
}

/// What is worth knowing about a table model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableMeta {
    /// Version of the model's byte form.
    pub format_version: u16,
    /// As [`TableModel::hash`](super::TableModel::hash), in hexadecimal.
    pub model_hash: String,
    /// The columns, in order.
    pub columns: Vec<String>,
    /// The seed.
    pub seed: u64,
    /// Rows of the training table.
    pub training_rows: u64,
    /// SHA-256 of the training rows as little-endian f32, row after row, in hexadecimal.
    pub training_rows_hash: String,
    /// Trees in the forest.
    pub trees: usize,
    /// Rows per tree, at most.
    pub sample_size: usize,
    /// What each scorer counts for.
    pub weights: [(&'static str, f64); 4],
    /// Score from which a row is anomalous.
    pub threshold: f64,
    /// Share of the training rows meant to be at or above the threshold.
    pub contamination: f64,
    /// How the model does on its training rows.
    pub training: TableFigures,
}
