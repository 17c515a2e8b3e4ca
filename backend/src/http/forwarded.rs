//! Where a request comes from, when it comes through a proxy.
//!
//! Anybody may write these headers, so they are read only where the connection is from a proxy that the operator has
//! named, and only as far as such proxies have written them: from the right, up to the first address that is none.

use std::net::{IpAddr, SocketAddr};

use api::Code;
use axum::http::{HeaderMap, HeaderName, header};

use crate::{
    problem::Fault,
    transport::{Peer, Proxies},
};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Whom a request is from. Of a trusted proxy, its own certificate is not the caller's.
///
/// # Errors
/// If the headers contradict each other: a proxy that writes one of them lets a client write the other.
pub(super) fn caller(peer: &Peer, proxies: &Proxies, headers: &HeaderMap) -> Result<Peer, Fault> {
    if !proxies.contains(peer.address.ip()) {
        return Ok(peer.clone());
    }
    let elements: Vec<&str> = items(headers, &header::FORWARDED).collect();
    let by_standard = origin(elements.iter().map(|element| member(element, "for")), proxies);
    let by_custom = origin(items(headers, &FOR).map(Some), proxies);
    let address = match (by_standard, by_custom) {
        (Some(one), Some(other)) if one != other => {
            let what =
                "Forwarded and X-Forwarded-For name different clients: the proxy should write one and drop the other";
            return Err(Fault::new(Code::InvalidParameter, what));
        }
        (one, other) => one.or(other),
    };
    let proto = match items(headers, &PROTO).last() {
        Some(proto) => Some(proto),
        None => elements.last().and_then(|element| member(element, "proto")),
    };
    Ok(Peer {
        // The port is the proxy's business.
        address: address.map_or(peer.address, |address| SocketAddr::new(address, 0)),
        device: None,
        secure: proto.map_or(peer.secure, |proto| proto.eq_ignore_ascii_case("https")),
    })
}

/// The items of a list header, over all its lines.
fn items<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl DoubleEndedIterator<Item = &'a str> {
    let lines = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("unreadable"));
    let lines: Vec<&str> = lines.collect();
    lines.into_iter().flat_map(|line| line.split(',')).map(str::trim).filter(|item| !item.is_empty())
}

/// A member of an element of `Forwarded` (RFC 7239), without its quotes.
fn member<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim_matches('"')).next()
}

/// The rightmost address that is no trusted proxy; the leftmost that was read, where all are, or where what follows is no
/// address (`unknown`, say). `None` where there is nothing to read.
fn origin<'a>(items: impl DoubleEndedIterator<Item = Option<&'a str>>, proxies: &Proxies) -> Option<IpAddr> {
    let mut found = None;
    for item in items.rev() {
        let Some(address) = item.and_then(parse) else { break };
        found = Some(address);
        if !proxies.contains(address) {
            break;
        }
    }
    found
}

/// An address, with or without a port.
fn parse(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text).parse::<IpAddr>().ok();
    let address = text.parse::<SocketAddr>().map(|address| address.ip()).ok().or_else(bare);
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = "192.0.2.7";

    fn seen(from: &str, lines: &[(&str, &str)]) -> Result<Peer, Fault> {
        let proxies = ["10.0.0.0/8", "127.0.0.1"].map(|net| net.parse().unwrap()).into_iter().collect();
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        let peer =
            Peer { address: SocketAddr::new(from.parse().unwrap(), 5), device: Some("proxy".into()), secure: false };
        caller(&peer, &proxies, &headers)
    }

    fn address(from: &str, lines: &[(&str, &str)]) -> String {
        seen(from, lines).unwrap().address.ip().to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        let lines = [("x-forwarded-for", "10.0.0.1"), ("x-forwarded-proto", "https"), ("forwarded", "for=10.0.0.2")];
        let peer = seen(CLIENT, &lines).unwrap();
        assert_eq!((peer.address.to_string().as_str(), peer.secure), ("192.0.2.7:5", false));
        assert_eq!(peer.device.as_deref(), Some("proxy"));
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxy_counts() {
        for (lines, expected) in [
            (vec![("x-forwarded-for", "192.0.2.7")], CLIENT),
            (vec![("x-forwarded-for", "6.6.6.6, 192.0.2.7")], CLIENT),
            (vec![("x-forwarded-for", "6.6.6.6, 192.0.2.7, 10.2.3.4,127.0.0.1")], CLIENT),
            (vec![("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "192.0.2.7:4711")], CLIENT),
            (vec![("x-forwarded-for", "10.7.7.7, 10.2.3.4")], "10.7.7.7"),
            (vec![("x-forwarded-for", "unknown")], "10.0.0.1"),
            (vec![("x-forwarded-for", "6.6.6.6, unknown, 10.2.3.4")], "10.2.3.4"),
            (vec![("x-forwarded-for", "::ffff:192.0.2.7")], CLIENT),
            (vec![("forwarded", "for=6.6.6.6, for=\"192.0.2.7:80\";proto=https;by=10.0.0.1")], CLIENT),
            (vec![("forwarded", "For=\"[2001:db8::1]:4711\"")], "2001:db8::1"),
            (vec![("forwarded", "for=192.0.2.7"), ("x-forwarded-for", "192.0.2.7")], CLIENT),
            (vec![], "10.0.0.1"),
        ] {
            assert_eq!(address("10.0.0.1", &lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_proxy_says_whether_it_ended_tls() {
        let secure = |lines: &[_]| seen("10.0.0.1", lines).unwrap().secure;
        assert!(secure(&[("x-forwarded-proto", "https")]));
        assert!(!secure(&[("x-forwarded-proto", "https, http")]));
        assert!(secure(&[("forwarded", "for=192.0.2.7;proto=https")]));
        assert!(!secure(&[("x-forwarded-for", CLIENT)]));
        assert_eq!(seen("10.0.0.1", &[]).unwrap().device, None);
    }

    #[test]
    fn headers_that_contradict_each_other_are_refused() {
        assert!(seen("10.0.0.1", &[("forwarded", "for=6.6.6.6"), ("x-forwarded-for", CLIENT)]).is_err());
    }
}
