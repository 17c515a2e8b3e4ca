//! `kill -9` between every two steps of an anchoring.
//!
//! The service asks the chain before and after each of its steps, so it is killed at requests: before the node has
//! it, and, for the one request that changes the chain, also after the node has acted on it.

use e2e::{Fault, Faulty, poll};

const SEND: &str = "eth_sendRawTransaction";

/// The first request of an anchoring: which nonce is next.
const BEGIN: &str = "eth_getTransactionCount";

/// Provokes an anomaly, and lets it be anchored and become final, unless the service is killed before: true if it is.
async fn is_killed(faulty: &mut Faulty) -> bool {
    // It may be killed before it answers: then nothing was promised.
    let _ = faulty.try_provoke().await;
    poll::until("it is killed, or done", async || {
        faulty.chain.mine(1).await;
        if faulty.service_has_ended() {
            return Some(true);
        }
        let answer = faulty.try_get("/api/v1/ledger").await.ok()?;
        let ledger: api::LedgerStatus = serde_json::from_slice(&answer.body).ok()?;
        (ledger.final_size == ledger.tree_size).then_some(false)
    })
    .await
}

/// Starts it again, and expects all to be well.
async fn start_again(faulty: &mut Faulty) {
    faulty.proxy.heal();
    faulty.start_service().await;
    faulty.heals().await;
    assert_eq!(faulty.in_vain().await, 0, "no transaction but those with an event");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_every_request_from_the_nonce_to_the_stored_proof() {
    let mut faulty = Faulty::start(&[]).await;
    let mut kills = 0;
    loop {
        let pid = faulty.service().id();
        match kills {
            0 => faulty.proxy.once(BEGIN, Fault::KillBefore(pid)),
            _ => faulty.proxy.nth_after(BEGIN, kills - 1, Fault::KillBefore(pid)),
        }
        if !is_killed(&mut faulty).await {
            break;
        }
        start_again(&mut faulty).await;
        kills += 1;
    }
    println!("killed at each of {kills} requests");
    // Nonce, gas, fees, the transaction; a tick that sees it included; one that sees it final; thirteen for its proof.
    assert!(kills > 20, "an anchoring takes more than {kills} requests");
}

/// After the node has taken the transaction, and before it can say so; and while the service looks whom it talks to.
#[tokio::test(flavor = "multi_thread")]
async fn after_the_send_and_at_the_start() {
    let mut faulty = Faulty::start(&[]).await;
    for _ in 0..3 {
        faulty.proxy.once(SEND, Fault::KillAfter(faulty.service().id()));
        assert!(is_killed(&mut faulty).await);
        start_again(&mut faulty).await;
    }
    for method in ["eth_chainId", "eth_getCode"] {
        // A passing fault makes it look again.
        faulty.proxy.once("eth_getBlockByNumber", Fault::Down);
        faulty.proxy.once(method, Fault::KillBefore(faulty.service().id()));
        assert!(is_killed(&mut faulty).await);
        start_again(&mut faulty).await;
    }
}
