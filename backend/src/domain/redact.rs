//! Credentials in addresses are the operator's: what is served or logged shows addresses without them.

use reqwest::Url;

/// An address without user name and password. Path and query stay: without them it is another address.
pub(crate) fn without_userinfo(address: &str) -> String {
    match Url::parse(address) {
        Ok(url) if url.username().is_empty() && url.password().is_none() => address.to_owned(),
        Ok(mut url) => match (url.set_username(""), url.set_password(None)) {
            (Ok(()), Ok(())) => url.into(),
            _ => in_text(address),
        },
        Err(_) => in_text(address),
    }
}

/// A text in which no address has user name and password.
pub(crate) fn in_text(text: &str) -> String {
    let mut parts = text.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str("://");
        let authority = part.find(|c: char| c.is_whitespace() || "/?#\"'<>()".contains(c)).unwrap_or(part.len());
        let host = part[..authority].rfind('@').map_or(0, |at| at + 1);
        shown.push_str(&part[host..]);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_keep_all_but_the_credentials() {
        for (address, shown) in [
            ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
            ("https://node.example/v3/project?x=1", "https://node.example/v3/project?x=1"),
            ("https://user:secret@node.example:8545/v3/project", "https://node.example:8545/v3/project"),
            ("https://user@node.example/", "https://node.example/"),
            ("https://:secret@node.example/", "https://node.example/"),
            ("http://user:sec@ret@node.example/", "http://node.example/"),
            ("http:user:secret@node.example/", "http://node.example/"),
            ("http://user:secret@", "http://"),
        ] {
            assert_eq!(without_userinfo(address), shown);
        }
    }

    #[test]
    fn texts_keep_all_but_the_credentials() {
        for (text, shown) in [
            (
                "the chain does not answer at http://u:p@h:1/x: refused",
                "the chain does not answer at http://h:1/x: refused",
            ),
            ("(http://u:p@h) \"https://u@h\" http://h", "(http://h) \"https://h\" http://h"),
            ("an @ alone, a://b and user@host", "an @ alone, a://b and user@host"),
            ("http://h/path@version", "http://h/path@version"),
            ("", ""),
        ] {
            assert_eq!(in_text(text), shown);
        }
    }
}
