//! `anomaly-ledger backtest`: what these rules and this model would have found. Judges past readings again, in order,
//! from an empty state on; writes nothing, to no store.

pub(super) mod models;
mod report;
mod walk;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use self::{models::Choice, report::Report, walk::Walk};
use super::{
    Outcome, WrongUse,
    input::{Origin, say},
    parse_duration, policy,
};

/// Say how often rules and a model would have fired on past readings.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  anomaly-ledger backtest --policy policy.json --data-dir data\n  \
    anomaly-ledger backtest --policy policy.json --model models/pump --since 30d --data-dir data\n  \
    anomaly-ledger backtest pumps.csv --time t --device pump --model models/pump --since 2d\n\n\
    Judges every reading again as the service would have done, each device from its first reading on, and counts the \
    findings since --since before the newest reading; what is earlier only warms the detector up. Of a store it also says \
    what was found then. The store is only read, in one view of it; the service may run.\n\n\
    The model: --model for the devices of its profile; for others that of the data directory, or the built-in one of \
    their profile. Devices in a file are of --profile, else of the model's, else generic. Rules about missing data are \
    asked before each reading of the device, and at the newest reading of all. What people have said about findings since \
    is not taken into account.\n\n\
    Exit codes: 0 counted, however often it fired; 1 something failed on the way, 2 wrong use, also readings that cannot \
    be read.")]
pub(crate) struct Args {
    #[command(flatten)]
    origin: Origin,
    /// The limits and the alarm budget that are tried (as JSON). Without it: no limits, and one false alarm a day.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The model that is tried, as `train` writes it: its directory, or the file.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Only devices of this profile; of a file, what its devices are.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Count from so long before the newest reading.
    #[arg(long, default_value = "7d", value_name = "TIME", value_parser = parse_duration)]
    since: Duration,
    /// Show so many findings.
    #[arg(long, default_value_t = 10, value_name = "N")]
    first: usize,
    /// Print all as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Outcome {
    let policies = policy::read(args.policy.as_deref())?;
    let models = Choice::of(args.model.as_deref(), args.origin.data_dir(), args.profile.clone())?;
    let readings = args.origin.open()?.map_err(|_| WrongUse::new("a CSV file of readings needs --time COLUMN"))?;
    let Some(newest_ms) = readings.newest_ms()? else {
        return Err(WrongUse::new("there are no readings to judge").into());
    };
    let since_ms = newest_ms.saturating_sub(i64::try_from(args.since.as_millis()).unwrap_or(i64::MAX));
    let mut walk = Walk::new(models, policies, Report::new(since_ms, newest_ms, args.first));
    let notes = readings.each(&mut |reading| walk.judge(reading))?;
    let report = walk.end(newest_ms);
    say(&notes);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        report.print();
    }
    Ok(ExitCode::SUCCESS)
}
