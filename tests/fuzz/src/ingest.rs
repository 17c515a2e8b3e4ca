//! What intake decodes, by the service's own files.

#[allow(dead_code, reason = "the service uses all of it")]
#[path = "../../../backend/src/ingest/decode.rs"]
mod decode;
pub(crate) mod flows;
#[path = "../../../backend/src/ingest/inflate.rs"]
mod inflate;
#[path = "../../../backend/src/ingest/line_protocol.rs"]
mod line_protocol;
#[allow(dead_code, reason = "the service uses all of it")]
#[path = "../../../backend/src/ingest/lines.rs"]
mod lines;

use std::io::Write;

use flate2::{Compression, write::GzEncoder};

use crate::domain::{Millis, Reading};
use inflate::Inflater;
use lines::{DEVICE_TAGS, Naming, Precision};

const NOW: Millis = Millis(1_767_225_600_000);

/// What a gzip body may unpack to here.
const MOST: usize = 100_000;

/// A reading that was taken is one that can be written, and means the same when it is read again.
fn check(reading: &Reading) {
    assert!((1..=detect::MAX_METRICS).contains(&reading.values().len()));
    assert!(reading.values().is_sorted_by(|(a, _), (b, _)| a < b));
    let metrics: serde_json::Map<_, _> =
        reading.values().iter().map(|(name, value)| (name.clone(), serde_json::Value::from(*value))).collect();
    assert!(metrics.values().all(serde_json::Value::is_number));
    let mut object = serde_json::json!({"device": reading.device().as_str(), "metrics": metrics});
    if let Some(sequence) = reading.sequence() {
        object["sequence"] = sequence.into();
    }
    let again = decode::reading(&object.to_string(), NOW, Some(reading.time())).expect("it was taken");
    assert_eq!((again.device(), again.values()), (reading.device(), reading.values()));
    assert_eq!(again.sequence(), reading.sequence());
}

/// A reading as JSON.
pub(super) fn reading(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(reading) = decode::reading(text, NOW, None) {
        check(&reading);
    }
}

/// InfluxDB's lines: each is taken or refused once, in their order.
pub(super) fn lines(data: &[u8]) {
    let Some((precision, data)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(data) else { return };
    let precision = ["ns", "us", "ms", "s", "m", "h"][usize::from(*precision) % 6];
    let precision = Precision::of(precision).expect("one of them");
    let naming = Naming { tags: &DEVICE_TAGS.map(str::to_owned), sender: None };
    let Some(made) = lines::readings(text, precision, naming, NOW) else { return };
    assert!(made.is_sorted_by(|a, b| a.line < b.line));
    let lines: u64 = made.iter().map(|made| made.count).sum();
    assert!(lines <= text.split('\n').count() as u64);
    for made in &made {
        match &made.reading {
            Ok(reading) => check(reading),
            Err(refused) => assert!(!refused.to_string().is_empty()),
        }
    }
}

/// Gzip: in whatever pieces it comes, the same comes out, and never more than allowed.
pub(super) fn gzip(data: &[u8]) {
    let unpack = |piece: usize| {
        let mut inflater = Inflater::new(MOST);
        for piece in data.chunks(piece) {
            inflater.push(piece)?;
            assert!(inflater.len() <= MOST);
        }
        inflater.finish()
    };
    let whole = unpack(data.len().max(1));
    assert!(whole.as_ref().is_ok_and(|bytes| bytes.len() <= MOST) || whole.is_err());
    assert_eq!(whole.is_ok(), unpack(3).is_ok());
    assert_eq!(whole.ok(), unpack(3).ok());
}

/// Honest inputs for a target.
pub(super) fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "reading" => [
            r#"{"device":"weather-1","time":"2026-01-01T00:00:00Z","sequence":17,"metrics":{"t":21.5,"h":4e1}}"#,
            r#"{"device":"a\u0062","time":1767225600.5,"metrics":{"t":-0.001}}"#,
        ]
        .map(|text| text.as_bytes().to_vec())
        .into(),
        "lines" => [
            "\0weather,device=w-1,site=roof\\ top temperature=21.5,humidity=40i,note=\"a \\\"b\\\"\" 1767225600000000000\n",
            "\u{3}# comment\r\nm,host=h value=.5 1767225600\nn,host=h value=1e3,ok=t 1767225600\nbroken\nm,host=h a=\"x\n",
        ]
        .map(|text| text.as_bytes().to_vec())
        .into(),
        _ => {
            let packed = |text: &[u8]| {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
                encoder.write_all(text).expect("memory can be written");
                encoder.finish().expect("memory can be written")
            };
            vec![packed(b"hello"), [packed(b"two"), packed(b"members")].concat(), packed(&[b' '; 200_000])]
        }
    }
}
