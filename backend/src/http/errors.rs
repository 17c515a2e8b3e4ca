//! Every error leaves as a problem document: also those that are made by the libraries below the handlers.

use axum::{
    Extension,
    body::to_bytes,
    extract::Request,
    http::{HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, IntoResponseParts, Response},
};

use crate::problem::{Fault, MEDIA_TYPE};

/// What a library says of an error is shorter.
const MAX_TEXT: usize = 1 << 10;

/// Marks an answer whose status is that of an error, and whose body is documented and something else.
#[derive(Clone)]
struct Documented;

/// Leaves this answer as it is.
pub(super) fn documented() -> impl IntoResponseParts {
    Extension(Documented)
}

/// Makes a problem document of an error that is none.
pub(super) async fn describe(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let media_type = response.headers().get(header::CONTENT_TYPE);
    if !is_error
        || media_type.is_some_and(|value| value == MEDIA_TYPE)
        || response.extensions().get::<Documented>().is_some()
    {
        return response;
    }
    let is_text = media_type.is_some_and(|value| value.as_bytes().starts_with(b"text/plain"));
    let (mut parts, body) = response.into_parts();
    let mut detail = String::new();
    // Of its own faults, the service tells the log, not the client.
    if is_text && let Ok(bytes) = to_bytes(body, MAX_TEXT).await {
        detail = String::from_utf8_lossy(&bytes).into_owned();
    }
    if status.is_server_error() {
        tracing::error!(%status, detail, "a library could not answer a request");
        detail.clear();
    }
    let mut problem = Fault::of_status(status, detail).into_response();
    for name in [header::ALLOW, header::RETRY_AFTER] {
        if let Some(value) = parts.headers.remove(&name) {
            let _: Option<HeaderValue> = problem.headers_mut().insert(name, value);
        }
    }
    problem
}

#[cfg(test)]
mod tests {
    use api::{Code, Problem};
    use axum::{Router, body::Body, http::StatusCode, middleware, routing::get};
    use tower::ServiceExt;

    use super::*;

    async fn described(response: Response) -> (Response<()>, Vec<u8>) {
        let cell = std::sync::Mutex::new(Some(response));
        let cell = std::sync::Arc::new(cell);
        let answer = move || std::future::ready(cell.lock().unwrap().take().unwrap());
        let router = Router::new().route("/", get(answer)).layer(middleware::from_fn(describe));
        let response = router.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        (Response::from_parts(parts, ()), to_bytes(body, usize::MAX).await.unwrap().to_vec())
    }

    async fn problem(response: Response) -> (Response<()>, Problem) {
        let (head, body) = described(response).await;
        assert_eq!(head.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
        let problem: Problem = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem.status, head.status().as_u16());
        (head, problem)
    }

    #[tokio::test]
    async fn says_what_the_library_said_of_the_request() {
        let (_, problem) = problem((StatusCode::BAD_REQUEST, "no such luck").into_response()).await;
        assert_eq!((problem.code, problem.detail.as_str()), (Code::InvalidParameter, "no such luck"));
    }

    #[tokio::test]
    async fn keeps_inner_faults_to_itself() {
        let (_, problem) = problem((StatusCode::INTERNAL_SERVER_ERROR, "/etc/secret").into_response()).await;
        assert_eq!(problem.code, Code::Internal);
        assert!(!problem.detail.contains("secret"));
    }

    #[tokio::test]
    async fn keeps_what_tells_the_client_how_to_go_on() {
        let headers = [(header::ALLOW, "GET"), (header::RETRY_AFTER, "7"), (header::ETAG, "x")];
        let (head, problem) = problem((StatusCode::SERVICE_UNAVAILABLE, headers).into_response()).await;
        assert_eq!(problem.code, Code::Unavailable);
        assert_eq!(head.headers()["allow"], "GET");
        assert_eq!(head.headers()["retry-after"], "7");
        assert!(!head.headers().contains_key("etag"));
    }

    #[tokio::test]
    async fn leaves_other_answers_alone() {
        for status in [StatusCode::OK, StatusCode::SEE_OTHER] {
            assert_eq!(described((status, "text").into_response()).await.1, b"text");
        }
        let mut fault = Fault::new(Code::Conflict, "as it is").into_response();
        fault.headers_mut().insert("etag", "x".parse().unwrap());
        assert!(described(fault).await.0.headers().contains_key("etag"));
        let state = (StatusCode::SERVICE_UNAVAILABLE, documented(), "state").into_response();
        assert_eq!(described(state).await.1, b"state");
    }
}
