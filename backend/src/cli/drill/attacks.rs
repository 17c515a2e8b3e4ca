//! The attacks: what somebody could do who can write to the disk, some of whom have the log's key as well.
//!
//! They go past every port of the store, as an attacker does, and are only ever led against a copy.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use ledger::{
    Hash,
    checkpoint::{LogKey, LogSigner},
    hash::leaf_hash,
    keys::KeyHistory,
    tile::{self, ChangedTiles, Frontier, TileId},
};
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    checks::Check::{self, Compare, Contract, Fsck, Start, Verify},
    ground::{Facts, Ground},
};
use crate::{
    domain::{Keyring, log::key_history},
    store::{FILE, Reader},
};

/// Entries read at a time.
const STEP: i64 = 4_096;

/// One attack.
pub(super) struct Attack {
    pub(super) name: &'static str,
    /// Every one of these has to notice it.
    pub(super) checks: &'static [Check],
    /// Whether only the chain can notice it: a log that is consistent in itself shows nothing.
    pub(super) needs_chain: bool,
    pub(super) lead: fn(&mut Victim) -> Result<Led, Failed>,
}

/// What was done.
pub(super) struct Led {
    pub(super) what: String,
    /// The entry whose evidence is verified.
    pub(super) index: u64,
}

/// Why an attack could not be led.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// The ledger has nothing that could be attacked so.
    #[error("{0}")]
    Impossible(&'static str),
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    #[error(transparent)]
    File(#[from] std::io::Error),
}

/// A copy under attack.
pub(super) struct Victim {
    dir: PathBuf,
    key: LogKey,
    keyring: Option<Arc<Keyring>>,
    facts: Facts,
    database: Connection,
}

/// What checkpoints are signed with.
enum Pen {
    Own(Arc<Keyring>, KeyHistory),
    Forgers(LogSigner),
}

impl Pen {
    fn sign(&self, size: u64, root: Hash) -> Result<String, Failed> {
        match self {
            Pen::Own(keyring, history) => {
                let signer = keyring.signer(history.key_at(size)).ok_or(NO_KEY)?;
                Ok(signer.sign(size, root))
            }
            Pen::Forgers(signer) => Ok(signer.sign(size, root)),
        }
    }
}

/// All attacks, from the coarse to the cunning.
pub(super) const ATTACKS: [Attack; 13] = [
    Attack { name: "edited entry", checks: &[Fsck, Verify], needs_chain: false, lead: Victim::edit_entry },
    Attack { name: "edited payload", checks: &[Fsck, Verify], needs_chain: false, lead: Victim::edit_payload },
    Attack { name: "edited state", checks: &[Fsck, Verify], needs_chain: false, lead: Victim::edit_state },
    Attack { name: "deleted entry", checks: &[Fsck], needs_chain: false, lead: Victim::delete },
    Attack { name: "two entries exchanged", checks: &[Fsck, Verify], needs_chain: false, lead: Victim::exchange },
    Attack { name: "tail cut off", checks: &[Fsck], needs_chain: false, lead: Victim::cut_tail },
    Attack { name: "forged leaf", checks: &[Fsck, Start, Verify], needs_chain: false, lead: Victim::forge_leaf },
    Attack { name: "changed checkpoint", checks: &[Fsck, Verify], needs_chain: false, lead: Victim::change_checkpoint },
    Attack { name: "changed tile", checks: &[Fsck, Verify], needs_chain: false, lead: Victim::change_tile },
    Attack { name: "swapped model in the store", checks: &[Fsck], needs_chain: false, lead: Victim::swap_model },
    Attack { name: "swapped model file", checks: &[Fsck], needs_chain: false, lead: Victim::swap_model_file },
    Attack { name: "stale database", checks: &[Fsck, Compare], needs_chain: true, lead: Victim::stale },
    Attack {
        name: "log forked by its operator",
        checks: &[Fsck, Compare, Verify, Contract],
        needs_chain: true,
        lead: Victim::fork,
    },
];

impl Victim {
    pub(super) fn open(ground: &Ground, dir: &Path) -> rusqlite::Result<Self> {
        let database = Connection::open(dir.join(FILE))?;
        // Whoever attacks does not ask SQLite to keep order.
        database.pragma_update(None, "foreign_keys", false)?;
        let (key, keyring, facts) = (ground.key.clone(), ground.keyring.clone(), ground.facts.clone());
        Ok(Self { dir: dir.to_owned(), key, keyring, facts, database })
    }

    /// Goes on with the log as its operator does: the contract takes this, so what it refuses it refuses with reason.
    pub(super) fn extend_honestly(&mut self) -> Result<Led, Failed> {
        let pen = self.own_pen()?;
        self.append_forged(&pen)?;
        Ok(Led { what: String::new(), index: 0 })
    }

    fn edit_entry(&mut self) -> Result<Led, Failed> {
        let index = self.target()?;
        let entry = other_digit(self.entry(index)?, b"\"device\":\"");
        self.database.execute("UPDATE entry SET bytes = ? WHERE idx = ?", params![entry, sql(index)])?;
        Ok(Led { what: format!("entry {index}: another digit in the device's pseudonym"), index })
    }

    fn edit_payload(&mut self) -> Result<Led, Failed> {
        let index = self.target()?;
        let bytes: Vec<u8> =
            self.database.query_row("SELECT bytes FROM payload WHERE idx = ?", [sql(index)], |row| row.get(0))?;
        let bytes = other_digit(bytes, b"\"score\":\"");
        self.database.execute("UPDATE payload SET bytes = ? WHERE idx = ?", params![bytes, sql(index)])?;
        Ok(Led { what: format!("payload of entry {index}: another digit in a score"), index })
    }

    fn edit_state(&mut self) -> Result<Led, Failed> {
        let index = self.target()?;
        let select = "SELECT state FROM payload WHERE idx = ?";
        let state: Option<Vec<u8>> = self.database.query_row(select, [sql(index)], |row| row.get(0))?;
        let mut state = state.ok_or(Failed::Impossible("no state is kept with the payload"))?;
        flip_last(&mut state);
        self.database.execute("UPDATE payload SET state = ? WHERE idx = ?", params![state, sql(index)])?;
        Ok(Led { what: format!("state kept with entry {index}: a bit of what the detector knew"), index })
    }

    fn delete(&mut self) -> Result<Led, Failed> {
        let index = self.target()?;
        self.database.execute("DELETE FROM payload WHERE idx = ?", [sql(index)])?;
        self.database.execute("DELETE FROM entry WHERE idx = ?", [sql(index)])?;
        self.database.execute("UPDATE reading SET entry = NULL, label = 0 WHERE entry = ?", [sql(index)])?;
        Ok(Led { what: format!("entry {index} with payload; its reading is called normal"), index })
    }

    fn exchange(&mut self) -> Result<Led, Failed> {
        let index = self.target()?;
        let other = index ^ 1;
        for (from, to) in [(sql(index), i64::MAX), (sql(other), sql(index)), (i64::MAX, sql(other))] {
            self.database.execute("UPDATE entry SET idx = ? WHERE idx = ?", [to, from])?;
            self.database.execute("UPDATE payload SET idx = ? WHERE idx = ?", [to, from])?;
            self.database.execute("UPDATE reading SET entry = ? WHERE entry = ?", [to, from])?;
        }
        Ok(Led { what: format!("entries {index} and {other} with all that belongs to them"), index })
    }

    fn cut_tail(&mut self) -> Result<Led, Failed> {
        let size = self.facts.size;
        if size < 2 {
            return Err(Failed::Impossible("the log has fewer than two entries"));
        }
        self.database.execute("DELETE FROM payload WHERE idx >= ?", [sql(size - 1)])?;
        self.database.execute("DELETE FROM entry WHERE idx >= ?", [sql(size - 1)])?;
        self.database.execute("UPDATE reading SET entry = NULL, label = 0 WHERE entry >= ?", [sql(size - 1)])?;
        Ok(Led { what: format!("the last entry, {}; its checkpoint stays", size - 1), index: 0 })
    }

    fn forge_leaf(&mut self) -> Result<Led, Failed> {
        // Without the log's key: with one of the forger's own.
        let pen = Pen::Forgers(LogSigner::new(self.key.origin().clone(), &[0x66; 32]));
        let index = self.append_forged(&pen)?;
        Ok(Led { what: format!("entry {index} with tiles and a checkpoint, signed with another key"), index })
    }

    fn change_checkpoint(&mut self) -> Result<Led, Failed> {
        let index = self.target()?;
        let size = self.covering(index)?;
        let note: String =
            self.database.query_row("SELECT note FROM checkpoint WHERE size = ?", [sql(size)], |row| row.get(0))?;
        let mut note = note.into_bytes();
        // Well inside the signature: it stays base64.
        let at = note.len() - 20;
        note[at] = if note[at] == b'A' { b'B' } else { b'A' };
        let note = String::from_utf8_lossy(&note).into_owned();
        self.database.execute("UPDATE checkpoint SET note = ? WHERE size = ?", params![note, sql(size)])?;
        Ok(Led { what: format!("checkpoint {size}: a character of its signature"), index })
    }

    fn change_tile(&mut self) -> Result<Led, Failed> {
        let index = self.target()?;
        let tile = index / tile::WIDTH;
        let mut hashes = self.tile(0, tile)?.ok_or(Failed::Impossible("the tile is missing"))?;
        let sibling = ((index % tile::WIDTH) ^ 1) as usize * 32;
        let byte = hashes.get_mut(sibling).ok_or(Failed::Impossible("the entry has no neighbour yet"))?;
        *byte ^= 1;
        self.database.execute("UPDATE tile SET hashes = ? WHERE level = 0 AND idx = ?", params![hashes, sql(tile)])?;
        Ok(Led { what: format!("tile 0/{tile}: a bit of the hash beside entry {index}"), index })
    }

    fn swap_model(&mut self) -> Result<Led, Failed> {
        let select = "SELECT hash, version, bytes FROM model ORDER BY profile LIMIT 1";
        let model =
            self.database.query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
        let (hash, version, mut bytes): (String, String, Vec<u8>) = model.ok_or(NO_MODEL)?;
        flip_last(&mut bytes);
        self.database.execute("UPDATE model SET bytes = ? WHERE hash = ?", params![bytes, hash])?;
        Ok(Led { what: format!("model {version}: a bit of what a verdict is computed again from"), index: 0 })
    }

    fn swap_model_file(&mut self) -> Result<Led, Failed> {
        let mut files = Vec::new();
        if let Ok(profiles) = std::fs::read_dir(self.dir.join("models")) {
            for profile in profiles {
                let models = std::fs::read_dir(profile?.path()).into_iter().flatten();
                files.extend(models.flatten().map(|model| model.path().join("model.bin")));
            }
        }
        files.retain(|file| file.exists());
        files.sort();
        let file = files.first().ok_or(NO_MODEL)?;
        let mut bytes = std::fs::read(file)?;
        flip_last(&mut bytes);
        std::fs::write(file, bytes)?;
        let shown = file.strip_prefix(&self.dir).unwrap_or(file).display();
        Ok(Led { what: format!("{shown}: a bit of what judges"), index: 0 })
    }

    /// The log as it was at an earlier checkpoint, in every table: nothing in it is wrong.
    fn stale(&mut self) -> Result<Led, Failed> {
        let to = self.facts.earlier.ok_or(Failed::Impossible("no checkpoint lies below the contract's head"))?;
        for delete in [
            "DELETE FROM payload WHERE idx >= ?",
            "DELETE FROM counter WHERE heartbeat >= ?",
            "DELETE FROM entry WHERE idx >= ?",
            "DELETE FROM checkpoint WHERE size > ?",
            "DELETE FROM anchor WHERE size > ?",
            "DELETE FROM reading WHERE entry >= ?",
        ] {
            self.database.execute(delete, [sql(to)])?;
        }
        let mut nodes = to;
        for level in 0..8_u32 {
            let (tile, width) = (nodes / tile::WIDTH, nodes % tile::WIDTH);
            self.database.execute("DELETE FROM tile WHERE level = ? AND idx > ?", params![level, sql(tile)])?;
            let trim = "UPDATE tile SET hashes = substr(hashes, 1, ?) WHERE level = ? AND idx = ?";
            self.database.execute(trim, params![sql(width * 32), level, sql(tile)])?;
            nodes /= tile::WIDTH;
        }
        self.database.execute("DELETE FROM tile WHERE length(hashes) = 0", [])?;
        // What recorded a model may have been cut off: an old backup has no such row either.
        self.database.execute(
            "DELETE FROM model WHERE NOT EXISTS (SELECT 1 FROM entry WHERE kind = 'model' AND instr(bytes, model.hash) > 0)",
            [],
        )?;
        let _ = std::fs::remove_dir_all(self.dir.join("models"));
        Ok(Led { what: format!("everything as it was at {to} entries, as a backup has it"), index: 0 })
    }

    /// History rewritten by whoever has the log's key: one entry is changed, and all tiles and checkpoints made anew.
    fn fork(&mut self) -> Result<Led, Failed> {
        let pen = self.own_pen()?;
        if self.facts.head == 0 {
            return Err(Failed::Impossible("the contract holds no root yet"));
        }
        let index = self.target()?;
        let entry = other_digit(self.entry(index)?, b"\"device\":\"");
        self.database.execute("UPDATE entry SET bytes = ? WHERE idx = ?", params![entry, sql(index)])?;
        self.database.execute("DELETE FROM anchor", [])?;
        self.rebuild(&pen)?;
        let appended = self.append_forged(&pen)?;
        // A reading to go with it, so that the tables agree with each other.
        self.database.execute(
            "INSERT INTO reading (device, by_sequence, key, time_us, metrics, score, threshold, label, model_version, entry)
             SELECT device, by_sequence, (SELECT max(key) + 1 FROM reading), time_us, metrics, score, threshold, label,
             model_version, ? FROM reading WHERE entry = ?",
            [sql(appended), sql(index)],
        )?;
        let what =
            format!("entry {index} changed, all tiles made anew, all checkpoints signed anew with the log's own key");
        Ok(Led { what, index })
    }

    /// Tiles and checkpoints from the entries, as if they had always been so.
    fn rebuild(&mut self, pen: &Pen) -> Result<(), Failed> {
        let transaction = self.database.unchecked_transaction()?;
        let mut frontier = Frontier::default();
        let sizes: Vec<u64> = {
            let mut select = transaction.prepare("SELECT size FROM checkpoint ORDER BY size")?;
            select.query_map([], |row| row.get(0).map(i64::unsigned_abs))?.collect::<Result<_, _>>()?
        };
        for size in sizes {
            while frontier.size() < size {
                let count = (size - frontier.size()).min(STEP as u64);
                let mut changed = ChangedTiles::new();
                let mut select =
                    transaction.prepare_cached("SELECT bytes FROM entry WHERE idx >= ? ORDER BY idx LIMIT ?")?;
                let leaves: Vec<Hash> = select
                    .query_map([sql(frontier.size()), sql(count)], |row| Ok(leaf_hash(&row.get::<_, Vec<u8>>(0)?)))?
                    .collect::<Result<_, _>>()?;
                if leaves.is_empty() {
                    return Err(Failed::Impossible("entries are missing"));
                }
                frontier.append(leaves, &mut changed);
                put_tiles(&transaction, changed)?;
            }
            let root = frontier.root();
            transaction.execute(
                "UPDATE checkpoint SET root = ?, note = ? WHERE size = ?",
                params![root.to_string(), pen.sign(size, root)?, sql(size)],
            )?;
        }
        Ok(transaction.commit()?)
    }

    /// Appends an entry that no reading gave rise to, with tiles and a checkpoint by this pen. Gives its index.
    fn append_forged(&mut self, pen: &Pen) -> Result<u64, Failed> {
        let size = self.facts.size;
        let entry = other_digit(other_digit(self.entry(self.target()?)?, b"\"id\":\""), b"\"device\":\"");
        let mut frontier = Frontier::load(size, |TileId { level, index, width }| {
            let hashes = self.tile(level, index)?.and_then(|bytes| tile::from_bytes(&bytes)).unwrap_or_default();
            if hashes.len() < width as usize {
                return Err(Failed::Impossible("a tile at the right edge is missing"));
            }
            Ok(hashes[..width as usize].to_vec())
        })?;
        let mut changed = ChangedTiles::new();
        frontier.append([leaf_hash(&entry)], &mut changed);
        put_tiles(&self.database, changed)?;
        self.database.execute(
            "INSERT OR REPLACE INTO entry (idx, kind, bytes) VALUES (?, 'anomaly', ?)",
            params![sql(size), entry],
        )?;
        let (size, root) = (frontier.size(), frontier.root());
        self.database.execute(
            "INSERT OR REPLACE INTO checkpoint (size, root, note) VALUES (?, ?, ?)",
            params![sql(size), root.to_string(), pen.sign(size, root)?],
        )?;
        Ok(size - 1)
    }

    /// The log's own keys, each for the sizes that are its own.
    fn own_pen(&self) -> Result<Pen, Failed> {
        let keyring = self.keyring.clone().ok_or(NO_KEY)?;
        let log = Reader::open(&self.dir).map_err(|_| NO_KEY)?;
        let history = key_history(&log, keyring.first().clone()).map_err(|_| NO_KEY)?;
        Ok(Pen::Own(keyring, history))
    }

    fn target(&self) -> Result<u64, Failed> {
        self.facts.target.ok_or(Failed::Impossible("there is no anomaly with a payload and a neighbour"))
    }

    fn entry(&self, index: u64) -> rusqlite::Result<Vec<u8>> {
        self.database.query_row("SELECT bytes FROM entry WHERE idx = ?", [sql(index)], |row| row.get(0))
    }

    fn tile(&self, level: u32, index: u64) -> rusqlite::Result<Option<Vec<u8>>> {
        let select = "SELECT hashes FROM tile WHERE level = ? AND idx = ?";
        self.database.query_row(select, params![level, sql(index)], |row| row.get(0)).optional()
    }

    /// The size of the checkpoint in an entry's evidence.
    fn covering(&self, index: u64) -> Result<u64, Failed> {
        let select = "SELECT min(size) FROM anchor WHERE state = 2 AND size > ?";
        let anchored: Option<i64> = self.database.query_row(select, [sql(index)], |row| row.get(0))?;
        let head = Some(self.facts.head).filter(|head| *head > index);
        Ok(anchored.map(i64::unsigned_abs).or(head).unwrap_or(self.facts.size))
    }
}

const NO_KEY: Failed = Failed::Impossible("the log's key is not here");
const NO_MODEL: Failed = Failed::Impossible("no model is stored here");

fn put_tiles(database: &Connection, tiles: ChangedTiles) -> rusqlite::Result<()> {
    let mut put = database.prepare_cached("INSERT OR REPLACE INTO tile (level, idx, hashes) VALUES (?, ?, ?)")?;
    for ((level, index), hashes) in tiles {
        put.execute(params![level, sql(index), tile::to_bytes(&hashes)])?;
    }
    Ok(())
}

/// The bytes with another digit after the first of this text: they stay well-formed.
fn other_digit(mut bytes: Vec<u8>, after: &[u8]) -> Vec<u8> {
    if let Some(at) = bytes.windows(after.len()).position(|window| window == after) {
        let digit = &mut bytes[at + after.len()];
        *digit = if *digit == b'0' { b'1' } else { b'0' };
    }
    bytes
}

/// Integers are signed in SQLite; ours are below 2^53.
fn sql(number: u64) -> i64 {
    number as i64
}

fn flip_last(bytes: &mut [u8]) {
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
}
