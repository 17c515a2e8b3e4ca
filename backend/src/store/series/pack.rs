//! Packing: a run of a device's rows leaves the append table and becomes a chunk.
//!
//! The crash story. A step is one transaction: rows are read, encoded, read back and compared, the chunk and the sums
//! are written, and the rows deleted. Before its commit the rows lie in the append table; after it, in the chunk. The
//! commit is not synced on its own: a power cut may undo it, whole, and with the write-ahead log's order nothing that was
//! synced after it can be there without it. Readers see one or the other, in one moment of the store.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    chunk::{self, PackedRow},
    sums,
    values::{Names, Values},
};
use crate::{
    domain::{
        Micros, Millis,
        ports::{PackRule, StoreError},
    },
    store::to_sql,
};

/// From first to last a chunk is a day at most, in microseconds: so a chunk that touches a time begins less than a day
/// before it.
pub(super) const LONGEST_US: i64 = 24 * 3_600 * 1_000_000;

/// Devices that one step of the survey looks at: 16 times at most 4,097 rows of 150 bytes take some 10 ms to count.
const SURVEYED: u64 = 16;

/// Columns of a row, in the order of [`read_row`].
pub(in crate::store) const COLUMNS: &str =
    "number, time_us, by_sequence, key, metrics, score, threshold, label, model_version, entry";

/// Rows whose finding waits to become an entry. They stay, for the entry will be written into them.
const WAITING: &str = "label = 1 AND entry IS NULL";

/// How many rows each device has in the append table, as far as that is known.
#[derive(Default)]
pub(in crate::store) struct Backlog {
    devices: HashMap<i64, Unpacked>,
    /// The devices up to this id were counted; `None` when all were.
    surveyed: Survey,
}

/// How far the devices were counted after a start.
#[derive(Clone, Copy)]
enum Survey {
    UpTo(i64),
    Done,
}

impl Default for Survey {
    fn default() -> Self {
        Survey::UpTo(i64::MIN)
    }
}

#[derive(Default, Clone, Copy)]
struct Unpacked {
    rows: usize,
    /// Since when, as far as a step has looked.
    since: Option<Millis>,
}

impl Backlog {
    /// Rows of a device were committed.
    pub(in crate::store) fn add(&mut self, device: i64, rows: usize) {
        self.devices.entry(device).or_default().rows += rows;
    }

    /// The device that is to be packed next.
    fn next(&mut self, now: Millis, rule: &PackRule) -> Option<i64> {
        let ready = |unpacked: &mut Unpacked| {
            let age = now.since(*unpacked.since.get_or_insert(now)).max(0).unsigned_abs();
            let older = |than: std::time::Duration| u128::from(age) >= than.as_millis();
            unpacked.rows >= rule.rows
                || unpacked.rows >= PackRule::FEW && older(rule.few_after)
                || unpacked.rows > 0 && older(rule.any_after)
        };
        let ready = self
            .devices
            .iter_mut()
            .filter_map(|(device, unpacked)| ready(unpacked).then_some((unpacked.rows, *device)));
        ready.max().map(|(_, device)| device)
    }

    /// Counts the rows of a few devices that no commit has told of since the start.
    pub(in crate::store) fn survey(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let Survey::UpTo(last) = self.surveyed else { return Ok(()) };
        let mut select = connection.prepare_cached("SELECT id FROM device WHERE id > ? ORDER BY id LIMIT ?")?;
        let ids =
            select.query_map(params![last, to_sql(SURVEYED)], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
        for device in &ids {
            self.count(connection, *device)?;
        }
        self.surveyed = ids.last().map_or(Survey::Done, |last| Survey::UpTo(*last));
        Ok(())
    }

    /// Counts the rows of a device that can be packed: no more than make a full step.
    fn count(&mut self, connection: &Connection, device: i64) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT count(*), min(time_us) FROM
                 (SELECT time_us FROM reading WHERE device = ? AND NOT ({WAITING}) ORDER BY by_sequence, key LIMIT {})",
            PackRule::MOST + 1
        );
        let mut select = connection.prepare_cached(&sql)?;
        let (rows, first): (i64, Option<i64>) = select.query_row([device], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if rows == 0 {
            self.devices.remove(&device);
        } else {
            let since = first.map(|time| Micros(time).millis());
            self.devices.insert(device, Unpacked { rows: rows.unsigned_abs() as usize, since });
        }
        Ok(())
    }

    /// Packs a run of the device that waits with the most rows. Gives how many.
    pub(in crate::store) fn step(
        &mut self,
        connection: &mut Connection,
        now: Millis,
        rule: &PackRule,
    ) -> Result<usize, StoreError> {
        self.survey(connection)?;
        let Some(device) = self.next(now, rule) else {
            return Ok(usize::from(matches!(self.surveyed, Survey::UpTo(_))));
        };
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let packed = pack(&transaction, device, rule.rows);
        let packed = packed.and_then(|packed| transaction.commit().map(|()| packed).map_err(Into::into));
        match packed {
            // A device whose rows all wait is looked at again with its next reading.
            Ok(packed) if packed < rule.rows => self.count(connection, device).map(|()| {
                // What is left over has not lain long: it arrived meanwhile, or waits.
                if packed == 0 {
                    self.devices.remove(&device);
                }
                packed.max(1)
            }),
            Ok(packed) => {
                let unpacked = self.devices.entry(device).or_default();
                unpacked.rows = unpacked.rows.saturating_sub(packed);
                if unpacked.rows < rule.rows {
                    self.count(connection, device)?;
                }
                Ok(packed)
            }
            Err(error) => {
                // So that one device's trouble does not keep the others from being packed.
                self.devices.remove(&device);
                Err(error)
            }
        }
    }
}

/// Packs the first rows of a device in the order of their keys.
fn pack(connection: &Connection, device: i64, limit: usize) -> Result<usize, StoreError> {
    let mut rows = select(connection, device, limit)?;
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(0) };
    let ends = ((first.kind, first.key), (last.kind, last.key));
    rows.sort_by_key(|row| (row.time_us, row.kind, row.key));
    let mut rest = rows.as_slice();
    while let Some(first) = rest.first() {
        let length = rest.partition_point(|row| row.time_us.saturating_sub(first.time_us) < LONGEST_US);
        let (run, others) = rest.split_at(length.min(chunk::MAX_ROWS));
        insert(connection, device, run)?;
        rest = others;
    }
    sums::add(connection, device, &rows)?;
    let sql = format!(
        "DELETE FROM reading WHERE device = ?1 AND (by_sequence, key) >= (?2, ?3) AND (by_sequence, key) <= (?4, ?5)
         AND NOT ({WAITING})"
    );
    let ((first_kind, first_key), (last_kind, last_key)) = ends;
    let mut delete = connection.prepare_cached(&sql)?;
    let deleted = delete.execute(params![device, first_kind, first_key, last_kind, last_key])?;
    if deleted != rows.len() {
        let why =
            format!("expected to take {} rows of device {device} from the append table, took {deleted}", rows.len());
        return Err(StoreError::Damaged(why));
    }
    Ok(rows.len())
}

/// The first rows of a device in the order of their keys.
fn select(connection: &Connection, device: i64, limit: usize) -> Result<Vec<PackedRow>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM reading WHERE device = ? AND NOT ({WAITING}) ORDER BY by_sequence, key LIMIT ?");
    let mut select = connection.prepare_cached(&sql)?;
    let mut found = select.query(params![device, to_sql(limit as u64)])?;
    let (mut rows, mut names) = (Vec::new(), Names::default());
    while let Some(row) = found.next()? {
        rows.push(read_row(row, &mut names)?);
    }
    Ok(rows)
}

/// Reads a row of the append table from [`COLUMNS`].
pub(in crate::store) fn read_row(row: &rusqlite::Row<'_>, names: &mut Names) -> Result<PackedRow, StoreError> {
    let model = row.get_ref(8)?.as_str().map_err(|error| StoreError::Damaged(format!("a reading: {error}")))?;
    Ok(PackedRow {
        number: row.get(0)?,
        time_us: row.get(1)?,
        kind: row.get(2)?,
        key: row.get(3)?,
        values: Values::of(row.get(4)?, names),
        score: row.get(5)?,
        threshold: row.get(6)?,
        label: row.get(7)?,
        model: names.shared(model),
        entry: row.get(9)?,
    })
}

/// Stores a chunk, whose rows are sorted by time.
pub(in crate::store) fn insert(connection: &Connection, device: i64, rows: &[PackedRow]) -> Result<(), StoreError> {
    let bytes = chunk::encode(device, rows)?;
    // What cannot be read back must not take the place of what can.
    if chunk::decode(device, &bytes)? != rows {
        return Err(StoreError::Damaged(format!(
            "readings of device {device} do not come back from a chunk as they were"
        )));
    }
    let sql = format!("INSERT INTO chunk (device, bytes, {DESCRIPTION}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    let [a, b, c, d, e, f, g, h, i] = description(rows);
    connection.prepare_cached(&sql)?.execute(params![device, bytes, a, b, c, d, e, f, g, h, i])?;
    Ok(())
}

/// What the table says of a chunk's rows.
const DESCRIPTION: &str =
    "readings, first_us, last_us, first_number, last_number, sequence_low, sequence_high, entry_low, entry_high";

/// The same, of rows.
fn description(rows: &[PackedRow]) -> [Option<i64>; 9] {
    let ends = |of: &dyn Fn(&PackedRow) -> Option<i64>| {
        let values = || rows.iter().filter_map(of);
        (values().min(), values().max())
    };
    let (first_us, last_us) = ends(&|row| Some(row.time_us));
    let (first_number, last_number) = ends(&|row| Some(row.number));
    let (sequence_low, sequence_high) = ends(&|row| (row.kind == 1).then_some(row.key));
    let (entry_low, entry_high) = ends(&|row| row.entry);
    let readings = Some(to_sql(rows.len() as u64));
    [readings, first_us, last_us, first_number, last_number, sequence_low, sequence_high, entry_low, entry_high]
}

/// Whether the table says of a chunk what its rows are.
pub(in crate::store) fn is_described(connection: &Connection, id: i64, rows: &[PackedRow]) -> Result<bool, StoreError> {
    let sql = format!("SELECT {DESCRIPTION} FROM chunk WHERE id = ?");
    let said = connection.prepare_cached(&sql)?.query_row([id], |row| {
        let mut said = [None; 9];
        for (at, value) in said.iter_mut().enumerate() {
            *value = row.get(at)?;
        }
        Ok(said)
    })?;
    Ok(said == description(rows))
}

/// The rows of a chunk.
pub(in crate::store) fn load(connection: &Connection, id: i64) -> Result<Option<Vec<PackedRow>>, StoreError> {
    let mut select = connection.prepare_cached("SELECT device, bytes FROM chunk WHERE id = ?")?;
    let found = select.query_row([id], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?))).optional()?;
    let named = |error| match error {
        StoreError::Damaged(why) => StoreError::Damaged(format!("chunk {id}: {why}")),
        other => other,
    };
    found.map(|(device, bytes)| chunk::decode(device, &bytes).map_err(named)).transpose()
}
