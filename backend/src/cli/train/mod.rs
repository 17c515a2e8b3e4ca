//! `anomaly-ledger train`: a model from normal readings. Reads, asks `detect`, writes three files.

mod classes;
mod streams;
mod tables;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use detect::MetricSpec;

use super::{
    Outcome,
    input::{Named, Origin, TableOptions, say},
    output::Output,
};

/// Train a model from what is normal.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  anomaly-ledger train pumps.csv --time t --device pump --profile pump \
    --metric flow,l/min,0,60 -o models/pump\n  \
    anomaly-ledger train readings.ndjson --profile weather-station -o models/weather-station\n  \
    anomaly-ledger train --data-dir data --profile weather-station -o models/weather-station\n  \
    anomaly-ledger train good-parts.csv -o parts\n  \
    anomaly-ledger train flows.csv --labels class --each-label -o flows\n\n\
    Writes into the directory model.bin, model_meta.json and the training sample: sample.csv. The same rows, profile, \
    metrics and seed give the same bytes.\n\n\
    Readings with times give a model of devices of one kind. Each device's readings have to be in order, and at least \
    some hundred of them normal; from a store, readings that were found anomalous are left out, and only devices of the \
    profile are taken. Of more than 4,000,000 values only the first are. A metric's unit and the range outside which it \
    is physically implausible come from --metric, else from the built-in profile of that name; else nothing is \
    implausible.\n\n\
    CSV without --time gives a model of what is usual in a table, for `score --model`; with --labels one that tells \
    classes apart: ordinary (normal, benign, 0 and the like) from others, or every label. A quarter of each class is held \
    back to measure it. Of more than 4,000,000 numbers, or 250,000 labelled rows, an even sample is learnt from. How files \
    are read: see `score --help`.\n\n\
    Exit codes: 0 trained, 1 something failed on the way, 2 wrong use, also too few rows: then nothing is written.")]
pub(crate) struct Args {
    #[command(flatten)]
    origin: Origin,
    /// The kind of device: 1 to 64 of a-z, 0-9 and -. Readings with times need it.
    #[arg(long, value_name = "NAME", required_unless_present = "input")]
    profile: Option<String>,
    /// Unit and plausible range of a metric; may be repeated. The unit may be empty.
    #[arg(long = "metric", value_name = "NAME,UNIT,LOW,HIGH", value_parser = metric)]
    metrics: Vec<MetricSpec>,
    /// The column that says what is true of a row: then a classifier is trained, and columns of words are learnt from too.
    #[arg(long, value_name = "COLUMN", conflicts_with_all = ["time", "data_dir", "profile"])]
    labels: Option<String>,
    /// Tell every label apart, not only ordinary rows from others.
    #[arg(long, requires = "labels")]
    each_label: bool,
    /// Let the classifier put what is usual where a field or a whole column is missing.
    #[arg(long, requires = "labels")]
    impute: bool,
    /// The table has no line of column names: they are called c1, c2 and so on.
    #[arg(long, conflicts_with_all = ["time", "data_dir"])]
    no_header: bool,
    /// Where to write the model.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Determines everything random.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
}

pub(super) fn run(args: &Args) -> Outcome {
    match args.origin.open()? {
        Ok(readings) => streams::train(args, &readings)?,
        Err(table) => {
            let named = Named { label: args.labels.clone(), ..args.origin.named() };
            let options = TableOptions { named, separator: args.origin.separator(), no_header: args.no_header };
            match &args.labels {
                Some(_) => classes::train(args, &table, &options)?,
                None => tables::train(args, &table, &options)?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `NAME,UNIT,LOW,HIGH`; the name may hold commas itself.
fn metric(text: &str) -> Result<MetricSpec, String> {
    let expected = || format!("expected NAME,UNIT,LOW,HIGH such as flow,l/min,0,60, found {text:?}");
    let mut parts = text.rsplitn(4, ',');
    let mut number = || parts.next().and_then(|part| part.trim().parse::<f64>().ok()).ok_or_else(expected);
    let (high, low) = (number()?, number()?);
    let (Some(unit), Some(name)) = (parts.next(), parts.next()) else { return Err(expected()) };
    MetricSpec::new(name.trim(), unit.trim(), low, high).map_err(|error| error.to_string())
}

/// A model in its three files.
struct Trained {
    model: Vec<u8>,
    /// The description, without which a model is only bytes.
    meta: String,
    /// What it learnt from, as CSV; `None` if it lies there already.
    sample: Option<String>,
}

impl Trained {
    /// Writes them, the model last: who finds it finds the others too.
    fn write(&self, dir: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(dir)
            .map_err(|error| std::io::Error::new(error.kind(), format!("{}: {error}", dir.display())))?;
        let sample = self.sample.iter().map(|sample| ("sample.csv", sample.as_bytes()));
        let others = [("model_meta.json", self.meta.as_bytes()), ("model.bin", self.model.as_slice())];
        for (name, bytes) in sample.chain(others) {
            let mut output = Output::create(Some(&dir.join(name)))?;
            output.write_all(bytes)?;
            output.finish()?;
        }
        Ok(())
    }
}

/// Says what the user should know, and what was made.
fn told(dir: &Path, notes: &[String], version: &str, from: &str) {
    say(notes);
    println!("{version}: trained from {from}, in {}", dir.display());
}
