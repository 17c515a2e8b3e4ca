//! One metric over time, in as few points as a chart can show.

use std::time::Duration;

use api::{Bucket, Code, Resolution, Series};
use axum::{
    Extension, Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use serde::Deserialize;

use super::{
    super::excerpt,
    Shelf,
    parameters::{invalid, query, recent},
    unknown,
};
use crate::{
    access::Pass,
    domain::series::{self, Span, Steps},
    problem::{Fault, Guarded, Parameters, Stored, blocking},
};

/// Points of an answer at most: a wide screen has 4,000 pixels, and two points a pixel show nothing more.
const MAX_POINTS: u64 = 2_000;

/// Two, because a span of any length may lie across the edge between two steps.
const MIN_POINTS: u64 = 2;

/// What is shown if nobody says how much: a day.
const USUAL: Duration = Duration::from_secs(24 * 3_600);

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Steps that people know, in seconds. Up to a minute readings are asked, then what is summed up of minutes and hours:
/// so each step from a minute on is whole minutes, and from an hour on whole hours.
const STEPS: [u64; 25] = [
    1,
    2,
    5,
    10,
    15,
    30,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
    91 * DAY,
    364 * DAY,
    3_640 * DAY,
];

/// Which metric, from when to when, and how finely.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SeriesQuery {
    /// The metric's name.
    #[param(example = "temperature")]
    metric: String,
    /// From this time on (RFC 3339, with any offset); a day before the end if absent.
    #[param(example = "2026-01-05T08:00:00Z")]
    from: Option<String>,
    /// Up to this time, and not at it; now if absent.
    #[param(example = "2026-01-05T09:00:00Z")]
    to: Option<String>,
    /// Buckets at most, 2 to 2,000; 300 if absent.
    #[serde(default = "default_points")]
    #[param(minimum = 2, maximum = 2000, default = 300)]
    points: u64,
}

fn default_points() -> u64 {
    300
}

/// One metric over time, down-sampled
///
/// Smallest, largest and mean value of each step, how many there are, and how many of them are of anomalous readings: so
/// no peak is lost, however long the time. The shortest step that gives no more buckets than asked for; readings are
/// asked for steps below a minute, else what was summed up of minutes or hours.
#[utoipa::path(
    get, path = "/api/v1/devices/{device}/series", tag = "readings",
    params(("device" = String, Path, description = "The device's name", example = "weather-1"), SeriesQuery),
    responses(
        Guarded,
        Parameters,
        Stored,
        (status = 200, body = Series),
        (status = 404, body = api::Problem, content_type = "application/problem+json", description = "No such device has sent, or not this metric"),
    )
)]
pub(crate) async fn series(
    State(shelf): State<Shelf>,
    Extension(pass): Extension<Pass>,
    Path(device): Path<String>,
    parameters: Result<Query<SeriesQuery>, QueryRejection>,
) -> Result<Json<Series>, Fault> {
    let SeriesQuery { metric, from, to, points } = query(parameters)?;
    let device = shelf.device(&pass, &device)?;
    if !(MIN_POINTS..=MAX_POINTS).contains(&points) {
        return Err(invalid(format!("expected {MIN_POINTS} to {MAX_POINTS} points, found {points}")));
    }
    let now = shelf.door.clock.now().into();
    let steps = steps(recent(from.as_deref(), to.as_deref(), now, USUAL)?, points)?;
    shelf.record(&pass, &device).await?;
    let (of, name) = (device.clone(), metric.clone());
    let found = blocking(move || {
        let buckets = shelf.series.buckets(&of, &name, steps)?;
        if !buckets.is_empty() {
            return Ok(Ok(buckets));
        }
        let metrics = shelf.series.metrics(&of)?;
        Ok(if metrics.contains(&name) { Ok(buckets) } else { Err(metrics) })
    });
    let buckets = found.await?.map_err(|metrics| match metrics.as_slice() {
        [] => unknown(&device),
        metrics => {
            let known: String = metrics.join(", ").chars().take(200).collect();
            let what = format!("the device has no metric {:?}; it has {known}", excerpt(&metric));
            Fault::new(Code::NotFound, what)
        }
    })?;
    Ok(Json(Series {
        device: device.to_string(),
        metric,
        from: steps.span().from().to_string(),
        to: steps.span().to().to_string(),
        resolution: resolution(steps),
        step_ms: (steps.micros() / 1_000).unsigned_abs(),
        buckets: buckets.iter().map(bucket).collect(),
    }))
}

/// The shortest steps that are no more than so many.
fn steps(span: Span, points: u64) -> Result<Steps, Fault> {
    let fits = |step: &u64| {
        let steps = Steps::new(span, Duration::from_secs(*step)).ok()?;
        let count = (steps.span().to().0 - steps.span().from().0) / steps.micros();
        (count.unsigned_abs() <= points).then_some(steps)
    };
    STEPS.iter().find_map(fits).ok_or_else(|| invalid("expected a shorter time range"))
}

/// What these steps are computed from.
fn resolution(steps: Steps) -> Resolution {
    match steps.micros().unsigned_abs() / 1_000_000 {
        HOUR.. => Resolution::Hour,
        MINUTE.. => Resolution::Minute,
        _ => Resolution::Raw,
    }
}

fn bucket(bucket: &series::Bucket) -> Bucket {
    Bucket {
        time: bucket.start.to_string(),
        min: bucket.min,
        max: bucket.max,
        mean: bucket.mean(),
        count: bucket.count,
        anomalies: bucket.anomalies,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::domain::Micros;

    #[test]
    fn a_step_is_as_short_as_the_points_allow() {
        let at = |text: &str| Micros::parse(text).unwrap();
        for (to, points, step, expected) in [
            ("2026-01-05T08:00:01Z", 2, 1, Resolution::Raw),
            ("2026-01-05T08:05:00Z", 300, 1, Resolution::Raw),
            ("2026-01-05T08:05:01Z", 300, 2, Resolution::Raw),
            ("2026-01-05T13:00:00Z", 300, MINUTE, Resolution::Minute),
            ("2026-01-06T08:00:00Z", 300, 5 * MINUTE, Resolution::Minute),
            ("2026-01-12T08:00:00Z", 300, HOUR, Resolution::Hour),
            ("2027-01-05T08:00:00Z", 300, 2 * DAY, Resolution::Hour),
            ("9998-01-05T08:00:00Z", 2_000, 3_640 * DAY, Resolution::Hour),
        ] {
            let span = Span::new(at("2026-01-05T08:00:00Z"), at(to)).unwrap();
            let steps = steps(span, points).unwrap();
            assert_eq!((steps.micros(), resolution(steps)), (step as i64 * 1_000_000, expected), "{to} {points}");
            assert!(steps.span().from() <= span.from() && span.to() <= steps.span().to());
        }
    }

    #[test]
    fn steps_are_whole_minutes_and_hours() {
        assert!(STEPS.iter().all(|step| *step < MINUTE || step % MINUTE == 0));
        assert!(STEPS.iter().all(|step| *step < HOUR || step % HOUR == 0));
        assert!(STEPS.is_sorted());
    }
}
