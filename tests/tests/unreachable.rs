//! The chain does not answer, or another one does: the verdict says so, in the browser and on the command line.

use e2e::{Browser, Chain, Trial, command};

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_is_down_leaves_it_unchecked() {
    let mut trial = Trial::start().await;
    let index = trial.provoke(1).await[0];
    trial.all_final().await;
    let trust = trial.pin_trust().await;
    let browser = Browser::start().await;
    assert_eq!(browser.verify(&trial.url(), index).await.verdict, "final");

    trial.chain.stop().await;
    let said = trial.verify(index, &trust).await;
    assert_eq!(said.code, 25, "{said:#?}");
    let not_asked = command::verify(&trial.evidence(index).await, &trust, None).await;
    assert_eq!(not_asked.code, 25, "{not_asked:#?}");
    assert_eq!(browser.verify(&trial.url(), index).await.verdict, "unchecked");

    trial.chain.resume().await;
    assert_eq!(trial.verify(index, &trust).await.code, 0);
    assert_eq!(browser.verify(&trial.url(), index).await.verdict, "final");
    browser.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_chain_of_the_same_id_is_diverged() {
    let mut trial = Trial::start().await;
    let index = trial.provoke(1).await[0];
    trial.all_final().await;
    let trust = trial.pin_trust().await;

    // Same chain id; and the same contract at the same address, as on every fresh Anvil. Only block 0 tells them apart.
    let other = Chain::start().await;
    let log_id = format!("0x{}", trial.trust().await.log_key.key_hash());
    assert_eq!(other.deploy(&log_id).await, trial.contract());

    let said = command::verify(&trial.evidence(index).await, &trust, Some(&other.url())).await;
    assert_eq!(said.code, 40, "{said:#?}");
    assert!(said.says("genesis", "differs"), "{said:#?}");

    let browser = Browser::start().await;
    browser.open(&format!("{}/ui/anomalies/{index}", trial.url())).await;
    browser.fill("#rpc-url", &other.url()).await;
    browser.click("#verify").await;
    let shown = browser.conclusion().await;
    assert_eq!(shown.verdict, "diverged", "{shown:#?}");
    assert!(shown.says("genesis", "differs"), "{shown:#?}");
    browser.quit().await;
}
