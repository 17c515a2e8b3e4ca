//! A backup that was made beside a service at work: it holds what was acknowledged before it, and is a log to go on
//! with, as long as the contract has nothing newer.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use e2e::{
    Chain, Trial,
    command::{self, Finished},
    poll,
    service::http,
    trial::reading,
};
use serde_json::{Value, json};

/// Readings of a request.
const BATCH: u64 = 50;

/// Requests before the backup begins, and after it.
const ENOUGH: u64 = 20;

/// A trial that packs all the time, with three findings on the chain.
async fn trial() -> Trial {
    let mut trial = Trial::prepare(Chain::start().await).await;
    trial.settings().flags = ["--pack-after", "16"].map(str::to_owned).into();
    trial.start_service().await;
    trial.ready().await;
    trial.provoke(3).await;
    trial.all_final().await;
    trial
}

/// `anomaly-ledger admin backup` with the keys, to a new directory.
async fn back_up(trial: &Trial) -> (PathBuf, Finished) {
    let to = trial.file("backup");
    let [from, place] = [trial.data_dir(), &to].map(|path| path.to_str().expect("a path"));
    let said = command::run(["admin", "backup", "--data-dir", from, "--to", place, "--with-keys"]).await;
    (to, said)
}

/// The readings of a request that no model objects to.
fn batch(number: u64) -> Value {
    let weather =
        |at: u64| json!({ "humidity": 50.0, "pressure": 1000.0, "temperature": 20.0 + (at % 7) as f64 / 10.0 });
    (number * BATCH..(number + 1) * BATCH).map(|at| reading("load", at, weather(at))).collect()
}

async fn results(url: &str, number: u64) -> Vec<api::ReadingResult> {
    let answer = http().post(format!("{url}/api/v1/readings")).json(&batch(number)).send().await;
    let answer = answer.expect("the service answers").error_for_status().expect("a batch is taken");
    answer.json::<api::Readings>().await.expect("results").results
}

fn manifest(backup: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(backup.join("backup.json")).expect("a manifest")).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_made_under_load_is_a_log_to_go_on_with() {
    let mut trial = trial().await;
    let trust = trial.pin_trust().await;
    let sent = Arc::new(AtomicU64::new(0));
    let (url, count) = (trial.url(), Arc::clone(&sent));
    let sender = tokio::spawn(async move {
        for number in 0.. {
            results(&url, number).await;
            count.store(number + 1, Ordering::SeqCst);
        }
    });
    let reaches = async |enough: u64| {
        poll::until("enough is sent", async || (sent.load(Ordering::SeqCst) >= enough).then_some(())).await;
    };
    reaches(ENOUGH).await;
    let before = sent.load(Ordering::SeqCst);
    let (backup, said) = back_up(&trial).await;
    assert_eq!(said.code, 0, "{said:#?}");
    // The service goes on as if nothing was.
    reaches(sent.load(Ordering::SeqCst) + ENOUGH).await;
    sender.abort();
    let _ = sender.await;
    let size = trial.ledger().await.tree_size;
    trial.stop_service().await;
    assert_eq!(manifest(&backup)["tree_size"], size, "an ordinary reading was found to be anomalous");

    // In its stead, the copy: with the same keys, before the same chain.
    let rpc_url = trial.chain.url();
    let checked = command::fsck(&backup, Some(&rpc_url)).await;
    assert_eq!(checked.code, 0, "{checked:#?}");
    let mut copy = trial.copied(backup);
    copy.start_service().await;
    copy.ready().await;
    for number in 0..before {
        for result in results(&copy.url(), number).await {
            assert_eq!(result.status, api::Status::Duplicate, "batch {number}: {result:?}");
        }
    }
    let new = copy.provoke(1).await[0];
    copy.all_final().await;
    assert_eq!(copy.verify(new, &trust).await.code, 0);
    copy.stop_service().await;
    let checked = command::fsck(copy.data_dir(), Some(&rpc_url)).await;
    assert_eq!(checked.code, 0, "{checked:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_older_than_the_contract_s_head_is_read_and_not_gone_on_with() {
    let mut trial = trial().await;
    let (backup, said) = back_up(&trial).await;
    assert_eq!(said.code, 0, "{said:#?}");
    trial.provoke(2).await;
    trial.all_final().await;
    trial.stop_service().await;

    let rpc_url = trial.chain.url();
    let checked = command::fsck(&backup, Some(&rpc_url)).await;
    assert_ne!(checked.code, 0, "{checked:#?}");
    let mut copy = trial.copied(backup);
    copy.start_service().await;
    // Not a second history under the same key: once the contradiction is seen twice it takes nothing, it signs nothing
    // at any time, and it shows what it has.
    // What it took before would be a duplicate, which is told in any case: so each time another batch.
    let number = AtomicU64::new(0);
    poll::until("the log is halted", async || {
        let new = batch(number.fetch_add(1, Ordering::SeqCst));
        (copy.post("/api/v1/readings", &new).await.status == 503).then_some(())
    })
    .await;
    let ready = copy.get("/ready").await;
    assert!(ready.status == 503 && ready.text().contains("the database is older than the chain"), "{}", ready.text());
    assert_eq!(copy.ledger().await.tree_size, manifest(copy.data_dir())["tree_size"]);
    assert_eq!(copy.anomalies().await.len(), 3);
}
