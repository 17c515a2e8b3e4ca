//! docs/examples replayed: each request is sent, each answer compared with the one that is documented.
//!
//! A string in the documented answer that stands in angle brackets matches by shape: `<any>`, `<number>`,
//! `<string>`, `<time>` (RFC 3339), `<uuid>`. All else matches only itself; no member may be missing or added.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::service::{Answer, http, send};

/// One example.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    /// For people.
    #[serde(default, rename = "about")]
    _about: String,
    request: Request,
    response: Response,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    method: String,
    path: String,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    body: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Response {
    status: u16,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    body: Option<Value>,
}

/// A file holds one example, or several that follow each other.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum File {
    Several(Vec<Example>),
    One(Box<Example>),
}

/// Replays one file; gives what differs.
///
/// # Panics
/// If the file is no example.
pub async fn replay(file: &Path, service: &str) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let examples = match serde_json::from_str(&text) {
        Ok(File::Several(examples)) => examples,
        Ok(File::One(example)) => vec![*example],
        Err(error) => panic!("{}: {error}", file.display()),
    };
    let mut differences = Vec::new();
    for example in examples {
        let Request { method, path, headers, body } = &example.request;
        let method = method.parse().unwrap_or_else(|_| panic!("{}: no method {method}", file.display()));
        let mut request = http().request(method, format!("{service}{path}"));
        for (name, value) in headers {
            request = request.header(name, value.as_str().unwrap_or_default());
        }
        request = match body {
            None => request,
            Some(Value::String(text)) => request.body(text.clone()),
            Some(json) if headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) => {
                request.body(json.to_string())
            }
            Some(json) => request.json(json),
        };
        let what = format!("{}: {} {path}", file.display(), example.request.method);
        match send(request).await {
            Ok(answer) => {
                differences.extend(compare(&example.response, &answer).into_iter().map(|d| format!("{what}: {d}")))
            }
            Err(error) => differences.push(format!("{what}: {error}")),
        }
    }
    differences
}

fn compare(expected: &Response, answer: &Answer) -> Vec<String> {
    let mut differences = Vec::new();
    if expected.status != answer.status {
        differences.push(format!("expected status {}, found {}: {}", expected.status, answer.status, answer.text()));
    }
    for (name, value) in &expected.headers {
        let found =
            answer.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, found)| found.as_str());
        if !found.is_some_and(|found| fits(value, &Value::from(found))) {
            differences.push(format!("expected {name}: {value}, found {found:?}"));
        }
    }
    let body = match &expected.body {
        None => return differences,
        // Text is compared as text, unless it is a shape.
        Some(Value::String(text)) if !is_shape(text) => Value::from(answer.text()),
        Some(_) => serde_json::from_slice(&answer.body).unwrap_or_else(|_| Value::from(answer.text())),
    };
    if let Some(expected) = &expected.body {
        descend("body", expected, &body, &mut differences);
    }
    differences
}

fn descend(at: &str, expected: &Value, found: &Value, differences: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            for (name, value) in expected {
                match found.get(name) {
                    Some(found) => descend(&format!("{at}.{name}"), value, found, differences),
                    None => differences.push(format!("{at}.{name} is missing")),
                }
            }
            let added = found.keys().filter(|name| !expected.contains_key(*name));
            differences.extend(added.map(|name| format!("{at}.{name} is not documented")));
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            for (i, (expected, found)) in expected.iter().zip(found).enumerate() {
                descend(&format!("{at}[{i}]"), expected, found, differences);
            }
        }
        _ if fits(expected, found) => {}
        _ => differences.push(format!("{at}: expected {expected}, found {found}")),
    }
}

fn is_shape(text: &str) -> bool {
    matches!(text, "<any>" | "<number>" | "<string>" | "<time>" | "<uuid>")
}

fn fits(expected: &Value, found: &Value) -> bool {
    match (expected.as_str(), found) {
        (Some("<any>"), _) => true,
        (Some("<number>"), found) => found.is_number(),
        (Some("<string>"), found) => found.is_string(),
        (Some("<time>"), Value::String(found)) => is_time(found),
        (Some("<uuid>"), Value::String(found)) => is_uuid(found),
        // 1 and 1.0 are the same number.
        _ => expected == found || (expected.is_number() && expected.as_f64() == found.as_f64()),
    }
}

/// RFC 3339 with a zone, by its shape.
fn is_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let Some(rest) = shape.strip_prefix("0000-00-00T00:00:00") else { return false };
    let rest = rest.strip_prefix('.').map_or(rest, |rest| rest.trim_start_matches('0'));
    matches!(rest, "Z" | "+00:00" | "-00:00")
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shapes_match_and_mismatch() {
        for (shape, fine, bad) in [
            ("<number>", json!(1.5), json!("1.5")),
            ("<string>", json!("x"), json!(1)),
            ("<time>", json!("2026-01-01T00:00:00.000Z"), json!("yesterday")),
            ("<uuid>", json!("01890a5d-ac96-774b-bcce-b302099a8057"), json!("01890a5d")),
            ("x", json!("x"), json!("y")),
        ] {
            assert!(fits(&json!(shape), &fine), "{shape}");
            assert!(!fits(&json!(shape), &bad), "{shape}");
        }
    }

    #[test]
    fn added_and_missing_members_differ() {
        let mut differences = Vec::new();
        descend("body", &json!({ "a": 1, "b": [1, "<any>"] }), &json!({ "b": [2, 3], "c": 1 }), &mut differences);
        assert_eq!(differences, ["body.a is missing", "body.b[0]: expected 1, found 2", "body.c is not documented"]);
    }
}
