//! Texts in CSV that no spreadsheet takes for a formula, and that are the same again when they are read.

/// Beginnings that some spreadsheet takes for a formula, the full-width ones among them; and the guard itself, so that it
/// can be taken off without asking what is behind it.
const GUARDED: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}', GUARD];

/// What makes a spreadsheet read a text as text.
const GUARD: char = '\'';

/// Writes a text: always in quotes, whatever a reader takes for a separator, and guarded where it could be a formula.
pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    if text.starts_with(GUARDED) {
        out.push(GUARD as u8);
    }
    for byte in text.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// The text as it was before it was guarded.
pub(crate) fn unguarded(text: &str) -> &str {
    text.strip_prefix(GUARD).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn written(name: &str) -> String {
        let mut out = Vec::new();
        text(&mut out, name);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn nothing_begins_as_a_formula() {
        for (name, expected) in [
            ("pump-4", r#""pump-4""#),
            ("=cmd|' /C calc'!A0", r#""'=cmd|' /C calc'!A0""#),
            ("+1", r#""'+1""#),
            ("-1", r#""'-1""#),
            ("@SUM(A1)", r#""'@SUM(A1)""#),
            ("\u{ff1d}1", "\"'\u{ff1d}1\""),
            ("'a", r#""''a""#),
            (r#"a "b", c;d"#, r#""a ""b"", c;d""#),
        ] {
            assert_eq!(written(name), expected);
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(name in any::<String>()) {
            let line = written(&name);
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
            let record = reader.records().next().unwrap().unwrap();
            prop_assert_eq!(record.len(), 1);
            prop_assert_eq!(unguarded(&record[0]), name);
            prop_assert!(!record[0].starts_with(&GUARDED[..10]));
        }
    }
}
