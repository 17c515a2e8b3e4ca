//! The routes of InfluxDB 1 and 2 to which Telegraf and InfluxDB's own clients write, with the answers that they expect.

use std::fmt::Write as _;

use api::{Code, Problem};
use axum::{
    Extension,
    body::{Body, to_bytes},
    extract::{Query, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::{
    Intake, body,
    lines::{self, Naming, OfLines, Precision, Refused},
};
use crate::{
    access::Pass,
    domain::{access::Caller, reading::MAX_READINGS},
    problem::{Fault, MEDIA_TYPE},
};

/// Refused lines that an answer names. The rest is counted.
const NAMED: usize = 3;

/// A problem document is shorter.
const MAX_PROBLEM: usize = 16 << 10;

/// What clients look for to see that somebody speaks their protocol.
const VERSION: HeaderName = HeaderName::from_static("x-influxdb-version");

/// The parameters of a write. Those for organisation, bucket and database are read by nobody: there is one store.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WriteQuery {
    /// The unit of times: `ns`, `us`, `ms`, `s`; of version 1 also `n`, `u`, `m`, `h`. Nanoseconds if absent.
    #[serde(default)]
    #[param(example = "s")]
    precision: String,
}

/// An error as InfluxDB 2 says it.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct WriteError<'a> {
    /// What went wrong, for programs.
    #[schema(example = "invalid")]
    code: &'a str,
    /// What went wrong, for people.
    message: &'a str,
    /// The first line that was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
}

/// An error as InfluxDB 1 says it.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct OldWriteError<'a> {
    /// What went wrong, and how many lines were dropped.
    error: &'a str,
}

/// The number of the first line that was not taken, on its way into the answer.
#[derive(Clone, Copy)]
struct FirstRefused(u64);

/// Write lines, as to InfluxDB 2
///
/// Answered after the commit: with 204, all lines are on disk. Lines that cannot be taken are refused one by one, the others
/// are stored; the answer is then 400 (a line is not written as one) or 422 (it is no possible reading), and says which. What a line becomes is
/// described in docs/sending.md.
#[utoipa::path(
    post, path = "/api/v2/write", tag = "influxdb", params(WriteQuery),
    request_body(content = String, content_type = "text/plain"),
    responses(
        (status = 204, description = "All lines are on disk"),
        (status = 400, body = WriteError, description = "Lines that are none were left out; the others are on disk"),
        (status = 401, body = WriteError, description = "The token is not valid"),
        (status = 403, body = WriteError, description = "Not this caller, or not as these devices"),
        (status = 408, body = WriteError, description = "The body did not arrive in time"),
        (status = 413, body = WriteError, description = "The body is too long, or has too many lines"),
        (status = 415, body = WriteError, description = "Compressed otherwise than by gzip"),
        (status = 422, body = WriteError, description = "Impossible readings were left out; the others are on disk"),
        (status = 500, body = WriteError, description = "A fault of the service"),
        (status = 503, body = WriteError, description = "Busy: send it again after Retry-After"),
    )
)]
pub(crate) async fn write(
    intake: State<Intake>,
    pass: Extension<Pass>,
    query: Query<WriteQuery>,
    request: Request,
) -> Result<Response, Fault> {
    store(intake, pass, query, request).await
}

/// Write lines, as to InfluxDB 1
///
/// As `POST /api/v2/write`, with the answers of version 1. The key may come as the user's password, or as `p`.
#[utoipa::path(
    post, path = "/write", tag = "influxdb",
    params(WriteQuery, ("p" = Option<String>, Query, description = "The key, for clients that show it nowhere else")),
    request_body(content = String, content_type = "text/plain"),
    responses(
        (status = 204, description = "All lines are on disk"),
        (status = 400, body = OldWriteError, description = "Lines that are none were left out; the others are on disk"),
        (status = 401, body = OldWriteError, description = "The key is not valid"),
        (status = 403, body = OldWriteError, description = "Not this caller, or not as these devices"),
        (status = 408, body = OldWriteError, description = "The body did not arrive in time"),
        (status = 413, body = OldWriteError, description = "The body is too long, or has too many lines"),
        (status = 415, body = OldWriteError, description = "Compressed otherwise than by gzip"),
        (status = 422, body = OldWriteError, description = "Impossible readings were left out; the others are on disk"),
        (status = 500, body = OldWriteError, description = "A fault of the service"),
        (status = 503, body = OldWriteError, description = "Busy: send it again after Retry-After"),
    )
)]
pub(crate) async fn write_v1(
    intake: State<Intake>,
    pass: Extension<Pass>,
    query: Query<WriteQuery>,
    request: Request,
) -> Result<Response, Fault> {
    store(intake, pass, query, request).await
}

/// Whether somebody is there who takes lines
#[utoipa::path(get, path = "/ping", tag = "influxdb", responses((status = 204, description = "Yes")))]
pub(crate) async fn ping() -> Response {
    let version = HeaderValue::from_static(concat!("anomaly-ledger-", env!("CARGO_PKG_VERSION")));
    (StatusCode::NO_CONTENT, [(VERSION, version)]).into_response()
}

async fn store(
    State(intake): State<Intake>,
    Extension(pass): Extension<Pass>,
    Query(query): Query<WriteQuery>,
    request: Request,
) -> Result<Response, Fault> {
    let precision = Precision::of(&query.precision).ok_or_else(|| {
        let found: String = query.precision.chars().take(20).collect();
        Fault::new(Code::InvalidParameter, format!("expected the precision ns, us, ms or s, found {found:?}"))
    })?;
    let bytes = body::read(request).await?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| Fault::new(Code::MalformedBody, format!("expected UTF-8: {error}")))?;
    let sender = match &pass.caller {
        Caller::Device(name) => Some(name),
        _ => None,
    };
    let naming = Naming { tags: &intake.device_tags, sender };
    let made = lines::readings(text, precision, naming, intake.clock.now()).ok_or_else(|| {
        Fault::new(Code::BodyTooLarge, format!("expected at most {MAX_READINGS} lines: send smaller batches"))
    })?;
    let written = submit(&intake, &pass, made).await?;
    Ok(written.answer())
}

/// What became of the lines of a request.
#[derive(Default)]
struct Written {
    stored: u64,
    dropped: u64,
    /// The first refusals, with their lines.
    named: Vec<(u64, String)>,
    /// Of the worst kind: what is written wrong before what cannot be, before what is not allowed.
    code: Option<Code>,
}

async fn submit(intake: &Intake, pass: &Pass, made: Vec<OfLines>) -> Result<Written, Fault> {
    let (mut places, mut readings) = (Vec::with_capacity(made.len()), Vec::with_capacity(made.len()));
    for OfLines { line, count, reading } in made {
        let refused = reading.map(|reading| readings.push(reading)).err();
        places.push((line, count, refused));
    }
    let mut results = intake.submit(pass, readings).await?.into_iter();
    let mut written = Written::default();
    for (line, count, refused) in places {
        let fault = match refused {
            Some(refused) => Some((code(&refused), refused.to_string())),
            None => match results.next() {
                Some(Ok(_)) => None,
                Some(Err(fault)) if fault.may_pass() => return Err(fault),
                Some(Err(fault)) => {
                    let problem = fault.problem();
                    Some((problem.code, problem.detail))
                }
                None => Some((Code::Internal, "no result".to_owned())),
            },
        };
        match fault {
            None => written.stored += count,
            Some(fault) => written.refuse(line, count, fault),
        }
    }
    Ok(written)
}

fn code(refused: &Refused) -> Code {
    if matches!(refused, Refused::Line(_)) { Code::MalformedBody } else { Code::InvalidReading }
}

impl Written {
    fn refuse(&mut self, line: u64, count: u64, (code, why): (Code, String)) {
        self.dropped += count;
        if self.named.len() < NAMED {
            self.named.push((line, why));
        }
        let rank = |code| match code {
            Code::Internal => 3,
            Code::MalformedBody => 2,
            Code::InvalidReading | Code::Conflict => 1,
            _ => 0,
        };
        // A conflict among others is one of several readings that cannot be.
        let code = if code == Code::Conflict { Code::InvalidReading } else { code };
        if self.code.is_none_or(|known| rank(code) > rank(known)) {
            self.code = Some(code);
        }
    }

    fn answer(self) -> Response {
        let Some(code) = self.code else { return StatusCode::NO_CONTENT.into_response() };
        let mut text = "partial write: ".to_owned();
        for (line, why) in &self.named {
            // Writing to a text does not fail.
            let _ = write!(text, "line {line}: {why}; ");
        }
        let _ = write!(text, "stored={} dropped={}", self.stored, self.dropped);
        let first = self.named.first().map_or(0, |(line, _)| *line);
        (Extension(FirstRefused(first)), Fault::new(code, text)).into_response()
    }
}

/// Says errors of these routes in their clients' own words, whoever made them: also the guard, and who asks for keys.
pub(crate) async fn in_their_words(request: Request, next: Next) -> Response {
    let version_2 = match request.uri().path() {
        "/api/v2/write" => true,
        "/write" => false,
        _ => return next.run(request).await,
    };
    let response = next.run(request).await;
    if response.headers().get(header::CONTENT_TYPE).is_none_or(|value| value != MEDIA_TYPE) {
        return response;
    }
    let line = response.extensions().get::<FirstRefused>().map(|first| first.0);
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, MAX_PROBLEM).await else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let Ok(problem) = serde_json::from_slice::<Problem>(&bytes) else {
        return (parts, Body::from(bytes)).into_response();
    };
    let message = problem.detail.as_str();
    let text = if version_2 {
        serde_json::to_vec(&WriteError { code: name(problem.status), message, line })
    } else {
        serde_json::to_vec(&OldWriteError { error: message })
    };
    set_json(&mut parts.headers);
    (parts, text.unwrap_or_default()).into_response()
}

fn set_json(headers: &mut HeaderMap) {
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
}

/// What InfluxDB 2 calls an error with this status.
fn name(status: u16) -> &'static str {
    match status {
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not found",
        405 => "method not allowed",
        409 => "conflict",
        413 => "request too large",
        415 => "unsupported media type",
        422 => "unprocessable entity",
        429 => "too many requests",
        503 => "unavailable",
        500.. => "internal error",
        _ => "invalid",
    }
}
