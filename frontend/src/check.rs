//! Gathers what an examination needs, and has `ledger` examine it.
//!
//! Everything that decides is in `ledger::verdict`. This module fetches, in the order in which things are known,
//! and hands on.

use futures_util::join;
use ledger::{
    chain::query::{ChainQuery, Finality},
    checkpoint::Checkpoint,
    evidence::Bundle,
    trust::TrustRoots,
    verdict::{Case, ChainAnswer, Outcome, Report, Step, Verdict, examine},
};

use crate::{
    chain,
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
}

/// Checks entry `index`; tells `progress` at every stage.
pub(crate) async fn check(index: u64, trust: Trust, rpc_url: String, progress: impl Fn(Progress)) {
    let (evidence, claim) = join!(server::evidence(index), trust.ask());
    let bytes = match evidence {
        Ok(bytes) => bytes,
        Err(fault) => return progress(Progress::Failed(Failure::NoEvidence(fault))),
    };
    let Some(roots) = trust.roots() else { return progress(Progress::Failed(Failure::NoTrust)) };
    let claimed = if let Claim::Made(claimed) = claim { Some(*claimed) } else { None };
    let bundle = match Bundle::from_json(&bytes) {
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
    let result =
        |report, without_tile| Checked { bytes: bytes.clone(), bundle: Some(bundle.clone()), report, without_tile };
    progress(Progress::Asking(result(preliminary(&case), None)));

    // Size and root are only asked about here; whether they may be believed is the examination's matter.
    let checkpoint = Checkpoint::unverified(&bundle.checkpoint).ok();
    let seen = checkpoint.as_ref().and_then(|checkpoint| memory::seen(&roots.log_key, checkpoint.size));
    let (tile, answer) = join!(read_tile(index, checkpoint.as_ref()), ask(&rpc_url, &roots, &bundle));
    let (tile, without_tile) = match tile {
        Ok(tile) => (Some(tile), None),
        Err(why) => (None, Some(why)),
    };
    let report = examine(&Case { chain: answer, tile: tile.as_deref(), seen: seen.as_deref(), ..case });
    memory::remember(&roots.log_key, &bundle.checkpoint);
    progress(Progress::Done(result(report, without_tile)));
}

/// The tile around the entry. Bytes that are no hashes make an empty tile, which the examination refuses.
async fn read_tile(index: u64, checkpoint: Option<&Checkpoint>) -> Result<Vec<ledger::Hash>, String> {
    let size = checkpoint.map(|checkpoint| checkpoint.size).filter(|size| index < *size);
    let size = size.ok_or("the checkpoint does not cover the entry")?;
    let tile = server::leaf_tile(index, size).await.map_err(|fault| fault.to_string())?;
    Ok(tile.unwrap_or_default())
}

async fn ask(url: &str, roots: &TrustRoots, bundle: &Bundle) -> ChainAnswer {
    match ChainQuery::of(roots, bundle, Finality::Tag) {
        Err(_) => ChainAnswer::NotAsked,
        Ok(_) if url.is_empty() => ChainAnswer::Silent("no RPC address is given".into()),
        Ok(query) => match chain::ask(url, query).await {
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
    Checked { bytes, bundle: None, report: Report { steps: vec![step], verdict: Verdict::Invalid }, without_tile: None }
}

impl Checked {
    /// Whether entry, payload, place and signature hold, so that what the bytes say may be shown as recorded.
    pub(crate) fn holds(&self) -> bool {
        let held = |name| self.report.steps.iter().any(|step| step.name == name && step.outcome == Outcome::Holds);
        let fails = self.report.steps.iter().any(|step| step.outcome == Outcome::Fails);
        held("entry") && held("inclusion") && held("signature") && !fails
    }
}
