//! Readings that stand in a file with their devices and times: what `export` has written, and lines of JSON as
//! `POST /api/v1/readings` takes them. Numbers are passed on as they are written; what an export says of verdicts is
//! left out, since the service judges anew.

use std::io::{BufRead, BufReader, Read};

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::table::number;
use crate::{
    cli::{
        WrongUse,
        input::{Rows, Source},
    },
    export::{COLUMNS, Checker, Form, json_end, unguarded},
};

/// The longest line in bytes: what the service takes in one request.
const MAX_LINE: u64 = 4 << 20;

/// How much of the beginning says what a file is.
const PEEK: u64 = 64 << 10;

/// A reading as the service takes it.
#[derive(Debug, Serialize)]
pub(super) struct Reading {
    device: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<Box<RawValue>>,
    metrics: Box<RawValue>,
}

/// A line of JSON: of its members, those that the service takes.
#[derive(Deserialize)]
struct Line {
    device: String,
    time: Option<Box<RawValue>>,
    sequence: Option<Box<RawValue>>,
    metrics: Box<RawValue>,
}

/// What is done with each reading.
type Visit<'a> = dyn FnMut(Reading) -> Result<(), Box<dyn std::error::Error>> + 'a;

/// A file of readings.
pub(super) struct Exported {
    source: Source,
    form: Form,
    /// Whether `export` has written it: then it says at its end that it is whole.
    ends: bool,
    /// Whether its last line was cut off within: what stands there is not what was written.
    torn: bool,
}

impl Exported {
    /// The file, if it is one of these; else it is returned as it is.
    pub(super) fn of(source: Source) -> Result<Result<Self, Source>, WrongUse> {
        let wrong = |error: std::io::Error| WrongUse(format!("{}: {error}", source.name()));
        let mut start = Vec::new();
        BufReader::new(source.open()?).take(PEEK).read_until(b'\n', &mut start).map_err(wrong)?;
        let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start).trim_ascii_start();
        if start.starts_with(b"{") {
            let line = String::from_utf8_lossy(start);
            let judged = serde_json::from_str::<api::StoredReading>(&line).is_ok();
            return Ok(Ok(Self { form: Form::Ndjson, ends: judged || json_end(&line).is_some(), torn: false, source }));
        }
        let names: Vec<String> = start
            .split(|byte| matches!(byte, b',' | b';' | b'\t'))
            .take(COLUMNS.len())
            .map(|name| String::from_utf8_lossy(name).trim().trim_matches('"').to_owned())
            .collect();
        Ok(if names == COLUMNS { Ok(Self { form: Form::Csv, ends: true, torn: false, source }) } else { Err(source) })
    }

    /// Makes sure that it is whole, where it says whether it is, and that every reading can be read; gives how many there
    /// are. What is only a part is taken as far as its lines are whole.
    pub(super) fn check(&mut self, partial: bool) -> Result<u64, Box<dyn std::error::Error>> {
        if self.ends {
            self.check_end(partial)?;
        }
        let mut readings = 0;
        self.each(&mut |_| {
            readings += 1;
            Ok(())
        })?;
        Ok(readings)
    }

    fn check_end(&mut self, partial: bool) -> Result<(), WrongUse> {
        let wrong = |why: &dyn std::fmt::Display| WrongUse(format!("{}: {why}", self.source.name()));
        let mut checker = Checker::of(self.form);
        let mut file = BufReader::with_capacity(256 << 10, self.source.open()?);
        let mut last = None;
        loop {
            let bytes = file.fill_buf().map_err(|error| wrong(&error))?;
            let Some(byte) = bytes.last() else { break };
            last = Some(*byte);
            let length = bytes.len();
            let taken = checker.take(bytes);
            if !partial {
                taken.map_err(|error| wrong(&error))?;
            }
            file.consume(length);
        }
        if partial {
            self.torn = last != Some(b'\n');
            return Ok(());
        }
        let hint = "Export it again, or send what is there with --partial";
        checker.finish().map(drop).map_err(|error| wrong(&format!("{error}. {hint}")))
    }

    /// Gives each reading to `visit`.
    pub(super) fn each(&self, visit: &mut Visit<'_>) -> Result<(), Box<dyn std::error::Error>> {
        match self.form {
            Form::Csv => self.each_row(visit),
            Form::Ndjson => self.each_line(visit),
        }
    }

    fn each_line(&self, visit: &mut Visit<'_>) -> Result<(), Box<dyn std::error::Error>> {
        let mut file = BufReader::new(self.source.open()?);
        let (mut text, mut at) = (String::new(), 0_u64);
        loop {
            text.clear();
            at += 1;
            let wrong = |why: &dyn std::fmt::Display| WrongUse(format!("{}, line {at}: {why}", self.source.name()));
            let read = file.by_ref().take(MAX_LINE).read_line(&mut text).map_err(|error| wrong(&error))?;
            if read == 0 {
                return Ok(());
            }
            if read as u64 == MAX_LINE {
                return Err(wrong(&format!("expected at most {MAX_LINE} bytes on a line")).into());
            }
            if self.torn && !text.ends_with('\n') {
                return Ok(());
            }
            if text.trim().is_empty() || json_end(&text).is_some() {
                continue;
            }
            let Line { device, time, sequence, metrics } =
                serde_json::from_str(&text).map_err(|error| wrong(&error))?;
            visit(Reading { device, time, sequence, metrics })?;
        }
    }

    fn each_row(&self, visit: &mut Visit<'_>) -> Result<(), Box<dyn std::error::Error>> {
        let mut rows = Rows::open(&self.source, None, true)?;
        let names = rows.names()[COLUMNS.len()..].iter();
        let names = names.map(|name| serde_json::to_string(unguarded(name))).collect::<Result<Vec<_>, _>>()?;
        // One behind the file, since only at its end is known which row is the last.
        let mut before = None;
        while let Some(row) = rows.next()? {
            if let Some(reading) = before.take() {
                visit(reading)?;
            }
            let wrong = |why: String| WrongUse(format!("{}, line {}: {why}", self.source.name(), row.line));
            let text = |column: usize| row.text(column).ok_or_else(|| wrong("expected UTF-8".to_owned()));
            let raw = |text: &str| {
                number(text).ok_or_else(|| wrong(format!("expected a number such as 21.5, found {text:?}")))
            };
            let mut metrics = String::from("{");
            for (at, name) in names.iter().enumerate() {
                let value = text(COLUMNS.len() + at)?;
                if value.is_empty() {
                    continue;
                }
                if metrics.len() > 1 {
                    metrics.push(',');
                }
                metrics.push_str(&format!("{name}:{}", raw(value)?.get()));
            }
            metrics.push('}');
            let sequence = text(2)?;
            let sequence = if sequence.is_empty() { None } else { Some(raw(sequence)?) };
            let (device, time) = (unguarded(text(0)?).to_owned(), Some(to_raw_value(text(1)?)?));
            before = Some(Reading { device, time, sequence, metrics: RawValue::from_string(metrics)? });
        }
        match before {
            Some(reading) if !self.torn => visit(reading),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const JSON: &str = r#"{"device":"d","time":"2026-01-05T08:00:00.000001Z","sequence":1,"metrics":{"a":1e+300,"b":0.10},"score":0.1,"threshold":0.5,"label":"normal","model_version":"m"}"#;
    const NAMES: &str = "device,time,sequence,label,score,threshold,model_version,index";

    /// The file, in a directory that goes away with the test.
    fn file(dir: &tempfile::TempDir, text: &str) -> Result<Exported, Source> {
        let path = dir.path().join("readings");
        std::fs::write(&path, text).unwrap();
        Exported::of(Source::again(&path).unwrap()).unwrap()
    }

    fn readings(file: &Exported) -> Vec<String> {
        let mut readings = Vec::new();
        let visit = &mut |reading: Reading| {
            readings.push(serde_json::to_string(&reading)?);
            Ok(())
        };
        file.each(visit).unwrap();
        readings
    }

    #[test]
    fn numbers_and_times_are_sent_as_they_stand_there() {
        let dir = tempfile::tempdir().unwrap();
        let sent =
            r#"{"device":"d","time":"2026-01-05T08:00:00.000001Z","sequence":1,"metrics":{"a":1e+300,"b":0.10}}"#;
        assert_eq!(readings(&file(&dir, &format!("{JSON}\n")).unwrap()), [sent]);
        let row = "\"'=d\",2026-01-05T08:00:00.000001Z,,normal,0.1,0.5,\"m\",,1e+300,,-0.50";
        let csv = file(&dir, &format!("{NAMES},\"a\",\"b,c\",\"'+d\"\n{row}\n")).unwrap();
        let sent = r#"{"device":"=d","time":"2026-01-05T08:00:00.000001Z","metrics":{"a":1e+300,"+d":-0.50}}"#;
        assert_eq!(readings(&csv), [sent]);
    }

    #[test]
    fn an_export_without_its_end_is_refused_and_lines_of_json_need_none() {
        let dir = tempfile::tempdir().unwrap();
        let cut = file(&dir, &format!("{JSON}\n")).unwrap().check(false).unwrap_err().to_string();
        assert!(cut.contains("was cut off") && cut.contains("--partial"), "{cut}");
        assert!(file(&dir, &format!("{NAMES},\"a\"\n")).unwrap().check(false).is_err());
        let plain = r#"{"device":"d","metrics":{"a":1}}"#;
        assert_eq!(file(&dir, &format!("{plain}\n\n{plain}")).unwrap().check(false).unwrap(), 2);
        let bad = file(&dir, &format!("{plain}\nx\n")).unwrap().check(false).unwrap_err().to_string();
        assert!(bad.contains("line 2"), "{bad}");
        assert!(file(&dir, "t,a\n1,2\n").is_err());
    }

    #[test]
    fn of_a_part_a_torn_line_is_not_sent() {
        let dir = tempfile::tempdir().unwrap();
        for (text, expected) in [
            (format!("{JSON}\n{JSON}\n"), 2),
            (format!("{JSON}\n{JSON}"), 1),
            (format!("{JSON}\n{}", &JSON[..60]), 1),
            (format!("{NAMES},\"a\"\n\"d\",1970-01-02T00:00:00Z,1,normal,0.1,0.5,\"m\",,21.5\n"), 1),
            (format!("{NAMES},\"a\"\n\"d\",1970-01-02T00:00:00Z,1,normal,0.1,0.5,\"m\",,21."), 0),
        ] {
            let mut file = file(&dir, &text).unwrap();
            assert_eq!(file.check(true).unwrap(), expected, "{text}");
            assert_eq!(readings(&file).len() as u64, expected, "{text}");
        }
    }
}
