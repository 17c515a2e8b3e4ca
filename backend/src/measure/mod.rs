//! Measurements of the log on its own code: the pipeline, the store, the HTTP interface. Built only with the feature
//! `measure`, so that none of it ships; `scripts/bench ledger` builds and calls it. It asserts nothing about time.

mod load;
mod machine;
mod readings;
mod rig;
mod scale;
mod series;

use std::{path::PathBuf, process::ExitCode, time::Duration};

/// Measure the log.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Say what the numbers are measured on.
    Machine {
        /// Where the logs are to grow.
        #[arg(long, value_name = "DIR")]
        data_dir: PathBuf,
    },
    /// Append, prove, start and check at several sizes.
    Scale {
        /// Where the log is to grow.
        #[arg(long, value_name = "DIR")]
        data_dir: PathBuf,
        /// At which sizes to stop and measure.
        #[arg(long, value_delimiter = ',', default_values_t = [10_000, 1_000_000])]
        sizes: Vec<u64>,
    },
    /// One step of `scale`, in a process of its own, so that its memory can be told.
    #[command(hide = true)]
    Step {
        #[arg(long)]
        data_dir: PathBuf,
        #[command(subcommand)]
        step: scale::Step,
    },
    /// Fill a store with readings, and ask it.
    Series {
        /// Where the store is to be made.
        #[arg(long, value_name = "DIR")]
        data_dir: PathBuf,
        /// Values in all, three to a reading.
        #[arg(long, default_value_t = 100_000_000)]
        points: u64,
        /// How many devices send them.
        #[arg(long, default_value_t = 1_000)]
        devices: u64,
        /// Seconds between two readings of a device.
        #[arg(long, default_value_t = 60)]
        every: u64,
    },
    /// Hand findings to the pipeline, while clients fetch checkpoints and verify inclusion.
    Load {
        /// Where the log is.
        #[arg(long, value_name = "DIR")]
        data_dir: PathBuf,
        /// For how many seconds.
        #[arg(long, default_value_t = 30)]
        seconds: u64,
        /// Findings a second; 0 for as many as are taken.
        #[arg(long, default_value_t = 0)]
        rate: u64,
        /// Clients that verify inclusion, one request after the other.
        #[arg(long, default_value_t = 2)]
        verifiers: usize,
        /// The pause of each between two proofs, in milliseconds.
        #[arg(long, default_value_t = 5)]
        pause: u64,
        /// Send them as JSON over HTTP, instead of handing them over in process.
        #[arg(long)]
        http: bool,
    },
}

/// What a measurement gives up with.
type Failure = Box<dyn std::error::Error + Send + Sync>;

pub(crate) fn run(command: Command) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = match command {
        Command::Machine { data_dir } => machine::run(&data_dir),
        Command::Scale { data_dir, sizes } => scale::run(&data_dir, &sizes),
        Command::Step { data_dir, step } => runtime.block_on(scale::step(&data_dir, &step)),
        Command::Series { data_dir, points, devices, every } => {
            series::run(&data_dir, points, devices, Duration::from_secs(every))
        }
        Command::Load { data_dir, seconds, rate, verifiers, pause, http } => {
            let pause = Duration::from_millis(pause);
            let asked = load::Asked { seconds: Duration::from_secs(seconds), rate, verifiers, pause, http };
            runtime.block_on(load::run(&data_dir, &asked))
        }
    };
    result.map(|()| ExitCode::SUCCESS).map_err(|error| error as Box<dyn std::error::Error>)
}

/// The value below which this share of the sorted values lies.
fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let at = (sorted.len().saturating_sub(1)) as f64 * share;
    sorted.get(at as usize).copied().unwrap_or_default()
}
