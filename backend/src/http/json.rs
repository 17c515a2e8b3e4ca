//! Small JSON objects that people send: bounded in size and time, and with no member that is not asked for.

use std::time::Duration;

use api::Code;
use axum::{
    body::to_bytes,
    extract::{FromRequest, Request},
    http::header,
};
use serde::de::DeserializeOwned;

use crate::problem::Fault;

/// The longest is a password of 256 characters, each of which may be written in 12 bytes.
const MAX: usize = 16 << 10;

/// So few bytes are here at once, or they are not coming.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What was sent.
pub(super) struct Sent<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Sent<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, _: &S) -> Result<Self, Fault> {
        let media_type = request.headers().get(header::CONTENT_TYPE).map(|value| value.as_bytes());
        let json = |value: &[u8]| {
            let kind = value.split(|byte| *byte == b';').next().unwrap_or_default();
            kind.trim_ascii().eq_ignore_ascii_case(b"application/json")
        };
        // Browsers' forms send other types, and those across origins without asking.
        if !media_type.is_some_and(json) {
            return Err(Fault::new(Code::UnsupportedMediaType, "expected application/json"));
        }
        let late = |_| Fault::new(Code::BodyTimeout, "the body did not arrive within 10 seconds");
        let read = tokio::time::timeout(TIMEOUT, to_bytes(request.into_body(), MAX)).await.map_err(late)?;
        let long = |_| Fault::new(Code::BodyTooLarge, format!("expected at most {MAX} bytes, all of which arrive"));
        // The message names members and places, and no value that was sent but numbers.
        let malformed = |error: serde_json::Error| Fault::new(Code::MalformedBody, shown(&error));
        let bytes = read.map_err(long)?;
        // An object of ours would be read from an array as well, by position.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(Fault::new(Code::MalformedBody, "expected an object"));
        }
        serde_json::from_slice(&bytes).map(Self).map_err(malformed)
    }
}

/// What is wrong, without line breaks, and cut to what an answer repeats.
fn shown(error: &serde_json::Error) -> String {
    error.to_string().chars().filter(|c| !c.is_control()).take(300).collect()
}
