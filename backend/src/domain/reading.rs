//! A reading: one message of one device at one time, with one or more metrics. Invalid ones cannot be built.

use std::fmt;

use ledger::{
    canonical::MAX_INTEGER,
    signed::{Bytes, Signed, SignedError},
    text::Decimal,
};

use super::{Flow, Micros, Millis};

/// Longest name of a device, in bytes: room for a URN, and short enough for a table.
const MAX_DEVICE: usize = 128;

/// Longest name of a metric, in bytes.
const MAX_METRIC: usize = 64;

/// Most metrics of a reading: what the detector's state of 4 KiB holds.
pub(crate) const MAX_METRICS: usize = detect::MAX_METRICS;

/// Readings of a request at most: what one commit takes in about a tenth of a second.
pub(crate) const MAX_READINGS: usize = 10_000;

/// 2000-01-01T00:00:00Z. No device of ours is older; a time before it is seconds taken for milliseconds, or an
/// unset clock.
const EARLIEST: Millis = Millis(946_684_800_000);

/// How far ahead of ours a device's clock may be. More, and it is wrong by a day.
const MAX_AHEAD_MS: i64 = 24 * 3_600 * 1_000;

/// Why there can be no such reading.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum ReadingError {
    /// The device's name.
    #[error("expected a device name of 1 to {MAX_DEVICE} bytes without invisible characters, found {0:?}")]
    Device(String),
    /// A metric's name.
    #[error("expected a metric name of 1 to {MAX_METRIC} bytes without invisible characters, found {0:?}")]
    Metric(String),
    /// No metric, or too many.
    #[error("expected 1 to {MAX_METRICS} metrics, found {0}")]
    Metrics(usize),
    /// The same metric twice.
    #[error("expected each metric once, found {0:?} twice")]
    Repeated(String),
    /// A value that is not recorded as it is.
    #[error("metric {metric:?}: expected a number that is recorded as it is, found {found}: {why}")]
    Value {
        /// The metric.
        metric: String,
        /// The value's text.
        found: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A time that cannot be right.
    #[error("expected a time from 2000-01-01 to 24 hours from now, found {0}")]
    Time(Millis),
    /// A text that is no time.
    #[error("{0}")]
    TimeText(String),
    /// Not an object with the members of a reading.
    #[error("not a reading: {0}")]
    Object(String),
    /// A sequence number that JSON does not carry safely.
    #[error("expected a sequence number of at most {MAX_INTEGER}, found {0}")]
    Sequence(u64),
    /// A signature on what cannot be signed.
    #[error("a signed reading needs {0}")]
    Unsignable(&'static str),
    /// A name that only flows have.
    #[error("expected the name of a device, found {0:?}: under this name stand the flows of one")]
    Reserved(String),
    /// A text that is no signature.
    #[error("expected a signature of 64 bytes in base64 with padding, found {0:?}")]
    SignatureText(String),
}

/// The name of a device.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DeviceName(String);

impl DeviceName {
    /// Checks a name.
    pub(crate) fn new(name: &str) -> Result<Self, ReadingError> {
        if is_name(name, MAX_DEVICE) {
            return Ok(Self(name.to_owned()));
        }
        Err(ReadingError::Device(name.chars().take(40).collect()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text may name something: so many bytes, and nothing invisible in it or at its ends.
pub(super) fn is_name(name: &str, longest: usize) -> bool {
    (1..=longest).contains(&name.len()) && !name.chars().any(is_invisible) && name.trim() == name
}

/// Control characters, and those that have no shape but change how the text around them is shown.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// What makes a device's reading unique: its sequence number, or its time where it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    /// The sequence number.
    Sequence(u64),
    /// The time.
    Time(Micros),
}

/// One message of one device at one time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    device: DeviceName,
    time: Micros,
    /// Whether the device gave the time; else it is that of arrival.
    time_given: bool,
    sequence: Option<u64>,
    values: Vec<(String, f64)>,
    /// Boxed, since few devices sign, and readings are moved often.
    signature: Option<Box<Signature>>,
    /// What belongs to it where it is a network flow.
    flow: Option<Box<Flow>>,
}

/// A device's signature over its reading.
#[derive(Debug, Clone, PartialEq)]
enum Signature {
    /// As it came.
    Unchecked([u8; 64]),
    /// It holds, by this key.
    Holds(Signed),
}

impl Reading {
    /// Checks the parts. `now` is the service's time, and the reading's if it brings none; values may come in any
    /// order.
    pub(crate) fn new(
        device: DeviceName,
        time: Option<Micros>,
        sequence: Option<u64>,
        values: Vec<(String, f64)>,
        now: Millis,
    ) -> Result<Self, ReadingError> {
        if device.is_of_flows() {
            return Err(ReadingError::Reserved(device.as_str().to_owned()));
        }
        Self::new_unreserved(device, time, sequence, values, now)
    }

    /// The same, also under the names of flows.
    pub(super) fn new_unreserved(
        device: DeviceName,
        time: Option<Micros>,
        sequence: Option<u64>,
        mut values: Vec<(String, f64)>,
        now: Millis,
    ) -> Result<Self, ReadingError> {
        if let Some(time) = time.map(Micros::millis)
            && (time < EARLIEST || time.since(now) > MAX_AHEAD_MS)
        {
            return Err(ReadingError::Time(time));
        }
        if let Some(sequence) = sequence.filter(|sequence| *sequence > MAX_INTEGER as u64) {
            return Err(ReadingError::Sequence(sequence));
        }
        if !(1..=MAX_METRICS).contains(&values.len()) {
            return Err(ReadingError::Metrics(values.len()));
        }
        if let Some((metric, _)) = values.iter().find(|(metric, _)| !is_name(metric, MAX_METRIC)) {
            return Err(ReadingError::Metric(metric.chars().take(40).collect()));
        }
        if let Some((metric, value)) = values.iter().find(|(_, value)| !ledger::text::is_exact(*value)) {
            return Err(ReadingError::Value {
                metric: metric.clone(),
                found: value.to_string(),
                why: "it is not finite, subnormal, or negative zero",
            });
        }
        values.sort_by(|(a, _), (b, _)| a.cmp(b));
        if let Some(pair) = values.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(ReadingError::Repeated(pair[0].0.clone()));
        }
        let (time, time_given) = (time.unwrap_or(now.into()), time.is_some());
        Ok(Self { device, time, time_given, sequence, values, signature: None, flow: None })
    }

    /// The same, as what is stored of this flow.
    pub(super) fn with_flow(self, flow: Flow) -> Self {
        Self { flow: Some(Box::new(flow)), ..self }
    }

    /// The flow, where it is one.
    pub(crate) fn flow(&self) -> Option<&Flow> {
        self.flow.as_deref()
    }

    /// The same with the device's signature, which nobody has checked yet.
    pub(crate) fn with_signature(self, signature: [u8; 64]) -> Result<Self, ReadingError> {
        if self.sequence.is_none() {
            return Err(ReadingError::Unsignable("a sequence number, by which a copy can be told from the original"));
        }
        if !self.time_given {
            return Err(ReadingError::Unsignable("the time that was signed"));
        }
        if self.time.0.rem_euclid(1_000) != 0 {
            return Err(ReadingError::Unsignable("a time in whole milliseconds: nothing finer is signed"));
        }
        Ok(Self { signature: Some(Box::new(Signature::Unchecked(signature))), ..self })
    }

    /// The device's signature, checked or not.
    pub(crate) fn signature(&self) -> Option<&[u8; 64]> {
        self.signature.as_deref().map(|signature| match signature {
            Signature::Unchecked(bytes) => bytes,
            Signature::Holds(signed) => &signed.signature.0,
        })
    }

    /// Checks the signature by the device's key; then [`Reading::signed`] says so. Costs what an Ed25519 verification
    /// costs: not for threads that others wait for.
    pub(crate) fn check_signature(&mut self, key: &[u8; 32]) -> Result<(), SignedError> {
        let Some(signature) = self.signature() else { return Ok(()) };
        let signed = Signed { key: Bytes(*key), signature: Bytes(*signature) };
        signed.verify(&self.message()?)?;
        self.signature = Some(Box::new(Signature::Holds(signed)));
        Ok(())
    }

    /// Key and signature, once they were checked.
    pub(crate) fn signed(&self) -> Option<Signed> {
        match self.signature.as_deref() {
            Some(Signature::Holds(signed)) => Some(*signed),
            Some(Signature::Unchecked(_)) | None => None,
        }
    }

    /// What a device signs of this reading.
    pub(crate) fn message(&self) -> Result<Vec<u8>, SignedError> {
        // A reading's values are such that each has its text.
        let values = self.values.iter().filter_map(|(metric, value)| Some((metric, Decimal::new(*value).ok()?)));
        let values: Vec<(&String, Decimal)> = values.collect();
        let values = values.iter().map(|(metric, value)| (metric.as_str(), value));
        ledger::signed::message(self.device.as_str(), self.sequence, &self.time.millis().to_time(), values)
    }

    /// Who sent it.
    pub(crate) fn device(&self) -> &DeviceName {
        &self.device
    }

    /// When, by the device's clock; else when it arrived.
    pub(crate) fn time(&self) -> Micros {
        self.time
    }

    /// Whether the device gave the time.
    pub(crate) fn time_given(&self) -> bool {
        self.time_given
    }

    /// Moves the time of arrival on by the least step: for a reading with neither time nor sequence number, and for a
    /// flow, whose key another has.
    pub(crate) fn step_arrival(&mut self) {
        debug_assert!(self.flow.is_some() || !self.time_given && self.sequence.is_none());
        self.time.0 += 1;
    }

    /// The device's sequence number, where it gives one.
    pub(crate) fn sequence(&self) -> Option<u64> {
        self.sequence
    }

    /// The values, sorted by metric, each metric once.
    pub(crate) fn values(&self) -> &[(String, f64)] {
        &self.values
    }

    /// What makes it unique.
    pub(crate) fn key(&self) -> Key {
        self.sequence.map_or(Key::Time(self.time), Key::Sequence)
    }
}

/// Reads a metric's value from the text of a JSON number, and refuses what would be recorded as something else.
pub(crate) fn parse_value(metric: &str, text: &str) -> Result<f64, ReadingError> {
    let refuse = |why| ReadingError::Value { metric: metric.into(), found: text.chars().take(40).collect(), why };
    // JSON's grammar guards the door: Rust would also read "inf", "NaN" and "+1".
    if !text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return Err(refuse(if text.starts_with('"') { "a text is not a number" } else { "it is not a number" }));
    }
    let value: f64 = text.parse().map_err(|_| refuse("it is not a number"))?;
    if !value.is_finite() {
        return Err(refuse("it is too large"));
    }
    if !ledger::text::is_exact(value) {
        return Err(refuse(if value == 0.0 { "negative zero" } else { "it is too small (subnormal)" }));
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    if value == 0.0 && mantissa.bytes().any(|b| matches!(b, b'1'..=b'9')) {
        return Err(refuse("it is too small"));
    }
    let (_, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let whole = exponent.trim_start_matches(['+', '-']).bytes().chain(fraction.bytes()).all(|b| b == b'0');
    if whole && value.abs() > MAX_INTEGER as f64 {
        return Err(refuse("integers above 2^53-1 are not exact"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_763_625_600_000);

    fn reading(time: i64, values: &[(&str, f64)]) -> Result<Reading, ReadingError> {
        let values = values.iter().map(|(metric, value)| ((*metric).to_owned(), *value)).collect();
        Reading::new(DeviceName::new("d")?, Some(Millis(time).into()), None, values, NOW)
    }

    #[test]
    fn refuses_impossible_times() {
        for time in [0, 1_763_625_600, 253_402_300_799_000, NOW.0 + MAX_AHEAD_MS + 1] {
            assert!(matches!(reading(time, &[("t", 1.0)]), Err(ReadingError::Time(_))), "{time}");
        }
        assert!(reading(NOW.0 + MAX_AHEAD_MS, &[("t", 1.0)]).is_ok());
        assert!(reading(NOW.0 - 10 * MAX_AHEAD_MS, &[("t", 1.0)]).is_ok());
    }

    #[test]
    fn refuses_impossible_values() {
        for (text, fine) in [
            ("21.5", true),
            ("-0.001", true),
            ("0", true),
            ("1e5", true),
            ("9007199254740991", true),
            ("9007199254740992", false),
            ("9007199254740993", false),
            ("9007199254740993.0", false),
            ("9007199254740993e0", false),
            ("9007199254740993E+00", false),
            ("1e300", true),
            ("1.5e20", true),
            ("1e400", false),
            ("1e-320", false),
            ("1e-400", false),
            ("-0", false),
            ("-0.0", false),
            ("\"21\"", false),
            ("true", false),
            ("null", false),
            ("NaN", false),
        ] {
            assert_eq!(parse_value("t", text).is_ok(), fine, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_signed_bears_no_signature() {
        let signed = |time: Option<i64>, sequence| {
            let values = vec![("t".to_owned(), 1.0)];
            let reading = Reading::new(DeviceName::new("d").unwrap(), time.map(Micros), sequence, values, NOW).unwrap();
            reading.with_signature([0; 64])
        };
        let time = Micros::from(NOW).0;
        assert!(signed(Some(time), Some(1)).is_ok());
        for (time, sequence) in [(None, Some(1)), (Some(time), None), (Some(time + 1), Some(1))] {
            assert!(matches!(signed(time, sequence), Err(ReadingError::Unsignable(_))), "{time:?} {sequence:?}");
        }
    }

    #[test]
    fn a_signature_is_the_devices_once_it_was_checked() {
        let signer = ledger::signed::DeviceSigner::new(&[7; 32]);
        let values = vec![("t".to_owned(), 21.5), ("h".to_owned(), 40.0)];
        let plain = Reading::new(DeviceName::new("d").unwrap(), Some(NOW.into()), Some(1), values, NOW).unwrap();
        let message = plain.message().unwrap();
        let text = std::str::from_utf8(&message).unwrap();
        assert!(text.contains(r#""metrics":[{"metric":"h","value":"40"},{"metric":"t","value":"21.5"}]"#), "{text}");
        let mut reading = plain.with_signature(signer.sign(&message).signature.0).unwrap();
        assert_eq!(reading.signed(), None);
        assert!(reading.check_signature(&ledger::signed::DeviceSigner::new(&[8; 32]).key()).is_err());
        assert_eq!(reading.signed(), None);
        reading.check_signature(&signer.key()).unwrap();
        assert_eq!(reading.signed().unwrap().key.0, signer.key());
    }

    #[test]
    fn refuses_empty_repeated_and_odd_metrics() {
        assert!(reading(NOW.0, &[]).is_err());
        assert!(reading(NOW.0, &[("t", 1.0), ("t", 2.0)]).is_err());
        assert!(reading(NOW.0, &[("", 1.0)]).is_err());
        assert!(reading(NOW.0, &[("a\nb", 1.0)]).is_err());
        assert!(DeviceName::new("").is_err());
        assert!(DeviceName::new(" d").is_err());
        assert!(DeviceName::new("a\u{202e}b").is_err());
        assert!(DeviceName::new(&"d".repeat(129)).is_err());
    }
}
