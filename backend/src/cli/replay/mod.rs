//! `anomaly-ledger replay`: readings out of a file. A table is of one device; exports and lines of JSON say whose each
//! reading is. Or network flows, which are passed on as they are written.

mod exported;
mod flows;
mod table;

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use api::{Label, Readings};
use reqwest::Url;

use self::exported::Exported;
use super::{
    Outcome, WrongUse,
    client::{Client, parse_url},
    input::Source,
    key::KeyFile,
    progress::Progress,
    runtime,
};

/// Readings of a request.
const BATCH: usize = 500;

/// Send a file as readings, or as network flows.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  anomaly-ledger replay room.csv --time date --device room-7 --ignore Occupancy\n  \
    anomaly-ledger replay readings.csv\n  \
    anomaly-ledger replay pump-4.ndjson --url https://ledger.example --key-file key.txt\n  \
    anomaly-ledger replay --flows ward.csv --address-map addresses.csv\n\n\
    What `anomaly-ledger export` has written is sent as it was: the same devices, times, sequence numbers and values, to \
    be judged anew. An export that was cut off or changed is refused, unless --partial. What is stored already is told to \
    be, and not stored twice. So are lines of JSON such as POST /api/v1/readings takes.\n\n\
    Of any other CSV file, every column but the times is a metric; its numbers are sent as they are written. A column of \
    times holds RFC 3339, `2015-02-04 17:51:00`, or seconds: since 1970, or since the start of the file, which then ends \
    now (or begins at --start).\n\n\
    With --flows the file holds network flows by the columns of CICIoT2023, in any order, and perhaps time, src_ip, dst_ip \
    and device. A line of the address map is an address or a network, a comma, and a device; without it the service's \
    registry says whose an address is. --device takes the flows of nobody.\n\n\
    Exit codes: 0 every reading was taken, 1 some were rejected, or the service does not answer; 2 wrong use, also a \
    file that cannot be read as readings: then nothing was sent."
)]
pub(crate) struct Args {
    /// The file: an export, lines of JSON, or a table with a line of column names. - for standard input.
    file: PathBuf,
    /// The file holds network flows.
    #[arg(long, conflicts_with_all = ["time", "ignore", "start", "partial"])]
    flows: bool,
    /// Whose the addresses of the flows are: lines of address or network, and device.
    #[arg(long, value_name = "FILE", requires = "flows")]
    address_map: Option<PathBuf>,
    /// The service's address.
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL", value_parser = parse_url)]
    url: Url,
    #[command(flatten)]
    key: KeyFile,
    /// The column of times of a table.
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
    /// The name of the device that a table is of.
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Columns to leave out.
    #[arg(long, value_delimiter = ',', value_name = "COLUMN")]
    ignore: Vec<String>,
    /// Time of the first row, where the file's times are relative.
    #[arg(long, value_name = "RFC3339")]
    start: Option<String>,
    /// What separates the fields of a table.
    #[arg(long, default_value = ",", value_name = "CHARACTER")]
    separator: char,
    /// Send what is there of an export that was cut off, or changed since.
    #[arg(long)]
    partial: bool,
}

pub(super) fn run(args: &Args) -> Outcome {
    if args.flows {
        return flows::run(args, &args.file);
    }
    let source = Source::again(&args.file)?;
    let client = Client::new(&args.url)?.with_key(args.key.read()?);
    match Exported::of(source)? {
        Ok(_) if args.time.is_some() || args.device.is_some() => {
            let what = "the file says itself when and of which device each reading is: leave --time and --device out";
            Err(WrongUse::new(what).into())
        }
        Ok(mut file) => {
            let mut sending = Sending::new(client, file.check(args.partial)?)?;
            file.each(&mut |reading| sending.push(reading))?;
            sending.end(None)
        }
        Err(table) => {
            let readings = table::read(&table, args)?;
            let mut sending = Sending::new(client, readings.len() as u64)?;
            readings.into_iter().try_for_each(|reading| sending.push(reading))?;
            sending.end(args.device.as_deref())
        }
    }
}

/// Readings on their way, a batch at a time.
struct Sending<T> {
    client: Client,
    runtime: tokio::runtime::Runtime,
    batch: Vec<T>,
    seen: u64,
    counts: Counts,
    progress: Progress,
}

impl<T: serde::Serialize + Sync> Sending<T> {
    fn new(client: Client, total: u64) -> std::io::Result<Self> {
        let (progress, counts) = (Progress::new(Some(total)), Counts::default());
        Ok(Self { client, runtime: runtime()?, batch: Vec::with_capacity(BATCH), seen: 0, counts, progress })
    }

    fn push(&mut self, reading: T) -> Result<(), Box<dyn std::error::Error>> {
        self.batch.push(reading);
        if self.batch.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    /// Sends what has gathered.
    fn flush(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        if !self.batch.is_empty() {
            let answer = self.runtime.block_on(self.client.post_readings(&self.batch))?;
            self.counts.add(&answer);
            self.seen += self.batch.len() as u64;
            self.progress.advance(self.batch.len() as u64, self.counts.anomalies);
            self.batch.clear();
        }
        Ok(())
    }

    /// Sends the rest, and says what became of all.
    fn end(mut self, device: Option<&str>) -> Outcome {
        self.flush()?;
        self.progress.finish();
        let device = device.map_or_else(String::new, |device| format!(" as {device}"));
        Ok(self.counts.say(&format!("{} readings sent{device}", self.seen)))
    }
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
    /// Prints what became of what was sent, and gives the exit code.
    fn say(&self, sent: &str) -> ExitCode {
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
