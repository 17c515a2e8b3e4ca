//! `anomaly-ledger fsck`: derives the whole log again from its entries, and holds it against what else is stored and
//! against the contract. Makes, migrates and repairs nothing.

mod contract;
mod models;
mod pass;
#[cfg(test)]
pub(super) mod tests;
mod windows;

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    process::ExitCode,
};

use ledger::{Hash, checkpoint::LogKey, trust::TrustRoots};
use reqwest::Url;

use super::{Outcome, WrongUse, client::parse_url};
use crate::{
    config::{KeyError, LogIdentity},
    domain::ports::StoreError,
    store::{Reader, is_damage},
};
use pass::Pass;

/// Derive the whole log again from its entries.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  anomaly-ledger fsck --data-dir data --rpc-url http://127.0.0.1:8545\n\n\
    Exit codes: 0 no difference, 25 the chain was to be asked and gave no usable answer, 30 something in the log does \
    not hold, 40 log and contract contradict each other, 1 something failed on the way, 2 wrong use.\n\
    The chain is asked only of a log that holds. The service may go on running meanwhile.")]
pub(crate) struct Args {
    /// Where the log lives.
    #[arg(long, default_value = "data", value_name = "DIR")]
    data_dir: PathBuf,
    /// Hold the log against the contract, asked here.
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    rpc_url: Option<Url>,
    /// The log's verifier key, if the data directory's signing key is not at hand or not to be relied on.
    #[arg(long, value_name = "KEY")]
    log_key: Option<LogKey>,
}

/// What has been found, in the order of weight: damage says the most.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What does not hold in the log itself.
    damage: Vec<String>,
    /// What log and contract contradict each other in.
    contradictions: Vec<String>,
    /// Why there is nothing to say about the contract, though it was asked.
    unanswered: Option<String>,
    /// What else there is to say.
    notes: Vec<String>,
    /// Size and root of the log as derived; `None` if it could not be opened.
    derived: Option<(u64, Hash)>,
    /// The size of the largest anchor that was called final.
    final_size: u64,
    /// The trust roots that the service pinned when it met its chain.
    trust: Option<TrustRoots>,
}

pub(super) fn run(args: &Args) -> Outcome {
    let found = check(args)?;
    found.print();
    Ok(ExitCode::from(found.exit_code()))
}

fn check(args: &Args) -> Result<Found, Box<dyn std::error::Error>> {
    examine(&args.data_dir, args.log_key.as_ref(), args.rpc_url.as_ref(), None)
}

/// Checks a data directory; the contract is looked at as of a block, or of the newest.
pub(super) fn examine(
    data_dir: &Path,
    log_key: Option<&LogKey>,
    rpc_url: Option<&Url>,
    block: Option<u64>,
) -> Result<Found, Box<dyn std::error::Error>> {
    let mut found = Found::default();
    // A directory without a log is a slip of the hand, and no damage: so the key is looked for first.
    let key = match log_key.map_or_else(|| own_key(data_dir), |key| Ok(key.clone())) {
        Ok(key) => key,
        Err(error @ (KeyError::Key(_) | KeyError::Public(_))) => {
            found.damage.push(format!("key: {error}; with --log-key the log can be checked without it"));
            return Ok(found);
        }
        Err(error @ KeyError::Missing(_)) => {
            return Err(WrongUse(format!("{error}, or give the log's public key with --log-key")).into());
        }
        Err(error) => return Err(error.into()),
    };
    let log = match Reader::open_snapshot(data_dir) {
        Ok(log) => log,
        Err(error) => {
            found.damaged("database", error)?;
            return Ok(found);
        }
    };
    Pass::new(&log, key, data_dir, &mut found).run()?;
    if let Some(url) = rpc_url
        && found.damage.is_empty()
    {
        contract::compare(url, block, data_dir, &log, &mut found)?;
    }
    Ok(found)
}

fn own_key(data_dir: &Path) -> Result<LogKey, KeyError> {
    Ok(LogIdentity::load(data_dir)?.first().clone())
}

impl Found {
    /// Notes an error of the store, if it is damage. Others are no finding about the log, and end the pass.
    fn damaged(&mut self, what: impl Display, error: StoreError) -> Result<(), StoreError> {
        if !is_damage(&error) {
            return Err(error);
        }
        self.damage.push(match error {
            StoreError::Damaged(why) => format!("{what}: {why}"),
            StoreError::Engine(why) => format!("{what}: {why}"),
            error => format!("{what}: {error}"),
        });
        Ok(())
    }

    /// What there is to say first: damage before contradictions before silence.
    pub(super) fn first(&self) -> Option<&str> {
        self.damage.iter().chain(&self.contradictions).chain(&self.unanswered).next().map(String::as_str)
    }

    /// Of what kind it is, as an exit code.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Found { damage, .. } if !damage.is_empty() => 30,
            Found { contradictions, .. } if !contradictions.is_empty() => 40,
            Found { unanswered: Some(_), .. } => 25,
            _ => 0,
        }
    }

    fn print(&self) {
        for line in self.damage.iter().chain(&self.contradictions).chain(&self.unanswered) {
            println!("{line}");
        }
        if let Some((size, root)) = self.derived {
            println!("{size} entries derived again: root {root}");
        }
        self.notes.iter().for_each(|line| println!("{line}"));
        match self.damage.len() + self.contradictions.len() {
            0 if self.unanswered.is_some() => println!("no differences in the log; the contract was not compared"),
            0 => println!("no differences"),
            1 => println!("1 difference"),
            count => println!("{count} differences"),
        }
    }
}
