//! Numbers, hashes and entries as text for people. Pure.

use ledger::entry::Entry;

/// The ends of a long value, for where the whole would drown the page.
pub(crate) fn short(value: &str) -> String {
    let prefix = if value.starts_with("0x") { 8 } else { 6 };
    match (value.get(..prefix), value.get(value.len().saturating_sub(4)..)) {
        (Some(head), Some(tail)) if value.len() > prefix + 8 => format!("{head}…{tail}"),
        _ => value.to_owned(),
    }
}

/// An integer with its thousands set apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// A length of time, in one unit.
pub(crate) fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A score from 0 to 1.
pub(crate) fn score(score: f64) -> String {
    format!("{score:.3}")
}

/// A measured value: four decimals at most, no trailing zeros.
pub(crate) fn value(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() || text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A value beside a range of this width: as many decimals as show a hundredth of the width, or so.
pub(crate) fn within(value: f64, width: f64) -> String {
    let places = if width > 0.0 { (2.0 - width.log10().ceil()).clamp(0.0, 9.0) as usize } else { 4 };
    let text = format!("{value:.places$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A number with its unit, as in the detector's sentences; no line breaks between them.
pub(crate) fn with_unit(number: &str, unit: &str) -> String {
    match unit {
        "" => number.to_owned(),
        unit if unit.starts_with('/') => format!("{number}{unit}"),
        unit => format!("{number}\u{a0}{unit}"),
    }
}

/// A probability as odds, in two digits: "1 in 350,000 readings".
pub(crate) fn odds(probability: f64) -> String {
    let often = 1.0 / probability;
    if !(0.0..=1.0).contains(&probability) {
        return "–".to_owned();
    }
    if often >= 1e9 {
        return "less than 1 in a billion readings".to_owned();
    }
    if often < 1.5 {
        return "any reading".to_owned();
    }
    // Two digits: the estimate of a tail is not better than that.
    let step = 10_f64.powi((often.log10().floor() as i32 - 1).max(0));
    format!("1 in {} readings", grouped(((often / step).round() * step) as u64))
}

/// A share from 0 to 1, in percent.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 1.0 { "< 1 %".to_owned() } else { format!("{percent:.0} %") }
}

/// What an entry says, in one sentence without its end.
pub(crate) fn sentence(entry: &Entry) -> String {
    match entry {
        Entry::Anomaly(_) => "A finding".to_owned(),
        Entry::Audit(audit) => format!("Audit log: {} more", counted(audit.records, "record", "records")),
        Entry::Beacon(beacon) => format!("Beacon: block {} of the chain", grouped(beacon.block)),
        Entry::Heartbeat(heartbeat) => format!(
            "Heartbeat: {}, {} of {}",
            counted(heartbeat.readings, "reading", "readings"),
            counted(heartbeat.anomalies, "anomaly", "anomalies"),
            counted(heartbeat.devices, "device", "devices"),
        ),
        Entry::Key(_) => "Another key signs the log from here on".to_owned(),
        Entry::Model(model) => format!("Model for {} came into use", model.name),
    }
}

/// A text that begins as a sentence does.
pub(crate) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    first + chars.as_str()
}

/// A stored name in words: `not_seen` is "not seen".
pub(crate) fn words(name: &str) -> String {
    name.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_shortened_at_both_ends() {
        assert_eq!(short("0x5fbdb2315678afecb367f032d93f642f64180aa3"), "0x5fbdb2…0aa3");
        assert_eq!(short("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), "e3b0c4…b855");
        assert_eq!(short("0x1234"), "0x1234");
        assert_eq!(short(""), "");
        assert_eq!(short("ééééééééééééééééééé"), "ééé…éé");
    }

    #[test]
    fn a_range_shows_no_more_digits_than_its_width_is_worth() {
        let cases = [(90.293_08, 3.4, "90.3"), (39.382_9, 0.75, "39.38"), (1200.0, 4000.0, "1200"), (0.0, 0.0, "0")];
        for (value, width, expected) in cases {
            assert_eq!(within(value, width), expected, "{value} within {width}");
        }
        assert_eq!(within(-0.001, 3.0), "0");
        assert_eq!(with_unit("14", "/min"), "14/min");
        assert_eq!(with_unit("14", "bpm"), "14\u{a0}bpm");
        assert_eq!(with_unit("14", ""), "14");
    }

    #[test]
    fn probabilities_are_told_as_odds() {
        let cases = [
            (1.0, "any reading"),
            (0.5, "1 in 2 readings"),
            (0.01, "1 in 100 readings"),
            (0.002_86, "1 in 350 readings"),
            (2.86e-6, "1 in 350,000 readings"),
            (1e-12, "less than 1 in a billion readings"),
            (0.0, "less than 1 in a billion readings"),
            (f64::NAN, "–"),
        ];
        for (probability, text) in cases {
            assert_eq!(odds(probability), text, "{probability}");
        }
        assert_eq!([percent(1.0), percent(0.256), percent(0.001), percent(0.0)], ["100 %", "26 %", "< 1 %", "0 %"]);
    }

    #[test]
    fn numbers_read_easily() {
        assert_eq!([grouped(0), grouped(999), grouped(1000), grouped(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(counted(1, "block", "blocks"), "1 block");
        assert_eq!([duration(0.4), duration(119.0), duration(600.0)], ["0 s", "119 s", "10 min"]);
        assert_eq!([duration(7_200.0), duration(200_000.0)], ["2 h", "2 days"]);
        assert_eq!([value(21.50), value(-0.00001), value(100.0), value(0.12345)], ["21.5", "0", "100", "0.1235"]);
    }
}
