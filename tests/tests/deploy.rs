//! The deploy script as docs/operations.md has an admin use it: signed by a keystore, its word about the trust roots, and
//! a successor.

use std::{path::Path, process::Command};

use alloy_primitives::{hex, keccak256};
use e2e::{
    Chain,
    chain::{ANCHORER, ANCHORER_KEY, Anchored, OWNER, OWNER_KEY},
    paths, trial,
};
use ledger::Hash;
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery staple";

#[tokio::test(flavor = "multi_thread")]
async fn a_keystore_deploys_and_the_printed_trust_roots_are_the_chains() {
    let chain = Chain::start().await;
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let log_id = trial::init(&dir.path().join("data")).await;
    let keystore = keystore(dir.path());

    let printed = deploy(&chain, &log_id, None, &keystore, dir.path()).expect("the script deploys");
    let contract = printed["contract"].as_str().expect("an address").to_owned();
    let code = chain.rpc("eth_getCode", json!([contract, "latest"])).await;
    let code = hex::decode(code.as_str().expect("code in hex")).expect("code in hex");
    assert_eq!(printed["code_hash"], json!(keccak256(code)));
    let genesis = chain.rpc("eth_getBlockByNumber", json!(["0x0", false])).await;
    assert_eq!(printed["genesis_hash"], genesis["hash"]);
    assert_eq!(printed["chain_id"], 31337);

    // An empty log takes any first root. Then a successor is refused as long as the predecessor can move on.
    let root = format!("0x{}", "5a".repeat(32));
    let anchor = ["send", &contract, "anchor(bytes32,uint64,bytes32[],bytes)(uint64)", &root, "7", "[]", "0x"];
    cast(&[&anchor[..], &["--rpc-url", &chain.url(), "--private-key", ANCHORER_KEY]].concat());
    let early = deploy(&chain, &log_id, Some(&contract), &keystore, dir.path()).expect_err("it is too early");
    assert!(early.contains("PREDECESSOR still has an anchorer"), "{early}");
    cast(&["send", &contract, "removeAnchorer()", "--rpc-url", &chain.url(), "--private-key", OWNER_KEY]);
    let printed = deploy(&chain, &log_id, Some(&contract), &keystore, dir.path()).expect("the script deploys");
    let successor = printed["contract"].as_str().expect("an address");
    assert_ne!(successor, contract);
    let predecessor = cast(&["call", successor, "predecessor()(address)", "--rpc-url", &chain.url()]);
    assert_eq!(predecessor.trim(), contract);
    assert_eq!(chain.head(successor).await, (Hash([0x5a; 32]), 7));
    assert_eq!(chain.anchored(successor).await, [Anchored { root: Hash([0x5a; 32]), size: 7, sequence: 0 }]);
}

/// A keystore with the owner's key, and its password beside it.
fn keystore(dir: &Path) -> String {
    std::fs::write(dir.join("password"), PASSWORD).expect("a temporary file can be written");
    let place = dir.to_str().expect("a path in UTF-8");
    let key = ["--private-key", OWNER_KEY, "--unsafe-password", PASSWORD];
    cast(&[&["wallet", "import", "deployer", "--keystore-dir", place], &key[..]].concat());
    format!("{place}/deployer")
}

/// What the script prints for the trust file, or what it complains of.
fn deploy(chain: &Chain, log_id: &str, predecessor: Option<&str>, keystore: &str, dir: &Path) -> Result<Value, String> {
    let mut command = Command::new(paths::foundry("forge"));
    command.current_dir(paths::repo()).args(["script", "contracts/script/Deploy.s.sol", "--json", "--broadcast"]);
    command.args(["--rpc-url", &chain.url(), "--keystore", keystore, "--password-file"]).arg(dir.join("password"));
    command.env("LOG_ID", log_id).env("OWNER", OWNER).env("ANCHORER", ANCHORER);
    command.env("FOUNDRY_BROADCAST", dir.join("broadcast"));
    if let Some(predecessor) = predecessor {
        command.env("PREDECESSOR", predecessor);
    }
    let output = command.output().expect("forge runs");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        return Err(format!("{stdout}\n{stderr}"));
    }
    let first: Value = serde_json::from_str(stdout.lines().next().unwrap_or_default()).expect("a line of JSON");
    let lines = first["logs"].as_array().expect("what the script prints").iter().skip(1);
    let members: String = lines.map(|line| line.as_str().expect("text")).collect();
    Ok(serde_json::from_str(&format!("{{{members}}}")).expect("members of a trust file"))
}

fn cast(args: &[&str]) -> String {
    let output = Command::new(paths::foundry("cast")).args(args).output().expect("cast runs");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
