//! The dashboard's files, embedded in the binary by build.rs: hashed names, compressed, kept for ever.

use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};

use super::coding;
use crate::problem::Fault;

/// A file of the dashboard.
struct Asset {
    /// Its path below /ui/.
    path: &'static str,
    media_type: &'static str,
    plain: &'static [u8],
    gzip: Option<&'static [u8]>,
    brotli: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

const INDEX: &str = "index.html";

/// Names carry a hash of the content, so they never change their meaning.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// `/` leads to `/ui/`.
pub(super) fn router() -> Router {
    Router::new()
        .route("/", get(|| async { Redirect::temporary("/ui/") }))
        .route("/ui", get(|| async { Redirect::permanent("/ui/") }))
        .route("/ui/", get(|headers| serve(INDEX.to_owned(), headers)))
        .route("/ui/{*path}", get(|Path(path), headers| serve(path, headers)))
}

async fn serve(path: String, headers: HeaderMap) -> Response {
    let find = |path: &str| ASSETS.iter().find(|asset| asset.path == path);
    // The page itself knows its addresses; what looks like a file but is none is not found.
    let asset = find(&path).or_else(|| if path.contains('.') { None } else { find(INDEX) });
    match asset {
        Some(asset) => asset.response(&headers),
        None if ASSETS.is_empty() => Fault::new(
            api::Code::NotFound,
            "the dashboard is not in this build: run scripts/dashboard, then build the service again",
        )
        .into_response(),
        None => Fault::new(api::Code::NotFound, "the dashboard has no such file").into_response(),
    }
}

impl Asset {
    fn response(&self, request: &HeaderMap) -> Response {
        let accepts = |coding| coding::accepts(request, coding);
        let (bytes, coding) = match (self.brotli, self.gzip) {
            (Some(brotli), _) if accepts("br") => (brotli, Some("br")),
            (_, Some(gzip)) if accepts("gzip") => (gzip, Some("gzip")),
            _ => (self.plain, None),
        };
        let caching = if self.path == INDEX { "no-cache" } else { IMMUTABLE };
        let mut response =
            ([(header::CONTENT_TYPE, self.media_type), (header::CACHE_CONTROL, caching)], bytes).into_response();
        let headers = response.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if let Some(coding) = coding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use axum::{
        body::{Body, to_bytes},
        extract::Request,
        http::{Method, StatusCode},
    };
    use tower::ServiceExt;

    use super::*;

    async fn send(method: Method, path: &str, accepted: &str) -> (HeaderMap, Vec<u8>) {
        let request = Request::builder().method(method).uri(path).header(header::ACCEPT_ENCODING, accepted);
        let response = router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let (parts, body) = response.into_parts();
        (parts.headers, to_bytes(body, usize::MAX).await.unwrap().to_vec())
    }

    #[tokio::test]
    async fn head_says_what_get_would() {
        // Without a dashboard in this build there is nothing to ask for.
        for asset in ASSETS {
            let path = format!("/ui/{}", asset.path);
            for accepted in ["", "gzip", "br, gzip"] {
                let (mut got, body) = send(Method::GET, &path, accepted).await;
                let (mut head, nothing) = send(Method::HEAD, &path, accepted).await;
                assert!(nothing.is_empty() && !body.is_empty());
                assert_eq!(head.remove(header::CONTENT_LENGTH), Some(body.len().into()), "{path}");
                got.remove(header::CONTENT_LENGTH);
                assert_eq!(head, got, "{path}");
                let kept = got[header::CACHE_CONTROL] == IMMUTABLE;
                assert_eq!(kept, asset.path != INDEX, "{path}");
            }
        }
    }

    #[tokio::test]
    async fn the_page_serves_its_own_addresses() {
        if !ASSETS.is_empty() {
            let (headers, page) = send(Method::GET, "/ui/anomalies/7", "").await;
            assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
            assert_eq!(page, send(Method::GET, "/ui/", "").await.1);
        }
    }
}
