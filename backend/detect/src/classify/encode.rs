//! From cells to numbers: what trees compare. Learns from training rows only.
//!
//! Numbers stay what they are. A word becomes the share of its training rows that do not belong to the most frequent
//! class, drawn towards the share of all rows where it has few (D. Micci-Barreca, "A preprocessing scheme for
//! high-cardinality categorical attributes", SIGKDD Explorations 2001): one column a category, and a word that was never
//! seen gets the share of all. A missing number becomes the median of the training rows.

use super::{
    columns::{Column, ColumnKind, MAX_NAME, Matching},
    table::{LARGEST, LabelledTable, MAX_WORDS, number},
};
use crate::{
    DetectError,
    bytes::{Reader, Writer},
};

/// A word with that many rows is trusted as much as all rows together.
const TRUST: f64 = 10.0;

/// How one column becomes numbers.
#[derive(Clone, Debug, PartialEq)]
struct Encoding {
    /// What a missing cell or an unknown word becomes.
    usual: f64,
    /// Words in ascending order with what they become; none for a column of numbers.
    words: Vec<(String, f64)>,
}

/// How the columns of a table become numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Encoder {
    pub(super) columns: Vec<Column>,
    encodings: Vec<Encoding>,
    /// Whether cells and columns may be missing.
    pub(super) impute: bool,
}

impl Encoder {
    /// Learns from those `rows` of a table, at least one; `rare` says whether a row is not of the most frequent class.
    pub(super) fn learn(table: &LabelledTable, rows: &[usize], rare: &[bool], impute: bool) -> Self {
        let columns = table.columns().to_vec();
        let share = rows.iter().filter(|row| rare[**row]).count() as f64 / rows.len() as f64;
        let encodings = columns.iter().enumerate().map(|(place, column)| match column.kind {
            ColumnKind::Number => Encoding { usual: median(table, rows, place), words: Vec::new() },
            ColumnKind::Category => Encoding { usual: share, words: words(table, rows, rare, place, share) },
        });
        Self { encodings: encodings.collect(), columns, impute }
    }

    /// A row of the table that the encoder has learnt from.
    ///
    /// # Errors
    /// [`DetectError::Malformed`] for a missing cell, if that is not allowed.
    pub(super) fn table_row(&self, table: &LabelledTable, row: usize, into: &mut Vec<f64>) -> Result<(), DetectError> {
        for (place, cell) in table.row(row).iter().enumerate() {
            let encoding = &self.encodings[place];
            let value = match self.columns[place].kind {
                _ if cell.is_nan() => self.missing(place)?,
                ColumnKind::Number => *cell,
                ColumnKind::Category => encoding.word(&table.words(place)[*cell as usize]),
            };
            into.push(value);
        }
        Ok(())
    }

    /// A row of another file.
    ///
    /// # Errors
    /// [`DetectError::Malformed`] for another number of cells than the header had, text in a column of numbers, or a
    /// missing cell, if that is not allowed.
    pub(super) fn cells(&self, matching: &Matching, cells: &[&str], into: &mut Vec<f64>) -> Result<(), DetectError> {
        if cells.len() != matching.width || matching.places.len() != self.columns.len() {
            return Err(DetectError::malformed("row", format!("{} cells", matching.width), cells.len()));
        }
        for (place, found) in matching.places.iter().enumerate() {
            let cell = found.map_or("", |found| cells[found].trim());
            let column = &self.columns[place];
            let value = match column.kind {
                ColumnKind::Category if !cell.is_empty() => self.encodings[place].word(cell),
                ColumnKind::Category => self.missing(place)?,
                ColumnKind::Number => match number(column, cell)? {
                    value if value.is_nan() => self.missing(place)?,
                    value => value,
                },
            };
            into.push(value);
        }
        Ok(())
    }

    fn missing(&self, place: usize) -> Result<f64, DetectError> {
        if self.impute {
            return Ok(self.encodings[place].usual);
        }
        let expected = format!("a value in column {:?}", self.columns[place].name);
        Err(DetectError::malformed("row", expected, "an empty cell or one that is not finite"))
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u8(u8::from(self.impute));
        writer.u16(self.columns.len() as u16);
        for (column, encoding) in self.columns.iter().zip(&self.encodings) {
            writer.text(&column.name);
            writer.u8(u8::from(column.kind == ColumnKind::Category));
            writer.f64(encoding.usual);
            writer.u16(encoding.words.len() as u16);
            for (word, value) in &encoding.words {
                writer.text(word);
                writer.f64(*value);
            }
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        let impute = flag(reader)?;
        let count = usize::from(reader.u16()?);
        let mut columns = Vec::new();
        let mut encodings = Vec::new();
        for _ in 0..count {
            let name = reader.text()?;
            let kind = if flag(reader)? { ColumnKind::Category } else { ColumnKind::Number };
            columns.push(Column::new(&name, kind)?);
            encodings.push(Encoding::read(reader, kind)?);
        }
        super::columns::distinct(&columns)?;
        Ok(Self { columns, encodings, impute })
    }
}

impl Encoding {
    fn word(&self, word: &str) -> f64 {
        let found = self.words.binary_search_by(|(known, _)| known.as_str().cmp(word));
        found.map_or(self.usual, |place| self.words[place].1)
    }

    fn read(reader: &mut Reader<'_>, kind: ColumnKind) -> Result<Self, DetectError> {
        let usual = reader.f64()?;
        let count = usize::from(reader.u16()?);
        if count > if kind == ColumnKind::Category { MAX_WORDS } else { 0 } {
            return Err(reader.error("at most 4096 words, and none for numbers", count));
        }
        let words: Vec<(String, f64)> =
            (0..count).map(|_| Ok((reader.text()?, reader.f64()?))).collect::<Result<_, DetectError>>()?;
        if !words.is_sorted_by(|a, b| a.0 < b.0) || words.iter().any(|(word, _)| word.len() > MAX_NAME) {
            return Err(reader.error("words of at most 128 bytes in ascending order", "others"));
        }
        if usual.abs() > LARGEST {
            return Err(reader.error("at most 4e307 in size", usual));
        }
        Ok(Self { usual, words })
    }
}

fn flag(reader: &mut Reader<'_>) -> Result<bool, DetectError> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(reader.error("0 or 1", other)),
    }
}

/// Of the numbers that are there; 0 if none is.
fn median(table: &LabelledTable, rows: &[usize], place: usize) -> f64 {
    let mut values: Vec<f64> = rows.iter().map(|row| table.row(*row)[place]).filter(|value| !value.is_nan()).collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn words(table: &LabelledTable, rows: &[usize], rare: &[bool], place: usize, share: f64) -> Vec<(String, f64)> {
    let mut counts = vec![(0u32, 0u32); table.words(place).len()];
    for row in rows {
        let cell = table.row(*row)[place];
        if !cell.is_nan() {
            let count = &mut counts[cell as usize];
            *count = (count.0 + 1, count.1 + u32::from(rare[*row]));
        }
    }
    let seen = counts.iter().enumerate().filter(|(_, count)| count.0 > 0);
    let value = |count: &(u32, u32)| (f64::from(count.1) + TRUST * share) / (f64::from(count.0) + TRUST);
    let mut words: Vec<_> = seen.map(|(word, count)| (table.words(place)[word].clone(), value(count))).collect();
    words.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    words
}
