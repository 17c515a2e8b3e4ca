//! The codings in which an answer may travel.

use std::io::Write;

use axum::http::{HeaderMap, header};
use flate2::{Compression, write::GzEncoder};

/// Whether a client takes a coding: it is listed, and not with a weight of nothing.
pub(super) fn accepts(request: &HeaderMap, coding: &str) -> bool {
    let lists = request.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|item| {
        let (name, weight) = item.split_once(';').unwrap_or((item, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse().ok()).unwrap_or(1.0);
        name.trim().eq_ignore_ascii_case(coding) && weight > 0.0
    })
}

/// The bytes as gzip. It is made for each answer, so fast comes before small.
pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing into memory does not fail.
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("memory takes what is written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_are_taken_as_they_are_offered() {
        let accepts = |lists: &[&str], coding| {
            let header = |list: &&str| (header::ACCEPT_ENCODING, list.parse().unwrap());
            accepts(&lists.iter().map(header).collect(), coding)
        };
        for list in ["br", "gzip, br", "gzip;q=0.5, BR;q=1.0", " br ; q=0.1"] {
            assert!(accepts(&[list], "br"), "{list}");
        }
        for list in ["", "gzip", "br;q=0", "br; q=0.000", "brotli"] {
            assert!(!accepts(&[list], "br"), "{list}");
        }
        assert!(!accepts(&[], "gzip"));
    }
}
