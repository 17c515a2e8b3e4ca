//! The browser's fetch: one request with a time limit, and what can go wrong with it.
//!
//! It refuses to know any address: [`crate::server`] and [`crate::chain`] do.

use api::{Code, Problem};
use gloo_net::{
    Error,
    http::{Method, RequestBuilder},
};
use web_sys::AbortSignal;

/// Long enough for a proof from a busy node, short enough to wait for.
const LIMIT_MS: u32 = 15_000;

/// Why there is no usable answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum Fault {
    /// Nobody answers, or the browser may not ask.
    #[error("{0} cannot be reached")]
    Unreachable(&'static str),
    /// Nobody answers in time.
    #[error("{0} did not answer within 15 seconds")]
    TimedOut(&'static str),
    /// The service says what is wrong.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
    /// An error without an explanation.
    #[error("{0} answered with status {1}")]
    Status(&'static str, u16),
    /// An answer that is not what was asked for.
    #[error("the answer is malformed: {0}")]
    Malformed(String),
}

impl Fault {
    /// Whether the service says this.
    pub(crate) fn is(&self, code: Code) -> bool {
        matches!(self, Self::Problem(problem) if problem.code == code)
    }
}

/// A status and the bytes that came with it.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) bytes: Vec<u8>,
}

/// Sends a request without body.
pub(crate) async fn fetch(whom: &'static str, request: RequestBuilder) -> Result<Answer, Fault> {
    let request = limited(request).build().map_err(|error| fault(whom, &error))?;
    send(whom, request).await
}

/// Posts JSON.
pub(crate) async fn post(whom: &'static str, url: &str, body: String) -> Result<Answer, Fault> {
    send_body(whom, Method::POST, url, "application/json", body).await
}

/// Sends a request with a body of this type.
pub(crate) async fn send_body(
    whom: &'static str,
    method: Method,
    url: &str,
    media_type: &str,
    body: String,
) -> Result<Answer, Fault> {
    let request = limited(RequestBuilder::new(url).method(method))
        .header("content-type", media_type)
        .body(body)
        .map_err(|error| fault(whom, &error))?;
    send(whom, request).await
}

fn limited(request: RequestBuilder) -> RequestBuilder {
    request.abort_signal(Some(&AbortSignal::timeout_with_u32(LIMIT_MS)))
}

async fn send(whom: &'static str, request: gloo_net::http::Request) -> Result<Answer, Fault> {
    let response = request.send().await.map_err(|error| fault(whom, &error))?;
    let status = response.status();
    let bytes = response.binary().await.map_err(|error| fault(whom, &error))?;
    Ok(Answer { status, bytes })
}

fn fault(whom: &'static str, error: &Error) -> Fault {
    match error {
        Error::JsError(error) if error.name == "TimeoutError" || error.name == "AbortError" => Fault::TimedOut(whom),
        _ => Fault::Unreachable(whom),
    }
}
