//! Rows of one device by time, wherever they are kept.

use std::{collections::BTreeMap, ops::ControlFlow};

use rusqlite::{Connection, params};

use super::{
    chunk::PackedRow,
    pack::{self, LONGEST_US},
    values::Names,
};
use crate::{
    domain::{
        Micros,
        ports::{ERASED_VALUES, StoreError},
        series::{MAX_ROWS, Order, PageOf, Position, Row, RowKey, Selection, Span},
        verdict::Verdict,
    },
    store::{
        from_sql,
        readings::{label_from_sql, label_to_sql},
        writer::NO_READING,
    },
};

/// A page of a device's rows.
pub(super) fn page(connection: &Connection, device: i64, page: &PageOf) -> Result<Vec<Row>, StoreError> {
    let limit = page.limit.min(MAX_ROWS);
    let mut rows = Vec::new();
    // What was passed need not be opened again.
    let ends = match (page.after, page.order) {
        (None, _) => (page.span.from(), page.span.to()),
        (Some(after), Order::OldestFirst) => (page.span.from().max(after.time), page.span.to()),
        (Some(after), Order::NewestFirst) => {
            (page.span.from(), page.span.to().min(Micros(after.time.0.saturating_add(1))))
        }
    };
    let Ok(span) = Span::new(ends.0, ends.1) else { return Ok(rows) };
    if limit == 0 {
        return Ok(rows);
    }
    let label = page.label.map(label_to_sql);
    let _ = walk(connection, device, span, page.order, &mut |row| {
        let position = position(&row);
        let passed = page.after.is_some_and(|after| match page.order {
            Order::OldestFirst => position <= after,
            Order::NewestFirst => position >= after,
        });
        if !passed && label.is_none_or(|label| row.label == label) {
            rows.push(shown(row));
        }
        if rows.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(rows)
}

/// Gives a device's rows to a visitor, by time.
pub(super) fn visit(
    connection: &Connection,
    device: i64,
    selection: &Selection<'_>,
    visit: &mut dyn FnMut(Row) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, StoreError> {
    let label = selection.label.map(label_to_sql);
    walk(connection, device, selection.span, Order::OldestFirst, &mut |row| {
        if label.is_none_or(|label| row.label == label) { visit(shown(row)) } else { ControlFlow::Continue(()) }
    })
}

/// How many rows a device has in a span, and in the chunks that reach into it.
pub(super) fn count(connection: &Connection, device: i64, span: Span) -> Result<u64, StoreError> {
    let (from, to) = (span.from().0, span.to().0);
    let sql = "SELECT count(*) FROM reading WHERE device = ? AND time_us >= ? AND time_us < ?";
    let unpacked: i64 = connection.prepare_cached(sql)?.query_row(params![device, from, to], |row| row.get(0))?;
    let sql = "SELECT coalesce(sum(readings), 0) FROM chunk WHERE device = ? AND first_us > ? AND first_us < ? AND last_us >= ?";
    let before = from.saturating_sub(LONGEST_US);
    let packed: i64 = connection.prepare_cached(sql)?.query_row(params![device, before, to, from], |row| row.get(0))?;
    Ok(from_sql(unpacked) + from_sql(packed))
}

/// Gives a device's rows to a visitor, in an order of time. A chunk is opened when the visitor comes to its rows, so
/// that memory holds the chunks that overlap, and the append table's rows of this device.
pub(super) fn walk(
    connection: &Connection,
    device: i64,
    span: Span,
    order: Order,
    visit: &mut dyn FnMut(PackedRow) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, StoreError> {
    let mut ahead: BTreeMap<Position, PackedRow> = BTreeMap::new();
    let take = |rows: Vec<PackedRow>, ahead: &mut BTreeMap<Position, PackedRow>| {
        let within = rows.into_iter().filter(|row| span.contains(Micros(row.time_us)));
        ahead.extend(within.map(|row| (position(&row), row)));
    };
    take(unpacked(connection, device, span)?, &mut ahead);
    let mut chunks = chunks(connection, device, span, order)?.into_iter().peekable();
    loop {
        let next = match order {
            Order::OldestFirst => ahead.first_key_value(),
            Order::NewestFirst => ahead.last_key_value(),
        };
        let next = next.map(|(position, _)| position.time.0);
        let comes_first = |begins: i64| match order {
            Order::OldestFirst => next.is_none_or(|next| begins <= next),
            Order::NewestFirst => next.is_none_or(|next| begins >= next),
        };
        if let Some((id, _)) = chunks.next_if(|(_, begins)| comes_first(*begins)) {
            take(pack::load(connection, id)?.unwrap_or_default(), &mut ahead);
            continue;
        }
        let row = match order {
            Order::OldestFirst => ahead.pop_first(),
            Order::NewestFirst => ahead.pop_last(),
        };
        let Some((_, row)) = row else { return Ok(ControlFlow::Continue(())) };
        if visit(row).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
}

/// The chunks of a device that reach into a span, in order: each with the time at which it begins, as the order goes.
fn chunks(connection: &Connection, device: i64, span: Span, order: Order) -> Result<Vec<(i64, i64)>, StoreError> {
    let sql = "SELECT id, first_us, last_us FROM chunk INDEXED BY chunk_time
               WHERE device = ? AND first_us > ? AND first_us < ? AND last_us >= ?";
    let mut select = connection.prepare_cached(sql)?;
    let (from, to) = (span.from().0, span.to().0);
    let found = select.query_map(params![device, from.saturating_sub(LONGEST_US), to, from], |row| {
        Ok((row.get(0)?, if order == Order::OldestFirst { row.get(1)? } else { row.get(2)? }))
    })?;
    let mut chunks = found.collect::<Result<Vec<(i64, i64)>, _>>()?;
    chunks.sort_by_key(|(id, begins)| (*begins, *id));
    if order == Order::NewestFirst {
        chunks.reverse();
    }
    Ok(chunks)
}

/// A device's packed rows from one time to another, by time.
pub(super) fn packed(connection: &Connection, device: i64, from: i64, to: i64) -> Result<Vec<PackedRow>, StoreError> {
    let Ok(span) = Span::new(Micros(from), Micros(to)) else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    for (id, _) in chunks(connection, device, span, Order::OldestFirst)? {
        rows.extend(pack::load(connection, id)?.unwrap_or_default());
    }
    rows.retain(|row| span.contains(Micros(row.time_us)));
    rows.sort_by_key(position);
    Ok(rows)
}

/// A device's rows of the append table.
pub(super) fn unpacked(connection: &Connection, device: i64, span: Span) -> Result<Vec<PackedRow>, StoreError> {
    let sql = format!("SELECT {} FROM reading WHERE device = ? AND time_us >= ? AND time_us < ?", pack::COLUMNS);
    let mut select = connection.prepare_cached(&sql)?;
    let mut found = select.query(params![device, span.from().0, span.to().0])?;
    let (mut rows, mut names) = (Vec::new(), Names::default());
    while let Some(row) = found.next()? {
        rows.push(pack::read_row(row, &mut names)?);
    }
    Ok(rows)
}

/// Rows of the append table from one number to another, each with its device.
pub(in crate::store) fn unpacked_between(
    connection: &Connection,
    from: i64,
    to: i64,
) -> Result<Vec<(i64, PackedRow)>, StoreError> {
    let sql = format!("SELECT {}, device FROM reading WHERE number >= ? AND number < ?", pack::COLUMNS);
    let mut select = connection.prepare_cached(&sql)?;
    let mut found = select.query(params![from, to])?;
    let (mut rows, mut names) = (Vec::new(), Names::default());
    while let Some(row) = found.next()? {
        rows.push((row.get(10)?, pack::read_row(row, &mut names)?));
    }
    Ok(rows)
}

/// Where a row stands.
fn position(row: &PackedRow) -> Position {
    Position { time: Micros(row.time_us), key: row_key(row) }
}

/// What a row is known by.
fn row_key(row: &PackedRow) -> RowKey {
    match row.kind {
        0 => RowKey::Time,
        NO_READING => RowKey::Silence,
        _ => RowKey::Sequence(from_sql(row.key)),
    }
}

/// A row as it is shown.
fn shown(row: PackedRow) -> Row {
    let key = row_key(&row);
    Row {
        time: Micros(row.time_us),
        key,
        erased: key != RowKey::Silence && row.values.text() == ERASED_VALUES,
        values: row.values.numbers(),
        verdict: Verdict {
            score: row.score,
            threshold: row.threshold,
            label: label_from_sql(row.label),
            model_version: row.model,
        },
        entry: row.entry.map(from_sql),
    }
}
