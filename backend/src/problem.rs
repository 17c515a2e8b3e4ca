//! The one table from faults to HTTP answers: RFC 9457 problem documents with stable codes.
//!
//! What a client may not know stays here and goes to the log, once.

use api::{Code, Problem};
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::domain::{ReadingError, ports::StoreError, verdict::Refusal};

/// Seconds after which a busy service may be asked again.
const RETRY_AFTER: &str = "1";

/// A fault on its way to the client.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    code: Code,
    detail: String,
}

impl Fault {
    pub(crate) fn new(code: Code, detail: impl ToString) -> Self {
        Self { code, detail: detail.to_string() }
    }

    /// The problem document.
    pub(crate) fn problem(&self) -> Problem {
        let status = status(self.code);
        Problem {
            r#type: "about:blank".into(),
            title: status.canonical_reason().unwrap_or("Error").into(),
            status: status.as_u16(),
            code: self.code,
            detail: self.detail.clone(),
        }
    }

    /// Whether it may pass by itself.
    pub(crate) fn may_pass(&self) -> bool {
        self.code == Code::Unavailable
    }
}

fn status(code: Code) -> StatusCode {
    match code {
        Code::MalformedBody | Code::InvalidParameter => StatusCode::BAD_REQUEST,
        Code::InvalidReading => StatusCode::UNPROCESSABLE_ENTITY,
        Code::Conflict => StatusCode::CONFLICT,
        Code::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
        Code::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::Forbidden => StatusCode::FORBIDDEN,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<ReadingError> for Fault {
    fn from(error: ReadingError) -> Self {
        Fault::new(Code::InvalidReading, error)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::Conflict { .. } => Code::Conflict,
            Refusal::Unjudgeable(_) => Code::InvalidReading,
            Refusal::Unavailable(_) => Code::Unavailable,
        };
        Fault::new(code, refusal)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store failed while answering a request");
        match error {
            StoreError::Engine(_) | StoreError::Fenced { .. } => {
                Fault::new(Code::Unavailable, "the store cannot be read now: try again")
            }
            StoreError::Damaged(_) => {
                Fault::new(Code::Internal, "what is stored is damaged: the operator should run `anomaly-ledger fsck`")
            }
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = (status(self.code), Json(self.problem())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.may_pass() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        response
    }
}

/// Runs a query of the store on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    query: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(query).await {
        Ok(result) => Ok(result?),
        Err(error) => {
            tracing::error!(%error, "a query ended by a fault");
            Err(Fault::new(Code::Internal, "a fault of the service"))
        }
    }
}
