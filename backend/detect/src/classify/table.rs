//! Labelled rows: what a classifier learns from. Holds them, checks them, and says their hash; encodes nothing.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::columns::{Column, ColumnKind, MAX_NAME, distinct};
use crate::{DetectError, bytes::Writer};

/// At 46 columns of 8 bytes 370 MB; whoever has more draws a sample first.
const MAX_ROWS: usize = 1_000_000;
/// Different words in a column; above that it is a name or an address, not a category.
pub(super) const MAX_WORDS: usize = 4096;
/// Different labels; CICIoT2023 has 34, NSL-KDD 40.
pub(super) const MAX_CLASSES: usize = 256;
/// Averages of two such numbers are finite.
pub(super) const LARGEST: f64 = f64::MAX / 4.0;

/// Rows with named columns and a label each.
#[derive(Clone, Debug)]
pub struct LabelledTable {
    columns: Vec<Column>,
    /// Row-major. NaN where a cell is missing; of a category the number of its word.
    cells: Vec<f64>,
    /// For each column its words in the order of their first appearance; empty for numbers.
    words: Vec<Words>,
    labels: Vec<u16>,
    classes: Words,
}

/// Words, numbered in the order of their first appearance.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    numbers: BTreeMap<String, usize>,
    pub(super) names: Vec<String>,
}

impl Words {
    fn number(&mut self, word: &str, what: &'static str, limit: usize) -> Result<usize, DetectError> {
        if let Some(number) = self.numbers.get(word) {
            return Ok(*number);
        }
        if word.len() > MAX_NAME {
            let actual = format!("{} bytes", word.len());
            return Err(DetectError::Parameter { name: what, expected: "at most 128 bytes", actual });
        }
        if self.names.len() == limit {
            return Err(DetectError::malformed(what, format!("at most {limit} different ones"), "one more"));
        }
        self.names.push(word.to_owned());
        self.numbers.insert(word.to_owned(), self.names.len() - 1);
        Ok(self.names.len() - 1)
    }
}

impl LabelledTable {
    /// A table without rows.
    ///
    /// # Errors
    /// [`DetectError::Parameter`] for none or more than 1024 columns, or two of the same name.
    pub fn new(columns: Vec<Column>) -> Result<Self, DetectError> {
        distinct(&columns)?;
        let words = vec![Words::default(); columns.len()];
        Ok(Self { columns, cells: Vec::new(), words, labels: Vec::new(), classes: Words::default() })
    }

    /// Adds a row: a cell for each column, as text, and its label. Empty cells, `nan` and infinities are missing
    /// values (CICIoT2023 has some in `Rate`); whether they are allowed is for the training to say.
    ///
    /// # Errors
    /// [`DetectError::Malformed`] for another number of cells, text in a column of numbers, a number beyond ±4·10^307,
    /// an empty label, too many different words (4096), labels (256) or rows (1,000,000); the table is unchanged then
    /// but for words that it may know already.
    pub fn push(&mut self, cells: &[&str], label: &str) -> Result<(), DetectError> {
        if cells.len() != self.columns.len() {
            return Err(DetectError::malformed("table row", format!("{} cells", self.columns.len()), cells.len()));
        }
        if self.labels.len() == MAX_ROWS {
            return Err(DetectError::malformed("table", format!("at most {MAX_ROWS} rows"), "one more"));
        }
        let label = label.trim();
        if label.is_empty() {
            return Err(DetectError::malformed("label", "a name", "an empty cell"));
        }
        let kept = self.cells.len();
        for (place, cell) in cells.iter().enumerate() {
            match self.cell(place, cell.trim()) {
                Ok(value) => self.cells.push(value),
                Err(error) => {
                    self.cells.truncate(kept);
                    return Err(error);
                }
            }
        }
        match self.classes.number(label, "labels", MAX_CLASSES) {
            Ok(class) => self.labels.push(class as u16),
            Err(error) => {
                self.cells.truncate(kept);
                return Err(error);
            }
        }
        Ok(())
    }

    fn cell(&mut self, place: usize, cell: &str) -> Result<f64, DetectError> {
        match self.columns[place].kind {
            ColumnKind::Number => number(&self.columns[place], cell),
            ColumnKind::Category if cell.is_empty() => Ok(f64::NAN),
            ColumnKind::Category => Ok(self.words[place].number(cell, "words of a category", MAX_WORDS)? as f64),
        }
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// The labels that occur, in the order of their first appearance.
    pub fn labels(&self) -> &[String] {
        &self.classes.names
    }

    pub(super) fn row(&self, row: usize) -> &[f64] {
        &self.cells[row * self.columns.len()..][..self.columns.len()]
    }

    pub(super) fn label(&self, row: usize) -> &str {
        &self.classes.names[self.label_number(row)]
    }

    /// The label's place in [`labels`](Self::labels).
    pub(super) fn label_number(&self, row: usize) -> usize {
        usize::from(self.labels[row])
    }

    pub(super) fn words(&self, column: usize) -> &[String] {
        &self.words[column].names
    }

    /// SHA-256 of columns, cells and labels, in order; words count, not their numbers.
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut writer = Writer::default();
        for column in &self.columns {
            writer.text(&column.name);
            writer.u8(column.kind as u8);
        }
        for row in 0..self.rows() {
            for (column, cell) in self.row(row).iter().enumerate() {
                match self.columns[column].kind {
                    ColumnKind::Number => writer.u64(cell.to_bits()),
                    ColumnKind::Category if cell.is_nan() => writer.text(""),
                    ColumnKind::Category => writer.text(&self.words[column].names[*cell as usize]),
                }
            }
            writer.text(self.label(row));
            hash.update(std::mem::take(&mut writer.0));
        }
        hash.update(writer.0);
        hash.finalize().into()
    }
}

/// A cell of a column of numbers; NaN where it is missing.
pub(super) fn number(column: &Column, cell: &str) -> Result<f64, DetectError> {
    if cell.is_empty() {
        return Ok(f64::NAN);
    }
    match cell.parse::<f64>() {
        // One NaN of many, and one zero of two, so that the same table has one hash.
        Ok(value) if !value.is_finite() => Ok(f64::NAN),
        Ok(value) if value.abs() <= LARGEST => Ok(value + 0.0),
        Ok(value) => Err(DetectError::malformed("number", "at most 4e307 in size", value)),
        Err(_) => {
            let expected = format!("a number in column {:?}", column.name);
            Err(DetectError::malformed("table cell", expected, cell.chars().take(50).collect::<String>()))
        }
    }
}
