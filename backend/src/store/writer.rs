//! The one connection that writes readings and the log.
//!
//! What is queued and settled within one transaction never touches the table: see [`Queued`].

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
};

use ledger::{audit::Record, heartbeat::Counter};
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    checkpoints::Checkpointer,
    counts::{self, Counts},
    from_sql,
    readings::label_to_sql,
    series::{Backlog, Forgetting, Found, shrink},
    to_sql,
};
use crate::domain::{
    Key, Micros, Millis,
    ports::{
        Detections, ERASED_VALUES, Extension, NewModel, PackRule, Sequencing, Silence, StoreError, Transaction, Upkeep,
        WriteStore, values_text,
    },
    retention::Retentions,
    verdict::{Device, Feedback, Judged, Pending, PendingFinding},
};

/// The write half of the embedded store.
pub(crate) struct SqliteWriter {
    connection: Connection,
    /// What there is to pack.
    backlog: Backlog,
    forgetting: Forgetting,
    /// Brings the write-ahead log into the database, beside this thread.
    _checkpointer: Checkpointer,
}

impl SqliteWriter {
    /// Makes a new log's database.
    pub(crate) fn create(data_dir: &Path) -> Result<Self, StoreError> {
        Self::of(super::create(data_dir)?, data_dir)
    }

    /// Opens the database in this directory, and brings its schema up to date.
    ///
    /// A log that has lost its database must not begin anew under the same key, so there has to be one.
    pub(crate) fn open_existing(data_dir: &Path) -> Result<Self, StoreError> {
        Self::of(super::open_and_migrate(data_dir)?, data_dir)
    }

    fn of(mut connection: Connection, data_dir: &Path) -> Result<Self, StoreError> {
        let checkpointer = Checkpointer::start(&mut connection, data_dir)?;
        let (backlog, forgetting) = (Backlog::default(), Forgetting::default());
        Ok(Self { connection, backlog, forgetting, _checkpointer: checkpointer })
    }

    /// Runs a step of upkeep without waiting for the disk: if a power cut undoes it, it is done again. The log's order
    /// keeps what is synced later from being there without it.
    fn unsynced<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.connection.pragma_update(None, "synchronous", "normal")?;
        let result = step(self);
        self.connection.pragma_update(None, "synchronous", "full")?;
        result
    }
}

impl Upkeep for SqliteWriter {
    fn pack(&mut self, now: Millis, rule: &PackRule) -> Result<usize, StoreError> {
        self.unsynced(|this| this.backlog.step(&mut this.connection, now, rule))
    }

    fn forget(&mut self, now: Millis, retentions: &dyn Retentions) -> Result<usize, StoreError> {
        self.unsynced(|this| this.forgetting.step(&mut this.connection, now, retentions))
    }

    fn shrink(&mut self) -> Result<usize, StoreError> {
        self.unsynced(|this| shrink(&this.connection))
    }
}

impl WriteStore for SqliteWriter {
    fn transaction(
        &mut self,
        work: &mut dyn FnMut(&mut dyn Transaction) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let transaction = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let mut within = SqliteTransaction {
            transaction: &transaction,
            queued: Queued::default(),
            number: None,
            recorded: BTreeMap::new(),
        };
        work(&mut within)?;
        within.write_queue()?;
        within.write_number()?;
        let recorded = within.recorded;
        // The point of no return: when this has returned, readings, log and outbox are on disk together. A crash
        // before it leaves nothing, and the sender, never having been answered, sends again.
        transaction.commit()?;
        recorded.into_iter().for_each(|(device, rows)| self.backlog.add(device, rows));
        Ok(())
    }
}

/// Both halves in one transaction.
struct SqliteTransaction<'a> {
    transaction: &'a rusqlite::Transaction<'a>,
    queued: Queued,
    /// The number that the next row of readings gets, once the table was asked.
    number: Option<i64>,
    /// Rows of readings by device.
    recorded: BTreeMap<i64, usize>,
}

/// A reading's row: device, kind of key, key.
type RowOf = (i64, i64, i64);

/// Rows of the queue that this transaction has made, and that have not been settled. They are written at its end,
/// if anything is left: nearly always all have become entries by then, and writing each row in order to delete it
/// would cost as much as the entry itself.
#[derive(Default)]
struct Queued {
    /// The row's id, which is above all ids in the table; the reading, if it has one; what is to become an entry.
    rows: VecDeque<(i64, Option<RowOf>, Pending)>,
    /// The id that the next row gets, once the table was asked.
    next: Option<i64>,
}

impl Transaction for SqliteTransaction<'_> {}

impl Detections for SqliteTransaction<'_> {
    fn put_devices(&mut self, devices: &[Device]) -> Result<(), StoreError> {
        let mut upsert = self.transaction.prepare_cached(
            "INSERT INTO device (name, pseudonym, profile, state, last_sequence, last_time_us,
                                 first_sequence, sequenced, last_seen_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (name) DO UPDATE SET state = ?4, last_sequence = ?5, last_time_us = ?6,
                                 first_sequence = ?7, sequenced = ?8, last_seen_ms = ?9",
        )?;
        for device in devices {
            upsert.execute(params![
                device.name.as_str(),
                device.pseudonym,
                device.profile,
                device.state,
                device.last_sequence.map(to_sql),
                device.last_time.map(|time| time.0),
                device.first_sequence.map(to_sql),
                to_sql(device.sequenced),
                device.last_seen.map(|seen| seen.0),
            ])?;
        }
        Ok(())
    }

    fn record(&mut self, judged: &[Judged]) -> Result<Vec<Option<i64>>, StoreError> {
        let mut queued = Vec::with_capacity(judged.len());
        let mut find = self.transaction.prepare_cached("SELECT id FROM device WHERE name = ?")?;
        let mut insert = self.transaction.prepare_cached(INSERT)?;
        let mut known: Option<(&str, i64)> = None;
        let mut counts = Counts::default();
        for Judged { reading, verdict, finding } in judged {
            // Readings of one device come in runs, so the last look-up usually serves.
            let name = reading.device().as_str();
            let device = match known {
                Some((last, id)) if last == name => id,
                _ => find.query_row([name], |row| row.get(0))?,
            };
            known = Some((name, device));
            counts.reading(device, reading.sequence());
            let (by_sequence, key) = key_to_sql(reading.key());
            insert.execute(params![
                device,
                by_sequence,
                key,
                self.next_number(device)?,
                reading.time().0,
                values_text(reading.values()),
                verdict.score,
                verdict.threshold,
                label_to_sql(verdict.label),
                &*verdict.model_version,
            ])?;
            let row = (device, i64::from(by_sequence), key);
            let pending = finding.clone().map(Pending::Finding);
            queued.push(pending.map(|pending| self.queue_row(Some(row), pending)).transpose()?);
        }
        counts.store(self.transaction)?;
        Ok(queued)
    }

    fn record_silences(&mut self, silences: &[Silence]) -> Result<Vec<i64>, StoreError> {
        let mut insert = self.transaction.prepare_cached(INSERT)?;
        let mut find = self.transaction.prepare_cached("SELECT id FROM device WHERE name = ?")?;
        let mut queued = Vec::with_capacity(silences.len());
        for Silence { device, at, verdict, finding } in silences {
            let device: i64 = find.query_row([device.as_str()], |row| row.get(0))?;
            let at = Micros::from(*at).0;
            insert.execute(params![
                device,
                NO_READING,
                at,
                self.next_number(device)?,
                at,
                ERASED_VALUES,
                verdict.score,
                verdict.threshold,
                label_to_sql(verdict.label),
                &*verdict.model_version,
            ])?;
            let row = (device, NO_READING, at);
            queued.push(self.queue_row(Some(row), Pending::Finding(finding.clone()))?);
        }
        Ok(queued)
    }

    fn record_feedback(&mut self, feedback: &[(Feedback, Record)]) -> Result<(), StoreError> {
        super::feedback::record(self.transaction, feedback)
    }

    fn probe(&mut self) -> Result<(), StoreError> {
        let next = "INSERT INTO setting (name, value) VALUES ('probe', '0')
                    ON CONFLICT DO UPDATE SET value = CAST(value AS INTEGER) + 1";
        self.transaction.execute(next, [])?;
        Ok(())
    }

    fn add_model(&mut self, model: &NewModel) -> Result<(), StoreError> {
        let hash = model.hash.to_string();
        self.transaction.execute(
            "INSERT INTO model (hash, version, profile, bytes) VALUES (?, ?, ?, ?)",
            params![hash, model.version, model.profile, model.bytes],
        )?;
        let (name, sample) = (model.profile.clone(), model.sample.to_string());
        let pending = Pending::Model { model: hash, name, sample };
        self.queue_row(None, pending).map(drop)
    }
}

impl SqliteTransaction<'_> {
    /// The number of the next row of readings, which is of this device.
    fn next_number(&mut self, device: i64) -> Result<i64, StoreError> {
        *self.recorded.entry(device).or_default() += 1;
        let number = match self.number {
            Some(number) => number,
            None => self.transaction.query_row("SELECT number FROM next_number", [], |row| row.get(0))?,
        };
        self.number = Some(number + 1);
        Ok(number)
    }

    /// Keeps the number that the next transaction begins with.
    fn write_number(&mut self) -> Result<(), StoreError> {
        if let Some(number) = self.number {
            self.transaction.prepare_cached("UPDATE next_number SET number = ?")?.execute([number])?;
        }
        Ok(())
    }

    /// Queues what is to become an entry.
    fn queue_row(&mut self, reading: Option<RowOf>, pending: Pending) -> Result<i64, StoreError> {
        let id = match self.queued.next {
            Some(id) => id,
            None => self.transaction.query_row("SELECT coalesce(max(id), 0) + 1 FROM queue", [], |row| row.get(0))?,
        };
        self.queued.next = Some(id + 1);
        self.queued.rows.push_back((id, reading, pending));
        Ok(id)
    }

    /// Keeps what has not become an entry, for a later transaction.
    fn write_queue(&mut self) -> Result<(), StoreError> {
        let sql = "INSERT INTO queue (id, device, by_sequence, key, pending) VALUES (?, ?, ?, ?, ?)";
        let mut insert = self.transaction.prepare_cached(sql)?;
        for (id, reading, pending) in self.queued.rows.drain(..) {
            let pending = serde_json::to_string(&pending).map_err(|error| StoreError::Engine(Box::new(error)))?;
            let (device, by_sequence, key) = match reading {
                Some((device, by_sequence, key)) => (Some(device), Some(by_sequence), Some(key)),
                None => (None, None, None),
            };
            insert.execute(params![id, device, by_sequence, key, pending])?;
        }
        Ok(())
    }

    /// Names the reading's entry, and settles the row of the queue. Gives the reading's device and the finding, if the
    /// row is one's.
    fn settle(&mut self, queued: i64, index: i64) -> Result<Option<(i64, PendingFinding)>, StoreError> {
        // Rows are settled in their order, so the row is the first, or lies in the table.
        let settled = match self.queued.rows.pop_front_if(|(id, ..)| *id == queued) {
            Some((_, reading, pending)) => Some((reading, pending)),
            None => self.take_queued(queued)?,
        };
        let Some((Some((device, by_sequence, key)), pending)) = settled else { return Ok(None) };
        let sql = "UPDATE reading SET entry = ? WHERE device = ? AND by_sequence = ? AND key = ?";
        let named = self.transaction.prepare_cached(sql)?.execute(params![index, device, by_sequence, key])?;
        if named != 1 {
            let why = format!("expected the reading of row {queued} of the queue in the append table, found {named}");
            return Err(StoreError::Damaged(why));
        }
        Ok(if let Pending::Finding(finding) = pending { Some((device, finding)) } else { None })
    }

    /// Takes a row out of the queue's table.
    fn take_queued(&mut self, queued: i64) -> Result<Option<(Option<RowOf>, Pending)>, StoreError> {
        let sql = "DELETE FROM queue WHERE id = ? RETURNING device, by_sequence, key, pending";
        let mut delete = self.transaction.prepare_cached(sql)?;
        let row = delete.query_row([queued], |row| {
            let device: Option<i64> = row.get(0)?;
            let reading =
                device.map(|device| Ok::<_, rusqlite::Error>((device, row.get(1)?, row.get(2)?))).transpose()?;
            Ok((reading, row.get::<_, String>(3)?))
        });
        let Some((reading, pending)) = row.optional()? else { return Ok(None) };
        Ok(Some((reading, pending_of(queued, &pending)?)))
    }
}

/// Reads what a row of the queue holds.
fn pending_of(id: i64, text: &str) -> Result<Pending, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Damaged(format!("row {id} of the queue: {error}")))
}

impl Sequencing for SqliteTransaction<'_> {
    fn queue(&mut self, limit: usize) -> Result<Vec<(i64, Pending)>, StoreError> {
        let mut select = self.transaction.prepare_cached("SELECT id, pending FROM queue ORDER BY id LIMIT ?")?;
        let rows = select.query_map([to_sql(limit as u64)], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
        let mut oldest = rows
            .map(|row| {
                let (id, pending) = row?;
                Ok((id, pending_of(id, &pending)?))
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        let room = limit - oldest.len();
        oldest.extend(self.queued.rows.iter().take(room).map(|(id, _, pending)| (*id, pending.clone())));
        Ok(oldest)
    }

    fn append(&mut self, extension: &Extension) -> Result<(), StoreError> {
        let newest = "SELECT size FROM checkpoint ORDER BY size DESC LIMIT 1";
        let found = self.transaction.query_row(newest, [], |row| row.get(0)).optional()?.map_or(0, from_sql);
        if found != extension.from {
            return Err(StoreError::Fenced { expected: extension.from, found });
        }
        let mut entry = self.transaction.prepare_cached("INSERT INTO entry (idx, kind, bytes) VALUES (?, ?, ?)")?;
        let mut payload =
            self.transaction.prepare_cached("INSERT INTO payload (idx, salt, bytes, state) VALUES (?, ?, ?, ?)")?;
        let mut count = self.transaction.prepare_cached(counts::ANOMALY)?;
        let mut found = Found::default();
        for (index, new) in (extension.from..).zip(&extension.entries) {
            let index = to_sql(index);
            entry.execute(params![index, new.kind, new.bytes])?;
            if let Some(disclosure) = &new.disclosure {
                payload.execute(params![index, disclosure.salt, disclosure.payload, new.state])?;
            }
            if let Some((device, finding)) = self.settle(new.queued, index)? {
                count.execute([device])?;
                found.add(device, &finding);
            }
        }
        found.store(self.transaction)?;
        let mut tile = self.transaction.prepare_cached(
            "INSERT INTO tile (level, idx, hashes) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET hashes = ?3",
        )?;
        for ((level, index), hashes) in &extension.tiles {
            tile.execute(params![level, to_sql(*index), ledger::tile::to_bytes(hashes)])?;
        }
        let mut checkpoint =
            self.transaction.prepare_cached("INSERT INTO checkpoint (size, root, note) VALUES (?, ?, ?)")?;
        for new in &extension.checkpoints {
            checkpoint.execute(params![to_sql(new.size), new.root.to_string(), new.note])?;
        }
        Ok(())
    }

    fn counters(&mut self) -> Result<Vec<Counter>, StoreError> {
        counts::counters(self.transaction)
    }

    fn close_window(&mut self, heartbeat: u64, counters: &[Counter]) -> Result<(), StoreError> {
        counts::close_window(self.transaction, heartbeat, counters)
    }

    fn audit_records(&mut self, from: u64, count: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        super::audit::records(self.transaction, from, count)
    }
}

/// A row of the append table.
const INSERT: &str = "INSERT INTO reading (device, by_sequence, key, number, time_us, metrics, score, threshold, label,
    model_version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// In place of what a reading's key is: there is no reading.
pub(super) const NO_READING: i64 = 2;

/// A key as the two columns of the table.
pub(super) fn key_to_sql(key: Key) -> (bool, i64) {
    match key {
        Key::Sequence(sequence) => (true, to_sql(sequence)),
        Key::Time(time) => (false, time.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ports::NewEntry;

    fn model(name: u8) -> NewModel {
        let hash = ledger::Hash([name; 32]);
        NewModel { hash, version: name.to_string(), profile: name.to_string(), bytes: vec![name], sample: hash }
    }

    fn names(rows: &[(i64, Pending)]) -> Vec<&str> {
        rows.iter().map(|(_, pending)| if let Pending::Model { name, .. } = pending { name } else { "" }).collect()
    }

    #[test]
    fn what_waits_outlives_its_transaction_and_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = SqliteWriter::create(dir.path()).unwrap();
        writer.transaction(&mut |tx| (1..=2).try_for_each(|name| tx.add_model(&model(name)))).unwrap();
        let waiting = |writer: &SqliteWriter| -> i64 {
            writer.connection.query_row("SELECT count(*) FROM queue", [], |row| row.get(0)).unwrap()
        };
        assert_eq!(waiting(&writer), 2);

        writer
            .transaction(&mut |tx| {
                tx.add_model(&model(3))?;
                assert_eq!(names(&tx.queue(1)?), ["1"]);
                let rows = tx.queue(10)?;
                assert_eq!(names(&rows), ["1", "2", "3"]);
                assert!(rows.is_sorted_by(|a, b| a.0 < b.0));
                // One of the table and one that never was there stay behind.
                let entry = |(queued, _): &(i64, Pending)| NewEntry {
                    bytes: vec![1],
                    kind: "model",
                    disclosure: None,
                    state: None,
                    queued: *queued,
                };
                let entries: Vec<NewEntry> = rows.iter().take(1).map(entry).collect();
                tx.append(&Extension { entries, ..Extension::default() })?;
                assert_eq!(names(&tx.queue(10)?), ["2", "3"]);
                Ok(())
            })
            .unwrap();
        assert_eq!(waiting(&writer), 2);
        writer
            .transaction(&mut |tx| {
                assert_eq!(names(&tx.queue(10)?), ["2", "3"]);
                Ok(())
            })
            .unwrap();
    }
}
