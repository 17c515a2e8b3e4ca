//! NSL-KDD: 41 columns of a network connection, the attack's name or `normal`, and a difficulty.

use std::{collections::BTreeMap, path::Path};

use crate::{Result, data::Csv};

/// Columns of words: protocol, service, flag.
const WORDS: [usize; 3] = [1, 2, 3];
/// Columns before the label.
pub const COLUMNS: usize = 41;

/// All connections of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Connections {
    numbers: Vec<Vec<f64>>,
    words: Vec<[String; 3]>,
    /// `normal`, or the attack.
    pub labels: Vec<String>,
}

/// Reads a file such as `KDDTrain+_20Percent.txt`.
///
/// # Errors
/// [`EvaluateError`](crate::EvaluateError) for a file that is missing or malformed.
pub fn read(path: &Path) -> Result<Connections> {
    let csv = Csv::read(path, b',', false)?;
    let mut all = Connections { numbers: Vec::new(), words: Vec::new(), labels: Vec::new() };
    for row in &csv.rows {
        let numeric = (0..COLUMNS).filter(|column| !WORDS.contains(column));
        all.numbers.push(numeric.map(|column| csv.number(row, column)).collect::<Result<_>>()?);
        all.words.push(WORDS.map(|column| row.get(column).cloned().unwrap_or_default()));
        all.labels.push(row.get(COLUMNS).cloned().unwrap_or_default());
    }
    Ok(all)
}

impl Connections {
    /// The rows as 41 numbers each: a word becomes the share of the `known` rows that have it, so
    /// that what is rare among them is a small number and what they never had is zero.
    pub fn rows(&self, known: &[usize]) -> Vec<f32> {
        let mut shares: [BTreeMap<&str, f32>; 3] = Default::default();
        for row in known {
            for (share, word) in shares.iter_mut().zip(&self.words[*row]) {
                *share.entry(word).or_default() += 1.0 / known.len() as f32;
            }
        }
        let mut rows = Vec::with_capacity(self.labels.len() * COLUMNS);
        for (numbers, words) in self.numbers.iter().zip(&self.words) {
            rows.extend(numbers.iter().map(|number| *number as f32));
            rows.extend(
                words.iter().zip(&shares).map(|(word, share)| share.get(word.as_str()).copied().unwrap_or(0.0)),
            );
        }
        rows
    }
}
