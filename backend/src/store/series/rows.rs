//! Rows of one device, by time.

use std::{ops::ControlFlow, sync::Arc};

use rusqlite::{Connection, params};

use super::super::{from_sql, readings::label_from_sql, writer::NO_READING};
use crate::domain::{
    Micros,
    ports::{ERASED_VALUES, StoreError},
    series::{MAX_ROWS, Order, PageOf, Position, Row, RowKey, Selection, Span},
    verdict::Verdict,
};

/// A page of a device's rows.
pub(super) fn page(connection: &Connection, device: i64, page: &PageOf) -> Result<Vec<Row>, StoreError> {
    let mut rows = unpacked(connection, device, page.span)?;
    if page.order == Order::NewestFirst {
        rows.reverse();
    }
    let passed = |position: Position| match (page.after, page.order) {
        (None, _) => false,
        (Some(after), Order::OldestFirst) => position <= after,
        (Some(after), Order::NewestFirst) => position >= after,
    };
    rows.retain(|row| !passed(row.position()) && page.label.is_none_or(|label| row.verdict.label == label));
    rows.truncate(page.limit.min(MAX_ROWS));
    Ok(rows)
}

/// Gives a device's rows to a visitor, by time.
pub(super) fn visit(
    connection: &Connection,
    device: i64,
    selection: &Selection<'_>,
    visit: &mut dyn FnMut(Row) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, StoreError> {
    for row in unpacked(connection, device, selection.span)? {
        if selection.label.is_none_or(|label| row.verdict.label == label) && visit(row).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// How many rows a device has in a span.
pub(super) fn count(connection: &Connection, device: i64, span: Span) -> Result<u64, StoreError> {
    let sql = "SELECT count(*) FROM reading WHERE device = ? AND time_us >= ? AND time_us < ?";
    let mut select = connection.prepare_cached(sql)?;
    Ok(select.query_row(params![device, span.from().0, span.to().0], |row| Ok(from_sql(row.get(0)?)))?)
}

/// A device's rows of the append table, by time.
pub(super) fn unpacked(connection: &Connection, device: i64, span: Span) -> Result<Vec<Row>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT by_sequence, key, time_us, metrics, score, threshold, label, model_version, entry FROM reading
         WHERE device = ? AND time_us >= ? AND time_us < ?",
    )?;
    let mut found = select.query(params![device, span.from().0, span.to().0])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let (kind, key): (i64, i64) = (row.get(0)?, row.get(1)?);
        let text: String = row.get(3)?;
        rows.push(Row {
            time: Micros(row.get(2)?),
            key: row_key(kind, key),
            erased: text == ERASED_VALUES && kind != NO_READING,
            values: values(&text)?,
            verdict: Verdict {
                score: row.get(4)?,
                threshold: row.get(5)?,
                label: label_from_sql(row.get(6)?),
                model_version: Arc::from(row.get::<_, String>(7)?),
            },
            entry: row.get::<_, Option<i64>>(8)?.map(from_sql),
        });
    }
    rows.sort_by_key(Row::position);
    Ok(rows)
}

/// What a row is known by, from its two columns.
fn row_key(kind: i64, key: i64) -> RowKey {
    match kind {
        0 => RowKey::Time,
        NO_READING => RowKey::Silence,
        _ => RowKey::Sequence(from_sql(key)),
    }
}

/// The values of a stored text.
pub(super) fn values(text: &str) -> Result<Vec<(String, f64)>, StoreError> {
    if text == ERASED_VALUES {
        return Ok(Vec::new());
    }
    let values: std::collections::BTreeMap<String, f64> =
        serde_json::from_str(text).map_err(|error| StoreError::Damaged(format!("a reading's values: {error}")))?;
    Ok(values.into_iter().collect())
}
