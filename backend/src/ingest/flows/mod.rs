//! `POST /api/v1/flows`: network flows, by the columns of CICIoT2023 (docs/decisions/flows.md).
//!
//! A flow is judged as one of the device whose address it has: of the destination first, else of the source. Nothing here
//! judges; the model only says which columns it needs.

mod columns;
mod decode;

use std::sync::atomic::{AtomicI64, Ordering};

use api::{Code, Readings};
use axum::{
    Extension, Json,
    extract::{Query, Request, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

pub(crate) use self::columns::{is_destination, is_source};
use self::{columns::Row, decode::Form};
use super::{Intake, body, readings::summary};
use crate::{
    access::{Devices, Pass},
    domain::{DeviceName, Micros, Millis, Reading, ReadingError, verdict::Accepted},
    problem::{Fault, Guarded, Parameters, Posted},
};

/// When the last flow without a time of its own came, in microseconds: each gets one of its own.
static ARRIVED: AtomicI64 = AtomicI64::new(0);

/// A flow: the columns of CICIoT2023 by name, in any order; what else is there is ignored.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "for the description only; decode.rs reads the text itself")]
struct FlowRequest {
    /// RFC 3339, or seconds since 1970; without it, the time of arrival.
    #[schema(example = "2026-11-20T08:00:00Z")]
    time: Option<String>,
    /// Where it comes from.
    #[schema(example = "192.0.2.9")]
    src_ip: Option<String>,
    /// Where it goes to.
    #[schema(example = "10.0.0.7")]
    dst_ip: Option<String>,
    /// The device that it concerns, where addresses do not say it.
    device: Option<String>,
    /// Packets a second.
    #[serde(rename = "Rate")]
    #[schema(example = 203.1)]
    rate: f64,
    /// Mean length of the packets' headers; and so on, every column that the model judges.
    #[serde(rename = "Header_Length")]
    #[schema(example = 27.2)]
    header_length: f64,
}

/// One flow, or several.
#[derive(utoipa::ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "for the description only; decode.rs reads the text itself")]
enum FlowsBody {
    One(FlowRequest),
    Many(Vec<FlowRequest>),
}

/// What may be said of all flows of a request.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FlowsQuery {
    /// The device of flows that name none and whose addresses nobody has.
    device: Option<String>,
}

/// Send network flows
///
/// As JSON (one, an array, or one a line) or as CSV with a line of names; columns by name, in any order, as CICIoT2023
/// calls them. Each flow is judged by itself and answered like a reading, after the commit. It concerns the device in its
/// column `device`, else the one at its destination's address, else at its source's, else the parameter `device`; flows
/// of nobody are refused. They stand beside the device's readings under its name with `.flows`. The first flow of an attack is
/// an anomaly; those that go on with it within a minute are not reported again for ten.
#[utoipa::path(
    post, path = "/api/v1/flows", tag = "intake", params(FlowsQuery),
    request_body(content((FlowsBody = "application/json"), (String = "application/x-ndjson"), (String = "text/csv"))),
    responses(
        Guarded,
        Parameters,
        Posted,
        (status = 200, body = Readings, description = "All stored"),
        (status = 207, body = Readings, description = "Some rejected; each result says why"),
    )
)]
pub(crate) async fn flows(
    State(intake): State<Intake>,
    Extension(pass): Extension<Pass>,
    query: Result<Query<FlowsQuery>, QueryRejection>,
    request: Request,
) -> Result<Response, Fault> {
    let Query(FlowsQuery { device }) = query.map_err(|error| Fault::new(Code::InvalidParameter, error.body_text()))?;
    let device = device.map(|name| DeviceName::new(&name)).transpose()?;
    let form = form(&request)?;
    let body = body::read(request).await?;
    let rows = decode::rows(&body, form, intake.pipeline.flow_model())?;
    let mut results = submit(&intake, &pass, rows.rows, device.as_ref()).await?;
    if rows.alone {
        let result = results.pop().unwrap_or_else(|| Err(Fault::new(Code::Internal, "no result")))?;
        return Ok(Json(summary(vec![Ok(result)])).into_response());
    }
    if let Some(fault) = results.iter().filter_map(|result| result.as_ref().err()).find(|fault| fault.may_pass()) {
        // What was stored will be a duplicate when the batch is sent again, where its flows have times.
        return Err(fault.clone());
    }
    let summary = summary(results);
    let status = if summary.rejected == 0 { StatusCode::OK } else { StatusCode::MULTI_STATUS };
    Ok((status, Json(summary)).into_response())
}

fn form(request: &Request) -> Result<Form, Fault> {
    let named = request.headers().get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("unreadable"));
    let media_type = named.unwrap_or("application/json");
    match media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => Ok(Form::Json),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Form::Lines),
        "text/csv" => Ok(Form::Csv),
        _ => Err(Fault::new(
            Code::UnsupportedMediaType,
            format!("expected application/json, application/x-ndjson or text/csv, found {media_type:?}"),
        )),
    }
}

/// Submits the flows; gives a result for each row.
async fn submit(
    intake: &Intake,
    pass: &Pass,
    rows: Vec<Result<Row, ReadingError>>,
    otherwise: Option<&DeviceName>,
) -> Result<Vec<Result<Accepted, Fault>>, Fault> {
    let now = intake.clock.now();
    let mut results = Vec::with_capacity(rows.len());
    let mut readings = Vec::with_capacity(rows.len());
    for row in rows {
        match row.and_then(|row| reading(row, &intake.gate.devices, otherwise, now)) {
            Ok(reading) => {
                readings.push(reading);
                results.push(None);
            }
            Err(error) => results.push(Some(Err(Fault::from(error)))),
        }
    }
    let mut judged = intake.of("flows").submit(pass, readings).await?.into_iter();
    let missing = || Err(Fault::new(Code::Internal, "no result"));
    Ok(results.into_iter().map(|result| result.or_else(|| judged.next()).unwrap_or_else(missing)).collect())
}

/// The row as a reading of the device that it concerns.
fn reading(row: Row, devices: &Devices, otherwise: Option<&DeviceName>, now: Millis) -> Result<Reading, ReadingError> {
    let device = match &row.device {
        Some(name) => Some(DeviceName::new(name)?),
        None => [row.destination, row.source].into_iter().flatten().find_map(|address| devices.at(address)),
    };
    let device = device.or_else(|| otherwise.cloned()).ok_or_else(|| {
        let of = |address: Option<std::net::IpAddr>| address.map_or("nowhere".into(), |address| address.to_string());
        let (source, destination) = (of(row.source), of(row.destination));
        ReadingError::Object(format!(
            "expected a flow of a device, found one from {source} to {destination}, addresses of none: register one, or name the device"
        ))
    })?;
    if device.is_of_flows() {
        return Err(ReadingError::Reserved(device.as_str().to_owned()));
    }
    row.flow.into_reading(&device, row.time, arrival(now))
}

/// A time of arrival that no other flow has.
fn arrival(now: Millis) -> Micros {
    let next = |last: i64| Micros::from(now).0.max(last + 1);
    let last = ARRIVED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
    Micros(next(last.unwrap_or_default()))
}
