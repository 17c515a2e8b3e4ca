//! What is counted over devices and time.

use std::time::Duration;

use api::{AnomalyCount, AnomalyStatistics, DeviceCount, DeviceStatistics, Step};
use axum::{
    Extension, Json,
    extract::{Query, State, rejection::QueryRejection},
};
use serde::{Deserialize, Serialize};

use super::{
    Shelf,
    parameters::{invalid, query, recent},
};
use crate::{
    access::Pass,
    domain::{
        Micros,
        series::{Failing, FindingCount, MAX_FAILING, Span, Steps},
    },
    problem::{Fault, Guarded, Parameters, Stored, blocking},
};

const HOUR: i64 = 3_600 * 1_000_000;
const DAY: i64 = 24 * HOUR;

/// Beyond it devices are counted in whole days, up to it in whole hours.
const MONTH: i64 = 31 * DAY;

/// Devices of an answer at most.
const MAX_DEVICES: u64 = 500;

const _: () = assert!(MAX_DEVICES as usize <= MAX_FAILING);

/// From when to when, and how many devices.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DevicesQuery {
    /// From this time on (RFC 3339, with any offset); a day before the end if absent.
    #[param(example = "2026-01-05T00:00:00Z")]
    from: Option<String>,
    /// Up to this time, and not at it; now if absent.
    #[param(example = "2026-01-06T00:00:00Z")]
    to: Option<String>,
    /// 1 to 500; 10 if absent.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 500, default = 10)]
    limit: u64,
}

fn default_limit() -> u64 {
    10
}

/// From when to when, and in which steps.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AnomaliesQuery {
    /// From this time on (RFC 3339, with any offset); if absent, a day before the end, or with days 30 of them.
    #[param(example = "2026-01-05T00:00:00Z")]
    from: Option<String>,
    /// Up to this time, and not at it; now if absent.
    #[param(example = "2026-01-06T00:00:00Z")]
    to: Option<String>,
    /// Hours or days of UTC.
    #[serde(default)]
    #[param(default = "hour", inline)]
    step: Step,
}

/// Which devices had the most anomalies
///
/// Of all devices, or of one's own for who may read only those. The times are widened to whole hours, beyond a month to
/// whole days.
#[utoipa::path(
    get, path = "/api/v1/statistics/devices", tag = "readings", params(DevicesQuery),
    responses(Guarded, Parameters, Stored, (status = 200, body = DeviceStatistics))
)]
pub(crate) async fn devices(
    State(shelf): State<Shelf>,
    Extension(pass): Extension<Pass>,
    parameters: Result<Query<DevicesQuery>, QueryRejection>,
) -> Result<Json<DeviceStatistics>, Fault> {
    let DevicesQuery { from, to, limit } = query(parameters)?;
    if !(1..=MAX_DEVICES).contains(&limit) {
        return Err(invalid(format!("expected a limit from 1 to {MAX_DEVICES}, found {limit}")));
    }
    let now = shelf.door.clock.now().into();
    let span = widened(recent(from.as_deref(), to.as_deref(), now, Duration::from_secs(24 * 3_600))?)?;
    let found = blocking(move || {
        let of = shelf.readable(&pass)?;
        shelf.series.top_failing(of.as_deref(), span, limit as usize)
    });
    let items = found.await?.into_iter().map(device).collect();
    Ok(Json(DeviceStatistics { from: span.from().to_string(), to: span.to().to_string(), items }))
}

/// How many anomalies there were over time
///
/// By type and severity in each hour or day. Of all devices, or of one's own for who may read only those. What people
/// have had erased counts no more, since nothing says what it was.
#[utoipa::path(
    get, path = "/api/v1/statistics/anomalies", tag = "readings", params(AnomaliesQuery),
    responses(Guarded, Parameters, Stored, (status = 200, body = AnomalyStatistics))
)]
pub(crate) async fn anomalies(
    State(shelf): State<Shelf>,
    Extension(pass): Extension<Pass>,
    parameters: Result<Query<AnomaliesQuery>, QueryRejection>,
) -> Result<Json<AnomalyStatistics>, Fault> {
    let AnomaliesQuery { from, to, step } = query(parameters)?;
    let (length, usual) = match step {
        Step::Hour => (HOUR, DAY),
        Step::Day => (DAY, 30 * DAY),
    };
    let micros = |micros: i64| Duration::from_micros(micros.unsigned_abs());
    let now = shelf.door.clock.now().into();
    let span = recent(from.as_deref(), to.as_deref(), now, micros(usual))?;
    let steps = Steps::new(span, micros(length)).map_err(invalid)?;
    let found = blocking(move || {
        let of = shelf.readable(&pass)?;
        shelf.series.anomalies_over_time(of.as_deref(), steps)
    });
    let items = found.await?.into_iter().map(count).collect();
    let span = steps.span();
    Ok(Json(AnomalyStatistics { from: span.from().to_string(), to: span.to().to_string(), step, items }))
}

/// The span in whole hours, or beyond a month in whole days: as it is counted.
fn widened(span: Span) -> Result<Span, Fault> {
    let unit = if span.to().0.saturating_sub(span.from().0) > MONTH { DAY } else { HOUR };
    let down = |time: i64| time.div_euclid(unit) * unit;
    let (from, to) = (down(span.from().0), down(span.to().0.saturating_add(unit - 1)));
    Span::new(Micros(from), Micros(to)).map_err(invalid)
}

fn device(failing: Failing) -> DeviceCount {
    let Failing { device, anomalies, readings } = failing;
    let rate = if readings == 0 { 0.0 } else { anomalies as f64 / readings as f64 };
    DeviceCount { device: device.to_string(), readings, anomalies, rate }
}

fn count(found: FindingCount) -> AnomalyCount {
    let FindingCount { start, r#type, severity, count } = found;
    AnomalyCount { time: start.to_string(), r#type: name(&r#type), severity: name(&severity), count }
}

/// The name by which a value goes in JSON.
fn name(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn times_are_widened_to_what_is_counted() {
        let at = |text: &str| Micros::parse(text).unwrap();
        let widened = |from, to| {
            let span = widened(Span::new(at(from), at(to)).unwrap()).unwrap();
            (span.from().to_string(), span.to().to_string())
        };
        let text = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let hours = widened("2026-01-05T08:10:00Z", "2026-01-05T09:00:01Z");
        assert_eq!(hours, text("2026-01-05T08:00:00Z", "2026-01-05T10:00:00Z"));
        let whole = widened("2026-01-05T08:00:00Z", "2026-01-05T09:00:00Z");
        assert_eq!(whole, text("2026-01-05T08:00:00Z", "2026-01-05T09:00:00Z"));
        let days = widened("2026-01-05T08:10:00Z", "2026-03-05T09:00:01Z");
        assert_eq!(days, text("2026-01-05T00:00:00Z", "2026-03-06T00:00:00Z"));
    }
}
