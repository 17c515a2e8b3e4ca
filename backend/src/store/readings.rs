//! Devices and readings, as detection reads them.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    from_sql,
    series::{Opened, PackedRow},
    to_sql,
    writer::key_to_sql,
};
use crate::domain::{
    DeviceName, Key, Micros, Millis,
    ports::{DeviceReader, ERASED_VALUES, StoreError, StoredReading},
    verdict::{Accepted, Device, Feedback, Label, Verdict},
};

/// What is told of a reading whose values were erased.
const ERASED: &str = "the reading with this key was erased: what was sent now was neither compared nor stored";

/// One detector's view of the store.
pub(crate) struct SqliteDevices {
    connection: Connection,
    opened: Opened,
}

impl SqliteDevices {
    /// Opens the database in this directory. It exists.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, StoreError> {
        Ok(Self { connection: super::open_for_reading(data_dir)?, opened: Opened::default() })
    }
}

impl DeviceReader for SqliteDevices {
    fn device(&mut self, name: &DeviceName) -> Result<Option<Device>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT pseudonym, profile, state, last_sequence, last_time_us, first_sequence, sequenced, last_seen_ms
             FROM device WHERE name = ?",
        )?;
        let device = select.query_row([name.as_str()], |row| {
            Ok(Device {
                name: name.clone(),
                pseudonym: row.get(0)?,
                profile: row.get(1)?,
                state: row.get(2)?,
                last_sequence: row.get::<_, Option<i64>>(3)?.map(from_sql),
                last_time: row.get::<_, Option<i64>>(4)?.map(Micros),
                first_sequence: row.get::<_, Option<i64>>(5)?.map(from_sql),
                sequenced: from_sql(row.get(6)?),
                last_seen: row.get::<_, Option<i64>>(7)?.map(Millis),
            })
        });
        Ok(device.optional()?)
    }

    fn feedback(&mut self, index: u64) -> Result<Option<Feedback>, StoreError> {
        super::feedback::of(&self.connection, index)
    }

    fn devices_after(&mut self, name: &str, count: usize) -> Result<Vec<(DeviceName, String)>, StoreError> {
        let mut select =
            self.connection.prepare_cached("SELECT name, profile FROM device WHERE name > ? ORDER BY name LIMIT ?")?;
        let rows =
            select.query_map(params![name, to_sql(count as u64)], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
        rows.map(|row| {
            let (name, profile) = row?;
            let damaged = |error| StoreError::Damaged(format!("a device's name: {error}"));
            Ok((DeviceName::new(&name).map_err(damaged)?, profile))
        })
        .collect()
    }

    fn reading(&mut self, device: &DeviceName, key: Key) -> Result<Option<(StoredReading, Accepted)>, StoreError> {
        let (by_sequence, key) = key_to_sql(key);
        let mut find = self.connection.prepare_cached("SELECT id FROM device WHERE name = ?")?;
        let Some(id) = find.query_row([device.as_str()], |row| row.get(0)).optional()? else { return Ok(None) };
        // The append table first: a row moves from there into a chunk, and never back.
        let row = match super::series::unpacked_row(&self.connection, id, by_sequence.into(), key)? {
            Some(row) => Some(row),
            None => self.opened.row(&self.connection, id, by_sequence.into(), key)?,
        };
        row.map(|row| self.accepted(row)).transpose()
    }
}

impl SqliteDevices {
    /// What is told of a stored row, when its reading comes again.
    fn accepted(&self, row: PackedRow) -> Result<(StoredReading, Accepted), StoreError> {
        let stored = StoredReading { time_us: row.time_us, values: row.values.text() };
        let mut payload = self.connection.prepare_cached("SELECT bytes FROM payload WHERE idx = ?")?;
        let payload: Option<Vec<u8>> = match row.entry {
            Some(index) => payload.query_row([index], |row| row.get(0)).optional()?,
            None => None,
        };
        let sentence = match payload {
            _ if stored.values == ERASED_VALUES => Some(ERASED.to_owned()),
            Some(bytes) => ledger::entry::Payload::from_bytes(&bytes).ok().map(|payload| payload.sentence),
            None => None,
        };
        let verdict = Verdict {
            score: row.score,
            threshold: row.threshold,
            label: label_from_sql(row.label),
            model_version: row.model,
        };
        Ok((stored, Accepted { duplicate: true, verdict, index: row.entry.map(from_sql), sentence }))
    }
}

pub(super) fn label_to_sql(label: Label) -> i64 {
    match label {
        Label::Normal => 0,
        Label::Anomaly => 1,
        Label::WarmingUp => 2,
    }
}

pub(super) fn label_from_sql(label: i64) -> Label {
    match label {
        1 => Label::Anomaly,
        2 => Label::WarmingUp,
        _ => Label::Normal,
    }
}
