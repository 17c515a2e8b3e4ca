//! Records what a real Anvil answers about a log whose key and contract have changed, into tests/vectors/verdict:
//! `successor.json`, and `broken-succession.json`, where the old contract was continued beside its successor.
//!
//! Run it after a change of what `ChainQuery` asks: `cargo run -p e2e --bin record`.

use e2e::{lineage::Lineage, paths};
use serde_json::{Value, json};

#[tokio::main]
async fn main() {
    let lineage = Lineage::start().await;
    let about = "A real log whose key and contract have changed, its trust roots, and what a real Anvil answered to each \
        round of ChainQuery, by tag finalized: about an entry anchored by the old contract, and one by the new.";
    let cases = [case(&lineage, 2, 3).await, case(&lineage, 6, 7).await];
    write("successor", json!({ "about": about, "trust": lineage.trust().await, "cases": cases })).await;
    // Nobody took the old contract out of use, so its anchorer can go on beside the successor.
    lineage.anchor(&lineage.old, 5, 8).await;
    lineage.settle().await;
    let about = "The same log, after the old contract was continued beside its successor.";
    let cases = [case(&lineage, 2, 3).await, case(&lineage, 6, 7).await];
    write("broken-succession", json!({ "about": about, "trust": lineage.trust().await, "cases": cases })).await;
}

async fn case(lineage: &Lineage, index: u64, size: u64) -> Value {
    let bundle = lineage.bundle(index, size);
    let rounds = lineage.rounds(&lineage.trust().await, &bundle).await;
    let bundle: Value = serde_json::from_str(&bundle.to_json()).expect("a bundle is JSON");
    json!({ "bundle": bundle, "rounds": rounds })
}

async fn write(name: &str, file: Value) {
    let path = paths::repo().join("tests/vectors/verdict").join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(&file).expect("JSON") + "\n";
    std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    println!("{}", path.display());
}
