//! A CSV file of rows with a label each, as texts: what classes are learnt from and told apart in. Reads no number.

use detect::classify::{Column, LabelledTable, schema};

use super::{
    Source, Stop,
    columns::{place, place_any},
    rows::{Row, Rows},
    table::TableOptions,
};
use crate::cli::WrongUse;

/// Rows that are learnt from at most: what a labelled table takes is a million, and of more than 60,000 the trees are
/// grown from a sample anyway.
const MOST: u64 = 250_000;

/// What is done with a row: its number from 0, its texts and its label.
type Visit<'a> = dyn FnMut(u64, &[&str], &str) -> Result<(), Stop> + 'a;

/// A labelled file, open for reading.
pub(crate) struct Labelled {
    rows: Rows,
    /// `None` where nobody knows what is true.
    label: Option<usize>,
    /// Columns that are left out, the label's among them.
    ignored: Vec<String>,
}

impl Labelled {
    /// Opens a file; without the name of a column of labels every label is empty.
    pub(crate) fn open(source: &Source, options: &TableOptions) -> Result<Self, WrongUse> {
        let rows = Rows::open(source, options.separator, !options.no_header)?;
        let named = &options.named;
        let label = named.label.as_deref().map(|label| place(&rows, label)).transpose()?;
        for ignored in &named.ignore {
            place_any(&rows, ignored)?;
        }
        let ignored = named
            .ignore
            .iter()
            .map(String::as_str)
            .chain(named.label.as_deref())
            .map(|name| name.trim().to_owned())
            .collect();
        Ok(Self { rows, label, ignored })
    }

    /// The columns' names, the label's among them.
    pub(crate) fn header(&self) -> Vec<&str> {
        self.rows.names().iter().map(String::as_str).collect()
    }

    /// The next row: a text for each column, and the label.
    pub(crate) fn next(&mut self) -> Result<Option<(Vec<&str>, &str)>, WrongUse> {
        let width = self.rows.names().len();
        let label = self.label;
        let Some(row) = self.rows.next()? else { return Ok(None) };
        let cells = (0..width).map(|column| row.text(column).unwrap_or_default()).collect();
        let label = label.and_then(|label| row.text(label)).unwrap_or_default();
        Ok(Some((cells, label)))
    }

    /// The columns to learn from, as the first rows have them, each with its place.
    fn columns(&self) -> Result<Vec<(usize, Column)>, WrongUse> {
        let header = self.header();
        let texts = |row: Row<'_>| -> Vec<String> {
            (0..header.len()).map(|at| row.text(at).unwrap_or_default().to_owned()).collect()
        };
        let sample: Vec<Vec<String>> = self.rows.first().map(texts).collect();
        let sample: Vec<Vec<&str>> = sample.iter().map(|row| row.iter().map(String::as_str).collect()).collect();
        let ignored: Vec<&str> = self.ignored.iter().map(String::as_str).collect();
        let columns = schema(&header, &ignored, &sample).map_err(|error| self.wrong(error))?;
        let place = |column: &Column| header.iter().position(|name| *name == column.name());
        Ok(columns.into_iter().filter_map(|column| Some((place(&column)?, column))).collect())
    }

    fn wrong(&self, error: impl std::fmt::Display) -> WrongUse {
        WrongUse(format!("{}: {error}", self.rows.file()))
    }

    /// All rows of a file to learn from; of very many, so many of them, evenly spread. Gives the file's number of rows
    /// too.
    pub(crate) fn table(source: &Source, options: &TableOptions) -> Result<(LabelledTable, u64), Stop> {
        let file = Self::open(source, options)?;
        let (places, columns): (Vec<usize>, Vec<Column>) = file.columns()?.into_iter().unzip();
        let mut table = LabelledTable::new(columns).map_err(|error| file.wrong(error))?;
        let rows = Self::kept(source, options, &mut |row, cells, label| {
            let cells: Vec<&str> = places.iter().map(|place| cells[*place]).collect();
            Ok(table.push(&cells, label).map_err(|error| file.wrong(format!("row {row}: {error}")))?)
        })?;
        Ok((table, rows))
    }

    /// Gives each row that is learnt from to `visit`: its number from 0, its texts and its label. Gives the file's number
    /// of rows.
    pub(crate) fn kept(source: &Source, options: &TableOptions, visit: &mut Visit<'_>) -> Result<u64, Stop> {
        let mut rows = 0;
        let mut all = Self::open(source, options)?;
        while all.next()?.is_some() {
            rows += 1;
        }
        let kept = rows.min(MOST);
        let mut file = Self::open(source, options)?;
        let mut row = 0;
        while let Some((cells, label)) = file.next()? {
            // Kept is each row with which the share of the rows before passes a whole number.
            if row * kept / rows < (row + 1) * kept / rows {
                visit(row, &cells, label)?;
            }
            row += 1;
        }
        Ok(rows)
    }
}
