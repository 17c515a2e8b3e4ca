//! Reading a request's body within bounds of size and time.

use std::time::Duration;

use api::Code;
use axum::{
    body::BodyDataStream,
    extract::{FromRequest, Request},
    http::header,
};
use futures_util::StreamExt;

use super::inflate::{Inflater, Unpacked};
use crate::{bodies::Reserved, domain::MAX_BODY, problem::Fault};

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

/// Reads a body of any form, and unpacks it if it came as gzip.
pub(super) async fn read(request: Request) -> Result<Vec<u8>, Fault> {
    let packed = is_packed(&request)?;
    let reserved = request.extensions().get::<Reserved>().cloned();
    let mut stream = request.into_body().into_data_stream();
    let collected =
        async { if packed { unpack(&mut stream, reserved.as_ref()).await } else { collect(&mut stream).await } };
    match tokio::time::timeout(TIMEOUT, collected).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(Broken::TooLong)) => {
            // Read on for a while and forget: a client that is still sending when we answer and close would see a
            // broken connection instead of the answer.
            let _ = tokio::time::timeout(DRAIN, forget(&mut stream)).await;
            Err(Fault::new(Code::BodyTooLarge, format!("expected at most {MAX_BODY} bytes: send smaller batches")))
        }
        Ok(Err(Broken::Fault(fault))) => Err(fault),
        Err(_) => Err(Fault::new(Code::BodyTimeout, "the body did not arrive within 30 seconds")),
    }
}

/// Why there is no body.
enum Broken {
    /// It is longer than allowed: as it came, or unpacked.
    TooLong,
    Fault(Fault),
}

impl From<axum::Error> for Broken {
    fn from(error: axum::Error) -> Self {
        Broken::Fault(Fault::new(Code::MalformedBody, format!("the body broke off: {error}")))
    }
}

impl From<Unpacked> for Broken {
    fn from(unpacked: Unpacked) -> Self {
        match unpacked {
            Unpacked::TooLong => Broken::TooLong,
            Unpacked::Malformed => Broken::Fault(Fault::new(Code::MalformedBody, "the body is not whole gzip data")),
        }
    }
}

async fn collect(stream: &mut BodyDataStream) -> Result<Vec<u8>, Broken> {
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        if bytes.len() + chunk.len() > MAX_BODY {
            return Err(Broken::TooLong);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Unpacks piece by piece, so that a bomb ends with the first byte too many.
async fn unpack(stream: &mut BodyDataStream, reserved: Option<&Reserved>) -> Result<Vec<u8>, Broken> {
    let (mut inflater, mut arrived) = (Inflater::new(MAX_BODY), 0);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        arrived += chunk.len();
        if arrived > MAX_BODY {
            return Err(Broken::TooLong);
        }
        inflater.push(&chunk)?;
        reserved.map_or(Ok(()), |reserved| reserved.grow_to(inflater.len())).map_err(Broken::Fault)?;
    }
    Ok(inflater.finish()?)
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

/// What a header says, each of its lines; something that is no text says `unreadable`.
fn lines(request: &Request, name: header::HeaderName) -> impl Iterator<Item = &str> {
    request.headers().get_all(name).iter().map(|value| value.to_str().unwrap_or("unreadable"))
}

/// Whether the body comes as gzip.
fn is_packed(request: &Request) -> Result<bool, Fault> {
    let encodings = lines(request, header::CONTENT_ENCODING).flat_map(|line| line.split(',')).map(str::trim);
    let mut encodings = encodings.filter(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity"));
    match (encodings.next(), encodings.next()) {
        (None, _) => Ok(false),
        (Some(encoding), None) if ["gzip", "x-gzip"].iter().any(|gzip| encoding.eq_ignore_ascii_case(gzip)) => Ok(true),
        (Some(encoding), _) => {
            let found: String = encoding.chars().take(40).collect();
            let what = format!("expected Content-Encoding gzip, or none, found {found:?}");
            Err(Fault::new(Code::UnsupportedMediaType, what))
        }
    }
}

fn form(request: &Request) -> Result<Form, Fault> {
    let media_type = lines(request, header::CONTENT_TYPE).next().unwrap_or("application/json");
    match media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => Ok(Form::Json),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Form::Lines),
        // Sent by browsers' forms across origins without asking; so it is not read as JSON.
        _ => {
            let found: String = media_type.chars().take(80).collect();
            let what = format!("expected application/json or application/x-ndjson, found {found:?}");
            Err(Fault::new(Code::UnsupportedMediaType, what))
        }
    }
}
