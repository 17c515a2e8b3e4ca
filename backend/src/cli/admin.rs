//! `anomaly-ledger admin`.

use std::{path::PathBuf, process::ExitCode};

use ledger::checkpoint::Origin;

use super::{Outcome, erase};
use crate::{config::LogIdentity, store::SqliteWriter};

/// Set up and look after a log.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make a new log's identity (a name and a signing key), unless there is one; print its public half.
    #[command(after_help = "Example:\n  anomaly-ledger admin init --data-dir data\n\n\
        Prints one line of JSON: origin, log_key (the verifier key), log_id (for the contract's constructor).\n\n\
        Exit codes: 0 the log has an identity, 1 it has none (or one with another origin), 2 wrong use.")]
    Init {
        /// Where the log is to live.
        #[arg(long, default_value = "data", value_name = "DIR")]
        data_dir: PathBuf,
        /// The log's name; drawn at random if absent.
        #[arg(long, value_name = "NAME")]
        origin: Option<Origin>,
    },
    /// Erase payloads for good; entries and proofs stay.
    Erase(Box<erase::Args>),
}

pub(super) fn run(command: Command) -> Outcome {
    match command {
        Command::Init { data_dir, origin } => {
            let key = LogIdentity::init(&data_dir, origin.clone())?.log_key();
            if let Some(asked) = origin.filter(|asked| asked != key.origin()) {
                let (dir, found) = (data_dir.display(), key.origin());
                return Err(format!("{dir} holds the log {found} already: {asked} needs a directory of its own").into());
            }
            SqliteWriter::create(&data_dir)?;
            let line = serde_json::json!({
                "origin": key.origin(),
                "log_key": key,
                "log_id": format!("0x{}", key.key_hash()),
            });
            println!("{line}");
            Ok(ExitCode::SUCCESS)
        }
        Command::Erase(args) => erase::run(&args),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn init(data_dir: &std::path::Path, origin: Option<&str>) -> Outcome {
        run(Command::Init { data_dir: data_dir.to_owned(), origin: origin.map(|origin| origin.parse().unwrap()) })
    }

    #[test]
    fn a_log_keeps_its_origin() {
        let dir = tempfile::tempdir().unwrap();
        init(dir.path(), Some("one.example/log")).unwrap();
        init(dir.path(), None).unwrap();
        init(dir.path(), Some("one.example/log")).unwrap();
        let error = init(dir.path(), Some("other.example/log")).unwrap_err();
        assert!(error.to_string().contains("holds the log one.example/log already"), "{error}");
        assert_eq!(LogIdentity::load(dir.path()).unwrap().log_key().origin().to_string(), "one.example/log");
    }
}
