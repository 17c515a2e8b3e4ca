//! Who may talk to a trial, and the headers that every answer carries.
//!
//! A trial has no keys, so only this machine may use it: connections from the loopback address, under a host
//! name of the loopback address (a page elsewhere cannot rebind its name to us), from no other origin (a page
//! elsewhere cannot post readings), and not through a proxy (which would make every address look local).

use std::net::{IpAddr, SocketAddr};

use api::Code;
use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{canonical, excerpt};
use crate::{problem::Fault, transport::Peer};

/// What the guard knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guard {
    /// Where the service listens.
    pub(crate) address: SocketAddr,
    /// Whether it is a trial.
    pub(crate) trial: bool,
}

/// Headers of proxies; and all that begin with `x-forwarded-`.
const FORWARDED: [&str; 3] = ["forwarded", "via", "x-real-ip"];

/// The dashboard and nothing else: its own scripts, WebAssembly, and any chain that the reader names.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self' http: https:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The page to try the API sets styles in its elements.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                           img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; \
                           frame-ancestors 'none'";

/// Refuses strangers, and sets the headers of every answer.
pub(super) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let secure = request.extensions().get::<Peer>().is_some_and(|peer| peer.secure);
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
    // Not in a trial: its name is often `localhost`, which other services of this machine have too.
    if secure && !guard.trial {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

impl Guard {
    /// Why this request is not served.
    fn refusal(self, request: &Request) -> Option<String> {
        if !self.trial {
            return None;
        }
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
        if !peer.is_some_and(|peer| peer.is_loopback()) {
            return Some("this is a trial: it serves this machine only".into());
        }
        let (scheme, port) = match request.extensions().get::<Peer>() {
            Some(Peer { secure: true, .. }) => ("https://", 443),
            _ => ("http://", 80),
        };
        let headers = request.headers();
        let of_proxy = |name: &&str| FORWARDED.contains(name) || name.starts_with("x-forwarded-");
        if let Some(name) = headers.keys().map(HeaderName::as_str).find(of_proxy) {
            return Some(format!("this is a trial: it does not serve through proxies, and found the header {name}"));
        }
        let mut hosts = texts(headers, header::HOST);
        // A request for an absolute address says its host there as well.
        let named = request.uri().authority().map(Authority::as_str).into_iter();
        match (hosts.next(), hosts.next()) {
            (Some(host), None) => {
                if let Some(other) = named.chain([host]).find(|host| !self.is_ours(host, port)) {
                    return Some(format!("expected a host of the loopback address, found {:?}", excerpt(other)));
                }
            }
            (found, _) => return Some(format!("expected one Host header, found {}", found.map_or("none", |_| "two"))),
        }
        let is_ours = |origin: &&str| origin.strip_prefix(scheme).is_some_and(|host| self.is_ours(host, port));
        let stranger = texts(headers, header::ORIGIN).find(|origin| !is_ours(origin))?;
        Some(format!("expected no other origin than this service's, found {:?}", excerpt(stranger)))
    }

    /// Whether a host names the loopback address or the one that was bound, with our port, which is `otherwise` where it
    /// names none.
    fn is_ours(self, host: &str, otherwise: u16) -> bool {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, digits)) if !digits.ends_with(']') => (name, canonical::<u16>(digits)),
            _ => (host, Some(otherwise)),
        };
        let bound = match self.address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        port == Some(self.address.port())
            && (matches!(name, "127.0.0.1" | "[::1]") || name.eq_ignore_ascii_case("localhost") || name == bound)
    }
}

fn texts(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or("unreadable"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "127.0.0.1:5000";

    fn refusal_at(address: &str, uri: &str, peer: &str, headers: &[(&str, &str)]) -> Option<String> {
        let guard = Guard { address: address.parse().unwrap(), trial: true };
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(axum::body::Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer.parse().unwrap()));
        guard.refusal(&request)
    }

    fn refusal(peer: &str, headers: &[(&str, &str)]) -> Option<String> {
        refusal_at("127.0.0.1:8080", "/", peer, headers)
    }

    #[test]
    fn serves_this_machine_only() {
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
        for name in ["x-forwarded-for", "x-forwarded-proto", "forwarded", "via", "x-real-ip"] {
            assert!(refusal(LOCAL, &[host, (name, "10.0.0.1")]).is_some(), "{name}");
        }
    }

    #[test]
    fn takes_one_host_only_written_one_way() {
        let host = ("host", "localhost:8080");
        assert!(refusal(LOCAL, &[host, host]).is_some());
        assert!(refusal(LOCAL, &[host, ("host", "evil.example:8080")]).is_some());
        for text in ["localhost:+8080", "localhost:08080", "localhost:", "localhost:8080:8080", "localhost:73616", ""] {
            assert!(refusal(LOCAL, &[("host", text)]).is_some(), "{text}");
        }
        assert_eq!(refusal(LOCAL, &[("host", "LocalHost:8080")]), None);
        let ours = ("origin", "http://localhost:8080");
        assert!(refusal(LOCAL, &[host, ours, ("origin", "http://evil.example")]).is_some());
        assert!(refusal(LOCAL, &[host, ("origin", "http://localhost:08080")]).is_some());
        assert_eq!(refusal_at("127.0.0.1:80", "/", LOCAL, &[("host", "localhost")]), None);
    }

    #[test]
    fn a_page_that_came_by_tls_is_ours_and_one_that_did_not_is_not() {
        let guard = Guard { address: "127.0.0.1:443".parse().unwrap(), trial: true };
        let refusal = |origin: &str| {
            let request = Request::builder().uri("/").header("host", "localhost").header("origin", origin);
            let mut request = request.body(axum::body::Body::empty()).unwrap();
            let address: SocketAddr = LOCAL.parse().unwrap();
            request.extensions_mut().insert(ConnectInfo(address));
            request.extensions_mut().insert(Peer { address, device: None, secure: true });
            guard.refusal(&request)
        };
        assert_eq!(refusal("https://localhost"), None);
        assert!(refusal("http://localhost").is_some());
        assert!(refusal("http://localhost:443").is_some());
    }

    #[test]
    fn takes_the_address_that_was_bound() {
        assert_eq!(refusal_at("127.0.0.2:8080", "/", LOCAL, &[("host", "127.0.0.2:8080")]), None);
        assert!(refusal(LOCAL, &[("host", "127.0.0.2:8080")]).is_some());
        assert_eq!(refusal_at("[::1]:8080", "/", LOCAL, &[("host", "[::1]:8080")]), None);
    }

    #[test]
    fn looks_at_the_host_of_an_absolute_address() {
        let host = ("host", "localhost:8080");
        assert_eq!(refusal_at("127.0.0.1:8080", "http://localhost:8080/", LOCAL, &[host]), None);
        assert!(refusal_at("127.0.0.1:8080", "http://evil.example/", LOCAL, &[host]).is_some());
    }

    #[test]
    fn repeats_little_of_what_it_refuses() {
        let long = "x".repeat(10_000);
        assert!(refusal(LOCAL, &[("host", &long)]).unwrap().len() < 200);
    }
}
