//! The command that `scripts/bench detect` runs. Parses, calls, prints.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use evaluate::{Result, part, table};

/// Measures the detector.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// NAB alone, with what stands behind its figures.
    Nab {
        /// The folder with `combined_windows.json` and `data`.
        dir: PathBuf,
        /// Take the scores from here instead: CATEGORY/FILE.csv with a column `anomaly_score`.
        #[arg(long)]
        results: Option<PathBuf>,
    },
}

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
        Command::Nab { dir, results } => {
            let scored = part::nab::scored(&dir, results.as_deref())?;
            println!("{}", part::nab::details(&scored));
            print!("{}", table::render(&part::nab::lines(&scored)));
            Ok(())
        }
    }
}
