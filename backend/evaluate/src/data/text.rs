//! Separated text with a header, and times without a zone.

use std::path::{Path, PathBuf};

use jiff::{civil::DateTime, tz::TimeZone};

use crate::{EvaluateError, Result};

/// A whole file of separated text in memory: the largest here has 25,000 lines.
#[derive(Clone, Debug)]
pub struct Csv {
    path: PathBuf,
    /// Column names, without surrounding blanks; empty for a file without a header.
    pub header: Vec<String>,
    /// The fields of each line, without surrounding blanks.
    pub rows: Vec<Vec<String>>,
}

impl Csv {
    /// Reads a file whose fields are parted by `delimiter`, with or without a line of names.
    ///
    /// # Errors
    /// [`EvaluateError::Io`]; [`EvaluateError::Malformed`] for lines of different lengths.
    pub fn read(path: &Path, delimiter: u8, has_header: bool) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(EvaluateError::io(path))?;
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(has_header)
            .trim(csv::Trim::All)
            .from_reader(bytes.as_slice());
        let wrong = |error: csv::Error| EvaluateError::malformed(path, "separated text", error);
        let header =
            if has_header { reader.headers().map_err(wrong)?.iter().map(str::to_owned).collect() } else { Vec::new() };
        let row =
            |record: csv::Result<csv::StringRecord>| Ok(record.map_err(wrong)?.iter().map(str::to_owned).collect());
        let rows = reader.records().map(row).collect::<Result<_>>()?;
        Ok(Self { path: path.to_owned(), header, rows })
    }

    /// The position of a column.
    ///
    /// # Errors
    /// [`EvaluateError::Malformed`] if the file has none of that name.
    pub fn column(&self, name: &str) -> Result<usize> {
        let found = self.header.iter().position(|column| column == name);
        found.ok_or_else(|| EvaluateError::malformed(&self.path, format!("a column {name}"), self.header.join(",")))
    }

    /// All fields of one column as finite numbers.
    ///
    /// # Errors
    /// [`EvaluateError::Malformed`] for a field that is none.
    pub fn numbers(&self, column: usize) -> Result<Vec<f64>> {
        self.rows.iter().map(|row| self.number(row, column)).collect()
    }

    /// One field as a finite number.
    ///
    /// # Errors
    /// [`EvaluateError::Malformed`] if it is none.
    pub fn number(&self, row: &[String], column: usize) -> Result<f64> {
        let field = row.get(column).map_or("", String::as_str);
        let number = field.parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| EvaluateError::malformed(&self.path, "a finite number", format!("{field:?}")))
    }

    /// All fields of one column as times, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`EvaluateError::Malformed`] for a field that is none.
    pub fn times(&self, column: usize) -> Result<Vec<i64>> {
        let time = |row: &Vec<String>| {
            let field = row.get(column).map_or("", String::as_str);
            time_ms(field).ok_or_else(|| EvaluateError::malformed(&self.path, "a date and time", format!("{field:?}")))
        };
        self.rows.iter().map(time).collect()
    }
}

/// `2014-02-14 14:30:00` in milliseconds since 1970, taken as UTC; what follows the seconds does not count.
pub fn time_ms(text: &str) -> Option<i64> {
    let date_time: DateTime = text.get(..19)?.parse().ok()?;
    Some(date_time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_taken_as_utc_to_the_second() {
        assert_eq!(time_ms("1970-01-02 00:00:01"), Some(86_401_000));
        assert_eq!(time_ms("1970-01-01 00:00:00.900000"), Some(0));
        assert_eq!(time_ms("1970-01-01"), None);
    }
}
