//! Readings that are kept, and what is counted over them.

use api::{AnomalyStatistics, DeviceStatistics, Page, Series, StoredReading};

use super::{encoded, json};
use crate::{clock, http::Fault};

/// Points of a chart: about one for three pixels of a wide screen.
const POINTS: u32 = 300;

fn path(device: &str) -> String {
    format!("/api/v1/devices/{}", encoded(device))
}

/// A device's newest reading.
pub(crate) async fn latest(device: &str) -> Result<StoredReading, Fault> {
    json(&format!("{}/readings/latest", path(device))).await
}

/// A device's newest anomalies.
pub(crate) async fn anomalies(device: &str) -> Result<Page<StoredReading>, Fault> {
    json(&format!("{}/readings?label=anomaly&limit=8", path(device))).await
}

/// One metric over the last so many milliseconds.
pub(crate) async fn series(device: &str, metric: &str, span_ms: f64) -> Result<Series, Fault> {
    let (from, to) = (encoded(&clock::iso(clock::now() - span_ms)), encoded(&clock::iso(clock::now())));
    let metric = encoded(metric);
    json(&format!("{}/series?metric={metric}&from={from}&to={to}&points={POINTS}", path(device))).await
}

/// The devices with the most anomalies in the last so many milliseconds.
pub(crate) async fn top(span_ms: f64) -> Result<DeviceStatistics, Fault> {
    let from = encoded(&clock::iso(clock::now() - span_ms));
    json(&format!("/api/v1/statistics/devices?limit=10&from={from}")).await
}

/// Anomalies in the last so many milliseconds, by hours or by days.
pub(crate) async fn counts(span_ms: f64, step: &str) -> Result<AnomalyStatistics, Fault> {
    let from = encoded(&clock::iso(clock::now() - span_ms));
    json(&format!("/api/v1/statistics/anomalies?step={step}&from={from}")).await
}
