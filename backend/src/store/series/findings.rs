//! How many findings there are: of which devices, of which types, and when.

use std::collections::BTreeMap;

use ledger::entry::{Payload, Severity, Type};
use rusqlite::{Connection, params};

use super::{devices, rows};
use crate::domain::{
    DeviceName, Micros,
    ports::StoreError,
    series::{Failing, FindingCount, Span, Steps},
};

/// The devices with the most findings.
pub(super) fn top_failing(
    connection: &Connection,
    of: Option<&[DeviceName]>,
    span: Span,
    limit: usize,
) -> Result<Vec<Failing>, StoreError> {
    let mut found = Vec::new();
    for (id, device) in devices(connection, of)? {
        let sql = "SELECT count(*) FROM reading WHERE device = ? AND label = 1 AND time_us >= ? AND time_us < ?";
        let anomalies: i64 = connection.query_row(sql, params![id, span.from().0, span.to().0], |row| row.get(0))?;
        if anomalies > 0 {
            let readings = rows::count(connection, id, span)?;
            found.push(Failing { device, anomalies: anomalies.unsigned_abs(), readings });
        }
    }
    found.sort_by(|a, b| b.anomalies.cmp(&a.anomalies).then_with(|| a.device.cmp(&b.device)));
    found.truncate(limit);
    Ok(found)
}

/// Findings by type and severity in each step.
pub(super) fn over_time(
    connection: &Connection,
    of: Option<&[DeviceName]>,
    steps: Steps,
) -> Result<Vec<FindingCount>, StoreError> {
    let mut counts: BTreeMap<(Micros, String), FindingCount> = BTreeMap::new();
    let span = steps.span();
    for (id, _) in devices(connection, of)? {
        let mut select = connection.prepare_cached(
            "SELECT time_us, bytes FROM reading JOIN payload ON payload.idx = reading.entry
             WHERE device = ? AND time_us >= ? AND time_us < ?",
        )?;
        let mut rows = select.query(params![id, span.from().0, span.to().0])?;
        while let Some(row) = rows.next()? {
            let start = steps.start_of(Micros(row.get(0)?));
            let payload = Payload::from_bytes(&row.get::<_, Vec<u8>>(1)?)
                .map_err(|error| StoreError::Damaged(format!("a payload: {error}")))?;
            let (r#type, severity): (Type, Severity) = (payload.r#type, payload.severity);
            let count = FindingCount { start, r#type, severity, count: 0 };
            counts.entry((start, format!("{type:?}{severity:?}", r#type = r#type))).or_insert(count).count += 1;
        }
    }
    Ok(counts.into_values().collect())
}
