//! The dashboard's files, embedded in the binary by build.rs: hashed names, compressed, kept for ever.

use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};

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
        let accepted = request.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let accepts =
            |coding: &str| accepted.split(',').any(|item| item.split(';').next().unwrap_or("").trim() == coding);
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
