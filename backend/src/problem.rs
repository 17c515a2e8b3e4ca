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

use crate::access::{AccountError, Denied, RegistrarError};
use crate::domain::{ReadingError, people::ActError, ports::StoreError, registry::Impossible, verdict::Refusal};

/// The media type of problem documents.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// Queries under way at most; the others wait. More would not be faster on the cores of one machine, and each holds
/// a connection to the store, which are three open files, and its answer in memory.
const MAX_READS: usize = 32;

static READS: Semaphore = Semaphore::const_new(MAX_READS);

/// Seconds after which a busy service may be asked again.
const RETRY_AFTER: u32 = 1;

/// A fault on its way to the client.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    code: Code,
    detail: String,
    /// Seconds after which to try again, where that is known.
    wait: Option<u32>,
}

impl Fault {
    pub(crate) fn new(code: Code, detail: impl ToString) -> Self {
        Self { code, detail: detail.to_string(), wait: None }
    }

    /// The same, to be tried again after so many seconds.
    fn after(self, seconds: u32) -> Self {
        Self { wait: Some(seconds), ..self }
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
            StatusCode::TOO_MANY_REQUESTS => (Code::TooManyRequests, "too many tries: wait"),
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
        Code::InvalidReading | Code::InvalidSignature => StatusCode::UNPROCESSABLE_ENTITY,
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

impl From<Impossible> for Fault {
    fn from(impossible: Impossible) -> Self {
        Fault::new(Code::InvalidReading, impossible)
    }
}

impl From<RegistrarError> for Fault {
    fn from(error: RegistrarError) -> Self {
        let code = match error {
            RegistrarError::Store(error) => return error.into(),
            RegistrarError::Invalid(_) | RegistrarError::NoType(_) => Code::InvalidParameter,
            RegistrarError::Exists(_)
            | RegistrarError::HasSent(_)
            | RegistrarError::AddressTaken(_)
            | RegistrarError::TooManyKeys(_)
            | RegistrarError::TooManyTypes => Code::Conflict,
            RegistrarError::None(_) => Code::NotFound,
        };
        Fault::new(code, error)
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
            Refusal::Conflict { .. } | Refusal::Replayed { .. } | Refusal::SaidOtherwise(_) => Code::Conflict,
            Refusal::Unjudgeable(_) | Refusal::TooOld { .. } => Code::InvalidReading,
            Refusal::Unavailable(_) => Code::Unavailable,
        };
        Fault::new(code, refusal)
    }
}

impl From<AccountError> for Fault {
    fn from(error: AccountError) -> Self {
        let error = match error {
            AccountError::Act(ActError::Store(error)) => return error.into(),
            other => other,
        };
        let code = match &error {
            AccountError::Wait(seconds) => return Fault::new(Code::TooManyRequests, &error).after(*seconds),
            AccountError::Wrong => Code::Unauthenticated,
            AccountError::Busy(_) => Code::Unavailable,
            AccountError::WrongPassword | AccountError::NotInvited | AccountError::Closed => Code::Forbidden,
            AccountError::Act(ActError::NoSuch(_)) => Code::NotFound,
            AccountError::Act(_) => Code::Conflict,
            AccountError::Name(_)
            | AccountError::Password(_)
            | AccountError::NoRoles
            | AccountError::NoScopes
            | AccountError::TokenName
            | AccountError::Days { .. } => Code::MalformedBody,
        };
        Fault::new(code, error)
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
        if let Some(seconds) = self.wait.or(self.may_pass().then_some(RETRY_AFTER)) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
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

/// For the description of the interface: what a route that takes a small JSON object answers when it cannot be read.
pub(crate) struct Asked;

/// For the description of the interface: what a route answers to who guesses.
pub(crate) struct Tried;

/// For the description of the interface: what a route answers where there is nothing.
pub(crate) struct Absent;

/// For the description of the interface: what a route answers to what goes against what there is.
pub(crate) struct Clashing;

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
        problems([
            (401, "What was shown does not hold (any more), or nothing was shown and this needs somebody"),
            (
                403,
                "This caller may not; or a trial, which serves this machine only: not this address, host, origin or proxy",
            ),
        ])
    }
}

impl IntoResponses for Parameters {
    fn responses() -> Responses {
        problems([(400, "A parameter is malformed")])
    }
}

impl IntoResponses for Asked {
    fn responses() -> Responses {
        problems([
            (400, "Not what the route takes"),
            (408, "The body did not arrive in time"),
            (413, "The body is too long"),
            (415, "Not JSON by its media type"),
        ])
    }
}

impl IntoResponses for Tried {
    fn responses() -> Responses {
        problems([(429, "Too many tries: wait as long as Retry-After says")])
    }
}

impl IntoResponses for Absent {
    fn responses() -> Responses {
        problems([(404, "There is no such thing, or it is not yours")])
    }
}

impl IntoResponses for Clashing {
    fn responses() -> Responses {
        problems([(409, "The name is taken, there are too many, or it is the last administrator")])
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
            (409, "The same key with other content, or a signed reading that is not new"),
            (413, "The body is too long"),
            (415, "Not JSON by its media type"),
            (422, "Not a possible reading, or its signature is missing or does not hold"),
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
