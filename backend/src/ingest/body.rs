//! Reading a request's body within bounds of size and time.

use std::time::Duration;

use api::Code;
use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{StatusCode, header},
};

use crate::{domain::MAX_BODY, problem::Fault};

/// A body of this size at 140 kB/s takes 30 s. Slower senders are cut off, so that they cannot hold connections.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A body that has arrived whole, in time, and in a form we read.
pub(super) struct Body {
    pub(super) bytes: Bytes,
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

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        let form = form(&request)?;
        let bytes = tokio::time::timeout(TIMEOUT, Bytes::from_request(request, state));
        match bytes.await {
            Ok(Ok(bytes)) => Ok(Self { bytes, form }),
            Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(Fault::new(Code::BodyTooLarge, format!("expected at most {MAX_BODY} bytes: send smaller batches")))
            }
            Ok(Err(rejection)) => Err(Fault::new(Code::MalformedBody, rejection.body_text())),
            Err(_) => Err(Fault::new(Code::BodyTimeout, "the body did not arrive within 30 seconds")),
        }
    }
}

fn form(request: &Request) -> Result<Form, Fault> {
    let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    if let Some(encoding) = header(header::CONTENT_ENCODING).filter(|encoding| *encoding != "identity") {
        let what = format!("expected a body without Content-Encoding, found {encoding:?}");
        return Err(Fault::new(Code::UnsupportedMediaType, what));
    }
    let media_type = header(header::CONTENT_TYPE).unwrap_or("application/json");
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
