//! SQLite: the embedded store, behind the ports of [`crate::domain::ports`].
//!
//! One connection writes, in the pipeline's writer thread; others read. WAL with `synchronous=FULL`: a commit
//! that has returned is on disk. No judgement, no hashing, no network here.

mod anchors;
mod log;
mod pool;
mod readings;
mod schema;
mod writer;

use std::path::Path;

use rusqlite::Connection;

use crate::domain::ports::StoreError;
pub(crate) use pool::Reader;
pub(crate) use readings::SqliteDevices;
pub(crate) use writer::SqliteWriter;

/// The database's name in the data directory.
const FILE: &str = "ledger.sqlite";

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        StoreError::Engine(Box::new(error))
    }
}

/// Opens the database for writing, and brings its schema up to date.
pub(crate) fn open_for_writing(data_dir: &Path) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(data_dir.join(FILE))?;
    configure(&connection)?;
    schema::migrate(&mut connection)?;
    Ok(connection)
}

/// Opens the database for reading. It exists.
pub(crate) fn open_for_reading(data_dir: &Path) -> Result<Connection, StoreError> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(data_dir.join(FILE), flags)?;
    configure(&connection)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn configure(connection: &Connection) -> Result<(), StoreError> {
    // WAL survives a power cut only with FULL: NORMAL would not sync the log at each commit.
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Erasure must not leave the bytes in free pages.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
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
