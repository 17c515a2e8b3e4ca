//! `anomaly-ledger admin erase`: destroys payload, salt and values, and looks whether they are gone from every file.
//!
//! The entry stays as it is, and with it every proof: it only commits to what was erased.

mod published;
mod search;

use std::{
    io::{BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use detect::DeviceState;
use ledger::audit::Record;
use reqwest::Url;

use self::{published::Published, search::Traces};
use super::{Outcome, WrongUse, client::parse_url, parse_duration};
use crate::{
    config::{self, operator},
    domain::{
        Clock, SystemClock,
        ports::{AuditLog, LogReader, StoreError},
    },
    store::{DeviceHeld, Eraser, FILE, Held, Reader, may_pass},
};

/// Between two tries while readers are in the way.
const PAUSE: Duration = Duration::from_millis(100);

/// The exit code while bytes of what was erased are still in a file.
const NOT_GONE: u8 = 3;

/// The exit code where nothing was erased, because of the chain.
const REFUSED: u8 = 4;

/// Entries that the audit log names; a record has at most 4 KiB.
const NAMED: usize = 100;

/// Erase payloads for good; entries and proofs stay.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  anomaly-ledger admin erase 17 --data-dir data\n  \
    anomaly-ledger admin erase --device pump-4 --forget-state --yes --data-dir data\n\n\
    Destroys payload, salt and the stored values of the reading; of a device, of all its readings. The service may run, \
    except with --forget-state. Then looks for what was erased in every file of the data directory.\n\
    Stays: the entry (the device's pseudonym, times, severity, model, commitment), the reading's key, time, score and \
    label, the device's name, and, without --forget-state, what the detector remembers, the last two values among it: \
    now, and as it is kept with the device's other findings. \
    Backups, exports and evidence bundles elsewhere are not touched: erase them yourself.\n\n\
    Exit codes: 0 erased, and found in no file; 1 something failed on the way, 2 wrong use, 3 erased, but bytes of it \
    are still in a file (it says which, and how to finish), 4 nothing erased: published, or about to be.")]
pub(crate) struct Args {
    /// The indexes of the entries.
    #[arg(required_unless_present = "device", conflicts_with = "device", value_name = "INDEX")]
    indexes: Vec<u64>,
    /// All payloads and all readings' values of the device with this name.
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Where the log lives.
    #[arg(long, default_value = "data", value_name = "DIR")]
    data_dir: PathBuf,
    /// Ask the chain which payloads were published, instead of assuming it.
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    rpc_url: Option<Url>,
    /// Erase here also what was published and stays on the chain.
    #[arg(long)]
    although_published: bool,
    /// Let the detector begin anew with the device, so that it remembers no value. The service must not run.
    #[arg(long)]
    forget_state: bool,
    /// Write the whole database file anew, whether traces are found or not.
    #[arg(long)]
    rewrite: bool,
    /// Look for what was erased there too, in logs and exports, say.
    #[arg(long, value_name = "PATH")]
    also_search: Vec<PathBuf>,
    /// How long to wait for readers of the database to get out of the way.
    #[arg(long, default_value = "30s", value_parser = parse_duration, value_name = "DURATION")]
    wait: Duration,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// Why nothing was erased.
#[derive(Debug, thiserror::Error)]
enum Stop {
    /// The payload is on its way to the chain.
    #[error("nothing was erased: {0}")]
    Later(String),
    /// The payload is on the chain.
    #[error("nothing was erased: {0}. To erase all the same what this service holds, give --although-published")]
    Published(String),
    /// Whoever was asked did not agree.
    #[error("nothing was erased: not confirmed")]
    NotConfirmed,
    /// Something failed.
    #[error("{0}")]
    Failed(String),
    /// The command was told what cannot be.
    #[error("{0}")]
    Wrong(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is to be erased.
struct Selection {
    entries: Vec<u64>,
    /// Of these, how many still have a payload.
    payloads: u64,
    device: Option<(String, DeviceHeld)>,
}

pub(super) fn run(args: &Args) -> Outcome {
    match erase(args) {
        Ok(code) => Ok(code),
        Err(stop @ (Stop::Later(_) | Stop::Published(_))) => {
            eprintln!("anomaly-ledger: {stop}");
            Ok(ExitCode::from(REFUSED))
        }
        Err(Stop::Wrong(why)) => Err(WrongUse(why).into()),
        Err(stop) => Err(stop.into()),
    }
}

fn erase(args: &Args) -> Result<ExitCode, Stop> {
    if !args.data_dir.join(FILE).exists() {
        return Err(Stop::Wrong(format!("there is no log in {}", args.data_dir.display())));
    }
    if let Some(path) = args.also_search.iter().find(|path| !path.exists()) {
        return Err(Stop::Wrong(format!("there is no {} to look in", path.display())));
    }
    // Held to the end: a service that starts meanwhile would read what is being erased.
    let lock = config::lock(&args.data_dir).map_err(|error| Stop::Failed(format!("the file lock: {error}")))?;
    if args.forget_state && lock.is_none() {
        return Err(Stop::Later(
            "--forget-state needs a stopped service: a running one would write the detector's state again".into(),
        ));
    }
    let log = Reader::open(&args.data_dir)?;
    let mut eraser = Eraser::open(&args.data_dir)?;
    let selection = select(args, &eraser)?;
    let published = Published::look(&log, &eraser, &selection.entries, args.rpc_url.as_ref(), lock.is_none())?;
    let on_chain = published.sentence();
    if let Some(sentence) = on_chain.clone().filter(|_| !args.although_published) {
        return Err(Stop::Published(sentence));
    }
    confirm(args, &selection)?;
    let traces = destroy(args, &mut eraser, &log, &selection, &published)?;
    drop(log);
    report(args, &selection, on_chain);
    finish(args, &eraser, &traces)
}

fn select(args: &Args, eraser: &Eraser) -> Result<Selection, Stop> {
    if let Some(name) = &args.device {
        let held = eraser.device(name)?;
        if !held.known {
            return Err(Stop::Wrong(format!("there is no device {name:?} in this log")));
        }
        let entries = held.entries.clone();
        return Ok(Selection { payloads: entries.len() as u64, entries, device: Some((name.clone(), held)) });
    }
    let mut entries = args.indexes.clone();
    entries.sort_unstable();
    entries.dedup();
    let mut payloads = 0;
    for index in &entries {
        match eraser.held(*index)? {
            Held::Payload => payloads += 1,
            Held::Erased => {}
            Held::NoEntry => return Err(Stop::Wrong(format!("the log has no entry {index}"))),
            Held::NoPayload => return Err(Stop::Wrong(format!("entry {index} is of a kind that has no payload"))),
        }
    }
    Ok(Selection { entries, payloads, device: None })
}

fn confirm(args: &Args, selection: &Selection) -> Result<(), Stop> {
    let what = match &selection.device {
        Some((name, held)) => {
            format!("{} payloads and the values of {} readings of {name}", selection.payloads, held.readings)
        }
        None => format!("{} payloads of {} entries", selection.payloads, selection.entries.len()),
    };
    if args.yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Stop::Wrong(format!("about to erase {what}, for good: confirm with --yes")));
    }
    print!("This erases {what}, for good. Type \"erase\" to go on: ");
    let mut answer = String::new();
    let asked = std::io::stdout().flush().and_then(|()| std::io::stdin().lock().read_line(&mut answer));
    asked.map_err(|error| Stop::Failed(error.to_string()))?;
    if answer.trim() == "erase" { Ok(()) } else { Err(Stop::NotConfirmed) }
}

/// The point of no return. Gives what has to be looked for.
fn destroy(
    args: &Args,
    eraser: &mut Eraser,
    log: &Reader,
    selection: &Selection,
    published: &Published,
) -> Result<Traces, Stop> {
    let mut traces = Traces::default();
    // Of an entry that an earlier run has erased, what is left is its name: enough to look for.
    for index in &selection.entries {
        for entry in log.entries(*index, 1)? {
            traces.add_entry(&entry);
        }
    }
    let give_up = Instant::now() + args.wait;
    // Before anything is gone: an act that leaves no record must not be possible.
    patiently(give_up, || note(selection, log, "begun"))?;
    let devices = if args.forget_state { devices(eraser, selection)? } else { Vec::new() };
    for chunk in selection.entries.chunks(1_000) {
        patiently(give_up, || match selection.device {
            None => eraser.entries(chunk, &mut |gone| traces.add(gone)),
            Some(_) => eraser.payloads(chunk, &mut |gone| traces.add(gone)),
        })?;
    }
    if let Some((name, _)) = &selection.device {
        patiently(give_up, || eraser.readings(name, &mut |gone| traces.add(gone)))?;
    }
    for name in &devices {
        patiently(give_up, || eraser.put_state(name, &DeviceState::new().to_bytes()))?;
    }
    patiently(give_up, || eraser.empty_outbox(&published.outbox))?;
    note(selection, log, "done")?;
    Ok(traces)
}

fn devices(eraser: &Eraser, selection: &Selection) -> Result<Vec<String>, StoreError> {
    match &selection.device {
        Some((name, _)) => Ok(vec![name.clone()]),
        None => eraser.devices_of(&selection.entries),
    }
}

/// The audit log's record of it. The device is not named: its name may be what was to go.
fn note(selection: &Selection, log: &Reader, result: &str) -> Result<(), StoreError> {
    let first: Vec<String> = selection.entries.iter().take(NAMED).map(u64::to_string).collect();
    let more = if selection.entries.len() > NAMED { " and more" } else { "" };
    let whole = if selection.device.is_some() { "a device with " } else { "" };
    let record = Record::new(
        SystemClock.now().to_time(),
        operator(),
        "the command line".into(),
        "payload.erase".into(),
        format!("{whole}{} entries: {}{more}", selection.entries.len(), first.join(", ")),
        result.into(),
    );
    log.add_audit_record(&record).map(drop)
}

/// Tries again while others hold the database.
fn patiently<T>(give_up: Instant, mut work: impl FnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
    loop {
        match work() {
            Err(error) if may_pass(&error) && Instant::now() < give_up => std::thread::sleep(PAUSE),
            result => return result,
        }
    }
}

fn report(args: &Args, selection: &Selection, on_chain: Option<String>) {
    println!("erased: {} payloads with their salts, of {} entries", selection.payloads, selection.entries.len());
    if let Some((name, held)) = &selection.device {
        println!("erased: the values of {} readings of {name}", held.readings);
        if held.waiting > 0 {
            println!(
                "NOT erased: {} findings of {name} wait to become entries; erase {name} again when they have",
                held.waiting
            );
        }
    }
    if args.forget_state {
        println!("erased: what the detector remembers of the device, also beside its other findings; it begins anew");
    } else {
        println!(
            "not erased: what the detector remembers of the device, the last two values among it, now and beside its \
             other findings (--forget-state)"
        );
    }
    if let Some(sentence) = on_chain {
        println!("NOT erased: {sentence}");
    }
    println!(
        "not erased: entries (pseudonym, times, severity), the readings' keys, times, scores and labels, the device's \
         name; and whatever lies elsewhere: backups, exports, evidence bundles, copies below the file system"
    );
}

/// Gets the bytes out of the files, and looks whether they are.
fn finish(args: &Args, eraser: &Eraser, traces: &Traces) -> Result<ExitCode, Stop> {
    let give_up = Instant::now() + args.wait;
    if !shorten(eraser, give_up)? {
        return Ok(ExitCode::from(NOT_GONE));
    }
    let mut places: Vec<&Path> = vec![&args.data_dir];
    places.extend(args.also_search.iter().map(PathBuf::as_path));
    let mut found = search(eraser, traces, &places)?;
    let own = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(FILE));
    if args.rewrite || traces.cut || found.iter().any(own) {
        // Pages that were split may keep old copies of rows, which no deletion reaches.
        patiently(give_up, || eraser.rewrite())?;
        if !shorten(eraser, give_up)? {
            return Ok(ExitCode::from(NOT_GONE));
        }
        println!("the database file was written anew");
        found = search(eraser, traces, &places)?;
    }
    for path in &found {
        let how = if own(path) { AGAIN } else { "it is no part of the ledger: remove or shorten it yourself" };
        println!("NOT GONE: {} still holds some of it: {how}", path.display());
    }
    if !found.is_empty() {
        return Ok(ExitCode::from(NOT_GONE));
    }
    println!("looked for it in every file below {}: found nowhere", args.data_dir.display());
    Ok(ExitCode::SUCCESS)
}

/// What helps where readers of the database are in the way.
const AGAIN: &str = "run the same command again with --rewrite, or with the service stopped";

/// Empties the write-ahead log; says so where that cannot be done in time.
fn shorten(eraser: &Eraser, give_up: Instant) -> Result<bool, StoreError> {
    loop {
        if eraser.shorten()? {
            return Ok(true);
        }
        if Instant::now() >= give_up {
            println!("NOT GONE: {FILE}-wal still holds old pages, because somebody reads the database: {AGAIN}");
            return Ok(false);
        }
        std::thread::sleep(PAUSE);
    }
}

fn search(eraser: &Eraser, traces: &Traces, places: &[&Path]) -> Result<Vec<PathBuf>, Stop> {
    let found = traces.found_in::<SearchError>(places, |time, values| Ok(eraser.has_reading(time, values)?));
    found.map_err(|error| match error {
        SearchError::Store(error) => Stop::Store(error),
        SearchError::File(error) => Stop::Failed(format!("erased, but a file cannot be searched: {error}")),
    })
}

#[derive(Debug, thiserror::Error)]
enum SearchError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    File(#[from] std::io::Error),
}
