//! A run of one device's rows as bytes, and back: nothing of a row is lost. docs/spec/chunk.md fixes the bytes.
//!
//! No database here.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    bytes::{In, Out, damaged, open},
    values::Values,
};
use crate::domain::ports::StoreError;

/// The form of the bytes.
const VERSION: u8 = 1;

/// Rows of a chunk at most.
pub(in crate::store) const MAX_ROWS: usize = 4_096;

/// An opened chunk at most: 4,096 rows of 12 metrics as bits take 0.4 MB, and texts that are kept as they are at most
/// some 1.1 KiB each.
const MAX_OPENED: usize = 8 << 20;

/// A row as the table `reading` has it, without its device.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store) struct PackedRow {
    pub(in crate::store) number: i64,
    pub(in crate::store) time_us: i64,
    /// `by_sequence` in the table.
    pub(in crate::store) kind: i64,
    pub(in crate::store) key: i64,
    pub(in crate::store) values: Values,
    pub(in crate::store) score: f64,
    pub(in crate::store) threshold: f64,
    pub(in crate::store) label: i64,
    pub(in crate::store) model: Arc<str>,
    pub(in crate::store) entry: Option<i64>,
}

/// Texts by number, in the order in which they were first seen.
#[derive(Default)]
struct Dictionary {
    numbers: BTreeMap<Arc<str>, u64>,
    texts: Vec<Arc<str>>,
}

impl Dictionary {
    fn number(&mut self, text: &Arc<str>) -> u64 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.texts.len() as u64;
        self.numbers.insert(Arc::clone(text), number);
        self.texts.push(Arc::clone(text));
        number
    }

    fn write(&self, out: &mut Out) {
        out.number(self.texts.len() as u64);
        self.texts.iter().for_each(|text| out.text(text));
    }

    fn read(read: &mut In<'_>) -> Result<Vec<Arc<str>>, StoreError> {
        let count = read.length()?;
        (0..count).map(|_| Ok(Arc::from(read.text()?))).collect()
    }
}

/// Packs rows of a device, in the order in which they come.
pub(in crate::store) fn encode(device: i64, rows: &[PackedRow]) -> Result<Vec<u8>, StoreError> {
    let (mut metrics, mut models) = (Dictionary::default(), Dictionary::default());
    // The metrics of a row, by number: 0 is a text as it is.
    let mut shapes: BTreeMap<Vec<u64>, u64> = BTreeMap::new();
    let mut in_order: Vec<Vec<u64>> = Vec::new();
    let mut columns: Vec<Vec<f64>> = Vec::new();
    let mut shape_of = Vec::with_capacity(rows.len());
    for row in rows {
        let Values::Numbers(numbers) = &row.values else {
            shape_of.push(0);
            continue;
        };
        let shape: Vec<u64> = numbers.iter().map(|(name, _)| metrics.number(name)).collect();
        columns.resize(metrics.texts.len(), Vec::new());
        for (metric, (_, value)) in shape.iter().zip(numbers) {
            columns[*metric as usize].push(*value);
        }
        let number = shapes.len() as u64 + 1;
        shape_of.push(*shapes.entry(shape).or_insert_with_key(|shape| {
            in_order.push(shape.clone());
            number
        }));
    }
    let model_of: Vec<u64> = rows.iter().map(|row| models.number(&row.model)).collect();

    let mut out = Out::default();
    out.number(device as u64);
    out.number(rows.len() as u64);
    metrics.write(&mut out);
    models.write(&mut out);
    out.number(in_order.len() as u64);
    for shape in in_order {
        out.number(shape.len() as u64);
        shape.into_iter().for_each(|metric| out.number(metric));
    }
    out.differences(rows.iter().map(|row| row.number));
    out.differences(rows.iter().map(|row| row.time_us));
    out.runs(rows.iter().map(|row| row.kind as u64));
    out.differences(rows.iter().filter(|row| row.kind == SEQUENCE).map(|row| row.key));
    rows.iter().filter(|row| row.kind != SEQUENCE).for_each(|row| out.signed(row.key.wrapping_sub(row.time_us)));
    out.runs(rows.iter().map(|row| row.label as u64));
    out.runs(model_of);
    out.runs(shape_of);
    out.runs(rows.iter().map(|row| u64::from(row.entry.is_some())));
    out.differences(rows.iter().filter_map(|row| row.entry));
    out.floats(&rows.iter().map(|row| row.score).collect::<Vec<_>>());
    out.floats(&rows.iter().map(|row| row.threshold).collect::<Vec<_>>());
    for row in rows {
        if let Values::Text(text) = &row.values {
            out.text(text);
        }
    }
    columns.iter().for_each(|column| out.floats(column));
    out.finish(VERSION)
}

/// In `by_sequence`: the key is a sequence number.
const SEQUENCE: i64 = 1;

/// Unpacks rows of a device, in the order in which they were packed.
pub(in crate::store) fn decode(device: i64, bytes: &[u8]) -> Result<Vec<PackedRow>, StoreError> {
    let opened = open(bytes, VERSION, MAX_OPENED)?;
    let mut read = In(&opened);
    let of = read.number()? as i64;
    if of != device {
        return Err(damaged(&format!("expected those of device {device}, found those of {of}")));
    }
    let count = read.length()?;
    if count > MAX_ROWS {
        return Err(damaged(&format!("expected at most {MAX_ROWS} rows, found {count}")));
    }
    let metrics = Dictionary::read(&mut read)?;
    let models = Dictionary::read(&mut read)?;
    let shapes = read_shapes(&mut read, metrics.len())?;
    let numbers = read.differences(count)?;
    let times = read.differences(count)?;
    let kinds = read.runs(count, 3)?;
    let sequences = kinds.iter().filter(|kind| **kind as i64 == SEQUENCE).count();
    let mut sequence_keys = read.differences(sequences)?.into_iter();
    let mut keys = Vec::with_capacity(count);
    for (kind, time) in kinds.iter().zip(&times) {
        keys.push(match *kind as i64 {
            SEQUENCE => sequence_keys.next(),
            _ => Some(read.signed()?.wrapping_add(*time)),
        });
    }
    let labels = read.runs(count, 3)?;
    let model_of = read.runs(count, models.len())?;
    let shape_of = read.runs(count, shapes.len() + 1)?;
    let named = read.runs(count, 2)?;
    let mut entries = read.differences(named.iter().sum())?.into_iter();
    let scores = read.floats(count)?;
    let thresholds = read.floats(count)?;
    let mut texts = Vec::new();
    for _ in shape_of.iter().filter(|shape| **shape == 0) {
        texts.push(read.text()?.to_owned());
    }
    let mut texts = texts.into_iter();
    let mut columns = read_columns(&mut read, metrics.len(), &shapes, &shape_of)?;
    read.end()?;

    let short = || damaged("a column is too short");
    let mut rows = Vec::with_capacity(count);
    for at in 0..count {
        let values = match shape_of[at].checked_sub(1) {
            None => Values::Text(texts.next().ok_or_else(short)?),
            Some(shape) => {
                let value = |metric: &usize| Some((Arc::clone(&metrics[*metric]), columns[*metric].next()?));
                Values::Numbers(shapes[shape].iter().map(value).collect::<Option<_>>().ok_or_else(short)?)
            }
        };
        rows.push(PackedRow {
            number: numbers[at],
            time_us: times[at],
            kind: kinds[at] as i64,
            key: keys[at].ok_or_else(short)?,
            values,
            score: scores[at],
            threshold: thresholds[at],
            label: labels[at] as i64,
            model: Arc::clone(&models[model_of[at]]),
            entry: if named[at] == 1 { Some(entries.next().ok_or_else(short)?) } else { None },
        });
    }
    Ok(rows)
}

/// The metrics of each shape, as places in the dictionary.
fn read_shapes(read: &mut In<'_>, metrics: usize) -> Result<Vec<Vec<usize>>, StoreError> {
    let count = read.length()?;
    let mut shapes = Vec::new();
    for _ in 0..count {
        let length = read.length()?;
        let mut shape = Vec::new();
        for _ in 0..length {
            let metric = usize::try_from(read.number()?).unwrap_or(usize::MAX);
            if metric >= metrics || shape.contains(&metric) {
                return Err(damaged("a row of metrics that are not there"));
            }
            shape.push(metric);
        }
        shapes.push(shape);
    }
    Ok(shapes)
}

/// The values of each metric.
fn read_columns(
    read: &mut In<'_>,
    metrics: usize,
    shapes: &[Vec<usize>],
    shape_of: &[usize],
) -> Result<Vec<std::vec::IntoIter<f64>>, StoreError> {
    let mut counts = vec![0; metrics];
    for shape in shape_of.iter().filter_map(|shape| shape.checked_sub(1)) {
        shapes[shape].iter().for_each(|metric| counts[*metric] += 1);
    }
    counts.into_iter().map(|count| Ok(read.floats(count)?.into_iter())).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::{super::values::Names, *};
    use crate::domain::ports::values_text;

    /// Texts as the service writes them, and others.
    fn any_values() -> impl Strategy<Value = String> {
        let number = prop_oneof![
            (-100_000i64..100_000, 0..3u32).prop_map(|(whole, places)| whole as f64 / 10f64.powi(places as i32)),
            any::<f64>().prop_filter("recorded as it is", |value| ledger::text::is_exact(*value)),
        ];
        let numbers = proptest::collection::btree_map("[a-zµ\"]{1,3}", number, 1..5);
        prop_oneof![
            8 => numbers.prop_map(|numbers| values_text(&numbers.into_iter().collect::<Vec<_>>())),
            1 => Just(String::new()),
            1 => prop_oneof![Just("{}"), Just(r#"{"a":1}"#), Just(r#"{"b":1.0, "a":2.50}"#), Just("no JSON")].prop_map(str::to_owned),
        ]
    }

    prop_compose! {
        fn any_row()(
            number in any::<i64>(),
            time_us in any::<i64>(),
            kind in 0..3i64,
            key in any::<i64>(),
            values in any_values(),
            score in 0.0..1.0f64,
            threshold in prop_oneof![Just(0.9), any::<f64>().prop_filter("a number", |value| !value.is_nan())],
            label in 0..3i64,
            model in prop_oneof![Just("generic-1"), Just("b")],
            entry in proptest::option::of(any::<i64>()),
        ) -> PackedRow {
            let values = Values::of(values, &mut Names::default());
            PackedRow { number, time_us, kind, key, values, score, threshold, label, model: Arc::from(model), entry }
        }
    }

    proptest! {
        #[test]
        fn rows_come_back_as_they_were(rows in proptest::collection::vec(any_row(), 0..60), texts in proptest::collection::vec(any_values(), 1..20)) {
            let bytes = encode(7, &rows).unwrap();
            prop_assert_eq!(decode(7, &bytes).unwrap(), rows);
            prop_assert!(decode(8, &bytes).is_err());
            for text in texts {
                prop_assert_eq!(Values::of(text.clone(), &mut Names::default()).text(), text);
            }
        }

        #[test]
        fn what_is_cut_off_or_strange_is_refused_and_takes_no_memory(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            // What zstd opens, read as columns: the frame's checksum would hide this code from such bytes.
            let mut out = Out::default();
            bytes.iter().for_each(|byte| out.number(u64::from(*byte)));
            let _ = decode(0, &out.finish(VERSION).unwrap());
            prop_assert!(decode(0, &bytes).is_err());
        }
    }
}
