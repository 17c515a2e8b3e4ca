//! SQLite: the embedded store, behind the ports of [`crate::domain::ports`].
//!
//! One connection writes, in the pipeline's writer thread; others read. WAL with `synchronous=FULL`: a commit
//! that has returned is on disk. No judgement, no hashing, no network here.

mod anchors;
mod audit;
mod check;
mod checkpoints;
#[cfg(test)]
mod conformance;
mod copy;
mod counts;
mod erase;
mod feedback;
mod history;
mod log;
mod people;
mod pool;
mod published;
mod readings;
mod registry;
mod requests;
mod schema;
mod series;
mod writer;

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::Path};

use rusqlite::{Connection, OpenFlags};

use crate::domain::ports::StoreError;
pub(crate) use audit::{RESTORED, restored_object};
pub(crate) use check::{Counted, StoredAnchor, StoredEntry, StoredNote, is_damage};
pub(crate) use copy::{back_up_database, copy_database};
pub(crate) use erase::{DeviceHeld, Eraser, Gone, Held, may_pass};
pub(crate) use history::Past;
pub(crate) use people::SqlitePeople;
pub(crate) use pool::Reader;
pub(crate) use readings::SqliteDevices;
pub(crate) use writer::SqliteWriter;

/// The database's name in the data directory.
pub(crate) const FILE: &str = "ledger.sqlite";

/// Who waits to write looks for its turn this often: the pipeline's writer leaves the database free for a moment between
/// its transactions, and SQLite's own waiting, up to 100 ms at a time, would mostly miss it.
const TURN: std::time::Duration = std::time::Duration::from_millis(1);

/// How many of those until it gives up: at least 10 s, in which the pipeline commits hundreds of times.
const TURNS: i32 = 10_000;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        StoreError::Engine(Box::new(error))
    }
}

/// Makes the database of a new log, for its owner's eyes only; opens it if it is there.
fn create(data_dir: &Path) -> Result<Connection, StoreError> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(data_dir.join(FILE));
    // Made before SQLite opens it: the files beside it (-wal, -shm) take over its mode.
    file.map_err(|error| StoreError::Engine(Box::new(error)))?;
    open_and_migrate(data_dir)
}

/// Opens the database, and brings its schema up to date.
fn open_and_migrate(data_dir: &Path) -> Result<Connection, StoreError> {
    let mut connection = open_existing(data_dir)?;
    schema::migrate(&mut connection)?;
    Ok(connection)
}

/// Opens the database for reading. It exists.
fn open_for_reading(data_dir: &Path) -> Result<Connection, StoreError> {
    let connection = open_existing(data_dir)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Opens the database, which exists and has its schema.
fn open_existing(data_dir: &Path) -> Result<Connection, StoreError> {
    let file = data_dir.join(FILE);
    if !file.exists() {
        return Err(StoreError::Damaged(format!(
            "there is no {}: restore it from a backup, or begin a new log in another directory",
            file.display()
        )));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let empty = file.metadata().is_ok_and(|meta| meta.len() == 0);
    let mut connection = Connection::open_with_flags(file, flags)?;
    if empty {
        // Before anything is written. Of a database that is there, this would be a write transaction.
        connection.pragma_update(None, "auto_vacuum", "incremental")?;
    }
    configure(&mut connection)?;
    Ok(connection)
}

fn configure(connection: &mut Connection) -> Result<(), StoreError> {
    // WAL survives a power cut only with FULL: NORMAL would not sync the log at each commit.
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Erasure must not leave the bytes in free pages.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.busy_handler(Some(|turns| {
        std::thread::sleep(TURN);
        turns < TURNS
    }))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Integers are signed 64 bits in SQLite; ours are sizes and indexes below 2^53.
fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
