//! What is usual in a table: learnt from a file, and asked row by row. Columns are matched by name.

use detect::{
    DetectError,
    scorer::forest::{Forest, ForestSpec},
};

use crate::cli::{
    WrongUse,
    input::{Sample, Source, Table, TableOptions, fill, places},
};

/// A model of a table.
pub(in crate::cli) struct Usual {
    forest: Forest,
    columns: Vec<String>,
    medians: Vec<f32>,
}

/// A model of a table, for the rows of one file.
pub(in crate::cli) struct Scorer<'a> {
    usual: &'a Usual,
    places: Vec<usize>,
    numbers: Vec<f32>,
}

impl Usual {
    /// Learns from all rows of a file.
    pub(in crate::cli) fn learn(source: &Source, options: &TableOptions, seed: u64) -> Result<Self, WrongUse> {
        let mut options = options.clone();
        // Columns that are left out need not be in both files, and nor need the truth.
        options.named.lenient = true;
        options.named.ignore.extend(options.named.label.take());
        let sample = Sample::of(&mut Table::open(source, &options)?, seed)?;
        let spec = ForestSpec { seed, ..ForestSpec::default() };
        let forest = Forest::train(&spec, sample.columns.len(), &sample.rows).map_err(|error| match error {
            DetectError::TooFewRows { expected, actual } => WrongUse(format!(
                "{}: expected at least {expected} rows to learn from, found {actual}: --train names a file with more",
                source.name()
            )),
            error => WrongUse(format!("{}: {error}", source.name())),
        })?;
        Ok(Self { forest, columns: sample.columns, medians: sample.medians })
    }

    /// Gets ready for the rows of a table.
    pub(in crate::cli) fn of(&self, table: &Table) -> Result<Scorer<'_>, WrongUse> {
        let places = places(&self.columns, table)?;
        let numbers = vec![0.0; places.len()];
        Ok(Scorer { usual: self, places, numbers })
    }
}

impl Scorer<'_> {
    /// The score of a row, 0..1.
    pub(in crate::cli) fn score(&mut self, row: &[f32]) -> Result<f64, DetectError> {
        self.numbers.iter_mut().zip(&self.places).for_each(|(number, place)| *number = row[*place]);
        fill(&mut self.numbers, &self.usual.medians);
        self.usual.forest.score(&self.numbers)
    }
}
