//! What is summed up of a device's metrics: kept for packed rows, made on the spot for the others.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    block::{self, Block, Grain, Sum},
    chunk::PackedRow,
    rows,
};
use crate::{
    domain::{
        Micros,
        ports::StoreError,
        series::{Bucket, Order, Span, Steps},
        verdict::Label,
    },
    store::{from_sql, readings::label_to_sql, writer::NO_READING},
};

/// In place of a metric's name: the score, which every reading has. So its count is that of the readings. By hours alone.
pub(in crate::store) const SCORE: &str = "";

/// An hour, in microseconds.
const HOUR_US: i64 = 3_600_000_000;

/// Adds packed rows to the sums of their minutes and hours.
pub(super) fn add(connection: &Connection, device: i64, rows: &[PackedRow]) -> Result<(), StoreError> {
    merge(connection, device, rows, true)
}

/// Adds rows to the sums that are kept: their values, and their scores if asked. Silences are no readings.
fn merge(connection: &Connection, device: i64, rows: &[PackedRow], with_score: bool) -> Result<(), StoreError> {
    let mut new = New::default();
    for row in rows.iter().filter(|row| row.kind != NO_READING) {
        let sum = |value| Sum::of(value, row.time_us, row.label == label_to_sql(Label::Anomaly));
        row.values.each(&mut |metric, value| new.add(metric, &Grain::ALL, &sum(value)));
        // Of the score only the hours: it is asked for to count readings, and all its bits take room.
        if with_score {
            new.add(SCORE, &[Grain::Hour], &sum(row.score));
        }
    }
    for (metric, blocks) in new.0 {
        for ((grain, start), new) in blocks {
            let merged = match load(connection, device, &metric, grain, start)? {
                Some(mut there) => {
                    new.iter().for_each(|(place, sum)| block::add(&mut there, *place, sum));
                    there
                }
                None => new,
            };
            store(connection, device, &metric, grain, start, &merged)?;
        }
    }
    Ok(())
}

/// What is summed up of one metric, by grain and beginning.
type ByTime = BTreeMap<(Grain, i64), Block>;

/// What is added, by metric, and of each by block.
#[derive(Default)]
struct New(Vec<(String, ByTime)>);

impl New {
    /// Adds a sum to its step of each grain. Metrics are few: they are looked for in their order.
    fn add(&mut self, metric: &str, grains: &[Grain], sum: &Sum) {
        let at = self.0.iter().position(|(name, _)| name == metric).unwrap_or_else(|| {
            self.0.push((metric.to_owned(), BTreeMap::new()));
            self.0.len() - 1
        });
        for grain in grains {
            let (start, place) = grain.place(sum.last_us);
            block::add(self.0[at].1.entry((*grain, start)).or_default(), place, sum);
        }
    }
}

fn load(
    connection: &Connection,
    device: i64,
    metric: &str,
    grain: Grain,
    start: i64,
) -> Result<Option<Block>, StoreError> {
    let sql = "SELECT bytes FROM rollup WHERE device = ? AND metric = ? AND step = ? AND start = ?";
    let mut select = connection.prepare_cached(sql)?;
    let bytes: Option<Vec<u8>> =
        select.query_row(params![device, metric, grain.seconds(), start], |row| row.get(0)).optional()?;
    bytes.map(|bytes| block::decode(grain, &bytes)).transpose()
}

/// Keeps a block; one without steps is deleted.
fn store(
    connection: &Connection,
    device: i64,
    metric: &str,
    grain: Grain,
    start: i64,
    block: &Block,
) -> Result<(), StoreError> {
    if block.is_empty() {
        let sql = "DELETE FROM rollup WHERE device = ? AND metric = ? AND step = ? AND start = ?";
        connection.prepare_cached(sql)?.execute(params![device, metric, grain.seconds(), start])?;
        return Ok(());
    }
    let mut upsert = connection.prepare_cached(
        "INSERT INTO rollup (device, metric, step, start, bytes) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET bytes = ?5",
    )?;
    upsert.execute(params![device, metric, grain.seconds(), start, block::encode(block)?])?;
    Ok(())
}

/// Takes the values of these hours out of a device's sums, and makes the sums anew of the packed rows that are left. The
/// score, which is part of the verdict, stays.
pub(in crate::store) fn make_anew(connection: &Connection, device: i64, times: &[i64]) -> Result<(), StoreError> {
    let hours: BTreeSet<i64> = times.iter().map(|time| time.div_euclid(HOUR_US)).collect();
    for hour in hours {
        let from = hour * HOUR_US;
        for metric in kept_metrics(connection, device)? {
            for grain in Grain::ALL {
                let (start, place) = grain.place(from);
                let Some(mut block) = load(connection, device, &metric, grain, start)? else { continue };
                (place..place + 3_600 / grain.seconds()).for_each(|place| {
                    block.remove(&place);
                });
                store(connection, device, &metric, grain, start, &block)?;
            }
        }
        let left = rows::packed(connection, device, from, from + HOUR_US)?;
        merge(connection, device, &left, false)?;
    }
    Ok(())
}

/// Deletes all sums of a device's values; those of the score stay.
pub(in crate::store) fn delete_values(connection: &Connection, device: i64) -> Result<usize, StoreError> {
    Ok(connection.execute("DELETE FROM rollup WHERE device = ? AND metric <> ''", [device])?)
}

/// The metrics that a device has sent.
pub(super) fn metrics(connection: &Connection, device: i64) -> Result<Vec<String>, StoreError> {
    let mut names: BTreeSet<String> = kept_metrics(connection, device)?.into_iter().collect();
    for row in rows::unpacked(connection, device, Span::ALL)? {
        names.extend(row.values.numbers().into_iter().map(|(name, _)| name));
    }
    Ok(names.into_iter().collect())
}

/// The metrics of which sums are kept.
fn kept_metrics(connection: &Connection, device: i64) -> Result<Vec<String>, StoreError> {
    let mut select = connection
        .prepare_cached("SELECT DISTINCT metric FROM rollup WHERE device = ? AND metric <> '' ORDER BY metric")?;
    Ok(select.query_map([device], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// A metric in steps.
pub(super) fn buckets(
    connection: &Connection,
    device: i64,
    metric: &str,
    steps: Steps,
) -> Result<Vec<Bucket>, StoreError> {
    let mut sums: BTreeMap<Micros, Sum> = BTreeMap::new();
    let mut add = |time: Micros, sum: &Sum| {
        sums.entry(steps.start_of(time)).and_modify(|there| there.add(sum)).or_insert(*sum);
    };
    let value = |row: &PackedRow| {
        if metric == SCORE { Some(row.score) } else { row.values.number(metric) }
    };
    let of_row = |row: &PackedRow| {
        let value = value(row).filter(|_| row.kind != NO_READING)?;
        Some(Sum::of(value, row.time_us, row.label == label_to_sql(Label::Anomaly)))
    };
    if let Some(grain) = Grain::ALL.into_iter().rev().find(|grain| steps.micros() % (grain.seconds() * 1_000_000) == 0)
    {
        kept(connection, device, metric, grain, steps.span(), &mut add)?;
        for row in rows::unpacked(connection, device, steps.span())? {
            of_row(&row).iter().for_each(|sum| add(Micros(row.time_us), sum));
        }
    } else {
        let _ = rows::walk(connection, device, steps.span(), Order::OldestFirst, &mut |row| {
            of_row(&row).iter().for_each(|sum| add(Micros(row.time_us), sum));
            ControlFlow::Continue(())
        })?;
    }
    Ok(sums.into_iter().map(|(start, sum)| bucket(start, &sum)).collect())
}

fn bucket(start: Micros, sum: &Sum) -> Bucket {
    let Sum { count, anomalies, sum, min, max, last, .. } = *sum;
    Bucket { start, count, sum, min, max, last, anomalies }
}

/// The sums that are kept of a metric in a span, each with the time at which its step begins.
fn kept(
    connection: &Connection,
    device: i64,
    metric: &str,
    grain: Grain,
    span: Span,
    show: &mut dyn FnMut(Micros, &Sum),
) -> Result<(), StoreError> {
    let sql = "SELECT start, bytes FROM rollup
               WHERE device = ? AND metric = ? AND step = ? AND start > ? AND start < ? ORDER BY start";
    let mut select = connection.prepare_cached(sql)?;
    let before = span.from().0.div_euclid(1_000_000) - grain.block_seconds();
    let mut blocks =
        select.query(params![device, metric, grain.seconds(), before, span.to().0.div_euclid(1_000_000)])?;
    while let Some(row) = blocks.next()? {
        let start: i64 = row.get(0)?;
        let bytes = row.get_ref(1)?.as_blob().map_err(|error| StoreError::Damaged(format!("a sum: {error}")))?;
        for (place, sum) in block::decode(grain, bytes)? {
            let time = Micros((start + place * grain.seconds()) * 1_000_000);
            if span.contains(time) {
                show(time, &sum);
            }
        }
    }
    Ok(())
}

/// How many readings of a device there are in a span of whole hours. Those that are not packed are counted and not read.
pub(super) fn readings(connection: &Connection, device: i64, span: Span) -> Result<u64, StoreError> {
    let span = Steps::hours(span).span();
    let sql = "SELECT count(*) FROM reading WHERE device = ? AND by_sequence <> ? AND time_us >= ? AND time_us < ?";
    let mut select = connection.prepare_cached(sql)?;
    let unpacked = select.query_row(params![device, NO_READING, span.from().0, span.to().0], |row| row.get(0))?;
    let mut count = from_sql(unpacked);
    kept(connection, device, SCORE, Grain::Hour, span, &mut |_, sum| count += sum.count)?;
    Ok(count)
}
