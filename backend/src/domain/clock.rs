//! Time as an argument: milliseconds since 1970, and where they come from.

use std::fmt;

use jiff::Timestamp;
use ledger::text::Time;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Millis(pub(crate) i64);

/// The last millisecond that the format of times can write: the end of the year 9999.
const LAST: i64 = 253_402_300_799_999;

/// Microseconds since 1970-01-01T00:00:00Z: as fine as devices' clocks are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Micros(pub(crate) i64);

/// Why a text is no time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TimeError {
    /// Not written as a time.
    #[error("expected a time as in RFC 3339, such as 2026-11-20T08:00:00Z, found {0:?}")]
    Shape(String),
    /// Written as a time that does not exist, or that no clock will show.
    #[error("expected a time that exists, in the years 1970 to 9998, found {0:?}")]
    Range(String),
}

impl Micros {
    /// Reads RFC 3339 with an offset, or without one (`2015-02-04 17:51:00`, then taken as UTC).
    pub(crate) fn parse(text: &str) -> Result<Self, TimeError> {
        let shown = || text.chars().take(64).collect();
        let offset = has_shape(text).ok_or_else(|| TimeError::Shape(shown()))?;
        let timestamp = if offset {
            text.parse::<Timestamp>().ok()
        } else {
            let civil = text.parse::<jiff::civil::DateTime>().ok();
            civil.and_then(|civil| civil.to_zoned(jiff::tz::TimeZone::UTC).ok()).map(|zoned| zoned.timestamp())
        };
        timestamp.map(|timestamp| Self(timestamp.as_microsecond())).ok_or_else(|| TimeError::Range(shown()))
    }

    /// The time, cut to milliseconds.
    pub(crate) fn millis(self) -> Millis {
        Millis(self.0.div_euclid(1_000))
    }
}

/// RFC 3339 in UTC, with as many digits as the time has.
impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_microsecond(self.0) {
            Ok(timestamp) => write!(f, "{timestamp}"),
            Err(_) => write!(f, "{} µs after 1970", self.0),
        }
    }
}

impl From<Millis> for Micros {
    fn from(time: Millis) -> Self {
        Self(time.0.saturating_mul(1_000))
    }
}

/// Whether a text has the shape of RFC 3339, and then whether it ends with an offset. The library reads more.
fn has_shape(text: &str) -> Option<bool> {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let rest = shape.strip_prefix("0000-00-00")?.strip_prefix(['T', 't', ' '])?.strip_prefix("00:00:00")?;
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => fraction.strip_prefix('0')?.trim_start_matches('0'),
        None => rest,
    };
    match rest {
        "" => Some(false),
        "Z" | "z" => Some(true),
        _ => (rest.strip_prefix(['+', '-'])? == "00:00" && &text[text.len() - 5..] < "24:00").then_some(true),
    }
}

impl Millis {
    /// Reads a time as [`Micros::parse`] does.
    pub(crate) fn parse(text: &str) -> Result<Self, TimeError> {
        Micros::parse(text).map(Micros::millis)
    }

    /// The text of this time in entries and payloads. Times outside 1970 to 9999 are brought to the nearest end.
    pub(crate) fn to_time(self) -> Time {
        let clamped = self.0.clamp(0, LAST);
        let timestamp = Timestamp::from_millisecond(clamped).unwrap_or(Timestamp::UNIX_EPOCH);
        format!("{timestamp:.3}")
            .parse()
            .unwrap_or_else(|_| "1970-01-01T00:00:00.000Z".parse().expect("a constant in the format"))
    }

    /// Milliseconds from an earlier time to this one; negative if it is later.
    pub(crate) fn since(self, earlier: Millis) -> i64 {
        self.0 - earlier.0
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => write!(f, "{timestamp:.3}"),
            Err(_) => write!(f, "{} ms after 1970", self.0),
        }
    }
}

/// Something that knows the time.
pub(crate) trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Millis;
}

/// The machine's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        Millis(Timestamp::now().as_millisecond())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_devices_write() {
        let expected = Millis(1_423_072_260_000);
        for text in ["2015-02-04T17:51:00Z", "2015-02-04T18:51:00+01:00", "2015-02-04 17:51:00", "2015-02-04T17:51:00"]
        {
            assert_eq!(Millis::parse(text).unwrap(), expected, "{text}");
        }
        for text in [
            "",
            "1423072260",
            "yesterday",
            "2015-02-04",
            "20150204T175100Z",
            "2015-02-04T17:51:00+25:00",
            "2015-02-04T17:51:00+01:00[Europe/Berlin]",
            "2015-02-04T17:51:00.Z",
        ] {
            assert!(matches!(Millis::parse(text), Err(TimeError::Shape(_))), "{text}");
        }
        for text in ["2015-02-30T00:00:00Z", "9999-12-31T23:59:59Z", "2015-02-04T25:00:00Z"] {
            assert!(matches!(Millis::parse(text), Err(TimeError::Range(_))), "{text}");
        }
        assert_eq!(Micros::parse("2015-02-04T17:51:00.123456Z").unwrap(), Micros(expected.0 * 1_000 + 123_456));
        assert_eq!(Millis(i64::MAX).to_string(), "9223372036854775807 ms after 1970");
        assert_eq!(expected.to_time().as_str(), "2015-02-04T17:51:00.000Z");
    }
}
