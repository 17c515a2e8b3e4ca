//! `POST /api/v1/readings`: one reading, an array, or one a line; an answer for each.

use api::{Code, Judgement, ReadingResult, Readings, Status};
use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::value::RawValue;

use super::{
    Intake,
    body::{Body, Form},
    decode,
};
use crate::{
    access::Pass,
    domain::{Micros, Millis, reading::MAX_READINGS, verdict::Accepted},
    problem::{Fault, Guarded, Posted},
};

/// A reading. Several may be sent as an array, or one a line as `application/x-ndjson`.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "for the description only; decode.rs reads the text itself")]
struct ReadingRequest {
    /// The device's name: 1 to 128 bytes.
    #[schema(example = "weather-1")]
    device: String,
    /// RFC 3339, or seconds since 1970; without it, the time of arrival.
    #[schema(example = "2026-11-20T08:00:00Z")]
    time: Option<String>,
    /// Makes the reading unique for its device; without it, the time does.
    #[schema(example = 17)]
    sequence: Option<u64>,
    /// 1 to 12 metrics.
    #[schema(example = json!({"temperature": 21.5, "humidity": 40.2, "pressure": 1013.2}))]
    metrics: std::collections::BTreeMap<String, f64>,
    /// The device's Ed25519 signature over the reading, 64 bytes in base64; needed where a key is registered for it.
    #[schema(example = "RDqz0oT8GxWOsFWCfBWzVkQ8Zs0fNBF1gQkRMWdM2gDqzBMsHn8DZ3zuWoK1oI4aMSs4OM6hRBPFAlrPMXvCBA==")]
    signature: Option<String>,
}

/// One reading, or several.
#[derive(utoipa::ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "for the description only; decode.rs reads the text itself")]
enum ReadingsBody {
    One(ReadingRequest),
    Many(Vec<ReadingRequest>),
}

/// Send readings
///
/// Answered after the commit: what is `stored` is on disk. A reading's key is its sequence number, or its time where
/// it has none. The same reading again is a `duplicate` and gets its first verdict; the same key with other content
/// is refused with 409. A reading with neither is new each time it comes. Of an array or lines, each reading has a
/// result of its own, and the status is 207 if some were rejected. With an Idempotency-Key, readings with neither are
/// recognised too when the same request comes again within 24 hours; the same key with another body is refused with 409.
#[utoipa::path(
    post, path = "/api/v1/readings", tag = "intake",
    params(("idempotency-key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    request_body(content((ReadingsBody = "application/json"), (String = "application/x-ndjson"))),
    responses(
        Guarded,
        Posted,
        (status = 200, body = Readings, description = "All stored"),
        (status = 207, body = Readings, description = "Some rejected; each result says why"),
    )
)]
pub(crate) async fn readings(
    State(intake): State<Intake>,
    Extension(pass): Extension<Pass>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let text = std::str::from_utf8(&body.bytes)
        .map_err(|error| Fault::new(Code::MalformedBody, format!("expected UTF-8: {error}")))?;
    let items = items(text, body.form)?;
    let (single, texts) = match items {
        Items::One(text) => (true, vec![text]),
        Items::Many(texts) => (false, texts),
    };
    if texts.len() > MAX_READINGS {
        let what = format!("expected at most {MAX_READINGS} readings, found {}: send smaller batches", texts.len());
        return Err(Fault::new(Code::BodyTooLarge, what));
    }
    let now = intake.clock.now();
    let arrival = intake.once.arrival(&headers, &pass.caller, &body.bytes, (texts.len(), now)).await?;
    let mut results = submit(&intake, &pass, &texts, (now, arrival)).await?;
    if single {
        let result = results.pop().unwrap_or_else(|| Err(Fault::new(Code::Internal, "no result")))?;
        return Ok(Json(summary(vec![Ok(result)])).into_response());
    }
    if let Some(fault) = results.iter().filter_map(|result| result.as_ref().err()).find(|fault| fault.may_pass()) {
        // What was stored will be a duplicate when the batch is sent again.
        return Err(fault.clone());
    }
    let summary = summary(results);
    let status = if summary.rejected == 0 { StatusCode::OK } else { StatusCode::MULTI_STATUS };
    Ok((status, Json(summary)).into_response())
}

/// The texts of the readings in a body.
enum Items<'a> {
    One(&'a str),
    Many(Vec<&'a str>),
}

fn items(text: &str, form: Form) -> Result<Items<'_>, Fault> {
    let malformed = |error| Fault::new(Code::MalformedBody, format!("not JSON: {error}"));
    match form {
        Form::Lines => Ok(Items::Many(text.lines().filter(|line| !line.trim().is_empty()).collect())),
        Form::Json if text.trim_start().starts_with('[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(malformed)?;
            Ok(Items::Many(items.into_iter().map(RawValue::get).collect()))
        }
        Form::Json => {
            let item: &RawValue = serde_json::from_str(text).map_err(malformed)?;
            Ok(Items::One(item.get()))
        }
    }
}

/// Decodes and submits; gives a result for each text.
async fn submit(
    intake: &Intake,
    pass: &Pass,
    texts: &[&str],
    (now, arrival): (Millis, Option<Micros>),
) -> Result<Vec<Result<Accepted, Fault>>, Fault> {
    let mut results = Vec::with_capacity(texts.len());
    let mut readings = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        match decode::reading(text, now, arrival.map(|arrival| Micros(arrival.0 + at as i64))) {
            Ok(reading) => {
                readings.push(reading);
                results.push(None);
            }
            Err(error) => results.push(Some(Err(Fault::from(error)))),
        }
    }
    let mut judged = intake.submit(pass, readings).await?.into_iter();
    let missing = || Err(Fault::new(Code::Internal, "no result"));
    Ok(results.into_iter().map(|result| result.or_else(|| judged.next()).unwrap_or_else(missing)).collect())
}

pub(super) fn summary(results: Vec<Result<Accepted, Fault>>) -> Readings {
    let accepted = results.iter().filter(|result| result.is_ok()).count() as u64;
    Readings { accepted, rejected: results.len() as u64 - accepted, results: results.into_iter().map(result).collect() }
}

/// What became of a reading, as it is told.
pub(super) fn result(result: Result<Accepted, Fault>) -> ReadingResult {
    match result {
        Err(fault) => ReadingResult { status: Status::Rejected, judgement: None, problem: Some(fault.problem()) },
        Ok(accepted) => ReadingResult {
            status: if accepted.duplicate { Status::Duplicate } else { Status::Stored },
            problem: None,
            judgement: Some(judgement(accepted)),
        },
    }
}

/// A verdict as it is told.
pub(super) fn judgement(accepted: Accepted) -> Judgement {
    Judgement {
        score: accepted.verdict.score,
        threshold: accepted.verdict.threshold,
        label: accepted.verdict.label,
        model_version: accepted.verdict.model_version.to_string(),
        index: accepted.index,
        sentence: accepted.sentence,
    }
}
