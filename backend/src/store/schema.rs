//! The tables. A change is a new step at the end of [`STEPS`]; steps that have shipped never change.

use rusqlite::Connection;

use crate::domain::ports::StoreError;

const STEPS: [&str; 4] = [
    r#"
-- The service's own settings, such as the trust roots that it has seen.
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

CREATE TABLE model (
    hash    TEXT PRIMARY KEY,           -- SHA-256 of bytes, hex
    version TEXT NOT NULL,
    profile TEXT NOT NULL,
    bytes   BLOB NOT NULL
) STRICT;

CREATE TABLE device (
    id            INTEGER PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    pseudonym     TEXT NOT NULL UNIQUE,
    profile       TEXT NOT NULL,
    state         BLOB NOT NULL,        -- the detector's, after the last reading
    last_sequence INTEGER,
    last_time_us  INTEGER
) STRICT;

-- Every reading with its verdict. Append only.
CREATE TABLE reading (
    id            INTEGER PRIMARY KEY,
    device        INTEGER NOT NULL REFERENCES device (id),
    by_sequence   INTEGER NOT NULL,     -- 1: key is a sequence number; 0: key is a time in µs
    key           INTEGER NOT NULL,
    time_us       INTEGER NOT NULL,
    metrics       TEXT NOT NULL,        -- JSON object, sorted by metric
    score         REAL NOT NULL,
    threshold     REAL NOT NULL,
    label         INTEGER NOT NULL,     -- 0 normal, 1 anomaly, 2 warming up
    model_version TEXT NOT NULL,
    entry         INTEGER               -- index in the log, for an anomaly
) STRICT;
CREATE UNIQUE INDEX reading_key ON reading (device, by_sequence, key);

-- What waits to become a log entry. Settled rows are deleted, so nothing personal stays here.
CREATE TABLE queue (
    id      INTEGER PRIMARY KEY,
    reading INTEGER REFERENCES reading (id),
    pending TEXT NOT NULL
) STRICT;

-- The log.
CREATE TABLE entry (idx INTEGER PRIMARY KEY, kind TEXT NOT NULL, bytes BLOB NOT NULL) STRICT;
CREATE INDEX entry_anomaly ON entry (idx) WHERE kind = 'anomaly';
CREATE TABLE payload (idx INTEGER PRIMARY KEY REFERENCES entry (idx), salt BLOB NOT NULL, bytes BLOB NOT NULL) STRICT;
CREATE TABLE tile (level INTEGER, idx INTEGER, hashes BLOB NOT NULL, PRIMARY KEY (level, idx)) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, root TEXT NOT NULL, note TEXT NOT NULL) STRICT;

-- The outbox: one row for each anchoring transaction, written before it is sent.
CREATE TABLE anchor (
    size   INTEGER PRIMARY KEY,
    root   TEXT NOT NULL,
    state  INTEGER NOT NULL,            -- 0 sent, 1 included, 2 final
    nonce  INTEGER NOT NULL,
    tx     TEXT,
    raw    BLOB NOT NULL,               -- emptied when final
    sent_ms INTEGER NOT NULL,
    proof  TEXT                         -- JSON, as in the evidence bundle
) STRICT;
CREATE INDEX anchor_open ON anchor (size) WHERE state < 2;
"#,
    r#"
-- Anomalies have an index of their own; the others are few, and looked for by kind.
CREATE INDEX entry_kind ON entry (kind, idx) WHERE kind <> 'anomaly';

-- What the next heartbeat will count: one row for each device that has sent, or has an anomaly, since the last.
CREATE TABLE device_count (
    pseudonym     TEXT PRIMARY KEY,
    readings      INTEGER NOT NULL,
    anomalies     INTEGER NOT NULL,
    sequence_low  INTEGER,
    sequence_high INTEGER
) STRICT, WITHOUT ROWID;
-- A log that is older than this table: all of it is in the first window.
INSERT INTO device_count
    SELECT pseudonym, count(*), count(entry), min(key) FILTER (WHERE by_sequence), max(key) FILTER (WHERE by_sequence)
    FROM reading JOIN device ON device.id = reading.device GROUP BY device.id;

-- What each heartbeat has counted, in the order of its tree.
CREATE TABLE counter (
    heartbeat INTEGER NOT NULL REFERENCES entry (idx),
    place     INTEGER NOT NULL,
    bytes     BLOB NOT NULL,
    PRIMARY KEY (heartbeat, place)
) STRICT, WITHOUT ROWID;

-- The audit log, numbered from 0. Append only.
CREATE TABLE audit (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
"#,
    r#"
-- The detector's state before the reading: with it a verdict can be computed again. None for payloads of before, and
-- for those that were restored from the chain. In the payload's row, so that it is erased with it.
ALTER TABLE payload ADD COLUMN state BLOB;
-- From here on a row of `reading` may have by_sequence = 2: no reading came, and key and time are when that was noticed.
-- Such a row has no metrics, and its label is 1.

-- What people said of findings. Erased with the payload that it is about.
CREATE TABLE feedback (
    idx      INTEGER PRIMARY KEY REFERENCES payload (idx) ON DELETE CASCADE,
    real     INTEGER NOT NULL,          -- 0 false alarm, 1 real
    comment  TEXT,
    given_ms INTEGER NOT NULL
) STRICT;
"#,
    concat!(
        include_str!("schema/identity.sql"),
        include_str!("schema/registry.sql"),
        include_str!("schema/series.sql"),
        include_str!("schema/intake.sql"),
    ),
];

/// The version that this program writes and reads.
pub(super) const VERSION: usize = STEPS.len();

/// Brings the schema up to date; refuses a database that a newer version has made.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found: usize = connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?.max(0) as usize;
    if found > STEPS.len() {
        return Err(StoreError::Damaged(format!(
            "expected schema version {} or older, found {found}: this data is of a newer version of the program",
            STEPS.len()
        )));
    }
    for (at, step) in STEPS.iter().enumerate().skip(found) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", (at + 1) as i64)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_payload_of_before_states_were_kept_has_none() {
        let mut connection = Connection::open_in_memory().unwrap();
        for step in &STEPS[..2] {
            connection.execute_batch(step).unwrap();
        }
        connection.pragma_update(None, "user_version", 2).unwrap();
        let rows = "INSERT INTO entry VALUES (0, 'anomaly', x'01'); INSERT INTO payload VALUES (0, x'02', x'03');";
        connection.execute_batch(rows).unwrap();
        migrate(&mut connection).unwrap();
        let row = connection.query_row("SELECT salt, bytes, state FROM payload", [], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, Option<Vec<u8>>>(2)?))
        });
        assert_eq!(row.unwrap(), (vec![2], vec![3], None));
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(version, VERSION as i64);
        migrate(&mut connection).unwrap();
    }
}
