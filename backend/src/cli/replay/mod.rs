//! `anomaly-ledger replay`: any CSV file as readings of one device, or as network flows.

mod flows;
mod table;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
};

use api::{Label, Readings};
use reqwest::Url;

use super::{
    Outcome,
    client::{Client, parse_url},
    progress::Progress,
    runtime,
};

/// Readings of a request.
const BATCH: usize = 500;

/// Send a CSV file as readings, or as network flows.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  anomaly-ledger replay room.csv --time date --device room-7 --ignore Occupancy\n  \
    anomaly-ledger replay --flows ward.csv --address-map addresses.csv\n\n\
    Every other column is a metric; its numbers are sent as they are written. A column of times holds RFC 3339, \
    `2015-02-04 17:51:00`, or seconds: since 1970, or since the start of the file, which then ends now (or begins at \
    --start).\n\n\
    With --flows the file holds network flows by the columns of CICIoT2023, in any order, and perhaps time, src_ip, dst_ip \
    and device. A line of the address map is an address or a network, a comma, and a device; without it the service's \
    registry says whose an address is. --device takes the flows of nobody.\n\n\
    Exit codes: 0 every reading was taken, 1 some were rejected, or the service does not answer; 2 wrong use, also a \
    file that cannot be read as readings: then nothing was sent."
)]
pub(crate) struct Args {
    /// The file, with a line of column names.
    #[arg(required_unless_present = "flows")]
    file: Option<PathBuf>,
    /// A file of network flows.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "time", "ignore", "start"])]
    flows: Option<PathBuf>,
    /// Whose the addresses of the flows are: lines of address or network, and device.
    #[arg(long, value_name = "FILE", requires = "flows")]
    address_map: Option<PathBuf>,
    /// The service's address.
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL", value_parser = parse_url)]
    url: Url,
    /// The column of times.
    #[arg(long, value_name = "COLUMN", required_unless_present = "flows")]
    time: Option<String>,
    /// The device's name.
    #[arg(long, value_name = "NAME", required_unless_present = "flows")]
    device: Option<String>,
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

impl Args {
    /// The file of readings. Where there is none, the parser has seen to it that there are flows.
    fn file(&self) -> &Path {
        self.file.as_deref().unwrap_or(Path::new(""))
    }

    fn time(&self) -> &str {
        self.time.as_deref().unwrap_or_default()
    }

    fn device(&self) -> &str {
        self.device.as_deref().unwrap_or_default()
    }
}

pub(super) fn run(args: &Args) -> Outcome {
    if let Some(file) = &args.flows {
        return flows::run(args, file);
    }
    let readings = table::read(args)?;
    let client = Client::new(&args.url)?;
    let mut progress = Progress::new(Some(readings.len() as u64));
    let mut counts = Counts::default();
    runtime()?.block_on(async {
        for batch in readings.chunks(BATCH) {
            let answer = client.post_readings(&batch).await?;
            counts.add(&answer);
            progress.advance(batch.len() as u64, counts.anomalies);
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    progress.finish();
    Ok(counts.told(&format!("{} readings sent as {}", readings.len(), args.device())))
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
    /// Says what became of what was sent.
    fn told(&self, sent: &str) -> ExitCode {
        let Self { stored, duplicates, anomalies, rejected } = self;
        println!("{sent}: {stored} stored, {duplicates} had been stored before, {anomalies} anomalies");
        for (why, count) in rejected {
            println!("  rejected {count}: {why}");
        }
        if rejected.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

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
