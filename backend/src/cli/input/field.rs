//! One field of a table as a number. Says what it is; decides nothing about columns.

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Field {
    /// A finite number; `true` and `false` are 1 and 0, as one-hot columns have them.
    Number(f64),
    /// Nothing, or a word for it.
    Missing,
    /// A number that no double holds: `inf`, `1e400`.
    TooLarge,
    /// Something else.
    Text,
}

/// As Python, R, databases and spreadsheets write that there is no value.
const NOTHING: [&str; 10] = ["", "nan", "na", "n/a", "#n/a", "null", "none", "nil", "-", "?"];

/// Whether a field, without the space around it, says that there is no value.
pub(crate) fn is_missing(text: &str) -> bool {
    NOTHING.iter().any(|nothing| text.eq_ignore_ascii_case(nothing))
}

impl Field {
    /// Reads a field. A decimal comma is one where the comma does not separate fields.
    pub(crate) fn parse(field: &[u8], separator: u8) -> Self {
        let Ok(text) = std::str::from_utf8(field) else { return Self::Text };
        let text = text.trim();
        if is_missing(text) {
            return Self::Missing;
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Self::Number(number),
            // With a sign it is still no number.
            Ok(number) if number.is_nan() => Self::Missing,
            Ok(_) => Self::TooLarge,
            Err(_) if text.eq_ignore_ascii_case("true") => Self::Number(1.0),
            Err(_) if text.eq_ignore_ascii_case("false") => Self::Number(0.0),
            Err(_) if separator != b',' && text.matches(',').count() == 1 && !text.contains('.') => {
                match text.replacen(',', ".", 1).parse::<f64>() {
                    Ok(number) if number.is_finite() => Self::Number(number),
                    _ => Self::Text,
                }
            }
            Err(_) => Self::Text,
        }
    }

    /// The number; NaN for all else.
    pub(crate) fn or_nan(self) -> f64 {
        if let Self::Number(number) = self { number } else { f64::NAN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_numbers_nothing_or_text() {
        let number = |text: &str, separator| Field::parse(text.as_bytes(), separator);
        for (text, expected) in [
            ("21.5", Field::Number(21.5)),
            (" +5 ", Field::Number(5.0)),
            ("1E-320", Field::Number(1e-320)),
            ("-0", Field::Number(-0.0)),
            ("9007199254740993", Field::Number(9_007_199_254_740_992.0)),
            ("True", Field::Number(1.0)),
            ("NaN", Field::Missing),
            ("-nan", Field::Missing),
            ("", Field::Missing),
            ("N/A", Field::Missing),
            ("inf", Field::TooLarge),
            ("1e400", Field::TooLarge),
            ("1,5", Field::Text),
            ("0x10", Field::Text),
            ("ok", Field::Text),
        ] {
            assert_eq!(number(text, b','), expected, "{text:?}");
        }
        assert_eq!(number("1,5", b';'), Field::Number(1.5));
        assert_eq!(number("1.234,5", b';'), Field::Text);
        assert_eq!(number("1,2,3", b';'), Field::Text);
        assert_eq!(Field::parse(&[0xff], b','), Field::Text);
    }
}
