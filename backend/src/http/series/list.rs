//! A device's readings, page by page, and the newest.

use api::{Order, Page, StoredReading};
use axum::{
    Extension, Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use serde::Deserialize;

use super::{
    Shelf,
    parameters::{cursor, invalid, label, position, query, span},
    unknown,
};
use crate::{
    access::Pass,
    domain::{
        DeviceName,
        ports::{Series, StoreError},
        series::{self, PageOf, Row, RowKey, Span},
    },
    problem::{Fault, Guarded, Parameters, Stored, blocking},
};

/// Readings of a page at most: about 0.5 MB with twelve metrics each.
const MAX_PAGE: u64 = 500;

/// Which readings.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReadingsQuery {
    /// From this time on (RFC 3339, with any offset).
    #[param(example = "2026-01-05T08:00:00Z")]
    from: Option<String>,
    /// Up to this time, and not at it.
    #[param(example = "2026-01-05T09:00:00+00:00")]
    to: Option<String>,
    /// Only readings with this label: `normal`, `anomaly` or `warming_up`.
    label: Option<String>,
    /// Newest or oldest time first.
    #[serde(default)]
    #[param(default = "newest", inline)]
    order: Order,
    /// 1 to 500; 50 if absent.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: u64,
    /// The `next_cursor` of the page before, with the same parameters otherwise.
    cursor: Option<String>,
}

fn default_limit() -> u64 {
    50
}

/// List a device's readings
///
/// By time, newest first or oldest first. A cursor stays good while readings come: each reading that was there at the
/// first page is on exactly one page. Also listed are the moments when the device was found silent, which are findings
/// without a reading.
#[utoipa::path(
    get, path = "/api/v1/devices/{device}/readings", tag = "readings",
    params(("device" = String, Path, description = "The device's name", example = "weather-1"), ReadingsQuery),
    responses(
        Guarded,
        Parameters,
        Stored,
        (status = 200, body = Page<StoredReading>),
        (status = 404, body = api::Problem, content_type = "application/problem+json", description = "No such device has sent"),
    )
)]
pub(crate) async fn readings(
    State(shelf): State<Shelf>,
    Extension(pass): Extension<Pass>,
    Path(device): Path<String>,
    parameters: Result<Query<ReadingsQuery>, QueryRejection>,
) -> Result<Json<Page<StoredReading>>, Fault> {
    let asked = query(parameters)?;
    let device = shelf.device(&pass, &device)?;
    if !(1..=MAX_PAGE).contains(&asked.limit) {
        return Err(invalid(format!("expected a limit from 1 to {MAX_PAGE}, found {}", asked.limit)));
    }
    let page = PageOf {
        span: span(asked.from.as_deref(), asked.to.as_deref())?,
        label: label(asked.label.as_deref())?,
        order: match asked.order {
            Order::Newest => series::Order::NewestFirst,
            Order::Oldest => series::Order::OldestFirst,
        },
        after: asked.cursor.as_deref().map(position).transpose()?,
        limit: asked.limit as usize,
    };
    shelf.record(&pass, &device).await?;
    let of = device.clone();
    let found = blocking(move || {
        let rows = shelf.series.readings(&of, &page)?;
        let known = !rows.is_empty() || shelf.series.latest(&of)?.is_some();
        Ok(known.then_some(rows))
    });
    let rows = found.await?.ok_or_else(|| unknown(&device))?;
    let next_cursor = rows.last().filter(|_| rows.len() == page.limit).map(|row| cursor(row.position()));
    let items = rows.into_iter().map(|row| stored(&device, row)).collect();
    Ok(Json(Page { items, next_cursor }))
}

/// A device's newest reading
///
/// The one with the latest time.
#[utoipa::path(
    get, path = "/api/v1/devices/{device}/readings/latest", tag = "readings",
    params(("device" = String, Path, description = "The device's name", example = "weather-1")),
    responses(
        Guarded,
        Parameters,
        Stored,
        (status = 200, body = StoredReading),
        (status = 404, body = api::Problem, content_type = "application/problem+json", description = "No such device has sent"),
    )
)]
pub(crate) async fn latest(
    State(shelf): State<Shelf>,
    Extension(pass): Extension<Pass>,
    Path(device): Path<String>,
) -> Result<Json<StoredReading>, Fault> {
    let device = shelf.device(&pass, &device)?;
    shelf.record(&pass, &device).await?;
    let of = device.clone();
    let row = blocking(move || newest_reading(&*shelf.series, &of)).await?.ok_or_else(|| unknown(&device))?;
    Ok(Json(stored(&device, row)))
}

/// The newest row that is a reading. Between two silences of a device there is a reading, so two rows are enough.
fn newest_reading(series: &dyn Series, device: &DeviceName) -> Result<Option<Row>, StoreError> {
    match series.latest(device)? {
        Some(row) if row.key == RowKey::Silence => {
            let (span, order, after) = (Span::ALL, series::Order::NewestFirst, Some(row.position()));
            Ok(series.readings(device, &PageOf { span, label: None, order, after, limit: 1 })?.pop())
        }
        row => Ok(row),
    }
}

/// A row as it is shown.
fn stored(device: &DeviceName, row: Row) -> StoredReading {
    StoredReading {
        device: device.to_string(),
        time: row.time.to_string(),
        sequence: row.sequence(),
        erased: row.erased,
        silence: row.key == RowKey::Silence,
        metrics: row.values.into_iter().collect(),
        score: row.verdict.score,
        threshold: row.verdict.threshold,
        label: row.verdict.label,
        model_version: row.verdict.model_version.to_string(),
        index: row.entry,
    }
}
