//! What the commands read: files of other people, and the store. One place for all of them, so that a column, a time
//! or a missing value means the same in each. Nothing here judges.

mod columns;
mod field;
mod label;
mod labelled;
mod readings;
mod rows;
mod sample;
mod series;
mod source;
mod table;
mod time;

#[cfg(test)]
mod tests;

pub(crate) use columns::Named;
pub(crate) use field::is_missing;
pub(crate) use label::is_anomalous;
pub(crate) use labelled::Labelled;
pub(crate) use readings::{Found, Origin, Reading, Readings, Stop};
pub(crate) use rows::Rows;
pub(crate) use sample::{Sample, fill, places};
pub(crate) use series::Series;
pub(crate) use source::{Source, is_stdin};
pub(crate) use table::{Table, TableOptions};

/// Says on standard error what the user should know about how a file was read.
pub(crate) fn say(notes: &[String]) {
    for note in notes {
        eprintln!("note: {note}");
    }
}
