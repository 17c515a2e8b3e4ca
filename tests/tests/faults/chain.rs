//! The chain itself: reorganised, rolled back, halted, in a hurry.

use api::EntryState;
use e2e::{Faulty, chain::quantity, poll};
use ledger::{chain::Header, evidence::Bundle};
use serde_json::{Value, json};

/// Replaces the newest blocks. Anvil forgets their transactions, save those that are named with their new place.
async fn reorganise(faulty: &Faulty, depth: u64, transactions: Value) {
    faulty.chain.rpc("anvil_reorg", json!([depth, transactions])).await;
}

/// The stored proof of an entry is of a block that the chain has, and verifies against it.
async fn evidence_holds(faulty: &Faulty, index: u64) {
    let trust = faulty.pin_trust().await;
    let said = faulty.verify(index, &trust).await;
    assert_eq!(said.code, 0, "{said:#?}");
    let bundle = Bundle::from_json(&faulty.get(&format!("/api/v1/entries/{index}/evidence")).await.body);
    let anchor = bundle.expect("a bundle").anchor.expect("it is final");
    let stored = Header::from_rlp(&anchor.header).expect("a header");
    let number = format!("{:#x}", stored.number);
    let block = faulty.chain.rpc("eth_getBlockByNumber", json!([number, false])).await;
    assert_eq!(block["hash"], json!(stored.hash), "the stored proof is of the chain's block {number}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reorganised_out_before_it_is_final() {
    let mut faulty = Faulty::start(&[]).await;
    // Gone.
    let index = faulty.provoke(1).await[0];
    faulty.all_anchored().await;
    assert_eq!(faulty.state_of(index).await, EntryState::Anchored);
    let sent = faulty.proxy.sent().len();
    reorganise(&faulty, 1, json!([])).await;
    poll::until("it is shown", async || (faulty.state_of(index).await == EntryState::Pending).then_some(())).await;
    faulty.heals().await;
    assert_eq!(faulty.proxy.sent()[sent], faulty.proxy.sent()[sent - 1], "the very same transaction again");
    evidence_holds(&faulty, index).await;

    // Into another block of the same height.
    let index = faulty.provoke(1).await[0];
    faulty.all_anchored().await;
    let raw = faulty.proxy.sent().pop().expect("it was sent");
    reorganise(&faulty, 1, json!([[raw, 0]])).await;
    faulty.heals().await;
    evidence_holds(&faulty, index).await;

    // Several at once, of which each extends the one before.
    let first = faulty.provoke(1).await[0];
    faulty.all_anchored().await;
    faulty.provoke(1).await;
    faulty.all_anchored().await;
    reorganise(&faulty, 2, json!([])).await;
    faulty.heals().await;
    evidence_holds(&faulty, first).await;
    assert_eq!(faulty.in_vain().await, 0);
}

/// Deeper than what the chain calls final, by tag or by confirmations: what was shown as final is taken back, and
/// proven anew.
async fn deeper_than_finality(flags: &[&str]) {
    let mut faulty = Faulty::start(flags).await;
    let index = faulty.provoke(1).await[0];
    faulty.heals().await;
    let raw = faulty.proxy.sent().pop().expect("it was sent");
    let depth = faulty.chain.height().await - included_at(&faulty, index).await + 1;
    // Put into another block: the head is the same, but the stored proof is of a block that is no more.
    reorganise(&faulty, depth, json!([[raw, 1]])).await;
    faulty.heals().await;
    evidence_holds(&faulty, index).await;

    // Gone altogether.
    let depth = faulty.chain.height().await - included_at(&faulty, index).await + 1;
    reorganise(&faulty, depth, json!([])).await;
    poll::until("it is shown", async || (faulty.state_of(index).await == EntryState::Pending).then_some(())).await;
    faulty.heals().await;
    evidence_holds(&faulty, index).await;
    assert_eq!(faulty.in_vain().await, 0);
}

/// The block with the newest event.
async fn included_at(faulty: &Faulty, index: u64) -> u64 {
    let logs = json!([{ "address": faulty.contract(), "fromBlock": "0x0", "toBlock": "latest" }]);
    let logs = faulty.chain.rpc("eth_getLogs", logs).await;
    let last = logs.as_array().and_then(|logs| logs.last()).unwrap_or_else(|| panic!("no event of entry {index}"));
    quantity(&last["blockNumber"])
}

#[tokio::test(flavor = "multi_thread")]
async fn reorganised_deeper_than_the_final_block() {
    deeper_than_finality(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reorganised_deeper_than_the_confirmations() {
    deeper_than_finality(&["--confirmations", "4"]).await;
}

/// Rolled back, and standing still there: an older chain is believed when it stays.
#[tokio::test(flavor = "multi_thread")]
async fn rolled_back() {
    let mut faulty = Faulty::start(&["--resend-after", "6s"]).await;
    let index = faulty.provoke(1).await[0];
    faulty.heals().await;
    let depth = faulty.chain.height().await - included_at(&faulty, index).await + 1;
    faulty.chain.rpc("anvil_rollback", json!([depth])).await;
    faulty.says("behind", &["it lags, or the chain was rolled back"]).await;
    poll::until("it is shown", async || (faulty.state_of(index).await == EntryState::Pending).then_some(())).await;
    faulty.provoke(1).await;
    faulty.heals().await;
    evidence_holds(&faulty, index).await;

    // While the service is down.
    faulty.stop_service().await;
    let depth = faulty.chain.height().await - included_at(&faulty, index).await + 1;
    faulty.chain.rpc("anvil_rollback", json!([depth])).await;
    faulty.start_service().await;
    faulty.says("behind", &["it lags, or the chain was rolled back"]).await;
    faulty.heals().await;
    evidence_holds(&faulty, index).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_halts() {
    let mut faulty = Faulty::start(&[]).await;
    // After inclusion.
    let index = faulty.provoke(1).await[0];
    faulty.all_anchored().await;
    let height = faulty.chain.height().await;
    faulty.says("behind", &["the chain stands still", &format!("block {height}"), "an anchor is under way"]).await;
    assert_eq!(faulty.state_of(index).await, EntryState::Anchored);
    faulty.heals().await;

    let newest = Some(faulty.chain.height().await);
    poll::until("the newest block is seen", async || {
        (faulty.ledger().await.chain.latest_block == newest).then_some(())
    })
    .await;
    // Before inclusion: the same transaction is offered again, but no more is paid for a chain that stands still.
    let before = faulty.proxy.sent().len();
    faulty.provoke(1).await;
    faulty.sends(before, 3).await;
    let sent = faulty.proxy.sent();
    assert!(sent[before..].iter().all(|raw| *raw == sent[before]), "the same, with the same fee");
    faulty.says("behind", &["the chain stands still"]).await;
    faulty.heals().await;
    assert_eq!(faulty.in_vain().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_hundred_blocks_at_once() {
    let mut faulty = Faulty::start(&[]).await;
    let before = faulty.proxy.sent().len();
    let index = faulty.provoke(3).await[0];
    faulty.sends(before, 1).await;
    faulty.chain.mine(700).await;
    poll::until("it is final", async || (faulty.state_of(index).await == EntryState::Final).then_some(())).await;
    evidence_holds(&faulty, index).await;
    let index = faulty.provoke(1).await[0];
    faulty.all_anchored().await;
    faulty.chain.mine(700).await;
    poll::until("it is final", async || (faulty.state_of(index).await == EntryState::Final).then_some(())).await;
    faulty.heals().await;
    evidence_holds(&faulty, index).await;
    assert_eq!(faulty.in_vain().await, 0);
}
