//! The command that `scripts/bench detect` runs. Parses, calls, prints.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use clap::{Parser, Subcommand, ValueEnum};
use evaluate::{
    Result,
    devices::{self, Fleet},
    part::{self, simulator::Size},
    peers::Peers,
    table::{self, Line},
};

/// Measures the detector.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything, or what `--only` names, in one table.
    Detect {
        /// The folder of public data sets.
        data: PathBuf,
        /// Less of everything: what fits into a few seconds.
        #[arg(long)]
        quick: bool,
        /// Other people's detectors as well, by this Python, which has them.
        #[arg(long, value_name = "PYTHON")]
        peers: Option<PathBuf>,
        /// Forests of other crates as well: the program that `backend/detect/peers` gives.
        #[arg(long, value_name = "PROGRAM", requires = "peers")]
        crates: Option<PathBuf>,
        /// Only these parts.
        #[arg(long, value_enum, value_delimiter = ',')]
        only: Vec<Part>,
        /// A line for each table of ADBench as well.
        #[arg(long)]
        each: bool,
    },
    /// Many devices at once: memory, readings a second, saving and loading all states.
    Devices {
        /// How many.
        #[arg(long, default_value_t = 1_000_000)]
        devices: usize,
        /// Metrics in each reading, at most 12.
        #[arg(long, default_value_t = 3)]
        metrics: usize,
        /// Readings of each device.
        #[arg(long, default_value_t = 10)]
        rounds: usize,
        /// Where the saved states go, and are removed from.
        #[arg(long, default_value = ".")]
        dir: PathBuf,
    },
    /// NAB alone, with what stands behind its figures.
    Nab {
        /// The folder with `combined_windows.json` and `data`.
        dir: PathBuf,
        /// Take the scores from here instead: CATEGORY/FILE.csv with a column `anomaly_score`.
        #[arg(long)]
        results: Option<PathBuf>,
    },
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Nab,
    Merlion,
    Adbench,
    Skab,
    NslKdd,
    Classes,
    Bidmc,
    Simulator,
    Speed,
}

impl Part {
    fn measure(self, data: &Path, quick: bool, each: bool, peers: Option<&Peers>) -> Result<Vec<Line>> {
        match self {
            Self::Nab => part::nab::measure(&data.join("nab"), peers),
            Self::Merlion => part::merlion::measure(&data.join("merlion")),
            Self::Adbench => part::adbench::measure(&data.join("adbench"), quick, each, peers),
            Self::Skab => part::skab::measure(&data.join("skab/valve1"), peers),
            Self::NslKdd => part::nsl_kdd::measure(&data.join("nsl_kdd"), quick, peers),
            Self::Classes => part::classes::measure(&data.join("nsl_kdd"), quick),
            Self::Bidmc => part::bidmc::measure(&data.join("bidmc")),
            Self::Simulator => part::simulator::measure(if quick { QUICK } else { FULL }),
            Self::Speed => part::speed::measure(peers),
        }
    }
}

const FULL: Size = Size { devices: 20, days: 5 };
const QUICK: Size = Size { devices: 4, days: 3 };

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("evaluate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Detect { data, quick, peers, crates, only, each } => {
            let peers = peers.as_deref().map(|python| Peers::new(python, crates.as_deref()));
            let chosen = Part::value_variants().iter().filter(|part| only.is_empty() || only.contains(part));
            let mut lines = Vec::new();
            for part in chosen {
                let begin = Instant::now();
                lines.extend(part.measure(&data, quick, each, peers.as_ref())?);
                eprintln!("{part:?}: {:.1} s", begin.elapsed().as_secs_f64());
            }
            print(&table::render(&lines));
            Ok(())
        }
        Command::Devices { devices, metrics, rounds, dir } => {
            print(&table::render(&devices::measure(Fleet { devices, metrics, rounds }, &dir)?));
            Ok(())
        }
        Command::Nab { dir, results } => {
            let scored = part::nab::scored(&dir, results.as_deref())?;
            print(&part::nab::details(&scored));
            print(&table::render(&part::nab::lines(&scored)));
            Ok(())
        }
    }
}

/// To whoever reads; nobody has to read to the end.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
