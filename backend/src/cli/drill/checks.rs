//! The checks, each the project's own: what `fsck`, the start, the anchorer, the verifier and the contract do.

use std::{path::Path, sync::Arc};

use alloy::{
    primitives::Bytes,
    sol_types::{SolCall, SolInterface},
};
use ledger::{
    chain::query::{ChainQuery, Finality},
    merkle::{consistency_proof, root},
    tile::TileTree,
    verdict::{Case, ChainAnswer, Outcome, Report, Verdict, examine},
};
use serde_json::json;

use super::ground::{ChainAt, Ground};
use crate::{
    anchor::{
        contract::AnomalyLogger::{AnomalyLoggerErrors, anchorCall},
        contradiction,
    },
    cli::{
        client::{ChainFault, ask_chain_bounded},
        fsck, verify,
    },
    domain::{
        log::read_tile,
        ports::{LogReader, StoreError},
    },
    http,
    pipeline::Sequencer,
    store::Reader,
};

/// The answer to one call.
const MAX_ANSWER: usize = 1024 * 1024;

/// One of the project's checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// `fsck`, with the chain if there is one.
    Fsck,
    /// The start of the service: it signs nothing on a log that contradicts its own signature.
    Start,
    /// The verifier, on an entry's evidence.
    Verify,
    /// The anchorer, at every tick: the contract's head against the tiles.
    Compare,
    /// The contract itself, asked to anchor.
    Contract,
}

/// What a check has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) noticed: bool,
    pub(super) words: String,
}

/// What one check says of one copy.
pub(super) type Run<'a> = &'a dyn Fn(Check, &Ground, &Path, u64) -> Result<Said, Box<dyn std::error::Error>>;

impl Check {
    pub(super) fn name(self) -> &'static str {
        match self {
            Check::Fsck => "fsck",
            Check::Start => "start",
            Check::Verify => "verify",
            Check::Compare => "anchorer",
            Check::Contract => "contract",
        }
    }

    /// Whether it can be made here.
    pub(super) fn is_possible(self, ground: &Ground) -> bool {
        match self {
            Check::Fsck | Check::Verify => true,
            Check::Start => ground.keyring.is_some(),
            Check::Compare | Check::Contract => ground.chain.is_some(),
        }
    }
}

/// Makes a check.
pub(super) fn run(check: Check, ground: &Ground, dir: &Path, index: u64) -> Result<Said, Box<dyn std::error::Error>> {
    match (check, &ground.chain) {
        (Check::Fsck, _) => fsck(ground, dir),
        (Check::Start, _) => Ok(start(ground, dir)?),
        (Check::Verify, _) => evidence(ground, dir, index),
        (Check::Compare, Some(chain)) => Ok(compare(chain, dir)?),
        (Check::Contract, Some(chain)) => contract(ground, chain, dir),
        (Check::Compare | Check::Contract, None) => Ok(quiet("no chain was given")),
    }
}

fn quiet(words: impl Into<String>) -> Said {
    Said { noticed: false, words: words.into() }
}

fn noticed(words: impl Into<String>) -> Said {
    Said { noticed: true, words: words.into() }
}

fn fsck(ground: &Ground, dir: &Path) -> Result<Said, Box<dyn std::error::Error>> {
    let (url, block) = ground.chain.as_ref().map(|chain| (&chain.url, chain.block)).unzip();
    let found = fsck::examine(dir, Some(&ground.key), url, block)?;
    let words = format!("exit {}: {}", found.exit_code(), found.first().unwrap_or("no differences"));
    match found.exit_code() {
        0 => Ok(quiet(words)),
        25 => Err(words.into()),
        _ => Ok(noticed(words)),
    }
}

fn start(ground: &Ground, dir: &Path) -> Result<Said, StoreError> {
    let Some(keyring) = &ground.keyring else { return Ok(quiet("the log's key is not here")) };
    match Sequencer::load(&Reader::open(dir)?, Arc::clone(keyring)) {
        Ok(_) => Ok(quiet("starts")),
        Err(StoreError::Damaged(why)) => Ok(noticed(format!("halted: {why}"))),
        Err(error) => Err(error),
    }
}

fn evidence(ground: &Ground, dir: &Path, index: u64) -> Result<Said, Box<dyn std::error::Error>> {
    let log = Reader::open(dir)?;
    let bundle = match http::bundle(&log, &log, http::Cover::First, ground.facts.head, index) {
        Ok(Some(bundle)) => bundle,
        Ok(None) => return Ok(noticed(format!("there is no evidence of entry {index}"))),
        Err(StoreError::Damaged(why)) => return Ok(noticed(format!("no evidence can be made: {why}"))),
        Err(error) => return Err(error.into()),
    };
    let chain = match &ground.chain {
        Some(chain) => match ChainQuery::of(&ground.trust, &bundle, Finality::Tag) {
            Ok(query) => verify::ask(&chain.url, query)?,
            Err(error) => ChainAnswer::Silent(error.to_string()),
        },
        None => ChainAnswer::NotAsked,
    };
    let report = examine(&Case::new(&bundle, &ground.trust, chain));
    let verdict = format!("{} (exit {})", report.verdict.name(), report.verdict.exit_code());
    Ok(match report.verdict {
        Verdict::Invalid | Verdict::Diverged => noticed(format!("{verdict}: {}", why(&report))),
        _ => quiet(verdict),
    })
}

/// The first step that decided.
fn why(report: &Report) -> String {
    let deciding = |outcome| report.steps.iter().find(|step| step.outcome == outcome);
    deciding(Outcome::Fails).or_else(|| deciding(Outcome::Differs)).map_or_else(String::new, |step| {
        format!("{}: expected {}, computed {}", step.name, step.expected, step.computed)
    })
}

fn compare(chain: &ChainAt, dir: &Path) -> Result<Said, StoreError> {
    let log = Reader::open(dir)?;
    let newest = log.newest_checkpoint()?.map_or(0, |newest| newest.size);
    Ok(match contradiction(&log, newest, chain.head)? {
        Some(why) => noticed(format!("diverged, halted: {why}")),
        None => quiet("agrees with the contract's head"),
    })
}

/// Asks the contract, by a call that changes nothing, to anchor this log's newest root.
fn contract(ground: &Ground, chain: &ChainAt, dir: &Path) -> Result<Said, Box<dyn std::error::Error>> {
    let log = Reader::open(dir)?;
    let size = log.newest_checkpoint()?.map_or(0, |newest| newest.size);
    let tiles = TileTree::new(size, |id| read_tile(&log, id));
    let input = anchorCall {
        root: root(&tiles, size)?.0.into(),
        size,
        proof: consistency_proof(&tiles, chain.head.size, size)?.iter().map(|hash| hash.0.into()).collect(),
        publication: Bytes::new(),
    };
    let call = json!([
        { "from": chain.anchorer, "to": ground.trust.contract, "input": Bytes::from(input.abi_encode()) },
        format!("0x{:x}", chain.block),
    ]);
    let answer = ask_chain_bounded(&chain.http, &chain.url, "eth_call", &call, MAX_ANSWER);
    match crate::cli::runtime()?.block_on(answer) {
        Ok(_) => Ok(quiet("would be anchored")),
        Err(ChainFault::Refused { message, data }) => {
            let error = data.and_then(|data| AnomalyLoggerErrors::abi_decode(&data).ok());
            Ok(match error {
                Some(AnomalyLoggerErrors::InconsistentWithHead(error)) => {
                    noticed(format!("reverts: the proof does not extend its head: {error:?}"))
                }
                Some(other) => return Err(format!("the contract cannot be asked: {other:?}").into()),
                None => return Err(format!("the contract cannot be asked: {message}").into()),
            })
        }
        Err(fault) => Err(fault.to_string().into()),
    }
}
