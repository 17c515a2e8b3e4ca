//! tests/vectors through the `ledger` crate: the same honest proofs and the same lies that Solidity meets.

use std::path::{Path, PathBuf};

use ledger::{Hash, merkle};
use serde_json::Value;

/// Every case below a folder of tests/vectors.
fn cases(kind: &str) -> Vec<(PathBuf, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(kind);
    let entries = |dir: &Path| -> Vec<PathBuf> {
        let read = std::fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        read.map(|entry| entry.expect("an entry").path()).collect()
    };
    let files = entries(&root).into_iter().filter(|path| path.is_dir()).flat_map(|dir| entries(&dir));
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a vector");
        (path, serde_json::from_str(&text).expect("a vector in JSON"))
    };
    files.map(read).collect()
}

fn hash(value: &Value) -> Hash {
    value.as_str().and_then(|text| text.strip_prefix("0x")?.parse().ok()).expect("a hash")
}

fn hashes(value: &Value) -> Vec<Hash> {
    value.as_array().expect("a list").iter().map(hash).collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

/// Holds each case against its `want`.
fn judge(kind: &str, at_least: usize, verify: impl Fn(&Value) -> Result<(), merkle::ProofError>) {
    let cases = cases(kind);
    assert!(cases.len() >= at_least, "only {} cases of {kind}", cases.len());
    for (path, case) in cases {
        let result = verify(&case);
        let want = case["want"].as_str().expect("a verdict");
        assert!(matches!(want, "accept" | "reject"), "{}", path.display());
        assert_eq!(result.is_ok(), want == "accept", "{}: {} gave {result:?}", path.display(), case["about"]);
    }
}

#[test]
fn inclusion_proofs_are_judged_as_the_vectors_say() {
    judge("inclusion", 30, |case| {
        let (index, size) = (number(&case["index"]), number(&case["size"]));
        merkle::verify_inclusion(&hash(&case["leafHash"]), index, size, &hashes(&case["proof"]), &hash(&case["root"]))
    });
}

#[test]
fn consistency_proofs_are_judged_as_the_vectors_say() {
    judge("consistency", 30, |case| {
        let (older, newer) = (number(&case["size1"]), number(&case["size2"]));
        let proof = hashes(&case["proof"]);
        merkle::verify_consistency(older, newer, &proof, &hash(&case["root1"]), &hash(&case["root2"]))
    });
}
