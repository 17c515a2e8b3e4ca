//! What people said of findings.

use std::collections::HashMap;

use ledger::audit::Record;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{from_sql, pool::Reader, to_sql};
use crate::domain::{
    Millis,
    ports::StoreError,
    verdict::{Feedback, FeedbackVerdict},
};

/// What was said of the finding at this index.
pub(super) fn of(connection: &Connection, index: u64) -> Result<Option<Feedback>, StoreError> {
    let mut select = connection.prepare_cached("SELECT idx, real, comment, given_ms FROM feedback WHERE idx = ?")?;
    Ok(select.query_row([to_sql(index)], |row| row_at(row, 0)).optional()?.flatten())
}

impl Reader {
    /// All that was said of findings, by index. People have said it, so there is little.
    pub(crate) fn all_feedback(&self) -> Result<HashMap<u64, FeedbackVerdict>, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare("SELECT idx, real, comment, given_ms FROM feedback")?;
            let rows = select.query_map([], |row| row_at(row, 0))?;
            let said = rows.filter_map(Result::transpose).map(|row| row.map(|said| (said.index, said.verdict)));
            Ok(said.collect::<Result<_, _>>()?)
        })
    }
}

/// Reads index, verdict, comment and time from four columns; `None` where nothing was said.
pub(super) fn row_at(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Feedback>> {
    let Some(index) = row.get::<_, Option<i64>>(first)? else { return Ok(None) };
    Ok(Some(Feedback {
        index: from_sql(index),
        verdict: if row.get(first + 1)? { FeedbackVerdict::Real } else { FeedbackVerdict::FalseAlarm },
        comment: row.get(first + 2)?,
        at: Millis(row.get(first + 3)?),
    }))
}

/// Commits what was said, and that it was.
pub(super) fn record(connection: &Connection, feedback: &[(Feedback, Record)]) -> Result<(), StoreError> {
    let mut insert =
        connection.prepare_cached("INSERT INTO feedback (idx, real, comment, given_ms) VALUES (?, ?, ?, ?)")?;
    for (Feedback { index, verdict, comment, at }, record) in feedback {
        insert.execute(params![to_sql(*index), *verdict == FeedbackVerdict::Real, comment, at.0])?;
        super::audit::add(connection, record)?;
    }
    Ok(())
}
