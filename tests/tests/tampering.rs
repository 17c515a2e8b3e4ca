//! Whoever can write to the disk changes what is stored: browser and command both see it, and say where.

use e2e::{
    Browser, Trial,
    command::{self, Finished},
    tamper::{Database, Undo, false_signer, stolen_signer},
};
use ledger::{checkpoint::Checkpoint, evidence::Bundle};

/// What is changed, how, and where.
type Change = (&'static str, fn(&Database, u64) -> Undo, u64);

/// One byte of each kind of thing that the evidence of an entry is made of.
fn changes(index: u64, checkpoint: u64) -> [Change; 4] {
    [
        ("entry", Database::change_entry, index),
        ("payload", Database::change_payload, index),
        ("tile", Database::change_sibling, index),
        ("checkpoint", Database::change_checkpoint, checkpoint),
    ]
}

/// The size of the checkpoint in an entry's evidence.
async fn checkpoint_size(trial: &Trial, index: u64) -> u64 {
    let bytes = std::fs::read(trial.evidence(index).await).expect("a bundle");
    let bundle = Bundle::from_json(&bytes).expect("a bundle");
    Checkpoint::unverified(&bundle.checkpoint).expect("a checkpoint").size
}

/// Both verifiers come to this verdict, and both name this step with this outcome.
async fn both_say(trial: &Trial, browser: &Browser, index: u64, verdict: (&str, i32), step: (&str, &str)) {
    let said: Finished = trial.verify(index, &trial.file("trust.json")).await;
    assert_eq!(said.code, verdict.1, "{said:#?}");
    assert!(said.says(step.0, step.1), "{step:?}: {said:#?}");
    let shown = browser.verify(&trial.url(), index).await;
    assert_eq!(shown.verdict, verdict.0, "{shown:#?}");
    assert!(shown.says(step.0, step.1), "{step:?}: {shown:#?}");
}

/// A trial with final anomalies, its trust roots pinned by an auditor's file and by a browser that saw it honest.
async fn honest() -> (Trial, Browser, u64) {
    let mut trial = Trial::start().await;
    // Two, so that the first surely has a neighbour; the models' entries lie before them.
    let index = *trial.provoke(2).await.iter().min().expect("two indexes");
    trial.all_final().await;
    trial.pin_trust().await;
    let browser = Browser::start().await;
    both_say(&trial, &browser, index, ("final", 0), ("record", "holds")).await;
    (trial, browser, index)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_changed_byte_is_invalid_and_named() {
    let (trial, browser, index) = honest().await;
    let size = checkpoint_size(&trial, index).await;
    let database = Database::open(trial.data_dir());
    let steps = ["inclusion", "payload", "inclusion", "signature"];
    for ((what, change, at), step) in changes(index, size).into_iter().zip(steps) {
        println!("one byte of the {what} is changed");
        let undo = change(&database, at);
        both_say(&trial, &browser, index, ("invalid", 30), (step, "fails")).await;
        database.undo(undo);
    }
    both_say(&trial, &browser, index, ("final", 0), ("record", "holds")).await;
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fsck_finds_every_changed_byte() {
    let mut trial = Trial::start().await;
    let index = *trial.provoke(2).await.iter().min().expect("two indexes");
    trial.all_final().await;
    let size = checkpoint_size(&trial, index).await;
    trial.stop_service().await;
    let rpc_url = trial.chain.url();
    let fsck = async || command::fsck(trial.data_dir(), Some(&rpc_url)).await;
    assert_eq!(fsck().await.code, 0, "{:#?}", fsck().await);
    let database = Database::open(trial.data_dir());
    for (what, change, at) in changes(index, size) {
        let undo = change(&database, at);
        let found = fsck().await;
        assert_eq!(found.code, 30, "the {what}: {found:#?}");
        database.undo(undo);
    }
    assert_eq!(fsck().await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_of_the_same_size_under_our_key_is_diverged() {
    let (mut trial, browser, index) = honest().await;
    trial.stop_service().await;
    Database::open(trial.data_dir()).fork(index, &stolen_signer(trial.data_dir()));
    trial.start_service().await;
    both_say(&trial, &browser, index, ("diverged", 40), ("history", "differs")).await;
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_under_another_key_is_invalid() {
    let (mut trial, browser, index) = honest().await;
    trial.stop_service().await;
    Database::open(trial.data_dir()).fork(index, &false_signer(trial.data_dir()));
    // It sees that the log is not its own, signs nothing more, and still shows what is stored.
    trial.start_service().await;
    both_say(&trial, &browser, index, ("invalid", 30), ("signature", "fails")).await;
    browser.quit().await;
}
