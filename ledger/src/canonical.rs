//! Canonical JSON: RFC 8785 without floats (docs/spec/entry.md).
//!
//! Reading is strict by writing again: bytes that are not exactly what [`write`] makes of their content are
//! refused. That covers white space, repeated names, other escapes and other spellings of a number at once.

use serde_json::{Map, Number, Value};

/// The largest integer that every reader of JSON understands: 2^53 − 1.
pub const MAX_INTEGER: i64 = (1 << 53) - 1;

/// How deep arrays and objects may nest.
pub const MAX_DEPTH: usize = 16;

/// Why bytes are not canonical JSON.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// Not JSON at all.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A number that is not an integer from −(2^53−1) to 2^53−1.
    #[error("expected an integer of at most 53 bits, found {0}")]
    Number(Number),
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("expected at most {MAX_DEPTH} levels of nesting")]
    Depth,
    /// The content is fine, but it is not written in the canonical way.
    #[error("expected the canonical form; the bytes differ from it at offset {0}")]
    Form(usize),
}

/// Reads canonical JSON, and refuses everything else.
///
/// # Errors
/// See [`CanonicalError`].
pub fn read(bytes: &[u8]) -> Result<Value, CanonicalError> {
    let value: Value = serde_json::from_slice(bytes)?;
    let canonical = write(&value)?;
    if canonical == bytes {
        return Ok(value);
    }
    let same = canonical.iter().zip(bytes).take_while(|(a, b)| a == b).count();
    Err(CanonicalError::Form(same))
}

/// Writes a value in canonical form.
///
/// # Errors
/// [`CanonicalError::Number`] and [`CanonicalError::Depth`].
pub fn write(value: &Value) -> Result<Vec<u8>, CanonicalError> {
    let mut out = Vec::new();
    write_value(value, 0, &mut out)?;
    Ok(out)
}

fn write_value(value: &Value, depth: usize, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    if depth > MAX_DEPTH {
        return Err(CanonicalError::Depth);
    }
    match value {
        Value::Null => out.extend(b"null"),
        Value::Bool(true) => out.extend(b"true"),
        Value::Bool(false) => out.extend(b"false"),
        Value::Number(number) => {
            let integer = number.as_i64().filter(|i| i.unsigned_abs() <= MAX_INTEGER as u64);
            let integer = integer.ok_or_else(|| CanonicalError::Number(number.clone()))?;
            out.extend(integer.to_string().bytes());
        }
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_value(item, depth + 1, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => write_object(members, depth, out)?,
    }
    Ok(())
}

fn write_object(members: &Map<String, Value>, depth: usize, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    let mut members: Vec<(&String, &Value)> = members.iter().collect();
    // UTF-16 order differs from that of UTF-8 only above U+D7FF, but there it does (RFC 8785, 3.2.3).
    members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    out.push(b'{');
    for (i, (name, value)) in members.into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_string(name, out);
        out.push(b':');
        write_value(value, depth + 1, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)) {
        out.extend(&rest[..at]);
        match rest[at] {
            0x08 => out.extend(br"\b"),
            0x0c => out.extend(br"\f"),
            b'\n' => out.extend(br"\n"),
            b'\r' => out.extend(br"\r"),
            b'\t' => out.extend(br"\t"),
            control @ 0..0x20 => out.extend(format!("\\u{control:04x}").bytes()),
            other => out.extend([b'\\', other]),
        }
        rest = &rest[at + 1..];
    }
    out.extend(rest);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_its_own_form() {
        for good in [r#"{"a":1,"b":[true,null,"x\n\u001f"]}"#, "0", "-5", "[]", "9007199254740991"] {
            assert!(read(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in [
            r#"{"b":1,"a":2}"#,
            r#"{"a":1,"a":1}"#,
            r#"{"a": 1}"#,
            r#""\u0041""#,
            r#""\/""#,
            "1.0",
            "1e3",
            "-0",
            "01",
            "9007199254740992",
            "-9223372036854775808",
            "{} ",
            "",
            "\u{feff}{}",
        ] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn sorts_by_utf16_code_units() {
        // U+1F600 is D83D DE00 in UTF-16, so it comes before U+FB33 although its UTF-8 comes after.
        let value: Value = serde_json::from_str("{\"\u{fb33}\":1,\"\u{1f600}\":2}").unwrap();
        assert_eq!(write(&value).unwrap(), "{\"\u{1f600}\":2,\"\u{fb33}\":1}".as_bytes());
    }

    #[test]
    fn refuses_deep_nesting() {
        let deep = "[".repeat(18) + &"]".repeat(18);
        assert!(matches!(read(deep.as_bytes()), Err(CanonicalError::Depth)));
        assert!(read(("[".repeat(10_000) + &"]".repeat(10_000)).as_bytes()).is_err());
    }
}
