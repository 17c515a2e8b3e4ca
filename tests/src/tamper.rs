//! What somebody with access to the disk could do: changes to the service's database behind its back.

use std::path::Path;

use ledger::{
    Hash,
    checkpoint::{LogKey, LogSigner, Origin},
    hash::leaf_hash,
    tile::{ChangedTiles, Frontier, to_bytes},
};
use rusqlite::{Connection, params};

/// The service's database, opened beside it.
#[derive(Debug)]
pub struct Database(Connection);

/// A stored value that was changed, as it was before.
#[derive(Debug)]
pub struct Undo {
    sql: &'static str,
    key: Vec<i64>,
    value: rusqlite::types::Value,
}

impl Database {
    /// Opens the database in a data directory.
    pub fn open(data_dir: &Path) -> Self {
        let connection = Connection::open(data_dir.join("ledger.sqlite")).expect("the database can be opened");
        connection.busy_timeout(std::time::Duration::from_secs(10)).expect("a timeout can be set");
        Self(connection)
    }

    /// Changes one hex digit of the device's pseudonym in an entry: it stays well-formed.
    pub fn change_entry(&self, index: u64) -> Undo {
        let before: Vec<u8> = self.one("SELECT bytes FROM entry WHERE idx = ?", &[sql(index)]);
        self.change(
            "UPDATE entry SET bytes = ?1 WHERE idx = ?2",
            &[sql(index)],
            before.clone().into(),
            other_device(before).into(),
        )
    }

    /// Changes one byte of a payload.
    pub fn change_payload(&self, index: u64) -> Undo {
        let before: Vec<u8> = self.one("SELECT bytes FROM payload WHERE idx = ?", &[sql(index)]);
        let mut after = before.clone();
        let at = find(&after, b"\"sentence\":\"") + 1;
        after[at] ^= 0x01;
        self.change("UPDATE payload SET bytes = ?1 WHERE idx = ?2", &[sql(index)], before.into(), after.into())
    }

    /// Changes one bit of the hash beside this leaf: the first of its inclusion proof.
    pub fn change_sibling(&self, index: u64) -> Undo {
        let key = [0, sql(index / 256)];
        let before: Vec<u8> = self.one("SELECT hashes FROM tile WHERE level = ? AND idx = ?", &key);
        let sibling = ((index % 256) ^ 1) as usize * 32;
        assert!(sibling < before.len(), "entry {index} has no neighbour yet");
        let mut after = before.clone();
        after[sibling] ^= 0x01;
        self.change("UPDATE tile SET hashes = ?1 WHERE level = ?2 AND idx = ?3", &key, before.into(), after.into())
    }

    /// Changes one bit of the last hash in this tile.
    pub fn change_tile(&self, level: u32, index: u64) -> Undo {
        let key = [i64::from(level), sql(index)];
        let before: Vec<u8> = self.one("SELECT hashes FROM tile WHERE level = ? AND idx = ?", &key);
        let mut after = before.clone();
        *after.last_mut().expect("no tile is empty") ^= 0x01;
        self.change("UPDATE tile SET hashes = ?1 WHERE level = ?2 AND idx = ?3", &key, before.into(), after.into())
    }

    /// Stores another note with the checkpoint of this size, as one who gathers cosignatures does.
    pub fn put_note(&self, size: u64, note: &str) {
        self.update("UPDATE checkpoint SET note = ?1 WHERE size = ?2", note.to_owned().into(), &[sql(size)]);
    }

    /// Changes one character of the signature in the checkpoint of this size.
    pub fn change_checkpoint(&self, size: u64) -> Undo {
        let before: String = self.one("SELECT note FROM checkpoint WHERE size = ?", &[sql(size)]);
        let mut after = before.clone().into_bytes();
        // Well inside the signature: it stays base64.
        let at = after.len() - 20;
        after[at] = if after[at] == b'A' { b'B' } else { b'A' };
        let after = String::from_utf8(after).expect("it was ASCII there");
        self.change("UPDATE checkpoint SET note = ?1 WHERE size = ?2", &[sql(size)], before.into(), after.into())
    }

    /// Takes a change back.
    pub fn undo(&self, undo: Undo) {
        self.update(undo.sql, undo.value, &undo.key);
    }

    /// Rewrites history consistently: one entry is changed, and tiles and checkpoints are made anew and signed with this
    /// key. What was proven of the old history is thrown away, as a forger would.
    pub fn fork(&self, index: u64, signer: &LogSigner) {
        let entry: Vec<u8> = self.one("SELECT bytes FROM entry WHERE idx = ?", &[sql(index)]);
        self.update("UPDATE entry SET bytes = ?1 WHERE idx = ?2", other_device(entry).into(), &[sql(index)]);
        let leaves: Vec<Hash> = self
            .column::<Vec<u8>>("SELECT bytes FROM entry ORDER BY idx")
            .iter()
            .map(|bytes| leaf_hash(bytes))
            .collect();
        let mut frontier = Frontier::default();
        let mut tiles = ChangedTiles::new();
        for size in self.column::<i64>("SELECT size FROM checkpoint ORDER BY size") {
            let from = frontier.size() as usize;
            frontier.append(leaves[from..size as usize].iter().copied(), &mut tiles);
            let (size, root) = (frontier.size(), frontier.root());
            self.run(
                "UPDATE checkpoint SET root = ?1, note = ?2 WHERE size = ?3",
                params![root.to_string(), signer.sign(size, root), sql(size)],
            );
        }
        for ((level, tile), hashes) in tiles {
            self.run(
                "UPDATE tile SET hashes = ?1 WHERE level = ?2 AND idx = ?3",
                params![to_bytes(&hashes), level, sql(tile)],
            );
        }
        self.run("DELETE FROM anchor", params![]);
    }

    fn change(
        &self,
        sql: &'static str,
        key: &[i64],
        before: rusqlite::types::Value,
        after: rusqlite::types::Value,
    ) -> Undo {
        assert_ne!(before, after);
        self.update(sql, after, key);
        Undo { sql, key: key.to_vec(), value: before }
    }

    fn update(&self, sql: &str, value: rusqlite::types::Value, key: &[i64]) {
        let mut params = vec![value];
        params.extend(key.iter().map(|key| rusqlite::types::Value::from(*key)));
        self.run(sql, rusqlite::params_from_iter(params));
    }

    fn run(&self, sql: &str, params: impl rusqlite::Params) {
        let changed = self.0.execute(sql, params).unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert!(changed > 0 || sql.starts_with("DELETE"), "nothing to change: {sql}");
    }

    fn one<T: rusqlite::types::FromSql>(&self, sql: &str, key: &[i64]) -> T {
        self.0
            .query_row(sql, rusqlite::params_from_iter(key), |row| row.get(0))
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    fn column<T: rusqlite::types::FromSql>(&self, sql: &str) -> Vec<T> {
        let mut select = self.0.prepare(sql).expect("a statement");
        let rows = select.query_map([], |row| row.get(0)).expect("rows");
        rows.collect::<Result<_, _>>().expect("rows")
    }
}

/// The log's own signer, as whoever can read the data directory has it.
pub fn stolen_signer(data_dir: &Path) -> LogSigner {
    LogSigner::new(origin(data_dir), &secret(data_dir))
}

/// A signer with the log's name and a key of its own.
pub fn false_signer(data_dir: &Path) -> LogSigner {
    let mut secret = secret(data_dir);
    secret[0] ^= 0x01;
    LogSigner::new(origin(data_dir), &secret)
}

fn origin(data_dir: &Path) -> Origin {
    let text = std::fs::read_to_string(data_dir.join("keys/log.pub")).expect("the first key can be read");
    text.trim().parse::<LogKey>().expect("a verifier key").origin().clone()
}

fn secret(data_dir: &Path) -> [u8; 32] {
    let text = std::fs::read_to_string(data_dir.join("keys/log.key")).expect("the key can be read");
    alloy_primitives::hex::decode(text.trim()).expect("hex").try_into().expect("32 bytes")
}

/// The entry with another digit in the device's pseudonym.
fn other_device(mut entry: Vec<u8>) -> Vec<u8> {
    let at = find(&entry, b"\"device\":\"");
    entry[at] = if entry[at] == b'0' { b'1' } else { b'0' };
    entry
}

/// The place after this text.
fn find(bytes: &[u8], text: &[u8]) -> usize {
    let at = bytes.windows(text.len()).position(|window| window == text);
    at.unwrap_or_else(|| panic!("no {} in {}", text.escape_ascii(), bytes.escape_ascii())) + text.len()
}

fn sql(number: u64) -> i64 {
    i64::try_from(number).expect("a number below 2^53")
}
