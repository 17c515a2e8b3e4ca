//! What strangers send over TCP and WebSocket, before anything is known of them.

#[path = "../../../backend/src/ingest/tcp/lines.rs"]
mod lines;
#[path = "../../../backend/src/ingest/ws/message.rs"]
mod message;

use lines::{Line, Lines, MAX_LINE, MAX_SKIPPED};
use message::Said;

/// A byte of the input that stands for a long run, so that the fuzzer reaches lines that are too long.
const RUN: u8 = 0xfe;

/// Bytes of a run: two are longer than a line may be, and 40 than is looked for an end.
const RUN_LENGTH: usize = 40_000;

/// The first byte says in which pieces the rest arrives. Whole lines are those between the ends, and what is held is
/// bounded.
pub(crate) fn split(data: &[u8]) {
    let Some((piece, rest)) = data.split_first() else { return };
    let expand = |byte: &u8| if *byte == RUN { vec![b'x'; RUN_LENGTH] } else { vec![*byte] };
    let bytes: Vec<u8> = rest.iter().take(60).flat_map(expand).collect();
    let (mut found, mut endless) = (Vec::new(), false);
    let mut lines = Lines::default();
    for piece in bytes.chunks(usize::from(*piece) * 256 + 1) {
        lines.push(piece);
        while let Some(line) = lines.next() {
            match line {
                Line::Whole(line) => found.push(Some(line.to_vec())),
                Line::TooLong => found.push(None),
                Line::Endless => endless = true,
            }
        }
        assert!(lines.number() >= found.len() as u64);
    }
    if let Some(Line::Whole(line)) = lines.rest() {
        found.push(Some(line.to_vec()));
    }
    let whole = |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line).to_vec();
    let mut expected: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(whole).collect();
    if expected.last().is_some_and(Vec::is_empty) && bytes.last() != Some(&b'\r') {
        expected.pop();
    }
    if endless {
        assert!(expected.iter().any(|line| line.len() >= MAX_SKIPPED));
        return;
    }
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        match found {
            Some(line) => assert_eq!(line, expected),
            None => assert!(expected.len() > MAX_LINE),
        }
    }
}

/// A message's readings are pieces of its text; an id is one that every JSON reader keeps.
pub(crate) fn read(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match message::read(text) {
        Err(malformed) => assert!(!malformed.what.is_empty() && malformed.id.is_none_or(|id| id < 1 << 53)),
        Ok(Said::Hello { key }) => assert!(key.len() <= text.len()),
        Ok(Said::Unsubscribe { id }) => assert!(id < 1 << 53),
        Ok(Said::Readings { id, readings }) => {
            assert!(id.is_none_or(|id| id < 1 << 53));
            assert!(readings.iter().all(|reading| text.contains(reading.get())));
        }
        Ok(Said::Subscribe(wanted)) => {
            let filters = (wanted.devices.is_some(), wanted.severity.is_some(), wanted.min_score.is_some());
            assert!(wanted.feed != api::Feed::Ledger || filters == (false, false, false));
            assert!(wanted.feed != api::Feed::Verdicts || wanted.severity.is_none());
            assert!(wanted.id < 1 << 53);
        }
    }
}

/// Honest inputs, to begin with.
pub(crate) fn seeds(target: &str) -> Vec<Vec<u8>> {
    let texts: &[&[u8]] = match target {
        "tcp_lines" => &[
            b"\x00{\"hello\":1,\"key\":\"ald_x\"}\r\n{\"metrics\":{\"t\":1}}\n",
            b"\xff\xfe\xfe\nafter\n",
            b"\x05a\n\n\xfe\xfe\xfe\xfe",
        ],
        "socket" => &[
            br#"{"type":"hello","key":"ald_x"}"#,
            br#"{"type":"readings","id":7,"readings":[{"device":"a","metrics":{"t":21.5}},{}]}"#,
            br#"{"type":"subscribe","id":1,"feed":"anomalies","devices":["a"],"severity":"warning","min_score":0.5}"#,
            br#"{"type":"unsubscribe","id":1}"#,
        ],
        _ => &[],
    };
    texts.iter().map(|text| text.to_vec()).collect()
}
