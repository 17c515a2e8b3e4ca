//! tests/vectors/verdict: real bundles and the answers of a real chain, from the bytes to the verdict; and lies about them.

use ledger::{
    evidence::Bundle,
    verdict::{ChainAnswer, Outcome, Verdict},
};
use serde_json::Value;

use crate::{
    real::{Real, real},
    same, vectors,
};

pub(crate) fn verdicts() -> Result<usize, String> {
    let cases = [real("final.json")?, real("successor.json")?];
    for real in &cases {
        let asked = real.report(&real.bundle, real.chain.clone());
        same("with the chain", asked.verdict, Verdict::Final)?;
        // The payload of the second is not disclosed.
        let doubts: Vec<_> =
            asked.steps.iter().filter(|step| step.outcome != Outcome::Holds && step.name != "payload").collect();
        same("steps that do not hold", doubts.len(), 0).map_err(|error| format!("{error}: {doubts:?}"))?;
        same("without the chain", real.report(&real.bundle, ChainAnswer::NotAsked).verdict, Verdict::Unchecked)?;
    }
    Ok(2 * cases.len())
}

/// Every lie of lies.json is seen through, and by the step that it names.
pub(crate) fn lies() -> Result<usize, String> {
    let files = vectors("verdict/lies.json")?;
    let lies = files.first().and_then(|(_, file)| file["lies"].as_array()).ok_or("no verdict/lies.json")?;
    let all = [("final.json", real("final.json")?), ("successor.json", real("successor.json")?)];
    for lie in lies {
        let about = lie["about"].as_str().unwrap_or_default();
        let of = all.iter().find(|(name, _)| lie["of"] == *name).ok_or_else(|| format!("{about}: of what?"))?;
        told(&of.1, lie).map_err(|error| format!("{about}: {error}"))?;
    }
    Ok(lies.len())
}

fn told(real: &Real, lie: &Value) -> Result<(), String> {
    let mut json = real.json.clone();
    for change in lie["patch"].as_array().ok_or("no patch")? {
        patch(&mut json, change).ok_or_else(|| format!("cannot be told: {change}"))?;
    }
    if json == real.json {
        return Err("it changes nothing".into());
    }
    let want = lie["want"].as_str().unwrap_or_default();
    let Ok(bundle) = Bundle::from_json(json.to_string().as_bytes()) else {
        return same("verdict", "refused", want);
    };
    let report = real.report(&bundle, real.chain.clone());
    same("verdict", report.verdict.name(), want)?;
    let step = report.steps.iter().find(|step| lie["step"] == step.name).ok_or("the step was not taken")?;
    same("the step fails or differs", matches!(step.outcome, Outcome::Fails | Outcome::Differs), true)
}

/// Applies one operation of RFC 6902, as far as lies.json uses them.
fn patch(json: &mut Value, change: &Value) -> Option<()> {
    let (parent, name) = change["path"].as_str()?.rsplit_once('/')?;
    let value = change["value"].clone();
    match (json.pointer_mut(parent)?, change["op"].as_str()?) {
        (Value::Object(members), "remove") => _ = members.remove(name)?,
        (Value::Object(members), "replace") => _ = members.insert(name.into(), value)?,
        (Value::Object(members), "add") => _ = members.insert(name.into(), value),
        (Value::Array(items), "remove") => _ = items.remove(name.parse().ok()?),
        (Value::Array(items), "replace") => *items.get_mut(name.parse::<usize>().ok()?)? = value,
        (Value::Array(items), "add") => items.push(value),
        _ => return None,
    }
    Some(())
}
