//! `anomaly-ledger drill`: attacks a copy of one's own ledger, and shows which check notices what.
//!
//! The original is only read. The checks are those that the service, the verifier and the contract make anyway: a drill
//! has none of its own.

mod attacks;
mod checks;
mod ground;

#[cfg(test)]
mod tests;

use std::{path::PathBuf, process::ExitCode};

use reqwest::Url;

use self::{
    attacks::{ATTACKS, Attack, Failed, Victim},
    checks::{Check, Run, Said},
    ground::Ground,
};
use super::{Outcome, client::parse_url, runtime};

/// The exit code if something was not tried.
const NOT_TRIED: u8 = 25;

/// The exit code if a check did not notice an attack.
const UNNOTICED: u8 = 30;

/// Attack a copy of your own ledger, and see what is noticed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  anomaly-ledger drill --data-dir data --rpc-url http://127.0.0.1:8545\n\n\
    The ledger itself is only read, and the service may go on running. Copies, with keys and payloads in them, lie in a \
    private directory that is removed at the end; three times the database's size has to be free there.\n\n\
    Exit codes: 0 every attack was noticed by every check that has to, 25 those that were tried were, but not all could \
    be tried (it says why), 30 a check did not notice an attack, 1 something failed on the way, or the ledger does not \
    hold as it is (run fsck), 2 wrong use.")]
pub(crate) struct Args {
    /// Where the log lives.
    #[arg(long, default_value = "data", value_name = "DIR")]
    data_dir: PathBuf,
    /// The chain: some attacks are noticed by nothing else.
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    rpc_url: Option<Url>,
    /// The trust file to verify with, in place of the trust roots that the service has pinned.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Where to make the copies, in place of the system's temporary directory.
    #[arg(long, value_name = "DIR")]
    work_dir: Option<PathBuf>,
}

/// What came of an attack.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    /// Every check that has to noticed it.
    Noticed,
    /// One of them did not.
    Unnoticed,
    /// It could not be led here.
    NotTried,
}

pub(super) fn run(args: &Args) -> Outcome {
    let ground = runtime()?.block_on(Ground::prepare(args))?;
    introduce(args, &ground);
    control(&ground, &checks::run)?;
    let mut results = Vec::new();
    for (number, attack) in (1..).zip(&ATTACKS) {
        results.push(lead(number, attack, &ground, &checks::run)?);
    }
    Ok(conclude(&results))
}

fn introduce(args: &Args, ground: &Ground) {
    let facts = &ground.facts;
    println!("A drill on a copy of {}: {} entries under its newest checkpoint.", args.data_dir.display(), facts.size);
    match &ground.chain {
        Some(chain) => println!("The contract's head at block {}: {} entries.", chain.block, chain.head.size),
        None => println!("No chain was given (--rpc-url): what only the chain notices is not tried."),
    }
    println!();
}

/// The untouched copy: a check that is never quiet says nothing by being loud.
fn control(ground: &Ground, run: Run<'_>) -> Result<(), Box<dyn std::error::Error>> {
    println!("    untouched copy");
    let copy = ground.copy()?;
    let index = ground.facts.target.unwrap_or_default();
    let verify = ground.facts.target.map(|_| Check::Verify);
    let checks = [Check::Fsck, Check::Start, Check::Compare].into_iter().chain(verify);
    for check in checks.filter(|check| check.is_possible(ground)) {
        quiet(check, &run(check, ground, copy.path(), index)?)?;
    }
    if let Some(chain) = &ground.chain {
        // An honest extension, to see that the contract does not refuse everything.
        let copy = ground.copy()?;
        match Victim::open(ground, copy.path())?.extend_honestly() {
            Ok(_) => quiet(Check::Contract, &run(Check::Contract, ground, copy.path(), chain.head.size)?)?,
            Err(Failed::Impossible(why)) => println!("        {:<10} not tried: {why}", Check::Contract.name()),
            Err(error) => return Err(error.into()),
        }
    }
    println!();
    Ok(())
}

fn quiet(check: Check, said: &Said) -> Result<(), String> {
    if said.noticed {
        return Err(format!(
            "the ledger does not hold as it is, so a drill shows nothing: {}: {}",
            check.name(),
            said.words
        ));
    }
    println!("        {:<10} {}", check.name(), said.words);
    Ok(())
}

/// Leads one attack against a fresh copy, and makes the checks that have to notice it.
fn lead(number: usize, attack: &Attack, ground: &Ground, run: Run<'_>) -> Result<Came, Box<dyn std::error::Error>> {
    let not_tried = |why: &str| {
        println!("{number:>2}. {:<28} NOT TRIED  {why}\n", attack.name);
        Ok(Came::NotTried)
    };
    if attack.needs_chain && ground.chain.is_none() {
        return not_tried("only the chain can show it: give --rpc-url");
    }
    let copy = ground.copy()?;
    let led = Victim::open(ground, copy.path()).map_err(Failed::from).and_then(|mut victim| (attack.lead)(&mut victim));
    let led = match led {
        Ok(led) => led,
        Err(Failed::Impossible(why)) => return not_tried(why),
        Err(error) => return Err(error.into()),
    };
    let mut said = Vec::new();
    for check in attack.checks.iter().filter(|check| check.is_possible(ground)) {
        said.push((*check, run(*check, ground, copy.path(), led.index)?));
    }
    let all = said.iter().all(|(_, said)| said.noticed);
    println!("{number:>2}. {:<28} {}", attack.name, if all { "NOTICED" } else { "UNNOTICED" });
    println!("        {}", led.what);
    for (check, Said { noticed, words }) in said {
        println!("        {:<10} {}{words}", check.name(), if noticed { "" } else { "DID NOT NOTICE: " });
    }
    println!();
    Ok(if all { Came::Noticed } else { Came::Unnoticed })
}

fn conclude(results: &[Came]) -> ExitCode {
    let count = |which: Came| results.iter().filter(|result| **result == which).count();
    let (noticed, unnoticed, not_tried) = (count(Came::Noticed), count(Came::Unnoticed), count(Came::NotTried));
    println!("{noticed} attacks noticed, {unnoticed} unnoticed, {not_tried} not tried.");
    ExitCode::from(exit_code(unnoticed, not_tried))
}

fn exit_code(unnoticed: usize, not_tried: usize) -> u8 {
    match (unnoticed, not_tried) {
        (0, 0) => 0,
        (0, _) => NOT_TRIED,
        _ => UNNOTICED,
    }
}
