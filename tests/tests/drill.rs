//! A drill on a real ledger: every attack is noticed, the ledger itself is not touched, and what cannot be tried is said.

use std::path::Path;

use e2e::{
    Trial,
    command::{self, Finished},
};

async fn drill(data_dir: &Path, more: &[&str]) -> Finished {
    let mut args = vec!["drill", "--data-dir", data_dir.to_str().expect("a path")];
    args.extend(more);
    command::run(args).await
}

/// How many attacks a drill says were noticed, unnoticed, and not tried.
fn count(said: &Finished) -> [u64; 3] {
    let line = said.stdout.lines().last().unwrap_or_default();
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    numbers.try_into().unwrap_or_else(|_| panic!("{said:#?}"))
}

/// A log with two anchored checkpoints and more, so that every attack can be tried.
async fn ledger() -> Trial {
    let mut trial = Trial::start().await;
    trial.provoke(3).await;
    trial.all_final().await;
    trial.provoke(3).await;
    trial.all_final().await;
    trial
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attack_is_noticed_while_the_service_runs_and_nothing_is_touched() {
    let mut trial = ledger().await;
    let rpc_url = trial.chain.url();
    let said = drill(trial.data_dir(), &["--rpc-url", &rpc_url]).await;
    println!("{}", said.stdout);
    assert_eq!(said.code, 0, "{said:#?}");
    assert_eq!(count(&said), [13, 0, 0], "{said:#?}");
    for words in ["would be anchored", "InconsistentWithHead", "diverged (exit 40): history", "exit 40", "halted: "] {
        assert!(said.stdout.contains(words), "{words}: {said:#?}");
    }
    // The service went on, and the ledger is what it was.
    trial.provoke(1).await;
    trial.all_final().await;
    assert_eq!(command::fsck(trial.data_dir(), Some(&rpc_url)).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_tried_is_said_and_a_damaged_ledger_is_no_ground() {
    let mut trial = ledger().await;
    let anomaly = trial.anomalies().await.first().expect("an anomaly").index;
    let trust = trial.pin_trust().await;
    let trust = trust.to_str().expect("a path");
    let said = drill(trial.data_dir(), &["--trust", trust]).await;
    assert_eq!(said.code, 25, "{said:#?}");
    assert_eq!(count(&said), [11, 0, 2], "{said:#?}");
    assert!(said.stdout.contains("NOT TRIED  only the chain can show it"), "{said:#?}");

    // Without the log's key some attacks cannot be led, and the start cannot be rehearsed.
    trial.stop_service().await;
    std::fs::remove_file(trial.data_dir().join("keys/log.key")).expect("the key is there");
    let rpc_url = trial.chain.url();
    let said = drill(trial.data_dir(), &["--trust", trust, "--rpc-url", &rpc_url]).await;
    assert_eq!(said.code, 25, "{said:#?}");
    assert!(said.stdout.contains("NOT TRIED  the log's key is not here"), "{said:#?}");

    e2e::tamper::Database::open(trial.data_dir()).change_entry(anomaly);
    let said = drill(trial.data_dir(), &["--trust", trust, "--rpc-url", &rpc_url]).await;
    assert_eq!(said.code, 1, "{said:#?}");
    assert!(said.stderr.contains("the ledger does not hold as it is"), "{said:#?}");
}
