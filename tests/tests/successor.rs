//! The log goes on in a successor contract, and evidence from both sides verifies.

use e2e::{Trial, chain::OWNER, command, poll};
use serde_json::{Value, json};

/// The owner takes the right to anchor away.
async fn remove_anchorer(trial: &Trial) {
    let data = alloy_primitives::hex::encode_prefixed(&alloy_primitives::keccak256("removeAnchorer()")[..4]);
    let transaction = json!([{ "from": OWNER, "to": trial.contract(), "data": data }]);
    let hash = trial.chain.rpc("eth_sendTransaction", transaction).await;
    poll::until("the anchorer is removed", async || {
        let receipt = trial.chain.rpc("eth_getTransactionReceipt", json!([hash])).await;
        (receipt["status"] == "0x1").then_some(())
    })
    .await;
}

/// Waits until `/ready` says this.
async fn says(trial: &Trial, text: &str) {
    poll::until(text, async || trial.get("/ready").await.text().contains(text).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_goes_on_in_a_successor_and_nowhere_else() {
    let mut trial = Trial::start().await;
    let before = trial.provoke(1).await[0];
    trial.all_final().await;
    let (old_trust, kept) = (trial.trust().await, trial.evidence(before).await);
    let old_file = trial.file("old-trust.json");
    std::fs::write(&old_file, serde_json::to_vec(&old_trust).expect("JSON")).expect("a temporary file");
    trial.stop_service().await;

    // A contract of the same log that continues nothing is no successor.
    let log_id = format!("0x{}", old_trust.log_key.key_hash());
    let stranger = trial.chain.deploy(&log_id).await;
    let old = std::mem::replace(&mut trial.settings().contract, stranger);
    trial.start_service().await;
    says(&trial, "not its successor").await;
    trial.stop_service().await;

    trial.settings().contract.clone_from(&old);
    remove_anchorer(&trial).await;
    let new = trial.chain.deploy_successor(&log_id, &old).await;
    trial.settings().contract.clone_from(&new);
    trial.start_service().await;
    trial.ready().await;
    let after = trial.provoke(1).await[0];
    trial.all_final().await;
    assert_eq!(trial.chain.anchored(&old).await.len(), 1);
    assert_eq!(trial.chain.anchored(&new).await.first().map(|first| first.sequence), Some(0));

    // An auditor who has taken the successor over verifies both, also by evidence from before.
    let trust = trial.pin_trust().await;
    for index in [before, after] {
        let verified = trial.verify(index, &trust).await;
        assert_eq!(verified.code, 0, "entry {index}: {verified:#?}");
    }
    let verified = command::verify(&kept, &trust, Some(&trial.chain.url())).await;
    assert_eq!(verified.code, 0, "{verified:#?}");
    // One who has not: the old evidence stays final, the new is in no contract that he trusts.
    assert_eq!(command::verify(&kept, &old_file, Some(&trial.chain.url())).await.code, 0);
    let unknown = trial.verify(after, &old_file).await;
    assert_eq!(unknown.code, 40, "{unknown:#?}");
    assert!(unknown.says("stored anchor", "differs"), "{unknown:#?}");
    let fsck = command::fsck(trial.data_dir(), Some(&trial.chain.url())).await;
    assert_eq!(fsck.code, 0, "{fsck:#?}");
    let claimed: Value = trial.get("/api/v1/trust").await.json();
    assert_eq!(claimed["predecessors"][0]["contract"], json!(old_trust.contract.to_checksum(None)));
}
