//! `anomaly-ledger verify`: examines a bundle with nothing but the auditor's own trust roots, and a chain.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use alloy::primitives::{Address, B256};
use ledger::{
    chain::query::{ChainQuery, Finality, Progress},
    checkpoint::{Checkpoint, LogKey},
    evidence::Bundle,
    trust::TrustRoots,
    verdict::{Case, ChainAnswer, Outcome as StepOutcome, Report, examine},
};
use reqwest::Url;

use super::{
    Outcome, WrongUse,
    client::{ask_chain, chain_client, parse_url},
    runtime,
};

/// Examine an evidence bundle.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  anomaly-ledger verify evidence-17.json --trust trust.json --rpc-url http://127.0.0.1:8545\n\n\
    Exit codes: 0 final, 10 anchored, 20 consistent, 25 unchecked, 30 invalid, 40 diverged; 1 something \
    failed on the way, 2 wrong use (also a file that cannot be read).\n\
    The trust roots are yours: take them from somebody you believe, not from the service that is examined."
)]
pub(crate) struct Args {
    /// The evidence bundle.
    bundle: PathBuf,
    /// The trust file: log_key, chain_id, genesis_hash, contract, code_hash.
    #[arg(long, value_name = "FILE", required_unless_present_all = ["log_key", "chain_id", "genesis_hash", "contract", "code_hash"])]
    trust: Option<PathBuf>,
    /// The log's verifier key; goes before the trust file's.
    #[arg(long, value_name = "KEY")]
    log_key: Option<LogKey>,
    /// The chain's id; goes before the trust file's.
    #[arg(long, value_name = "ID")]
    chain_id: Option<u64>,
    /// The hash of block 0; goes before the trust file's.
    #[arg(long, value_name = "HASH")]
    genesis_hash: Option<B256>,
    /// The contract's address; goes before the trust file's.
    #[arg(long, value_name = "ADDRESS")]
    contract: Option<Address>,
    /// The contract's code hash; goes before the trust file's.
    #[arg(long, value_name = "HASH")]
    code_hash: Option<B256>,
    /// Ask the chain here. Without it the verdict is `unchecked` at best.
    #[arg(long, value_name = "URL", conflicts_with = "block_hash", value_parser = parse_url)]
    rpc_url: Option<Url>,
    /// Call a block final when this many are on top, instead of by the tag `finalized`.
    #[arg(long, value_name = "N", requires = "rpc_url", value_parser = clap::value_parser!(u64).range(1..))]
    confirmations: Option<u64>,
    /// The hash of the bundle's block, if you know it from elsewhere: then no chain need be asked.
    #[arg(long, value_name = "HASH")]
    block_hash: Option<B256>,
    /// You know that this block is final.
    #[arg(long, requires = "block_hash")]
    r#final: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Outcome {
    let trust = trust(args)?;
    let bundle = match Bundle::from_json(&read(&args.bundle)?) {
        Ok(bundle) => bundle,
        Err(error) => {
            // Not evidence at all: nothing in it holds.
            println!("{}: {error}\n\nverdict: invalid", args.bundle.display());
            return Ok(ExitCode::from(ledger::verdict::Verdict::Invalid.exit_code()));
        }
    };
    let chain = match (&args.rpc_url, args.block_hash) {
        (Some(url), _) => {
            let finality = args.confirmations.map_or(Finality::Tag, Finality::Depth);
            runtime()?.block_on(ask(url, &trust, &bundle, finality))
        }
        (None, Some(hash)) => ChainAnswer::Block { hash, is_final: args.r#final },
        (None, None) => ChainAnswer::NotAsked,
    };
    let report = examine(&Case { bundle: &bundle, trust: &trust, chain, tile: None, claimed: None, seen: None });
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(ExitCode::from(report.verdict.exit_code()))
}

fn read(file: &Path) -> Result<Vec<u8>, WrongUse> {
    std::fs::read(file).map_err(|error| WrongUse(format!("{}: {error}", file.display())))
}

/// The trust roots: the file's, with the flags in their place.
fn trust(args: &Args) -> Result<TrustRoots, WrongUse> {
    let Some(file) = &args.trust else {
        let all = (&args.log_key, args.chain_id, args.genesis_hash, args.contract, args.code_hash);
        let (Some(log_key), Some(chain_id), Some(genesis_hash), Some(contract), Some(code_hash)) = all else {
            return Err(WrongUse::new("expected --trust, or all five trust roots as flags"));
        };
        return Ok(TrustRoots { log_key: log_key.clone(), chain_id, genesis_hash, contract, code_hash });
    };
    let mut trust = trust_file(file)?;
    if let Some(log_key) = &args.log_key {
        trust.log_key = log_key.clone();
    }
    trust.chain_id = args.chain_id.unwrap_or(trust.chain_id);
    trust.genesis_hash = args.genesis_hash.unwrap_or(trust.genesis_hash);
    trust.contract = args.contract.unwrap_or(trust.contract);
    trust.code_hash = args.code_hash.unwrap_or(trust.code_hash);
    Ok(trust)
}

/// Reads a trust file.
pub(super) fn trust_file(file: &Path) -> Result<TrustRoots, WrongUse> {
    serde_json::from_slice(&read(file)?)
        .map_err(|error| WrongUse(format!("{}: not a trust file: {error}", file.display())))
}

/// Asks the chain for what it holds of the bundle's root.
pub(super) async fn ask(url: &Url, trust: &TrustRoots, bundle: &Bundle, finality: Finality) -> ChainAnswer {
    let checkpoint = match Checkpoint::unverified(&bundle.checkpoint) {
        Ok(checkpoint) => checkpoint,
        Err(error) => return ChainAnswer::Silent(format!("there is no root to ask for: {error}")),
    };
    let http = match chain_client(url) {
        Ok(http) => http,
        Err(error) => return ChainAnswer::Silent(error.to_string()),
    };
    let mut query = ChainQuery::new(trust.contract, checkpoint.root, checkpoint.size, finality);
    loop {
        let mut answers = Vec::new();
        for request in query.requests() {
            answers.push(ask_chain(&http, url, request.method, &request.params).await);
        }
        match query.answer(answers) {
            Ok(Progress::Asking(next)) => query = *next,
            Ok(Progress::Done(state)) => return ChainAnswer::State(state),
            Err(error) => return ChainAnswer::Silent(error.to_string()),
        }
    }
}

fn print(report: &Report) {
    for (number, step) in (1..).zip(&report.steps) {
        let outcome = match step.outcome {
            StepOutcome::Holds => "holds",
            StepOutcome::Fails => "FAILS",
            StepOutcome::Differs => "DIFFERS",
            StepOutcome::Skipped => "skipped",
        };
        println!("{number:>2}. {:<14} {outcome:<8} {}", step.name, step.note);
        if step.outcome != StepOutcome::Skipped {
            println!("      expected {}", step.expected);
            println!("      computed {}", step.computed);
        }
    }
    println!("\nverdict: {}\n{}", report.verdict.name(), report.verdict.meaning());
    println!(
        "\nNot shown by any verdict: that a sensor told the truth; that a chain run by the operator alone has only \
         one history; that the node you asked shows the chain's own blocks."
    );
}
