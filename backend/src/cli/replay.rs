//! `anomaly-ledger replay`: any CSV file as readings of one device.

use std::{collections::BTreeMap, io::IsTerminal, path::PathBuf, process::ExitCode};

use api::{Label, Readings};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use super::{Outcome, client::Client, runtime};
use crate::domain::{Clock, Millis, SystemClock};

/// Readings of a request.
const BATCH: usize = 500;

/// Numbers below this are seconds since the file's first row; above it, seconds since 1970 (from 1973 on).
const RELATIVE_BELOW: f64 = 1e8;

/// Send a CSV file as readings.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  anomaly-ledger replay room.csv --time date --device room-7 --ignore Occupancy\n\n\
    Every other column is a metric. A column of times holds RFC 3339, `2015-02-04 17:51:00`, or seconds: since 1970, \
    or since the start of the file, which then ends now (or begins at --start).")]
pub(crate) struct Args {
    /// The file, with a line of column names.
    file: PathBuf,
    /// The service's address.
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
    url: String,
    /// The column of times.
    #[arg(long, value_name = "COLUMN")]
    time: String,
    /// The device's name.
    #[arg(long, value_name = "NAME")]
    device: String,
    /// Columns to leave out.
    #[arg(long, value_delimiter = ',', value_name = "COLUMN")]
    ignore: Vec<String>,
    /// Time of the first row, where the file's times are relative.
    #[arg(long, value_name = "RFC3339")]
    start: Option<String>,
    /// What separates the fields.
    #[arg(long, default_value = ",", value_name = "CHARACTER")]
    separator: char,
}

pub(super) fn run(args: Args) -> Outcome {
    let readings = read(&args)?;
    let client = Client::new(&args.url)?;
    let bar = progress(readings.len() as u64);
    let mut counts = Counts::default();
    runtime()?.block_on(async {
        for batch in readings.chunks(BATCH) {
            let answer = client.post_readings(&Value::Array(batch.to_vec())).await?;
            counts.add(&answer);
            bar.inc(batch.len() as u64);
            bar.set_message(format!("{} anomalies", counts.anomalies));
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    bar.finish();
    println!(
        "{} readings sent as {}: {} stored, {} had been stored before, {} anomalies",
        readings.len(),
        args.device,
        counts.stored,
        counts.duplicates,
        counts.anomalies
    );
    for (why, count) in &counts.rejected {
        println!("  rejected {count}: {why}");
    }
    Ok(if counts.rejected.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads the file as bodies of readings.
fn read(args: &Args) -> Result<Vec<Value>, Box<dyn std::error::Error>> {
    let file = args.file.display();
    let separator = u8::try_from(args.separator).map_err(|_| "expected an ASCII character as separator")?;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .trim(csv::Trim::All)
        .flexible(true)
        .from_path(&args.file)
        .map_err(|error| format!("{file}: {error}"))?;
    let header: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
    let known = |column: &str| header.iter().any(|name| name == column);
    for column in args.ignore.iter().chain([&args.time]) {
        if !known(column) {
            return Err(format!("{file} has no column {column:?}; it has {}", header.join(", ")).into());
        }
    }
    let mut rows = Vec::new();
    for (number, row) in (2..).zip(reader.records()) {
        let row = row?;
        // R writes a row's name before the fields, and none for it in the line of names.
        let skip = row.len().saturating_sub(header.len());
        if skip > 1 || row.len() < header.len() {
            return Err(format!("{file}, line {number}: expected {} fields, found {}", header.len(), row.len()).into());
        }
        let mut time = None;
        let mut metrics = Map::new();
        for (name, field) in header.iter().zip(row.iter().skip(skip)) {
            if *name == args.time {
                time = Some(RowTime::parse(field).map_err(|error| format!("{file}, line {number}: {error}"))?);
            } else if !args.ignore.contains(name) && !field.is_empty() {
                let value: f64 = field.parse().map_err(|_| {
                    format!("{file}, line {number}: expected a number in {name:?}, found {field:?}; --ignore leaves a column out")
                })?;
                metrics.insert(name.clone(), json!(value));
            }
        }
        if let Some(time) = time {
            rows.push((time, metrics));
        }
    }
    let offset = offset(&rows, args)?;
    let reading = |(time, metrics): (RowTime, Map<String, Value>)| json!({"device": args.device, "time": time.absolute(offset).to_string(), "metrics": metrics});
    Ok(rows.into_iter().map(reading).collect())
}

/// A row's time, perhaps relative to the file's start.
#[derive(Clone, Copy)]
enum RowTime {
    Absolute(Millis),
    /// Milliseconds since the file's first row.
    Relative(i64),
}

impl RowTime {
    fn parse(field: &str) -> Result<Self, Box<dyn std::error::Error>> {
        match field.parse::<f64>() {
            Ok(seconds) if seconds.is_finite() && seconds.abs() < RELATIVE_BELOW => {
                Ok(Self::Relative((seconds * 1000.0).round() as i64))
            }
            Ok(seconds) if seconds.is_finite() => Ok(Self::Absolute(Millis((seconds * 1000.0).round() as i64))),
            _ => Ok(Self::Absolute(Millis::parse(field)?)),
        }
    }

    fn absolute(self, offset: Millis) -> Millis {
        match self {
            Self::Absolute(time) => time,
            Self::Relative(ms) => Millis(offset.0 + ms),
        }
    }
}

/// The time to which relative times are added: the start that is given, or so that the file ends now.
fn offset(rows: &[(RowTime, Map<String, Value>)], args: &Args) -> Result<Millis, Box<dyn std::error::Error>> {
    if let Some(start) = &args.start {
        return Ok(Millis::parse(start)?);
    }
    let relative = |(time, _): &(RowTime, _)| match time {
        RowTime::Relative(ms) => Some(*ms),
        RowTime::Absolute(_) => None,
    };
    let last = rows.iter().filter_map(relative).max().unwrap_or(0);
    Ok(Millis(SystemClock.now().0 - last))
}

fn progress(total: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} readings, {msg}, {eta} left");
    ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// What the service made of the readings.
#[derive(Default)]
struct Counts {
    stored: u64,
    duplicates: u64,
    anomalies: u64,
    rejected: BTreeMap<String, u64>,
}

impl Counts {
    fn add(&mut self, answer: &Readings) {
        for result in &answer.results {
            match result.status {
                api::Status::Stored => self.stored += 1,
                api::Status::Duplicate => self.duplicates += 1,
                api::Status::Rejected => {}
            }
            if let Some(problem) = &result.problem {
                *self.rejected.entry(problem.detail.clone()).or_default() += 1;
            }
            let anomaly = result.judgement.as_ref().is_some_and(|judgement| judgement.label == Label::Anomaly);
            self.anomalies += u64::from(anomaly);
        }
    }
}
