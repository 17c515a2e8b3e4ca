//! From a CSV file to readings. What a field says is passed on as text: the service judges it, not a double.

use std::{collections::BTreeMap, io::Read};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::Args;
use crate::{
    cli::{
        WrongUse,
        input::{Source, is_missing},
    },
    domain::{Clock, Micros, SystemClock},
};

/// Numbers below this are seconds since the file's first row; above it, seconds since 1970 (from 1973 on).
const RELATIVE_BELOW: f64 = 1e8;

/// The first second after the year 9999, since 1970.
const END_OF_TIME: f64 = 253_402_300_800.0;

/// A reading as `POST /api/v1/readings` takes it.
#[derive(Debug, Serialize)]
pub(super) struct Reading<'a> {
    device: &'a str,
    time: Box<RawValue>,
    metrics: BTreeMap<String, Box<RawValue>>,
}

/// Reads a table as readings of one device.
pub(super) fn read<'a>(source: &Source, args: &'a Args) -> Result<Vec<Reading<'a>>, WrongUse> {
    let mut file = Vec::new();
    source.open()?.read_to_end(&mut file).map_err(|error| WrongUse(format!("{}: {error}", source.name())))?;
    read_from(&file, args)
}

/// The column of times, which a table has to have.
fn time_column(args: &Args) -> Result<&String, String> {
    let expected =
        "is no export and holds no lines of JSON: a table of one device needs --time COLUMN and --device NAME";
    args.time.as_ref().ok_or_else(|| expected.to_owned())
}

/// What a column is for.
enum Column {
    Time,
    Metric(String),
    Ignored,
}

/// A row's time, perhaps relative to the file's start.
enum RowTime {
    /// As the file has it.
    Absolute(Box<RawValue>),
    /// Microseconds since the file's first row.
    Relative(i64),
}

fn read_from<'a>(file: &[u8], args: &'a Args) -> Result<Vec<Reading<'a>>, WrongUse> {
    let name = args.file.display();
    let wrong = |why: String| WrongUse(format!("{name}{why}"));
    let separator = u8::try_from(args.separator).ok().filter(u8::is_ascii);
    let separator = separator.ok_or_else(|| WrongUse::new("expected an ASCII character as --separator"))?;
    let builder = &mut csv::ReaderBuilder::new();
    let mut reader = builder.delimiter(separator).trim(csv::Trim::All).flexible(true).from_reader(file);
    let header = reader.headers().map_err(|error| wrong(format!(": {error}")))?.clone();
    let columns = columns(&header, args).map_err(|why| wrong(format!(" {why}")))?;
    let device =
        args.device.as_deref().ok_or_else(|| wrong(": expected --device NAME: whose readings are they?".into()))?;
    let mut rows = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|error| wrong(format!(": {error}")))?;
        let line = row.position().map_or(0, |position| line(file, position));
        let (time, metrics) = cells(&row, &columns).map_err(|why| wrong(format!(", line {line}{why}")))?;
        // A row without any value is no reading.
        if !metrics.is_empty() {
            rows.push((line, (time, metrics)));
        }
    }
    let offset = offset(&rows, args)?;
    let reading = |(line, (time, metrics)): (u64, (RowTime, _))| {
        let time = time.text(offset).ok_or_else(|| {
            wrong(format!(", line {line}: this row's time, counted from --start, is beyond the year 9999"))
        })?;
        Ok(Reading { device, time, metrics })
    };
    rows.into_iter().map(reading).collect()
}

/// The line that a row begins in: empty lines before it are passed over, but the reader's position is before them.
fn line(file: &[u8], position: &csv::Position) -> u64 {
    let at = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let rest = file.get(at..).unwrap_or_default();
    let empty = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).filter(|byte| **byte == b'\n').count();
    position.line() + empty as u64
}

/// What each column of the line of names is for.
fn columns(header: &csv::StringRecord, args: &Args) -> Result<Vec<Column>, String> {
    let names: Vec<&str> = header.iter().collect();
    let time = time_column(args)?;
    for column in args.ignore.iter().chain([time]) {
        if !names.contains(&column.as_str()) {
            let hint = match names.as_slice() {
                [_] => format!(". One column only: does --separator {:?} separate the fields?", args.separator),
                _ => String::new(),
            };
            return Err(format!("has no column {column:?}; it has {}{hint}", names.join(", ")));
        }
    }
    let mut columns = Vec::with_capacity(names.len());
    for (at, name) in names.iter().enumerate() {
        if args.ignore.iter().any(|ignored| ignored == name) {
            columns.push(Column::Ignored);
            continue;
        }
        if names[..at].contains(name) {
            return Err(format!("has the column {name:?} twice: which one is meant? --ignore leaves both out"));
        }
        columns.push(if name == time { Column::Time } else { Column::Metric((*name).to_owned()) });
    }
    Ok(columns)
}

type Cells = (RowTime, BTreeMap<String, Box<RawValue>>);

/// Time and values of a row. A missing value is left out.
fn cells(row: &csv::StringRecord, columns: &[Column]) -> Result<Cells, String> {
    // R writes a row's name before the fields, and none for it in the line of names.
    let skip = row.len().saturating_sub(columns.len());
    if skip > 1 || row.len() < columns.len() {
        return Err(format!(": expected {} fields, found {}", columns.len(), row.len()));
    }
    let mut time = None;
    let mut metrics = BTreeMap::new();
    for (column, field) in columns.iter().zip(row.iter().skip(skip)) {
        match column {
            Column::Time => time = Some(RowTime::parse(field).map_err(|why| format!(": {why}"))?),
            Column::Metric(name) if !is_missing(field) => {
                let value = number(field).ok_or_else(|| {
                    format!(
                        ", column {name:?}: expected a number such as 21.5, found {field:?}; --ignore leaves a column out"
                    )
                })?;
                metrics.insert(name.clone(), value);
            }
            Column::Metric(_) | Column::Ignored => {}
        }
    }
    time.map(|time| (time, metrics)).ok_or_else(|| ": expected a time, found none".to_owned())
}

/// A number as JSON writes it, with the digits that the field has: `.5`, `+5` and `007` are spelt as JSON wants them.
pub(super) fn number(field: &str) -> Option<Box<RawValue>> {
    let (sign, unsigned) = match field.strip_prefix(['+', '-']) {
        Some(rest) => (if field.starts_with('-') { "-" } else { "" }, rest),
        None => ("", field),
    };
    let end = unsigned.find(|c: char| !c.is_ascii_digit()).unwrap_or(unsigned.len());
    let (whole, rest) = unsigned.split_at(end);
    let fraction = rest.strip_prefix('.');
    let digit_follows = fraction.is_some_and(|digits| digits.starts_with(|c: char| c.is_ascii_digit()));
    if whole.is_empty() && !digit_follows {
        return None;
    }
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        trimmed => trimmed,
    };
    // `5.` is 5.
    let rest = fraction.filter(|_| !digit_follows).unwrap_or(rest);
    RawValue::from_string(format!("{sign}{whole}{rest}")).ok()
}

impl RowTime {
    fn parse(field: &str) -> Result<Self, String> {
        let Some(seconds) = number(field) else {
            Micros::parse(field).map_err(|error| error.to_string())?;
            return to_raw_value(field).map(Self::Absolute).map_err(|error| error.to_string());
        };
        let value: f64 = field.parse().unwrap_or(f64::INFINITY);
        if value.abs() < RELATIVE_BELOW {
            return Ok(Self::Relative((value * 1e6).round() as i64));
        }
        if (0.0..END_OF_TIME).contains(&value) {
            return Ok(Self::Absolute(seconds));
        }
        Err(format!(
            "expected a time as RFC 3339 or in seconds since 1970, up to the year 9999, found {field}: milliseconds?"
        ))
    }

    /// The time as JSON; `None` if it lies outside the years that can be written.
    fn text(self, offset: Micros) -> Option<Box<RawValue>> {
        match self {
            Self::Absolute(text) => Some(text),
            Self::Relative(us) => {
                let text = Timestamp::from_microsecond(offset.0.checked_add(us)?).ok()?.to_string();
                Micros::parse(&text).ok()?;
                to_raw_value(&text).ok()
            }
        }
    }
}

/// The time to which relative times are added: the start that is given, or so that the file ends now.
fn offset(rows: &[(u64, Cells)], args: &Args) -> Result<Micros, WrongUse> {
    if let Some(start) = &args.start {
        return Micros::parse(start).map_err(|error| WrongUse(format!("--start: {error}")));
    }
    let relative = |(_, (time, _)): &(u64, Cells)| match time {
        RowTime::Relative(us) => Some(*us),
        RowTime::Absolute(_) => None,
    };
    let last = rows.iter().filter_map(relative).max().unwrap_or(0);
    Ok(Micros(Micros::from(SystemClock.now()).0 - last))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn args(more: &[&str]) -> Args {
        let mut args = vec!["anomaly-ledger", "replay", "room.csv", "--device", "room"];
        if !more.contains(&"--time") {
            args.extend(["--time", "t"]);
        }
        args.extend(more);
        match Cli::try_parse_from(args).unwrap().command {
            Command::Replay(args) => args,
            _ => unreachable!("the command is replay"),
        }
    }

    fn json(csv: &str, more: &[&str]) -> Result<String, String> {
        let args = args(more);
        let readings = read_from(csv.as_bytes(), &args).map_err(|error| error.to_string())?;
        Ok(serde_json::to_string(&readings).unwrap())
    }

    #[test]
    fn numbers_are_sent_as_they_are_written() {
        for (field, expected) in [
            ("9007199254740993", Some("9007199254740993")),
            ("1e400", Some("1e400")),
            ("-0", Some("-0")),
            ("21.50", Some("21.50")),
            ("1E-320", Some("1E-320")),
            ("+5", Some("5")),
            (".5", Some("0.5")),
            ("-.5e3", Some("-0.5e3")),
            ("5.", Some("5")),
            ("007", Some("7")),
            ("000", Some("0")),
            ("", None),
            (".", None),
            ("-", None),
            ("+-5", None),
            ("5e", None),
            ("5.e3", Some("5e3")),
            ("0x10", None),
            ("1,5", None),
            ("1 5", None),
            ("NaN", None),
            ("inf", None),
            ("true", None),
            ("\"5\"", None),
            ("５", None),
        ] {
            assert_eq!(number(field).as_deref().map(RawValue::get), expected, "{field:?}");
        }
        let sent =
            json("t,a,b\n2026-01-05T08:00:00.123456Z,9007199254740993,NaN\n2026-01-05T08:01:00Z,,NA\n", &[]).unwrap();
        let expected = r#"[{"device":"room","time":"2026-01-05T08:00:00.123456Z","metrics":{"a":9007199254740993}}]"#;
        assert_eq!(sent, expected);
    }

    #[test]
    fn times_may_be_texts_seconds_or_relative() {
        let sent = json("t,a\n1767600000.25,1\n2015-02-04 17:51:00,2\n", &[]).unwrap();
        assert!(
            sent.contains(r#""time":1767600000.25,"#) && sent.contains(r#""time":"2015-02-04 17:51:00","#),
            "{sent}"
        );
        let sent = json("t,a\n0,1\n0.000001,2\n", &["--start", "2026-01-05T08:00:00Z"]).unwrap();
        assert!(
            sent.contains(r#""2026-01-05T08:00:00Z""#) && sent.contains(r#""2026-01-05T08:00:00.000001Z""#),
            "{sent}"
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_line_and_column() {
        for (csv, more, expected) in [
            (
                "t,a\n1,2\n\n\"2\",x\n",
                &[][..],
                "room.csv, line 4, column \"a\": expected a number such as 21.5, found \"x\"",
            ),
            ("t,a\n1,2,3,4\n", &[], "line 2: expected 2 fields, found 4"),
            ("t,a\n1\n", &[], "line 2: expected 2 fields, found 1"),
            ("t,a,a\n1,2,3\n", &[], "has the column \"a\" twice"),
            ("t,t\n1,2\n", &[], "has the column \"t\" twice"),
            ("a,b\n1,2\n", &[], "has no column \"t\"; it has a, b"),
            ("t;a\n1;2\n", &[], "does --separator ',' separate the fields?"),
            ("t,a\n1,2\n", &["--ignore", "c"], "has no column \"c\""),
            ("t,a\n1767600000000,2\n", &[], "line 2: expected a time as RFC 3339 or in seconds since 1970"),
            ("t,a\n-1e9,2\n", &[], "up to the year 9999, found -1e9"),
            ("t,a\n12026-01-05T08:00:00Z,2\n", &[], "line 2: expected a time"),
            ("t,a\n,2\n", &[], "line 2: expected a time"),
            ("t,a\n99999999,2\n", &["--start", "9998-06-01T00:00:00Z"], "is beyond the year 9999"),
            ("t,a\n1,2\n", &["--start", "soon"], "--start: expected a time"),
            ("t,a\n1,2\n", &["--separator", "–"], "ASCII"),
        ] {
            let error = json(csv, more).unwrap_err();
            assert!(error.contains(expected), "{csv:?}: {error}");
        }
    }

    #[test]
    fn ignored_columns_may_repeat_and_row_names_are_passed_over() {
        assert!(json("t,a,x,x\n1,2,3,4\n", &["--ignore", "x"]).unwrap().contains(r#"{"a":2}"#));
        assert!(json("t,a\n\"1\",5,2\n", &[]).unwrap().contains(r#"{"a":2}"#));
    }
}
