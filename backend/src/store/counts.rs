//! What is counted for each device between two heartbeats.

use std::collections::BTreeMap;

use ledger::{
    heartbeat::{Counter, Sequences},
    text::Pseudonym,
};
use rusqlite::{Connection, params};

use super::{from_sql, pool::Reader, to_sql};
use crate::domain::ports::StoreError;

/// Counts an anomaly for a device.
pub(super) const ANOMALY: &str = "INSERT INTO device_count (pseudonym, readings, anomalies)
    SELECT pseudonym, 0, 1 FROM device WHERE id = ?
    ON CONFLICT DO UPDATE SET anomalies = anomalies + 1";

const READINGS: &str = "INSERT INTO device_count (pseudonym, readings, anomalies, sequence_low, sequence_high)
    SELECT pseudonym, ?2, 0, ?3, ?4 FROM device WHERE id = ?1
    ON CONFLICT DO UPDATE SET readings = readings + ?2,
        sequence_low = min(coalesce(sequence_low, ?3), coalesce(?3, sequence_low)),
        sequence_high = max(coalesce(sequence_high, ?4), coalesce(?4, sequence_high))";

/// Readings of one transaction, by device: one statement for each device, not for each reading.
#[derive(Default)]
pub(super) struct Counts(BTreeMap<i64, (u64, Option<Sequences>)>);

impl Counts {
    pub(super) fn reading(&mut self, device: i64, sequence: Option<u64>) {
        let (readings, sequences) = self.0.entry(device).or_default();
        *readings += 1;
        if let Some(sequence) = sequence {
            let range = sequences.get_or_insert(Sequences { low: sequence, high: sequence });
            *range = Sequences { low: range.low.min(sequence), high: range.high.max(sequence) };
        }
    }

    pub(super) fn store(self, connection: &Connection) -> Result<(), StoreError> {
        let mut upsert = connection.prepare_cached(READINGS)?;
        for (device, (readings, sequences)) in self.0 {
            let (low, high) = sequences.map(|range| (to_sql(range.low), to_sql(range.high))).unzip();
            upsert.execute(params![device, to_sql(readings), low, high])?;
        }
        Ok(())
    }
}

/// The counters of the window that is open.
pub(super) fn counters(connection: &Connection) -> Result<Vec<Counter>, StoreError> {
    let sql = "SELECT pseudonym, readings, anomalies, sequence_low, sequence_high FROM device_count ORDER BY pseudonym";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map([], |row| {
        let range = row.get::<_, Option<i64>>(3)?.zip(row.get::<_, Option<i64>>(4)?);
        let sequences = range.map(|(low, high)| Sequences { low: from_sql(low), high: from_sql(high) });
        Ok((row.get::<_, String>(0)?, from_sql(row.get(1)?), from_sql(row.get(2)?), sequences))
    })?;
    rows.map(|row| {
        let (pseudonym, readings, anomalies, sequences) = row?;
        let device =
            pseudonym.parse().map_err(|error| StoreError::Damaged(format!("a device's pseudonym: {error}")))?;
        Ok(Counter::new(device, readings, anomalies, sequences))
    })
    .collect()
}

impl Reader {
    /// Counts anomalies of a restored log that no heartbeat has counted.
    pub(crate) fn count_restored(&self, anomalies: &BTreeMap<Pseudonym, u64>) -> Result<(), StoreError> {
        for (device, count) in anomalies {
            self.write(|connection| {
                let sql = "INSERT INTO device_count (pseudonym, readings, anomalies) VALUES (?, 0, ?)";
                connection.execute(sql, params![device.as_str(), to_sql(*count)])
            })?;
        }
        Ok(())
    }
}

/// Keeps the counters of a heartbeat, and begins to count anew.
pub(super) fn close_window(connection: &Connection, heartbeat: u64, counters: &[Counter]) -> Result<(), StoreError> {
    let mut insert = connection.prepare_cached("INSERT INTO counter (heartbeat, place, bytes) VALUES (?, ?, ?)")?;
    for (place, counter) in (0..).zip(counters) {
        let bytes = counter.to_bytes().map_err(|error| StoreError::Engine(Box::new(error)))?;
        insert.execute(params![to_sql(heartbeat), to_sql(place), bytes])?;
    }
    connection.execute("DELETE FROM device_count", [])?;
    Ok(())
}
