//! tests/vectors/inclusion and consistency: the same honest proofs and the same lies that Solidity meets.

use ledger::{Hash, merkle};
use serde_json::Value;

use crate::vectors;

/// So that a folder that was not found does not pass as one without failures.
const FEWEST: usize = 30;

/// Holds each case against its `want`.
fn judge(prefix: &str, verify: impl Fn(&Value) -> Option<bool>) -> Result<usize, String> {
    let cases = vectors(prefix)?;
    for (path, case) in &cases {
        let wanted = match case["want"].as_str() {
            Some("accept") => true,
            Some("reject") => false,
            other => return Err(format!("{path}: wants {other:?}")),
        };
        let accepted = verify(case).ok_or_else(|| format!("{path}: malformed"))?;
        if accepted != wanted {
            let did = if accepted { "accepted" } else { "rejected" };
            return Err(format!("{path} was {did}: {}", case["about"]));
        }
    }
    if cases.len() < FEWEST { Err(format!("only {} cases of {prefix}", cases.len())) } else { Ok(cases.len()) }
}

pub(crate) fn inclusion() -> Result<usize, String> {
    judge("inclusion/", |case| {
        let (index, size) = (case["index"].as_u64()?, case["size"].as_u64()?);
        let (leaf, root) = (hash(&case["leafHash"])?, hash(&case["root"])?);
        Some(merkle::verify_inclusion(&leaf, index, size, &hashes(&case["proof"])?, &root).is_ok())
    })
}

pub(crate) fn consistency() -> Result<usize, String> {
    judge("consistency/", |case| {
        let (older, newer) = (case["size1"].as_u64()?, case["size2"].as_u64()?);
        let (older_root, newer_root) = (hash(&case["root1"])?, hash(&case["root2"])?);
        Some(merkle::verify_consistency(older, newer, &hashes(&case["proof"])?, &older_root, &newer_root).is_ok())
    })
}

fn hash(value: &Value) -> Option<Hash> {
    value.as_str()?.strip_prefix("0x")?.parse().ok()
}

fn hashes(value: &Value) -> Option<Vec<Hash>> {
    value.as_array()?.iter().map(hash).collect()
}
