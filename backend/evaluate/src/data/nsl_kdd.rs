//! NSL-KDD: 41 columns of a network connection, the attack's name or `normal`, and a difficulty.

use std::{collections::BTreeMap, path::Path};

use crate::{EvaluateError, Result, data::Csv};

/// Columns of words: protocol, service, flag.
const WORDS: [usize; 3] = [1, 2, 3];
/// Columns before the label.
pub const COLUMNS: usize = 41;

/// All connections of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Connections {
    /// 41 cells of each, as in the file.
    pub cells: Vec<Vec<String>>,
    /// The columns that are not words, as numbers.
    numbers: Vec<Vec<f64>>,
    /// `normal`, or the attack.
    pub labels: Vec<String>,
}

/// Reads a file such as `KDDTrain+_20Percent.txt`.
///
/// # Errors
/// [`EvaluateError`] for a file that is missing or malformed.
pub fn read(path: &Path) -> Result<Connections> {
    let csv = Csv::read(path, b',', false)?;
    let mut all = Connections { cells: Vec::new(), numbers: Vec::new(), labels: Vec::new() };
    for row in &csv.rows {
        let numeric = (0..COLUMNS).filter(|column| !WORDS.contains(column));
        all.numbers.push(numeric.map(|column| csv.number(row, column)).collect::<Result<_>>()?);
        let label = row.get(COLUMNS).ok_or_else(|| EvaluateError::malformed(path, "42 columns or more", row.len()))?;
        all.labels.push(label.clone());
        all.cells.push(row[..COLUMNS].to_vec());
    }
    Ok(all)
}

impl Connections {
    /// Keeps one row in `step`, from the first on.
    pub fn thin(&mut self, step: usize) {
        fn every<T>(rows: &mut Vec<T>, step: usize) {
            *rows = std::mem::take(rows).into_iter().step_by(step.max(1)).collect();
        }
        every(&mut self.cells, step);
        every(&mut self.numbers, step);
        every(&mut self.labels, step);
    }

    /// The rows as 41 numbers each: a word becomes the share of the `known` rows that have it, so
    /// that what is rare among them is a small number and what they never had is zero.
    pub fn rows(&self, known: &[usize]) -> Vec<f32> {
        let mut shares: [BTreeMap<&str, f32>; 3] = Default::default();
        for row in known {
            for (share, column) in shares.iter_mut().zip(WORDS) {
                *share.entry(&self.cells[*row][column]).or_default() += 1.0 / known.len() as f32;
            }
        }
        let mut rows = Vec::with_capacity(self.labels.len() * COLUMNS);
        for (numbers, cells) in self.numbers.iter().zip(&self.cells) {
            rows.extend(numbers.iter().map(|number| *number as f32));
            let share = |(column, share): (usize, &BTreeMap<&str, f32>)| share.get(cells[column].as_str()).copied();
            rows.extend(WORDS.into_iter().zip(&shares).map(|word| share(word).unwrap_or(0.0)));
        }
        rows
    }
}
