//! Who may talk to a trial, and the headers that every answer carries.
//!
//! A trial has no keys, so only this machine may use it: connections from the loopback address, under a host
//! name of the loopback address (a page elsewhere cannot rebind its name to us), from no other origin (a page
//! elsewhere cannot post readings), and not through a proxy (which would make every address look local).

use std::net::SocketAddr;

use api::Code;
use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::problem::Fault;

/// What the guard knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guard {
    /// Where the service listens.
    pub(crate) address: SocketAddr,
}

/// Headers of proxies.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

/// The dashboard and nothing else: its own scripts, WebAssembly, and any chain that the reader names.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self' http: https:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The page to try the API brings styles of its own.
const DOCS_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; \
                           img-src 'self' data:; frame-ancestors 'none'";

/// Refuses strangers, and sets the headers of every answer.
pub(super) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let docs = request.uri().path().starts_with("/api/docs");
    let mut response = match guard.refusal(&request) {
        Some(why) => Fault::new(Code::Forbidden, why).into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_SECURITY_POLICY, if docs { DOCS_POLICY } else { POLICY });
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "no-referrer");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

impl Guard {
    /// Why this request is not served.
    fn refusal(self, request: &Request) -> Option<String> {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
        if !peer.is_some_and(|peer| peer.is_loopback()) {
            return Some("this is a trial: it serves this machine only".into());
        }
        let headers = request.headers();
        if let Some(name) = FORWARDED.into_iter().find(|name| headers.contains_key(*name)) {
            return Some(format!("this is a trial: it does not serve through proxies, and found the header {name}"));
        }
        let host = text(headers, header::HOST);
        if !host.is_some_and(|host| self.is_ours(host)) {
            return Some(format!("expected a host of the loopback address, found {:?}", host.unwrap_or_default()));
        }
        let origin = text(headers, header::ORIGIN)?;
        let ours = origin.strip_prefix("http://").is_some_and(|host| self.is_ours(host));
        (!ours).then(|| format!("expected no other origin than this service's, found {origin:?}"))
    }

    /// Whether a host names the loopback address, with our port.
    fn is_ours(self, host: &str) -> bool {
        let port = self.address.port();
        let (name, given) = match host.rsplit_once(':') {
            Some((name, digits)) if !digits.ends_with(']') => (name, digits.parse().ok()),
            _ => (host, Some(80)),
        };
        given == Some(port) && matches!(name, "127.0.0.1" | "localhost" | "[::1]")
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(peer: &str, headers: &[(&str, &str)]) -> Option<String> {
        let guard = Guard { address: "127.0.0.1:8080".parse().unwrap() };
        let mut request = Request::builder().uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(axum::body::Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer.parse().unwrap()));
        guard.refusal(&request)
    }

    #[test]
    fn serves_this_machine_only() {
        const LOCAL: &str = "127.0.0.1:5000";
        let host = ("host", "localhost:8080");
        assert_eq!(refusal(LOCAL, &[host]), None);
        assert_eq!(refusal("[::1]:5000", &[("host", "[::1]:8080")]), None);
        assert_eq!(refusal("[::ffff:127.0.0.1]:5000", &[host]), None);
        assert_eq!(refusal(LOCAL, &[host, ("origin", "http://127.0.0.1:8080")]), None);
        assert!(refusal("192.168.0.7:5000", &[host]).is_some());
        assert!(refusal(LOCAL, &[]).is_some());
        assert!(refusal(LOCAL, &[("host", "evil.example:8080")]).is_some());
        assert!(refusal(LOCAL, &[("host", "localhost:9090")]).is_some());
        assert!(refusal(LOCAL, &[("host", "localhost")]).is_some());
        assert!(refusal(LOCAL, &[host, ("origin", "http://evil.example")]).is_some());
        assert!(refusal(LOCAL, &[host, ("origin", "null")]).is_some());
        assert!(refusal(LOCAL, &[host, ("x-forwarded-for", "10.0.0.1")]).is_some());
    }
}
