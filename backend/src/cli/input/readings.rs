//! Readings of any number of devices, from a CSV file, lines of JSON, or the store: one shape for all three, one
//! reading at a time, in the order in which they stand there. Changes nothing in a store.

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{columns::Named, series::Series, source::Source, time::TimeFormat};
use crate::{
    cli::WrongUse,
    domain::verdict::Label,
    export::json_end,
    store::{Past, Reader},
};

/// The longest line of JSON in bytes: a reading has some hundred, and 4 MiB is what the service takes in one request.
const MAX_LINE: u64 = 4 << 20;

/// Where readings come from.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Origin {
    /// The file: CSV (with --time), or one reading as JSON on each line, as POST /api/v1/readings takes them. - for
    /// standard input.
    #[arg(value_name = "IN", required_unless_present = "data_dir")]
    input: Option<PathBuf>,
    /// The readings of the service with this data directory instead. It is only read; the service may run.
    #[arg(long, value_name = "DIR", conflicts_with = "input")]
    data_dir: Option<PathBuf>,
    /// The column of times in a CSV file.
    #[arg(long, value_name = "COLUMN", conflicts_with = "data_dir")]
    time: Option<String>,
    /// The column that says of which device a row is; without it all rows are of one.
    #[arg(long, value_name = "COLUMN", requires = "time")]
    device: Option<String>,
    /// Columns to leave out.
    #[arg(long, value_delimiter = ',', value_name = "COLUMN,…")]
    ignore: Vec<String>,
    /// What separates the fields [default: found from the first line].
    #[arg(long, value_name = "CHARACTER")]
    separator: Option<char>,
}

/// One reading.
pub(crate) struct Reading<'a> {
    /// The device's name; empty where there is only one.
    pub(crate) device: &'a str,
    /// The profile by which the service judged it; none from a file.
    pub(crate) profile: Option<&'a str>,
    /// Milliseconds since 1970 UTC, or since whatever the file counts from.
    pub(crate) time_ms: i64,
    /// Finite values, sorted by metric; none where the row has none, or where a service noticed that nothing came.
    pub(crate) values: &'a [(String, f64)],
    /// What the service found.
    pub(crate) found: Option<Found<'a>>,
}

/// What the service made of a reading.
pub(crate) struct Found<'a> {
    pub(crate) score: f64,
    pub(crate) label: Label,
    /// The index of its entry, if it has one.
    pub(crate) entry: Option<u64>,
    /// The payload of its entry, unless it has none or it was erased.
    pub(crate) payload: Option<&'a [u8]>,
}

/// Readings that can be gone through more than once.
pub(crate) enum Readings {
    Csv { source: Source, named: Named, separator: Option<char> },
    Lines(Source),
    Store(Box<Reader>),
}

/// Why going through readings ended.
pub(crate) type Stop = Box<dyn std::error::Error>;

impl Origin {
    /// The columns that are named, as far as a table has them.
    pub(crate) fn named(&self) -> Named {
        Named { ignore: self.ignore.clone(), ..Named::default() }
    }

    /// The data directory, if it is a store.
    pub(crate) fn data_dir(&self) -> Option<&Path> {
        self.data_dir.as_deref()
    }

    /// What separates the fields, if it is said.
    pub(crate) fn separator(&self) -> Option<char> {
        self.separator
    }

    /// Opens them; or gives the file as it is, if it is CSV and no column of times was named: then it is a table.
    pub(crate) fn open(&self) -> Result<Result<Readings, Source>, Stop> {
        if let Some(dir) = &self.data_dir {
            if !dir.is_dir() {
                return Err(WrongUse(format!(
                    "{}: no such directory; expected the one that serve writes to",
                    dir.display()
                ))
                .into());
            }
            let wrong = |error| WrongUse(format!("{}: {error}", dir.display()));
            return Ok(Ok(Readings::Store(Box::new(Reader::open_snapshot(dir).map_err(wrong)?))));
        }
        let input = self.input.as_deref().unwrap_or(Path::new("-"));
        let source = Source::again(input)?;
        if is_json(&source)? {
            return Ok(Ok(Readings::Lines(source)));
        }
        if self.time.is_none() {
            return Ok(Err(source));
        }
        let named = Named {
            time: self.time.clone(),
            device: self.device.clone(),
            ignore: self.ignore.clone(),
            ..Named::default()
        };
        Ok(Ok(Readings::Csv { source, named, separator: self.separator }))
    }
}

/// Whether a file begins with an object rather than with names of columns.
fn is_json(source: &Source) -> Result<bool, WrongUse> {
    let mut start = Vec::new();
    let read = source.open()?.take(4096).read_to_end(&mut start);
    read.map_err(|error| WrongUse(format!("{}: {error}", source.name())))?;
    Ok(start.trim_ascii_start().starts_with(b"{"))
}

impl Readings {
    /// The time of the newest reading, in milliseconds; `None` without any. Goes through a file once.
    pub(crate) fn newest_ms(&self) -> Result<Option<i64>, Stop> {
        if let Self::Store(store) = self {
            return Ok(store.newest_time()?.map(|time| time.millis().0));
        }
        let mut newest: Option<i64> = None;
        self.each(&mut |reading| {
            newest = newest.max(Some(reading.time_ms));
            Ok(())
        })?;
        Ok(newest)
    }

    /// Gives each reading to `visit`; returns what the user should know about how they were read.
    pub(crate) fn each(&self, visit: &mut dyn FnMut(&Reading<'_>) -> Result<(), Stop>) -> Result<Vec<String>, Stop> {
        match self {
            Self::Csv { source, named, separator } => each_row(source, named, *separator, visit),
            Self::Lines(source) => each_line(source, visit),
            Self::Store(store) => each_stored(store, visit),
        }
    }
}

fn each_row(
    source: &Source,
    named: &Named,
    separator: Option<char>,
    visit: &mut dyn FnMut(&Reading<'_>) -> Result<(), Stop>,
) -> Result<Vec<String>, Stop> {
    let mut series = Series::open(source, named, separator)?;
    let metrics = series.metrics().to_vec();
    let mut values = Vec::with_capacity(metrics.len());
    while let Some(row) = series.next()? {
        values.clear();
        let present = metrics.iter().zip(row.numbers).filter(|(_, number)| number.is_finite());
        values.extend(present.map(|(metric, number)| (metric.clone(), *number)));
        let (device, time_ms) = (row.device, row.time_ms);
        visit(&Reading { device, profile: None, time_ms, values: &values, found: None })?;
    }
    Ok(series.notes())
}

/// A reading as the service takes it. What it does not know of here does not matter here.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    device: String,
    time: Value,
    metrics: Map<String, Value>,
}

fn each_line(source: &Source, visit: &mut dyn FnMut(&Reading<'_>) -> Result<(), Stop>) -> Result<Vec<String>, Stop> {
    let mut file = BufReader::new(source.open()?);
    let (mut text, mut number, mut skipped) = (String::new(), 0_u64, 0_u64);
    let mut format = None;
    loop {
        text.clear();
        number += 1;
        let wrong = |why: String| WrongUse(format!("{}, line {number}: {why}", source.name()));
        let read = file.by_ref().take(MAX_LINE).read_line(&mut text).map_err(|error| wrong(error.to_string()))?;
        if read == 0 {
            break;
        }
        if read as u64 == MAX_LINE {
            return Err(wrong(format!("expected at most {MAX_LINE} bytes on a line")).into());
        }
        if text.trim().is_empty() || json_end(&text).is_some() {
            continue;
        }
        let example = r#"{"device": "pump-4", "time": "2026-01-05T08:00:00Z", "metrics": {"flow": 3.2}}"#;
        let line: Line = serde_json::from_str(&text).map_err(|error| wrong(format!("{error}; expected {example}")))?;
        let time = line.time.as_str().map_or_else(|| line.time.to_string(), str::to_owned);
        let format = format.get_or_insert_with(|| TimeFormat::of([time.as_str()].into_iter()));
        let time_ms = format.parse(&time).ok_or_else(|| wrong(format!("expected a time, found {time:.40}")))?;
        let finite = |value: &Value| value.as_f64().filter(|value| value.is_finite());
        let mut values: Vec<(String, f64)> =
            line.metrics.iter().filter_map(|(metric, value)| Some((metric.clone(), finite(value)?))).collect();
        values.sort_by(|a, b| a.0.cmp(&b.0));
        skipped += (line.metrics.len() - values.len()) as u64;
        visit(&Reading { device: &line.device, profile: None, time_ms, values: &values, found: None })?;
    }
    Ok((skipped > 0)
        .then(|| format!("{skipped} values are no finite number and count as missing"))
        .into_iter()
        .collect())
}

fn each_stored(store: &Reader, visit: &mut dyn FnMut(&Reading<'_>) -> Result<(), Stop>) -> Result<Vec<String>, Stop> {
    let mut stop = None;
    let mut erased = 0;
    let read = store.history(&mut |past: &Past<'_>| {
        erased += u64::from(past.values.is_empty() && !past.silence);
        visit_stored(past, visit).map_err(|error| {
            let told = crate::domain::ports::StoreError::Damaged(error.to_string());
            stop = Some(error);
            told
        })
    });
    if let Some(stop) = stop {
        return Err(stop);
    }
    read?;
    Ok((erased > 0).then(|| format!("{erased} readings were erased and are passed over")).into_iter().collect())
}

fn visit_stored(past: &Past<'_>, visit: &mut dyn FnMut(&Reading<'_>) -> Result<(), Stop>) -> Result<(), Stop> {
    let object: Map<String, Value> = match past.values {
        "" if past.silence => Map::new(),
        "" => return Ok(()),
        values => serde_json::from_str(values)
            .map_err(|error| format!("the values of a reading of {}: {error}: see fsck", past.device))?,
    };
    let mut values: Vec<(String, f64)> =
        object.into_iter().filter_map(|(metric, value)| Some((metric, value.as_f64()?))).collect();
    values.sort_by(|a, b| a.0.cmp(&b.0));
    visit(&Reading {
        device: past.device,
        profile: Some(past.profile),
        time_ms: past.time.millis().0,
        values: &values,
        found: Some(Found { score: past.score, label: past.label, entry: past.entry, payload: past.payload }),
    })
}
