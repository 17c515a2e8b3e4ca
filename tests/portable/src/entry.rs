//! tests/vectors/entry: bytes, leaf hash and commitment of the specification's examples.

use ledger::{
    Hash,
    entry::{Entry, Payload, commitment},
    hash::leaf_hash,
};
use serde_json::Value;

use crate::{same, vectors};

pub(crate) fn entries() -> Result<usize, String> {
    let cases = vectors("entry/anomaly.json")?;
    same("cases", cases.len(), 1)?;
    for (path, case) in &cases {
        anomaly(case).map_err(|error| format!("{path}: {error}"))?;
    }
    Ok(cases.len())
}

/// What is read is written again as the same bytes, and hashes to what the case says.
fn anomaly(case: &Value) -> Result<(), String> {
    let text = |name: &str| case[name].as_str().ok_or_else(|| format!("no {name}"));
    let (entry, payload) = (text("entry")?, text("payload")?);
    let read = Entry::from_bytes(entry.as_bytes()).map_err(|error| error.to_string())?;
    same("entry", read.to_bytes().map_err(|error| error.to_string())?.as_slice(), entry.as_bytes())?;
    let read = Payload::from_bytes(payload.as_bytes()).map_err(|error| error.to_string())?;
    same("payload", read.to_bytes().map_err(|error| error.to_string())?.as_slice(), payload.as_bytes())?;
    same("leaf hash", leaf_hash(entry.as_bytes()).to_string().as_str(), text("leaf_hash")?)?;
    let salt: Hash = text("salt")?.parse().map_err(|_| "the salt is malformed")?;
    same("commitment", commitment(&salt.0, payload.as_bytes()).to_string().as_str(), text("commitment")?)
}
