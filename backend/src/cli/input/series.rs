//! A CSV file with a column of times, as readings, row by row. Drops no row and changes no order.

use super::{
    columns::{Columns, Named, Unusable},
    field::Field,
    rows::Rows,
    source::Source,
    time::TimeFormat,
};
use crate::cli::WrongUse;

/// Readings of a CSV file.
pub(crate) struct Series {
    rows: Rows,
    columns: Columns,
    format: TimeFormat,
    /// Places in `columns.names`, in ascending order of the names.
    order: Vec<usize>,
    /// The metrics' names, ascending.
    metrics: Vec<String>,
    numbers: Vec<f64>,
    unusable: Unusable,
    last_ms: i64,
    /// Rows whose time could not be read, and the line of the first.
    timeless: Option<(u64, u64)>,
}

/// One row.
pub(crate) struct SeriesRow<'a> {
    /// The time, exactly as it stands there.
    pub(crate) time_text: &'a [u8],
    /// Milliseconds since 1970 UTC, or since whatever the file counts from.
    pub(crate) time_ms: i64,
    /// One number for each metric, NaN where there is none.
    pub(crate) numbers: &'a [f64],
    /// The device's name; empty without such a column.
    pub(crate) device: &'a str,
    /// The label; empty without such a column.
    pub(crate) label: &'a str,
}

impl Series {
    /// Opens a file. `named` names a column of times.
    pub(crate) fn open(source: &Source, named: &Named, separator: Option<char>) -> Result<Self, WrongUse> {
        Self::of(Rows::open(source, separator, true)?, named)
    }

    /// As [`open`](Self::open), from rows.
    pub(super) fn of(rows: Rows, named: &Named) -> Result<Self, WrongUse> {
        let columns = Columns::of(&rows, named)?;
        let time =
            columns.time.ok_or_else(|| WrongUse::new("expected the name of a column of times: --time COLUMN"))?;
        let (format, last_ms) = times(&rows, time)?;
        let mut order: Vec<usize> = (0..columns.names.len()).collect();
        order.sort_by(|a, b| columns.names[*a].cmp(&columns.names[*b]));
        let metrics: Vec<String> = order.iter().map(|at| columns.names[*at].clone()).collect();
        let (numbers, unusable) = (vec![f64::NAN; metrics.len()], Unusable::default());
        Ok(Self { rows, columns, format, order, metrics, numbers, unusable, last_ms, timeless: None })
    }

    /// The metrics' names, ascending.
    pub(crate) fn metrics(&self) -> &[String] {
        &self.metrics
    }

    /// The next row.
    pub(crate) fn next(&mut self) -> Result<Option<SeriesRow<'_>>, WrongUse> {
        let separator = self.rows.separator();
        let Some(row) = self.rows.next()? else { return Ok(None) };
        for (number, place) in self.numbers.iter_mut().zip(&self.order) {
            let field = Field::parse(row.raw(self.columns.metrics[*place]), separator);
            self.unusable.note(*place, row.line, field);
            *number = field.or_nan();
        }
        let time = self.columns.time.unwrap_or_default();
        match row.text(time).and_then(|text| self.format.parse(text)) {
            Some(ms) => self.last_ms = ms,
            None => self.timeless.get_or_insert((0, row.line)).0 += 1,
        }
        let text = |column: Option<usize>| column.and_then(|column| row.text(column)).unwrap_or_default();
        Ok(Some(SeriesRow {
            time_text: row.raw(time),
            time_ms: self.last_ms,
            numbers: &self.numbers,
            device: text(self.columns.device),
            label: text(self.columns.label),
        }))
    }

    /// What the user should know about how the file was read. Complete after the last row.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = self.columns.notes.clone();
        notes.extend(self.unusable.sentences(&self.columns.names));
        if let Some((count, line)) = self.timeless {
            notes.push(format!(
                "{count} rows have no time that can be read and take that of the row before, the first in line {line}"
            ));
        }
        notes
    }
}

/// How the first rows write their times, and the first of those.
fn times(rows: &Rows, column: usize) -> Result<(TimeFormat, i64), WrongUse> {
    let texts: Vec<&str> = rows.first().filter_map(|row| row.text(column)).collect();
    let format = TimeFormat::of(texts.iter().copied());
    let first = texts.iter().find_map(|text| format.parse(text));
    match (first, rows.first().next()) {
        (Some(first), _) => Ok((format, first)),
        (None, None) => Ok((format, 0)),
        (None, Some(row)) => Err(WrongUse(format!(
            "{}, line {}: expected a time such as 2026-01-05T08:00:00Z, 2026-01-05 08:00, seconds or milliseconds since \
             1970, or a row number in column {:?}, found {:?}",
            rows.file(),
            row.line,
            rows.names()[column],
            row.text(column).unwrap_or_default().chars().take(40).collect::<String>(),
        ))),
    }
}
