//! A few readings in memory, asked through the port.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use super::bench::Log;
use crate::domain::{
    DeviceName, Micros,
    ports::{RowVisitor, Series, StoreError},
    series::{Bucket, Failing, FindingCount, Order, PageOf, Row, RowKey, Selection, Steps},
    verdict::{Label, Verdict},
};

/// The readings of each device, by time. What fails the log fails them.
pub(super) struct Readings {
    pub(super) log: Arc<Log>,
    pub(super) rows: Mutex<BTreeMap<DeviceName, Vec<Row>>>,
}

/// A row of metric `t`: none is a silence.
pub(super) fn row(time: &str, sequence: Option<u64>, value: Option<f64>, label: Label) -> Row {
    Row {
        time: Micros::parse(time).unwrap(),
        key: match (value, sequence) {
            (None, _) => RowKey::Silence,
            (_, Some(sequence)) => RowKey::Sequence(sequence),
            (_, None) => RowKey::Time,
        },
        values: value.into_iter().map(|value| ("t".to_owned(), value)).collect(),
        erased: false,
        verdict: Verdict { score: 0.25, threshold: 0.5, label, model_version: Arc::from("generic-1") },
        entry: (label == Label::Anomaly).then_some(6),
    }
}

impl Readings {
    /// Five rows of a device `d`, a minute apart: four readings, the third of them an anomaly, and a silence.
    pub(super) fn new(log: Arc<Log>) -> Self {
        let rows = vec![
            row("2026-01-05T08:00:00Z", Some(1), Some(20.0), Label::WarmingUp),
            row("2026-01-05T08:01:00Z", Some(2), Some(21.0), Label::Normal),
            row("2026-01-05T08:02:00.5Z", Some(3), Some(200.0), Label::Anomaly),
            row("2026-01-05T08:03:00Z", None, Some(21.5), Label::Normal),
            row("2026-01-05T08:10:00Z", None, None, Label::Anomaly),
        ];
        Self { log, rows: Mutex::new([(DeviceName::new("d").unwrap(), rows)].into()) }
    }

    fn of(&self, device: &DeviceName) -> Result<Vec<Row>, StoreError> {
        self.log.query(|_| self.rows.lock().unwrap().get(device).cloned().unwrap_or_default())
    }
}

impl Series for Readings {
    fn devices(&self) -> Result<Vec<DeviceName>, StoreError> {
        self.log.query(|_| self.rows.lock().unwrap().keys().cloned().collect())
    }

    fn latest(&self, device: &DeviceName) -> Result<Option<Row>, StoreError> {
        Ok(self.of(device)?.pop())
    }

    fn readings(&self, device: &DeviceName, page: &PageOf) -> Result<Vec<Row>, StoreError> {
        let mut rows = self.of(device)?;
        if page.order == Order::NewestFirst {
            rows.reverse();
        }
        let passed = |row: &Row| match page.order {
            Order::OldestFirst => page.after.is_some_and(|after| row.position() <= after),
            Order::NewestFirst => page.after.is_some_and(|after| row.position() >= after),
        };
        let asked =
            |row: &Row| page.span.contains(row.time) && page.label.is_none_or(|label| label == row.verdict.label);
        rows.retain(|row| asked(row) && !passed(row));
        rows.truncate(page.limit);
        Ok(rows)
    }

    fn for_each(&self, _: &Selection<'_>, _: &mut RowVisitor<'_>) -> Result<(), StoreError> {
        unreachable!("nobody asks over HTTP")
    }

    fn count(&self, selection: &Selection<'_>) -> Result<u64, StoreError> {
        let devices = selection.devices.unwrap_or_default();
        devices.iter().map(|device| Ok(self.of(device)?.len() as u64)).sum()
    }

    fn metrics(&self, device: &DeviceName) -> Result<Vec<String>, StoreError> {
        let rows = self.of(device)?;
        let names = rows.into_iter().flat_map(|row| row.values).map(|(name, _)| name);
        Ok(names.collect::<std::collections::BTreeSet<_>>().into_iter().collect())
    }

    fn buckets(&self, device: &DeviceName, metric: &str, steps: Steps) -> Result<Vec<Bucket>, StoreError> {
        let rows = self.of(device)?.into_iter().filter(|row| steps.span().contains(row.time));
        let bucket = |row: Row| {
            let start = steps.start_of(row.time);
            let value = row.values.iter().find(|(name, _)| name == metric)?.1;
            let anomalies = u64::from(row.verdict.label == Label::Anomaly);
            Some(Bucket { start, count: 1, sum: value, min: value, max: value, last: value, anomalies })
        };
        Ok(rows.filter_map(bucket).collect())
    }

    fn top_failing(
        &self,
        devices: Option<&[DeviceName]>,
        _: crate::domain::series::Span,
        limit: usize,
    ) -> Result<Vec<Failing>, StoreError> {
        assert!(devices.is_none(), "a trial reads all");
        let failing = |device: DeviceName| Failing { device, anomalies: 2, readings: 4 };
        Ok(self.devices()?.into_iter().map(failing).take(limit).collect())
    }

    fn anomalies_over_time(&self, _: Option<&[DeviceName]>, steps: Steps) -> Result<Vec<FindingCount>, StoreError> {
        use ledger::entry::{Severity, Type};
        let start = steps.span().from();
        self.log
            .query(|_| vec![FindingCount { start, r#type: Type::ChangePoint, severity: Severity::Critical, count: 2 }])
    }
}
