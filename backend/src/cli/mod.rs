//! The command line: what it takes, and which command does it.

mod account;
mod admin;
mod backtest;
mod backup;
mod client;
mod device;
mod device_key;
mod drill;
mod erase;
mod evaluate;
mod events;
mod evidence;
mod export;
mod fsck;
mod input;
mod key;
mod model;
mod output;
mod people;
mod policy;
mod progress;
mod replay;
mod rescore;
mod restore;
mod score;
mod serve;
mod simulate;
mod train;
mod transport;
mod unfinished;
mod verify;

#[cfg(test)]
mod tests;

#[cfg(feature = "measure")]
pub(crate) use fsck::finds_nothing;

use std::{fs::File, io::Read as _, path::Path, process::ExitCode};

use clap::{Parser, Subcommand};

/// A result of a command: an exit code, or an error for the user.
type Outcome = Result<ExitCode, Box<dyn std::error::Error>>;

/// The command cannot do what it was told, whatever the state of the world: exit code 2, as clap has it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct WrongUse(String);

impl WrongUse {
    fn new(why: impl ToString) -> Self {
        Self(why.to_string())
    }
}

/// A file's bytes, which are at most so many: of /dev/zero, or of what somebody else has put there, the memory would be
/// full before anybody looked at a byte.
fn read_file(file: &Path, most: usize) -> Result<Vec<u8>, WrongUse> {
    let wrong = |why: &dyn std::fmt::Display| WrongUse(format!("{}: {why}", file.display()));
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|open| open.take(most as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| wrong(&error))?;
    if bytes.len() > most { Err(wrong(&format!("expected at most {most} bytes"))) } else { Ok(bytes) }
}

/// A model's file has at most this many bytes: 500 trees of the deepest classifier.
const MAX_MODEL: usize = 512 << 20;

/// Evidence about machines that nobody has to take on trust.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    arg_required_else_help = true,
    after_help = "Example:\n  anomaly-ledger verify evidence-17.json --trust trust.json --rpc-url http://127.0.0.1:8545\n\n\
    Exit codes: 0 all went well, 1 something failed on the way, 2 wrong use. Those of verify and fsck say more: see \
    their --help."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service.
    Serve(Box<serve::Args>),
    /// Send simulated readings with injected anomalies, and count how many were found.
    Simulate(simulate::Args),
    /// Send a file as readings: CSV, lines of JSON, or what `export` has written.
    #[command(visible_alias = "import")]
    Replay(replay::Args),
    /// Make a device's key, and sign readings with it.
    #[command(subcommand)]
    DeviceKey(device_key::Command),
    /// Write readings to a file: to keep, to send again, or to train with.
    Export(export::Args),
    /// Score every row of a file.
    Score(score::Args),
    /// Measure how well the detector does on labelled rows.
    Evaluate(evaluate::Args),
    /// Say how often rules and a model would have fired on past readings.
    Backtest(backtest::Args),
    /// Train a model from what is normal.
    Train(train::Args),
    /// Fetch an entry's evidence bundle.
    Evidence(evidence::Args),
    /// Compute a past verdict again: exit 0 the same, 30 a different one.
    Rescore(rescore::Args),
    /// Examine an evidence bundle: exit 0 final, 10 anchored, 20 consistent, 25 unchecked, 30 invalid, 40 diverged.
    Verify(Box<verify::Args>),
    /// Hold the log's heartbeats against the log: is every anomaly of a device there that was counted?
    Account(account::Args),
    /// Derive the whole log again from its entries, and name each difference.
    Fsck(fsck::Args),
    /// Rebuild entries and payloads from what was published on the chain.
    Restore(Box<restore::Args>),
    /// Attack a copy of your own ledger, and see what is noticed.
    Drill(drill::Args),
    /// Set up and look after a log.
    #[command(subcommand)]
    Admin(admin::Command),
    /// Measure the log on this machine. In builds with the feature `measure` only.
    #[cfg(feature = "measure")]
    #[command(subcommand)]
    Measure(crate::measure::Command),
}

impl Cli {
    /// Runs the command. What fails on the way exits 1; wrong use exits 2, as clap does.
    pub(crate) fn run(self) -> ExitCode {
        install_crypto();
        end_quietly_with_the_reader();
        let outcome = match self.command {
            Command::Serve(args) => serve::run(*args),
            Command::Simulate(args) => simulate::run(&args),
            Command::Replay(args) => replay::run(&args),
            Command::DeviceKey(command) => device_key::run(&command),
            Command::Export(args) => export::run(&args),
            Command::Score(args) => score::run(&args),
            Command::Evaluate(args) => evaluate::run(&args),
            Command::Backtest(args) => backtest::run(&args),
            Command::Train(args) => train::run(&args),
            Command::Evidence(args) => evidence::run(args),
            Command::Rescore(args) => rescore::run(&args),
            Command::Verify(args) => verify::run(&args),
            Command::Account(args) => account::run(&args),
            Command::Fsck(args) => fsck::run(&args),
            Command::Restore(args) => restore::run(&args),
            Command::Drill(args) => drill::run(&args),
            Command::Admin(command) => admin::run(command),
            #[cfg(feature = "measure")]
            Command::Measure(command) => crate::measure::run(command),
        };
        outcome.unwrap_or_else(|error| {
            eprintln!("anomaly-ledger: {}", in_words(&error.to_string()));
            exit_code(&*error)
        })
    }
}

/// A reader that has seen enough, such as `head`, is no fault: then the program ends as others do, without a word. Rust
/// makes a panic of what it cannot print.
fn end_quietly_with_the_reader() {
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload().downcast_ref::<String>().map_or("", String::as_str);
        if text.starts_with("failed printing to stdout") && text.contains("Broken pipe") {
            // 128 + SIGPIPE, as a shell shows it.
            std::process::exit(141);
        }
        others(panic);
    }));
}

/// Without a provider rustls would panic at the first client. Ring, because it builds everywhere.
fn install_crypto() {
    // An error says that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A message without the numbers that the system has for its faults, such as `(os error 2)`: the words before say it.
fn in_words(message: &str) -> String {
    const BEGINNING: &str = " (os error ";
    let mut parts = message.split(BEGINNING);
    let mut words = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(')') {
            Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => words.push_str(rest),
            _ => words.extend([BEGINNING, part]),
        }
    }
    words
}

fn exit_code(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    if error.is::<WrongUse>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

/// A runtime for commands that only talk to a service or a chain.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Reads a duration such as `500ms`, `2s`, `5m`, `24h` or `1d`.
fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(format!("expected a duration such as 500ms, 2s, 5m, 24h or 1d, found {text:?}")),
    };
    let number: f64 = number.parse().map_err(|_| format!("expected a duration such as 2s, found {text:?}"))?;
    std::time::Duration::try_from_secs_f64(number * scale).map_err(|error| error.to_string())
}
