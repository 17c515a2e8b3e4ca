//! The one connection that writes readings and the log.

use std::path::Path;

use ledger::heartbeat::Counter;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    counts::{self, Counts},
    from_sql,
    readings::label_to_sql,
    to_sql,
};
use crate::domain::{
    Key,
    ports::{Detections, Extension, NewModel, Sequencing, StoreError, Transaction, WriteStore, values_text},
    verdict::{Device, Judged, Pending},
};

/// The write half of the embedded store.
pub(crate) struct SqliteWriter {
    connection: Connection,
}

impl SqliteWriter {
    /// Makes a new log's database.
    pub(crate) fn create(data_dir: &Path) -> Result<Self, StoreError> {
        Ok(Self { connection: super::create(data_dir)? })
    }

    /// Opens the database in this directory, and brings its schema up to date.
    ///
    /// A log that has lost its database must not begin anew under the same key, so there has to be one.
    pub(crate) fn open_existing(data_dir: &Path) -> Result<Self, StoreError> {
        Ok(Self { connection: super::open_and_migrate(data_dir)? })
    }
}

impl WriteStore for SqliteWriter {
    fn transaction(
        &mut self,
        work: &mut dyn FnMut(&mut dyn Transaction) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let transaction = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        work(&mut SqliteTransaction { transaction: &transaction })?;
        // The point of no return: when this has returned, readings, log and outbox are on disk together. A crash
        // before it leaves nothing, and the sender, never having been answered, sends again.
        transaction.commit()?;
        Ok(())
    }
}

/// Both halves in one transaction.
struct SqliteTransaction<'a> {
    transaction: &'a rusqlite::Transaction<'a>,
}

impl Transaction for SqliteTransaction<'_> {}

impl Detections for SqliteTransaction<'_> {
    fn put_devices(&mut self, devices: &[Device]) -> Result<(), StoreError> {
        let mut upsert = self.transaction.prepare_cached(
            "INSERT INTO device (name, pseudonym, profile, state, last_sequence, last_time_us)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (name) DO UPDATE SET state = ?4, last_sequence = ?5, last_time_us = ?6",
        )?;
        for device in devices {
            upsert.execute(params![
                device.name.as_str(),
                device.pseudonym,
                device.profile,
                device.state,
                device.last_sequence.map(to_sql),
                device.last_time.map(|time| time.0),
            ])?;
        }
        Ok(())
    }

    fn record(&mut self, judged: &[Judged]) -> Result<Vec<Option<i64>>, StoreError> {
        let mut queued = Vec::with_capacity(judged.len());
        let mut find = self.transaction.prepare_cached("SELECT id FROM device WHERE name = ?")?;
        let mut insert = self.transaction.prepare_cached(
            "INSERT INTO reading (device, by_sequence, key, time_us, metrics, score, threshold, label, model_version)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?;
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
                reading.time().0,
                values_text(reading.values()),
                verdict.score,
                verdict.threshold,
                label_to_sql(verdict.label),
                &*verdict.model_version,
            ])?;
            let id = self.transaction.last_insert_rowid();
            let pending = finding.clone().map(Pending::Finding);
            queued.push(pending.map(|pending| self.queue_row(Some(id), &pending)).transpose()?);
        }
        counts.store(self.transaction)?;
        Ok(queued)
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
        self.queue_row(None, &Pending::Model { model: hash, name, sample }).map(drop)
    }
}

impl SqliteTransaction<'_> {
    fn queue_row(&self, reading: Option<i64>, pending: &Pending) -> Result<i64, StoreError> {
        let pending = serde_json::to_string(pending).map_err(|error| StoreError::Engine(Box::new(error)))?;
        let mut insert = self.transaction.prepare_cached("INSERT INTO queue (reading, pending) VALUES (?, ?)")?;
        insert.execute(params![reading, pending])?;
        Ok(self.transaction.last_insert_rowid())
    }
}

impl Sequencing for SqliteTransaction<'_> {
    fn queue(&mut self, limit: usize) -> Result<Vec<(i64, Pending)>, StoreError> {
        let mut select = self.transaction.prepare_cached("SELECT id, pending FROM queue ORDER BY id LIMIT ?")?;
        let rows = select.query_map([to_sql(limit as u64)], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
        rows.map(|row| {
            let (id, pending) = row?;
            let pending = serde_json::from_str(&pending)
                .map_err(|error| StoreError::Damaged(format!("row {id} of the queue: {error}")))?;
            Ok((id, pending))
        })
        .collect()
    }

    fn append(&mut self, extension: &Extension) -> Result<(), StoreError> {
        let newest = "SELECT size FROM checkpoint ORDER BY size DESC LIMIT 1";
        let found = self.transaction.query_row(newest, [], |row| row.get(0)).optional()?.map_or(0, from_sql);
        if found != extension.from {
            return Err(StoreError::Fenced { expected: extension.from, found });
        }
        let mut entry = self.transaction.prepare_cached("INSERT INTO entry (idx, kind, bytes) VALUES (?, ?, ?)")?;
        let mut payload = self.transaction.prepare_cached("INSERT INTO payload (idx, salt, bytes) VALUES (?, ?, ?)")?;
        let mut reading = self
            .transaction
            .prepare_cached("UPDATE reading SET entry = ? WHERE id = (SELECT reading FROM queue WHERE id = ?)")?;
        let mut count = self.transaction.prepare_cached(counts::ANOMALY)?;
        let mut settle = self.transaction.prepare_cached("DELETE FROM queue WHERE id = ?")?;
        for (index, new) in (extension.from..).zip(&extension.entries) {
            let index = to_sql(index);
            entry.execute(params![index, new.kind, new.bytes])?;
            if let Some(disclosure) = &new.disclosure {
                payload.execute(params![index, disclosure.salt, disclosure.payload])?;
            }
            reading.execute(params![index, new.queued])?;
            if new.kind == "anomaly" {
                count.execute([new.queued])?;
            }
            settle.execute([new.queued])?;
        }
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

/// A key as the two columns of the table.
pub(super) fn key_to_sql(key: Key) -> (bool, i64) {
    match key {
        Key::Sequence(sequence) => (true, to_sql(sequence)),
        Key::Time(time) => (false, time.0),
    }
}
