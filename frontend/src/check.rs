//! Gathers what an examination needs, and has `ledger` examine it.
//!
//! Everything that decides is in `ledger::verdict`. This module fetches, in the order in which things are known,
//! and hands on.

use futures_util::join;
use ledger::{
    chain::query::ChainQuery,
    checkpoint::Checkpoint,
    equivocation::Equivocation,
    evidence::Bundle,
    keys::signing_key,
    verdict::{Case, ChainAnswer, Outcome, Report, Step, Verdict, examine},
};

use crate::{
    browser, chain,
    http::Fault,
    memory, server,
    trust::{Claim, Trust},
};

/// How far a check has come.
#[derive(Debug, Clone)]
pub(crate) enum Progress {
    /// Asking the service for the evidence.
    Fetching,
    /// The evidence is here, and examined as far as it goes by itself; chain and tile are being asked.
    Asking(Checked),
    /// All is known.
    Done(Checked),
    /// There is nothing to examine.
    Failed(Failure),
}

/// Why there is nothing to examine.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// The service does not give the evidence.
    NoEvidence(Fault),
    /// No trust roots are pinned.
    NoTrust,
}

/// Evidence and what the examination says of it.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    /// The bundle as served.
    pub(crate) bytes: Vec<u8>,
    /// The same, read; absent if it cannot be read.
    pub(crate) bundle: Option<Bundle>,
    /// The steps and the verdict.
    pub(crate) report: Report,
    /// Why the tile took no part, if it did not.
    pub(crate) without_tile: Option<String>,
    /// How long it took to read and examine the bundle, in milliseconds.
    pub(crate) took: f64,
    /// The file that proves to others that the log has contradicted itself, where it has.
    pub(crate) equivocation: Option<String>,
}

/// Checks entry `index`; tells `progress` at every stage.
pub(crate) async fn check(index: u64, trust: Trust, rpc_url: String, progress: impl Fn(Progress)) {
    let (evidence, claim) = join!(server::evidence(index), trust.ask());
    let bytes = match evidence {
        Ok(bytes) => bytes,
        Err(fault) => return progress(Progress::Failed(Failure::NoEvidence(fault))),
    };
    let finality = trust.finality();
    let Some(roots) = trust.roots() else { return progress(Progress::Failed(Failure::NoTrust)) };
    let claimed = if let Claim::Made(claimed) = claim { Some(*claimed) } else { None };
    let begun = browser::elapsed();
    let read = Bundle::from_json(&bytes);
    let reading = browser::elapsed() - begun;
    let bundle = match read {
        Ok(bundle) if bundle.index == index => bundle,
        Ok(bundle) => {
            let step = failed("evidence", format!("entry {index}"), format!("entry {}", bundle.index));
            return progress(Progress::Done(refused(bytes, step)));
        }
        Err(error) => {
            let step = failed("evidence", "a bundle by version 1 of the format".into(), error.to_string());
            return progress(Progress::Done(refused(bytes, step)));
        }
    };

    let case = Case { claimed: claimed.as_ref(), ..Case::new(&bundle, &roots, ChainAnswer::NotAsked) };
    let result = |case: &Case<'_>, examine: fn(&Case<'_>) -> Report, without_tile| {
        let begun = browser::elapsed();
        let report = examine(case);
        let took = reading + browser::elapsed() - begun;
        let equivocation = (report.verdict == Verdict::Diverged).then(|| Equivocation::of(case)).flatten();
        Checked {
            bytes: bytes.clone(),
            bundle: Some(bundle.clone()),
            report,
            without_tile,
            took,
            equivocation: equivocation.as_ref().map(Equivocation::to_json),
        }
    };
    progress(Progress::Asking(result(&case, preliminary, None)));

    // Size and root are only asked about here; whether they may be believed is the examination's matter.
    let checkpoint = Checkpoint::unverified(&bundle.checkpoint).ok();
    let key = checkpoint.as_ref().and_then(|c| signing_key(&roots.log_key, &bundle.keys, c.size).ok());
    let seen = key.as_ref().zip(checkpoint.as_ref()).and_then(|(key, c)| memory::seen(key, c.size));
    let asked = ask(&rpc_url, ChainQuery::of(&roots, &bundle, finality).ok());
    let (tile, answer) = join!(read_tile(index, checkpoint.as_ref()), asked);
    let (tile, without_tile) = match tile {
        Ok(tile) => (Some(tile), None),
        Err(why) => (None, Some(why)),
    };
    let case = Case { chain: answer, tile: tile.as_deref(), seen: seen.as_deref(), ..case };
    let checked = result(&case, examine, without_tile);
    if let Some(key) = &key {
        memory::remember(key, &bundle.checkpoint);
    }
    progress(Progress::Done(checked));
}

/// The tile around the entry. Bytes that are no hashes make an empty tile, which the examination refuses.
async fn read_tile(index: u64, checkpoint: Option<&Checkpoint>) -> Result<Vec<ledger::Hash>, String> {
    let size = checkpoint.map(|checkpoint| checkpoint.size).filter(|size| index < *size);
    let size = size.ok_or("the checkpoint does not cover the entry")?;
    let tile = server::leaf_tile(index, size).await.map_err(|fault| fault.to_string())?;
    Ok(tile.unwrap_or_default())
}

async fn ask(url: &str, query: Option<ChainQuery>) -> ChainAnswer {
    match query {
        None => ChainAnswer::NotAsked,
        Some(_) if url.is_empty() => ChainAnswer::Silent("no RPC address is given".into()),
        Some(query) => match chain::ask(url, query).await {
            Ok(state) => ChainAnswer::State(Box::new(state)),
            Err(why) => ChainAnswer::Silent(why),
        },
    }
}

/// What can be said before the chain has answered.
fn preliminary(case: &Case<'_>) -> Report {
    let mut report = examine(case);
    report.steps.retain(|step| step.name != "chain");
    report
}

fn failed(name: &'static str, expected: String, computed: String) -> Step {
    Step { name, outcome: Outcome::Fails, expected, computed, note: String::new() }
}

/// Evidence that is not even evidence of this entry.
fn refused(bytes: Vec<u8>, step: Step) -> Checked {
    let report = Report { steps: vec![step], verdict: Verdict::Invalid };
    Checked { bytes, bundle: None, report, without_tile: None, took: 0.0, equivocation: None }
}

impl Checked {
    /// Whether entry, payload, place and signature hold, so that what the bytes say may be shown as recorded.
    pub(crate) fn holds(&self) -> bool {
        let held = |name| self.report.steps.iter().any(|step| step.name == name && step.outcome == Outcome::Holds);
        let fails = self.report.steps.iter().any(|step| step.outcome == Outcome::Fails);
        held("entry") && held("inclusion") && held("signature") && !fails
    }
}
