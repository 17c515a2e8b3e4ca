//! Clients that know C2SP and nothing of this project read the log, and notice every lie.

use e2e::{
    Trial, c2sp,
    command::Finished,
    tamper::{Database, Undo, stolen_signer},
};
use ledger::evidence::Bundle;

/// Readings in a request.
const BATCH: u64 = 500;

/// Full tiles and partial ones on the lowest level, and one above them.
const TWO_LEVELS: u64 = 700;

/// Full tiles and partial ones on two levels, and one above them. To append so many takes a minute or two, so only with
/// `scripts/test --all`.
const THREE_LEVELS: u64 = 66_000;

/// The sizes at which the log is audited.
fn sizes() -> Vec<u64> {
    let all = std::env::var_os("ANOMALY_LEDGER_TEST_ALL").is_some();
    [256, 257, 300, TWO_LEVELS].into_iter().chain(all.then_some(THREE_LEVELS)).collect()
}

/// Makes anomalies until the log has this size.
async fn grow(trial: &mut Trial, size: u64) {
    loop {
        let missing = size.saturating_sub(trial.ledger().await.tree_size);
        if missing == 0 {
            return;
        }
        trial.provoke(missing.min(BATCH)).await;
    }
}

/// The audit finds something wrong in this check.
fn fails(found: &Finished, check: &str) -> bool {
    let said = format!("audit: {check}: ");
    found.code == 1 && found.stderr.lines().any(|line| line.starts_with(&said))
}

#[tokio::test(flavor = "multi_thread")]
async fn other_peoples_clients_read_the_log() {
    let mut trial = Trial::start().await;
    let key = trial.ledger().await.log_key;
    let state = trial.file("state");
    let audit = async |url: String| c2sp::audit(&url, &key, Some(&state)).await;
    for size in sizes() {
        grow(&mut trial, size).await;
        let said = audit(trial.url()).await.expect_success();
        for check in ["checkpoint", "entries", "inclusion", "consistency", "fsck"] {
            assert!(said.contains(&format!("{check} holds\n")), "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_peoples_clients_notice_what_is_changed_on_the_way() {
    let mut trial = Trial::start().await;
    grow(&mut trial, TWO_LEVELS).await;
    let (url, key) = (trial.url(), trial.ledger().await.log_key);
    let said = tokio::task::spawn_blocking(move || c2sp::test(&url, &key)).await.expect("the tests end");
    assert!(said.contains("changed bytes, each noticed") && !said.contains("--- SKIP"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_peoples_clients_notice_what_is_changed_in_the_store() {
    let mut trial = Trial::start().await;
    let key = trial.ledger().await.log_key;
    grow(&mut trial, TWO_LEVELS).await;
    let state = trial.file("state");
    let audit = async |url: String| c2sp::audit(&url, &key, Some(&state)).await;
    audit(trial.url()).await.expect_success();
    let size = trial.ledger().await.tree_size;

    let database = Database::open(trial.data_dir());
    let changes: [(&str, &dyn Fn() -> Undo); 5] = [
        ("entries", &|| database.change_entry(100)),
        ("entries", &|| database.change_entry(size - 1)),
        ("entries", &|| database.change_tile(0, 0)),
        ("entries", &|| database.change_tile(0, 2)),
        ("entries", &|| database.change_tile(1, 0)),
    ];
    for (check, change) in changes {
        let undo = change();
        let found = audit(trial.url()).await;
        assert!(fails(&found, check), "{found:#?}");
        database.undo(undo);
    }
    let undo = database.change_checkpoint(size);
    let found = audit(trial.url()).await;
    assert!(fails(&found, "the checkpoint"), "{found:#?}");
    database.undo(undo);
    audit(trial.url()).await.expect_success();

    // Everything fits, but it is not the history that the monitor saw.
    trial.stop_service().await;
    database.fork(100, &stolen_signer(trial.data_dir()));
    trial.start_service().await;
    let found = audit(trial.url()).await;
    assert!(fails(&found, "consistency"), "{found:#?}");
    c2sp::audit(&trial.url(), &key, None).await.expect_success();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cosigned_checkpoint_serves_everybody() {
    let mut trial = Trial::start().await;
    let index = trial.provoke(2).await[0];
    trial.all_final().await;
    let trust = trial.pin_trust().await;
    let key = trial.trust().await.log_key;
    let bundle = async |trial: &Trial| {
        let bytes = std::fs::read(trial.evidence(index).await).expect("a bundle");
        Bundle::from_json(&bytes).expect("a bundle")
    };
    let alone = bundle(&trial).await.checkpoint;
    let cosigned = c2sp::cosign(&alone, &key.to_string()).await;
    assert_eq!(cosigned.lines().count(), 3 + 1 + 16, "{cosigned}");
    let checkpoint = key.verify(&cosigned).expect("the log's signature is among them");
    assert_eq!(checkpoint, key.verify(&alone).expect("a checkpoint"));

    trial.stop_service().await;
    Database::open(trial.data_dir()).put_note(checkpoint.size, &cosigned);
    trial.start_service().await;
    trial.ready().await;
    assert_eq!(trial.get("/checkpoint").await.text(), cosigned);
    assert_eq!(bundle(&trial).await.checkpoint, cosigned);
    c2sp::audit(&trial.url(), &key.to_string(), None).await.expect_success();
    let said = trial.verify(index, &trust).await;
    assert_eq!(said.code, 0, "{said:#?}");
    trial.provoke(1).await;
    c2sp::audit(&trial.url(), &key.to_string(), None).await.expect_success();
}
