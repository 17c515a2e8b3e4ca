//! Devices and readings, as detection reads them.

use std::{path::Path, sync::Arc};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{from_sql, to_sql, writer::key_to_sql};
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
}

impl SqliteDevices {
    /// Opens the database in this directory. It exists.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, StoreError> {
        Ok(Self { connection: super::open_for_reading(data_dir)? })
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
        let mut select = self.connection.prepare_cached(
            "SELECT time_us, metrics, score, threshold, label, model_version, entry, payload.bytes
             FROM reading LEFT JOIN payload ON payload.idx = reading.entry
             WHERE device = (SELECT id FROM device WHERE name = ?) AND by_sequence = ? AND key = ?",
        )?;
        let row = select.query_row(params![device.as_str(), by_sequence, key], |row| {
            let stored = StoredReading { time_us: row.get(0)?, values: row.get(1)? };
            let payload: Option<Vec<u8>> = row.get(7)?;
            let sentence = match payload {
                _ if stored.values == ERASED_VALUES => Some(ERASED.to_owned()),
                Some(bytes) => ledger::entry::Payload::from_bytes(&bytes).ok().map(|payload| payload.sentence),
                None => None,
            };
            let accepted = Accepted {
                duplicate: true,
                verdict: verdict_from_row(row, 2)?,
                index: row.get::<_, Option<i64>>(6)?.map(from_sql),
                sentence,
            };
            Ok((stored, accepted))
        });
        Ok(row.optional()?)
    }
}

/// Reads score, threshold, label and model version from four columns.
fn verdict_from_row(row: &Row<'_>, first: usize) -> rusqlite::Result<Verdict> {
    Ok(Verdict {
        score: row.get(first)?,
        threshold: row.get(first + 1)?,
        label: label_from_sql(row.get(first + 2)?),
        model_version: Arc::from(row.get::<_, String>(first + 3)?),
    })
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
