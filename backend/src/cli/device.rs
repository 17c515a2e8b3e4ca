//! `anomaly-ledger admin device`: the registry in a data directory that no service works on.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use api::DeviceRequest;

use super::{Outcome, WrongUse, parse_duration, read_file};
use crate::{
    access::{By, Registrar, table},
    config,
    domain::{Clock, DeviceName, MAX_BODY, SystemClock, registry::Filter},
    store::{Reader, SqliteWriter},
};

/// Devices read at a time when they are listed.
const PAGE: usize = 1_000;

/// Look after the registry of devices, while the service is stopped.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum DeviceCommand {
    /// Register a device.
    #[command(
        after_help = "Example:\n  anomaly-ledger admin device register pump-7 --type infusion-pump --location ward-3\n\n\
        Refused while a service works on the data directory: send POST /api/v1/devices to it instead.\n\n\
        Exit codes: 0 registered, 1 not, 2 wrong use."
    )]
    Register(Box<RegisterArgs>),
    /// List devices, one line of JSON each.
    #[command(after_help = "Example:\n  anomaly-ledger admin device list --type infusion-pump\n\n\
        Also while a service works on the data directory.\n\nExit codes: 0 listed, 1 not, 2 wrong use.")]
    List {
        #[command(flatten)]
        place: Place,
        /// Only those of this type.
        #[arg(long, value_name = "TYPE")]
        r#type: Option<String>,
    },
    /// Make a key for a device, and print it: it is never shown again.
    #[command(after_help = "Example:\n  anomaly-ledger admin device key pump-7 --expires 365d\n\n\
        Prints the key alone, on one line.\n\nExit codes: 0 made, 1 not, 2 wrong use.")]
    Key {
        /// The device.
        name: String,
        #[command(flatten)]
        place: Place,
        /// What the key is to be called.
        #[arg(long, value_name = "TEXT")]
        label: Option<String>,
        /// When it ends; not by itself if absent.
        #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
        expires: Option<std::time::Duration>,
    },
    /// Register the devices of a table (CSV), and print what became of each line as a table.
    #[command(after_help = "Example:\n  anomaly-ledger admin device import devices.csv --keys\n\n\
        Columns: name, and any of type, owner, location, firmware, tags, addresses, keyless, certificate, patient,\n\
        disabled. Prints line,name,key,problem.\n\nExit codes: 0 all registered, 1 not all, 2 wrong use.")]
    Import {
        /// The table.
        file: PathBuf,
        #[command(flatten)]
        place: Place,
        /// Make a key for each device.
        #[arg(long)]
        keys: bool,
    },
}

/// Where the log lives.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// Where the log lives.
    #[arg(long, default_value = "data", value_name = "DIR")]
    data_dir: PathBuf,
}

/// What is said of a device.
#[derive(Debug, clap::Args)]
pub(crate) struct RegisterArgs {
    /// Its name, as readings will give it.
    name: String,
    #[command(flatten)]
    place: Place,
    /// Its type; `generic` if absent.
    #[arg(long, value_name = "TYPE")]
    r#type: Option<String>,
    /// The number of the user whose it is.
    #[arg(long, value_name = "USER")]
    owner: Option<u64>,
    /// Where it is.
    #[arg(long, value_name = "TEXT")]
    location: Option<String>,
    /// The version of its software.
    #[arg(long, value_name = "TEXT")]
    firmware: Option<String>,
    /// The pseudonym of its patient.
    #[arg(long, value_name = "TEXT")]
    patient: Option<String>,
    /// A mark; may be given several times.
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
    /// An address or network that is its own; may be given several times.
    #[arg(long = "address", value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// It may send from those addresses without showing a key.
    #[arg(long)]
    keyless: bool,
    /// A client certificate with its name lets it in.
    #[arg(long)]
    certificate: bool,
}

fn tag(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("expected NAME=VALUE, found {text:?}"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The registry, held so that no service starts meanwhile.
struct Held {
    registrar: Registrar,
    _lock: std::fs::File,
}

impl Held {
    fn open(place: &Place) -> Result<Self, Box<dyn std::error::Error>> {
        let dir = &place.data_dir;
        let Some(lock) = lock(dir)? else {
            let what = "a service works there and would not notice: use its interface (POST /api/v1/devices, \
                        POST /api/v1/devices/{name}/keys, POST /api/v1/devices/import), or stop it first";
            return Err(format!("{}: {what}", dir.display()).into());
        };
        // Brings the schema up to date.
        drop(SqliteWriter::open_existing(dir)?);
        Ok(Self { registrar: Registrar::open(Arc::new(Reader::open(dir)?))?, _lock: lock })
    }
}

/// Who runs this, now.
fn now() -> By {
    By::operator(&config::operator(), SystemClock.now())
}

fn lock(dir: &Path) -> Result<Option<std::fs::File>, WrongUse> {
    config::lock(dir).map_err(|error| WrongUse(format!("{}: {error}", dir.display())))
}

pub(super) fn run(command: DeviceCommand) -> Outcome {
    match command {
        DeviceCommand::Register(args) => register(*args),
        DeviceCommand::List { place, r#type } => list(&place, r#type),
        DeviceCommand::Key { name, place, label, expires } => {
            let name = DeviceName::new(&name).map_err(WrongUse::new)?;
            let held = Held::open(&place)?;
            let expires = expires.map(|expires| expires.as_secs());
            let key = held.registrar.make_key(&name, label, expires, &now())?;
            println!("{}", key.secret);
            Ok(ExitCode::SUCCESS)
        }
        DeviceCommand::Import { file, place, keys } => import(&file, &place, keys),
    }
}

fn register(args: RegisterArgs) -> Outcome {
    let held = Held::open(&args.place)?;
    let request = DeviceRequest {
        name: args.name,
        r#type: args.r#type,
        owner: args.owner,
        location: args.location,
        firmware: args.firmware,
        tags: args.tags.into_iter().collect(),
        addresses: args.addresses,
        keyless: args.keyless,
        certificate: args.certificate,
        patient: args.patient,
        disabled: false,
    };
    let registration = held.registrar.register(request, true, &now())?;
    println!("{}", serde_json::json!({ "name": registration.name.as_str(), "type": registration.kind }));
    Ok(ExitCode::SUCCESS)
}

fn list(place: &Place, kind: Option<String>) -> Outcome {
    // Reading disturbs nobody, so it is done beside a service too.
    let log = Reader::open(&place.data_dir)?;
    let registrar = Registrar::open(Arc::new(log))?;
    let filter = Filter { kind, registered: Some(true), ..Filter::default() };
    let (now, mut after) = (SystemClock.now(), String::new());
    let mut out = std::io::stdout().lock();
    loop {
        let page = registrar.list(&filter, &after, PAGE, now)?;
        let Some(last) = page.last() else { return Ok(ExitCode::SUCCESS) };
        after.clone_from(&last.name);
        for listed in page {
            let Some(registration) = listed.registration else { continue };
            let line = serde_json::json!({
                "name": listed.name,
                "type": registration.kind,
                "owner": registration.owner.map(|owner| owner.number()),
                "disabled": registration.disabled,
                "online": registrar.is_online(&registration.kind, listed.seen.last_seen, now),
            });
            writeln!(out, "{line}")?;
        }
    }
}

fn import(file: &Path, place: &Place, keys: bool) -> Outcome {
    let lines = table::read(&read_file(file, MAX_BODY)?).map_err(WrongUse::new)?;
    let held = Held::open(place)?;
    let mut requests = Vec::new();
    let places: Vec<_> = lines
        .into_iter()
        .map(|line| (line.line, line.name, line.request.map(|request| requests.push(request)).err()))
        .collect();
    let mut imported = held.registrar.import(requests, true, keys, &now())?.into_iter();
    let mut rows = Vec::new();
    for (line, name, problem) in places {
        let (key, problem) = match problem {
            Some(why) => (None, why),
            None => match imported.next() {
                Some(Ok((_, key))) => (key, String::new()),
                Some(Err(error)) => (None, error.to_string()),
                None => (None, "no result".to_owned()),
            },
        };
        rows.push((line, name, key.map(|key| key.secret).unwrap_or_default(), problem));
    }
    let refused = rows.iter().filter(|(.., problem)| !problem.is_empty()).count();
    let result = format!("{} registered, {refused} refused", rows.len() - refused);
    let outcomes = rows.iter().map(|(line, name, key, problem)| table::Outcome { line: *line, name, key, problem });
    std::io::stdout().write_all(&table::write(outcomes)?)?;
    eprintln!("{result}");
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
