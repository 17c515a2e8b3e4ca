//! The anchorer's outbox, and the service's settings.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{from_sql, pool::Reader, to_sql};
use crate::domain::ports::{AnchorRow, AnchorState, AnchorStore, StoreError};

const COLUMNS: &str = "size, root, state, nonce, tx, raw, sent_ms, proof";

impl AnchorStore for Reader {
    fn open_anchors(&self) -> Result<Vec<AnchorRow>, StoreError> {
        self.read(|connection| {
            rows(connection, &format!("SELECT {COLUMNS} FROM anchor WHERE state < 2 ORDER BY size"), [])
        })
    }

    fn final_anchor(&self, index: u64) -> Result<Option<AnchorRow>, StoreError> {
        self.read(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM anchor WHERE state = 2 AND size > ? ORDER BY size LIMIT 1");
            Ok(rows(connection, &sql, [to_sql(index)])?.pop())
        })
    }

    fn put_anchor(&self, row: &AnchorRow) -> Result<(), StoreError> {
        let proof = row.proof.as_ref().map(serde_json::to_string).transpose();
        let proof = proof.map_err(|error| StoreError::Engine(Box::new(error)))?;
        self.write(|connection| {
            connection.execute(
                "INSERT OR REPLACE INTO anchor (size, root, state, nonce, tx, raw, sent_ms, proof)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    to_sql(row.size),
                    row.root.to_string(),
                    state_to_sql(row.state),
                    to_sql(row.nonce),
                    row.transaction.map(|hash| hash.to_string()),
                    row.raw,
                    row.sent_ms,
                    proof
                ],
            )
        })
        .map(drop)
    }

    fn anchored_sizes(&self) -> Result<(u64, u64), StoreError> {
        self.read(|connection| {
            // From the largest size down: only the few that are not that far are passed over.
            let sql = "SELECT coalesce((SELECT size FROM anchor WHERE state > 0 ORDER BY size DESC LIMIT 1), 0),
                              coalesce((SELECT size FROM anchor WHERE state = 2 ORDER BY size DESC LIMIT 1), 0)";
            let mut select = connection.prepare_cached(sql)?;
            Ok(select.query_row([], |row| Ok((from_sql(row.get(0)?), from_sql(row.get(1)?))))?)
        })
    }

    fn newest_final(&self) -> Result<Option<AnchorRow>, StoreError> {
        self.read(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM anchor WHERE state = 2 ORDER BY size DESC LIMIT 1");
            Ok(rows(connection, &sql, [])?.pop())
        })
    }

    fn has_anchor(&self, size: u64) -> Result<bool, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached("SELECT 1 FROM anchor WHERE size = ?")?;
            Ok(select.exists([to_sql(size)])?)
        })
    }

    fn drop_anchor(&self, size: u64) -> Result<(), StoreError> {
        self.write(|connection| connection.execute("DELETE FROM anchor WHERE size = ?", [to_sql(size)])).map(drop)
    }

    fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached("SELECT value FROM setting WHERE name = ?")?;
            Ok(select.query_row([name], |row| row.get(0)).optional()?)
        })
    }

    fn put_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.write(|connection| {
            connection.execute("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)", [name, value])
        })
        .map(drop)
    }
}

impl Reader {
    pub(super) fn write(
        &self,
        statement: impl FnOnce(&Connection) -> rusqlite::Result<usize>,
    ) -> Result<usize, StoreError> {
        let connection = self.anchors.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Ok(statement(&connection)?)
    }
}

fn rows(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<Vec<AnchorRow>, StoreError> {
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map(params, |row| Ok(anchor_row(row)))?;
    rows.map(|row| row?).collect()
}

fn anchor_row(row: &Row<'_>) -> Result<AnchorRow, StoreError> {
    let damaged = |what: &str| StoreError::Damaged(format!("the {what} of an anchor"));
    let root: String = row.get(1)?;
    let transaction: Option<String> = row.get(4)?;
    let proof: Option<String> = row.get(7)?;
    Ok(AnchorRow {
        size: from_sql(row.get(0)?),
        root: root.parse().map_err(|_| damaged("root"))?,
        state: state_from_sql(row.get(2)?),
        nonce: from_sql(row.get(3)?),
        transaction: transaction.map(|hash| hash.parse()).transpose().map_err(|_| damaged("transaction"))?,
        raw: row.get(5)?,
        sent_ms: row.get(6)?,
        proof: proof.map(|json| serde_json::from_str(&json)).transpose().map_err(|_| damaged("proof"))?,
    })
}

fn state_to_sql(state: AnchorState) -> i64 {
    match state {
        AnchorState::Sent => 0,
        AnchorState::Included => 1,
        AnchorState::Final => 2,
    }
}

fn state_from_sql(state: i64) -> AnchorState {
    match state {
        2 => AnchorState::Final,
        1 => AnchorState::Included,
        _ => AnchorState::Sent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::SqliteWriter;
    use ledger::{Hash, evidence::Anchor};

    fn row(size: u64, state: AnchorState) -> AnchorRow {
        let proof = Anchor {
            transaction: None,
            contract: None,
            header: [1].into(),
            account_proof: vec![],
            storage_proof: vec![],
        };
        AnchorRow {
            size,
            root: Hash([size as u8; 32]),
            state,
            nonce: size,
            transaction: None,
            raw: vec![2],
            sent_ms: 3,
            proof: (state == AnchorState::Final).then_some(proof),
        }
    }

    #[test]
    fn an_anchor_goes_from_sent_to_final_and_back() {
        let dir = tempfile::tempdir().unwrap();
        drop(SqliteWriter::create(dir.path()).unwrap());
        let store = Reader::open(dir.path()).unwrap();
        assert_eq!(store.anchored_sizes().unwrap(), (0, 0));
        assert_eq!(store.newest_final().unwrap(), None);

        let states = [AnchorState::Final, AnchorState::Final, AnchorState::Included, AnchorState::Sent];
        for (size, state) in (1..).zip(states) {
            store.put_anchor(&row(size, state)).unwrap();
        }
        assert_eq!(store.anchored_sizes().unwrap(), (3, 2));
        assert_eq!(store.newest_final().unwrap(), Some(row(2, AnchorState::Final)));
        assert_eq!(store.final_anchor(0).unwrap(), Some(row(1, AnchorState::Final)));
        assert_eq!(store.final_anchor(2).unwrap(), None);
        let open = [row(3, AnchorState::Included), row(4, AnchorState::Sent)];
        assert_eq!(store.open_anchors().unwrap(), open);

        // A reorganisation deeper than finality opens it again.
        store.put_anchor(&row(2, AnchorState::Included)).unwrap();
        store.drop_anchor(4).unwrap();
        assert_eq!(store.anchored_sizes().unwrap(), (3, 1));
        assert_eq!(store.newest_final().unwrap(), Some(row(1, AnchorState::Final)));
        assert!(store.has_anchor(2).unwrap() && !store.has_anchor(4).unwrap());
    }
}
