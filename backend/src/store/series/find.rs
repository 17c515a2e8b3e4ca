//! One row by its key.

use std::{collections::VecDeque, sync::Arc};

use rusqlite::{Connection, OptionalExtension, params};

use super::{chunk::PackedRow, pack, values::Names};
use crate::domain::ports::StoreError;

/// Opened chunks that are kept: whoever sends again, sends runs again. Each takes some 0.5 MiB, so a detector keeps 2.
const KEPT: usize = 4;

/// The row of the append table with this key.
pub(in crate::store) fn unpacked_row(
    connection: &Connection,
    device: i64,
    kind: i64,
    key: i64,
) -> Result<Option<PackedRow>, StoreError> {
    let sql = format!("SELECT {} FROM reading WHERE device = ? AND by_sequence = ? AND key = ?", pack::COLUMNS);
    let mut select = connection.prepare_cached(&sql)?;
    let mut rows = select.query(params![device, kind, key])?;
    rows.next()?.map(|row| pack::read_row(row, &mut Names::default())).transpose()
}

/// Chunks that were opened last. A chunk never changes: what takes its place has another id.
#[derive(Default)]
pub(in crate::store) struct Opened(VecDeque<(i64, Arc<[PackedRow]>)>);

impl Opened {
    /// The packed row with this key.
    pub(in crate::store) fn row(
        &mut self,
        connection: &Connection,
        device: i64,
        kind: i64,
        key: i64,
    ) -> Result<Option<PackedRow>, StoreError> {
        for id in candidates(connection, device, kind, key)? {
            let Some(rows) = self.rows(connection, id)? else { continue };
            if let Some(row) = rows.iter().find(|row| row.kind == kind && row.key == key) {
                return Ok(Some(row.clone()));
            }
        }
        Ok(None)
    }

    fn rows(&mut self, connection: &Connection, id: i64) -> Result<Option<Arc<[PackedRow]>>, StoreError> {
        if let Some((_, rows)) = self.0.iter().find(|(known, _)| *known == id) {
            return Ok(Some(Arc::clone(rows)));
        }
        let Some(rows) = pack::load(connection, id)? else { return Ok(None) };
        let rows: Arc<[PackedRow]> = rows.into();
        self.0.truncate(KEPT - 1);
        self.0.push_front((id, Arc::clone(&rows)));
        Ok(Some(rows))
    }
}

/// The chunks in whose range a key is.
fn candidates(connection: &Connection, device: i64, kind: i64, key: i64) -> Result<Vec<i64>, StoreError> {
    let sql = if kind == 1 {
        "SELECT id FROM chunk WHERE device = ?1 AND sequence_low <= ?2 AND sequence_high >= ?2"
    } else {
        // Such a row's key is its time.
        "SELECT id FROM chunk WHERE device = ?1 AND first_us <= ?2 AND first_us > ?2 - 86400000000 AND last_us >= ?2"
    };
    let mut select = connection.prepare_cached(sql)?;
    Ok(select.query_map(params![device, key], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// The device's id by its name.
pub(in crate::store) fn device_of(connection: &Connection, name: &str) -> Result<Option<i64>, StoreError> {
    let mut select = connection.prepare_cached("SELECT id FROM device WHERE name = ?")?;
    Ok(select.query_row([name], |row| row.get(0)).optional()?)
}
