//! The key that a request shows, in the ways in which clients show one.

use std::borrow::Cow;

use axum::{
    extract::Request,
    http::{HeaderMap, header},
};
use base64::{Engine, engine::general_purpose::STANDARD};

/// `Authorization: Bearer KEY`, `Token KEY` as clients of InfluxDB 2 send it, or Basic with the key as password. For
/// clients of InfluxDB 1 also the parameter `p`, on their own route only: addresses are written into logs.
pub(super) fn key(request: &Request) -> Option<Cow<'_, str>> {
    header_key(request.headers()).or_else(|| parameter(request).filter(|_| request.uri().path() == "/write"))
}

fn header_key(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().unwrap_or_default();
    let (scheme, rest) = value.split_once(' ').unwrap_or(("", value));
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("basic") {
        // What cannot be read is a key that does not hold, and not none.
        let text = STANDARD.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        return Some(Cow::Owned(text.split_once(':').map(|(_, password)| password.to_owned()).unwrap_or_default()));
    }
    let named = ["bearer", "token"].iter().any(|name| scheme.eq_ignore_ascii_case(name));
    Some(Cow::Borrowed(if named { rest } else { value.trim() }))
}

/// Keys have no characters that are encoded in an address, so that the parameter is read as it stands.
fn parameter(request: &Request) -> Option<Cow<'_, str>> {
    let pairs = request.uri().query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, value)| *name == "p" && !value.is_empty()).map(|(_, value)| Cow::Borrowed(value)).next()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn shown(uri: &str, authorization: Option<&str>) -> Option<String> {
        let mut request = Request::builder().uri(uri);
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        key(&request.body(Body::empty()).unwrap()).map(Cow::into_owned)
    }

    #[test]
    fn a_key_is_shown_in_the_ways_of_clients() {
        for value in ["Bearer ald_x", "bearer  ald_x", "Token ald_x", "ald_x", "Basic dXNlcjphbGRfeA=="] {
            assert_eq!(shown("/", Some(value)).as_deref(), Some("ald_x"), "{value}");
        }
        assert_eq!(shown("/write?db=x&u=me&p=ald_x", None).as_deref(), Some("ald_x"));
        assert_eq!(shown("/write?p=other", Some("Token ald_x")).as_deref(), Some("ald_x"));
        assert_eq!(shown("/write?p=", None), None);
        assert_eq!(shown("/api/v2/write?p=ald_x", None), None);
        assert_eq!(shown("/", None), None);
        // Something that is no key is not taken for none.
        for value in ["Basic !", "Basic dXNlcg==", "Bearer", ""] {
            assert!(shown("/", Some(value)).is_some(), "{value}");
        }
    }
}
