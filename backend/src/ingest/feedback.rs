//! What people say of findings.

use api::{Code, Feedback, FeedbackRequest};
use axum::{
    Extension, Json,
    extract::{Path, State},
};
use ledger::{
    canonical::MAX_INTEGER,
    entry::{Entry, Payload},
};

use super::{
    Intake,
    body::{Body, Form},
};
use crate::{
    access::{Denied, Pass},
    domain::{
        DeviceName, Millis,
        access::Action,
        ports::{LogReader, StoreError},
        verdict,
    },
    pipeline::{Said, model_score},
    problem::{Fault, Guarded, Posted, blocking},
};

/// Characters of a comment at most: a paragraph.
const MAX_COMMENT: usize = 1_000;

/// Say whether a finding was right
///
/// What is said first stands: the same verdict again is answered with what was said first, another is refused. It is
/// recorded in the audit log, without the comment; the comment is erased with the payload.
#[utoipa::path(
    post, path = "/api/v1/anomalies/{index}/feedback", tag = "intake",
    params(("index" = u64, Path, description = "The anomaly's index")),
    request_body = FeedbackRequest,
    responses(
        Guarded,
        Posted,
        (status = 200, body = Feedback, description = "On disk: what stands"),
        (status = 404, body = api::Problem, content_type = "application/problem+json", description = "There is no such anomaly, or its payload was erased"),
    )
)]
pub(crate) async fn feedback(
    State(intake): State<Intake>,
    Extension(pass): Extension<Pass>,
    Path(index): Path<String>,
    body: Body,
) -> Result<Json<Feedback>, Fault> {
    let index = parse_index(&index)?;
    let FeedbackRequest { verdict, comment } = request(&body)?;
    let log = intake.log.clone();
    let said = blocking(move || finding(&*log, index)).await?.ok_or_else(|| {
        Fault::new(Code::NotFound, format!("the log has no anomaly {index} with a payload: nothing can be said of it"))
    })?;
    let (device, score, recorded) = said;
    // Without the device's name: whoever does not own it may not learn from here what the entry keeps to itself.
    let not_own = |denied| match denied {
        Denied::Forbidden(_) => Denied::Forbidden("this finding is of no device of yours".into()),
        other => other,
    };
    intake.gate.may(&pass.caller, Action::Judge, &device).map_err(not_own)?;
    let feedback = verdict::Feedback { index, verdict, comment, at: intake.clock.now() };
    let by = (pass.caller.to_string(), pass.from.to_string());
    let stands = intake.pipeline.feedback(Said { feedback, device, score, recorded, by }).await;
    let stands = stands.map_err(|busy| Fault::new(Code::Unavailable, busy))??;
    Ok(Json(stands.into_api()))
}

fn parse_index(text: &str) -> Result<u64, Fault> {
    let index = text.parse().ok().filter(|index: &u64| index.to_string() == text && *index <= MAX_INTEGER as u64);
    index.ok_or_else(|| {
        let found: String = text.chars().take(40).collect();
        Fault::new(Code::InvalidParameter, format!("expected an index from 0 to 2^53-1, found {found:?}"))
    })
}

fn request(body: &Body) -> Result<FeedbackRequest, Fault> {
    if body.form == Form::Lines {
        return Err(Fault::new(Code::UnsupportedMediaType, "expected application/json"));
    }
    let request: FeedbackRequest = serde_json::from_slice(&body.bytes)
        .map_err(|error| Fault::new(Code::MalformedBody, format!("not feedback: {error}")))?;
    let fits = |comment: &String| {
        (1..=MAX_COMMENT).contains(&comment.chars().count()) && !comment.chars().any(char::is_control)
    };
    if request.comment.as_ref().is_some_and(|comment| !fits(comment)) {
        let what = format!("expected a comment of 1 to {MAX_COMMENT} characters without control characters, or none");
        return Err(Fault::new(Code::MalformedBody, what));
    }
    Ok(request)
}

/// Device, the model's score and time of recording of a finding; `None` where there is no such finding, or its payload
/// cannot be read.
fn finding(log: &dyn LogReader, index: u64) -> Result<Option<(DeviceName, Option<f64>, Millis)>, StoreError> {
    let Some(stored) = log.anomalies(index..index + 1, 1)?.pop() else { return Ok(None) };
    let Ok(Entry::Anomaly(entry)) = Entry::from_bytes(&stored.entry) else { return Ok(None) };
    let payload = stored.payload.and_then(|payload| Payload::from_bytes(&payload).ok());
    Ok(payload.and_then(|payload| {
        let device = DeviceName::new(&payload.device).ok()?;
        Some((device, model_score(&payload), Millis::parse(entry.recorded.as_str()).ok()?))
    }))
}
