//! All readings in the order in which they were judged, with what was found: for training and for backtests. Changes
//! nothing, and holds no more than one row.

use super::{from_sql, pool::Reader, readings::label_from_sql, writer::NO_READING};
use crate::domain::{Micros, ports::StoreError, verdict::Label};

/// A stored reading.
pub(crate) struct Past<'a> {
    /// The device's name.
    pub(crate) device: &'a str,
    /// The profile whose model judged it.
    pub(crate) profile: &'a str,
    pub(crate) time: Micros,
    /// The values as stored: a JSON object; empty if they were erased, or nothing came.
    pub(crate) values: &'a str,
    /// Nothing came, and that was noticed at this time.
    pub(crate) silence: bool,
    pub(crate) score: f64,
    pub(crate) label: Label,
    /// The index of the entry that was made of it.
    pub(crate) entry: Option<u64>,
    /// The payload of the entry that was made of it, unless it was erased.
    pub(crate) payload: Option<&'a [u8]>,
}

impl Reader {
    /// Gives each reading to `visit`, in the order in which they were committed. A service may go on meanwhile: what it
    /// commits is not seen.
    pub(crate) fn history(&self, visit: &mut dyn FnMut(&Past<'_>) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare(
                "SELECT device.name, device.profile, time_us, metrics, label, payload.bytes, by_sequence, score, entry
                 FROM reading JOIN device ON device.id = reading.device LEFT JOIN payload ON payload.idx = reading.entry
                 ORDER BY reading.id",
            )?;
            let mut rows = select.query([])?;
            let column = |error: rusqlite::types::FromSqlError| StoreError::Damaged(format!("a reading: {error}"));
            while let Some(row) = rows.next()? {
                visit(&Past {
                    device: row.get_ref(0)?.as_str().map_err(column)?,
                    profile: row.get_ref(1)?.as_str().map_err(column)?,
                    time: Micros(row.get(2)?),
                    values: row.get_ref(3)?.as_str().map_err(column)?,
                    silence: row.get::<_, i64>(6)? == NO_READING,
                    score: row.get(7)?,
                    label: label_from_sql(row.get(4)?),
                    entry: row.get::<_, Option<i64>>(8)?.map(from_sql),
                    payload: row.get_ref(5)?.as_blob_or_null().map_err(column)?,
                })?;
            }
            Ok(())
        })
    }

    /// The time of the newest reading; `None` without any.
    pub(crate) fn newest_time(&self) -> Result<Option<Micros>, StoreError> {
        self.read(|connection| {
            let time: Option<i64> =
                connection
                    .query_row("SELECT max(time_us) FROM reading WHERE by_sequence <> 2", [], |row| row.get(0))?;
            Ok(time.map(Micros))
        })
    }
}
