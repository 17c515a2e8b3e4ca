//! Registering many devices from a table.

use std::time::Duration;

use api::{Code, DeviceImport, DeviceImportLine};
use axum::{
    Extension, Json,
    body::{Body, to_bytes},
    extract::{FromRequest, Query, Request, State, rejection::QueryRejection},
    http::header,
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{Desk, Sight};
use crate::{
    access::{Pass, table},
    domain::{MAX_BODY, access::Action},
    problem::{Asked, Fault, Guarded, Stored},
};

/// A table of this size at 140 kB/s takes 30 s.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What is asked besides.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportQuery {
    /// Make a key for each device, and answer with a table of them: the only place where they ever stand.
    #[serde(default)]
    keys: bool,
}

/// A table that has arrived whole and in time.
pub(crate) struct Table(Vec<u8>);

impl<S: Send + Sync> FromRequest<S> for Table {
    type Rejection = Fault;

    async fn from_request(request: Request, _: &S) -> Result<Self, Fault> {
        let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = media_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("text/csv") {
            return Err(Fault::new(Code::UnsupportedMediaType, "expected text/csv"));
        }
        let late = |_| Fault::new(Code::BodyTimeout, "the table did not arrive within 30 seconds");
        let read = tokio::time::timeout(TIMEOUT, to_bytes(request.into_body(), MAX_BODY)).await.map_err(late)?;
        let long =
            |_| Fault::new(Code::BodyTooLarge, format!("expected at most {MAX_BODY} bytes, all of which arrive"));
        Ok(Self(read.map_err(long)?.to_vec()))
    }
}

/// Register devices from a table
///
/// CSV with a first line of columns: `name`, and any of `type`, `owner` (a user's number), `location`, `firmware`, `tags`
/// (`name=value;name=value`), `addresses` (`10.1.2.3;10.2.0.0/16`), `keyless`, `certificate`, `patient`, `disabled`. At
/// most 10,000 lines. Each line for itself: those that can be are registered together, the others are told why not. With
/// `keys=true` the answer is a table `line,name,key,problem`.
#[utoipa::path(
    post, path = "/api/v1/devices/import", tag = "devices", params(ImportQuery),
    request_body(content = String, content_type = "text/csv"),
    responses(Guarded, Asked, Stored,
        (status = 200, description = "On disk: what became of each line",
         content((DeviceImport = "application/json"), (String = "text/csv"))))
)]
pub(crate) async fn import(
    State(desk): State<Desk>,
    Extension(pass): Extension<Pass>,
    query: Result<Query<ImportQuery>, QueryRejection>,
    Table(bytes): Table,
) -> Result<Response, Fault> {
    let Query(ImportQuery { keys }) = query.map_err(|error| Fault::new(Code::InvalidParameter, error.body_text()))?;
    let lines = table::read(&bytes).map_err(|error| Fault::new(Code::MalformedBody, error))?;
    let any = Desk::sight(&pass, Action::ManageDevices)? == Sight::All;
    let (mut requests, mut places) = (Vec::new(), Vec::new());
    for line in lines {
        let request = line.request.and_then(|mut request| {
            Desk::permit(&pass, &mut request).map_err(|denied| denied.to_string())?;
            Ok(request)
        });
        let problem = request.map(|request| requests.push(request)).err();
        places.push((line.line, line.name, problem));
    }
    let by = desk.by(&pass);
    let mut imported = desk.act(move |registrar| registrar.import(requests, any, keys, &by)).await?.into_iter();
    let mut made = Vec::new();
    let mut result = |(line, name, refused): (u64, String, Option<String>)| {
        let (key, problem) = match refused {
            Some(why) => (None, Some(why)),
            None => match imported.next() {
                Some(Ok((_, key))) => (key, None),
                Some(Err(error)) => (None, Some(error.to_string())),
                None => (None, Some("no result".to_owned())),
            },
        };
        made.push(key.map(|key| key.secret).unwrap_or_default());
        DeviceImportLine { line, name, problem }
    };
    let results: Vec<DeviceImportLine> = places.into_iter().map(&mut result).collect();
    let refused = results.iter().filter(|line| line.problem.is_some()).count() as u64;
    let registered = results.len() as u64 - refused;
    if keys {
        return table_of(&results, &made);
    }
    Ok(Json(DeviceImport { registered, refused, results }).into_response())
}

fn table_of(results: &[DeviceImportLine], keys: &[String]) -> Result<Response, Fault> {
    let rows = results.iter().zip(keys).map(|(DeviceImportLine { line, name, problem }, key)| table::Outcome {
        line: *line,
        name,
        key,
        problem: problem.as_deref().unwrap_or_default(),
    });
    let text = table::write(rows).map_err(|error| {
        tracing::error!(%error, "a table could not be written");
        Fault::new(Code::Internal, "a fault of the service")
    })?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"device-keys.csv\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::from(text)).into_response())
}
