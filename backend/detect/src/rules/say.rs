//! Says what a rule saw. Decides nothing.

use super::{Condition, Lasting, Per, WHOLE_DEVICE, watch::Seen};
use crate::{
    Reason, Severity,
    explain::{number, title, with_unit},
};

/// Severity, reason and sentence of what a rule saw; `over` if data has come again.
pub(super) fn alarm(seen: &Seen, metric: &str, unit: &str, over: bool) -> (Severity, Reason, String) {
    let condition = seen.terms.condition;
    let (expected_low, expected_high) = match condition {
        // A limit on one side: both ends are the limit, the other side is open.
        Condition::Above(limit) | Condition::Below(limit) => (limit, limit),
        Condition::Outside { low, high } => (low, high),
        Condition::RateOfChange { limit, per } => {
            let most = limit * f64::from(seen.millis) / per.millis();
            (bounded(seen.before - most), bounded(seen.before + most))
        }
        Condition::NoData { seconds } => (0.0, seconds),
    };
    let silent = matches!(condition, Condition::NoData { .. });
    let reason = Reason {
        metric: metric.to_owned(),
        unit: if silent { "s" } else { unit }.to_owned(),
        value: seen.value,
        expected: expected_low / 2.0 + expected_high / 2.0,
        expected_low,
        expected_high,
        feature: condition.name(),
        score: score(seen.severity),
        // Not a matter of chance: people have said that this is not in order.
        probability: 0.0,
        contribution: score(seen.severity),
    };
    (seen.severity, reason, sentence(seen, metric, unit, over))
}

/// What people call more severe ranks higher, and all of it above the threshold of 0.5.
fn score(severity: Severity) -> f64 {
    match severity {
        Severity::Info => 0.6,
        Severity::Warning => 0.75,
        Severity::Critical => 0.9,
    }
}

fn bounded(value: f64) -> f64 {
    value.clamp(f64::MIN, f64::MAX)
}

fn sentence(seen: &Seen, metric: &str, unit: &str, over: bool) -> String {
    let name = if metric == WHOLE_DEVICE { "The device".to_owned() } else { title(metric, unit) };
    let (limit, near) = match seen.terms.condition {
        Condition::Above(limit) => (format!("above {}", with_unit(&exact(limit), unit)), limit),
        Condition::Below(limit) => (format!("below {}", with_unit(&exact(limit), unit)), limit),
        Condition::Outside { low, high } => {
            let near = if seen.value < low { low } else { high };
            (format!("outside {} to {}", exact(low), with_unit(&exact(high), unit)), near)
        }
        Condition::RateOfChange { limit, per } => return rate_sentence(seen, &name, unit, limit, per),
        Condition::NoData { seconds } => {
            let (silent, asked) = (duration(seen.value), duration(seconds));
            return match over {
                true => {
                    format!("{name} had sent no data for {silent} before this reading; at most {asked} is in order.")
                }
                false => format!("{name} has sent no data for {silent}; at most {asked} is in order."),
            };
        }
    };
    let value = with_unit(&distinct(seen.value, near), unit);
    match seen.terms.lasting {
        Lasting::Times { of, .. } if of > 1 => {
            format!("{name} was {limit} in {} of the last {of} readings; it is {value}.", seen.hits)
        }
        _ if seen.millis > 0 => {
            let held = duration(f64::from(seen.millis) / 1000.0);
            format!("{name} has been {limit} for {held}; it is {value}.")
        }
        _ => format!("{name} is {value}; {limit} is not in order."),
    }
}

fn rate_sentence(seen: &Seen, name: &str, unit: &str, limit: f64, per: Per) -> String {
    let change = seen.value - seen.before;
    let rate = bounded(change.abs() / f64::from(seen.millis.max(1)) * per.millis());
    let verb = if change < 0.0 { "falling" } else { "rising" };
    let time = match per {
        Per::Second => "second",
        Per::Minute => "minute",
        Per::Hour => "hour",
    };
    let (rate, limit) = (with_unit(&distinct(rate, limit), unit), with_unit(&exact(limit), unit));
    let value = with_unit(&shown(seen.value), unit);
    format!("{name} is {verb} by {rate} per {time}, faster than {limit}; it is {value}.")
}

/// A limit as people wrote it.
fn exact(limit: f64) -> String {
    if limit != 0.0 && !(1e-6..1e9).contains(&limit.abs()) { format!("{limit:e}") } else { limit.to_string() }
}

/// A measured number with up to two decimals.
fn shown(value: f64) -> String {
    number(value, 2)
}

/// A measured number with as many decimals as tell it from the limit it passed: 89.996 must not
/// read as 90.
fn distinct(value: f64, limit: f64) -> String {
    let texts = (1..=9).map(|places| number(value, places));
    let limit = exact(limit);
    texts.into_iter().find(|text| *text != limit).unwrap_or_else(|| exact(value))
}

/// A time in the unit in which people would say it, rounded down.
fn duration(seconds: f64) -> String {
    let whole = seconds as u64;
    match whole {
        0..=9 => format!("{} s", number(seconds, 1)),
        10..=119 => format!("{whole} s"),
        120..=7199 => format!("{} min", whole / 60),
        7200..=172_799 => match whole / 60 % 60 {
            0 => format!("{} h", whole / 3600),
            minutes => format!("{} h {minutes} min", whole / 3600),
        },
        _ => format!("{} days", whole / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        let cases = [(0.5, "0.5 s"), (30.0, "30 s"), (119.9, "119 s"), (600.0, "10 min"), (7200.0, "2 h")];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds), text);
        }
        assert_eq!(duration(9000.0), "2 h 30 min");
        assert_eq!(duration(200_000.0), "2 days");
    }

    #[test]
    fn a_value_just_beyond_a_limit_reads_as_beyond() {
        assert_eq!(distinct(89.996, 90.0), "89.996");
        assert_eq!(distinct(84.0, 90.0), "84");
        assert_eq!(distinct(0.31, 0.3), "0.31");
        assert_eq!(exact(0.1), "0.1");
        assert_eq!(exact(-1e300), "-1e300");
    }
}
