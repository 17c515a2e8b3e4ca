//! Erasing values within chunks: the chunk is written anew under another id, and the old one is deleted.

use std::collections::HashSet;

use rusqlite::{Connection, params};

use super::{
    chunk::{PackedRow, Values},
    pack, sums,
};
use crate::{
    domain::ports::{ERASED_VALUES, StoreError},
    store::to_sql,
};

/// What a chunk was like before values in it were erased.
pub(in crate::store) struct Opened {
    /// Its device's id.
    pub(in crate::store) device: i64,
    /// Its bytes.
    pub(in crate::store) bytes: Vec<u8>,
    /// The rows whose values are erased now, as they were.
    pub(in crate::store) rows: Vec<PackedRow>,
}

/// Whether a row has values.
fn has_values(row: &PackedRow) -> bool {
    row.values.text() != ERASED_VALUES
}

/// Erases the values of those rows of a chunk that are chosen. `None` if none of them has any.
pub(in crate::store) fn erase_in(
    connection: &Connection,
    id: i64,
    chosen: &dyn Fn(&PackedRow) -> bool,
) -> Result<Option<Opened>, StoreError> {
    let Some(mut rows) = pack::load(connection, id)? else { return Ok(None) };
    let mut before = Vec::new();
    for row in rows.iter_mut().filter(|row| has_values(row) && chosen(row)) {
        before.push(row.clone());
        row.values = Values::Text(ERASED_VALUES.to_owned());
    }
    if before.is_empty() {
        return Ok(None);
    }
    let sql = "DELETE FROM chunk WHERE id = ? RETURNING device, bytes";
    let (device, bytes): (i64, Vec<u8>) = connection.query_row(sql, [id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    pack::insert(connection, device, &rows)?;
    Ok(Some(Opened { device, bytes, rows: before }))
}

/// Erases the values of the readings of these entries (a JSON array), and takes them out of the sums.
pub(in crate::store) fn erase_entries(
    connection: &Connection,
    entries: &HashSet<i64>,
    gone: &mut dyn FnMut(&Opened) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for id in of_entries(connection, entries)? {
        let chosen = |row: &PackedRow| row.entry.is_some_and(|entry| entries.contains(&entry));
        let Some(opened) = erase_in(connection, id, &chosen)? else { continue };
        let times: Vec<i64> = opened.rows.iter().map(|row| row.time_us).collect();
        sums::make_anew(connection, opened.device, &times)?;
        gone(&opened)?;
    }
    Ok(())
}

/// The chunks that may hold readings of these entries.
fn of_entries(connection: &Connection, entries: &HashSet<i64>) -> Result<Vec<i64>, StoreError> {
    let mut select = connection.prepare_cached("SELECT id FROM chunk WHERE entry_low <= ?1 AND entry_high >= ?1")?;
    let mut ids = HashSet::new();
    for entry in entries {
        for id in select.query_map([entry], |row| row.get::<_, i64>(0))? {
            ids.insert(id?);
        }
    }
    let mut ids: Vec<i64> = ids.into_iter().collect();
    ids.sort_unstable();
    Ok(ids)
}

/// The devices of the packed readings of these entries, by id.
pub(in crate::store) fn devices_of(connection: &Connection, entries: &HashSet<i64>) -> Result<Vec<i64>, StoreError> {
    let mut devices = Vec::new();
    for id in of_entries(connection, entries)? {
        let rows = pack::load(connection, id)?.unwrap_or_default();
        if rows.iter().any(|row| row.entry.is_some_and(|entry| entries.contains(&entry))) {
            devices.push(connection.query_row("SELECT device FROM chunk WHERE id = ?", [id], |row| row.get(0))?);
        }
    }
    Ok(devices)
}

/// The next chunk of a device after an id, of those with rows up to a number.
pub(in crate::store) fn next_of(
    connection: &Connection,
    device: i64,
    after: i64,
    newest: i64,
) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT min(id) FROM chunk WHERE device = ? AND id > ? AND first_number <= ?";
    Ok(connection.prepare_cached(sql)?.query_row(params![device, after, newest], |row| row.get(0))?)
}

/// How many packed rows of a device have values.
pub(in crate::store) fn with_values(connection: &Connection, device: i64) -> Result<u64, StoreError> {
    let (mut count, mut after) = (0, 0);
    while let Some(id) = next_of(connection, device, after, i64::MAX)? {
        let rows = pack::load(connection, id)?.unwrap_or_default();
        count += rows.iter().filter(|row| has_values(row)).count() as u64;
        after = id;
    }
    Ok(count)
}

/// The entries of a device's packed readings.
pub(in crate::store) fn entries_of(connection: &Connection, device: i64) -> Result<Vec<u64>, StoreError> {
    let mut select =
        connection.prepare_cached("SELECT id FROM chunk WHERE device = ? AND entry_low IS NOT NULL ORDER BY id")?;
    let ids = select.query_map([device], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    let mut entries = Vec::new();
    for id in ids {
        let rows = pack::load(connection, id)?.unwrap_or_default();
        entries.extend(rows.into_iter().filter_map(|row| row.entry).filter_map(|entry| u64::try_from(entry).ok()));
    }
    Ok(entries)
}

/// Whether a packed reading has this time and these values.
pub(in crate::store) fn has_reading(connection: &Connection, time_us: i64, metrics: &str) -> Result<bool, StoreError> {
    let mut select = connection.prepare_cached("SELECT id FROM chunk WHERE first_us <= ?1 AND last_us >= ?1")?;
    let ids = select.query_map([time_us], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    for id in ids {
        let rows = pack::load(connection, id)?.unwrap_or_default();
        if rows.iter().any(|row| row.time_us == time_us && row.values.text() == metrics) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Numbers of a JSON array's kind, for a look-up.
pub(in crate::store) fn set(numbers: &[u64]) -> HashSet<i64> {
    numbers.iter().map(|number| to_sql(*number)).collect()
}
