//! `anomaly-ledger account`.

use std::{path::PathBuf, process::ExitCode};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ledger::{
    Hash,
    checkpoint::{Checkpoint, LogKey},
    entry::{Entry, Heartbeat},
    hash::leaf_hash,
    heartbeat::{Counter, Located, account},
    keys::KeyHistory,
    text::Pseudonym,
    tile::{self, ChangedTiles, Frontier},
};
use reqwest::Url;

use super::{
    Outcome,
    client::{Client, parse_url},
    progress::Progress,
    runtime,
    verify::trust_file,
};

/// Read the whole log, and hold its heartbeats against it: is every anomaly of a device there that was counted?
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  anomaly-ledger account 208d311388d53eda775ae0b35fcf79d4 --trust trust.json --url http://127.0.0.1:8080\n\n\
    DEVICE is the pseudonym that the device's entries show. Without it the windows and their totals are checked.\n\
    The checkpoint is believed if it is signed; `verify` holds one against the chain.\n\
    Compare the readings and sequence numbers with those that the device has sent: nobody else knows them.\n\n\
    Exit codes: 0 everything agrees, 25 there was nothing to compare, 30 something does not agree, 1 something failed on \
    the way, 2 wrong use."
)]
pub(crate) struct Args {
    /// The device's pseudonym.
    device: Option<Pseudonym>,
    /// The trust file, for the log's key.
    #[arg(long, value_name = "FILE", required_unless_present = "log_key")]
    trust: Option<PathBuf>,
    /// The log's (first) verifier key; goes before the trust file's.
    #[arg(long, value_name = "KEY")]
    log_key: Option<LogKey>,
    /// The service's address.
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL", value_parser = parse_url)]
    url: Url,
}

/// The exit code where log and heartbeats do not agree.
const CONTRADICTED: u8 = 30;

/// The exit code where there was nothing to compare.
const NOTHING_COMPARED: u8 = 25;

/// What the log shows does not hold.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Contradiction(String);

/// What went wrong on the way.
type Failure = Box<dyn std::error::Error>;

pub(super) fn run(args: &Args) -> Outcome {
    let key = log_key(args)?;
    let client = Client::new(&args.url)?;
    let outcome = runtime()?.block_on(async {
        let walk = match Walk::of(&client, key, args.device.as_ref()).await {
            Err(error) if error.is::<Contradiction>() => {
                println!("{error}");
                return Ok(CONTRADICTED);
            }
            walk => walk?,
        };
        walk.report(&client, args.device.as_ref()).await
    });
    Ok(ExitCode::from(outcome.map_err(|error: Failure| error)?))
}

fn log_key(args: &Args) -> Result<LogKey, Failure> {
    match (&args.log_key, &args.trust) {
        (Some(key), _) => Ok(key.clone()),
        (None, Some(file)) => Ok(trust_file(file)?.log_key),
        (None, None) => Err("expected --trust or --log-key".into()),
    }
}

/// A heartbeat, with what was found in its window of the log.
struct Window {
    index: u64,
    heartbeat: Heartbeat,
    /// The window's first entry, by the heartbeat before.
    from: u64,
    found: Found,
}

/// Anomalies in a window.
#[derive(Default)]
struct Found {
    all: u64,
    of_device: u64,
}

/// The whole log, read once.
struct Walk {
    windows: Vec<Window>,
    /// What stands after the last heartbeat, from this index on.
    open: (u64, Found),
    size: u64,
    root: Hash,
    key: LogKey,
}

impl Walk {
    /// Reads every entry under the newest checkpoint, and checks that they give the root that was signed.
    async fn of(client: &Client, first: LogKey, device: Option<&Pseudonym>) -> Result<Self, Failure> {
        let note = String::from_utf8(client.get("/checkpoint").await?)?;
        let size = Checkpoint::unverified(&note)?.size;
        let mut frontier = Frontier::default();
        let mut keys = KeyHistory::new(first);
        let mut windows = Vec::new();
        let mut open = (0, Found::default());
        let mut progress = Progress::entries(size);
        while frontier.size() < size {
            for bytes in entries(client, frontier.size(), size).await? {
                let index = frontier.size();
                frontier.append([leaf_hash(&bytes)], &mut ChangedTiles::new());
                match Entry::from_bytes(&bytes) {
                    Ok(Entry::Anomaly(anomaly)) => {
                        open.1.all += 1;
                        open.1.of_device += u64::from(Some(&anomaly.device) == device);
                    }
                    Ok(Entry::Heartbeat(heartbeat)) => {
                        let (from, found) = std::mem::replace(&mut open, (index + 1, Found::default()));
                        windows.push(Window { index, heartbeat, from, found });
                    }
                    // Whoever trusts a later key knows nothing of those before it.
                    Ok(Entry::Key(key)) if key.log_key == *keys.first() => {}
                    Ok(Entry::Key(key)) => {
                        let announced = keys.announce(index, key.log_key);
                        announced.map_err(|error| Contradiction(format!("entry {index}: {error}")))?;
                    }
                    _ => {}
                }
            }
            progress.reach(frontier.size());
        }
        progress.finish();
        let key = keys.key_at(size).clone();
        let signed = key.verify(&note).map_err(|error| Contradiction(error.to_string()))?;
        if signed.root != frontier.root() {
            let (signed, found) = (signed.root, frontier.root());
            let why = format!("the log's entries give the root {found}, but {signed} was signed at size {size}");
            return Err(Contradiction(why).into());
        }
        Ok(Self { windows, open, size, root: frontier.root(), key })
    }

    /// Prints each window, and gives the exit code: whether all of them agree with the log, if there is anything to compare.
    async fn report(&self, client: &Client, device: Option<&Pseudonym>) -> Result<u8, Failure> {
        println!("{} entries read, root {}, signed by {}", self.size, self.root, self.key);
        println!(
            "{:>10}  {:24}  {:>9}  {:>9}  {:>9}  {:>10}  sequences",
            "heartbeat", "closed", "from", "readings", "anomalies", "in the log"
        );
        let (mut sound, mut counted) = (true, 0);
        for window in &self.windows {
            let complaints = window.examine(client, device, &mut counted).await?;
            sound &= complaints.is_empty();
            complaints.iter().for_each(|line| println!("            {line}"));
        }
        let (from, found) = &self.open;
        let found = if device.is_some() { found.of_device } else { found.all };
        println!("From entry {from} on no heartbeat has counted yet: {found} anomalies there.");
        let (says, code) = if !sound {
            ("The log and its heartbeats contradict each other.", CONTRADICTED)
        } else if self.windows.is_empty() {
            ("Nothing was compared: no heartbeat has closed a window yet.", NOTHING_COMPARED)
        } else if device.is_some() && counted == 0 && found == 0 {
            ("Nothing was compared: this log knows nothing of a device with this pseudonym.", NOTHING_COMPARED)
        } else {
            ("Everything agrees.", 0)
        };
        println!("{says}");
        Ok(code)
    }
}

impl Window {
    /// Prints the window, and gives what does not agree in it.
    async fn examine(
        &self,
        client: &Client,
        device: Option<&Pseudonym>,
        counted: &mut u64,
    ) -> Result<Vec<String>, Failure> {
        let heartbeat = &self.heartbeat;
        let mut complaints = Vec::new();
        if heartbeat.from != self.from {
            complaints.push(format!("it counts from entry {}, but the window begins at {}", heartbeat.from, self.from));
        }
        if heartbeat.anomalies != self.found.all {
            complaints.push(format!(
                "it counts {} anomalies of all devices, the log has {}",
                heartbeat.anomalies, self.found.all
            ));
        }
        let Some(device) = device else {
            self.print(heartbeat.readings, heartbeat.anomalies, self.found.all, "");
            return Ok(complaints);
        };
        let shown = shown(client, self.index, device).await?;
        let counter = match account(heartbeat, device, &shown) {
            Ok(counter) => counter.unwrap_or_else(|| Counter::new(device.clone(), 0, 0, None)),
            Err(error) => {
                complaints.push(error.to_string());
                return Ok(complaints);
            }
        };
        *counted += counter.readings + counter.anomalies + self.found.of_device;
        let sequences = counter.sequences.map_or_else(String::new, |range| match counter.missing() {
            0 => format!("{} to {}", range.low, range.high),
            missing => format!("{} to {}, {missing} missing", range.low, range.high),
        });
        self.print(counter.readings, counter.anomalies, self.found.of_device, &sequences);
        if counter.anomalies != self.found.of_device {
            complaints.push(format!(
                "it counts {} anomalies of the device, the log has {}",
                counter.anomalies, self.found.of_device
            ));
        }
        Ok(complaints)
    }

    fn print(&self, readings: u64, anomalies: u64, found: u64, sequences: &str) {
        let Self { index, heartbeat, .. } = self;
        let closed = heartbeat.recorded.as_str();
        println!(
            "{index:>10}  {closed:24}  {:>9}  {readings:>9}  {anomalies:>9}  {found:>10}  {sequences}",
            heartbeat.from
        );
    }
}

/// The entries from an index on, as many as one tile has.
async fn entries(client: &Client, from: u64, size: u64) -> Result<Vec<Vec<u8>>, Failure> {
    let tile = from / tile::WIDTH;
    let width = tile::width_at(0, tile, size);
    let path = format!("/tile/entries/{}", tile::index_path(tile, width));
    let entries = tile::entries_from_bytes(&client.get(&path).await?).filter(|entries| entries.len() == width as usize);
    entries.ok_or_else(|| format!("{path}: expected {width} entries").into())
}

/// What the service shows of a device under a heartbeat. Not believed.
async fn shown(client: &Client, heartbeat: u64, device: &Pseudonym) -> Result<Vec<Located>, Failure> {
    let answer = client.get(&format!("/api/v1/heartbeats/{heartbeat}/devices/{device}")).await?;
    let answer: api::Account = serde_json::from_slice(&answer)?;
    let located = answer.shown.into_iter().map(|shown| {
        let proof = shown.proof.iter().map(|hash| Ok(hash.parse()?)).collect::<Result<_, Failure>>()?;
        Ok(Located { counter: BASE64.decode(shown.counter)?, index: shown.index, proof })
    });
    located.collect()
}
