//! Heartbeats account for every anomaly, and a log whose key has changed verifies from its first key on.

use std::path::Path;

use e2e::{Trial, chain::Chain, command, poll};
use ledger::trust::TrustRoots;
use serde_json::Value;

/// A trial whose windows are closed every second.
async fn trial() -> Trial {
    let mut trial = Trial::prepare(Chain::start().await).await;
    trial.settings().flags = ["--heartbeat", "1s", "--beacon", "1s"].map(str::to_owned).into();
    trial.start_service().await;
    trial.ready().await;
    trial
}

/// Waits until a heartbeat has counted the entry at this index, and is final.
async fn counted(trial: &Trial, index: u64) {
    poll::until("a final heartbeat counts the entry", async || {
        let page = trial.get("/api/v1/heartbeats?limit=500").await.json();
        let counts = |heartbeat: &Value| heartbeat["index"].as_u64().is_some_and(|at| at > index);
        let heartbeats = page["items"].as_array()?;
        heartbeats.iter().any(|heartbeat| counts(heartbeat) && heartbeat["state"] == "final").then_some(())
    })
    .await;
}

/// The pseudonym of the device of an anomaly.
async fn pseudonym(trial: &Trial, index: u64) -> String {
    let entry = trial.get(&format!("/api/v1/entries/{index}")).await.json();
    entry["device"].as_str().expect("a pseudonym").to_owned()
}

async fn account(trial: &Trial, device: &str, trust: &Path) -> command::Finished {
    let trust = trust.to_str().expect("a path in UTF-8");
    command::run(["account", device, "--trust", trust, "--url", &trial.url()]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_anomaly_is_accounted_for_and_a_forged_counter_is_not() {
    let mut trial = trial().await;
    let index = trial.provoke(3).await[1];
    counted(&trial, index).await;
    let (device, trust) = (pseudonym(&trial, index).await, trial.pin_trust().await);
    let said = account(&trial, &device, &trust).await.expect_success();
    assert!(said.contains("Everything agrees."), "{said}");
    let window = said.lines().find(|line| line.trim_end().ends_with("1 to 1")).expect("the device's window");
    let counts: Vec<&str> = window.split_whitespace().skip(3).take(3).collect();
    assert_eq!(counts, ["1", "1", "1"], "one reading, one anomaly counted, one in the log: {said}");
    // A stranger to every window is shown to be one.
    let stranger = account(&trial, &"0".repeat(32), &trust).await;
    assert_eq!(stranger.code, 25, "{stranger:#?}");
    assert!(stranger.stdout.contains("knows nothing of a device"), "{stranger:#?}");

    // The service hides the anomaly: it shows counters that it did not commit to.
    trial.stop_service().await;
    let database = rusqlite::Connection::open(trial.data_dir().join("ledger.sqlite")).expect("the database");
    let hide =
        "UPDATE counter SET bytes = CAST(replace(CAST(bytes AS TEXT), '\"anomalies\":1', '\"anomalies\":0') AS BLOB)";
    assert!(database.execute(hide, []).expect("a change") > 0);
    drop(database);
    trial.start_service().await;
    let said = account(&trial, &device, &trust).await;
    assert_eq!(said.code, 30, "{said:#?}");
    assert!(said.stdout.contains("does not lead to the heartbeat's root"), "{said:#?}");
    assert_eq!(command::fsck(trial.data_dir(), None).await.code, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_key_has_changed_verifies_from_its_first_key_on() {
    let mut trial = trial().await;
    let before = trial.provoke(1).await[0];
    trial.all_final().await;
    let trust = trial.pin_trust().await;
    let first = trial.ledger().await.log_key;

    let data_dir = trial.data_dir().to_str().expect("a path in UTF-8").to_owned();
    let rotate = || command::run(["admin", "rotate-key", "--data-dir", &data_dir]);
    let made = rotate().await.expect_success();
    assert_eq!(rotate().await.code, 1, "a second key before the first is announced");
    trial.stop_service().await;
    trial.start_service().await;
    let after = trial.provoke(1).await[0];
    trial.all_final().await;

    let second = poll::until("the new key signs", async || {
        let key = trial.ledger().await.log_key;
        (key != first).then_some(key)
    })
    .await;
    assert!(made.contains(&second), "{made}");
    // The old secret is of no more use.
    std::fs::remove_file(trial.data_dir().join("keys/log.key")).expect("the old secret");
    trial.stop_service().await;
    trial.start_service().await;
    for index in [before, after] {
        let verified = trial.verify(index, &trust).await;
        assert_eq!(verified.code, 0, "entry {index}: {verified:#?}");
    }
    let fsck = command::fsck(trial.data_dir(), Some(&trial.chain.url())).await;
    assert_eq!(fsck.code, 0, "{fsck:#?}");
    let said = account(&trial, &pseudonym(&trial, after).await, &trust).await.expect_success();
    assert!(said.contains(&second), "{said}");

    // An auditor who trusts the new key alone: with evidence that it has signed, also of an entry from before.
    let roots = TrustRoots { log_key: second.parse().expect("a verifier key"), ..trial.trust().await };
    let newest = trial.file("newest-trust.json");
    std::fs::write(&newest, serde_json::to_vec(&roots).expect("JSON")).expect("a temporary file");
    assert_eq!(trial.verify(before, &newest).await.code, 30, "the old key is no key of his");
    let bundle = trial.file("newest-evidence.json");
    let (index, url) = (before.to_string(), trial.url());
    let to = bundle.to_str().expect("a path in UTF-8");
    command::run(["evidence", &index, "--newest", "--url", &url, "-o", to]).await.expect_success();
    let verified = command::verify(&bundle, &newest, Some(&trial.chain.url())).await;
    assert_eq!(verified.code, 0, "{verified:#?}");
    account(&trial, &pseudonym(&trial, after).await, &newest).await.expect_success();
}
