//! Erasure: payload, salt and a reading's values go; the entry, the reading's key and its verdict stay.
//!
//! Deleting is one matter, and no byte being left in any file another: `rewrite` and `shorten` are for that.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    from_sql, schema,
    series::{PackedRow, delete_sums, device_of, erased},
    to_sql,
};
use crate::domain::ports::{ERASED_VALUES, StoreError};

/// Readings erased in one transaction: a tenth of a second at most, so that a service at work waits no longer.
const STEP: i64 = 5_000;

/// While it waits for others, a service at work waits for it: so each try is short, and there are several.
const BUSY: std::time::Duration = std::time::Duration::from_millis(500);

/// What an entry still has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// There is no such entry.
    NoEntry,
    /// An entry of a kind without payload.
    NoPayload,
    /// Its payload is erased.
    Erased,
    /// Payload and salt.
    Payload,
}

/// What is known of a device before it is erased.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DeviceHeld {
    /// Whether the device or a payload of it is stored at all.
    pub(crate) known: bool,
    /// Entries with a payload of this device.
    pub(crate) entries: Vec<u64>,
    /// Readings whose values are stored.
    pub(crate) readings: u64,
    /// Findings that are no entry yet.
    pub(crate) waiting: u64,
}

/// A row as it was before it was erased: what has to be looked for afterwards.
pub(crate) enum Gone {
    /// A payload.
    Payload {
        /// The entry's bytes.
        entry: Vec<u8>,
        /// The salt.
        salt: Vec<u8>,
    },
    /// A reading's values.
    Reading {
        /// The device's name in the log.
        pseudonym: String,
        /// Where the device gives one.
        sequence: Option<i64>,
        time_us: i64,
        /// The values' text.
        metrics: String,
    },
    /// Packed readings, some of whose values were erased.
    Chunk {
        /// The bytes as they were.
        bytes: Vec<u8>,
    },
}

/// A connection that erases, also beside a service at work.
pub(crate) struct Eraser {
    connection: Connection,
}

impl Eraser {
    /// Opens the database in this directory. It exists, and was made by this version.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let connection = super::open_existing(data_dir)?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if usize::try_from(version).ok() != Some(schema::VERSION) {
            let expected = schema::VERSION;
            let why = format!("expected schema version {expected}, found {version}: start this version's service once");
            return Err(StoreError::Damaged(why));
        }
        connection.busy_timeout(BUSY)?;
        Ok(Self { connection })
    }

    /// What an entry still has.
    pub(crate) fn held(&self, index: u64) -> Result<Held, StoreError> {
        let sql = "SELECT kind, EXISTS (SELECT 1 FROM payload WHERE payload.idx = entry.idx) FROM entry WHERE idx = ?";
        let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?));
        Ok(match self.connection.query_row(sql, [to_sql(index)], row).optional()? {
            None => Held::NoEntry,
            Some((_, true)) => Held::Payload,
            Some((kind, false)) if kind == "anomaly" => Held::Erased,
            Some(_) => Held::NoPayload,
        })
    }

    /// What is stored of a device. Payloads are looked for by the name in them, so those without a reading are found.
    pub(crate) fn device(&self, name: &str) -> Result<DeviceHeld, StoreError> {
        let id: Option<i64> =
            self.connection.query_row("SELECT id FROM device WHERE name = ?", [name], |row| row.get(0)).optional()?;
        let mut select = self.connection.prepare(
            "SELECT idx FROM payload WHERE json_valid(CAST(bytes AS TEXT))
             AND json_extract(CAST(bytes AS TEXT), '$.device') = ? ORDER BY idx",
        )?;
        let entries = select.query_map([name], |row| Ok(from_sql(row.get(0)?)))?.collect::<Result<Vec<_>, _>>()?;
        let count = |sql: &str| match id {
            None => Ok(0),
            Some(id) => self.connection.query_row(sql, [id], |row| row.get(0)).map(from_sql),
        };
        let unpacked = count("SELECT count(*) FROM reading WHERE device = ? AND metrics <> ''")?;
        let packed = id.map_or(Ok(0), |id| erased::with_values(&self.connection, id))?;
        let readings = unpacked + packed;
        let waiting = count("SELECT count(*) FROM queue WHERE device = ?")?;
        Ok(DeviceHeld { known: id.is_some() || !entries.is_empty(), entries, readings, waiting })
    }

    /// Salts of those of these entries that have one.
    pub(crate) fn salts(&self, indexes: &[u64]) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let mut select = self
            .connection
            .prepare("SELECT idx, salt FROM payload WHERE idx IN (SELECT value FROM json_each(?)) ORDER BY idx")?;
        let rows = select.query_map([list(indexes)], |row| Ok((from_sql(row.get(0)?), row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The transactions of the outbox that are kept to be sent again: size and bytes.
    pub(crate) fn outbox(&self) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let mut select = self.connection.prepare("SELECT size, raw FROM anchor WHERE length(raw) > 0 ORDER BY size")?;
        let rows = select.query_map([], |row| Ok((from_sql(row.get(0)?), row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Empties these transactions of the outbox. The anchorer makes others in their place.
    pub(crate) fn empty_outbox(&self, sizes: &[u64]) -> Result<(), StoreError> {
        let sql = "UPDATE anchor SET raw = x'' WHERE size IN (SELECT value FROM json_each(?))";
        self.connection.execute(sql, [list(sizes)])?;
        Ok(())
    }

    /// Erases payloads and salts of these entries, and the values of their readings. In one transaction.
    pub(crate) fn entries(&mut self, indexes: &[u64], gone: &mut dyn FnMut(Gone)) -> Result<(), StoreError> {
        let transaction = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let list = list(indexes);
        payloads(&transaction, &list, gone)?;
        {
            let sql =
                "SELECT pseudonym, by_sequence, key, time_us, metrics FROM reading JOIN device ON device.id = device
                       WHERE entry IN (SELECT value FROM json_each(?)) AND metrics <> ''";
            let mut select = transaction.prepare(sql)?;
            for row in select.query_map([&list], reading)? {
                gone(row?);
            }
        }
        let sql = "UPDATE reading SET metrics = ? WHERE entry IN (SELECT value FROM json_each(?))";
        transaction.execute(sql, params![ERASED_VALUES, list])?;
        erased::erase_entries(&transaction, &erased::set(indexes), &mut |opened| tell(&transaction, opened, gone))?;
        Ok(transaction.commit()?)
    }

    /// Erases payloads and salts of these entries alone: for a device all of whose readings are erased as well.
    pub(crate) fn payloads(&mut self, indexes: &[u64], gone: &mut dyn FnMut(Gone)) -> Result<(), StoreError> {
        let transaction = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        payloads(&transaction, &list(indexes), gone)?;
        Ok(transaction.commit()?)
    }

    /// Erases the values of a device's readings, step by step; those that arrive meanwhile are left. Gives how many.
    pub(crate) fn readings(&mut self, device: &str, gone: &mut dyn FnMut(Gone)) -> Result<u64, StoreError> {
        let Some(id) = device_of(&self.connection, device)? else { return Ok(0) };
        let newest: i64 = self.connection.query_row("SELECT number - 1 FROM next_number", [], |row| row.get(0))?;
        // The append table first: what is packed meanwhile is met among the chunks.
        let unpacked = self.unpacked(id, newest, gone)?;
        Ok(unpacked + self.packed(id, newest, gone)?)
    }

    fn unpacked(&mut self, device: i64, newest: i64, gone: &mut dyn FnMut(Gone)) -> Result<u64, StoreError> {
        let mut erased = 0;
        let mut after = (-1, i64::MIN);
        loop {
            let transaction = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let mut count = 0;
            let first = after;
            {
                let mut select = transaction.prepare_cached(
                    "SELECT pseudonym, by_sequence, key, time_us, metrics
                     FROM reading JOIN device ON device.id = device
                     WHERE device = ? AND (by_sequence, key) > (?, ?)
                     AND metrics <> '' AND number <= ? ORDER BY by_sequence, key LIMIT ?",
                )?;
                let mut rows = select.query(params![device, after.0, after.1, newest, STEP])?;
                while let Some(row) = rows.next()? {
                    after = (row.get(1)?, row.get(2)?);
                    count += 1;
                    gone(reading(row)?);
                }
            }
            let sql = "UPDATE reading SET metrics = ? WHERE device = ? AND (by_sequence, key) > (?, ?)
                       AND (by_sequence, key) <= (?, ?) AND metrics <> '' AND number <= ?";
            transaction.execute(sql, params![ERASED_VALUES, device, first.0, first.1, after.0, after.1, newest])?;
            transaction.commit()?;
            erased += count;
            if count < from_sql(STEP) {
                return Ok(erased);
            }
        }
    }

    /// The same within chunks, each in a transaction; then what was summed up of them.
    fn packed(&mut self, device: i64, newest: i64, gone: &mut dyn FnMut(Gone)) -> Result<u64, StoreError> {
        let (mut count, mut after) = (0, 0);
        while let Some(id) = erased::next_of(&self.connection, device, after, newest)? {
            let transaction = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            if let Some(opened) = erased::erase_in(&transaction, id, &|row| row.number <= newest)? {
                count += opened.rows.len() as u64;
                tell(&transaction, &opened, gone)?;
            }
            transaction.commit()?;
            after = id;
        }
        delete_sums(&self.connection, device)?;
        Ok(count)
    }

    /// The devices that these entries' readings came from.
    pub(crate) fn devices_of(&self, indexes: &[u64]) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT name FROM device WHERE id IN (SELECT value FROM json_each(?2))
                   OR id IN (SELECT device FROM reading WHERE entry IN (SELECT value FROM json_each(?1))) ORDER BY name";
        let packed = erased::devices_of(&self.connection, &erased::set(indexes))?;
        let packed = list(&packed.into_iter().map(from_sql).collect::<Vec<_>>());
        let mut select = self.connection.prepare(sql)?;
        Ok(select.query_map([list(indexes), packed], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// Puts a device's detector state in place, and erases those that are kept with its findings, entries or not yet: each
    /// remembers values from before its reading. Only while no service runs: it would write its own again.
    pub(crate) fn put_state(&mut self, device: &str, state: &[u8]) -> Result<(), StoreError> {
        let transaction = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute("UPDATE device SET state = ? WHERE name = ?", params![state, device])?;
        let Some(id) = device_of(&transaction, device)? else { return Ok(()) };
        let packed = list(&erased::entries_of(&transaction, id)?);
        let sql = "UPDATE payload SET state = NULL WHERE idx IN
                   (SELECT entry FROM reading WHERE device = ? AND entry IS NOT NULL UNION SELECT value FROM json_each(?))";
        transaction.execute(sql, params![id, packed])?;
        // A finding that waits to become an entry brings its own.
        let sql = "UPDATE queue SET pending = json_remove(pending, '$.kept_state') WHERE device = ?";
        transaction.execute(sql, [id])?;
        Ok(transaction.commit()?)
    }

    /// Whether a reading that is still stored has this time and these values.
    pub(crate) fn has_reading(&self, time_us: i64, metrics: &str) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM reading WHERE time_us = ? AND metrics = ?)";
        let unpacked: bool = self.connection.query_row(sql, params![time_us, metrics], |row| row.get(0))?;
        Ok(unpacked || erased::has_reading(&self.connection, time_us, metrics)?)
    }

    /// Writes the database anew from what is live in it: pages that were split may hold old copies of rows.
    pub(crate) fn rewrite(&self) -> Result<(), StoreError> {
        // A database of before becomes one that can be made smaller in steps.
        Ok(self.connection.execute_batch("PRAGMA auto_vacuum = incremental; VACUUM")?)
    }

    /// Brings the write-ahead log into the database and cuts it to nothing; `false` while readers are in the way.
    pub(crate) fn shorten(&self) -> Result<bool, StoreError> {
        let busy: rusqlite::Result<i64> =
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        match busy {
            Ok(busy) => Ok(busy == 0),
            Err(rusqlite::Error::SqliteFailure(error, _)) if is_busy(error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether an error says that others are at work, so that it may pass.
pub(crate) fn may_pass(error: &StoreError) -> bool {
    let StoreError::Engine(error) = error else { return false };
    matches!(error.downcast_ref(), Some(rusqlite::Error::SqliteFailure(error, _)) if is_busy(*error))
}

fn is_busy(error: rusqlite::ffi::Error) -> bool {
    matches!(error.code, rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked)
}

fn payloads(connection: &Connection, list: &str, gone: &mut dyn FnMut(Gone)) -> Result<(), StoreError> {
    let sql = "SELECT entry.bytes, salt FROM payload JOIN entry USING (idx)
               WHERE idx IN (SELECT value FROM json_each(?))";
    let mut select = connection.prepare(sql)?;
    for row in select.query_map([list], |row| Ok(Gone::Payload { entry: row.get(0)?, salt: row.get(1)? }))? {
        gone(row?);
    }
    connection.execute("DELETE FROM payload WHERE idx IN (SELECT value FROM json_each(?))", [list])?;
    Ok(())
}

fn reading(row: &rusqlite::Row<'_>) -> rusqlite::Result<Gone> {
    let (by_sequence, key): (bool, i64) = (row.get(1)?, row.get(2)?);
    let sequence = by_sequence.then_some(key);
    Ok(Gone::Reading { pseudonym: row.get(0)?, sequence, time_us: row.get(3)?, metrics: row.get(4)? })
}

/// Tells what was erased within a chunk.
fn tell(connection: &Connection, opened: &erased::Opened, gone: &mut dyn FnMut(Gone)) -> Result<(), StoreError> {
    let sql = "SELECT pseudonym FROM device WHERE id = ?";
    let pseudonym: String = connection.query_row(sql, [opened.device], |row| row.get(0))?;
    for PackedRow { kind, key, time_us, values, .. } in &opened.rows {
        let sequence = (*kind == 1).then_some(*key);
        gone(Gone::Reading { pseudonym: pseudonym.clone(), sequence, time_us: *time_us, metrics: values.text() });
    }
    gone(Gone::Chunk { bytes: opened.bytes.clone() });
    Ok(())
}

/// Numbers as the JSON array that SQLite's `json_each` takes.
fn list(numbers: &[u64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    format!("[{}]", numbers.join(","))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::store::SqliteWriter;

    /// Two devices with this many readings each, every hundredth of which has an entry with a payload.
    fn filled(dir: &Path, readings: i64) -> Eraser {
        drop(SqliteWriter::create(dir).unwrap());
        let eraser = Eraser::open(dir).unwrap();
        eraser
            .connection
            .execute_batch(&format!(
                "INSERT INTO device (id, name, pseudonym, profile, state) VALUES (1, 'one', 'a', 'generic', x'');
                 INSERT INTO device (id, name, pseudonym, profile, state) VALUES (2, 'two', 'b', 'generic', x'');
                 INSERT INTO reading (device, by_sequence, key, number, time_us, metrics, score, threshold,
                     label, model_version, entry)
                     WITH RECURSIVE n (n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM n WHERE n < 2 * {readings} - 1)
                     SELECT 1 + n % 2, n % 3 = 0, n, n, n, '{{\"t\":1.0}}', 0, 0, 0, 'm', iif(n % 100 = 0, n / 100, NULL) FROM n;
                 UPDATE next_number SET number = 2 * {readings};
                 INSERT INTO entry SELECT entry, 'anomaly', x'' FROM reading WHERE entry IS NOT NULL;
                 INSERT INTO payload SELECT entry, zeroblob(32), CAST('{{\"device\":\"one\"}}' AS BLOB), x'07'
                     FROM reading WHERE entry IS NOT NULL;"
            ))
            .unwrap();
        eraser
    }

    #[test]
    fn a_device_is_erased_over_many_steps_and_the_other_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let readings = 2 * STEP + 3;
        let mut eraser = filled(dir.path(), readings);
        let held = eraser.device("one").unwrap();
        assert_eq!((held.readings, held.entries.len() as i64), (readings as u64, readings / 50 + 1));
        let mut gone = 0;
        eraser.payloads(&held.entries, &mut |_| gone += 1).unwrap();
        assert_eq!(gone, held.entries.len());
        gone = 0;
        assert_eq!(eraser.readings("one", &mut |_| gone += 1).unwrap(), readings as u64);
        assert_eq!(gone as i64, readings);
        let after = eraser.device("one").unwrap();
        assert_eq!(after, DeviceHeld { known: true, ..DeviceHeld::default() });
        assert_eq!(eraser.device("two").unwrap().readings, readings as u64);
        assert_eq!(eraser.held(0).unwrap(), Held::Erased);
    }

    #[test]
    fn an_entry_is_erased_with_its_reading_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut eraser = filled(dir.path(), 500);
        assert_eq!(eraser.held(3).unwrap(), Held::Payload);
        let mut gone = Vec::new();
        eraser.entries(&[3], &mut |row| gone.push(matches!(row, Gone::Payload { .. }))).unwrap();
        assert_eq!(gone, [true, false]);
        assert_eq!((eraser.held(3).unwrap(), eraser.held(4).unwrap()), (Held::Erased, Held::Payload));
        assert_eq!(eraser.held(10_000).unwrap(), Held::NoEntry);
        assert_eq!(eraser.device("one").unwrap().readings, 499);
    }

    #[test]
    fn a_forgotten_device_leaves_no_state_beside_its_findings() {
        let dir = tempfile::tempdir().unwrap();
        let mut eraser = filled(dir.path(), 500);
        let kept = |eraser: &Eraser| -> Vec<u64> {
            let mut select = eraser.connection.prepare("SELECT idx FROM payload WHERE state IS NOT NULL").unwrap();
            let rows = select.query_map([], |row| row.get(0).map(from_sql)).unwrap();
            rows.collect::<Result<_, _>>().unwrap()
        };
        assert_eq!(kept(&eraser).len(), 10);
        // Erased with its payload, as a row.
        eraser.entries(&[3], &mut |_| {}).unwrap();
        assert_eq!(kept(&eraser), [0, 1, 2, 4, 5, 6, 7, 8, 9]);
        // Every hundredth reading is an even one: all findings are of the one device.
        eraser.put_state("two", b"new").unwrap();
        assert_eq!(kept(&eraser).len(), 9);
        let waiting = "INSERT INTO queue (device, by_sequence, key, pending) SELECT device, by_sequence, min(key),
                       '{\"kind\":\"finding\",\"kept_state\":\"Bw==\"}' FROM reading GROUP BY device";
        eraser.connection.execute_batch(waiting).unwrap();
        eraser.put_state("one", b"new").unwrap();
        let waits = |device: i64| -> String {
            let sql = "SELECT pending FROM queue WHERE device = ?";
            eraser.connection.query_row(sql, [device], |row| row.get(0)).unwrap()
        };
        assert!(!waits(1).contains("kept_state") && waits(2).contains("Bw=="));
        assert!(kept(&eraser).is_empty());
        assert_eq!(eraser.held(4).unwrap(), Held::Payload);
    }
}
