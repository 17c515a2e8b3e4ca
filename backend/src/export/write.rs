//! Rows of the store as bytes of a file.

use std::{collections::BTreeSet, io::Write as _};

use super::{COLUMNS, MAX_METRIC_COLUMNS, cell, end::Tally, number::number};
use crate::domain::{
    DeviceName,
    series::{Row, RowKey},
    verdict::Label,
};

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A line of names, then a line for each reading.
    Csv,
    /// A JSON object on each line, of which `POST /api/v1/readings` takes device, time, sequence and metrics.
    Ndjson,
}

impl Form {
    /// The form of this name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        match name {
            "csv" => Some(Self::Csv),
            "ndjson" => Some(Self::Ndjson),
            _ => None,
        }
    }

    /// Its media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Ndjson => "application/x-ndjson",
        }
    }

    /// How a file of it is called.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::Csv => "readings.csv",
            Self::Ndjson => "readings.ndjson",
        }
    }
}

/// That there are more kinds of metrics than columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected at most {MAX_METRIC_COLUMNS} metrics in a CSV file, found {0}: export lines of JSON, or one device at a time"
)]
pub(crate) struct TooManyColumns(usize);

/// An export that is being written into memory, from where it is taken piece by piece.
pub(crate) struct Writer {
    form: Form,
    /// Of a CSV file, the metrics' columns.
    metrics: Vec<String>,
    out: Vec<u8>,
    tally: Tally,
}

impl Writer {
    /// Begins a file; `metrics` are those that the devices have sent.
    pub(crate) fn new(form: Form, metrics: BTreeSet<String>) -> Result<Self, TooManyColumns> {
        let metrics: Vec<String> = if form == Form::Csv { metrics.into_iter().collect() } else { Vec::new() };
        if metrics.len() > MAX_METRIC_COLUMNS {
            return Err(TooManyColumns(metrics.len()));
        }
        let mut writer = Self { form, metrics, out: Vec::new(), tally: Tally::default() };
        if form == Form::Csv {
            writer.out.extend_from_slice(COLUMNS.join(",").as_bytes());
            for metric in &writer.metrics {
                writer.out.push(b',');
                cell::text(&mut writer.out, metric);
            }
            writer.out.push(b'\n');
        }
        Ok(writer)
    }

    /// Adds a row. Passed over are silences, which are no readings; readings whose values are erased, which are counted;
    /// and of a CSV file what has a metric without a column: it has come after the file was begun.
    pub(crate) fn push(&mut self, device: &DeviceName, row: &Row) {
        if row.key == RowKey::Silence {
            return;
        }
        if row.erased {
            return self.tally.erased();
        }
        let begun = self.out.len();
        let whole = match self.form {
            Form::Csv => self.csv(device, row),
            Form::Ndjson => self.json(device, row),
        };
        match whole {
            Some(()) => self.tally.reading(),
            None => self.out.truncate(begun),
        }
    }

    /// Takes what is written so far.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.tally.bytes(&self.out);
        std::mem::take(&mut self.out)
    }

    /// How many bytes can be taken.
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    /// How many readings are written.
    pub(crate) fn readings(&self) -> u64 {
        self.tally.readings
    }

    /// How many were passed over since their values are erased.
    pub(crate) fn erased(&self) -> u64 {
        self.tally.erased
    }

    /// Ends the file, and gives the rest of it.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let mut rest = self.take();
        let end = if self.form == Form::Csv { self.tally.csv() } else { self.tally.json() };
        rest.extend_from_slice(end.as_bytes());
        rest
    }

    /// A row's line in CSV; `None` if there is a metric without a column.
    fn csv(&mut self, device: &DeviceName, row: &Row) -> Option<()> {
        let out = &mut self.out;
        cell::text(out, device.as_str());
        // Writing into memory does not fail.
        let _ = write!(out, ",{},", row.time);
        if let Some(sequence) = row.sequence() {
            let _ = write!(out, "{sequence}");
        }
        let _ = write!(out, ",{},", label_name(row.verdict.label));
        number(out, row.verdict.score);
        out.push(b',');
        number(out, row.verdict.threshold);
        out.push(b',');
        cell::text(out, &row.verdict.model_version);
        out.push(b',');
        if let Some(index) = row.entry {
            let _ = write!(out, "{index}");
        }
        // Both are sorted.
        let mut values = row.values.iter().peekable();
        for metric in &self.metrics {
            out.push(b',');
            if let Some((_, value)) = values.next_if(|(name, _)| name == metric) {
                number(out, *value);
            }
        }
        out.push(b'\n');
        values.next().is_none().then_some(())
    }

    /// A row's line in JSON.
    fn json(&mut self, device: &DeviceName, row: &Row) -> Option<()> {
        let out = &mut self.out;
        out.extend_from_slice(br#"{"device":"#);
        json_text(out, device.as_str());
        let _ = write!(out, r#","time":"{}""#, row.time);
        if let Some(sequence) = row.sequence() {
            let _ = write!(out, r#","sequence":{sequence}"#);
        }
        out.extend_from_slice(br#","metrics":{"#);
        for (at, (metric, value)) in row.values.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            json_text(out, metric);
            out.push(b':');
            number(out, *value);
        }
        out.extend_from_slice(br#"},"score":"#);
        number(out, row.verdict.score);
        out.extend_from_slice(br#","threshold":"#);
        number(out, row.verdict.threshold);
        let _ = write!(out, r#","label":"{}","model_version":"#, label_name(row.verdict.label));
        json_text(out, &row.verdict.model_version);
        if let Some(index) = row.entry {
            let _ = write!(out, r#","index":{index}"#);
        }
        out.extend_from_slice(b"}\n");
        Some(())
    }
}

fn json_text(out: &mut Vec<u8>, text: &str) {
    // A text is always JSON, and memory takes what is written.
    let _ = serde_json::to_writer(out, text);
}

/// The label of this name.
pub(crate) fn label_of(name: &str) -> Option<Label> {
    [Label::Normal, Label::Anomaly, Label::WarmingUp].into_iter().find(|label| label_name(*label) == name)
}

/// A label as JSON has it.
pub(crate) fn label_name(label: Label) -> &'static str {
    match label {
        Label::Normal => "normal",
        Label::Anomaly => "anomaly",
        Label::WarmingUp => "warming_up",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use super::*;
    use crate::{
        domain::{Micros, verdict::Verdict},
        export::{Checker, csv_end, end::EndError, json_end},
    };

    fn row(key: RowKey, values: &[(&str, f64)]) -> Row {
        Row {
            time: Micros(1_767_600_000_123_456),
            key,
            values: values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
            erased: false,
            verdict: Verdict {
                score: 0.25,
                threshold: 0.5,
                label: Label::Normal,
                model_version: Arc::from("generic-1"),
            },
            entry: None,
        }
    }

    fn written(form: Form) -> String {
        let metrics = ["a", "b,c", "=d"].map(str::to_owned).into();
        let mut writer = Writer::new(form, metrics).unwrap();
        let device = DeviceName::new("=cmd|' /C calc'!A0").unwrap();
        writer.push(&device, &row(RowKey::Sequence(7), &[("=d", -0.5), ("a", 1e300)]));
        writer.push(&device, &row(RowKey::Time, &[("b,c", 9_007_199_254_740_992.0)]));
        writer.push(&device, &row(RowKey::Silence, &[]));
        writer.push(&device, &Row { erased: true, ..row(RowKey::Time, &[]) });
        let mut bytes = writer.take();
        bytes.extend(writer.finish());
        String::from_utf8(bytes).unwrap()
    }

    fn check(form: Form, text: &str) -> Result<u64, EndError> {
        let mut checker = Checker::of(form);
        // In pieces of any size.
        text.as_bytes().chunks(7).try_for_each(|piece| checker.take(piece))?;
        Ok(checker.finish()?.readings)
    }

    #[test]
    fn a_csv_file_has_a_line_for_each_reading_and_no_formula() {
        let text = written(Form::Csv);
        let (rows, end) = text.split_at(text.find("# end").unwrap());
        assert_eq!(
            rows,
            "device,time,sequence,label,score,threshold,model_version,index,\"'=d\",\"a\",\"b,c\"\n\
             \"'=cmd|' /C calc'!A0\",2026-01-05T08:00:00.123456Z,7,normal,0.25,0.5,\"generic-1\",,-0.5,1e+300,\n\
             \"'=cmd|' /C calc'!A0\",2026-01-05T08:00:00.123456Z,,normal,0.25,0.5,\"generic-1\",,,,9.007199254740992e15\n"
        );
        let end = csv_end(end.trim_end()).unwrap();
        assert_eq!((end.readings, end.erased), (2, 1));
        assert_eq!(check(Form::Csv, &text).unwrap(), 2);
    }

    #[test]
    fn lines_of_json_are_readings_as_intake_takes_them_and_what_was_said_of_them() {
        let text = written(Form::Ndjson);
        let first = text.lines().next().unwrap();
        let reading: api::StoredReading = serde_json::from_str(first).unwrap();
        assert_eq!((reading.sequence, reading.metrics["a"]), (Some(7), 1e300));
        assert_eq!(
            serde_json::from_str::<api::StoredReading>(&serde_json::to_string(&reading).unwrap()).unwrap(),
            reading
        );
        assert!(text.contains(r#""b,c":9.007199254740992e15"#), "{text}");
        let end = json_end(text.lines().last().unwrap()).unwrap();
        assert_eq!((end.readings, end.erased), (2, 1));
        assert_eq!(check(Form::Ndjson, &text).unwrap(), 2);
    }

    #[test]
    fn a_file_that_was_cut_anywhere_is_noticed() {
        for form in [Form::Csv, Form::Ndjson] {
            let text = written(form);
            for length in 0..text.len() {
                let cut = check(form, &text[..length]);
                assert!(matches!(cut, Err(EndError::Cut { .. })), "{form:?} {length}: {cut:?}");
            }
            assert!(matches!(check(form, &text.replace("0.25", "0.35")), Err(EndError::Changed { .. })));
            for more in ["x", "x\n", "\n"] {
                assert!(matches!(check(form, &format!("{text}{more}")), Err(EndError::Behind(_))));
            }
        }
    }

    #[test]
    fn what_comes_with_a_new_metric_while_the_file_is_written_is_left_out_whole() {
        let device = DeviceName::new("d").unwrap();
        let mut writer = Writer::new(Form::Csv, BTreeSet::from(["a".to_owned()])).unwrap();
        writer.take();
        writer.push(&device, &row(RowKey::Time, &[("a", 1.0), ("new", 2.0)]));
        assert_eq!(writer.len(), 0);
        let many = (0..=MAX_METRIC_COLUMNS).map(|at| at.to_string()).collect();
        assert_eq!(Writer::new(Form::Csv, many).err(), Some(TooManyColumns(MAX_METRIC_COLUMNS + 1)));
    }
}
