//! What a request shows to say who it is from, and whether a page of somebody else's could have made the browser send it.

use axum::{
    extract::Request,
    http::{HeaderMap, header},
};

use super::shown::key;
use crate::transport::Peer;

/// What was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shown {
    Nothing,
    Key(String),
    Session(String),
    Certificate(String),
}

/// The name of the session's cookie. By TLS it has the prefix with which browsers take it for this host only, and by TLS
/// only.
fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-als" } else { "als" }
}

/// The field that gives a browser its session's cookie, for so many seconds.
pub(super) fn cookie(secret: &str, secure: bool, seconds: i64) -> String {
    let name = cookie_name(secure);
    let secure = if secure { "; Secure" } else { "" };
    format!("{name}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
}

/// The field that takes it away.
pub(super) fn no_cookie(secure: bool) -> String {
    cookie("", secure, 0)
}

/// What a request shows. A key counts before a cookie, so that a program in a browser can choose; both before the
/// connection's certificate.
pub(super) fn shown(request: &Request, secure: bool) -> Shown {
    let headers = request.headers();
    if let Some(key) = key(request) {
        return Shown::Key(key.into_owned());
    }
    if let Some(secret) = cookie_of(headers, secure) {
        return Shown::Session(secret);
    }
    let device = request.extensions().get::<Peer>().and_then(|peer| peer.device.clone());
    device.map_or(Shown::Nothing, Shown::Certificate)
}

/// What the session's cookie holds.
fn cookie_of(headers: &HeaderMap, secure: bool) -> Option<String> {
    let fields = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, value)| *name == cookie_name(secure) && !value.is_empty()).map(|(_, value)| value.to_owned())
}

impl Shown {
    /// Whether it may come from where the browser says that it comes from.
    ///
    /// A browser adds cookies, certificates and its address by itself, whichever page asks. So with a cookie, what changes
    /// something, and what opens a WebSocket, has to say that it comes from a page of ours; with nothing that was typed in,
    /// it must not say that it comes from another's. A key in a header no page of another's can have added.
    pub(super) fn may_come_from(&self, request: &Request, secure: bool) -> bool {
        let headers = request.headers();
        if matches!(self, Shown::Key(_)) {
            return true;
        }
        if request.method().is_safe() && !headers.contains_key(header::UPGRADE) {
            return true;
        }
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
        let of_ours = match (text("origin"), text("sec-fetch-site")) {
            (Some(origin), _) => Some(is_ours(origin, request, secure)),
            (None, Some(site)) => Some(site == "same-origin"),
            (None, None) => None,
        };
        // Programs that are no browsers say nothing, and have no cookie.
        of_ours.unwrap_or(!matches!(self, Shown::Session(_)))
    }
}

/// Whether an origin is the one under which this request has reached us.
fn is_ours(origin: &str, request: &Request, secure: bool) -> bool {
    let scheme = if secure { "https://" } else { "http://" };
    let mut hosts = request.headers().get_all(header::HOST).into_iter();
    match (hosts.next().and_then(|host| host.to_str().ok()), hosts.next(), origin.strip_prefix(scheme)) {
        (Some(host), None, Some(named)) => named.eq_ignore_ascii_case(host),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> Request {
        let request = Request::builder().method(method).uri(uri).header("host", "ledger.example:8080");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn a_key_counts_before_a_cookie() {
        let key = Shown::Key("ald_x".into());
        for (headers, expected) in [
            (vec![("authorization", "Bearer ald_x"), ("cookie", "als=als_y")], key),
            (vec![("authorization", ""), ("cookie", "als=als_y")], Shown::Key(String::new())),
            (vec![("cookie", "a=b; als=als_y; c=d")], Shown::Session("als_y".into())),
            (vec![("cookie", "a=b"), ("cookie", "als=als_y")], Shown::Session("als_y".into())),
            (vec![("cookie", "als=")], Shown::Nothing),
            (vec![("cookie", "__Host-als=als_y")], Shown::Nothing),
            (vec![], Shown::Nothing),
        ] {
            assert_eq!(shown(&request("GET", "/", &headers), false), expected, "{headers:?}");
        }
        let by_tls = request("GET", "/", &[("cookie", "als=als_x; __Host-als=als_y")]);
        assert_eq!(shown(&by_tls, true), Shown::Session("als_y".into()));
    }

    #[test]
    fn cookies_are_for_this_service_alone() {
        assert_eq!(cookie("als_x", false, 60), "als=als_x; Path=/; HttpOnly; SameSite=Strict; Max-Age=60");
        assert_eq!(
            cookie("als_x", true, 60),
            "__Host-als=als_x; Path=/; HttpOnly; SameSite=Strict; Max-Age=60; Secure"
        );
        assert_eq!(no_cookie(false), "als=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    }

    #[test]
    fn a_page_of_anothers_changes_nothing() {
        let ours = ("origin", "http://ledger.example:8080");
        let session = Shown::Session("als_x".into());
        let ok = |shown: &Shown, method, headers: &[_], secure| {
            shown.may_come_from(&request(method, "/api/v1/tokens", headers), secure)
        };
        assert!(ok(&session, "POST", &[ours], false));
        assert!(ok(&session, "POST", &[("sec-fetch-site", "same-origin")], false));
        assert!(ok(&session, "POST", &[("origin", "https://ledger.example:8080")], true));
        assert!(ok(&session, "GET", &[], false));
        for headers in [
            vec![],
            vec![("origin", "http://evil.example")],
            vec![("origin", "http://ledger.example")],
            vec![("origin", "https://ledger.example:8080")],
            vec![("origin", "null")],
            vec![("origin", "http://evil.example"), ("sec-fetch-site", "same-origin")],
            vec![("sec-fetch-site", "same-site")],
            vec![("sec-fetch-site", "cross-site")],
            vec![("sec-fetch-site", "none")],
        ] {
            assert!(!ok(&session, "POST", &headers, false), "{headers:?}");
            assert!(!ok(&session, "GET", &[&headers[..], &[("upgrade", "websocket")]].concat(), false), "{headers:?}");
            // Nobody, or an address: only programs say nothing.
            assert_eq!(ok(&Shown::Nothing, "POST", &headers, false), headers.is_empty(), "{headers:?}");
            assert!(ok(&Shown::Key("ald_x".into()), "POST", &headers, false), "{headers:?}");
        }
    }
}
