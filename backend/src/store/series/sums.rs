//! What is summed up of a device's metrics.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::rows;
use crate::domain::{
    ports::StoreError,
    series::{Bucket, Span, Steps},
    verdict::Label,
};

/// The metrics that a device has sent.
pub(super) fn metrics(connection: &Connection, device: i64) -> Result<Vec<String>, StoreError> {
    let rows = rows::unpacked(connection, device, Span::ALL)?;
    let names: BTreeSet<String> =
        rows.into_iter().flat_map(|row| row.values.into_iter().map(|(name, _)| name)).collect();
    Ok(names.into_iter().collect())
}

/// A metric in steps.
pub(super) fn buckets(
    connection: &Connection,
    device: i64,
    metric: &str,
    steps: Steps,
) -> Result<Vec<Bucket>, StoreError> {
    let mut buckets = BTreeMap::new();
    for row in rows::unpacked(connection, device, steps.span())? {
        let Some(value) = row.value(metric) else { continue };
        let start = steps.start_of(row.time);
        let bucket = buckets.entry(start).or_insert(Bucket {
            start,
            count: 0,
            sum: 0.0,
            min: value,
            max: value,
            last: value,
            anomalies: 0,
        });
        bucket.count += 1;
        bucket.sum += value;
        bucket.min = bucket.min.min(value);
        bucket.max = bucket.max.max(value);
        bucket.last = value;
        bucket.anomalies += u64::from(row.verdict.label == Label::Anomaly);
    }
    Ok(buckets.into_values().collect())
}
