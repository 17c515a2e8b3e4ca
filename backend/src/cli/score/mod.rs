//! `anomaly-ledger score`: one score for each row of a file, without looking ahead. Reads, asks `detect`, writes.

mod alone;
mod classes;
mod rows;
mod series;
mod usual;

use std::{io, path::PathBuf, process::ExitCode};

use super::{
    Outcome, WrongUse,
    input::{Named, TableOptions},
    model,
    output::Output,
};

pub(super) use alone::Alone;
pub(super) use usual::Usual;

/// Score every row of a file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  anomaly-ledger score room.csv --time date --ignore Occupancy -o scores.csv\n  \
    anomaly-ledger score parts.csv --train good-parts.csv -o scores.csv\n  \
    anomaly-ledger score - --time t\n\n\
    With --time the rows are readings of one device, each judged by those before it: `timestamp,anomaly_score`, one row \
    for each row read, in the same order, the time as it stands in the file. Without --time they are a table: \
    `row,anomaly_score`, rows numbered from 0, by a model trained on --train or on the rows themselves; columns are \
    matched by name. By a classifier (train --labels) the score is the share of trees for classes that are not ordinary, and \
    a third column, class, says what the row was taken for.\n\n\
    Scores are from 0, as usual as can be, towards 1, which is never reached; 0.5 is where an anomaly begins (of a \
    table: unusual). They have 17 significant digits.\n\n\
    Every other column is a metric. The file has a line of column names; fields are separated by , ; tab or |, found \
    from that line. Times: RFC 3339, `2015-02-04 17:51:00`, `2015/02/04`, seconds, milliseconds or finer since 1970, or \
    row numbers; without a zone they are UTC. A row is never dropped: a number that is missing, infinite or no number \
    counts as missing (standard error says how many; in a table its column's median stands in), a reading without any number scores 0, one without a time takes \
    that of the row before. Columns that hold only words are refused, with the --ignore that leaves them out; columns \
    without a name are left out; of two columns with the same name the second is called NAME.2. Rows that end early \
    lack their last fields; rows that have too many fields are refused.\n\n\
    Exit codes: 0 every row has its score, 1 something failed on the way, 2 wrong use, also a file that cannot be read as \
    such rows: then nothing is left behind.")]
pub(crate) struct Args {
    /// The file; - for standard input.
    #[arg(value_name = "IN.csv")]
    input: PathBuf,
    /// The column of times. Without it the rows are a table.
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
    /// Where to write the scores; standard output if absent or -.
    #[arg(short, long, value_name = "OUT.csv")]
    output: Option<PathBuf>,
    /// Columns to leave out.
    #[arg(long, value_delimiter = ',', value_name = "COLUMN,…")]
    ignore: Vec<String>,
    /// Limits of your own, and how many false alarms a day you put up with, for rows with a time (as JSON: see
    /// docs/operations.md). Without it: none, and one a day.
    #[arg(long, value_name = "FILE", requires = "time")]
    policy: Option<PathBuf>,
    /// Learn what is usual in a table from these rows instead.
    #[arg(long, value_name = "TRAIN.csv", conflicts_with = "time")]
    train: Option<PathBuf>,
    /// Judge by a model, as `train` writes it: its directory, or the file.
    #[arg(long, value_name = "DIR", conflicts_with = "train")]
    model: Option<PathBuf>,
    /// Determines everything random.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// What separates the fields [default: found from the first line].
    #[arg(long, value_name = "CHARACTER")]
    separator: Option<char>,
    /// The table has no line of column names: they are called c1, c2 and so on.
    #[arg(long, conflicts_with = "time")]
    no_header: bool,
}

pub(super) fn run(args: &Args) -> Outcome {
    keep_inputs(args)?;
    let named = Named { time: args.time.clone(), ignore: args.ignore.clone(), ..Named::default() };
    if args.time.is_some() {
        series::score(args, &named)?;
        return Ok(ExitCode::SUCCESS);
    }
    let options = TableOptions { named, separator: args.separator, no_header: args.no_header };
    match args.model.as_deref().map(model::rows).transpose()? {
        Some(model::Rows::Classes(classifier)) => classes::score(args, &options, &classifier)?,
        Some(model::Rows::Usual(usual)) => rows::score(args, &options, Some(*usual))?,
        None => rows::score(args, &options, None)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses to write the scores over what they are made of.
fn keep_inputs(args: &Args) -> Result<(), WrongUse> {
    let real = |path: &PathBuf| path.canonicalize().ok().filter(|path| path.is_file());
    let Some(output) = args.output.as_ref().and_then(real) else { return Ok(()) };
    let read = [Some(&args.input), args.train.as_ref(), args.model.as_ref(), args.policy.as_ref()];
    match read.into_iter().flatten().find(|path| real(path).as_ref() == Some(&output)) {
        Some(path) => Err(WrongUse(format!("{} would be overwritten: give another -o", path.display()))),
        None => Ok(()),
    }
}

/// The file that is written.
struct Scores {
    writer: csv::Writer<Output>,
}

impl Scores {
    fn create(args: &Args, columns: &[&str]) -> Result<Self, Box<dyn std::error::Error>> {
        let output = Output::create(args.output.as_deref())?;
        let mut scores = Self { writer: csv::Writer::from_writer(output) };
        scores.writer.write_record(columns)?;
        Ok(scores)
    }

    fn write(&mut self, first: &[u8], score: f64) -> io::Result<()> {
        let score = digits(score);
        self.writer.write_record([first, score.as_bytes()]).map_err(io::Error::from)
    }

    fn write_class(&mut self, row: u64, score: f64, class: &str) -> io::Result<()> {
        self.writer.write_record([&row.to_string(), &digits(score), class]).map_err(io::Error::from)
    }

    fn finish(self) -> io::Result<()> {
        let output = self.writer.into_inner().map_err(|error| io::Error::from(error.error().kind()))?;
        output.finish()
    }
}

/// The largest score that is written: the largest double below 1.
const MOST: f64 = 1.0 - f64::EPSILON / 2.0;

/// A score with 17 significant digits, which read back to the same bits.
fn digits(score: f64) -> String {
    let score = score.clamp(0.0, MOST);
    let scientific = format!("{score:.16e}");
    let exponent = scientific.rsplit_once('e').and_then(|(_, exponent)| exponent.parse::<i32>().ok()).unwrap_or(0);
    // Twenty zeros can still be read; three hundred cannot.
    if exponent < -20 { scientific } else { format!("{score:.*}", (16 - exponent).unsigned_abs() as usize) }
}

/// That a reading was refused is a fault of the file, or of this program; either way the line helps.
fn refused(file: &std::path::Path, row: u64, error: &detect::DetectError) -> WrongUse {
    WrongUse(format!("{}, row {row}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_have_seventeen_digits_and_never_reach_one() {
        for (score, expected) in [
            (0.5, "0.50000000000000000"),
            (0.0, "0.0000000000000000"),
            (1.0, "0.99999999999999989"),
            (1.5, "0.99999999999999989"),
            (1.0 / 3.0, "0.33333333333333331"),
            (0.000_123_456_789_012_345_67, "0.00012345678901234567"),
            (1.0 / 3e9, "0.00000000033333333333333332"),
            (1e-30, "1.0000000000000001e-30"),
        ] {
            assert_eq!(digits(score), expected);
            assert_eq!(digits(score).parse::<f64>(), Ok(score.min(MOST)));
        }
    }
}
