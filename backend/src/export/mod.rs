//! Readings as files: how they are written as CSV and as lines of JSON, and how such a file is known again.
//!
//! One way for what is downloaded and what the command writes, so that `replay` reads both. Asks no store and knows no
//! protocol; who may have which reading is the caller's question.

mod cell;
mod end;
mod number;
mod write;

pub(crate) use cell::{text, unguarded};
pub(crate) use end::{Checker, csv_end, json_end};
pub(crate) use number::number;
pub(crate) use write::{Form, TooManyColumns, Writer, label_name, label_of};

/// The columns of a CSV export before those of the metrics. A metric may have the name of one of them: the place counts.
pub(crate) const COLUMNS: [&str; 8] =
    ["device", "time", "sequence", "label", "score", "threshold", "model_version", "index"];

/// Columns of metrics at most: each row has a field for each of them, so a fleet with more kinds of metrics would be
/// exported as commas. A row then takes 16 KB at most.
pub(crate) const MAX_METRIC_COLUMNS: usize = 1_000;
