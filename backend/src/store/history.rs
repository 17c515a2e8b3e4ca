//! All readings in the order in which they were judged, with what was found: for training and for backtests. Changes
//! nothing, and holds no more than [`WINDOW`] rows.

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    from_sql,
    pool::Reader,
    readings::label_from_sql,
    series::{PackedRow, load_chunk, unpacked_between},
    writer::NO_READING,
};
use crate::domain::{Micros, ports::StoreError, verdict::Label};

/// Rows that are put in order at a time: some 200 bytes each, so 100 MiB. Chunks are sorted by device, and commits are
/// not: a chunk is opened once for each window that it reaches into.
const WINDOW: i64 = 524_288;

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
        self.moment(|connection| {
            let ends = "SELECT min(low), max(high) FROM
                (SELECT min(first_number) AS low, max(last_number) AS high FROM chunk
                 UNION ALL SELECT min(number), max(number) FROM reading)";
            let ends = connection.query_row(ends, [], |row| Ok(row.get::<_, Option<i64>>(0)?.zip(row.get(1)?)))?;
            let Some((first, last)) = ends else { return Ok(()) };
            let mut from = first;
            while from <= last {
                let to = from.saturating_add(WINDOW);
                for (device, row) in window(connection, from, to)? {
                    tell(connection, device, &row, visit)?;
                }
                from = to;
            }
            Ok(())
        })
    }

    /// The time of the newest reading; `None` without any.
    pub(crate) fn newest_time(&self) -> Result<Option<Micros>, StoreError> {
        self.moment(|connection| {
            // A silence is later than the last reading, so the devices' own latest times are asked.
            let time: Option<i64> =
                connection.query_row("SELECT max(last_time_us) FROM device", [], |row| row.get(0))?;
            Ok(time.map(Micros))
        })
    }
}

/// Rows from one number to another, by number.
fn window(connection: &Connection, from: i64, to: i64) -> Result<Vec<(i64, PackedRow)>, StoreError> {
    let mut rows = unpacked_between(connection, from, to)?;
    let sql = "SELECT id, device FROM chunk WHERE first_number < ? AND last_number >= ?";
    let mut select = connection.prepare_cached(sql)?;
    let mut chunks = select.query(params![to, from])?;
    while let Some(chunk) = chunks.next()? {
        let (id, device): (i64, i64) = (chunk.get(0)?, chunk.get(1)?);
        let packed = load_chunk(connection, id)?.unwrap_or_default();
        rows.extend(packed.into_iter().filter(|row| (from..to).contains(&row.number)).map(|row| (device, row)));
    }
    rows.sort_by_key(|(_, row)| row.number);
    Ok(rows)
}

fn tell(
    connection: &Connection,
    device: i64,
    row: &PackedRow,
    visit: &mut dyn FnMut(&Past<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut select = connection.prepare_cached("SELECT name, profile FROM device WHERE id = ?")?;
    let (device, profile): (String, String) = select.query_row([device], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let payload: Option<Vec<u8>> = match row.entry {
        Some(index) => {
            let mut select = connection.prepare_cached("SELECT bytes FROM payload WHERE idx = ?")?;
            select.query_row([index], |row| row.get(0)).optional()?
        }
        None => None,
    };
    visit(&Past {
        device: &device,
        profile: &profile,
        time: Micros(row.time_us),
        values: &row.values.text(),
        silence: row.kind == NO_READING,
        score: row.score,
        label: label_from_sql(row.label),
        entry: row.entry.map(from_sql),
        payload: payload.as_deref(),
    })
}
