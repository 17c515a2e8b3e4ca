//! How many findings there are: of which devices, of which types, and when. Counted when an entry is appended.

use std::collections::{BTreeMap, HashSet};

use ledger::entry::{Severity, Type};
use rusqlite::{Connection, params};

use super::{device_id, device_name, sums};
use crate::{
    domain::{
        DeviceName, Micros,
        ports::StoreError,
        series::{Failing, FindingCount, Span, Steps},
        verdict::PendingFinding,
    },
    store::{from_sql, to_sql},
};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// A longer span is counted by days: 31 days have 744 hours.
const BY_DAYS: i64 = 31 * DAY;

/// Findings of one transaction: one statement for each device, type and hour, not for each finding.
#[derive(Default)]
pub(in crate::store) struct Found(BTreeMap<(i64, i64, i64, String, String), u64>);

impl Found {
    /// Counts a finding.
    pub(in crate::store) fn add(&mut self, device: i64, finding: &PendingFinding) {
        let (kind, severity) = (name_of(&finding.r#type), name_of(&finding.severity));
        let second = finding.time_ms.div_euclid(1_000);
        for step in [HOUR, DAY] {
            let start = second.div_euclid(step) * step;
            *self.0.entry((step, start, device, kind.clone(), severity.clone())).or_default() += 1;
        }
    }

    /// Keeps the counts.
    pub(in crate::store) fn store(self, connection: &Connection) -> Result<(), StoreError> {
        let mut upsert = connection.prepare_cached(
            "INSERT INTO finding_count (step, start, device, type, severity, findings) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET findings = findings + ?6",
        )?;
        for ((step, start, device, kind, severity), count) in self.0 {
            upsert.execute(params![step, start, device, kind, severity, to_sql(count)])?;
        }
        Ok(())
    }
}

/// The name of a type or a severity, as payloads have it.
fn name_of(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The other way.
fn named<T: serde::de::DeserializeOwned>(name: String) -> Result<T, StoreError> {
    serde_json::from_value(name.into()).map_err(|error| StoreError::Damaged(format!("a count of findings: {error}")))
}

/// The ids of these devices, as far as they have sent.
fn ids(connection: &Connection, of: Option<&[DeviceName]>) -> Result<Option<HashSet<i64>>, StoreError> {
    let Some(names) = of else { return Ok(None) };
    let found = names.iter().filter_map(|name| device_id(connection, name).transpose());
    Ok(Some(found.collect::<Result<_, _>>()?))
}

/// The devices with the most findings.
pub(super) fn top_failing(
    connection: &Connection,
    of: Option<&[DeviceName]>,
    span: Span,
    limit: usize,
) -> Result<Vec<Failing>, StoreError> {
    let of = ids(connection, of)?;
    let (from, to) = (span.from().0.div_euclid(1_000_000), (span.to().0 - 1).div_euclid(1_000_000));
    let step = if to.saturating_sub(from) > BY_DAYS { DAY } else { HOUR };
    let from = from.div_euclid(step) * step;
    let mut select = connection.prepare_cached(
        "SELECT device, sum(findings) AS total, device.name FROM finding_count JOIN device ON device.id = device
         WHERE step = ? AND start >= ? AND start <= ? GROUP BY device ORDER BY total DESC, device.name",
    )?;
    let mut rows = select.query(params![step, from, to])?;
    let mut failing = Vec::new();
    let widened = |at: i64| Micros(at.saturating_mul(1_000_000));
    let end = to.div_euclid(step).saturating_add(1).saturating_mul(step);
    let span = Span::new(widened(from), widened(end)).map_err(|error| StoreError::Damaged(error.to_string()))?;
    while let Some(row) = rows.next()?
        && failing.len() < limit
    {
        let id: i64 = row.get(0)?;
        if of.as_ref().is_some_and(|of| !of.contains(&id)) {
            continue;
        }
        let (anomalies, device) = (from_sql(row.get(1)?), device_name(&row.get::<_, String>(2)?)?);
        failing.push(Failing { device, anomalies, readings: sums::readings(connection, id, span)? });
    }
    Ok(failing)
}

/// Findings by type and severity in each step.
pub(super) fn over_time(
    connection: &Connection,
    of: Option<&[DeviceName]>,
    steps: Steps,
) -> Result<Vec<FindingCount>, StoreError> {
    let of = ids(connection, of)?;
    let step = if steps.micros() % (DAY * 1_000_000) == 0 { DAY } else { HOUR };
    let (from, to) = (steps.span().from().0.div_euclid(1_000_000), steps.span().to().0.div_euclid(1_000_000));
    // Without devices to choose the sums are SQLite's; with them, a row for each device comes over.
    let grouped = if of.is_some() { "device, start" } else { "0, start" };
    let sql = format!(
        "SELECT {grouped}, type, severity, sum(findings) FROM finding_count
         WHERE step = ? AND start >= ? AND start < ? GROUP BY 1, start, type, severity"
    );
    let mut select = connection.prepare_cached(&sql)?;
    let mut rows = select.query(params![step, from, to])?;
    let mut counts: BTreeMap<(Micros, String, String), u64> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let device: i64 = row.get(0)?;
        if of.as_ref().is_none_or(|of| of.contains(&device)) {
            let start = steps.start_of(Micros(row.get::<_, i64>(1)?.saturating_mul(1_000_000)));
            *counts.entry((start, row.get(2)?, row.get(3)?)).or_default() += from_sql(row.get(4)?);
        }
    }
    let count = |((start, kind, severity), count): ((Micros, String, String), u64)| {
        let (r#type, severity): (Type, Severity) = (named(kind)?, named(severity)?);
        Ok(FindingCount { start, r#type, severity, count })
    };
    counts.into_iter().map(count).collect()
}
