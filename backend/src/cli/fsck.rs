//! `anomaly-ledger fsck`: derives the whole log again from its entries.

use std::{path::PathBuf, process::ExitCode};

use ledger::{
    Hash,
    checkpoint::LogKey,
    entry::{Entry, EntryError, Payload, commitment},
    hash::leaf_hash,
    tile::{self, ChangedTiles, Frontier},
};

use super::{Outcome, client, runtime};
use crate::{
    config::LogIdentity,
    domain::ports::{AnchorStore, LogReader, StoreError, TRUST_SETTING},
    store::Reader,
};

/// Entries read at a time: memory does not grow with the log.
const STEP: u64 = 1_024;

/// Derive the whole log again from its entries.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  anomaly-ledger fsck --data-dir data --rpc-url http://127.0.0.1:8545\n\n\
    Exit codes: 0 no difference, 30 something in the log does not hold, 40 log and contract contradict each other.\n\
    The service may go on running meanwhile.")]
pub(crate) struct Args {
    /// Where the log lives.
    #[arg(long, default_value = "data", value_name = "DIR")]
    data_dir: PathBuf,
    /// Hold the log against the contract, asked here.
    #[arg(long, value_name = "URL")]
    rpc_url: Option<String>,
}

/// What the pass has found.
struct Pass<'a> {
    log: &'a Reader,
    key: LogKey,
    frontier: Frontier,
    damage: Vec<String>,
}

pub(super) fn run(args: Args) -> Outcome {
    let key = LogIdentity::load(&args.data_dir)?.log_key();
    let log = Reader::open(&args.data_dir)?;
    // What is committed after this belongs to the next pass.
    let size = log.newest_checkpoint()?.map_or(0, |newest| newest.size);
    let mut pass = Pass { log: &log, key, frontier: Frontier::default(), damage: Vec::new() };
    pass.entries(size)?;
    pass.tiles(size)?;
    pass.damage.iter().for_each(|line| println!("{line}"));
    println!("{size} entries derived again: root {}", pass.frontier.root());
    if !pass.damage.is_empty() {
        println!("{} differences", pass.damage.len());
        return Ok(ExitCode::from(30));
    }
    if let Some(url) = &args.rpc_url
        && let Some(why) = contradiction(&log, url)?
    {
        println!("{why}");
        return Ok(ExitCode::from(40));
    }
    println!("no differences");
    Ok(ExitCode::SUCCESS)
}

impl Pass<'_> {
    /// Entries, payloads and checkpoints, from the first to the last.
    fn entries(&mut self, size: u64) -> Result<(), StoreError> {
        while self.frontier.size() < size {
            let from = self.frontier.size();
            let entries = self.log.entries(from, STEP.min(size - from))?;
            if entries.is_empty() {
                self.damage.push(format!("entry {from}: missing, and all after it"));
                return Ok(());
            }
            let to = from + entries.len() as u64;
            let mut checkpoints = self.log.checkpoints(from, to, STEP)?.into_iter().peekable();
            let mut changed = ChangedTiles::new();
            for (index, bytes) in (from..).zip(&entries) {
                self.entry(index, bytes)?;
                self.frontier.append([leaf_hash(bytes)], &mut changed);
                while let Some(checkpoint) = checkpoints.next_if(|checkpoint| checkpoint.size == index + 1) {
                    self.checkpoint(&checkpoint.note, checkpoint.size, self.frontier.root());
                }
            }
            // Tiles that this step has filled; unfilled ones are compared at the end.
            for ((level, index), hashes) in changed.into_iter().filter(|(_, h)| h.len() as u64 == tile::WIDTH) {
                self.tile(level, index, &hashes)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, index: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let entry = match Entry::from_bytes(bytes) {
            Ok(entry) => entry,
            // A later edition's kind is no damage.
            Err(EntryError::Kind(_)) => return Ok(()),
            Err(error) => {
                self.damage.push(format!("entry {index}: {error}"));
                return Ok(());
            }
        };
        let Entry::Anomaly(anomaly) = entry else { return Ok(()) };
        let Some(disclosure) = self.log.disclosure(index)? else { return Ok(()) };
        let computed = commitment(&disclosure.salt, &disclosure.payload);
        if computed != anomaly.commitment {
            let expected = anomaly.commitment;
            self.damage.push(format!("payload {index}: expected the commitment {expected}, computed {computed}"));
        } else if let Err(error) = Payload::from_bytes(&disclosure.payload) {
            self.damage.push(format!("payload {index}: {error}"));
        }
        Ok(())
    }

    fn checkpoint(&mut self, note: &str, size: u64, root: Hash) {
        match self.key.verify(note) {
            Err(error) => self.damage.push(format!("checkpoint {size}: {error}")),
            Ok(signed) if (signed.size, signed.root) != (size, root) => self.damage.push(format!(
                "checkpoint {size}: signed is root {} at size {}, the entries give {root}",
                signed.root, signed.size
            )),
            Ok(_) => {}
        }
    }

    fn tile(&mut self, level: u32, index: u64, expected: &[Hash]) -> Result<(), StoreError> {
        let stored = self.log.tile(level, index)?.unwrap_or_default();
        let expected = tile::to_bytes(expected);
        if stored.get(..expected.len()) != Some(expected.as_slice()) {
            let at = stored.iter().zip(&expected).take_while(|(a, b)| a == b).count() / 32;
            self.damage.push(format!("tile {level}/{index}: differs from hash {at} on"));
        }
        Ok(())
    }

    /// The unfilled tiles at the right edge.
    fn tiles(&mut self, size: u64) -> Result<(), StoreError> {
        let mut changed = ChangedTiles::new();
        self.frontier.append([], &mut changed);
        for ((level, index), hashes) in changed {
            if tile::width_at(level, index, size) < tile::WIDTH as u32 {
                self.tile(level, index, &hashes)?;
            }
        }
        Ok(())
    }
}

/// Holds the log against the contract's head.
fn contradiction(log: &Reader, url: &str) -> Result<Option<String>, Box<dyn std::error::Error>> {
    let trust = log.setting(TRUST_SETTING)?.ok_or("the service has not met its chain yet: nothing to compare with")?;
    let trust: ledger::trust::TrustRoots = serde_json::from_str(&trust)?;
    let http = reqwest::Client::new();
    let slot = |slot: ledger::chain::Slot| serde_json::json!([trust.contract, slot, "latest"]);
    let word = |params: serde_json::Value| {
        let http = &http;
        async move { client::ask_chain(http, url, "eth_getStorageAt", &params).await }
    };
    let runtime = runtime()?;
    let read = |params| -> Result<alloy::primitives::U256, Box<dyn std::error::Error>> {
        let value = runtime.block_on(word(params)).map_err(|why| format!("the chain did not answer: {why}"))?;
        Ok(serde_json::from_value(value)?)
    };
    let head = Hash(read(slot(ledger::chain::HEAD_SLOT))?.to_be_bytes());
    let record = ledger::chain::Record::from_word(read(slot(ledger::chain::record_slot(&head)))?);
    let anchored = record.map_or(0, |record| record.size);
    if anchored == 0 {
        println!("the contract holds no root yet");
        return Ok(None);
    }
    let newest = log.newest_checkpoint()?.map_or(0, |newest| newest.size);
    if anchored > newest {
        return Ok(Some(format!(
            "the contract's head has {anchored} entries, the log {newest}: the log was cut or is old"
        )));
    }
    let tree = tile::TileTree::new(newest, |id| crate::domain::log::read_tile(log, id));
    let ours = ledger::merkle::root(&tree, anchored)?;
    if ours != head {
        return Ok(Some(format!(
            "at size {anchored} the contract's root is {head}, the log's {ours}: the log was changed"
        )));
    }
    println!("the contract's head holds the first {anchored} entries: root {head}");
    Ok(None)
}
