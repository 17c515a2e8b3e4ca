//! Time as an argument: milliseconds since 1970, and where they come from.

use std::fmt;

use jiff::Timestamp;
use ledger::text::Time;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Millis(pub(crate) i64);

/// The last millisecond that the format of times can write: the end of the year 9999.
const LAST: i64 = 253_402_300_799_999;

/// Why a text is no time.
#[derive(Debug, thiserror::Error)]
#[error("expected a time as in RFC 3339, such as 2026-11-20T08:00:00Z, found {0:?}")]
pub(crate) struct TimeError(String);

impl Millis {
    /// Reads RFC 3339 with an offset, or without one (`2015-02-04 17:51:00`, then taken as UTC).
    pub(crate) fn parse(text: &str) -> Result<Self, TimeError> {
        let error = || TimeError(text.chars().take(64).collect());
        let with_offset = text.parse::<Timestamp>().ok();
        let naive = || {
            let civil: jiff::civil::DateTime = text.parse().ok()?;
            civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
        };
        let timestamp = with_offset.or_else(naive).ok_or_else(error)?;
        Ok(Self(timestamp.as_millisecond()))
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
        f.write_str(self.to_time().as_str())
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
        for text in ["", "1423072260", "yesterday", "2015-02-30T00:00:00Z"] {
            assert!(Millis::parse(text).is_err(), "{text}");
        }
        assert_eq!(expected.to_time().as_str(), "2015-02-04T17:51:00.000Z");
    }
}
