//! Rows of a table to learn from: all of them, or so many drawn evenly where there are more. Learns nothing itself.

use simulate::random::Random;

use super::table::Table;
use crate::cli::WrongUse;

/// What the drawing of rows is for, so that it shares no random numbers with anything else.
const PURPOSE: u64 = 0x7461_626c_6572_6f77;

/// Rows of a table.
pub(crate) struct Sample {
    /// The columns' names, in the order of the file.
    pub(crate) columns: Vec<String>,
    /// The numbers, row by row; a missing one is the median of its column.
    pub(crate) rows: Vec<f32>,
    /// What stands in for a missing number, for each column.
    pub(crate) medians: Vec<f32>,
    /// Rows of the file.
    pub(crate) seen: u64,
}

impl Sample {
    /// Reads a table to its end, and keeps at most so many numbers.
    pub(crate) fn of(table: &mut Table, seed: u64, most: usize) -> Result<Self, WrongUse> {
        let columns = table.names().to_vec();
        let room = (most / columns.len().max(1)).max(1);
        let mut random = Random::for_purpose(seed, 0, PURPOSE);
        let (mut rows, mut kept, mut seen): (Vec<f32>, usize, u64) = (Vec::new(), 0, 0);
        while let Some(row) = table.next()? {
            seen += 1;
            if kept < room {
                rows.extend_from_slice(row.numbers);
                kept += 1;
                continue;
            }
            // Vitter's algorithm R: after n rows each is kept with the same probability, room / n.
            let place = (random.unit() * seen as f64) as usize;
            if place < room {
                rows[place * columns.len()..][..columns.len()].copy_from_slice(row.numbers);
            }
        }
        let medians = medians(&rows, columns.len());
        fill(&mut rows, &medians);
        Ok(Self { columns, rows, medians, seen })
    }
}

/// Puts the median in the place of each missing number.
pub(crate) fn fill(rows: &mut [f32], medians: &[f32]) {
    for row in rows.chunks_mut(medians.len().max(1)) {
        for (number, median) in row.iter_mut().zip(medians) {
            if number.is_nan() {
                *number = *median;
            }
        }
    }
}

/// The median of each column; 0 for one without any number.
fn medians(rows: &[f32], columns: usize) -> Vec<f32> {
    let of = |column: usize| {
        let mut numbers: Vec<f32> =
            rows.iter().skip(column).step_by(columns).copied().filter(|number| !number.is_nan()).collect();
        let middle = numbers.len() / 2;
        if numbers.is_empty() { 0.0 } else { *numbers.select_nth_unstable_by(middle, f32::total_cmp).1 }
    };
    (0..columns).map(of).collect()
}

/// For each column that was learnt, its place among these; by name, so that order and further columns do not matter.
pub(crate) fn places(learnt: &[String], table: &Table) -> Result<Vec<usize>, WrongUse> {
    let place = |name: &String| table.names().iter().position(|other| other == name);
    let missing: Vec<&str> = learnt.iter().filter(|name| place(name).is_none()).map(String::as_str).collect();
    if missing.is_empty() {
        return Ok(learnt.iter().filter_map(place).collect());
    }
    Err(WrongUse(format!(
        "{} lacks columns that were learnt from: {}; --ignore leaves a column out of both",
        table.file(),
        missing.join(", ")
    )))
}
