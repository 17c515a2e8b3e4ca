//! The one table that a run ends with, as Markdown.

use std::fmt::Write;

/// One line: a figure beside what it is to be compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The data set.
    pub set: String,
    /// What is measured, with its unit.
    pub measure: String,
    /// Our figure; `None` where it is not defined.
    pub ours: Option<f64>,
    /// Its 95 % bootstrap interval.
    pub interval: Option<(f64, f64)>,
    /// Who else, and their figure.
    pub reference: Option<(String, f64)>,
    /// What else there is to know.
    pub beside: String,
}

impl Line {
    /// A line without interval and reference.
    pub fn new(set: &str, measure: impl Into<String>, ours: f64) -> Self {
        let ours = ours.is_finite().then_some(ours);
        Self {
            set: set.to_owned(),
            measure: measure.into(),
            ours,
            interval: None,
            reference: None,
            beside: String::new(),
        }
    }

    /// With an interval.
    #[must_use]
    pub fn within(mut self, interval: Option<(f64, f64)>) -> Self {
        self.interval = interval;
        self
    }

    /// With a reference.
    #[must_use]
    pub fn against(mut self, who: impl Into<String>, figure: f64) -> Self {
        self.reference = Some((who.into(), figure));
        self
    }

    /// With what else there is to know.
    #[must_use]
    pub fn beside(mut self, text: impl Into<String>) -> Self {
        self.beside = text.into();
        self
    }

    /// Our figure over the reference's; says nothing of what is below zero.
    fn ratio(&self) -> Option<f64> {
        let (ours, (_, theirs)) = (self.ours?, self.reference.as_ref()?);
        (ours >= 0.0 && *theirs > 0.0).then(|| ours / theirs)
    }
}

/// The lines as a table.
pub fn render(lines: &[Line]) -> String {
    let mut text = String::from(
        "| data | measure | ours | 95 % | reference | ratio | beside |\n|---|---|---:|---|---|---:|---|\n",
    );
    for line in lines {
        let ours = line.ours.map_or_else(|| "–".to_owned(), number);
        let interval =
            line.interval.map_or_else(String::new, |(low, high)| format!("{} … {}", number(low), number(high)));
        let reference =
            line.reference.as_ref().map_or_else(String::new, |(who, figure)| format!("{who} {}", number(*figure)));
        let ratio = line.ratio().map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {ours} | {interval} | {reference} | {ratio} | {} |",
            line.set, line.measure, line.beside
        );
    }
    text
}

/// Four digits that count, thousands apart.
fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 1000.0 {
        let digits = format!("{size:.0}");
        let mut grouped = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        return format!("{}{grouped}", if value < 0.0 { "−" } else { "" });
    }
    let decimals = match size {
        0.0 | 1.5..100.0 => 2,
        100.0.. => 1,
        // What is nearly one differs in what is left.
        0.995..1.0 => 5,
        _ => 3,
    };
    format!("{value:.decimals$}").replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_known() {
        let full = Line::new("NAB", "score", 74.0).within(Some((60.0, 80.5))).against("HTM", 73.56);
        assert!(render(&[full]).ends_with("| NAB | score | 74.00 | 60.00 … 80.50 | HTM 73.56 | 1.01 |  |\n"));
        assert!(render(&[Line::new("X", "y", f64::NAN)]).ends_with("| X | y | – |  |  |  |  |\n"));
    }

    #[test]
    fn numbers_are_as_long_as_they_need_to_be() {
        assert_eq!(
            [1_234_567.8, 0.9512, 12.345, -3.0, 123.45, 0.99971].map(number),
            ["1,234,568", "0.951", "12.35", "−3.00", "123.5", "0.99971"]
        );
    }
}
