//! A column of times in whatever form people keep them. Reads text; knows no clock and no time zone database.

use jiff::civil;

/// The years 1 to 9999 in milliseconds since 1970: differences of two of them never overflow.
const EARLIEST_MS: f64 = -62_135_596_800_000.0;
const LATEST_MS: f64 = 253_402_300_799_999.0;

/// How large a number is says in which unit it counts from 1970: seconds reach 1e11 in the year 5138, milliseconds
/// passed it in March 1973.
const FIRST_EPOCH_MILLISECOND: f64 = 1e11;
const FIRST_EPOCH_MICROSECOND: f64 = 1e14;
const FIRST_EPOCH_NANOSECOND: f64 = 1e17;

/// What a file's dates with slashes mean: `3/4/2020` is in March or in April.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SlashOrder {
    MonthFirst,
    DayFirst,
}

/// How the times of one file are read. Decided by its first rows and then kept, so that a unit never changes halfway.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TimeFormat {
    /// Milliseconds in one unit of a number.
    unit_ms: f64,
    slashes: SlashOrder,
}

impl TimeFormat {
    /// Decides by the first times of a file.
    pub(crate) fn of<'a>(first: impl Iterator<Item = &'a str> + Clone) -> Self {
        let numbers = first.clone().filter_map(|text| text.trim().parse::<f64>().ok());
        let largest = numbers.filter(|number| number.is_finite()).fold(0.0, |most: f64, number| most.max(number.abs()));
        let day_first = first.filter_map(slashed).any(|parts| parts[0] > 12);
        Self {
            unit_ms: unit_ms(largest),
            slashes: if day_first { SlashOrder::DayFirst } else { SlashOrder::MonthFirst },
        }
    }

    /// Milliseconds since 1970 UTC; a time without zone is taken as UTC. `None` if the text is no time.
    pub(crate) fn parse(&self, text: &str) -> Option<i64> {
        let text = text.trim();
        let ms = match text.parse::<f64>() {
            Ok(number) => compact(text).unwrap_or(number * self.unit_ms),
            Err(_) => written(text, self.slashes)?,
        };
        ms.is_finite().then(|| ms.clamp(EARLIEST_MS, LATEST_MS).floor() as i64)
    }
}

fn unit_ms(largest: f64) -> f64 {
    if largest < FIRST_EPOCH_MILLISECOND {
        // Row numbers as well: the detector measures time by the usual distance between rows.
        1e3
    } else if largest < FIRST_EPOCH_MICROSECOND {
        1.0
    } else if largest < FIRST_EPOCH_NANOSECOND {
        1e-3
    } else {
        1e-6
    }
}

/// `20200301` and `20200301101433`: digits alone that are a date of 1900 to 2100 rather than a number.
fn compact(text: &str) -> Option<f64> {
    if !matches!(text.len(), 8 | 14) || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| text.get(from..to).map_or(Some(0), |digits| digits.parse::<i32>().ok());
    let year = part(0, 4).filter(|year| (1900..=2100).contains(year))?;
    let time = [part(8, 10)?, part(10, 12)?, part(12, 14)?];
    civil_ms([year, part(4, 6)?, part(6, 8)?], time, 0.0)
}

/// A written date, perhaps with a time of day, a fraction of a second, and a zone.
fn written(text: &str, slashes: SlashOrder) -> Option<f64> {
    let end = text.find(['T', 't', ' ']).unwrap_or(text.len());
    let date = date(&text[..end], slashes)?;
    let rest = text[end..].trim_start_matches(['T', 't', ' ']);
    let (clock, offset_minutes) = split_zone(rest)?;
    let (time, fraction) = clock_time(clock)?;
    civil_ms(date, time, fraction).map(|ms| ms - f64::from(offset_minutes) * 60_000.0)
}

/// `2020-03-01`, `2020/3/1`, `2020.03.01`, `1.3.2020`, `3/1/2020`: year, month, day.
fn date(text: &str, slashes: SlashOrder) -> Option<[i32; 3]> {
    let parts: Vec<&str> = text.split(['-', '/', '.']).collect();
    let [first, second, third] = parts.as_slice() else { return None };
    let number = |part: &str| part.parse::<i32>().ok().filter(|_| part.bytes().all(|b| b.is_ascii_digit()));
    let (a, b, c) = (number(first)?, number(second)?, number(third)?);
    if first.len() == 4 {
        return Some([a, b, c]);
    }
    if third.len() != 4 {
        return None;
    }
    Some(if text.contains('.') || slashes == SlashOrder::DayFirst { [c, b, a] } else { [c, a, b] })
}

/// The parts of a date such as `13/4/2020`.
fn slashed(text: &str) -> Option<[i32; 3]> {
    let date = text.trim().split([' ', 'T']).next()?;
    let parts: Vec<i32> = date.split('/').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    <[i32; 3]>::try_from(parts).ok()
}

/// Splits `17:51:00+01:00` into the time and the offset from UTC in minutes.
fn split_zone(text: &str) -> Option<(&str, i32)> {
    for utc in ["Z", "z", "UTC", "GMT"] {
        if let Some(clock) = text.strip_suffix(utc) {
            return Some((clock.trim_end(), 0));
        }
    }
    let Some(at) = text.rfind(['+', '-']) else { return Some((text, 0)) };
    let sign = if text[at..].starts_with('-') { -1 } else { 1 };
    let digits: String = text[at + 1..].chars().filter(|c| *c != ':').collect();
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let hours: i32 = digits[..2].parse().ok()?;
    let minutes: i32 = digits.get(2..4).map_or(Ok(0), str::parse).ok()?;
    (hours <= 23 && minutes <= 59).then(|| (text[..at].trim_end(), sign * (60 * hours + minutes)))
}

/// `17:51`, `17:51:00`, `17:51:00.25`, or nothing for midnight.
fn clock_time(text: &str) -> Option<([i32; 3], f64)> {
    if text.is_empty() {
        return Some(([0; 3], 0.0));
    }
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let mut time = [0; 3];
    let parts: Vec<&str> = whole.split(':').collect();
    if !(2..=3).contains(&parts.len()) || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    for (number, part) in time.iter_mut().zip(&parts) {
        *number = part.parse().ok().filter(|_| part.bytes().all(|b| b.is_ascii_digit()))?;
    }
    let fraction = if fraction.is_empty() { 0.0 } else { format!("0.{fraction}").parse().ok()? };
    Some((time, fraction))
}

fn civil_ms([year, month, day]: [i32; 3], [hour, minute, second]: [i32; 3], fraction: f64) -> Option<f64> {
    let small = |number: i32| i8::try_from(number).ok();
    // 24:00 is the next day's 00:00, and a leap second is the second after it: both are written, neither is civil.
    let (hour, late) = if hour == 24 { (0, 86_400_000.0) } else { (hour, 0.0) };
    let (second, leap) = if second == 60 { (59, 1000.0) } else { (second, 0.0) };
    let date = civil::Date::new(i16::try_from(year).ok()?, small(month)?, small(day)?).ok()?;
    let time = civil::Time::new(small(hour)?, small(minute)?, small(second)?, 0).ok()?;
    let since = date.to_datetime(time).duration_since(civil::date(1970, 1, 1).to_datetime(civil::Time::midnight()));
    Some(since.as_secs() as f64 * 1000.0 + late + leap + 1000.0 * fraction)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn ms(text: &str) -> Option<i64> {
        TimeFormat::of([text].into_iter()).parse(text)
    }

    #[test]
    fn every_usual_spelling_is_the_same_moment() {
        let expected = Some(1_425_491_460_000);
        for text in [
            "2015-03-04T17:51:00Z",
            "2015-03-04T17:51:00+00:00",
            "2015-03-04T18:51:00+01:00",
            "2015-03-04 12:51:00-0500",
            "2015-03-04 12:51:00 -05",
            "2015-03-04 17:51:00",
            "2015-03-04 17:51",
            "2015/03/04 17:51:00",
            "2015/3/4 17:51",
            "2015.03.04 17:51",
            "4.3.2015 17:51:00",
            "3/4/2015 17:51",
            "2015-03-04 17:51:00 UTC",
            " 2015-03-04T17:51:00.000Z ",
            "2015-03-04T17:51:00.000000000Z",
            "1425491460",
            "1425491460.0",
            "1425491460000",
            "1425491460000000",
            "1425491460000000000",
            "20150304175100",
        ] {
            assert_eq!(ms(text), expected, "{text}");
        }
        assert_eq!(ms("2015-03-04"), Some(1_425_427_200_000));
        assert_eq!(ms("20150304"), Some(1_425_427_200_000));
        assert_eq!(ms("1425491460.25"), Some(1_425_491_460_250));
        assert_eq!(ms("2015-03-04T17:51:00.25"), Some(1_425_491_460_250));
        assert_eq!(ms("2015-12-31 24:00:00"), ms("2016-01-01"));
        assert_eq!(ms("2016-12-31T23:59:60Z"), ms("2017-01-01"));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "noon", "2015-13-01", "2015-02-30", "2015-03-04 25:00", "2015-03-04 1", "nan", "inf", "1e400"]
        {
            assert_eq!(ms(text), None, "{text}");
        }
    }

    #[test]
    fn a_file_keeps_its_unit_and_its_order() {
        let rows = TimeFormat::of(["0", "1", "2"].into_iter());
        assert_eq!(
            (rows.parse("1"), rows.parse("2000000000000")),
            (Some(1000), Some(2_000_000_000_000_000.0_f64.min(LATEST_MS) as i64))
        );
        let late = TimeFormat::of(["1425491460000"].into_iter());
        assert_eq!(late.parse("0"), Some(0));
        let days = TimeFormat::of(["03/04/2015", "13/04/2015"].into_iter());
        assert_eq!(days.parse("03/04/2015"), ms("2015-04-03"));
    }

    #[test]
    fn no_time_overflows_a_difference() {
        for text in ["1e300", "-1e300", "9999-12-31T23:59:59Z", "0001-01-01"] {
            let at = ms(text).unwrap();
            assert!((EARLIEST_MS as i64..=LATEST_MS as i64).contains(&at), "{text}");
        }
    }
}
