//! From a broker's message to a reading, as the subscription says.

use serde_json::value::RawValue;

use crate::{
    config::{Broker, Piece, Subscription, TimeMember, TimeUnit, Values},
    domain::{DeviceName, Micros, Millis, Reading, ReadingError, reading::parse_value},
    ingest::{
        decode,
        mqtt::payload::{self, Member},
    },
};

/// The reading of a message; nothing, if no subscription is for its topic.
pub(super) fn reading(
    broker: &Broker,
    topic: &str,
    payload: &[u8],
    now: Millis,
) -> Option<Result<Reading, ReadingError>> {
    let subscription = broker.subscriptions.iter().find(|subscription| matches(&subscription.topic, topic))?;
    let text = std::str::from_utf8(payload).map_err(|error| ReadingError::Object(format!("expected UTF-8: {error}")));
    Some(text.and_then(|text| of(subscription, topic, text, now)))
}

fn of(subscription: &Subscription, topic: &str, text: &str, now: Millis) -> Result<Reading, ReadingError> {
    if let Values::Number(metric) = &subscription.values {
        let value = parse_value(metric, text.trim())?;
        return Reading::new(device(subscription, topic, &[])?, None, None, vec![(metric.clone(), value)], now);
    }
    let members = payload::members(text)?;
    let device = device(subscription, topic, &members)?;
    let time = subscription.time.as_ref().map(|wanted| time(wanted, &members)).transpose()?;
    let values = match &subscription.values {
        Values::Members(names) => {
            let value = |name: &String| Ok((name.clone(), parse_value(name, member(&members, name)?.get())?));
            names.iter().map(value).collect::<Result<_, ReadingError>>()?
        }
        _ => {
            let is_used = |name: &str| {
                let names_device = |piece: &Piece| matches!(piece, Piece::Member(member) if member == name);
                subscription.time.as_ref().is_some_and(|time| time.member == name)
                    || subscription.device.0.iter().any(names_device)
            };
            let rest: Vec<_> = members.into_iter().filter(|(name, _)| !is_used(name)).collect();
            payload::numbers(&rest)?
        }
    };
    Reading::new(device, time, None, values, now)
}

fn member<'a>(members: &[Member<'a>], wanted: &str) -> Result<&'a RawValue, ReadingError> {
    let found = members.iter().find(|(name, _)| name == wanted);
    found.map(|(_, value)| *value).ok_or_else(|| ReadingError::Object(format!("missing member {wanted:?}")))
}

/// The device's name: the template with what stands in topic and message.
fn device(subscription: &Subscription, topic: &str, members: &[Member<'_>]) -> Result<DeviceName, ReadingError> {
    let mut name = String::new();
    for piece in &subscription.device.0 {
        match piece {
            Piece::Text(text) => name.push_str(text),
            Piece::Level(level) => match topic.split('/').nth(level - 1) {
                Some(text) => name.push_str(text),
                None => return Err(ReadingError::Object(format!("the topic has no level {level}"))),
            },
            Piece::Member(wanted) => {
                let value = member(members, wanted)?.get();
                match serde_json::from_str::<String>(value) {
                    Ok(text) => name.push_str(&text),
                    // Numbers name devices as they are written.
                    Err(_) if value.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => name.push_str(value),
                    Err(_) => return Err(ReadingError::Object(format!("expected a name in member {wanted:?}"))),
                }
            }
        }
    }
    DeviceName::new(&name)
}

fn time(wanted: &TimeMember, members: &[Member<'_>]) -> Result<Micros, ReadingError> {
    let text = member(members, &wanted.member)?.get();
    match (wanted.unit, text.starts_with('"')) {
        (TimeUnit::Rfc3339, true) | (TimeUnit::Seconds, false) => decode::time(text),
        (TimeUnit::Milliseconds, false) => payload::milliseconds(text),
        (unit, _) => Err(ReadingError::TimeText(format!("expected a time as {unit:?}, found {text:.40}"))),
    }
}

/// Whether a filter is for this topic.
fn matches(filter: &str, topic: &str) -> bool {
    let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_763_625_600_000);

    fn map(topic: &str, payload: &str) -> Option<Result<Reading, String>> {
        let broker = Broker::parse(include_bytes!("../../../../../docs/mqtt-broker.json"), |_| Some("x".into()));
        reading(&broker.unwrap(), topic, payload.as_bytes(), NOW).map(|result| result.map_err(|e| e.to_string()))
    }

    #[test]
    fn filters_match_as_brokers_match_them() {
        for (filter, topic, fits) in [
            ("a/b", "a/b", true),
            ("a/+", "a/b", true),
            ("a/+", "a", false),
            ("a/+", "a/b/c", false),
            ("a/#", "a/b/c", true),
            ("a/#", "a", true),
            ("#", "a/b", true),
            ("+/b", "/b", true),
            ("a/b", "a/b/", false),
        ] {
            assert_eq!(matches(filter, topic), fits, "{filter} {topic}");
        }
    }

    #[test]
    fn a_message_becomes_a_reading() {
        let text = r#"{"temperature":71.5,"vibration":0.2,"ts":1763625599500,"state":"run","other":9}"#;
        let reading = map("factory/hall2/oven3/data", text).unwrap().unwrap();
        assert_eq!(reading.device().to_string(), "hall2-oven3");
        assert_eq!(reading.time(), Micros(1_763_625_599_500_000));
        assert_eq!(reading.values(), [("temperature".to_owned(), 71.5), ("vibration".to_owned(), 0.2)]);

        let text = r#"{"id":17,"time":"2025-11-20T07:00:00Z","t":1,"name":"x"}"#;
        let reading = map("sensors/data", text).unwrap().unwrap();
        assert_eq!((reading.device().to_string().as_str(), reading.values().len()), ("17", 1));

        let reading = map("home/kitchen/temperature", " 21.5\n").unwrap().unwrap();
        assert_eq!(reading.device().to_string(), "home-kitchen");
        assert!(!reading.time_given());
        assert!(map("elsewhere", "1").is_none());
    }

    #[test]
    fn refuses_with_a_reason() {
        for (topic, text, reason) in [
            ("factory/a/b/data", r#"{"temperature":1,"ts":1763625599500}"#, "vibration"),
            ("factory/a/b/data", r#"{"temperature":1,"vibration":"x","ts":1763625599500}"#, "text is not a number"),
            ("factory/a/b/data", r#"{"temperature":1,"vibration":1}"#, "ts"),
            ("factory/a/b/data", r#"{"temperature":1,"vibration":1,"ts":"2025-11-20T07:00:00Z"}"#, "Milliseconds"),
            ("factory/a/b/data", "21.5", "object"),
            ("sensors/data", r#"{"id":"","time":"2025-11-20T07:00:00Z","t":1}"#, "device name"),
            ("sensors/data", r#"{"id":{},"time":"2025-11-20T07:00:00Z","t":1}"#, "name in member"),
            ("home/kitchen/temperature", "warm", "not a number"),
            ("home//temperature\u{202e}", "1", ""),
        ] {
            match map(topic, text) {
                Some(result) => {
                    let error = result.unwrap_err();
                    assert!(error.contains(reason), "{topic} {text}: {error}");
                }
                None => assert!(reason.is_empty(), "{topic}"),
            }
        }
    }
}
