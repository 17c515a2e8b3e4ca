//! `anomaly-ledger verify`: examines a bundle with nothing but the auditor's own trust roots, and a chain.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use alloy::primitives::{Address, B256};
use ledger::{
    chain::query::{ChainQuery, Finality},
    checkpoint::{Checkpoint, LogKey, MAX_CHECKPOINT},
    equivocation::Equivocation,
    evidence::{Bundle, BundleError},
    trust::TrustRoots,
    verdict::{Case, ChainAnswer, Outcome as StepOutcome, Report, Verdict, examine},
};
use reqwest::Url;

use super::{
    Outcome, WrongUse,
    client::{ask_state, chain_client, explain, parse_url},
    read_file, runtime,
};

/// Evidence has at most 4 MiB; of what is longer it is still said why it is none.
const MAX_READ: usize = 64 << 20;

/// Examine an evidence bundle, or a saved proof that a log has contradicted itself.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  anomaly-ledger verify evidence-17.json --trust trust.json --rpc-url http://127.0.0.1:8545\n  \
    anomaly-ledger verify evidence-17.json --trust trust.json --offline --block-hash \
    0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3 --final\n  \
    anomaly-ledger verify evidence-17.json --trust trust.json --offline --seen checkpoint.txt --save-proof \
    equivocation.json\n\n\
    Exit codes: 0 final, 10 anchored, 20 consistent, 25 unchecked, 30 invalid, 40 diverged; 1 something \
    failed on the way, 2 wrong use (also a file that cannot be read).\n\
    A saved proof of a contradiction that holds is 40; one that shows nothing is 30.\n\
    The trust roots are yours: take them from somebody you believe, not from the service that is examined."
)]
pub(crate) struct Args {
    /// The evidence bundle, or the saved proof.
    #[arg(value_name = "FILE")]
    evidence: PathBuf,
    /// The trust file: log_key, chain_id, genesis_hash, contract, code_hash, and perhaps predecessors.
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
    /// Ask the chain's node at this address. Without it, and without --block-hash, the verdict is `unchecked` at best.
    #[arg(long, value_name = "URL", conflicts_with_all = ["block_hash", "offline"], value_parser = parse_url)]
    rpc_url: Option<Url>,
    /// Call a block final when this many are on top, instead of by the tag `finalized`.
    #[arg(long, value_name = "N", requires = "rpc_url", conflicts_with_all = ["block_hash", "offline"], value_parser = clap::value_parser!(u64).range(1..))]
    confirmations: Option<u64>,
    /// Do not touch the network. That is so without --rpc-url anyway; this says it, and refuses --rpc-url.
    #[arg(long)]
    offline: bool,
    /// The hash of the bundle's block, if you know it from elsewhere: then no chain need be asked. `anchored` at best.
    #[arg(long, value_name = "HASH")]
    block_hash: Option<B256>,
    /// You know that this block is final: then the verdict may be `final`.
    #[arg(long, requires = "block_hash")]
    r#final: bool,
    /// A signed checkpoint of this log that you have kept (as served under /checkpoint): it must not contradict the bundle's.
    #[arg(long, value_name = "FILE")]
    seen: Option<PathBuf>,
    /// Where to save the proof if the log has contradicted itself [default: equivocation-<size>-<root>.json].
    #[arg(long, value_name = "FILE")]
    save_proof: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Outcome {
    let trust = trust(args)?;
    let seen = args.seen.as_deref().map(read_note).transpose()?;
    let report = match Evidence::read(&read(&args.evidence)?) {
        Err(error) => {
            // Not evidence at all: nothing in it holds.
            println!("{}: {error}\n\nverdict: invalid", args.evidence.display());
            return Ok(ExitCode::from(Verdict::Invalid.exit_code()));
        }
        Ok(Evidence::Equivocation(proof)) => {
            let chain = chain(args, || proof.query(&trust, finality(args)).map_err(|error| error.to_string()))?;
            proof.examine(&trust, &chain)
        }
        Ok(Evidence::Bundle(bundle)) => {
            let query = || match ChainQuery::of(&trust, &bundle, finality(args)) {
                Ok(query) => Ok(Some(query)),
                Err(error) => Err(format!("there is no root to ask for: {error}")),
            };
            let case = Case { seen: seen.as_deref(), ..Case::new(&bundle, &trust, chain(args, query)?) };
            if let Some(proof) = Equivocation::of(&case) {
                save(&proof, args.save_proof.as_deref())?;
            }
            examine(&case)
        }
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report, args);
    }
    Ok(ExitCode::from(report.verdict.exit_code()))
}

/// What can be examined.
enum Evidence {
    Bundle(Box<Bundle>),
    Equivocation(Box<Equivocation>),
}

/// Why a file is no evidence.
#[derive(Debug, thiserror::Error)]
enum NoEvidence {
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error("this is a trust file, not an evidence bundle: `anomaly-ledger evidence INDEX -o FILE` fetches one")]
    TrustFile,
}

impl Evidence {
    /// A saved proof has a member `other`, which no bundle has.
    fn read(bytes: &[u8]) -> Result<Self, NoEvidence> {
        match Bundle::from_json(bytes) {
            Ok(bundle) => Ok(Self::Bundle(Box::new(bundle))),
            Err(error) => {
                let value: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
                if value.get("log_key").is_some() && value.get("genesis_hash").is_some() {
                    return Err(NoEvidence::TrustFile);
                }
                if value.get("other").is_none() {
                    return Err(error.into());
                }
                Ok(Self::Equivocation(Box::new(Equivocation::from_json(bytes)?)))
            }
        }
    }
}

fn finality(args: &Args) -> Finality {
    args.confirmations.map_or(Finality::Tag, Finality::Depth)
}

/// What the chain says, or the auditor in its place.
fn chain(
    args: &Args,
    query: impl FnOnce() -> Result<Option<ChainQuery>, String>,
) -> Result<ChainAnswer, std::io::Error> {
    let Some(url) = &args.rpc_url else {
        let vouched = |hash| ChainAnswer::Block { hash, is_final: args.r#final };
        return Ok(args.block_hash.map_or(ChainAnswer::NotAsked, vouched));
    };
    Ok(match query() {
        Ok(None) => ChainAnswer::NotAsked,
        Ok(Some(query)) => ask(url, query)?,
        Err(why) => ChainAnswer::Silent(why),
    })
}

/// Asks a chain; that it does not answer is an answer too.
pub(super) fn ask(url: &Url, query: ChainQuery) -> Result<ChainAnswer, std::io::Error> {
    let http = match chain_client(url) {
        Ok(http) => http,
        Err(error) => return Ok(ChainAnswer::Silent(explain(error))),
    };
    Ok(match runtime()?.block_on(ask_state(&http, url, query)) {
        Ok(state) => ChainAnswer::State(Box::new(state)),
        Err(why) => ChainAnswer::Silent(why),
    })
}

/// Keeps the proof of a contradiction, and says where.
fn save(proof: &Equivocation, file: Option<&Path>) -> Result<(), String> {
    let size = Checkpoint::unverified(&proof.checkpoint).map_or(0, |checkpoint| checkpoint.size);
    let default = || PathBuf::from(format!("equivocation-{size}-{:.8}.json", proof.root.to_string()));
    let file = file.map_or_else(default, Path::to_path_buf);
    std::fs::write(&file, proof.to_json()).map_err(|error| {
        format!(
            "the log has contradicted itself, but the proof cannot be kept in {}: {error}. Name another \
            place with --save-proof",
            file.display()
        )
    })?;
    eprintln!(
        "The log has contradicted itself. The proof is kept in {0}; anybody with the same trust roots can \
        examine it: anomaly-ledger verify {0} --trust …",
        file.display()
    );
    Ok(())
}

/// Reads a signed checkpoint that the auditor has kept.
fn read_note(file: &Path) -> Result<String, WrongUse> {
    let wrong = |why: String| WrongUse(format!("{}: not a signed checkpoint: {why}", file.display()));
    let bytes = read(file)?;
    if bytes.len() > MAX_CHECKPOINT {
        return Err(wrong(format!("it has {} bytes", bytes.len())));
    }
    let note = String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
    Checkpoint::unverified(&note).map_err(|error| wrong(error.to_string()))?;
    Ok(note)
}

fn read(file: &Path) -> Result<Vec<u8>, WrongUse> {
    read_file(file, MAX_READ)
}

/// The trust roots: the file's, with the flags in their place.
fn trust(args: &Args) -> Result<TrustRoots, WrongUse> {
    let Some(file) = &args.trust else {
        let all = (&args.log_key, args.chain_id, args.genesis_hash, args.contract, args.code_hash);
        let (Some(log_key), Some(chain_id), Some(genesis_hash), Some(contract), Some(code_hash)) = all else {
            return Err(WrongUse::new("expected --trust, or all five trust roots as flags"));
        };
        let (log_key, predecessors) = (log_key.clone(), Vec::new());
        return Ok(TrustRoots { log_key, chain_id, genesis_hash, contract, code_hash, predecessors });
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

fn print(report: &Report, args: &Args) {
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
    if args.block_hash.is_some() && report.verdict <= Verdict::Anchored {
        println!("\nverdict: {}\n{VOUCHED}", report.verdict.name());
    } else {
        let next = match report.verdict {
            Verdict::Unchecked if args.rpc_url.is_some() => "Start the node, or ask another one with --rpc-url.",
            verdict => next(verdict),
        };
        println!("\nverdict: {}\n{}\n{next}", report.verdict.name(), report.verdict.meaning());
    }
    let node = if args.rpc_url.is_some() { "; that the node you asked shows the chain's own blocks" } else { "" };
    println!(
        "\nNot shown by any verdict: that a sensor told the truth; that a chain run by the operator alone has only \
         one history{node}."
    );
}

/// Where the auditor stands for the block.
const VOUCHED: &str = "\
    Entry and signature hold, and the contract recorded this root in the block whose hash you gave. That the chain has \
    this block, and whether it is final, is your word.\n\
    Not looked at without the chain: another root at this size, an old contract that was continued, the beacon's time.";

/// What to do next.
fn next(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Final => "Nothing is left to do. Keep the bundle: it can be verified again without the service.",
        Verdict::Anchored => "Verify again when the block is final; a reorganisation may still take it back.",
        Verdict::Consistent => {
            "If the entry is recent, fetch its evidence again when it is anchored. If it is old, ask the operator why not."
        }
        Verdict::Unchecked => {
            "Ask the chain with --rpc-url, or give the hash of the bundle\u{2019}s block with --block-hash if you know it."
        }
        Verdict::Invalid => {
            "See the step that fails. Check that the trust roots are the right ones, fetch the evidence again, and keep this \
             file if it stays so."
        }
        Verdict::Diverged => {
            "See the step that differs. Keep this file, compare your trust roots with those of others, and show it to them."
        }
    }
}
