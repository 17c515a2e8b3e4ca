//! The log, as everybody reads it.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{from_sql, pool::Reader, to_sql};
use crate::domain::ports::{LogReader, StoreError, StoredCheckpoint};
use ledger::evidence::Disclosure;

impl LogReader for Reader {
    fn entries(&self, from: u64, count: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT bytes FROM entry WHERE idx >= ? ORDER BY idx LIMIT ?";
            all(connection, sql, params![to_sql(from), to_sql(count)], |row| row.get(0))
        })
    }

    fn disclosure(&self, index: u64) -> Result<Option<Disclosure>, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached("SELECT salt, bytes FROM payload WHERE idx = ?")?;
            let row = select.query_row([to_sql(index)], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?)));
            let Some((salt, payload)) = row.optional()? else { return Ok(None) };
            let salt = salt.try_into().map_err(|_| StoreError::Damaged(format!("the salt of entry {index}")))?;
            Ok(Some(Disclosure { payload, salt }))
        })
    }

    fn tile(&self, level: u32, index: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached("SELECT hashes FROM tile WHERE level = ? AND idx = ?")?;
            Ok(select.query_row(params![level, to_sql(index)], |row| row.get(0)).optional()?)
        })
    }

    fn newest_checkpoint(&self) -> Result<Option<StoredCheckpoint>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT size, root, note FROM checkpoint ORDER BY size DESC LIMIT 1";
            first(all(connection, sql, [], checkpoint_row)?)
        })
    }

    fn checkpoint_at(&self, size: u64) -> Result<Option<StoredCheckpoint>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT size, root, note FROM checkpoint WHERE size = ?";
            first(all(connection, sql, [to_sql(size)], checkpoint_row)?)
        })
    }

    fn checkpoints(&self, above: u64, to: u64, count: u64) -> Result<Vec<StoredCheckpoint>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT size, root, note FROM checkpoint WHERE size > ? AND size <= ? ORDER BY size LIMIT ?";
            let rows = all(connection, sql, params![to_sql(above), to_sql(to), to_sql(count)], checkpoint_row)?;
            rows.into_iter().collect()
        })
    }

    fn anomaly_indexes(&self, before: u64, count: u64) -> Result<Vec<u64>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT idx FROM entry WHERE kind = 'anomaly' AND idx < ? ORDER BY idx DESC LIMIT ?";
            all(connection, sql, params![to_sql(before), to_sql(count)], |row| row.get(0).map(from_sql))
        })
    }

    fn model_version(&self, hash: &str) -> Result<Option<String>, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached("SELECT version FROM model WHERE hash = ?")?;
            Ok(select.query_row([hash], |row| row.get(0)).optional()?)
        })
    }
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    let mut select = connection.prepare_cached(sql)?;
    Ok(select.query_map(params, row)?.collect::<Result<_, _>>()?)
}

fn first(rows: Vec<Result<StoredCheckpoint, StoreError>>) -> Result<Option<StoredCheckpoint>, StoreError> {
    rows.into_iter().next().transpose()
}

fn checkpoint_row(row: &Row<'_>) -> rusqlite::Result<Result<StoredCheckpoint, StoreError>> {
    let (size, root, note) = (from_sql(row.get(0)?), row.get::<_, String>(1)?, row.get(2)?);
    Ok(match root.parse() {
        Ok(root) => Ok(StoredCheckpoint { size, root, note }),
        Err(error) => Err(StoreError::Damaged(format!("the root of checkpoint {size}: {error}"))),
    })
}
