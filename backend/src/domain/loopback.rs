//! Which addresses are this machine's own: no proxy stands on the way to them.

use std::net::IpAddr;

use reqwest::Url;

/// Whether the address is one of this machine's.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.ends_with(".localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        let is = |url: &str| is_loopback(&url.parse().unwrap());
        for url in ["http://127.0.0.1:8545", "http://127.9.9.9", "http://[::1]:1/x", "http://localhost:8545/key"] {
            assert!(is(url), "{url}");
        }
        for url in
            ["http://192.168.1.2:8545", "https://localhost.example.org", "http://[::2]", "http://127.0.0.1.example"]
        {
            assert!(!is(url), "{url}");
        }
    }
}
