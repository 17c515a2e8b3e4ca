//! InfluxDB line protocol: from text to measurement, tags, fields and timestamp. What they mean is `lines.rs`'s business.
//!
//! ```text
//! measurement[,tag=value…] field=value[,field=value…] [timestamp]
//! ```
//!
//! A backslash before `,`, `=` or a space takes its meaning from it, in names and in the values of tags (in a
//! measurement before `,` and a space only); before anything else it stands for itself. A text between quotes may hold
//! `\"` and `\\`, and line feeds. Lines end with a line feed, or with a carriage return and one. Empty lines and lines
//! that begin with `#` say nothing.
//!
//! Imports nothing, keeps nothing, and never gives up: after a line that is none it goes on with the next.

use std::borrow::Cow;

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LineError {
    /// Nothing before the first `,` or space.
    #[error("missing measurement")]
    Measurement,
    /// A tag without name, `=` or value.
    #[error("expected a tag as name=value, with neither empty")]
    Tag,
    /// No field, or one without name, `=` or value.
    #[error("expected fields as name=value, with neither empty")]
    Field,
    /// A field's value that is no number, text or truth.
    #[error("expected a field's value as a number, 12i, 12u, \"text\" or true")]
    Value,
    /// A text without its closing quote.
    #[error("a text has no closing quote")]
    Quote,
    /// Something that is no whole number where the time should be.
    #[error("expected the time as a whole number")]
    Timestamp,
    /// Something after the time.
    #[error("expected the end of the line after the time")]
    Rest,
}

/// A field's value, judged no further: numbers as their text, so that whoever reads them sees all digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A number with a fraction or an exponent, or neither.
    Float(&'a str),
    /// A whole number: `12i` or `12u`, without its letter.
    Integer(&'a str),
    /// True or false.
    Boolean,
    /// A text.
    Text,
}

/// A line's parts. Kept by the caller and filled again for each line, so that the lists are made once.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Line<'a> {
    /// What was measured.
    pub(crate) measurement: Cow<'a, str>,
    /// Names and values of tags, in their order.
    pub(crate) tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Names and values of fields, in their order.
    pub(crate) fields: Vec<(Cow<'a, str>, Value<'a>)>,
    /// The time, in the unit that the request says.
    pub(crate) timestamp: Option<i64>,
}

/// Reads lines one after the other.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    text: &'a str,
    at: usize,
    number: u64,
}

impl<'a> Lines<'a> {
    /// Of this text.
    pub(crate) fn of(text: &'a str) -> Self {
        Self { text, at: 0, number: 1 }
    }

    /// Reads the next line that says something into `line`, and gives its number, from 1; `None` at the end.
    pub(crate) fn next(&mut self, line: &mut Line<'a>) -> Option<(u64, Result<(), LineError>)> {
        loop {
            self.skip_spaces();
            match self.peek()? {
                b'\n' => {
                    self.at += 1;
                    self.number += 1;
                }
                b'\r' if self.at_end() => self.at += 1,
                b'#' => self.skip_line(),
                _ => break,
            }
        }
        let (number, start) = (self.number, self.at);
        line.tags.clear();
        line.fields.clear();
        let read = self.line(line);
        if read.is_err() {
            // On with the line after the one that began here, whatever was taken for part of it.
            self.at = start;
            self.number = number;
            self.skip_line();
        }
        Some((number, read))
    }

    fn line(&mut self, line: &mut Line<'a>) -> Result<(), LineError> {
        line.measurement = self.name(b"", b", ").filter(|name| !name.is_empty()).ok_or(LineError::Measurement)?;
        while self.takes(b',') {
            line.tags.push(self.pair(LineError::Tag)?);
        }
        if !self.takes(b' ') {
            return Err(LineError::Field);
        }
        self.skip_spaces();
        loop {
            let name = self.name(b"=", b",= ").filter(|name| !name.is_empty()).ok_or(LineError::Field)?;
            if !self.takes(b'=') {
                return Err(LineError::Field);
            }
            line.fields.push((name, self.value()?));
            if !self.takes(b',') {
                break;
            }
        }
        self.skip_spaces();
        line.timestamp = self.timestamp()?;
        self.skip_spaces();
        if self.at_end() {
            // The line feed is left for the next call, which counts it.
            return Ok(());
        }
        Err(LineError::Rest)
    }

    fn pair(&mut self, error: LineError) -> Result<(Cow<'a, str>, Cow<'a, str>), LineError> {
        let name = self.name(b"=", b",= ").filter(|name| !name.is_empty()).ok_or(error)?;
        if !self.takes(b'=') {
            return Err(error);
        }
        let value = self.name(b"=", b",= ").filter(|value| !value.is_empty()).ok_or(error)?;
        Ok((name, value))
    }

    /// Reads up to the first of `ends`, or the end of the line; without the backslashes that take the meaning from `,`, a
    /// space, and from what `escaped` names besides.
    fn name(&mut self, escaped: &[u8], ends: &[u8]) -> Option<Cow<'a, str>> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let takes = |byte: u8| matches!(byte, b',' | b' ') || escaped.contains(&byte);
        let mut has_escapes = false;
        while let Some(&byte) = bytes.get(self.at) {
            if byte == b'\\' && bytes.get(self.at + 1).is_some_and(|next| takes(*next)) {
                has_escapes = true;
                self.at += 2;
            } else if byte == b'\n' || ends.contains(&byte) {
                break;
            } else {
                self.at += 1;
            }
        }
        // Both ends are beside ASCII characters, or are those of the text.
        let raw = self.text.get(start..self.at)?;
        if !has_escapes {
            return Some(Cow::Borrowed(raw));
        }
        let mut name = String::with_capacity(raw.len());
        let mut characters = raw.chars().peekable();
        while let Some(character) = characters.next() {
            let escapes =
                character == '\\' && characters.peek().is_some_and(|next| next.is_ascii() && takes(*next as u8));
            if !escapes {
                name.push(character);
            } else if let Some(next) = characters.next() {
                name.push(next);
            }
        }
        Some(Cow::Owned(name))
    }

    fn value(&mut self) -> Result<Value<'a>, LineError> {
        if self.takes(b'"') {
            return self.rest_of_text();
        }
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest.iter().position(|byte| matches!(byte, b',' | b' ' | b'\n' | b'\r')).unwrap_or(rest.len());
        let text = self.text.get(self.at..self.at + length).ok_or(LineError::Value)?;
        self.at += length;
        let (number, last) = text.split_at_checked(text.len().wrapping_sub(1)).ok_or(LineError::Field)?;
        let is_integer = |text: &str| {
            let digits = text.strip_prefix('-').unwrap_or(text);
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        match (last, text) {
            ("i", _) if is_integer(number) => Ok(Value::Integer(number)),
            ("u", _) if is_integer(number) && !number.starts_with('-') => Ok(Value::Integer(number)),
            (_, "t" | "T" | "true" | "True" | "TRUE" | "f" | "F" | "false" | "False" | "FALSE") => Ok(Value::Boolean),
            _ if is_float(text) => Ok(Value::Float(text)),
            _ => Err(LineError::Value),
        }
    }

    /// A text after its first quote.
    fn rest_of_text(&mut self) -> Result<Value<'a>, LineError> {
        let mut rest = self.text.as_bytes()[self.at..].iter().enumerate();
        while let Some((at, byte)) = rest.next() {
            match byte {
                b'\\' => _ = rest.next().filter(|(_, next)| **next == b'\n').map(|_| self.number += 1),
                b'\n' => self.number += 1,
                b'"' => {
                    self.at += at + 1;
                    return Ok(Value::Text);
                }
                _ => {}
            }
        }
        Err(LineError::Quote)
    }

    fn timestamp(&mut self) -> Result<Option<i64>, LineError> {
        if self.at_end() {
            return Ok(None);
        }
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest.iter().position(|byte| matches!(byte, b' ' | b'\n' | b'\r')).unwrap_or(rest.len());
        let text = self.text.get(self.at..self.at + length).ok_or(LineError::Timestamp)?;
        self.at += length;
        if !text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            return Err(LineError::Timestamp);
        }
        text.parse().map(Some).map_err(|_| LineError::Timestamp)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn skip_spaces(&mut self) {
        while self.takes(b' ') {}
    }

    /// Whether the line ends here.
    fn at_end(&self) -> bool {
        let rest = &self.text.as_bytes()[self.at..];
        matches!(rest, [] | [b'\n', ..] | [b'\r'] | [b'\r', b'\n', ..])
    }

    /// To the next line feed, which is left.
    fn skip_line(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    }
}

/// Digits with a sign, a fraction and an exponent, none of which has to be there. No infinities, nothing that is no number.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let mantissa = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(fraction) && digits(exponent) && !exponent.is_empty() && whole.len() + fraction.len() > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parts = (String, Vec<(String, String)>, Vec<(String, String)>, Option<i64>);

    fn all(text: &str) -> Vec<(u64, Result<Parts, LineError>)> {
        let (mut lines, mut line, mut found) = (Lines::of(text), Line::default(), Vec::new());
        while let Some((number, read)) = lines.next(&mut line) {
            let tags = line.tags.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            let fields = line.fields.iter().map(|(name, value)| (name.to_string(), format!("{value:?}"))).collect();
            found.push((number, read.map(|()| (line.measurement.to_string(), tags, fields, line.timestamp))));
        }
        found
    }

    fn one(text: &str) -> Result<Parts, LineError> {
        let mut found = all(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        found.pop().unwrap().1
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn reads_what_the_specification_shows() {
        let float = |text: &str| format!("Float({text:?})");
        let (measurement, tags, fields, time) =
            one("myMeasurement,tag1=value1,tag2=value2 fieldKey=\"fieldValue\",n=1.5 1556813561098000000").unwrap();
        assert_eq!((measurement.as_str(), time), ("myMeasurement", Some(1_556_813_561_098_000_000)));
        assert_eq!(tags, pairs(&[("tag1", "value1"), ("tag2", "value2")]));
        assert_eq!(fields, pairs(&[("fieldKey", "Text"), ("n", &float("1.5"))]));

        for (text, value) in [
            ("1", float("1")),
            ("-1.234456e+78", float("-1.234456e+78")),
            ("1.", float("1.")),
            (".5", float(".5")),
            ("12485903i", "Integer(\"12485903\")".into()),
            ("-12485903i", "Integer(\"-12485903\")".into()),
            ("12485903u", "Integer(\"12485903\")".into()),
            ("\"a \\\"text\\\", with = and \\\\\"", "Text".into()),
            ("\"\"", "Text".into()),
            ("t", "Boolean".into()),
            ("FALSE", "Boolean".into()),
        ] {
            assert_eq!(one(&format!("m f={text} 1")).unwrap().2, pairs(&[("f", &value)]), "{text}");
        }
    }

    #[test]
    fn escapes_take_the_meaning_from_what_follows() {
        let (measurement, tags, fields, _) =
            one(r"my\ Measurement\,x=y\z,tag\ Key1=tag\ Value\,1,tag\=Key2=\\a\b f\=i\ e\,ld=1").unwrap();
        assert_eq!(measurement, r"my Measurement,x=y\z");
        assert_eq!(tags, pairs(&[("tag Key1", "tag Value,1"), ("tag=Key2", r"\\a\b")]));
        assert_eq!(fields[0].0, "f=i e,ld");
        assert_eq!(one("wetter,ort=Köln\\ 🍭 grad=1").unwrap().1, pairs(&[("ort", "Köln 🍭")]));
        assert_eq!(one(r"m\ f=1"), Err(LineError::Field));
    }

    #[test]
    fn lines_are_counted_and_go_on_after_a_bad_one() {
        let text = "# comment\n\r\n  m f=1 1 \r\nm f=\"two\nlines\"\nm broken\nm f=2\n\n\nm f=\"no end\nm f=3";
        let found = all(text);
        let numbers: Vec<(u64, bool)> = found.iter().map(|(number, read)| (*number, read.is_ok())).collect();
        assert_eq!(numbers, [(3, true), (4, true), (6, false), (7, true), (10, false), (11, true)]);
        assert_eq!(found[4].1, Err(LineError::Quote));
    }

    #[test]
    fn what_is_no_line_is_refused_with_its_reason() {
        for (text, error) in [
            (",t=v f=1", LineError::Measurement),
            ("m", LineError::Field),
            ("m ", LineError::Field),
            ("m f", LineError::Field),
            ("m f=", LineError::Field),
            ("m =1", LineError::Field),
            ("m f=1,", LineError::Field),
            ("m,t f=1", LineError::Tag),
            ("m,t= f=1", LineError::Tag),
            ("m,=v f=1", LineError::Tag),
            ("m,t=a=b f=1", LineError::Field),
            ("m f=NaN", LineError::Value),
            ("m f=inf", LineError::Value),
            ("m f=1e", LineError::Value),
            ("m f=-", LineError::Value),
            ("m f=1.5i", LineError::Value),
            ("m f=-1u", LineError::Value),
            ("m f=0x10", LineError::Value),
            ("m f=text", LineError::Value),
            ("m f=i", LineError::Value),
            ("m f=\"open", LineError::Quote),
            ("m f=1 now", LineError::Timestamp),
            ("m f=1 1.5", LineError::Timestamp),
            ("m f=1 99999999999999999999", LineError::Timestamp),
            ("m f=1 1 2", LineError::Rest),
            ("m f=\"a\"b", LineError::Timestamp),
        ] {
            assert_eq!(one(text), Err(error), "{text}");
        }
    }
}
