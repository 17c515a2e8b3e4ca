//! Reading a request's body within bounds of size and time.

use std::time::Duration;

use api::Code;
use axum::{
    body::BodyDataStream,
    extract::{FromRequest, Request},
    http::header,
};
use futures_util::StreamExt;

use crate::{domain::MAX_BODY, problem::Fault};

/// A body of this size at 140 kB/s takes 30 s. Slower senders are cut off, so that they cannot hold connections.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What is read on of a body that is too long: four times what is allowed, at most.
const MAX_DRAINED: usize = 4 * MAX_BODY;

/// How long it is read on.
const DRAIN: Duration = Duration::from_secs(5);

/// A body that has arrived whole, in time, and in a form we read.
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    pub(super) form: Form,
}

/// The form of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One JSON text.
    Json,
    /// One JSON text a line.
    Lines,
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Fault;

    async fn from_request(request: Request, _: &S) -> Result<Self, Fault> {
        let form = form(&request)?;
        Ok(Self { bytes: read(request).await?, form })
    }
}

/// Reads a body of any form.
pub(super) async fn read(request: Request) -> Result<Vec<u8>, Fault> {
    let mut stream = request.into_body().into_data_stream();
    match tokio::time::timeout(TIMEOUT, collect(&mut stream)).await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => {
            // Read on for a while and forget: a client that is still sending when we answer and close would see a
            // broken connection instead of the answer.
            let _ = tokio::time::timeout(DRAIN, forget(&mut stream)).await;
            Err(Fault::new(Code::BodyTooLarge, format!("expected at most {MAX_BODY} bytes: send smaller batches")))
        }
        Ok(Err(error)) => Err(Fault::new(Code::MalformedBody, format!("the body broke off: {error}"))),
        Err(_) => Err(Fault::new(Code::BodyTimeout, "the body did not arrive within 30 seconds")),
    }
}

/// Reads the whole body; `None` if it is longer than allowed.
async fn collect(stream: &mut BodyDataStream) -> Result<Option<Vec<u8>>, axum::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        if bytes.len() + chunk.len() > MAX_BODY {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}

/// Reads on without keeping anything, up to [`MAX_DRAINED`].
async fn forget(stream: &mut BodyDataStream) {
    let mut left = MAX_DRAINED;
    while let Some(Ok(chunk)) = stream.next().await {
        left = left.saturating_sub(chunk.len());
        if left == 0 {
            return;
        }
    }
}

fn form(request: &Request) -> Result<Form, Fault> {
    let headers = |name| request.headers().get_all(name).iter().map(|value| value.to_str().unwrap_or("unreadable"));
    let encoded = |encoding: &&str| !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity");
    if let Some(encoding) = headers(header::CONTENT_ENCODING).find(encoded) {
        let what = format!("expected a body without Content-Encoding, found {encoding:?}");
        return Err(Fault::new(Code::UnsupportedMediaType, what));
    }
    let media_type = headers(header::CONTENT_TYPE).next().unwrap_or("application/json");
    match media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => Ok(Form::Json),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Form::Lines),
        // Sent by browsers' forms across origins without asking; so it is not read as JSON.
        _ => Err(Fault::new(
            Code::UnsupportedMediaType,
            format!("expected application/json or application/x-ndjson, found {media_type:?}"),
        )),
    }
}
