//! What is usual in a table: learnt from a file, and asked row by row. Columns are matched by name; a missing number is
//! the median of its column.

use detect::{DetectError, TableModel};

use crate::cli::{
    WrongUse,
    input::{Sample, Source, Table, TableOptions, fill, places},
};

/// Numbers that are learnt from at most: 256 MiB. A million rows of 64 columns; a forest looks at 25,600 of them.
const MOST: usize = 64 << 20;

/// Rows that a model needs. Fewer are taken several times, so that the smallest table has scores too.
const LEAST: usize = 8;

/// A model of a table.
pub(in crate::cli) struct Usual {
    pub(in crate::cli) model: TableModel,
    /// What stands in for a missing number, for each column; `None` where nobody knows.
    pub(in crate::cli) medians: Option<Vec<f32>>,
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
        let mut sample = Sample::of(&mut Table::open(source, &options)?, seed, MOST)?;
        let (width, given) = (sample.columns.len(), sample.rows.len());
        if given == 0 {
            return Err(WrongUse(format!("{}: there are no rows to learn from", source.name())));
        }
        while sample.rows.len() < LEAST * width {
            sample.rows.extend_from_within(..given);
        }
        Self::of_sample(&sample, seed).map_err(|error| WrongUse(format!("{}: {error}", source.name())))
    }

    /// Learns from rows that were read.
    pub(in crate::cli) fn of_sample(sample: &Sample, seed: u64) -> Result<Self, DetectError> {
        let model = TableModel::train(&sample.columns, &sample.rows, seed)?;
        Ok(Self { model, medians: Some(sample.medians.clone()) })
    }

    /// A name for it.
    pub(in crate::cli) fn version(&self) -> String {
        format!("table-{}", &self.model.meta().model_hash[..12])
    }

    /// Gets ready for the rows of a table.
    pub(in crate::cli) fn of(&self, table: &Table) -> Result<Scorer<'_>, WrongUse> {
        let places = places(self.model.columns(), table)?;
        let numbers = vec![0.0; places.len()];
        Ok(Scorer { usual: self, places, numbers })
    }
}

impl Scorer<'_> {
    /// The score of a row, 0..1.
    pub(in crate::cli) fn score(&mut self, row: &[f32]) -> Result<f64, DetectError> {
        self.numbers.iter_mut().zip(&self.places).for_each(|(number, place)| *number = row[*place]);
        if let Some(medians) = &self.usual.medians {
            fill(&mut self.numbers, medians);
        }
        self.usual.model.score(&self.numbers)
    }
}
