//! `anomaly-ledger admin`.

use std::{path::PathBuf, process::ExitCode};

use ledger::checkpoint::Origin;

use super::Outcome;
use crate::config::LogIdentity;

/// Set up and look after a log.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make a new log's identity (a name and a signing key), unless there is one; print its public half.
    #[command(after_help = "Example:\n  anomaly-ledger admin init --data-dir data\n\n\
        Prints one line of JSON: origin, log_key (the verifier key), log_id (for the contract's constructor).")]
    Init {
        /// Where the log is to live.
        #[arg(long, default_value = "data", value_name = "DIR")]
        data_dir: PathBuf,
        /// The log's name; drawn at random if absent.
        #[arg(long, value_name = "NAME")]
        origin: Option<Origin>,
    },
}

pub(super) fn run(command: Command) -> Outcome {
    match command {
        Command::Init { data_dir, origin } => {
            let key = LogIdentity::init(&data_dir, origin)?.log_key();
            let line = serde_json::json!({
                "origin": key.origin(),
                "log_key": key,
                "log_id": format!("0x{}", key.key_hash()),
            });
            println!("{line}");
            Ok(ExitCode::SUCCESS)
        }
    }
}
