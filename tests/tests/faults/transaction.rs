//! The anchoring transaction: refused, dropped, passed over, overtaken, failed.

use std::sync::Arc;

use e2e::{
    Chain, Fault, Faulty, audit,
    chain::{ANCHORER, OWNER},
    poll, trial,
};
use serde_json::{Value, json};
use tokio::sync::Notify;

const SEND: &str = "eth_sendRawTransaction";

/// More than the service pays by itself: 5,000 gwei.
const DEAR: &str = "0x48c27395000";
/// One gwei.
const CHEAP: &str = "0x3b9aca00";

/// What the next block asks for a unit of gas.
async fn set_base_fee(chain: &Chain, fee: &str) {
    chain.rpc("anvil_setNextBlockBaseFeePerGas", json!([fee])).await;
}

/// A send that fails leaves no gap in the nonces.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_send_burns_no_nonce() {
    let mut faulty = Faulty::start(&[]).await;
    let before = faulty.proxy.sent().len();
    faulty.proxy.always(SEND, Fault::Stop("internal error: the pool is closed"));
    faulty.provoke(1).await;
    faulty.says("behind", &["does not take", "the pool is closed", "offered again"]).await;
    faulty.provoke(1).await;
    faulty.sends(before, 3).await;
    faulty.kill_service();
    faulty.start_service().await;
    faulty.says("behind", &["does not take", "the pool is closed", "offered again"]).await;
    faulty.proxy.heal();
    faulty.heals().await;
    assert_eq!(faulty.in_vain().await, 0);
}

/// The words of a pool that has it already, or wants more, are no trouble beyond a moment.
#[tokio::test(flavor = "multi_thread")]
async fn already_known_and_underpriced() {
    let mut faulty = Faulty::start(&[]).await;
    faulty.proxy.always(SEND, Fault::Refuse("already known"));
    faulty.provoke(1).await;
    faulty.heals().await;
    faulty.proxy.heal();

    for words in ["transaction underpriced", "replacement transaction underpriced"] {
        faulty.proxy.always(SEND, Fault::Stop(words));
        faulty.provoke(1).await;
        faulty.says("behind", &["does not take", words]).await;
        let refused = faulty.proxy.sent().last().cloned();
        // With the blocks that go by, more is offered.
        poll::until("a higher fee is offered", async || {
            faulty.chain.mine(1).await;
            (faulty.proxy.sent().last() != refused.as_ref()).then_some(())
        })
        .await;
        faulty.proxy.heal();
        faulty.heals().await;
    }
    assert_eq!(faulty.in_vain().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_wallet_uses_the_key() {
    let mut faulty = Faulty::start(&[]).await;
    // Its transaction is included while ours is on its way: nonce too low.
    let go = Arc::new(Notify::new());
    let before = faulty.proxy.sent().len();
    faulty.proxy.once(SEND, Fault::Hold(Arc::clone(&go)));
    faulty.provoke(1).await;
    faulty.sends(before, 1).await;
    faulty.another_wallet_sends(json!({})).await;
    faulty.chain.mine(1).await;
    go.notify_one();
    faulty.heals().await;
    assert_eq!(faulty.in_vain().await, 1, "the other wallet's");

    // Its transaction lies in the pool, and pays more: replacement underpriced.
    faulty.another_wallet_sends(json!({ "maxFeePerGas": DEAR, "maxPriorityFeePerGas": DEAR })).await;
    faulty.provoke(1).await;
    faulty.says("behind", &["does not take", "underpriced"]).await;
    faulty.heals().await;
    assert_eq!(faulty.in_vain().await, 2, "the other wallet's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_transaction() {
    let mut faulty = Faulty::start(&[]).await;
    for forget in [json!(null), json!("restart")] {
        let before = faulty.proxy.sent().len();
        faulty.provoke(1).await;
        faulty.sends(before, 1).await;
        poll::until("the pool has it", async || (faulty.pool().await > 0).then_some(())).await;
        faulty.chain.rpc("anvil_dropAllTransactions", json!([])).await;
        if forget == "restart" {
            faulty.kill_service();
            faulty.start_service().await;
        }
        faulty.heals().await;
    }
    assert_eq!(faulty.in_vain().await, 0);
}

/// The node says that it takes it, and no block has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_no_block_takes() {
    let mut faulty = Faulty::start(&[]).await;
    faulty.proxy.always(SEND, Fault::Answer(json!(format!("0x{}", "12".repeat(32)))));
    faulty.provoke(1).await;
    poll::until("the service says that it waits too long", async || {
        faulty.chain.mine(1).await;
        let health = faulty.health().await;
        (health.chain == "behind" && health.status.contains("the oldest entry has waited")).then_some(())
    })
    .await;
    faulty.proxy.heal();
    faulty.heals().await;
    assert_eq!(faulty.in_vain().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_base_fee_is_above_the_ceiling() {
    let mut faulty = Faulty::start(&["--max-fee-gwei", "10"]).await;
    // Before anything is signed.
    set_base_fee(&faulty.chain, DEAR).await;
    let before = faulty.proxy.sent().len();
    faulty.provoke(1).await;
    faulty.says("behind", &["5000 gwei", "ceiling of 10 (--max-fee-gwei)"]).await;
    assert_eq!(faulty.proxy.sent().len(), before, "nothing is signed that cannot be included");
    set_base_fee(&faulty.chain, CHEAP).await;
    faulty.heals().await;

    // While the transaction lies in the pool.
    let before = faulty.proxy.sent().len();
    faulty.provoke(1).await;
    faulty.sends(before, 1).await;
    poll::until("it is passed over", async || {
        set_base_fee(&faulty.chain, DEAR).await;
        faulty.chain.mine(1).await;
        let status = faulty.health().await;
        (status.chain == "behind").then_some(())
    })
    .await;
    set_base_fee(&faulty.chain, DEAR).await;
    faulty.says("behind", &["5000 gwei", "ceiling of 10 (--max-fee-gwei)"]).await;
    set_base_fee(&faulty.chain, CHEAP).await;
    faulty.heals().await;
    assert_eq!(faulty.in_vain().await, 0);
}

/// A transaction that blocks pass over is sent again with a fee raised by more than a tenth; and the first one may be
/// included all the same, before the second arrives.
#[tokio::test(flavor = "multi_thread")]
async fn the_original_is_included_while_the_fee_is_raised() {
    // Time enough to bring the chain into the state that is wanted before the service acts again.
    let mut faulty = Faulty::start(&["--resend-after", "4s"]).await;
    let before = faulty.proxy.sent().len();
    let go = Arc::new(Notify::new());
    faulty.proxy.nth(SEND, 1, Fault::Hold(Arc::clone(&go)));
    let index = faulty.provoke(1).await[0];
    faulty.sends(before, 1).await;
    poll::until("the pool has it", async || (faulty.pool().await > 0).then_some(())).await;
    // A block passes it over, because this node has forgotten it; others have not.
    faulty.chain.rpc("anvil_dropAllTransactions", json!([])).await;
    faulty.chain.mine(1).await;
    faulty.sends(before, 2).await;
    faulty.chain.rpc(SEND, json!([faulty.proxy.sent()[before]])).await;
    let sent = faulty.proxy.sent();
    assert_ne!(sent[before], sent[before + 1], "a higher fee");
    faulty.chain.mine(1).await;
    assert_eq!(faulty.chain.anchored(faulty.contract()).await.last().map(|event| event.size), Some(index + 1));
    go.notify_one();
    faulty.heals().await;
    assert_eq!(faulty.in_vain().await, 0);

    // And the raised one alone, when the first is not included: the evidence names the one that was.
    let before = faulty.proxy.sent().len();
    let index = faulty.provoke(1).await[0];
    faulty.sends(before, 1).await;
    poll::until("the pool has it", async || (faulty.pool().await > 0).then_some(())).await;
    faulty.chain.rpc("anvil_dropAllTransactions", json!([])).await;
    faulty.chain.mine(1).await;
    faulty.sends(before, 2).await;
    faulty.heals().await;
    let evidence = faulty.get(&format!("/api/v1/entries/{index}/evidence")).await.json();
    let receipt = faulty.chain.rpc("eth_getTransactionReceipt", json!([evidence["anchor"]["transaction"]])).await;
    assert_eq!(receipt["status"], "0x1", "{evidence:#}");
    assert_eq!(faulty.in_vain().await, 0);
}

/// The transaction is included after the contract has stopped taking it: status 0.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_included_and_fails() {
    let mut faulty = Faulty::start(&["--resend-after", "2s"]).await;
    // For one moment: in this block every call of the contract fails.
    let before = faulty.proxy.sent().len();
    faulty.provoke(1).await;
    faulty.sends(before, 1).await;
    poll::until("the pool has it", async || (faulty.pool().await > 0).then_some(())).await;
    let contract = faulty.contract().to_owned();
    let code = faulty.chain.rpc("eth_getCode", json!([contract, "latest"])).await;
    faulty.chain.rpc("anvil_setCode", json!([contract, "0x5f5ffd"])).await;
    faulty.chain.mine(1).await;
    faulty.chain.rpc("anvil_setCode", json!([contract, code])).await;
    let sent = faulty.proxy.sent().len();
    faulty.says("behind", &["was included, but failed", "another one is made in", "uses its key"]).await;
    assert_eq!(faulty.proxy.sent().len(), sent, "each failure costs money, so the next one waits");
    faulty.heals().await;
    assert_eq!(faulty.in_vain().await, 1, "the one that failed");

    // Until a person gives the right back.
    let before = faulty.proxy.sent().len();
    faulty.provoke(1).await;
    faulty.sends(before, 1).await;
    poll::until("the pool has it", async || (faulty.pool().await > 0).then_some(())).await;
    calls(&faulty, OWNER, "removeAnchorer()", None).await;
    faulty.chain.mine(1).await;
    let nobody = "the contract's anchorer is 0x0000000000000000000000000000000000000000";
    faulty.says("misconfigured", &[nobody, ANCHORER, "accept"]).await;
    assert_eq!(faulty.in_vain().await, 2, "the one before, and the one that failed");
    calls(&faulty, OWNER, "proposeAnchorer(address)", Some(ANCHORER)).await;
    faulty.chain.mine(1).await;
    calls(&faulty, ANCHORER, "acceptAnchorer()", None).await;
    faulty.heals().await;
    assert_eq!(faulty.in_vain().await, 3, "the ones before, and the acceptance");
}

/// Calls the contract, with a fee that puts it first in the next block.
async fn calls(faulty: &Faulty, from: &str, function: &str, address: Option<&str>) {
    let selector = &alloy_primitives::keccak256(function)[..4];
    let address = address.map(|address| format!("{:0>64}", address.trim_start_matches("0x"))).unwrap_or_default();
    let data = format!("{}{address}", alloy_primitives::hex::encode_prefixed(selector));
    let transaction = json!({
        "from": from, "to": faulty.contract(), "data": data, "maxFeePerGas": DEAR, "maxPriorityFeePerGas": DEAR,
    });
    faulty.chain.rpc("eth_sendTransaction", json!([transaction])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_funds() {
    let mut faulty = Faulty::start(&[]).await;
    faulty.chain.rpc("anvil_setBalance", json!([ANCHORER, "0x0"])).await;
    faulty.provoke(1).await;
    faulty.says("misconfigured", &[ANCHORER, "cannot pay", "Send it funds"]).await;
    faulty.provoke(1).await;
    faulty.chain.rpc("anvil_setBalance", json!([ANCHORER, "0xde0b6b3a7640000"])).await;
    faulty.heals().await;
    assert_eq!(faulty.in_vain().await, 0);
}

/// Two logs, each with a contract of its own, anchored by one account.
#[tokio::test(flavor = "multi_thread")]
async fn two_services_with_one_anchoring_key() {
    let mut one = Faulty::start(&[]).await;
    let mut other = one.beside().await;
    other.start_service().await;
    for _ in 0..5 {
        one.provoke(1).await;
        other.provoke(1).await;
        one.chain.mine(1).await;
    }
    one.heals().await;
    other.heals().await;
    one.heals().await;
}

/// A copy of the data directory, used as well: one log under one key can have one history only, and whoever comes
/// second stops and says why.
#[tokio::test(flavor = "multi_thread")]
async fn two_services_with_one_log() {
    let mut one = Faulty::start(&[]).await;
    one.provoke(1).await;
    one.heals().await;
    one.stop_service().await;
    let copy = one.file("copy");
    copy_dir(one.data_dir(), &copy);
    one.start_service().await;
    one.heals().await;
    let mut other = one.copied(copy).await;
    other.start_service().await;
    poll::until("the copy is well", async || (other.health().await.status == "ok").then_some(())).await;

    one.provoke(1).await;
    one.heals().await;
    other.says("diverged", &["the contract's head has", "another service has the keys"]).await;
    // It halts when it has seen the contradiction twice: one false answer must not stop a service.
    let reading = trial::reading("late", 1, json!({ "temperature": 999.0 }));
    let refuses = async || (other.post("/api/v1/readings", &reading).await.status == 503).then_some(());
    poll::until("the copy accepts nothing", refuses).await;
    audit::sound(&one).await;

    // The one that goes on is not disturbed.
    one.provoke(1).await;
    one.heals().await;
    let gone: Value = other.get("/api/v1/ledger").await.json();
    assert_eq!(gone["chain"]["status"], "diverged");
}

fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("a temporary directory can be written");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_dir(&path, &copy);
        } else {
            std::fs::copy(path, copy).expect("a file can be copied");
        }
    }
}
