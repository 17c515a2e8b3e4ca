//! The audit log: who did what to the service.

use ledger::audit::Record;
use rusqlite::{Connection, OptionalExtension, params};

use super::{from_sql, pool::Reader, to_sql};
use crate::domain::ports::{AuditLog, StoreError};

impl AuditLog for Reader {
    fn add_audit_record(&self, record: &Record) -> Result<u64, StoreError> {
        let connection = self.anchors.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        add(&connection, record)
    }

    fn add_audit_records(&self, records: &[Record]) -> Result<u64, StoreError> {
        let mut connection = self.anchors.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let mut last = 0;
        for record in records {
            last = add(&transaction, record)?;
        }
        transaction.commit()?;
        Ok(last)
    }

    fn audit_before(&self, before: u64, count: u64) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.read(|connection| Ok(self::before(connection, before, count)?))
    }

    fn audit_from(&self, from: u64, count: u64) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.read(|connection| Ok(self::from(connection, from, count)?))
    }
}

/// Records below a number, newest first.
fn before(connection: &Connection, before: u64, count: u64) -> rusqlite::Result<Vec<(u64, Vec<u8>)>> {
    numbered(connection, "SELECT number, bytes FROM audit WHERE number < ? ORDER BY number DESC LIMIT ?", before, count)
}

/// Records from a number on, as they are, with gaps if there are any.
fn from(connection: &Connection, from: u64, count: u64) -> rusqlite::Result<Vec<(u64, Vec<u8>)>> {
    numbered(connection, "SELECT number, bytes FROM audit WHERE number >= ? ORDER BY number LIMIT ?", from, count)
}

fn numbered(connection: &Connection, sql: &str, number: u64, count: u64) -> rusqlite::Result<Vec<(u64, Vec<u8>)>> {
    let mut select = connection.prepare_cached(sql)?;
    let rows = select
        .query_map(params![to_sql(number), to_sql(count)], |row| Ok((from_sql(row.get::<_, i64>(0)?), row.get(1)?)))?;
    rows.collect()
}

/// Adds a record at the end, and gives its number.
pub(super) fn add(connection: &Connection, record: &Record) -> Result<u64, StoreError> {
    let bytes = record.to_bytes().map_err(|error| StoreError::Engine(Box::new(error)))?;
    // One statement, so that two processes cannot take the same number.
    let sql = "INSERT INTO audit (number, bytes) SELECT coalesce(max(number) + 1, 0), ? FROM audit RETURNING number";
    let mut insert = connection.prepare_cached(sql)?;
    Ok(from_sql(insert.query_row([bytes], |row| row.get(0))?))
}

impl Reader {
    /// Begins the audit log of a restored service: earlier records are lost, and their numbers stay theirs.
    pub(crate) fn begin_audit_log(&self, number: u64, record: &Record) -> Result<(), StoreError> {
        let bytes = record.to_bytes().map_err(|error| StoreError::Engine(Box::new(error)))?;
        self.write(|connection| {
            connection.execute("INSERT INTO audit (number, bytes) VALUES (?, ?)", params![to_sql(number), bytes])
        })
        .map(drop)
    }
}

impl Reader {
    /// The first number from `from` on that has no record, though a later one has.
    pub(crate) fn audit_gap(&self, from: u64) -> Result<Option<u64>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT count(*), coalesce(max(number) + 1, ?1) FROM audit WHERE number >= ?1";
            let (count, end): (i64, i64) =
                connection.query_row(sql, [to_sql(from)], |row| Ok((row.get(0)?, row.get(1)?)))?;
            if to_sql(from) + count == end {
                return Ok(None);
            }
            let sql = "SELECT min(place) FROM (SELECT number, ?1 + row_number() OVER (ORDER BY number) - 1 AS place
                       FROM audit WHERE number >= ?1) WHERE place <> number";
            Ok(Some(connection.query_row(sql, [to_sql(from)], |row| row.get(0)).map(from_sql)?))
        })
    }

    /// Whether the audit log begins with the restoration of so many entries.
    pub(crate) fn is_restored(&self, size: u64) -> Result<bool, StoreError> {
        self.read(|connection| {
            let sql = "SELECT bytes FROM audit ORDER BY number LIMIT 1";
            let first: Option<Vec<u8>> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
            let first = first.and_then(|bytes| Record::from_bytes(&bytes).ok());
            Ok(first.is_some_and(|record| record.what == RESTORED && record.object == restored_object(size)))
        })
    }
}

/// What a restoration is called in the audit log.
pub(crate) const RESTORED: &str = "ledger.restore";

/// How it says how much came back.
pub(crate) fn restored_object(size: u64) -> String {
    format!("{size} entries from the chain")
}

/// Records from a number on, without gaps.
pub(super) fn records(connection: &Connection, from: u64, count: u64) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut select =
        connection.prepare_cached("SELECT number, bytes FROM audit WHERE number >= ? ORDER BY number LIMIT ?")?;
    let rows = select.query_map(params![to_sql(from), to_sql(count)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    (from..)
        .zip(rows)
        .map(|(expected, row)| match row? {
            (number, bytes) if from_sql(number) == expected => Ok(bytes),
            (number, _) => Err(StoreError::Damaged(format!("expected audit record {expected}, found {number}"))),
        })
        .collect()
}
