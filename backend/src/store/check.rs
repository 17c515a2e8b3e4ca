//! What `fsck` asks of the store: rows as they lie there, however wrong. Nothing is made, migrated or changed here,
//! and nothing is judged.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use super::{
    FILE,
    pool::Reader,
    schema,
    series::{PackedRow, is_described, load_chunk},
    to_sql,
};
use crate::domain::ports::StoreError;

/// Lines of SQLite's own check at most: the first few say where to look.
const MAX_LINES: usize = 20;

/// A row of the table of entries.
pub(crate) struct StoredEntry {
    pub(crate) index: i64,
    pub(crate) kind: String,
    pub(crate) bytes: Vec<u8>,
    /// Whether a row of payload and salt stands beside it.
    pub(crate) disclosed: bool,
}

/// A row of the table of checkpoints.
pub(crate) struct StoredNote {
    pub(crate) size: i64,
    pub(crate) root: String,
    pub(crate) note: String,
}

/// A row of the anchorer's outbox, as far as it is evidence.
pub(crate) struct StoredAnchor {
    pub(crate) size: i64,
    pub(crate) root: String,
    /// 0 sent, 1 included, 2 final.
    pub(crate) state: i64,
    pub(crate) proof: Option<String>,
}

/// Something that must not be there, counted.
pub(crate) struct Counted {
    pub(crate) what: &'static str,
    pub(crate) count: i64,
    /// The smallest id or index among them.
    pub(crate) first: i64,
}

/// What the tables must not hold between them. A reading whose finding still waits in the queue has no entry yet, and
/// an entry that was restored from the chain has no reading any more.
const CONTRADICTIONS: [(&str, &str); 5] = [
    (
        "readings labelled anomaly name no entry",
        "SELECT count(*), min(number) FROM marked WHERE label = 1 AND entry IS NULL AND NOT waits",
    ),
    (
        "readings labelled anomaly name an entry that is no anomaly, or is missing",
        "SELECT count(*), min(number) FROM marked LEFT JOIN entry ON entry.idx = marked.entry
         WHERE marked.label = 1 AND marked.entry IS NOT NULL AND entry.kind IS NOT 'anomaly'",
    ),
    (
        "readings not labelled anomaly name an entry",
        "SELECT count(*), min(number) FROM marked WHERE label <> 1 AND entry IS NOT NULL",
    ),
    (
        "anomaly entries have no reading",
        "SELECT count(*), min(idx) FROM entry WHERE kind = 'anomaly'
         AND idx NOT IN (SELECT entry FROM marked WHERE entry IS NOT NULL)
         AND idx >= coalesce((SELECT CAST(value AS INTEGER) FROM setting WHERE name = 'restored_below'), 0)",
    ),
    (
        "entries are named by several readings",
        "SELECT count(*), min(entry) FROM (SELECT entry FROM marked WHERE entry IS NOT NULL
         GROUP BY entry HAVING count(*) > 1)",
    ),
];

/// All readings that are labelled anomaly or name an entry, packed or not, as a table of this connection alone.
const MARKED: &str = "
    CREATE TEMP TABLE IF NOT EXISTS marked (number INTEGER, label INTEGER, entry INTEGER, waits INTEGER);
    DELETE FROM marked;
    INSERT INTO marked SELECT number, label, entry, EXISTS (SELECT 1 FROM queue
        WHERE queue.device = reading.device AND queue.by_sequence = reading.by_sequence AND queue.key = reading.key)
        FROM reading WHERE label = 1 OR entry IS NOT NULL;";

impl Reader {
    /// What SQLite itself finds wrong: pages, indexes, types, and rows that refer to none.
    pub(crate) fn own_check(&self) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            let sql = format!("PRAGMA integrity_check({MAX_LINES})");
            let mut lines: Vec<String> = all(connection, &sql, [], |row| row.get(0))?;
            lines.retain(|line| line != "ok");
            let orphan = |row: &rusqlite::Row<'_>| {
                let (table, id, parent): (String, Option<i64>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(format!("row {} of table {table} refers to a missing row of table {parent}", id.unwrap_or(-1)))
            };
            let orphans = all(connection, "PRAGMA foreign_key_check", [], orphan)?;
            lines.extend(orphans.into_iter().take(MAX_LINES));
            Ok(lines)
        })
    }

    /// Entries after an index, as they lie there.
    pub(crate) fn stored_entries(&self, after: i64, count: u64) -> Result<Vec<StoredEntry>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT idx, kind, bytes, EXISTS (SELECT 1 FROM payload WHERE payload.idx = entry.idx)
                       FROM entry WHERE idx > ? ORDER BY idx LIMIT ?";
            all(connection, sql, params![after, to_sql(count)], |row| {
                Ok(StoredEntry { index: row.get(0)?, kind: row.get(1)?, bytes: row.get(2)?, disclosed: row.get(3)? })
            })
        })
    }

    /// Records of the audit log from a number on, as they lie there.
    pub(crate) fn audit_records(&self, from: u64, count: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        self.read(|connection| super::audit::records(connection, from, count))
    }

    /// Checkpoints after a size, as they lie there.
    pub(crate) fn stored_checkpoints(&self, after: i64, to: i64) -> Result<Vec<StoredNote>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT size, root, note FROM checkpoint WHERE size > ? AND size <= ? ORDER BY size";
            all(connection, sql, params![after, to], |row| {
                Ok(StoredNote { size: row.get(0)?, root: row.get(1)?, note: row.get(2)? })
            })
        })
    }

    /// The newest checkpoint's size; 0 without one.
    pub(crate) fn newest_size(&self) -> Result<i64, StoreError> {
        self.one("SELECT coalesce(max(size), 0) FROM checkpoint")
    }

    /// The size of the newest checkpoint below another size.
    pub(crate) fn checkpoint_below(&self, size: u64) -> Result<Option<u64>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT max(size) FROM checkpoint WHERE size < ?";
            let size: Option<i64> = connection.query_row(sql, [to_sql(size)], |row| row.get(0))?;
            Ok(size.and_then(|size| u64::try_from(size).ok()))
        })
    }

    /// How many entries, checkpoints and tiles there are.
    pub(crate) fn row_counts(&self) -> Result<(i64, i64, i64), StoreError> {
        Ok((
            self.one("SELECT count(*) FROM entry")?,
            self.one("SELECT count(*) FROM checkpoint")?,
            self.one("SELECT count(*) FROM tile")?,
        ))
    }

    /// The outbox after a size, as it lies there.
    pub(crate) fn stored_anchors(&self, after: i64, count: u64) -> Result<Vec<StoredAnchor>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT size, root, state, proof FROM anchor WHERE size > ? ORDER BY size LIMIT ?";
            all(connection, sql, params![after, to_sql(count)], |row| {
                Ok(StoredAnchor { size: row.get(0)?, root: row.get(1)?, state: row.get(2)?, proof: row.get(3)? })
            })
        })
    }

    /// What readings and entries must not say of each other, where they do.
    pub(crate) fn contradictions(&self) -> Result<Vec<Counted>, StoreError> {
        self.read(|connection| {
            // The table is the connection's own, in a place of its own; nothing of the database is written.
            let only: bool = connection.pragma_query_value(None, "query_only", |row| row.get(0))?;
            connection.pragma_update(None, "query_only", false)?;
            let found = contradictions(connection);
            connection.pragma_update(None, "query_only", only)?;
            found
        })
    }

    /// Chunks that do not hold what their rows in the table say, or cannot be opened: the first few, in words.
    pub(crate) fn chunks_check(&self) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            let mut lines = Vec::new();
            each_chunk(connection, &mut |id, rows| {
                let wrong = match rows {
                    Ok(rows) if is_described(connection, id, &rows)? => return Ok(()),
                    Ok(_) => format!("chunk {id} does not hold what its row says"),
                    Err(error) => error.to_string(),
                };
                if lines.len() < MAX_LINES {
                    lines.push(wrong);
                }
                Ok(())
            })?;
            Ok(lines)
        })
    }

    /// The models: hash, bytes, and whether the model's entry still waits in the queue. There are few.
    pub(crate) fn stored_models(&self) -> Result<Vec<(String, Vec<u8>, bool)>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT hash, bytes, EXISTS (SELECT 1 FROM queue WHERE instr(pending, model.hash) > 0)
                       FROM model ORDER BY hash";
            all(connection, sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        })
    }

    fn one(&self, sql: &str) -> Result<i64, StoreError> {
        self.read(|connection| Ok(connection.query_row(sql, [], |row| row.get(0))?))
    }
}

/// See [`Reader::contradictions`].
fn contradictions(connection: &Connection) -> Result<Vec<Counted>, StoreError> {
    connection.execute_batch(MARKED)?;
    let mut insert = connection.prepare("INSERT INTO temp.marked VALUES (?, ?, ?, 0)")?;
    let mut found = Vec::new();
    each_chunk(connection, &mut |_, rows| {
        for row in rows.unwrap_or_default().iter().filter(|row| row.label == 1 || row.entry.is_some()) {
            insert.execute(params![row.number, row.label, row.entry])?;
        }
        Ok(())
    })?;
    for (what, sql) in CONTRADICTIONS {
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?));
        let (count, first) = connection.query_row(sql, [], row)?;
        if count > 0 {
            found.push(Counted { what, count, first: first.unwrap_or_default() });
        }
    }
    Ok(found)
}

/// Gives each chunk to a visitor: its id, and its rows, or why they cannot be read.
fn each_chunk(
    connection: &Connection,
    visit: &mut dyn FnMut(i64, Result<Vec<PackedRow>, StoreError>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut after = 0;
    let sql = "SELECT min(id) FROM chunk WHERE id > ?";
    while let Some(id) = connection.prepare_cached(sql)?.query_row([after], |row| row.get::<_, Option<i64>>(0))? {
        visit(id, load_chunk(connection, id).map(Option::unwrap_or_default))?;
        after = id;
    }
    Ok(())
}

/// Opens the database at a moment: what is committed later is not seen through this connection.
/// While it is open, the write-ahead log of a service at work is not shortened.
pub(super) fn open_snapshot(data_dir: &Path) -> Result<Connection, StoreError> {
    let connection = open_read_only(data_dir)?;
    connection.execute_batch("BEGIN")?;
    // The first read fixes the moment; it also shows whether this is a database, and whose.
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let found = usize::try_from(version).unwrap_or_default();
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let file = data_dir.join(FILE);
    match found {
        schema::VERSION if tables > 0 => Ok(connection),
        found if found > schema::VERSION => {
            Err(StoreError::Damaged(format!("{} was made by a newer version of this program", file.display())))
        }
        _ => Err(StoreError::Damaged(format!("{} is no database of this program", file.display()))),
    }
}

/// Opens the database so that nothing can be written through this connection.
pub(super) fn open_read_only(data_dir: &Path) -> Result<Connection, StoreError> {
    let file = data_dir.join(FILE);
    if !file.exists() {
        return Err(StoreError::Damaged(format!("there is no database {}", file.display())));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}

/// Whether an error says that what is stored cannot be read as it was written. Others may pass: a lock, a full disk.
pub(crate) fn is_damage(error: &StoreError) -> bool {
    use rusqlite::Error::{
        FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, SqliteFailure, Utf8Error,
    };
    match error {
        StoreError::Damaged(_) => true,
        StoreError::Fenced { .. } => false,
        StoreError::Engine(error) => match error.downcast_ref() {
            Some(SqliteFailure(error, _)) => matches!(
                error.code,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::SystemIoFailure | ErrorCode::Unknown
            ),
            Some(
                FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) | Utf8Error(..),
            ) => true,
            _ => false,
        },
    }
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    row: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    let mut select = connection.prepare_cached(sql)?;
    Ok(select.query_map(params, row)?.collect::<Result<_, _>>()?)
}
