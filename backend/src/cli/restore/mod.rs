//! `anomaly-ledger restore`: rebuilds from the chain what was published there, for a service that has lost its disk.
//!
//! Nothing is taken over that does not lead to a root which the contract has recorded, with proof.

mod chain;
mod rebuild;
mod record;
mod walk;

use std::{
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
    process::ExitCode,
};

use alloy::primitives::Address;
use ledger::{checkpoint::LogKey, trust::TrustRoots};
use reqwest::Url;
use serde_json::json;

use self::{
    chain::{Node, Proven},
    record::Record,
    walk::Walk,
};
use super::{
    Outcome, WrongUse,
    client::parse_url,
    events::{EventError, Events},
    fsck, runtime, verify,
};
use crate::config::LogIdentity;

/// How often the contract's head is looked for again, when the service or another went on anchoring meanwhile.
const LOOKS: usize = 5;

/// Rebuild entries and payloads from what was published on the chain.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  anomaly-ledger restore --from-chain --rpc-url http://127.0.0.1:8545 \\\n    \
    --contract 0x5FbDB2315678afecb367f032d93F642f64180aa3 --trust trust.json --key backup/log.key -o restored\n\n\
    Writes entries.ndjson, payloads.ndjson, anchors.ndjson and restored.json; with --key, and if everything was \
    published, also data/, with which the service goes on: serve --data-dir restored/data.\n\
    Not on the chain, and so lost: readings that were no anomaly, what the detector remembers of the devices, whatever \
    was published as roots only, and all since the last anchor.\n\n\
    Exit codes: 0 everything up to the contract's head is there, 3 only a part (it says which), 25 the node gives no \
    usable answer, 30 what the node shows does not hold: nothing was written, 40 this is another chain, contract or log \
    than was told, 1 something failed on the way, 2 wrong use.")]
pub(crate) struct Args {
    /// From the contract's events.
    #[arg(long, required = true)]
    from_chain: bool,
    /// A node of the chain; one that you trust, or ask two.
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    rpc_url: Url,
    /// The AnomalyLogger's address.
    #[arg(long, value_name = "ADDRESS")]
    contract: Address,
    /// The log's verifier key.
    #[arg(long, value_name = "KEY", required_unless_present = "trust", conflicts_with = "trust")]
    log_key: Option<LogKey>,
    /// The trust file: chain, contract and code are then compared as well.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// The log's signing key (keys/*.key of a backup), to go on with the log; once for each key that it has had.
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// The block in which the contract was deployed, or an earlier one.
    #[arg(long, default_value_t = 0, value_name = "N")]
    from_block: u64,
    /// Where to write; there is nothing yet.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
enum Stop {
    /// The node does not answer, or not usefully. May pass.
    #[error("the node gives no usable answer: {0}")]
    Silent(String),
    /// What the node shows does not hold.
    #[error("{0}")]
    Refused(String),
    /// It is another chain, contract or log.
    #[error("{0}")]
    Contradicts(String),
    /// The command was told what cannot be.
    #[error("{0}")]
    Wrong(String),
    /// Something failed.
    #[error("{0}")]
    Failed(String),
    #[error(transparent)]
    File(#[from] io::Error),
}

impl From<EventError> for Stop {
    fn from(error: EventError) -> Self {
        match error {
            EventError::Refused { .. } => Stop::Silent(error.to_string()),
            EventError::Malformed { .. } => Stop::Refused(error.to_string()),
        }
    }
}

impl Stop {
    fn exit_code(&self) -> Option<u8> {
        match self {
            Stop::Silent(_) => Some(25),
            Stop::Refused(_) => Some(30),
            Stop::Contradicts(_) => Some(40),
            Stop::Wrong(_) | Stop::Failed(_) | Stop::File(_) => None,
        }
    }
}

/// What could be rebuilt.
struct Restored {
    trust: TrustRoots,
    size: u64,
    anchored: u64,
    payloads: u64,
    gaps: Vec<Range<u64>>,
    proven: Proven,
}

pub(super) fn run(args: &Args) -> Outcome {
    match restore(args) {
        Ok(code) => Ok(code),
        Err(Stop::Wrong(why)) => Err(WrongUse(why).into()),
        Err(stop) => match stop.exit_code() {
            Some(code) => {
                eprintln!("anomaly-ledger: nothing was restored: {stop}");
                Ok(ExitCode::from(code))
            }
            None => Err(stop.into()),
        },
    }
}

fn restore(args: &Args) -> Result<ExitCode, Stop> {
    let (log_key, told) = keys(args)?;
    check_keys(&args.key, &log_key)?;
    if args.output.exists() {
        return Err(Stop::Wrong(format!("{} is there already: give a directory that is not", args.output.display())));
    }
    let parent = args.output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Whole, or not at all: what is refused leaves nothing behind.
    let work = tempfile::TempDir::with_prefix_in(".restore-", parent)?;
    let runtime = runtime()?;
    let restored = runtime.block_on(collect(args, &log_key, told.as_ref(), work.path()))?;
    drop(runtime);
    let complete = restored.gaps.is_empty();
    write_summary(work.path(), &restored)?;
    let goes_on = !args.key.is_empty() && complete;
    let (gaps, payloads, size, anchored) = (restored.gaps.clone(), restored.payloads, restored.size, restored.anchored);
    println!("read: {size} entries and {payloads} payloads, held against the contract's roots");
    let Proven { block, hash, is_final, .. } = &restored.proven;
    let final_yet = if *is_final { "" } else { ", not final yet" };
    println!("rests on block {block} ({hash}{final_yet}): compare this hash with another source");
    if told.is_none() {
        println!("chain id, genesis and code hash are as this node shows them (restored.json): compare them too");
    }
    if goes_on {
        go_on(args, work.path(), &log_key, restored)?;
    }
    fs::rename(work.keep(), &args.output)?;
    println!("restored into {}", args.output.display());
    report(args, &gaps, size, anchored, goes_on);
    Ok(ExitCode::from(if complete { 0 } else { 3 }))
}

fn keys(args: &Args) -> Result<(LogKey, Option<TrustRoots>), Stop> {
    let trust = args.trust.as_deref().map(verify::trust_file).transpose();
    let trust = trust.map_err(|error| Stop::Wrong(error.to_string()))?;
    match (&args.log_key, trust) {
        (Some(key), _) => Ok((key.clone(), None)),
        (None, Some(trust)) => Ok((trust.log_key.clone(), Some(trust))),
        (None, None) => Err(Stop::Wrong("expected --log-key or --trust".into())),
    }
}

/// Reads the signing keys before anything is asked: the log's first has to be among them, since it has signed first.
fn check_keys(files: &[PathBuf], first: &LogKey) -> Result<(), Stop> {
    let mut found = Vec::new();
    for file in files {
        let signer = LogIdentity::signer(first, file).map_err(|error| Stop::Wrong(error.to_string()))?;
        found.push(signer.log_key());
    }
    if files.is_empty() || found.contains(first) {
        return Ok(());
    }
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    Err(Stop::Wrong(format!("--key: this is the signing key of {}, not of {first}", found.join(", "))))
}

/// Follows the events to the contract's head, and has the last root proven.
async fn collect(args: &Args, log_key: &LogKey, told: Option<&TrustRoots>, dir: &Path) -> Result<Restored, Stop> {
    let node = Node::new(&args.rpc_url, args.contract)?;
    if told.is_some_and(|told| !told.predecessors.is_empty()) {
        return Err(Stop::Wrong(
            "the trust file names predecessors of the contract, and what they have published is not followed yet: only \
             a log with one contract can be restored"
                .into(),
        ));
    }
    let trust = node.roots(log_key).await?;
    if let Some(changed) = told.map(|told| told.differences(&trust)).filter(|changed| !changed.is_empty()) {
        return Err(Stop::Contradicts(format!("another chain or contract than in --trust: {}", changed.join(", "))));
    }
    let mut record = Record::create(dir)?;
    let mut walk = Walk::new(&trust, &mut record);
    let mut from = args.from_block;
    for _ in 0..LOOKS {
        let to = node.newest_block().await?;
        let mut events = Events::new(&node.http, &node.url, node.contract, from, to);
        while let Some(range) = events.next().await? {
            walk.take(range)?;
        }
        from = to + 1;
        if walk.anchored() == 0 {
            return Err(Stop::Failed(
                "nothing was restored: this contract has anchored nothing in these blocks".into(),
            ));
        }
        let (size, root) = (walk.size(), walk.root);
        let proven = node.prove(root, size, &trust).await?;
        if size > 0 && proven.record.map(|record| record.size) != Some(size) {
            return Err(Stop::Refused(format!(
                "the contract has no record of the root {root} at size {size}, though the node shows its event"
            )));
        }
        // Behind a gap there is nothing to wait for; else the contract may have gone on meanwhile.
        if walk.gaps.is_empty() && proven.head != root {
            continue;
        }
        let (anchored, payloads, gaps) = (walk.anchored(), walk.payloads, walk.gaps);
        record.finish()?;
        return Ok(Restored { trust, size, anchored, payloads, gaps, proven });
    }
    Err(Stop::Refused(format!(
        "the contract's head is not the last root that the node shows in its events (size {}): it hides events, or the \
         log is being extended right now",
        walk.anchored()
    )))
}

fn write_summary(dir: &Path, restored: &Restored) -> Result<(), Stop> {
    let gaps: Vec<_> = restored.gaps.iter().map(|gap| json!({ "from": gap.start, "to": gap.end - 1 })).collect();
    let summary = json!({
        "trust": restored.trust,
        "entries": restored.size,
        "payloads": restored.payloads,
        "anchored": restored.anchored,
        "not_published": gaps,
        "block": { "number": restored.proven.block, "hash": restored.proven.hash },
    });
    let mut file = record::private(dir, "restored.json")?;
    serde_json::to_writer_pretty(&mut file, &summary).map_err(io::Error::from)?;
    Ok(io::Write::flush(&mut file)?)
}

/// Builds the data directory, and has it checked as every other is.
fn go_on(args: &Args, dir: &Path, first: &LogKey, restored: Restored) -> Result<(), Stop> {
    let data_dir = dir.join("data");
    let keyring = LogIdentity::put(&data_dir, first, &args.key).map_err(|error| Stop::Failed(error.to_string()))?;
    rebuild::build(&data_dir, dir, &keyring, &restored.trust, restored.proven)?;
    let found = fsck::examine(&data_dir, None, Some(&args.rpc_url), None);
    let found = found.map_err(|error| Stop::Failed(error.to_string()))?;
    match found.first() {
        None => Ok(()),
        Some(line) => Err(Stop::Failed(format!("nothing was restored: fsck finds in the new directory: {line}"))),
    }
}

fn report(args: &Args, gaps: &[Range<u64>], size: u64, anchored: u64, goes_on: bool) {
    let output = args.output.display();
    println!("for auditors: {output}/entries.ndjson, payloads.ndjson, anchors.ndjson, restored.json");
    for gap in gaps {
        println!(
            "MISSING: entries {} to {}: only their root was anchored, or this node does not show the publication",
            gap.start,
            gap.end - 1
        );
    }
    if !gaps.is_empty() {
        println!("MISSING: so the log ends at entry {size} of {anchored}, and the service cannot go on with it");
        return;
    }
    if goes_on {
        println!(
            "to go on, with the anchoring key in ANOMALY_LEDGER_ANCHORER_KEY:\n  anomaly-ledger serve --trial --data-dir \
             {output}/data --rpc-url {} --contract {} --publish payloads",
            args.rpc_url, args.contract
        );
        println!(
            "lost: readings that were no anomaly (those sent again are judged anew), what the detector remembers of the \
             devices, and whatever was not anchored. Devices with an anomaly keep their pseudonyms"
        );
    } else {
        println!("MISSING to go on with the log: its signing keys (keys/*.key of a backup, each by --key)");
    }
}
