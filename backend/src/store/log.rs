//! The log, as everybody reads it.

use std::{collections::HashMap, ops::Range};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{from_sql, pool::Reader, to_sql};
use crate::domain::ports::{LogReader, StoreError, StoredAnomaly, StoredCheckpoint};
use ledger::evidence::Disclosure;

/// A page of anomalies: as many rows read as given.
const ANOMALIES: &str = "SELECT entry.idx, entry.bytes, payload.bytes, feedback.idx, real, comment, given_ms
    FROM entry LEFT JOIN payload USING (idx) LEFT JOIN feedback ON feedback.idx = entry.idx
    WHERE entry.kind = 'anomaly' AND entry.idx >= ? AND entry.idx < ? ORDER BY entry.idx DESC LIMIT ?";

impl LogReader for Reader {
    fn entries(&self, from: u64, count: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT bytes FROM entry WHERE idx >= ? ORDER BY idx LIMIT ?";
            all(connection, sql, params![to_sql(from), to_sql(count)], |row| row.get(0))
        })
    }

    fn newest(&self, kind: &str, before: u64) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        self.read(|connection| {
            // Named a second time, so that the partial index is used.
            let sql = "SELECT idx, bytes FROM entry WHERE kind = ?1 AND kind <> 'anomaly' AND idx < ?2
                       ORDER BY idx DESC LIMIT 1";
            let mut select = connection.prepare_cached(sql)?;
            let row = select.query_row(params![kind, to_sql(before)], |row| Ok((from_sql(row.get(0)?), row.get(1)?)));
            Ok(row.optional()?)
        })
    }

    fn counters(&self, heartbeat: u64, visit: &mut dyn FnMut(Vec<u8>)) -> Result<(), StoreError> {
        self.read(|connection| {
            let sql = "SELECT bytes FROM counter WHERE heartbeat = ? ORDER BY place";
            let mut select = connection.prepare_cached(sql)?;
            let mut rows = select.query([to_sql(heartbeat)])?;
            while let Some(row) = rows.next()? {
                visit(row.get(0)?);
            }
            Ok(())
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

    fn state(&self, index: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached("SELECT state FROM payload WHERE idx = ?")?;
            Ok(select.query_row([to_sql(index)], |row| row.get(0)).optional()?.flatten())
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

    fn anomalies(&self, indexes: Range<u64>, count: u64) -> Result<Vec<StoredAnomaly>, StoreError> {
        self.read(|connection| {
            let params = params![to_sql(indexes.start), to_sql(indexes.end), to_sql(count)];
            all(connection, ANOMALIES, params, |row| {
                let feedback = super::feedback::row_at(row, 3)?;
                Ok(StoredAnomaly { index: from_sql(row.get(0)?), entry: row.get(1)?, payload: row.get(2)?, feedback })
            })
        })
    }

    fn confirmed(&self, count: u64) -> Result<Vec<u64>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT idx FROM feedback WHERE real = 1 ORDER BY idx DESC LIMIT ?";
            all(connection, sql, [to_sql(count)], |row| row.get(0).map(from_sql))
        })
    }

    fn model_versions(&self) -> Result<HashMap<String, String>, StoreError> {
        self.read(|connection| {
            let versions = all(connection, "SELECT hash, version FROM model", [], |row| Ok((row.get(0)?, row.get(1)?)));
            Ok(versions?.into_iter().collect())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::ports::{Extension, NewEntry, WriteStore},
        store::SqliteWriter,
    };

    #[test]
    fn anomalies_come_newest_first_with_their_payloads() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = SqliteWriter::create(dir.path()).unwrap();
        let entry = |index: u8| NewEntry {
            bytes: vec![index],
            kind: if index.is_multiple_of(2) { "anomaly" } else { "model" },
            disclosure: (index != 4).then(|| Disclosure { payload: vec![index, index], salt: [index; 32] }),
            state: index.is_multiple_of(2).then(|| vec![index; 3]),
            queued: 0,
        };
        let extension = Extension { entries: (0..10).map(entry).collect(), ..Extension::default() };
        writer.transaction(&mut |transaction| transaction.append(&extension)).unwrap();

        let reader = Reader::open(dir.path()).unwrap();
        let anomalies = |indexes, count| {
            let rows = reader.anomalies(indexes, count).unwrap().into_iter();
            rows.map(|row| (row.index, row.entry, row.payload)).collect::<Vec<_>>()
        };
        let row = |index: u8| (u64::from(index), vec![index], (index != 4).then(|| vec![index, index]));
        assert_eq!(anomalies(0..u64::MAX, 3), [row(8), row(6), row(4)]);
        assert_eq!(anomalies(2..6, 500), [row(4), row(2)]);
        assert_eq!(anomalies(5..6, 500), []);
        assert!(reader.model_versions().unwrap().is_empty());
        // Kept with the payload: without one, nothing is.
        assert_eq!([2, 3, 4].map(|index| reader.state(index).unwrap()), [Some(vec![2; 3]), None, None]);
    }

    #[test]
    fn a_page_of_anomalies_reads_no_more_than_its_rows() {
        let dir = tempfile::tempdir().unwrap();
        drop(SqliteWriter::create(dir.path()).unwrap());
        let plan = Reader::open(dir.path()).unwrap().read(|connection| {
            let sql = format!("EXPLAIN QUERY PLAN {ANOMALIES}");
            all(connection, &sql, [0, 9, 5], |row| row.get::<_, String>("detail"))
        });
        let plan = plan.unwrap();
        assert!(plan[0].starts_with("SEARCH entry USING INDEX entry_anomaly"), "{plan:?}");
        assert!(plan[1].starts_with("SEARCH payload USING INTEGER PRIMARY KEY"), "{plan:?}");
        assert!(plan[2].starts_with("SEARCH feedback USING INTEGER PRIMARY KEY"), "{plan:?}");
        assert_eq!(plan.len(), 3, "{plan:?}");
    }
}
