//! The node, or the way to it: away, mute, too loud, behind, lying, or another one.

use api::EntryState;
use e2e::{Fault, Faulty, poll};
use serde_json::{Value, json};

const SEND: &str = "eth_sendRawTransaction";

#[tokio::test(flavor = "multi_thread")]
async fn down_before_the_send() {
    let mut faulty = Faulty::start(&[]).await;
    faulty.proxy.always(SEND, Fault::Down);
    let index = faulty.provoke(1).await[0];
    faulty.says("unreachable", &["does not answer", "502"]).await;
    assert_eq!(faulty.state_of(index).await, EntryState::Pending);
    // The ledger and the metrics say the same.
    let ledger = faulty.ledger().await;
    assert_eq!(ledger.chain.status, "unreachable");
    assert!(ledger.chain.problem.is_some() && ledger.chain.last_error.is_some(), "{ledger:#?}");
    assert!(ledger.chain.oldest_unanchored_s.is_some() && ledger.anchored_size < ledger.tree_size, "{ledger:#?}");
    let metrics = faulty.get("/metrics").await.text();
    for line in [r#"chain_state{state="unreachable"} 1"#, r#"chain_state{state="ok"} 0"#, "chain_ok 0"] {
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
    assert!(metrics.contains(r#"anchor_faults_total{state="unreachable"}"#), "{metrics}");
    faulty.proxy.heal();
    faulty.heals().await;

    // Down altogether, also over a restart of the service.
    faulty.proxy.always("*", Fault::Down);
    faulty.provoke(2).await;
    faulty.says("unreachable", &["does not answer", "502"]).await;
    faulty.kill_service();
    faulty.start_service().await;
    faulty.says("unreachable", &["does not answer", "502"]).await;
    assert_eq!(faulty.state_of(index).await, EntryState::Final, "what was seen before counts until the chain answers");
    faulty.proxy.heal();
    faulty.heals().await;
    assert_eq!(faulty.in_vain().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_the_send_is_lost() {
    let mut faulty = Faulty::start(&[]).await;
    let before = faulty.proxy.sent().len();
    faulty.proxy.once(SEND, Fault::LoseAnswer);
    faulty.provoke(1).await;
    faulty.sends(before, 2).await;
    let sent = faulty.proxy.sent();
    assert_eq!(sent[before], sent[before + 1], "the very same transaction again");
    faulty.heals().await;

    // It is in a block before anybody can ask.
    faulty.chain.rpc("evm_setAutomine", json!([true])).await;
    faulty.proxy.once(SEND, Fault::LoseAnswer);
    faulty.provoke(1).await;
    faulty.heals().await;

    // The node hangs after it has taken it, for longer than anybody waits.
    faulty.chain.mine_by_hand().await;
    faulty.proxy.once(SEND, Fault::Hang);
    faulty.provoke(1).await;
    faulty.says("unreachable", &["does not answer"]).await;
    faulty.heals().await;
    assert_eq!(faulty.in_vain().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_says_too_much_is_not_listened_to() {
    let mut faulty = Faulty::start(&[]).await;
    faulty.proxy.always("eth_getBlockByNumber", Fault::Flood);
    faulty.provoke(1).await;
    faulty.says("unreachable", &["4194304 bytes at most"]).await;
    faulty.proxy.heal();
    // A block that is none.
    faulty.proxy.always("eth_getBlockByNumber", Fault::Answer(json!({ "hash": "0x12", "number": "0x1" })));
    faulty.says("misconfigured", &["cannot be read", "Ask another node"]).await;
    faulty.proxy.heal();
    // A block whose hash is not its header's.
    let change = |block: &mut Value| block["hash"] = json!(format!("0x{}", "12".repeat(32)));
    faulty.proxy.always("eth_getBlockByNumber", Fault::Change(change));
    faulty.says("misconfigured", &["expected a header with the hash 0x1212", "Ask another node"]).await;
    faulty.proxy.heal();
    faulty.heals().await;
    assert_eq!(faulty.in_vain().await, 0);
}

/// A node that lags is not believed for a while: nothing is sent on its word, and nothing final forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn a_stale_node() {
    let mut faulty = Faulty::start(&["--resend-after", "60s"]).await;
    let old = faulty.chain.height().await;
    let index = faulty.provoke(1).await[0];
    faulty.heals().await;
    let sent = faulty.proxy.sent().len();

    faulty.proxy.always("*", Fault::AsOf(old));
    faulty.says("behind", &["it lags, or the chain was rolled back"]).await;
    faulty.provoke(1).await;
    assert_eq!(faulty.state_of(index).await, EntryState::Final);
    // The same for a service that has just started.
    faulty.kill_service();
    faulty.start_service().await;
    faulty.says("behind", &["it lags, or the chain was rolled back"]).await;
    assert_eq!(faulty.state_of(index).await, EntryState::Final);
    assert_eq!(faulty.proxy.sent().len(), sent, "nothing is sent on the word of a node that lags");
    faulty.proxy.heal();
    faulty.heals().await;
    assert_eq!(faulty.in_vain().await, 0);
}

/// One that stays behind is believed in the end, since a chain that was rolled back looks the same. Nothing that is
/// done then takes effect on the chain as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_stale_node_that_stays_stale() {
    let mut faulty = Faulty::start(&[]).await;
    let old = faulty.chain.height().await;
    let index = faulty.provoke(1).await[0];
    faulty.heals().await;
    let sent = faulty.proxy.sent().len();

    faulty.proxy.always("*", Fault::AsOf(old));
    faulty.sends(sent, 1).await;
    assert_eq!(faulty.state_of(index).await, EntryState::Pending, "what the node shows is shown");
    faulty.proxy.heal();
    faulty.heals().await;
    assert_eq!(faulty.in_vain().await, 0);
    let trust = faulty.pin_trust().await;
    assert_eq!(faulty.verify(index, &trust).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lies_in_its_proofs() {
    let mut faulty = Faulty::start(&[]).await;
    let account = |proof: &mut Value| flip(&mut proof["accountProof"][0]);
    let record = |proof: &mut Value| flip(&mut proof["storageProof"][1]["proof"][0]);
    for lie in [account, record] {
        faulty.proxy.always("eth_getProof", Fault::Change(lie));
        let index = faulty.provoke(1).await[0];
        faulty.all_anchored().await;
        faulty.chain.mine(5).await;
        faulty.says("misconfigured", &["a proof that does not hold", "Ask another node"]).await;
        assert_eq!(faulty.state_of(index).await, EntryState::Anchored, "not final without a proof");
        // The next anchor does not wait for it.
        faulty.provoke(1).await;
        faulty.all_anchored().await;
        faulty.proxy.heal();
        faulty.heals().await;
        let trust = faulty.pin_trust().await;
        assert_eq!(faulty.verify(index, &trust).await.code, 0);
    }
    faulty.proxy.always("eth_getProof", Fault::Stop("the method eth_getProof does not exist"));
    let index = faulty.provoke(1).await[0];
    faulty.all_anchored().await;
    faulty.chain.mine(5).await;
    faulty.says("unreachable", &["eth_getProof"]).await;
    assert_eq!(faulty.state_of(index).await, EntryState::Anchored, "not final without a proof");
    faulty.proxy.heal();
    faulty.heals().await;
    assert_eq!(faulty.in_vain().await, 0);
}

/// Changes one digit of a text in hex.
fn flip(text: &mut Value) {
    let mut changed = text.as_str().expect("hex").to_owned();
    let last = changed.pop().expect("a digit");
    changed.push(if last == '0' { '1' } else { '0' });
    *text = Value::from(changed);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_chain_another_contract_other_code() {
    let mut faulty = Faulty::start(&[]).await;
    faulty.provoke(1).await;
    faulty.heals().await;
    let contract = faulty.contract().to_owned();
    let code = faulty.chain.rpc("eth_getCode", json!([contract, "latest"])).await;
    let sent = faulty.proxy.sent().len();

    // A passing fault makes the service look whom it talks to.
    let hiccup = || faulty.proxy.once("eth_call", Fault::Down);
    faulty.proxy.always("eth_chainId", Fault::Answer(json!("0x1")));
    hiccup();
    faulty.says("misconfigured", &["another chain", "chain id 1, expected 31337", "--rpc-url"]).await;
    faulty.proxy.heal();
    poll::until("it is well again", async || (faulty.health().await.status == "ok").then_some(())).await;

    faulty.chain.rpc("anvil_setCode", json!([contract, "0x"])).await;
    faulty.chain.mine(1).await;
    let index = faulty.provoke(1).await[0];
    faulty.says("misconfigured", &["there is no contract at", &contract, "restore the chain"]).await;
    assert_eq!(faulty.state_of(index).await, EntryState::Pending);
    assert_eq!(faulty.proxy.sent().len(), sent, "nothing is sent to where no contract is");
    faulty.chain.rpc("anvil_setCode", json!([contract, code])).await;
    faulty.heals().await;

    // The same behaviour, but not the same code: found out when a proof of it is asked for.
    let other = format!("{}00", code.as_str().expect("hex"));
    faulty.chain.rpc("anvil_setCode", json!([contract, other])).await;
    let index = faulty.provoke(1).await[0];
    faulty.all_anchored().await;
    faulty.chain.mine(5).await;
    faulty.says("misconfigured", &["other code than before", "GET /api/v1/trust"]).await;
    assert_eq!(faulty.state_of(index).await, EntryState::Anchored, "not final under other code");
    faulty.kill_service();
    faulty.start_service().await;
    faulty.says("misconfigured", &["other code than before", "GET /api/v1/trust"]).await;
    faulty.chain.rpc("anvil_setCode", json!([contract, code])).await;
    faulty.heals().await;
    assert_eq!(faulty.in_vain().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn anvil_restarted_empty() {
    let mut faulty = Faulty::start(&[]).await;
    let index = faulty.provoke(1).await[0];
    faulty.heals().await;
    faulty.chain.stop().await;
    let state = faulty.chain.forget();
    faulty.chain.resume().await;
    faulty.chain.mine_by_hand().await;
    faulty.provoke(1).await;
    faulty.says("misconfigured", &["another chain", "hash of block 0", "restore its state"]).await;
    assert_eq!(faulty.chain.anchoring_transactions().await, 0, "nothing is sent to another chain");

    // Even with the same contract there.
    let log_id = format!("0x{}", faulty.trust().await.log_key.key_hash());
    faulty.chain.rpc("evm_setAutomine", json!([true])).await;
    assert_eq!(faulty.chain.deploy(&log_id).await, faulty.contract());
    faulty.kill_service();
    faulty.start_service().await;
    faulty.says("misconfigured", &["another chain", "hash of block 0", "restore its state"]).await;
    assert_eq!(faulty.chain.anchoring_transactions().await, 0, "nothing is sent to another chain");

    // The person puts the state back.
    faulty.chain.stop().await;
    faulty.chain.remember(&state);
    faulty.chain.resume().await;
    faulty.chain.mine_by_hand().await;
    faulty.heals().await;
    let trust = faulty.pin_trust().await;
    assert_eq!(faulty.verify(index, &trust).await.code, 0);
}
