//! tests/vectors/verdict/final.json: a real bundle and the answers of a real chain, from the bytes to the verdict.

use ledger::{
    chain::query::{Answer, ChainQuery, Finality, Progress},
    checkpoint::Checkpoint,
    evidence::Bundle,
    trust::TrustRoots,
    verdict::{Case, ChainAnswer, Outcome, Report, Verdict, examine},
};
use serde_json::Value;

use crate::{same, vectors};

pub(crate) fn verdicts() -> Result<usize, String> {
    let cases = vectors("verdict/final.json")?;
    let [(_, file)] = cases.as_slice() else { return Err("no verdict/final.json".into()) };
    let bundle = Bundle::from_json(file["bundle"].to_string().as_bytes()).map_err(|error| error.to_string())?;
    let trust: TrustRoots = serde_json::from_value(file["trust"].clone()).map_err(|error| error.to_string())?;

    let asked = report(&bundle, &trust, chain(file, &bundle, &trust)?);
    same("with the chain", asked.verdict, Verdict::Final)?;
    let doubts: Vec<_> = asked.steps.iter().filter(|step| step.outcome != Outcome::Holds).collect();
    same("steps that do not hold", doubts.len(), 0).map_err(|error| format!("{error}: {doubts:?}"))?;

    same("without the chain", report(&bundle, &trust, ChainAnswer::NotAsked).verdict, Verdict::Unchecked)?;

    let mut forged = bundle.clone();
    let last = forged.entry.last_mut().ok_or("an entry without bytes")?;
    *last ^= 1;
    same("with another entry", report(&forged, &trust, ChainAnswer::NotAsked).verdict, Verdict::Invalid)?;
    Ok(3)
}

fn report(bundle: &Bundle, trust: &TrustRoots, chain: ChainAnswer) -> Report {
    examine(&Case { bundle, trust, chain, tile: None, claimed: None, seen: None })
}

/// What the recorded answers of the chain lead to.
fn chain(file: &Value, bundle: &Bundle, trust: &TrustRoots) -> Result<ChainAnswer, String> {
    let rounds: Vec<Vec<Answer>> = serde_json::from_value(file["rounds"].clone()).map_err(|error| error.to_string())?;
    let checkpoint = Checkpoint::unverified(&bundle.checkpoint).map_err(|error| error.to_string())?;
    let mut query = ChainQuery::new(trust.contract, checkpoint.root, checkpoint.size, Finality::Tag);
    for answers in rounds {
        match query.answer(answers).map_err(|error| error.to_string())? {
            Progress::Asking(next) => query = *next,
            Progress::Done(state) => return Ok(ChainAnswer::State(state)),
        }
    }
    Err("the chain was not asked enough".into())
}
