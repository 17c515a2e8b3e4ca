//! `anomaly-ledger evaluate`: holds scores against labels. Scores as `score` does, and counts.

mod classes;
mod measures;
mod series;
mod tables;

use std::{path::PathBuf, process::ExitCode};

use detect::Ranking;
use serde::Serialize;

use self::{
    classes::Confusion,
    measures::{Decisions, Delay, Events, Scored, Share},
};
use super::{
    Outcome,
    input::{Named, TableOptions, say},
};

/// Measure how well the detector does on a file whose rows are labelled.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  anomaly-ledger evaluate valve.csv --time datetime --labels anomaly --ignore changepoint\n  \
    anomaly-ledger evaluate pump.csv --time t --labels fault --model models/pump --json\n  \
    anomaly-ledger evaluate flows.csv --labels class --train benign.csv\n\n\
    Scores the rows exactly as `score` does: the label is not seen. A label of 0, false, normal, benign or nothing is an \
    ordinary row, any other an anomalous one.\n\n\
    With --time: an event is a run of anomalous rows. A finding within it finds it, a finding outside of all is a false \
    alarm; the delay is from the event's first row to the first finding in it. By row: a score of 0.5 and more says \
    anomalous, for as long as an event lasts, so recall by row is low where each event is reported once. AUROC and \
    average precision rank the rows by score alone. A model that was trained with --labels also shows which class was \
    taken for which; its score is the share of trees for classes that are not ordinary.\n\n\
    Exit codes: 0 measured, however well it does; 1 something failed on the way, 2 wrong use, also a file that cannot be \
    read."
)]
pub(crate) struct Args {
    /// The file; - for standard input.
    #[arg(value_name = "IN.csv")]
    input: PathBuf,
    /// The column that says what is true of a row.
    #[arg(long, value_name = "COLUMN")]
    labels: String,
    /// The column of times. Without it the rows are a table.
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
    /// Columns to leave out.
    #[arg(long, value_delimiter = ',', value_name = "COLUMN,…")]
    ignore: Vec<String>,
    /// A model, as `train` writes it: its directory, or the file.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Limits of your own and the alarm budget, for rows with a time.
    #[arg(long, value_name = "FILE", requires = "time")]
    policy: Option<PathBuf>,
    /// Learn what is usual in a table from these rows instead of all rows of the file.
    #[arg(long, value_name = "TRAIN.csv", conflicts_with_all = ["time", "model"])]
    train: Option<PathBuf>,
    /// Determines everything random.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// What separates the fields [default: found from the first line].
    #[arg(long, value_name = "CHARACTER")]
    separator: Option<char>,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Outcome {
    let named = Named {
        time: args.time.clone(),
        label: Some(args.labels.clone()),
        ignore: args.ignore.clone(),
        ..Named::default()
    };
    let (figures, notes) = if args.time.is_some() {
        series::measure(args, &named)?
    } else {
        tables::measure(args, &TableOptions { named, separator: args.separator, no_header: false })?
    };
    say(&notes);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        print(&figures);
    }
    Ok(ExitCode::SUCCESS)
}

/// From this score on a row is called anomalous.
const THRESHOLD: f64 = 0.5;

/// What was measured.
#[derive(Debug, Serialize)]
struct Figures {
    rows: u64,
    anomalous_rows: u64,
    model: String,
    by_row: Decisions,
    /// With as many rows called anomalous as there are: precision and recall are the same then.
    precision_at_n: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by_event: Option<Events>,
    ranking: Option<Ranking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    classes: Option<Confusion>,
}

impl Figures {
    fn of(rows: &[Scored], model: String, has_time: bool) -> Self {
        let truths = rows.iter().filter(|row| row.truth).count();
        let mut order: Vec<&Scored> = rows.iter().collect();
        order.sort_by(|a, b| b.score.total_cmp(&a.score));
        let top = order.iter().take(truths).filter(|row| row.truth).count();
        Self {
            rows: rows.len() as u64,
            anomalous_rows: truths as u64,
            model,
            by_row: Decisions::by_row(rows, THRESHOLD),
            precision_at_n: (truths > 0).then(|| top as f64 / truths as f64),
            by_event: has_time.then(|| Events::of(rows)),
            ranking: Ranking::of(rows.iter().map(|row| (row.score, row.truth))),
            classes: None,
        }
    }
}

fn print(figures: &Figures) {
    let Figures { rows, anomalous_rows, model, by_row, .. } = figures;
    println!("{rows} rows, {anomalous_rows} of them anomalous; model {model}\n");
    println!("            precision  recall      F1");
    let line = |name: &str, d: &Decisions| {
        println!("{name:<10} {:>10} {:>7} {:>7}", Share(d.precision), Share(d.recall), Share(d.f1));
    };
    if let Some(events) = &figures.by_event {
        line("by event", &events.decisions);
    }
    line("by row", by_row);
    if let Some(events) = &figures.by_event {
        let Decisions { right, false_alarms, .. } = events.decisions;
        println!(
            "\n{} of {} events found; {right} findings in events, {false_alarms} elsewhere",
            events.found, events.events
        );
        let of = |delay: &Delay, unit: &str| {
            format!("median {}, mean {:.1}, longest {} {unit}", delay.median, delay.mean, delay.longest)
        };
        if let (Some(rows), Some(seconds)) = (&events.delay_rows, &events.delay_seconds) {
            println!("delay: {}; {}", of(rows, "rows"), of(seconds, "s"));
        }
    }
    println!("\nprecision at {anomalous_rows} rows: {}", Share(figures.precision_at_n));
    println!("AUROC {}", Share(figures.ranking.map(|ranking| ranking.auroc)));
    println!("average precision {}", Share(figures.ranking.map(|ranking| ranking.average_precision)));
    if let Some(classes) = &figures.classes {
        classes.print();
    }
    if figures.ranking.is_none() {
        println!("all rows have the same label: there is nothing to rank");
    }
}
