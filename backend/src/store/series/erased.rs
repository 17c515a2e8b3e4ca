//! Erasing values within chunks: the chunk is written anew under another id, and the old one is deleted.

use std::collections::HashSet;

use rusqlite::{Connection, params};

use super::{chunk::PackedRow, pack, sums, values::Values};
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{path::Path, time::Duration};

    use crate::{
        domain::{
            DeviceName, Micros, Millis,
            ports::{PackRule, Series as _, Upkeep as _},
            series::{Span, Steps},
        },
        store::{Reader, SqliteWriter, erase::Eraser},
    };

    const MINUTE_US: i64 = 60_000_000;

    /// Two devices of 300 readings, a minute apart, whose value is their number; every hundredth has an entry. All are
    /// packed.
    fn packed(dir: &Path) {
        drop(SqliteWriter::create(dir).unwrap());
        let connection = crate::store::open_existing(dir).unwrap();
        let filled = format!(
            "INSERT INTO device (id, name, pseudonym, profile, state) VALUES (1, 'one', 'a', 'generic', x'');
             INSERT INTO device (id, name, pseudonym, profile, state) VALUES (2, 'two', 'b', 'generic', x'');
             INSERT INTO reading (device, by_sequence, key, number, time_us, metrics, score, threshold, label,
                 model_version, entry)
                 WITH RECURSIVE n (n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM n WHERE n < 599)
                 SELECT 1 + n % 2, 1, n / 2, n, n / 2 * {MINUTE_US}, '{{\"t\":' || (n / 2) || '.0}}', 0, 0, 0, 'm',
                     iif(n % 200 = 0, n / 200, NULL) FROM n;
             UPDATE next_number SET number = 600;"
        );
        connection.execute_batch(&filled).unwrap();
        let mut writer = SqliteWriter::open_existing(dir).unwrap();
        let rule = PackRule { any_after: Duration::ZERO, ..PackRule::after(128) };
        while writer.pack(Millis(1_000_000_000_000), &rule).unwrap() > 0 {}
        let left: i64 = connection.query_row("SELECT count(*) FROM reading", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 0);
    }

    /// Count, sum and maximum of a device's values by hour.
    fn sums(dir: &Path, device: &str) -> Vec<(u64, f64, f64)> {
        let steps = Steps::new(Span::new(Micros(0), Micros(300 * MINUTE_US)).unwrap(), Duration::from_secs(3_600));
        let buckets =
            Reader::open(dir).unwrap().buckets(&DeviceName::new(device).unwrap(), "t", steps.unwrap()).unwrap();
        buckets.iter().map(|bucket| (bucket.count, bucket.sum, bucket.max)).collect()
    }

    #[test]
    fn an_entry_s_reading_goes_out_of_its_chunk_and_of_the_sums() {
        let dir = tempfile::tempdir().unwrap();
        packed(dir.path());
        let before = sums(dir.path(), "one");
        assert_eq!((before.len(), before[1]), (5, (60, f64::from((60..120).sum::<i32>()), 119.0)));
        let mut eraser = Eraser::open(dir.path()).unwrap();
        let mut gone = 0;
        // Entry 1 is the reading of minute 100.
        eraser.entries(&[1], &mut |_| gone += 1).unwrap();
        assert_eq!(gone, 2, "the reading, and the chunk as it was");
        let after = sums(dir.path(), "one");
        assert_eq!(after[1], (59, before[1].1 - 100.0, 119.0));
        assert_eq!((after[0], &after[2..]), (before[0], &before[2..]));
        assert_eq!(sums(dir.path(), "two"), before);
        assert_eq!(eraser.device("one").unwrap().readings, 299);
        // A second time there is nothing.
        eraser.entries(&[1], &mut |_| gone += 1).unwrap();
        assert_eq!(gone, 2);
    }

    #[test]
    fn a_device_s_values_go_out_of_all_its_chunks_and_the_other_s_stay() {
        let dir = tempfile::tempdir().unwrap();
        packed(dir.path());
        let before = sums(dir.path(), "two");
        let mut eraser = Eraser::open(dir.path()).unwrap();
        assert_eq!(eraser.readings("one", &mut |_| {}).unwrap(), 300);
        assert_eq!((eraser.device("one").unwrap().readings, sums(dir.path(), "one")), (0, vec![]));
        assert_eq!((eraser.device("two").unwrap().readings, sums(dir.path(), "two")), (300, before));
        // The rows stay, so that a reading that comes again is recognised.
        let kept = "SELECT sum(readings) FROM chunk WHERE device = 1";
        let connection = crate::store::open_existing(dir.path()).unwrap();
        assert_eq!(connection.query_row::<i64, _, _>(kept, [], |row| row.get(0)).unwrap(), 300);
    }
}
