//! tests/vectors/entry, and the payload of tests/vectors/signed: bytes, leaf hash and commitment of the specification's examples.

use ledger::{
    Hash,
    entry::{Entry, KINDS, Payload, commitment},
    hash::leaf_hash,
};
use serde_json::Value;

use crate::{same, vectors};

pub(crate) fn entries() -> Result<usize, String> {
    let mut cases = vectors("entry/anomaly.json")?;
    cases.extend(vectors("entry/explained.json")?);
    cases.extend(vectors("signed/payload.json")?);
    same("cases", cases.len(), 3)?;
    let mut held = cases.len();
    for (path, case) in &cases {
        held += anomaly(case).map_err(|error| format!("{path}: {error}"))?;
    }
    let others = vectors("entry/kinds.json")?;
    same("cases", others.len(), 1)?;
    for (path, case) in &others {
        held += kinds(case).map_err(|error| format!("{path}: {error}"))?;
    }
    Ok(held)
}

/// Every other kind is read and written again; what is nearly one is refused.
fn kinds(case: &Value) -> Result<usize, String> {
    let others = KINDS.into_iter().filter(|kind| *kind != "anomaly");
    let mut held = 0;
    for kind in others {
        let bytes = case[kind].as_str().ok_or_else(|| format!("no {kind}"))?.as_bytes();
        let read = Entry::from_bytes(bytes).map_err(|error| format!("{kind}: {error}"))?;
        same("kind", read.kind(), kind)?;
        same(kind, read.to_bytes().map_err(|error| error.to_string())?.as_slice(), bytes)?;
        held += 1;
    }
    for (what, bytes) in case["reject"].as_object().ok_or("no reject")? {
        if Entry::from_bytes(bytes.as_str().unwrap_or_default().as_bytes()).is_ok() {
            return Err(format!("{what}: was taken for an entry"));
        }
        held += 1;
    }
    Ok(held)
}

/// What is read is written again as the same bytes, and hashes to what the case says; what is nearly a payload is
/// refused. Gives how many were.
fn anomaly(case: &Value) -> Result<usize, String> {
    let text = |name: &str| case[name].as_str().ok_or_else(|| format!("no {name}"));
    let (entry, payload) = (text("entry")?, text("payload")?);
    let read = Entry::from_bytes(entry.as_bytes()).map_err(|error| error.to_string())?;
    same("entry", read.to_bytes().map_err(|error| error.to_string())?.as_slice(), entry.as_bytes())?;
    let read = Payload::from_bytes(payload.as_bytes()).map_err(|error| error.to_string())?;
    same("payload", read.to_bytes().map_err(|error| error.to_string())?.as_slice(), payload.as_bytes())?;
    same("leaf hash", leaf_hash(entry.as_bytes()).to_string().as_str(), text("leaf_hash")?)?;
    let salt: Hash = text("salt")?.parse().map_err(|_| "the salt is malformed")?;
    same("commitment", commitment(&salt.0, payload.as_bytes()).to_string().as_str(), text("commitment")?)?;
    let Some(reject) = case.get("reject") else { return Ok(0) };
    let reject = reject.as_object().ok_or("reject is no object")?;
    for (what, bytes) in reject {
        if Payload::from_bytes(bytes.as_str().unwrap_or_default().as_bytes()).is_ok() {
            return Err(format!("{what}: was taken for a payload"));
        }
    }
    Ok(reject.len())
}
