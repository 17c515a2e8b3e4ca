//! The one table from faults to HTTP answers: RFC 9457 problem documents with stable codes.
//!
//! What a client may not know stays here and goes to the log, once.

use api::{Code, Problem};
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use tokio::sync::Semaphore;
use utoipa::{
    IntoResponses,
    openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, ResponsesBuilder, response},
};

use crate::access::Denied;
use crate::domain::{ReadingError, ports::StoreError, verdict::Refusal};

/// The media type of problem documents.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// Queries under way at most; the others wait. More would not be faster on the cores of one machine, and each holds
/// a connection to the store, which are three open files, and its answer in memory.
const MAX_READS: usize = 32;

static READS: Semaphore = Semaphore::const_new(MAX_READS);

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

    /// What a status says by itself, where a library has answered; `detail` is its text, if it had one.
    pub(crate) fn of_status(status: StatusCode, detail: String) -> Self {
        let (code, otherwise) = match status {
            StatusCode::UNAUTHORIZED => (Code::Unauthenticated, "this needs a key, a token or a session"),
            StatusCode::FORBIDDEN => (Code::Forbidden, "this is not allowed"),
            StatusCode::NOT_FOUND => (Code::NotFound, "there is no such address; /api/docs lists them"),
            StatusCode::METHOD_NOT_ALLOWED => {
                (Code::MethodNotAllowed, "this address does not take this method; /api/docs lists them")
            }
            StatusCode::REQUEST_TIMEOUT => (Code::BodyTimeout, "the request did not arrive in time"),
            StatusCode::PAYLOAD_TOO_LARGE => (Code::BodyTooLarge, "the body is too long"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => (Code::UnsupportedMediaType, "this media type is not taken"),
            StatusCode::SERVICE_UNAVAILABLE => (Code::Unavailable, "the service is busy: try again"),
            status if status.is_server_error() => (Code::Internal, "a fault of the service"),
            _ => (Code::InvalidParameter, "this address does not take such a request"),
        };
        Self::new(code, if detail.is_empty() { otherwise } else { &detail })
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
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::Forbidden => StatusCode::FORBIDDEN,
        Code::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<ReadingError> for Fault {
    fn from(error: ReadingError) -> Self {
        Fault::new(Code::InvalidReading, error)
    }
}

impl From<Denied> for Fault {
    fn from(denied: Denied) -> Self {
        let code = match denied {
            Denied::Unknown | Denied::Anonymous(_) => Code::Unauthenticated,
            Denied::Forbidden(_) => Code::Forbidden,
        };
        Fault::new(code, denied)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::Conflict { .. } | Refusal::SaidOtherwise(_) => Code::Conflict,
            Refusal::Unjudgeable(_) | Refusal::TooOld { .. } => Code::InvalidReading,
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
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if self.code == Code::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
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
    // Never closed. The permit goes with the query, which runs to its end even if nobody waits for it any more.
    let permit = READS.acquire().await;
    let query = move || {
        let _permit = permit;
        query()
    };
    match tokio::task::spawn_blocking(query).await {
        Ok(result) => Ok(result?),
        Err(error) => {
            tracing::error!(%error, "a query ended by a fault");
            Err(Fault::new(Code::Internal, "a fault of the service"))
        }
    }
}

/// For the description of the interface: what the guard answers, on every route.
pub(crate) struct Guarded;

/// For the description of the interface: what a route with parameters answers to malformed ones.
pub(crate) struct Parameters;

/// For the description of the interface: what a route answers when the store fails it.
pub(crate) struct Stored;

/// For the description of the interface: what a route that takes a body answers when it cannot be read.
pub(crate) struct Posted;

/// Problem documents by status.
type Responses = std::collections::BTreeMap<String, RefOr<response::Response>>;

fn problems<const N: usize>(statuses: [(u16, &str); N]) -> Responses {
    let problem = |description: &str| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        ResponseBuilder::new().description(description).content(MEDIA_TYPE, content).build()
    };
    let responses = ResponsesBuilder::new();
    statuses
        .into_iter()
        .fold(responses, |responses, (status, description)| {
            responses.response(status.to_string(), problem(description))
        })
        .build()
        .into()
}

impl IntoResponses for Guarded {
    fn responses() -> Responses {
        problems([(403, "A trial serves this machine only: not this address, host, origin or proxy")])
    }
}

impl IntoResponses for Parameters {
    fn responses() -> Responses {
        problems([(400, "A parameter is malformed")])
    }
}

impl IntoResponses for Stored {
    fn responses() -> Responses {
        problems([(500, "What is stored is damaged"), (503, "The store cannot be read now: try again")])
    }
}

impl IntoResponses for Posted {
    fn responses() -> Responses {
        problems([
            (400, "Not JSON"),
            (408, "The body did not arrive in time"),
            (409, "The same key with other content"),
            (413, "The body is too long"),
            (415, "Not JSON by its media type"),
            (422, "Not a possible reading"),
            (500, "A fault of the service"),
            (503, "Busy: send it again"),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_gets_the_code_that_has_it() {
        for status in [400, 403, 404, 405, 408, 413, 415, 500, 503] {
            let status = StatusCode::from_u16(status).unwrap();
            let fault = Fault::of_status(status, String::new());
            assert_eq!(fault.clone().into_response().status(), status);
            assert!(!fault.detail.is_empty());
        }
        assert_eq!(Fault::of_status(StatusCode::URI_TOO_LONG, String::new()).code, Code::InvalidParameter);
        assert_eq!(Fault::of_status(StatusCode::BAD_GATEWAY, String::new()).code, Code::Internal);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_queries_wait_for_each_other() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static NOW: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        let query = || {
            MOST.fetch_max(NOW.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(std::time::Duration::from_millis(2));
            NOW.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        };
        let tasks: Vec<_> = (0..200).map(|_| tokio::spawn(blocking(query))).collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert!((1..=MAX_READS).contains(&MOST.load(Ordering::SeqCst)));
    }
}
