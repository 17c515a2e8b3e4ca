//! From a message's payload to readings. Numbers are judged by their text, as everywhere.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    domain::{DeviceName, Micros, Millis, Reading, ReadingError, reading::parse_value},
    ingest::decode,
};

/// Readings of a message at most: a packet of 256 KiB holds about 6,000 of the shortest, and one commit takes 10,000.
pub(super) const MAX_READINGS: usize = 10_000;

/// Members of an object at most: a reading has 12 metrics, and ThingsBoard's devices send texts among them.
const MAX_MEMBERS: usize = 64;

/// Devices of a gateway's message at most.
const MAX_DEVICES: usize = 1_000;

/// A member of an object: its name, and its value's text.
pub(super) type Member<'a> = (Cow<'a, str>, &'a RawValue);

/// An object's members in their order; repeated names stay, so that they can be refused.
struct Members<'a, const MAX: usize>(Vec<Member<'a>>);

/// A member's name, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a, const MAX: usize> Deserialize<'de> for Members<'a, MAX> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect<'a, const MAX: usize>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a, const MAX: usize> Visitor<'de> for Collect<'a, MAX> {
            type Value = Members<'a, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object, such as {\"temperature\": 21.5}")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<Name<'a>, &'a RawValue>()? {
                    if members.len() == MAX {
                        return Err(M::Error::custom(format!("expected at most {MAX} members")));
                    }
                    members.push((name.0, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect(PhantomData))
    }
}

/// The readings of a device's message in ThingsBoard's shapes: `{"temperature": 21.5}`,
/// `{"ts": 1451649600512, "values": {…}}`, or an array of those. What is no number is passed over.
pub(super) fn telemetry(text: &str, device: &DeviceName, now: Millis) -> Result<Vec<Reading>, ReadingError> {
    items(text)?.into_iter().map(|item| thing(item, device, now)).collect()
}

/// The readings of a gateway's message: `{"Device A": [{"ts": …, "values": {…}}, …], "Device B": …}`.
pub(super) fn gateway(text: &str, now: Millis) -> Result<Vec<Reading>, ReadingError> {
    let Members(devices) = parse::<Members<'_, MAX_DEVICES>>(text)?;
    let mut readings = Vec::new();
    for (device, text) in devices {
        readings.extend(telemetry(text.get(), &DeviceName::new(&device)?, now)?);
        few(readings.len())?;
    }
    few(readings.len()).map(|()| readings)
}

/// The readings of a message in the shape of `POST /api/v1/readings`: an object or an array of objects, whose member
/// `device` may be left out, since the topic says it, and is not another.
pub(super) fn readings(text: &str, device: &DeviceName, now: Millis) -> Result<Vec<Reading>, ReadingError> {
    let reading = |item| match decode::reading_of(item, Some(device), now)? {
        reading if reading.device() == device => Ok(reading),
        other => Err(ReadingError::Object(format!("expected the topic's device {device}, found {}", other.device()))),
    };
    items(text)?.into_iter().map(reading).collect()
}

/// The objects of a text: itself, or those of an array.
fn items(text: &str) -> Result<Vec<&str>, ReadingError> {
    if !text.trim_ascii_start().starts_with('[') {
        return Ok(vec![text]);
    }
    let items: Vec<&RawValue> = parse(text)?;
    few(items.len())?;
    Ok(items.into_iter().map(RawValue::get).collect())
}

fn few(count: usize) -> Result<(), ReadingError> {
    match count {
        1..=MAX_READINGS => Ok(()),
        0 => Err(ReadingError::Object("expected at least one reading, found none".into())),
        _ => Err(ReadingError::Object(format!("expected at most {MAX_READINGS} readings, found {count} or more"))),
    }
}

/// The members of an object.
pub(super) fn members(text: &str) -> Result<Vec<Member<'_>>, ReadingError> {
    parse::<Members<'_, MAX_MEMBERS>>(text).map(|Members(members)| members)
}

/// One object of ThingsBoard's.
fn thing(text: &str, device: &DeviceName, now: Millis) -> Result<Reading, ReadingError> {
    let members = members(text)?;
    let member = |wanted: &str| members.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.get());
    let (time, values) = match (member("ts"), member("values")) {
        (Some(ts), Some(values)) if members.len() == 2 => (Some(milliseconds(ts)?), self::members(values)?),
        _ => (None, members),
    };
    Reading::new(device.clone(), time, None, numbers(&values)?, now)
}

/// The members that are numbers; the others are counted.
pub(super) fn numbers(members: &[Member<'_>]) -> Result<Vec<(String, f64)>, ReadingError> {
    let is_number = |value: &RawValue| value.get().starts_with(|c: char| c == '-' || c.is_ascii_digit());
    let (numbers, others): (Vec<_>, Vec<_>) = members.iter().partition(|(_, value)| is_number(value));
    if !others.is_empty() {
        metrics::counter!("values_ignored_total", "source" => "mqtt").increment(others.len() as u64);
    }
    numbers.into_iter().map(|(name, value)| Ok((name.to_string(), parse_value(name, value.get())?))).collect()
}

/// Reads a time in milliseconds since 1970.
pub(super) fn milliseconds(text: &str) -> Result<Micros, ReadingError> {
    let whole: Option<i64> = text.parse().ok();
    whole.map(|ms| Millis(ms).into()).ok_or_else(|| {
        ReadingError::TimeText(format!(
            "expected a time as a whole number of milliseconds since 1970, found {text:.40}"
        ))
    })
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, ReadingError> {
    serde_json::from_str(text).map_err(|error| ReadingError::Object(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_763_625_600_000);

    fn device() -> DeviceName {
        DeviceName::new("oven-3").unwrap()
    }

    #[test]
    fn reads_the_shapes_of_thingsboard() {
        let one = telemetry(r#"{"temperature":21.5,"firmware":"1.2","on":true}"#, &device(), NOW).unwrap();
        assert_eq!(one[0].values(), [("temperature".to_owned(), 21.5)]);
        assert!(!one[0].time_given());

        let timed = telemetry(r#"{"ts":1451649600512,"values":{"t":1,"h":2}}"#, &device(), NOW).unwrap();
        assert_eq!(timed[0].time(), Micros(1_451_649_600_512_000));
        assert_eq!(timed[0].values().len(), 2);

        let many = telemetry(r#"[{"t":1},{"ts":1451649600512,"values":{"t":2}}]"#, &device(), NOW).unwrap();
        assert_eq!(many.len(), 2);
        // A metric may be called ts, where nothing is called values.
        assert_eq!(telemetry(r#"{"ts":7}"#, &device(), NOW).unwrap()[0].values()[0].0, "ts");
    }

    #[test]
    fn reads_what_gateways_send() {
        let text = r#"{"a":[{"ts":1451649600512,"values":{"t":1}},{"t":3}],"b":{"t":2}}"#;
        let readings = gateway(text, NOW).unwrap();
        let devices: Vec<_> = readings.iter().map(|reading| reading.device().to_string()).collect();
        assert_eq!(devices, ["a", "a", "b"]);
        assert!(gateway("{}", NOW).is_err());
        assert!(gateway(r#"{"":{"t":1}}"#, NOW).is_err());
    }

    #[test]
    fn refuses_with_a_reason() {
        let many = format!("[{}]", vec!["{}"; MAX_READINGS + 1].join(","));
        let wide = (0..=MAX_MEMBERS).map(|at| format!("\"m{at}\":\"\"")).collect::<Vec<_>>().join(",");
        let wide = format!("{{{wide}}}");
        for (text, reason) in [
            ("", "EOF"),
            ("21.5", "object"),
            ("[]", "none"),
            ("[[]]", "object"),
            (r#"{"t":"21.5"}"#, "found 0"),
            (r#"{"t":1,"t":2}"#, "twice"),
            (r#"{"t":1e400}"#, "too large"),
            (r#"{"ts":"soon","values":{"t":1}}"#, "milliseconds"),
            (r#"{"ts":1451649600,"values":{"t":1}}"#, "2000-01-01"),
            (r#"{"ts":9223372036854775807,"values":{"t":1}}"#, "2000-01-01"),
            (r#"{"ts":1451649600512,"values":7}"#, "object"),
            (&many, "10000 readings"),
            (&wide, "64 members"),
        ] {
            let error = telemetry(text, &device(), NOW).unwrap_err().to_string();
            assert!(error.contains(reason), "{text:.40}: {error}");
        }
    }

    #[test]
    fn the_topic_names_the_device() {
        let text = r#"{"sequence":7,"metrics":{"t":1}}"#;
        assert_eq!(readings(text, &device(), NOW).unwrap()[0].device(), &device());
        assert!(readings(r#"{"device":"oven-3","metrics":{"t":1}}"#, &device(), NOW).is_ok());
        assert!(readings(r#"{"device":"oven-4","metrics":{"t":1}}"#, &device(), NOW).is_err());
    }

    #[test]
    fn no_byte_of_a_payload_breaks_the_decoders() {
        let seeds = [
            r#"{"temperature":21.5,"on":true,"name":"\u00e9"}"#,
            r#"[{"ts":1451649600512,"values":{"t":-1e-3}},{"h":0}]"#,
            r#"{"a":[{"ts":1451649600512,"values":{"t":1}}],"b":{"t":2}}"#,
            r#"{"device":"oven-3","time":"2025-11-20T07:00:00Z","sequence":7,"metrics":{"t":1}}"#,
        ];
        let mut decoded = 0;
        let mut decode = |bytes: &[u8]| {
            let Ok(text) = std::str::from_utf8(bytes) else { return };
            for result in [telemetry(text, &device(), NOW), gateway(text, NOW), readings(text, &device(), NOW)] {
                for reading in result.into_iter().flatten() {
                    decoded += 1;
                    assert!(reading.values().iter().all(|(_, value)| value.is_finite()), "{text}");
                }
            }
        };
        for seed in seeds.map(str::as_bytes) {
            for at in 0..seed.len() {
                decode(&seed[..at]);
                decode(&[&seed[..at], &seed[at + 1..]].concat());
                for byte in *b"{}[],:\"\\0-9e.+ \0n\x7f" {
                    decode(&[&seed[..at], &[byte], &seed[at + 1..]].concat());
                    decode(&[&seed[..at], &[byte], &seed[at..]].concat());
                }
            }
        }
        assert!(decoded > 1_000, "{decoded}: the seeds are read at all");
    }
}
