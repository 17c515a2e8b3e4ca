//! What a client says, from its text. Whether it may say so is not asked here.
//!
//! Imports nothing of the service: `tests/fuzz` compiles this file too.

use std::borrow::Cow;

use api::Feed;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The largest id: what every JSON reader keeps exactly.
const MAX_ID: u64 = (1 << 53) - 1;

/// A message.
#[derive(Debug)]
pub(super) enum Said<'a> {
    /// Who it is.
    Hello {
        /// The key.
        key: Cow<'a, str>,
    },
    /// Readings to be judged and stored.
    Readings {
        /// To be repeated in the answer.
        id: Option<u64>,
        /// The text of each.
        readings: Vec<&'a RawValue>,
    },
    /// Listen to a feed.
    Subscribe(Wanted<'a>),
    /// Do not listen any more.
    Unsubscribe {
        /// The subscription.
        id: u64,
    },
}

/// What somebody wants to hear.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    /// Names the subscription.
    pub(super) id: u64,
    /// Of what.
    pub(super) feed: Feed,
    /// Of these devices only.
    pub(super) devices: Option<Vec<Cow<'a, str>>>,
    /// Of this severity at least.
    pub(super) severity: Option<Severity>,
    /// Of this score at least.
    pub(super) min_score: Option<f64>,
}

/// How bad; each includes the following.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Severity {
    /// All.
    Info,
    /// What somebody should look at.
    Warning,
    /// What somebody should look at now.
    Critical,
}

/// A text that is no message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    /// Its id, if it could be read.
    pub(super) id: Option<u64>,
    /// What is wrong.
    pub(super) what: String,
}

/// All members of all messages: one that does not belong is refused by name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    id: Option<u64>,
    #[serde(borrow)]
    key: Option<Text<'a>>,
    #[serde(borrow)]
    reading: Option<&'a RawValue>,
    #[serde(borrow)]
    readings: Option<Vec<&'a RawValue>>,
    feed: Option<Feed>,
    #[serde(borrow)]
    devices: Option<Vec<Text<'a>>>,
    severity: Option<Severity>,
    min_score: Option<f64>,
}

/// A text, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Only the id, of whatever else.
#[derive(Deserialize)]
struct Numbered {
    id: Option<u64>,
}

/// Reads a message.
pub(super) fn read(text: &str) -> Result<Said<'_>, Malformed> {
    let fail = |what: String| {
        let id = serde_json::from_str::<Numbered>(text).ok().and_then(|numbered| numbered.id);
        Malformed { id: id.filter(|id| *id <= MAX_ID), what }
    };
    // A struct would be read from an array as well, by position; so would its id.
    if !text.trim_start().starts_with('{') {
        return Err(Malformed { id: None, what: "expected an object".into() });
    }
    let members: Members<'_> = serde_json::from_str(text).map_err(|error| fail(explain(&error)))?;
    members.said().map_err(fail)
}

impl<'a> Members<'a> {
    fn said(self) -> Result<Said<'a>, String> {
        let Members { kind, id, key, reading, readings, feed, devices, severity, min_score } = self;
        if let Some(id) = id.filter(|id| *id > MAX_ID) {
            return Err(format!("expected an id of at most {MAX_ID}, found {id}"));
        }
        let present = [
            ("key", key.is_some()),
            ("reading", reading.is_some()),
            ("readings", readings.is_some()),
            ("feed", feed.is_some()),
            ("devices", devices.is_some()),
            ("severity", severity.is_some()),
            ("min_score", min_score.is_some()),
        ];
        let only = |allowed: &[&str]| match present.iter().find(|(name, is)| *is && !allowed.contains(name)) {
            Some((name, _)) => Err(format!("`{name}` does not belong into a message of type `{}`", kind.0)),
            None => Ok(()),
        };
        let missing = |name: &str| format!("missing field `{name}`");
        match &*kind.0 {
            "hello" => {
                only(&["key"])?;
                Ok(Said::Hello { key: key.ok_or_else(|| missing("key"))?.0 })
            }
            "reading" => {
                only(&["reading"])?;
                Ok(Said::Readings { id, readings: vec![reading.ok_or_else(|| missing("reading"))?] })
            }
            "readings" => {
                only(&["readings"])?;
                Ok(Said::Readings { id, readings: readings.ok_or_else(|| missing("readings"))? })
            }
            "subscribe" => {
                let feed = feed.ok_or_else(|| missing("feed"))?;
                only(match feed {
                    Feed::Anomalies => &["feed", "devices", "severity", "min_score"],
                    Feed::Verdicts => &["feed", "devices", "min_score"],
                    Feed::Ledger => &["feed"],
                })?;
                let devices = devices.map(|names| names.into_iter().map(|name| name.0).collect());
                let id = id.ok_or_else(|| missing("id"))?;
                Ok(Said::Subscribe(Wanted { id, feed, devices, severity, min_score }))
            }
            "unsubscribe" => {
                only(&[])?;
                Ok(Said::Unsubscribe { id: id.ok_or_else(|| missing("id"))? })
            }
            other => {
                let other: String = other.chars().take(40).collect();
                Err(format!("expected hello, reading, readings, subscribe or unsubscribe, found {other:?}"))
            }
        }
    }
}

/// What serde says, without the position in a text that the client does not see as such.
fn explain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_messages() {
        let text = r#"{"type":"readings","id":7,"readings":[{"metrics":{"t":9007199254740993}},{}]}"#;
        let Ok(Said::Readings { id: Some(7), readings }) = read(text) else { panic!("{text}") };
        // As it was written: a number is judged by its text.
        assert_eq!(readings[0].get(), r#"{"metrics":{"t":9007199254740993}}"#);
        let Ok(Said::Readings { id: None, readings }) = read(r#"{"type":"reading","reading":{}}"#) else { panic!() };
        assert_eq!(readings.len(), 1);
        let text = r#"{"type":"subscribe","id":1,"feed":"anomalies","devices":["\u0061"],"severity":"warning"}"#;
        let Ok(Said::Subscribe(wanted)) = read(text) else { panic!("{text}") };
        assert_eq!((wanted.devices.unwrap()[0].as_ref(), wanted.severity), ("a", Some(Severity::Warning)));
    }

    #[test]
    fn refuses_with_the_id_and_a_reason() {
        for (text, id, reason) in [
            ("", None, "object"),
            ("[1]", None, "object"),
            ("{}", None, "type"),
            (r#"{"type":"reading"}"#, None, "reading"),
            (r#"{"type":"readings","id":7,"readings":{}}"#, Some(7), "sequence"),
            (r#"{"type":"readings","id":7,"readings":[],"key":"x"}"#, Some(7), "`key`"),
            (r#"{"type":"subscribe","id":1,"feed":"ledger","devices":["a"]}"#, Some(1), "`devices`"),
            (r#"{"type":"subscribe","id":1,"feed":"verdicts","severity":"info"}"#, Some(1), "`severity`"),
            (r#"{"type":"subscribe","feed":"anomalies"}"#, None, "`id`"),
            (r#"{"type":"subscribe","id":9007199254740992,"feed":"anomalies"}"#, None, "at most"),
            (r#"{"type":"subscribe","id":1,"feed":"anomalies","admin":true}"#, Some(1), "unknown field"),
            (r#"{"type":"dance","id":1}"#, Some(1), "dance"),
            (r#"{"type":"hello","id":-1,"key":"x"}"#, None, "-1"),
        ] {
            let malformed = read(text).unwrap_err();
            assert_eq!(malformed.id, id, "{text}");
            assert!(malformed.what.contains(reason), "{text}: {}", malformed.what);
        }
    }
}
