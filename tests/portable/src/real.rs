//! The real cases of tests/vectors/verdict: bundle, trust roots, and what the chain has answered.

use ledger::{
    chain::query::{Answer, ChainQuery, Finality, Progress},
    evidence::Bundle,
    trust::TrustRoots,
    verdict::{Case, ChainAnswer, Report, examine},
};
use serde_json::Value;

use crate::vectors;

/// A bundle with all that speaks for it.
pub(crate) struct Real {
    /// The bundle as it is in the file.
    pub(crate) json: Value,
    pub(crate) bundle: Bundle,
    pub(crate) trust: TrustRoots,
    /// What the chain says.
    pub(crate) chain: ChainAnswer,
}

/// The file's last case; the only one where it has no list.
pub(crate) fn real(name: &str) -> Result<Real, String> {
    let files = vectors(&format!("verdict/{name}"))?;
    let [(_, file)] = files.as_slice() else { return Err(format!("no verdict/{name}")) };
    let case = file["cases"].as_array().and_then(|cases| cases.last()).unwrap_or(file);
    let json = case["bundle"].clone();
    let bundle = Bundle::from_json(json.to_string().as_bytes()).map_err(|error| error.to_string())?;
    let trust: TrustRoots = serde_json::from_value(file["trust"].clone()).map_err(|error| error.to_string())?;
    let chain = ask(&trust, &bundle, &case["rounds"])?;
    Ok(Real { json, bundle, trust, chain })
}

impl Real {
    /// What is concluded of a bundle in the place of the real one, with this answer of the chain.
    pub(crate) fn report(&self, bundle: &Bundle, chain: ChainAnswer) -> Report {
        examine(&Case::new(bundle, &self.trust, chain))
    }
}

/// What the recorded answers of the chain lead to.
fn ask(trust: &TrustRoots, bundle: &Bundle, rounds: &Value) -> Result<ChainAnswer, String> {
    let rounds: Vec<Vec<Answer>> = serde_json::from_value(rounds.clone()).map_err(|error| error.to_string())?;
    let mut query = ChainQuery::of(trust, bundle, Finality::Tag).map_err(|error| error.to_string())?;
    for answers in rounds {
        match query.answer(answers).map_err(|error| error.to_string())? {
            Progress::Asking(next) => query = *next,
            Progress::Done(state) => return Ok(ChainAnswer::State(state)),
        }
    }
    Err("the chain was not asked enough".into())
}
