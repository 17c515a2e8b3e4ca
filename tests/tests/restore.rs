//! A service that has lost its disk goes on with what the chain has; gaps are named, and a node that lies is refused.

use std::path::{Path, PathBuf};

use e2e::{
    Chain, Trial,
    command::{self, Finished},
    liar::{self, Liar},
    trial::reading,
};
use ledger::{entry::Entry, evidence::Bundle};
use serde_json::{Value, json};

struct Lost {
    trial: Trial,
    trust: PathBuf,
    key: PathBuf,
    /// Evidence from before.
    old: PathBuf,
    before: Vec<api::Anomaly>,
}

/// A trial with two anchored batches whose data directory is gone; the log's key and the trust file were kept.
async fn lost(flags: &[&str]) -> Lost {
    let mut trial = Trial::prepare(Chain::start().await).await;
    trial.settings().flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
    trial.start_service().await;
    trial.ready().await;
    let first = trial.provoke(3).await[0];
    trial.all_final().await;
    trial.provoke(2).await;
    let before = trial.all_final().await;
    let trust = trial.pin_trust().await;
    let old = trial.evidence(first).await;
    let key = lose(&mut trial).await;
    Lost { trial, trust, key, old, before }
}

/// Loses the disk; gives the copy of the key.
async fn lose(trial: &mut Trial) -> PathBuf {
    trial.stop_service().await;
    let key = trial.file("log.key");
    std::fs::copy(trial.data_dir().join("keys/log.key"), &key).expect("the key can be copied");
    std::fs::remove_dir_all(trial.data_dir()).expect("the directory can be removed");
    key
}

async fn restore(trial: &Trial, rpc_url: &str, to: &Path, more: &[&str]) -> Finished {
    let to = to.to_str().expect("a path");
    let mut args = vec!["restore", "--from-chain", "--rpc-url", rpc_url, "--contract", trial.contract(), "-o", to];
    args.extend(more);
    command::run(args).await
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

fn lines(file: PathBuf) -> Vec<String> {
    std::fs::read_to_string(file).expect("it was written").lines().map(str::to_owned).collect()
}

/// The pseudonym in an entry.
async fn pseudonym(trial: &Trial, index: u64) -> String {
    match Entry::from_bytes(&trial.get(&format!("/api/v1/entries/{index}")).await.body).expect("an entry") {
        Entry::Anomaly(anomaly) => anomaly.device.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_lost_its_disk_goes_on_from_the_chain() {
    // With heartbeats and audit entries among the rest, whose counters and records are on no chain.
    let Lost { mut trial, trust, key, old, before } = lost(&["--heartbeat", "2s"]).await;
    let rpc_url = trial.chain.url();
    let to = trial.file("restored");
    let said = restore(&trial, &rpc_url, &to, &["--trust", text(&trust), "--key", text(&key)]).await;
    assert_eq!(said.code, 0, "{said:#?}");
    println!("{}", said.stdout);
    let data = to.join("data");
    let checked = command::fsck(&data, Some(&rpc_url)).await;
    assert_eq!(checked.code, 0, "{checked:#?}");

    trial.settings().data_dir = data;
    trial.start_service().await;
    trial.ready().await;
    // What was known is known again, word for word, and final at once.
    let after = trial.all_final().await;
    let told = |anomalies: &[api::Anomaly]| -> Vec<_> {
        anomalies.iter().map(|a| (a.index, a.id.clone(), a.sentence.clone(), a.device.clone())).collect()
    };
    assert_eq!(told(&after), told(&before));
    assert_eq!(command::verify(&old, &trust, Some(&rpc_url)).await.code, 0);

    // It goes on: with the same contract, and with the device's old pseudonym.
    let device = "provoked-0";
    let first = before.iter().find(|anomaly| anomaly.device == device).expect("it is known").index;
    let again = reading(device, 77, json!({ "humidity": 50.0, "pressure": 1000.0, "temperature": 999.0 }));
    let answer = trial.post("/api/v1/readings", &again).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let after = trial.all_final().await;
    let new = after.first().expect("some").index;
    assert!(new > before[0].index);
    assert_eq!(pseudonym(&trial, new).await, pseudonym(&trial, first).await);
    for index in [new, first] {
        let said = trial.verify(index, &trust).await;
        assert_eq!(said.code, 0, "{said:#?}");
    }
    trial.stop_service().await;
    let checked = command::fsck(trial.data_dir(), Some(&rpc_url)).await;
    assert_eq!(checked.code, 0, "{checked:#?}");
    assert!(
        checked.stdout.contains("came back from the chain: their counters and records are not here"),
        "{checked:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn anomalies_that_no_heartbeat_had_counted_are_counted_after_the_loss() {
    // Windows of an hour: none is closed before the disk is lost.
    let Lost { mut trial, trust, key, .. } = lost(&[]).await;
    let rpc_url = trial.chain.url();
    let to = trial.file("restored");
    restore(&trial, &rpc_url, &to, &["--trust", text(&trust), "--key", text(&key)]).await.expect_success();
    trial.settings().data_dir = to.join("data");
    trial.settings().flags = ["--heartbeat", "1s"].map(str::to_owned).into();
    trial.start_service().await;
    let counted = async || {
        let page = trial.get("/api/v1/heartbeats?limit=500").await.json();
        let counts = |heartbeat: &Value| heartbeat["anomalies"].as_u64() == Some(5);
        page["items"].as_array()?.iter().any(counts).then_some(())
    };
    e2e::poll::until("a heartbeat counts what came back", counted).await;
    let url = trial.url();
    let said = command::run(["account", "--trust", text(&trust), "--url", &url]).await;
    assert_eq!(said.code, 0, "{said:#?}");
    let checked = command::fsck(trial.data_dir(), None).await;
    assert_eq!(checked.code, 0, "{checked:#?}");
    // Nobody can wave the check away by saying that more came back.
    trial.stop_service().await;
    let database = rusqlite::Connection::open(trial.data_dir().join("ledger.sqlite")).expect("the database");
    database.execute("DELETE FROM counter", []).expect("a change");
    database.execute("UPDATE setting SET value = '9000' WHERE name = 'restored_below'", []).expect("a change");
    drop(database);
    let checked = command::fsck(trial.data_dir(), None).await;
    assert_eq!(checked.code, 30, "{checked:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_key_an_auditor_gets_the_bytes() {
    let Lost { trial, trust, old, before, .. } = lost(&[]).await;
    // A node that shows the events of a few blocks at a time is asked more often.
    let node = Liar::before(trial.chain.url(), liar::few_blocks).await;
    let to = trial.file("restored");
    let said = restore(&trial, &node.url(), &to, &["--trust", text(&trust)]).await;
    assert_eq!(said.code, 0, "{said:#?}");
    assert!(said.stdout.contains("MISSING to go on with the log: its signing key"), "{said:#?}");
    assert!(node.asked() > 20, "{}", node.asked());
    assert!(!to.join("data").exists());

    let entries = lines(to.join("entries.ndjson"));
    let old = Bundle::from_json(&std::fs::read(old).expect("a bundle")).expect("a bundle");
    assert_eq!(entries[old.index as usize].as_bytes(), old.entry);
    let payloads = lines(to.join("payloads.ndjson"));
    assert_eq!(payloads.len(), before.len());
    let payload = String::from_utf8(old.disclosure.expect("a payload").payload).expect("text");
    assert!(payloads.iter().any(|line| line.contains(&payload)), "{payload}");
    let summary: Value = serde_json::from_slice(&std::fs::read(to.join("restored.json")).expect("it")).expect("JSON");
    assert_eq!(summary["entries"], entries.len());
    // What is there is not written over.
    assert_eq!(restore(&trial, &node.url(), &to, &["--trust", text(&trust)]).await.code, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_not_published_is_named_and_ends_the_log() {
    let mut trial = Trial::start().await;
    let published = trial.provoke(2).await.into_iter().max().expect("two");
    trial.all_final().await;
    let mut missing = Vec::new();
    for publish in ["roots", "payloads"] {
        trial.stop_service().await;
        trial.settings().publish = publish;
        trial.start_service().await;
        trial.ready().await;
        let mut indexes = trial.provoke(2).await;
        // Two detectors at work: either may have been first.
        indexes.sort_unstable();
        missing.push(indexes);
        trial.all_final().await;
    }
    let trust = trial.pin_trust().await;
    let key = lose(&mut trial).await;
    let to = trial.file("restored");
    let said = restore(&trial, &trial.chain.url(), &to, &["--trust", text(&trust), "--key", text(&key)]).await;
    assert_eq!(said.code, 3, "{said:#?}");
    println!("{}", said.stdout);
    let (from, last) = (missing[0][0], missing[0][1]);
    assert_eq!(from, published + 1);
    assert!(said.stdout.contains(&format!("MISSING: entries {from} to {last}: only their root")), "{said:#?}");
    assert!(said.stdout.contains(&format!("ends at entry {from} of {}", missing[1][1] + 1)), "{said:#?}");
    assert_eq!(lines(to.join("entries.ndjson")).len() as u64, from);
    assert!(!to.join("data").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lies_is_refused_and_leaves_nothing() {
    let Lost { trial, trust, key, .. } = lost(&[]).await;
    let to = trial.file("restored");
    let lies: [(liar::Lie, &str); 4] = [
        (liar::other_entry, "anchored is "),
        (liar::other_payload, "): payload "),
        (liar::fewer_events, "it hides events"),
        (liar::no_first_event, "expected anchor number 1, found number 2"),
    ];
    for (lie, words) in lies {
        let node = Liar::before(trial.chain.url(), lie).await;
        let said = restore(&trial, &node.url(), &to, &["--trust", text(&trust), "--key", text(&key)]).await;
        assert_eq!(said.code, 30, "{said:#?}");
        assert!(said.stderr.contains(words), "{words}: {said:#?}");
        assert!(!to.exists());
    }
    let left = std::fs::read_dir(to.parent().expect("a parent")).expect("a directory");
    let left: Vec<_> = left.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect();
    assert!(!left.iter().any(|name| name.starts_with(".restore-")), "{left:?}");

    // The wrong key, another log's contract, no node.
    let rpc_url = trial.chain.url();
    std::fs::write(&key, "00".repeat(32)).expect("a file");
    let said = restore(&trial, &rpc_url, &to, &["--trust", text(&trust), "--key", text(&key)]).await;
    assert_eq!(said.code, 2, "{said:#?}");
    let other = e2e::trial::init(&trial.file("other")).await;
    let contract = trial.chain.deploy(&other).await;
    let args = ["restore", "--from-chain", "--rpc-url", &rpc_url, "--contract", &contract, "-o", text(&to), "--trust"];
    let said = command::run(args.into_iter().chain([text(&trust)])).await;
    assert_eq!(said.code, 40, "{said:#?}");
    let nobody = "http://127.0.0.1:9";
    assert_eq!(restore(&trial, nobody, &to, &["--trust", text(&trust)]).await.code, 25);
}
