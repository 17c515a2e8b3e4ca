//! Says in plain words what was found. Decides nothing, and escapes nothing: whoever shows a
//! sentence escapes it for the place where it is shown. Control characters are left out.

use crate::{Kind, Reason, Value, calibrate, detector, model::MetricSpec};

/// One metric's evidence that is to be reported.
pub(crate) struct Clue<'a> {
    pub(crate) value: Value<'a>,
    pub(crate) spec: Option<&'a MetricSpec>,
    pub(crate) kind: Kind,
    pub(crate) feature: &'static str,
    /// In limits, at least 1.
    pub(crate) strength: f64,
    /// The same in nats.
    pub(crate) nats: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Clue<'_> {
    fn unit(&self) -> &str {
        self.spec.map_or("", MetricSpec::unit)
    }

    /// What was expected, inside what is plausible.
    fn range(&self) -> (f64, f64) {
        match self.spec {
            Some(spec) => (self.low.clamp(spec.low(), spec.high()), self.high.clamp(spec.low(), spec.high())),
            None => (self.low, self.high),
        }
    }
}

/// `sum` is of the strengths of all the finding's clues.
pub(crate) fn reason(clue: &Clue<'_>, sum: f64) -> Reason {
    let (expected_low, expected_high) = clue.range();
    Reason {
        metric: clue.value.metric.to_owned(),
        unit: clue.unit().to_owned(),
        value: clue.value.value,
        expected: expected_low + (expected_high - expected_low) / 2.0,
        expected_low,
        expected_high,
        feature: clue.feature,
        score: calibrate::score(clue.strength),
        probability: calibrate::probability(clue.nats),
        contribution: clue.strength / sum,
    }
}

/// One sentence that a nurse understands.
pub(crate) fn sentence(clue: &Clue<'_>) -> String {
    let (low, high) = clue.range();
    let name = title(clue.value.metric, clue.unit());
    let places = places(high - low);
    let value = with_unit(&number(clue.value.value, places), clue.unit());
    let range = format!("between {} and {}", number(low, places), with_unit(&number(high, places), clue.unit()));
    match clue.feature {
        detector::PLAUSIBLE => {
            format!("{name} is {value}; only values {range} are physically plausible.")
        }
        detector::SHIFT => {
            format!("{name} has changed lastingly, to {value}; {range} was expected at this time.")
        }
        detector::TOGETHER => {
            format!("{name} is {value}, which does not go with the other values; {range} would.")
        }
        detector::CREEP => {
            format!("{name} has crept away over days, now at {value}; {range} is what was learnt.")
        }
        detector::DRIFT => {
            format!("{name} is moving away, now at {value}; {range} was expected at this time.")
        }
        detector::VOLATILITY => {
            format!("{name} varies much more than before, now at {value}; {range} is usual.")
        }
        detector::CHANGE => {
            format!("{name} no longer stays where it was, now at {value}; {range} was expected.")
        }
        detector::STUCK => {
            format!("{name} has stayed at exactly {value} for longer than it does; it should move.")
        }
        detector::CALM => {
            format!("{name} varies much less than before, now at {value}; it usually moves {range}.")
        }
        _ if clue.kind == Kind::Contextual => {
            format!("{name} is {value}; {range} was expected at this time, though it is usual at others.")
        }
        _ => format!("{name} is {value}; {range} was expected at this time."),
    }
}

/// Suffixes that repeat the unit, as people write them in metric names.
const SUFFIXES: [&str; 9] = ["_c", "_f", "_pct", "_percent", "_db", "_hpa", "_bpm", "_ppm", "_lux"];

/// A metric's name for people: "temperature_c" becomes "Temperature".
pub(crate) fn title(metric: &str, unit: &str) -> String {
    let plain: String = metric.chars().map(|c| if c == '_' || c.is_control() { ' ' } else { c }).take(64).collect();
    // Only where the unit is shown anyway.
    let suffix = SUFFIXES.iter().find(|suffix| !unit.is_empty() && metric.ends_with(**suffix));
    let plain = suffix.map_or(plain.as_str(), |s| &plain[..plain.len().saturating_sub(s.len())]);
    match plain.trim() {
        "spo2" | "SpO2" => "Oxygen saturation".to_owned(),
        "co2" => "CO2".to_owned(),
        plain => {
            let mut letters = plain.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
        }
    }
}

pub(crate) fn with_unit(number: &str, unit: &str) -> String {
    match unit {
        "" => number.to_owned(),
        "%" => format!("{number} %"),
        unit if unit.starts_with('/') => format!("{number}{unit}"),
        unit => format!("{number} {unit}"),
    }
}

/// Decimal places that show a hundredth of the expected range, or so.
fn places(width: f64) -> usize {
    if width <= 0.0 {
        return 2;
    }
    (2.0 - libm::ceil(libm::log10(width))).clamp(0.0, 9.0) as usize
}

/// As few decimals as tell the number apart; huge and tiny numbers with a power of ten.
pub(crate) fn number(value: f64, places: usize) -> String {
    if value.abs() >= 1e9 || (value != 0.0 && value.abs() < 1e-6) {
        return format!("{value:.3e}");
    }
    let text = format!("{value:.places$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clue<'a>(metric: &'a str, spec: Option<&'a MetricSpec>) -> Clue<'a> {
        Clue {
            value: Value { metric, value: 31.2 },
            spec,
            kind: Kind::Point,
            feature: detector::JUMP,
            strength: 2.0,
            nats: 20.0,
            low: 18.4321,
            high: 22.9321,
        }
    }

    #[test]
    fn a_nurse_understands_the_sentence() {
        let spec = MetricSpec::new("temperature_c", "°C", -40.0, 85.0).unwrap();
        assert_eq!(
            sentence(&clue("temperature_c", Some(&spec))),
            "Temperature is 31.2 °C; between 18.4 and 22.9 °C was expected at this time."
        );
    }

    #[test]
    fn unknown_metrics_do_without_a_unit() {
        assert_eq!(
            sentence(&clue("Flow_rate", None)),
            "Flow rate is 31.2; between 18.4 and 22.9 was expected at this time."
        );
        // Whatever a name contains, making the sentence does not panic.
        for name in ["_c", "é_pct", "\u{0}\n", "🌡_c", "____"] {
            let spec = MetricSpec::new(name, "%", 0.0, 100.0).unwrap();
            assert!(!sentence(&clue(name, Some(&spec))).contains(char::is_control));
        }
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(number(20.0, 1), "20");
        assert_eq!(number(-0.001, 2), "0");
        assert_eq!(number(1013.25, 1), "1013.2");
        assert_eq!(number(3e12, 1), "3.000e12");
    }
}
