//! What no sender should send: each gets its error, nothing of it is stored, and its neighbours in the batch are.

use std::io::Write as _;

use api::{Code, Status};
use e2e::{
    Guarded, Session, Trial,
    service::{Answer, http, send},
};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

const READINGS: &str = "/api/v1/readings";

/// Half an hour ago, in seconds since 1970: times around it are possible.
fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.expect("the clock is right").as_secs() - 1_800
}

async fn post(trial: &Trial, path: &str, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Answer {
    let request = http().post(trial.url() + path).body(body);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    send(request).await.unwrap_or_else(|error| panic!("POST {path}: {error}"))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

/// A reading with these texts in the places of its members.
fn text(device: &str, time: &str, sequence: &str, metrics: &str) -> String {
    format!(r#"{{"device":{device},"time":{time},"sequence":{sequence},"metrics":{metrics}}}"#)
}

/// Each case: what it is, and the reading that no service should take.
fn bad_readings() -> Vec<(&'static str, String)> {
    let good_time = now().to_string();
    let metric = |value: &str| text("\"d\"", &good_time, "SEQ", &format!(r#"{{"t":{value}}}"#));
    let time = |time: &str| text("\"d\"", time, "SEQ", r#"{"t":1}"#);
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let metrics: Vec<String> = (0..13).map(|at| format!("\"m{at}\":1")).collect();
    vec![
        ("not a number", metric("NaN")),
        ("infinite", metric("Infinity")),
        ("infinite below", metric("-Infinity")),
        ("too large", metric("1e400")),
        ("subnormal", metric("1e-320")),
        ("too small", metric("1e-400")),
        ("negative zero", metric("-0")),
        ("2^53 + 1", metric("9007199254740993")),
        ("2^53 + 1 with a fraction", metric("9007199254740993.0")),
        ("a number as a text", metric("\"1\"")),
        ("a truth as a number", metric("true")),
        ("nothing as a number", metric("null")),
        ("an object as a number", metric("{\"v\":1}")),
        ("10,000 deep", metric(&deep)),
        ("hexadecimal", metric("0x10")),
        ("a sign too many", metric("+1")),
        ("no metrics", text("\"d\"", &good_time, "SEQ", "{}")),
        ("13 metrics", text("\"d\"", &good_time, "SEQ", &format!("{{{}}}", metrics.join(",")))),
        ("a metric twice", text("\"d\"", &good_time, "SEQ", r#"{"t":1,"t":2}"#)),
        ("a metric twice, escaped once", text("\"d\"", &good_time, "SEQ", r#"{"t":1,"\u0074":2}"#)),
        ("a member twice", r#"{"device":"d","device":"e","sequence":SEQ,"metrics":{"t":1}}"#.to_owned()),
        ("1970", time("0")),
        ("before 1970", time("-1")),
        ("1999", time("\"1999-12-31T23:59:59Z\"")),
        ("the year 9999", time("\"9999-12-31T23:59:59Z\"")),
        ("milliseconds for seconds", time(&format!("{good_time}000"))),
        ("tomorrow and more", time(&(now() + 90_000).to_string())),
        ("no time of this calendar", time("\"2026-02-30T00:00:00Z\"")),
        ("a time in words", time("\"yesterday\"")),
        ("no device", format!(r#"{{"time":{good_time},"sequence":SEQ,"metrics":{{"t":1}}}}"#)),
        ("an empty device", text("\"\"", &good_time, "SEQ", r#"{"t":1}"#)),
        ("a device of 129 bytes", text(&format!("\"{}\"", "d".repeat(129)), &good_time, "SEQ", r#"{"t":1}"#)),
        ("a header in the device", text(r#""d\r\nSet-Cookie: a=b""#, &good_time, "SEQ", r#"{"t":1}"#)),
        ("a line of a log in the device", text(r#""d\n2026-01-01 ERROR""#, &good_time, "SEQ", r#"{"t":1}"#)),
        ("text that turns around", text(r#""d\u202Eb""#, &good_time, "SEQ", r#"{"t":1}"#)),
        ("a metric with a line feed", text("\"d\"", &good_time, "SEQ", r#"{"t\n":1}"#)),
        ("half a character", text(r#""d\uD800""#, &good_time, "SEQ", r#"{"t":1}"#)),
        ("a sequence below zero", text("\"d\"", &good_time, "-1", r#"{"t":1}"#)),
        ("a sequence above 2^53", text("\"d\"", &good_time, "9007199254740993", r#"{"t":1}"#)),
        ("a member that nobody knows", r#"{"device":"d","admin":true,"sequence":SEQ,"metrics":{"t":1}}"#.to_owned()),
        ("a list", r#"["d",null,SEQ,{"t":1}]"#.to_owned()),
        ("half an object", r#"{"device":"d","sequence":SEQ,"met"#.to_owned()),
    ]
}

/// Of three readings the first and the last are stored, and the one between them is refused with this code.
fn assert_neighbours_stored(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 207, "{what}: {}", answer.text());
    let results: api::Readings = serde_json::from_slice(&answer.body).expect("results");
    assert_eq!((results.accepted, results.rejected), (2, 1), "{what}");
    let statuses: Vec<_> = results.results.iter().map(|result| result.status).collect();
    assert_eq!(statuses, [Status::Stored, Status::Rejected, Status::Stored], "{what}");
    let problem = results.results[1].problem.as_ref().expect("a problem");
    assert_eq!((problem.status, problem.code), (422, Code::InvalidReading), "{what}: {problem:?}");
    assert!(!problem.detail.contains(['\r', '\n']) && problem.detail.len() < 500, "{what}: {}", problem.detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bad_reading_is_refused_alone() {
    let trial = Trial::start().await;
    let good = |device: &str, sequence: usize, value: f64| {
        json!({"device": device, "sequence": sequence, "metrics": {"t": value}}).to_string()
    };
    for (at, (what, bad)) in bad_readings().into_iter().enumerate() {
        let bad = bad.replace("SEQ", &at.to_string());
        let lines = [good("before", at, 1.5), bad.clone(), good("after", at, 2.5)].join("\n");
        let answer = post(&trial, READINGS, &[("content-type", "application/x-ndjson")], lines).await;
        assert_neighbours_stored(&answer, what);

        // By itself it is refused as well: as no JSON, where it is none. A list by itself is a list of readings.
        let is_json = serde_json::from_str::<&serde_json::value::RawValue>(&bad).is_ok();
        let alone = post(&trial, READINGS, &[("content-type", "application/json")], bad.clone()).await;
        if is_json && !bad.starts_with('[') {
            let problem = alone.problem();
            assert_eq!((problem.status, problem.code), (422, Code::InvalidReading), "{what}");
            let array = format!("[{},{bad},{}]", good("before-list", at, 1.5), good("after-list", at, 2.5));
            let answer = post(&trial, READINGS, &[("content-type", "application/json")], array).await;
            assert_neighbours_stored(&answer, what);
        } else if !is_json {
            let problem = alone.problem();
            assert_eq!((problem.status, problem.code), (400, Code::MalformedBody), "{what}");
        }

        // Its key is free: nothing of it is stored.
        let free = post(&trial, READINGS, &[("content-type", "application/json")], good("d", at, 1.5)).await;
        assert_eq!(free.json()["results"][0]["status"], "stored", "{what}");
        // And its neighbours are known.
        let again = post(&trial, READINGS, &[("content-type", "application/json")], good("after", at, 2.5)).await;
        assert_eq!(again.json()["results"][0]["status"], "duplicate", "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_and_possible_readings_are_taken_as_they_are() {
    let trial = Trial::start().await;
    let at = now();
    let names = [
        "'; DROP TABLE reading; --",
        "<script>alert(1)</script>",
        "=cmd|' /C calc'!A0",
        "{{7*7}}",
        "../../etc/passwd",
        "%0d%0aSet-Cookie: a=b",
        "${jndi:ldap://x}",
        "Gerät 7 🩺",
    ];
    for (number, name) in names.iter().enumerate() {
        let reading = json!({"device": name, "sequence": 1, "time": at, "metrics": {*name: 1.5, "t": number}});
        let answer = trial.post(READINGS, &reading).await;
        assert_eq!(answer.json()["results"][0]["status"], "stored", "{name}: {}", answer.text());
        let answer = trial.post(READINGS, &reading).await;
        assert_eq!(answer.json()["results"][0]["status"], "duplicate", "{name}");
    }
    // A day behind, a day ahead, out of order, and the largest and smallest that are recorded as they are.
    for (sequence, (time, value)) in
        [(at - 86_400, "1"), (at + 86_000, "9007199254740991"), (at, "1.7976931348623157e308"), (at - 5, "2.3e-308")]
            .into_iter()
            .enumerate()
    {
        let body = text("\"odd\"", &time.to_string(), &sequence.to_string(), &format!(r#"{{"t":{value}}}"#));
        let answer = trial.post_raw(READINGS, "application/json", body).await;
        assert_eq!(answer.json()["results"][0]["status"], "stored", "{value}: {}", answer.text());
    }
    // A replay with other content is a conflict, whatever its time.
    let body = text("\"odd\"", &at.to_string(), "1", r#"{"t":2}"#);
    let problem = trial.post_raw(READINGS, "application/json", body).await.problem();
    assert_eq!((problem.status, problem.code), (409, Code::Conflict));
}

/// What it is, its headers and its body, and what it gets.
type TooMuch<'a> = (&'a str, Vec<(&'a str, &'a str)>, Vec<u8>, u16, Code);

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_much_end_early() {
    let trial = Trial::start().await;
    let json = ("content-type", "application/json");
    let lines = ("content-type", "application/x-ndjson");
    let gz = ("content-encoding", "gzip");
    let reading = r#"{"device":"d","metrics":{"t":1}}"#;
    let many = vec![reading; 10_001].join("\n");
    let bomb = gzip(&vec![b' '; 200 << 20]);
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    let cases: Vec<TooMuch> = vec![
        ("10 MB", vec![json], vec![b' '; 10 << 20], 413, Code::BodyTooLarge),
        ("a line without end", vec![lines], vec![b'x'; 10 << 20], 413, Code::BodyTooLarge),
        ("10,001 readings", vec![lines], many.clone().into_bytes(), 413, Code::BodyTooLarge),
        ("10,001 readings, packed", vec![lines, gz], gzip(many.as_bytes()), 413, Code::BodyTooLarge),
        ("a bomb", vec![json, gz], bomb.clone(), 413, Code::BodyTooLarge),
        ("a bomb in a bomb", vec![json, gz], gzip(&bomb), 400, Code::MalformedBody),
        ("packed twice", vec![json, ("content-encoding", "gzip, gzip")], bomb, 415, Code::UnsupportedMediaType),
        ("packed otherwise", vec![json, ("content-encoding", "br")], vec![1, 2, 3], 415, Code::UnsupportedMediaType),
        ("packed by name only", vec![json, gz], reading.into(), 400, Code::MalformedBody),
        (
            "a packed body that breaks off",
            vec![json, gz],
            gzip(reading.as_bytes())[..20].into(),
            400,
            Code::MalformedBody,
        ),
        ("no text", vec![json], vec![0xff, 0xfe, b'{'], 400, Code::MalformedBody),
        ("nothing", vec![json], Vec::new(), 400, Code::MalformedBody),
        ("10,000 deep", vec![json], "[".repeat(10_000).into_bytes(), 400, Code::MalformedBody),
        ("a form", vec![("content-type", "text/plain")], reading.into(), 415, Code::UnsupportedMediaType),
    ];
    for (what, headers, body, status, code) in cases {
        let problem = post(&trial, READINGS, &headers, body).await.problem();
        assert_eq!((problem.status, problem.code), (status, code), "{what}: {problem:?}");
    }
    for path in ["/api/v2/write", "/write"] {
        let write = async |headers: &[(&str, &str)], body: Vec<u8>| post(&trial, path, headers, body).await.status;
        assert_eq!(write(&[], vec![b'x'; 10 << 20]).await, 413, "{path}");
        assert_eq!(write(&[gz], gzip(&vec![b'#'; 200 << 20])).await, 413, "{path}");
        assert_eq!(write(&[], b"m,device=d v=1\n".repeat(10_001)).await, 413, "{path}");
        assert_eq!(write(&[], vec![0xff]).await, 400, "{path}");
    }
    // Good ones are taken, packed or not.
    let answer = post(&trial, READINGS, &[json, gz], gzip(reading.as_bytes())).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let identity = ("content-encoding", "identity");
    assert_eq!(post(&trial, READINGS, &[json, identity], reading).await.status, 200);
}

/// Each case: a line that no service should take, and part of the reason.
fn bad_lines() -> Vec<(String, &'static str)> {
    let time = now();
    let fields: Vec<String> = (0..13).map(|at| format!("m{at}=1")).collect();
    let mut lines: Vec<(String, &'static str)> = [
        ("NaN", "value"),
        ("Inf", "value"),
        ("1e400", "too large"),
        ("1e-320", "too small"),
        ("-0", "negative zero"),
        ("9007199254740993", "not exact"),
        ("9007199254740993i", "not exact"),
        ("\"1\"", "a number"),
        ("true", "a number"),
        ("1,t=2", "twice"),
        ("\"no end", "quote"),
    ]
    .map(|(value, reason)| (format!("m,device=bad t={value} {time}"), reason))
    .into();
    lines.extend([
        (format!("m,device=bad {} {time}", fields.join(",")), "found 13"),
        ("m,device=bad t=1 0".into(), "2000-01-01"),
        (format!("m,device=bad t=1 {time}000"), "2000-01-01"),
        (format!("m,device=bad t=1 {}", time + 90_000), "24 hours"),
        ("m,device=bad t=1 253402300799".into(), "24 hours"),
        ("m,device=bad t=1 now".into(), "whole number"),
        (format!("m t=1 {time}"), "device"),
        (format!("m,device= t=1 {time}"), "tag"),
        ("m,device=bad\r".into(), "fields"),
        (format!("m,device={} t=1 {time}", "d".repeat(129)), "128"),
    ]);
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bad_line_is_refused_alone() {
    let trial = Trial::start().await;
    let time = now();
    for (at, (bad, reason)) in bad_lines().into_iter().enumerate() {
        let good = |device: &str| format!("m,device={device} t=1.5 {}", time + at as u64);
        // A text without end takes what follows it for its part, until the line after it is tried again.
        let lines = [good("before"), bad.clone(), good("after")].join("\n");
        let answer = post(&trial, "/api/v2/write?precision=s", &[], lines.clone()).await;
        assert!([400, 422].contains(&answer.status), "{bad}: {}", answer.text());
        let error: Value = answer.json();
        let message = error["message"].as_str().expect("a message");
        assert!(message.contains(reason) && message.contains("line 2: "), "{bad}: {message}");
        assert!(message.ends_with("stored=2 dropped=1"), "{bad}: {message}");
        assert_eq!(error["line"], 2, "{bad}");
        assert_eq!(error["code"], if answer.status == 400 { "invalid" } else { "unprocessable entity" });

        let answer = post(&trial, "/write?precision=s", &[], lines).await;
        let error = answer.json()["error"].as_str().expect("an error").to_owned();
        assert!(error.starts_with("partial write: line 2: ") && error.ends_with("dropped=1"), "{bad}: {error}");

        // Both neighbours are there under their keys, and nothing is under that of the bad one.
        for (device, status) in [("before", "duplicate"), ("after", "duplicate"), ("bad", "stored")] {
            let metrics = if status == "stored" { json!({"free": at}) } else { json!({"t": 1.5}) };
            let reading = json!({"device": device, "time": time + at as u64, "metrics": metrics});
            let found = trial.post(READINGS, &reading).await.json();
            assert_eq!(found["results"][0]["status"], status, "{bad}: {device}: {found}");
        }
    }
}

/// What a device of this type cannot report: beyond it lies a fault, a wrong unit or a forgery, never a patient.
const IMPOSSIBLE: &[(&str, &str, &str)] = &[
    ("patient-monitor", "spo2", "101"),
    ("patient-monitor", "spo2", "-0.5"),
    ("patient-monitor", "heart_rate", "351"),
    ("patient-monitor", "heart_rate", "-1"),
    ("patient-monitor", "temperature_c", "98.6"),
    ("patient-monitor", "systolic_mmhg", "3000"),
    ("patient-monitor", "respiration_rate", "1e300"),
    ("weather-station", "humidity", "150"),
    ("weather-station", "temperature", "-273.2"),
    ("factory-station", "sound_db", "195"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_no_body_and_no_air_can_have_is_refused_alone() {
    let trial = Trial::start().await;
    for kind in ["patient-monitor", "weather-station", "factory-station"] {
        let device = json!({ "name": kind, "type": kind });
        assert_eq!(trial.post("/api/v1/devices", &device).await.status, 201);
    }
    for (at, (device, metric, value)) in IMPOSSIBLE.iter().enumerate() {
        let what = format!("{device}: {metric} {value}");
        let good = |device: &str| json!({ "device": device, "sequence": at, "metrics": { "t": 1.5 } }).to_string();
        let bad =
            text(&format!("\"{device}\""), &now().to_string(), &at.to_string(), &format!("{{\"{metric}\":{value}}}"));
        let lines = [good("before"), bad.clone(), good("after")].join("\n");
        let answer = post(&trial, READINGS, &[("content-type", "application/x-ndjson")], lines).await;
        assert_neighbours_stored(&answer, &what);
        let problem = post(&trial, READINGS, &[("content-type", "application/json")], bad).await.problem();
        assert_eq!((problem.status, problem.code), (422, Code::InvalidReading), "{what}");
        assert!(problem.detail.contains(metric), "{what}: {}", problem.detail);
        // By InfluxDB's protocol it is refused too.
        let line = format!("m,device={device} {metric}={value} {}", now());
        let answer = post(&trial, "/api/v2/write?precision=s", &[], line).await;
        assert_eq!(answer.status, 422, "{what}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_does_not_write_as_another() {
    let guarded = Guarded::start().await;
    guarded.ready().await;
    let (admin, url) = (&guarded.admin, guarded.url());
    let mut keys = Vec::new();
    for name in ["mine", "theirs"] {
        assert_eq!(admin.post("/api/v1/devices", &json!({ "name": name })).await.status, 201);
        let key = admin.post(&format!("/api/v1/devices/{name}/keys"), &json!({})).await.json();
        keys.push(key["key"].as_str().expect("a key").to_owned());
    }
    let mine = Session::key(&url, &keys[0]);
    let reading =
        |device: &str, sequence: u64| json!({ "device": device, "sequence": sequence, "metrics": { "t": 1.5 } });
    // Neither alone nor between readings of one's own; and not as one whom nobody has registered, nor as its flows.
    for (at, other) in ["theirs", "nobody-registered-it", " mine", "mine.flows", "MINE"].into_iter().enumerate() {
        let at = 2 * at as u64;
        let alone = mine.post(READINGS, &reading(other, 1)).await.problem();
        assert!([403, 422].contains(&alone.status), "{other}: {alone:?}");
        let batch = json!([reading("mine", at), reading(other, 1), reading("mine", at + 1)]);
        let results: api::Readings = serde_json::from_value(mine.post(READINGS, &batch).await.json()).expect("results");
        let statuses: Vec<_> = results.results.iter().map(|result| result.status).collect();
        assert_eq!(statuses, [Status::Stored, Status::Rejected, Status::Stored], "{other}");
    }
    let at = now();
    let hall =
        json!({ "station_id": "theirs", "timestamp": at, "temperature_c": 20, "humidity_pct": 40, "sound_db": 30 });
    let roof = json!({ "sensor_id": "theirs", "timestamp": at, "temperature": 20, "humidity": 40, "pressure": 1013 });
    for (path, body) in [("/predict", hall), ("/sensor_data", roof)] {
        let problem = mine.post(path, &body).await.problem();
        assert_eq!((problem.status, problem.code), (403, Code::Forbidden), "{path}: {problem:?}");
    }
    for path in ["/api/v2/write?precision=s", "/write?precision=s"] {
        let request = http().post(format!("{url}{path}")).header("authorization", format!("Token {}", keys[0]));
        let answer = send(request.body(format!("m,device=theirs t=1 {}", now()))).await.expect("an answer");
        assert!([403, 422].contains(&answer.status), "{path}: {} {}", answer.status, answer.text());
    }
    // Nothing of it is there: the other's first reading is its own.
    let theirs = Session::key(&url, &keys[1]).post(READINGS, &reading("theirs", 1)).await.json();
    assert_eq!(theirs["results"][0]["status"], "stored");
}
