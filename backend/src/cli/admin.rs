//! `anomaly-ledger admin`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use ledger::{audit::Record, checkpoint::Origin};

use super::{Outcome, backup, device, erase, people};
use crate::{
    config::{LogIdentity, operator},
    domain::{Clock, SystemClock, log::key_history, ports::AuditLog},
    store::{Reader, SqliteWriter},
};

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
    /// Make the log's next signing key; the service announces it in the log at its next start.
    #[command(after_help = "Example:\n  anomaly-ledger admin rotate-key --data-dir data\n\n\
        The old key signs the entry that names the new one, and nothing after it. Auditors who trust the old key follow \
        by themselves. Prints one line of JSON: log_key (the new verifier key), file (its secret: back it up).\n\n\
        Exit codes: 0 made, 1 there is no log, or a key that was made before is not announced yet; 2 wrong use.")]
    RotateKey {
        /// Where the log lives.
        #[arg(long, default_value = "data", value_name = "DIR")]
        data_dir: PathBuf,
    },
    /// Look after users.
    #[command(subcommand)]
    User(people::UserCommand),
    /// Read the audit log.
    #[command(subcommand)]
    Audit(people::AuditCommand),
    /// Look after the registry of devices, while the service is stopped.
    #[command(subcommand)]
    Device(device::DeviceCommand),
    Backup(backup::Args),
    /// Erase payloads for good; entries and proofs stay.
    Erase(Box<erase::Args>),
}

pub(super) fn run(command: Command) -> Outcome {
    match command {
        Command::Init { data_dir, origin } => {
            let keyring = LogIdentity::init(&data_dir, origin.clone())?;
            let key = keyring.first();
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
        Command::RotateKey { data_dir } => rotate_key(&data_dir),
        Command::User(command) => people::run(command),
        Command::Audit(command) => people::audit(command),
        Command::Device(command) => device::run(command),
        Command::Backup(args) => backup::run(&args),
        Command::Erase(args) => erase::run(&args),
    }
}

fn rotate_key(data_dir: &Path) -> Outcome {
    let keyring = LogIdentity::load(data_dir)?;
    let log = Reader::open(data_dir)?;
    let history = key_history(&log, keyring.first().clone())?;
    if let [waiting, ..] = keyring.unannounced(&history).as_slice() {
        return Err(format!("the key {waiting} was made before and is not announced yet: start the service").into());
    }
    let record = |object: String, result: &str| {
        let (at, from, what) = (SystemClock.now().to_time(), "the command line".into(), "key.make".into());
        log.add_audit_record(&Record::new(at, operator(), from, what, object, result.into()))
    };
    // Before anything is made: an act that leaves no record must not be possible.
    record("a signing key".into(), "begun")?;
    let (file, key) = LogIdentity::make_next(data_dir)?;
    record(key.to_string(), "to be announced at the next start")?;
    println!("{}", serde_json::json!({ "log_key": key, "file": file.display().to_string() }));
    eprintln!(
        "Back up {}. Start the service anew: it announces the key in the log, and signs with it from then on.\n\
         Keep the old secrets of {} offline: to restore the log from the chain, all of them are needed.",
        file.display(),
        data_dir.join("keys").display()
    );
    Ok(ExitCode::SUCCESS)
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
        assert_eq!(LogIdentity::load(dir.path()).unwrap().first().origin().to_string(), "one.example/log");
    }
}
