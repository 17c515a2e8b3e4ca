//! What lines of InfluxDB's protocol mean here: from measurement, tags and fields to readings.
//!
//! - The **device** is what the tag `device` or `sensor_id` says (`--influx-device-tag` names others). Where there is none,
//!   it is the device whose key was shown. Where there is none either, the tag `host`, the measurement and the values of
//!   the other tags together, such as `web-1/cpu/cpu0`: a host has many series, as Telegraf sends them.
//! - **Metrics** are the fields that are numbers, by the field's name; a field `value` by the measurement's. Texts and
//!   truths are passed over, since they measure nothing, but a line must have one number.
//! - Lines that follow each other with the same device and time and other metrics are **one reading**.
//! - **Times** are cut to microseconds. A line without time gets that of its arrival.

use std::borrow::Cow;

use super::line_protocol::{Line, LineError, Lines, Value};
use crate::domain::{
    DeviceName, Micros, Millis, Reading, ReadingError,
    reading::{MAX_METRICS, MAX_READINGS, parse_value},
};

/// Tags that name the device, if nothing else is said.
pub(crate) const DEVICE_TAGS: [&str; 2] = ["device", "sensor_id"];

/// The unit of the times of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precision {
    Nanoseconds,
    Microseconds,
    Milliseconds,
    Seconds,
    Minutes,
    Hours,
}

/// How devices are named.
#[derive(Debug, Clone, Copy)]
pub(super) struct Naming<'a> {
    /// The tags to look for, in this order.
    pub(super) tags: &'a [String],
    /// The device that sends, where it has shown a key of its own.
    pub(super) sender: Option<&'a DeviceName>,
}

/// Why a line is not taken.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum Refused {
    #[error(transparent)]
    Line(#[from] LineError),
    #[error(transparent)]
    Reading(#[from] ReadingError),
    /// Nothing to detect anomalies in.
    #[error("expected a field that is a number: texts and truths are passed over")]
    NoNumber,
    /// Nobody can say whose line it is.
    #[error("expected the tag {0:?}, or a device's own key")]
    NoDevice(String),
    /// The time cannot be counted in microseconds.
    #[error("expected a time within some 290,000 years, found {0}: another precision?")]
    Time(i64),
}

/// A reading, and the lines of which it was made.
#[derive(Debug, PartialEq)]
pub(super) struct OfLines {
    /// The first of them.
    pub(super) line: u64,
    /// How many.
    pub(super) count: u64,
    pub(super) reading: Result<Reading, Refused>,
}

/// A reading that the next line may belong to.
struct Open {
    line: u64,
    count: u64,
    device: String,
    time: Option<Micros>,
    values: Vec<(String, f64)>,
}

impl Precision {
    /// As `precision` says it, of InfluxDB 1 or 2.
    pub(super) fn of(text: &str) -> Option<Self> {
        Some(match text {
            "ns" | "n" | "" => Precision::Nanoseconds,
            "us" | "u" | "µ" => Precision::Microseconds,
            "ms" => Precision::Milliseconds,
            "s" => Precision::Seconds,
            "m" => Precision::Minutes,
            "h" => Precision::Hours,
            _ => return None,
        })
    }

    fn micros(self, time: i64) -> Option<Micros> {
        let micros = match self {
            Precision::Nanoseconds => Some(time.div_euclid(1_000)),
            Precision::Microseconds => Some(time),
            Precision::Milliseconds => time.checked_mul(1_000),
            Precision::Seconds => time.checked_mul(1_000_000),
            Precision::Minutes => time.checked_mul(60_000_000),
            Precision::Hours => time.checked_mul(3_600_000_000),
        };
        micros.map(Micros)
    }
}

/// Reads all lines; gives readings and refusals in the order of their lines, or `None` if there are more than a
/// request may have readings.
pub(super) fn readings(text: &str, precision: Precision, naming: Naming<'_>, now: Millis) -> Option<Vec<OfLines>> {
    let (mut lines, mut line) = (Lines::of(text), Line::default());
    let mut made: Vec<OfLines> = Vec::new();
    let mut open: Option<Open> = None;
    let mut count = 0;
    while let Some((number, read)) = lines.next(&mut line) {
        count += 1;
        if count > MAX_READINGS {
            return None;
        }
        let part = read.map_err(Refused::from).and_then(|()| part(number, &line, precision, naming));
        let part = match (part, &mut open) {
            (Ok(part), Some(open)) if open.takes(&part) => {
                open.count += 1;
                open.values.extend(part.values);
                continue;
            }
            (part, _) => part,
        };
        made.extend(open.take().map(|open| open.close(now)));
        match part {
            Ok(part) => open = Some(part),
            Err(refused) => made.push(OfLines { line: number, count: 1, reading: Err(refused) }),
        }
    }
    made.extend(open.map(|open| open.close(now)));
    Some(made)
}

/// What one line says.
fn part(number: u64, line: &Line<'_>, precision: Precision, naming: Naming<'_>) -> Result<Open, Refused> {
    let mut values = Vec::with_capacity(line.fields.len().min(MAX_METRICS + 1));
    for (field, value) in &line.fields {
        let (Value::Float(text) | Value::Integer(text)) = value else { continue };
        let metric = if field == "value" { &line.measurement } else { field };
        values.push((metric.clone().into_owned(), number_of(metric, text)?));
    }
    if values.is_empty() {
        return Err(Refused::NoNumber);
    }
    let time = line.timestamp.map(|time| precision.micros(time).ok_or(Refused::Time(time))).transpose()?;
    Ok(Open { line: number, count: 1, device: device(line, naming)?, time, values })
}

/// A number as JSON would have it: the rules of what is recorded as it is are the same.
fn number_of(metric: &str, text: &str) -> Result<f64, ReadingError> {
    match text.strip_prefix('.') {
        Some(fraction) => parse_value(metric, &format!("0.{fraction}")),
        None => parse_value(metric, text),
    }
}

fn device(line: &Line<'_>, naming: Naming<'_>) -> Result<String, Refused> {
    let tag = |name: &str| line.tags.iter().find(|(tag, _)| tag == name).map(|(_, value)| value);
    if let Some(value) = naming.tags.iter().find_map(|name| tag(name)) {
        return Ok(value.clone().into_owned());
    }
    if let Some(sender) = naming.sender {
        return Ok(sender.as_str().to_owned());
    }
    let Some(host) = tag("host") else {
        return Err(Refused::NoDevice(naming.tags.first().cloned().unwrap_or_else(|| "host".to_owned())));
    };
    let others = line.tags.iter().filter(|(tag, _)| tag != "host").map(|(_, value)| value);
    let parts: Vec<&str> = [host, &line.measurement].into_iter().chain(others).map(Cow::as_ref).collect();
    Ok(parts.join("/"))
}

impl Open {
    /// Whether a line belongs to the same reading.
    fn takes(&self, next: &Open) -> bool {
        let has = |metric: &str| self.values.iter().any(|(known, _)| known == metric);
        self.time == next.time && self.device == next.device && !next.values.iter().any(|(metric, _)| has(metric))
    }

    fn close(self, now: Millis) -> OfLines {
        let Self { line, count, device, time, values } = self;
        let reading = DeviceName::new(&device).and_then(|device| Reading::new(device, time, None, values, now));
        OfLines { line, count, reading: reading.map_err(Refused::from) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_763_625_600_000);

    fn tags() -> Vec<String> {
        DEVICE_TAGS.map(str::to_owned).to_vec()
    }

    /// Device, time in µs and values of each reading, or why it was refused.
    fn made(text: &str, precision: Precision, sender: Option<&str>) -> Vec<Result<String, String>> {
        let sender = sender.map(|name| DeviceName::new(name).unwrap());
        let naming = Naming { tags: &tags(), sender: sender.as_ref() };
        let shown = |reading: Reading| {
            let time = if reading.time_given() { reading.time().0.to_string() } else { "arrival".to_owned() };
            format!("{} {time} {:?}", reading.device(), reading.values())
        };
        let made = readings(text, precision, naming, NOW).unwrap();
        made.into_iter().map(|made| made.reading.map(shown).map_err(|refused| refused.to_string())).collect()
    }

    fn one(text: &str) -> Result<String, String> {
        let mut made = made(text, Precision::Nanoseconds, None);
        assert_eq!(made.len(), 1, "{made:?}");
        made.pop().unwrap()
    }

    #[test]
    fn a_line_is_a_reading() {
        assert_eq!(
            one("weather,device=w-1,site=roof temperature=21.5,humidity=40i,ok=t,note=\"a\" 1763625600123456789")
                .unwrap(),
            "w-1 1763625600123456 [(\"humidity\", 40.0), (\"temperature\", 21.5)]"
        );
        assert_eq!(one("temperature,sensor_id=s value=.5").unwrap(), "s arrival [(\"temperature\", 0.5)]");
    }

    #[test]
    fn who_sends_is_said_by_tag_key_or_host_in_this_order() {
        for (line, sender, device) in [
            ("cpu,host=h,device=d,sensor_id=s v=1", Some("own"), "d"),
            ("cpu,host=h,sensor_id=s v=1", Some("own"), "s"),
            ("cpu,host=h v=1", Some("own"), "own"),
            ("cpu,cpu=cpu0,host=h v=1", None, "h/cpu/cpu0"),
            ("mem,host=h v=1", None, "h/mem"),
        ] {
            let reading = made(line, Precision::Seconds, sender).pop().unwrap().unwrap();
            assert_eq!(reading.split(' ').next(), Some(device), "{line}");
        }
        assert!(one("cpu v=1").unwrap_err().contains("\"device\""));
    }

    #[test]
    fn lines_of_one_device_and_time_are_one_reading() {
        let text = "temperature,device=a value=1 1763625600\nhumidity,device=a value=2 1763625600\n\
                    temperature,device=a value=3 1763625600\nhumidity,device=a value=4 1763625601\n\
                    humidity,device=b value=5 1763625601";
        let made = readings(text, Precision::Seconds, Naming { tags: &tags(), sender: None }, NOW).unwrap();
        let lines: Vec<_> = made.iter().map(|made| (made.line, made.count)).collect();
        assert_eq!(lines, [(1, 2), (3, 1), (4, 1), (5, 1)]);
        let values = |at: usize| made[at].reading.as_ref().unwrap().values().len();
        assert_eq!([values(0), values(1), values(2)], [2, 1, 1]);
    }

    #[test]
    fn times_have_the_units_of_both_versions() {
        for (precision, time, micros) in [
            ("ns", 1_763_625_600_000_001_999, 1_763_625_600_000_001),
            ("us", 1_763_625_600_000_001, 1_763_625_600_000_001),
            ("u", 1_763_625_600_000_001, 1_763_625_600_000_001),
            ("ms", 1_763_625_600_001, 1_763_625_600_001_000),
            ("s", 1_763_625_600, 1_763_625_600_000_000),
            ("m", 29_393_760, 1_763_625_600_000_000),
            ("h", 489_896, 1_763_625_600_000_000),
        ] {
            assert_eq!(Precision::of(precision).unwrap().micros(time), Some(Micros(micros)), "{precision}");
        }
        assert_eq!(Precision::of("d"), None);
        assert!(made("m,device=a v=1 9223372036854775807", Precision::Hours, None)[0].is_err());
    }

    #[test]
    fn what_can_be_no_reading_is_refused_and_its_neighbours_are_not() {
        for (line, reason) in [
            ("m,device=a s=\"text\",b=true", "a number"),
            ("m,device=a v=1e400", "too large"),
            ("m,device=a v=9007199254740993i", "not exact"),
            ("m,device=a v=9007199254740993", "not exact"),
            ("m,device=a v=-0", "negative zero"),
            ("m,device=a v=1e-320", "too small"),
            ("m,device=a v=1,v=2", "twice"),
            ("m,device=a v=1 0", "2000-01-01"),
            ("m,device=a v=1 1763625600000", "2000-01-01"),
            ("m,device=a a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1,j=1,k=1,l=1,m=1", "found 13"),
            ("m,device=a\u{202e} v=1", "invisible"),
            ("m,device=a", "fields"),
        ] {
            let text = format!("m,device=x v=1 1763625600000000000\n{line}\nm,device=x v=2 1763625601000000000");
            let found = made(&text, Precision::Nanoseconds, None);
            assert_eq!(found.len(), 3, "{line}");
            assert!(found[0].is_ok() && found[2].is_ok(), "{line}");
            let error = found[1].as_ref().unwrap_err();
            assert!(error.contains(reason), "{line}: {error}");
        }
    }

    #[test]
    fn too_many_lines_are_too_many() {
        let naming = Naming { tags: &tags(), sender: None };
        let text = "m,device=a v=1\n".repeat(MAX_READINGS + 1);
        assert_eq!(readings(&text, Precision::Seconds, naming, NOW), None);
        assert!(readings(&text[15..], Precision::Seconds, naming, NOW).is_some());
    }
}
