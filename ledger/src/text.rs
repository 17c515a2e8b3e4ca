//! The texts that entries and payloads are made of: times, decimals, identifiers (docs/spec/entry.md).

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// Why a text is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found:?}")]
pub struct TextError {
    expected: &'static str,
    found: String,
}

fn refuse(expected: &'static str, found: &str) -> TextError {
    TextError { expected, found: found.chars().take(80).collect() }
}

/// Gives a checked text its constructor and the traits that lead through it.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, TextError> {
                if $check(text) { Ok(Self(text.to_owned())) } else { Err(refuse($expected, text)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = TextError;

            fn try_from(text: String) -> Result<Self, TextError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> String {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked_text!(
    /// A time: `YYYY-MM-DDThh:mm:ss.mmmZ`, UTC, years 1970 to 9999.
    Time,
    "a time as YYYY-MM-DDThh:mm:ss.mmmZ",
    is_time
);

checked_text!(
    /// A decimal: the shortest text of a finite, normal double (RFC 8785, section 3.2.2.3).
    Decimal,
    "a decimal in its shortest form",
    is_decimal
);

checked_text!(
    /// A UUID in version 7, lower case.
    Id,
    "a UUID in version 7, lower case",
    is_uuid_v7
);

checked_text!(
    /// A device's pseudonym: 32 lower-case hexadecimal digits.
    Pseudonym,
    "32 lower-case hexadecimal digits",
    is_pseudonym
);

checked_text!(
    /// One end of a network flow: an IP address as RFC 5952 writes it, with or without a port (`10.0.0.7:443`,
    /// `[2001:db8::1]:443`).
    Endpoint,
    "an IP address, or an address and a port, as RFC 5952 writes it",
    is_endpoint
);

impl Time {
    /// The time this many seconds after 1970; `None` after the year 9999.
    pub fn of_second(seconds: u64) -> Option<Self> {
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        if seconds > 253_402_300_799 {
            return None;
        }
        // Days in years that begin in March, so that the leap day comes last (the algorithm that C++20 calendars use).
        let days = days + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        Some(Self(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z")))
    }
}

impl Decimal {
    /// The decimal of a double.
    ///
    /// # Errors
    /// NaN, infinities, negative zero and subnormal numbers are refused.
    pub fn new(value: f64) -> Result<Self, TextError> {
        if is_exact(value) {
            return Ok(Self(ryu_js::Buffer::new().format_finite(value).to_owned()));
        }
        Err(refuse("a finite, normal number other than negative zero", &value.to_string()))
    }
}

/// Whether a double is one that this project records: finite, not subnormal, not negative zero.
pub fn is_exact(value: f64) -> bool {
    value.is_normal() || (value == 0.0 && value.is_sign_positive())
}

fn is_decimal(text: &str) -> bool {
    text.parse().is_ok_and(|value: f64| is_exact(value) && ryu_js::Buffer::new().format_finite(value) == text)
}

fn is_endpoint(text: &str) -> bool {
    let address = text.parse().is_ok_and(|address: IpAddr| address.to_string() == text);
    address || text.parse().is_ok_and(|address: SocketAddr| address.to_string() == text)
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn is_pseudonym(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(is_hex)
}

fn is_uuid_v7(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, byte)| match i {
            8 | 13 | 18 | 23 => byte == b'-',
            14 => byte == b'7',
            19 => matches!(byte, b'8' | b'9' | b'a' | b'b'),
            _ => is_hex(byte),
        })
}

fn is_time(text: &str) -> bool {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00.000Z";
    let shaped = text.len() == SHAPE.len()
        && text.bytes().zip(SHAPE).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            _ => byte == *shape,
        });
    if !shaped {
        return false;
    }
    // The shape holds, so every part is digits.
    let part = |range| text.get(range).and_then(|digits: &str| digits.parse().ok()).unwrap_or(u32::MAX);
    let (year, month, day) = (part(0..4), part(5..7), part(8..10));
    let (hour, minute, second) = (part(11..13), part(14..16), part(17..19));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    year >= 1970 && (1..=days).contains(&day) && hour < 24 && minute < 60 && second < 60
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for good in ["2026-11-20T08:03:45.123Z", "1970-01-01T00:00:00.000Z", "2024-02-29T23:59:59.999Z"] {
            assert!(good.parse::<Time>().is_ok(), "{good}");
        }
        for bad in [
            "2026-11-20T08:03:45Z",
            "2026-11-20 08:03:45.123Z",
            "2026-02-29T00:00:00.000Z",
            "2026-13-01T00:00:00.000Z",
            "2026-01-01T24:00:00.000Z",
            "2026-01-01T00:00:60.000Z",
            "1969-12-31T23:59:59.999Z",
            "2026-01-01T00:00:00.000z",
            "2026-01-01T00:00:00.00éZ",
        ] {
            assert!(bad.parse::<Time>().is_err(), "{bad}");
        }
    }

    #[test]
    fn seconds_are_times() {
        for (seconds, time) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_795_132_800, "2026-11-20T00:00:00.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799, "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(Time::of_second(seconds), time.parse().ok(), "{seconds}");
        }
        assert_eq!(Time::of_second(253_402_300_800), None);
        assert_eq!(Time::of_second(u64::MAX), None);
    }

    #[test]
    fn endpoints() {
        for good in ["10.0.0.7", "10.0.0.7:443", "2001:db8::1", "[2001:db8::1]:443"] {
            assert!(good.parse::<Endpoint>().is_ok(), "{good}");
        }
        for bad in
            ["", "mri-1", "10.0.0.07", "10.0.0.7:0443", "2001:DB8::1", "2001:db8:0:0::1", "[2001:db8::1]", "10.0.0.0/8"]
        {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }

    #[test]
    fn decimals() {
        assert_eq!(Decimal::new(21.5).unwrap().as_str(), "21.5");
        assert_eq!(Decimal::new(1e21).unwrap().as_str(), "1e+21");
        assert_eq!(Decimal::new(0.0).unwrap().as_str(), "0");
        for bad in [f64::NAN, f64::INFINITY, -0.0, 1e-320] {
            assert!(Decimal::new(bad).is_err(), "{bad}");
        }
        for bad in ["21.50", "1e21", "NaN", "inf", "-0", "+1", "", ".5", " 1"] {
            assert!(bad.parse::<Decimal>().is_err(), "{bad}");
        }
    }
}
