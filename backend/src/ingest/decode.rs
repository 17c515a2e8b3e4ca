//! From the text of a JSON object to a reading. Numbers are judged by their text, before a double forgets it.

use std::{borrow::Cow, fmt};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde::{
    Deserialize,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::domain::{
    DeviceName, Micros, Millis, Reading, ReadingError,
    reading::{MAX_METRICS, parse_value},
};

/// A reading as `POST /api/v1/readings` takes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Object<'a> {
    #[serde(borrow, default)]
    device: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    time: Option<&'a RawValue>,
    #[serde(default)]
    sequence: Option<u64>,
    #[serde(borrow)]
    metrics: Metrics<'a>,
    #[serde(borrow, default)]
    signature: Option<Cow<'a, str>>,
}

/// Names and number texts in their order; repeated names stay, so that they can be refused.
struct Metrics<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Metrics<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Members<'a> {
            type Value = Metrics<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of metrics, such as {\"temperature\": 21.5}")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Metrics<'a>, M::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<Name<'a>, &'a RawValue>()? {
                    // One more than allowed is enough to refuse it later.
                    if members.len() > MAX_METRICS {
                        return Err(M::Error::custom(format!("expected at most {MAX_METRICS} metrics")));
                    }
                    members.push((name.0, value));
                }
                Ok(Metrics(members))
            }
        }
        deserializer.deserialize_map(Members(std::marker::PhantomData))
    }
}

/// A member's name, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads one reading. A reading without time gets the time of its arrival; one without sequence number as well gets that of
/// its request's first `arrival`, where that is known, and is then recognised by it.
pub(crate) fn reading(text: &str, now: Millis, arrival: Option<Micros>) -> Result<Reading, ReadingError> {
    read(text, None, now, arrival)
}

/// Reads one reading that comes from somebody who is this device: it need not name it.
pub(super) fn reading_of(text: &str, sender: Option<&DeviceName>, now: Millis) -> Result<Reading, ReadingError> {
    read(text, sender, now, None)
}

fn read(
    text: &str,
    sender: Option<&DeviceName>,
    now: Millis,
    arrival: Option<Micros>,
) -> Result<Reading, ReadingError> {
    let object: Object<'_> = object(text.as_bytes())?;
    let device = match (&object.device, sender) {
        (Some(name), _) => DeviceName::new(name)?,
        (None, Some(sender)) => sender.clone(),
        (None, None) => return Err(ReadingError::Object("missing field `device`".into())),
    };
    let time = object.time.map(|time| self::time(time.get())).transpose()?;
    let time = time.or(arrival.filter(|_| object.sequence.is_none()));
    let values = object.metrics.0.into_iter();
    let values = values.map(|(metric, value)| Ok((metric.to_string(), parse_value(&metric, value.get())?)));
    let values = values.collect::<Result<_, ReadingError>>()?;
    let reading = Reading::new(device, time, object.sequence, values, now)?;
    match object.signature {
        Some(text) => reading.with_signature(signature(&text)?),
        None => Ok(reading),
    }
}

/// Reads a signature: base64 with padding, of exactly 64 bytes.
fn signature(text: &str) -> Result<[u8; 64], ReadingError> {
    let bytes = BASE64.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| ReadingError::SignatureText(text.chars().take(90).collect()))
}

/// Reads a JSON object with exactly the members of `T`.
pub(super) fn object<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ReadingError> {
    // A struct would be read from an array as well, by position.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(ReadingError::Object("expected an object".into()));
    }
    serde_json::from_slice(bytes).map_err(|error| ReadingError::Object(explain(&error)))
}

/// Reads a time: a string by RFC 3339, or a number of seconds since 1970.
pub(super) fn time(text: &str) -> Result<Micros, ReadingError> {
    let refuse = |error: &dyn fmt::Display| ReadingError::TimeText(error.to_string());
    if text.starts_with('"') {
        let text: Cow<'_, str> = serde_json::from_str(text).map_err(|error| refuse(&error))?;
        return Micros::parse(&text).map_err(|error| refuse(&error));
    }
    let seconds: f64 = serde_json::from_str(text)
        .map_err(|_| ReadingError::TimeText(format!("expected a time as text or seconds, found {text:.40}")))?;
    let micros = (seconds * 1e6).round();
    if micros.abs() > 1e17 {
        // Refused by its value anyway, but as what it most likely is.
        return Err(ReadingError::TimeText(format!("expected seconds since 1970, found {text:.40}: milliseconds?")));
    }
    Ok(Micros(micros as i64))
}

/// What serde says, without the position in a text that the client does not see as such.
fn explain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_763_625_600_000);

    #[test]
    fn reads_a_reading() {
        let text = r#"{"device":"a","time":"2025-11-20T07:00:00Z","sequence":7,"metrics":{"t":21.5,"h":40}}"#;
        let reading = reading(text, NOW, None).unwrap();
        assert_eq!(reading.sequence(), Some(7));
        assert_eq!(reading.values(), [("h".to_owned(), 40.0), ("t".to_owned(), 21.5)]);
    }

    #[test]
    fn a_sender_that_is_a_device_need_not_say_so() {
        let sender = DeviceName::new("a").unwrap();
        let named = |text| reading_of(text, Some(&sender), NOW).map(|reading| reading.device().to_string());
        assert_eq!(named(r#"{"metrics":{"t":1}}"#).unwrap(), "a");
        // Whether it may send for another is not decided here.
        assert_eq!(named(r#"{"device":"b","metrics":{"t":1}}"#).unwrap(), "b");
        assert!(named(r#"{"device":"","metrics":{"t":1}}"#).is_err());
    }

    #[test]
    fn refuses_with_a_reason() {
        for (text, reason) in [
            (r#"{"metrics":{"t":1}}"#, "device"),
            (r#"{"device":"a"}"#, "metrics"),
            (r#"{"device":"a","metrics":{}}"#, "found 0"),
            (r#"{"device":"a","metrics":{"t":"1"}}"#, "a text is not a number"),
            (r#"{"device":"a","metrics":{"t":true}}"#, "not a number"),
            (r#"{"device":"a","metrics":{"t":1e400}}"#, "too large"),
            (r#"{"device":"a","metrics":{"t":9007199254740993}}"#, "not exact"),
            (r#"{"device":"a","metrics":{"t":1,"t":2}}"#, "twice"),
            (r#"{"device":"a","device":"b","metrics":{"t":1}}"#, "duplicate"),
            (r#"{"device":"a","admin":true,"metrics":{"t":1}}"#, "unknown field"),
            (r#"{"device":"a","time":"soon","metrics":{"t":1}}"#, "soon"),
            (r#"{"device":"a","time":1763625600000,"metrics":{"t":1}}"#, "milliseconds"),
            (r#"["a",null,5,{"t":1}]"#, "expected an object"),
            (r#"{"device":"a","time":0,"metrics":{"t":1}}"#, "2000-01-01"),
            (r#"{"device":"a","sequence":-1,"metrics":{"t":1}}"#, "-1"),
            (r#"{"device":"a","metrics":{"t":1},"signature":"c2hvcnQ="}"#, "64 bytes"),
            (r#"{"device":"a","metrics":{"t":1},"signature":5}"#, "string"),
            (r#"{"device":"a","metrics":{"t":NaN}}"#, "expected value"),
        ] {
            let error = reading(text, NOW, None).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
