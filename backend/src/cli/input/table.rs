//! A CSV file of rows without time, as numbers, row by row. Fills no gaps: what is missing is NaN.

use super::{
    columns::{Columns, Named, Unusable},
    field::Field,
    rows::Rows,
    source::Source,
};
use crate::cli::WrongUse;

/// Rows of a CSV file.
pub(crate) struct Table {
    rows: Rows,
    columns: Columns,
    numbers: Vec<f32>,
    unusable: Unusable,
}

/// One row.
pub(crate) struct TableRow<'a> {
    /// One number for each column, NaN where there is none.
    pub(crate) numbers: &'a [f32],
    /// The label; empty without such a column.
    pub(crate) label: &'a str,
}

/// How a table is opened.
#[derive(Debug, Clone, Default)]
pub(crate) struct TableOptions {
    /// Columns that are named on the command line.
    pub(crate) named: Named,
    /// What separates the fields, if it is said.
    pub(crate) separator: Option<char>,
    /// The first line is a row like the others.
    pub(crate) no_header: bool,
}

impl Table {
    /// Opens a file.
    pub(crate) fn open(source: &Source, options: &TableOptions) -> Result<Self, WrongUse> {
        Self::of(Rows::open(source, options.separator, !options.no_header)?, &options.named)
    }

    /// As [`open`](Self::open), from rows.
    pub(super) fn of(rows: Rows, named: &Named) -> Result<Self, WrongUse> {
        let columns = Columns::of(&rows, named)?;
        let numbers = vec![f32::NAN; columns.names.len()];
        Ok(Self { rows, columns, numbers, unusable: Unusable::default() })
    }

    /// The columns' names, in the order of the file.
    pub(crate) fn names(&self) -> &[String] {
        &self.columns.names
    }

    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.first().next().is_none()
    }

    /// The file's name, for messages.
    pub(crate) fn file(&self) -> &str {
        self.rows.file()
    }

    /// The next row.
    pub(crate) fn next(&mut self) -> Result<Option<TableRow<'_>>, WrongUse> {
        let separator = self.rows.separator();
        let Some(row) = self.rows.next()? else { return Ok(None) };
        for (place, (number, column)) in self.numbers.iter_mut().zip(&self.columns.metrics).enumerate() {
            let field = Field::parse(row.raw(*column), separator);
            self.unusable.note(place, row.line, field);
            // Beyond f32 a number is as large as an f32 can be: still larger than all others.
            *number = field.or_nan().clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32;
        }
        let label = self.columns.label.and_then(|column| row.text(column)).unwrap_or_default();
        Ok(Some(TableRow { numbers: &self.numbers, label }))
    }

    /// What the user should know about how the file was read. Complete after the last row.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = self.columns.notes.clone();
        notes.extend(self.unusable.sentences(&self.columns.names));
        notes
    }
}
