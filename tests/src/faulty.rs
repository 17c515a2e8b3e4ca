//! A trial whose chain makes blocks only when it is told to, behind a proxy that spoils what it is told to.

use std::{
    ops::{Deref, DerefMut},
    path::PathBuf,
};

use api::{EntryState, ServiceHealth};
use serde_json::{Value, json};

use crate::{
    Chain, Trial, audit,
    chain::{ANCHORER, quantity},
    poll,
    proxy::Proxy,
};

/// Times that make a fault show within a second or two.
const IMPATIENT: [(&str, &str); 5] = [
    ("--poll", "50ms"),
    ("--batch-age", "100ms"),
    ("--resend-after", "1s"),
    ("--behind-after", "3s"),
    ("--rpc-timeout", "2s"),
];

/// The trial, and the proxy between its service and its chain. Tests themselves ask the chain directly.
#[derive(Debug)]
pub struct Faulty {
    trial: Trial,
    /// The proxy.
    pub proxy: Proxy,
}

impl Deref for Faulty {
    type Target = Trial;

    fn deref(&self) -> &Trial {
        &self.trial
    }
}

impl DerefMut for Faulty {
    fn deref_mut(&mut self) -> &mut Trial {
        &mut self.trial
    }
}

impl Faulty {
    /// Starts chain, proxy and service, and waits until all is well.
    pub async fn start(flags: &[&str]) -> Self {
        let mut faulty = Self::prepare(Chain::start_by_hand().await, flags).await;
        faulty.start_service().await;
        faulty.heals().await;
        faulty
    }

    /// Makes a log of its own with a contract on this chain, and a proxy before it; does not start the service yet.
    pub async fn prepare(chain: Chain, flags: &[&str]) -> Self {
        let mut trial = Trial::prepare(chain).await;
        trial.chain.mine_by_hand().await;
        let proxy = Proxy::start(trial.chain.url()).await;
        let settings = trial.settings();
        settings.rpc_url = proxy.url().to_owned();
        let patience =
            IMPATIENT.iter().filter(|(flag, _)| !flags.contains(flag)).flat_map(|(flag, time)| [*flag, *time]);
        settings.flags = patience.chain(flags.iter().copied()).map(str::to_owned).collect();
        Self { trial, proxy }
    }

    /// Another log with a contract of its own on the same chain, anchored by the same account.
    pub async fn beside(&self) -> Self {
        self.chain.rpc("evm_setAutomine", json!([true])).await;
        Self::prepare(self.chain.shared(), &[]).await
    }

    /// A copy of the same log, in this directory; its service is not started yet.
    pub async fn copied(&self, data_dir: PathBuf) -> Self {
        let mut trial = self.trial.copied(data_dir);
        let proxy = Proxy::start(trial.chain.url()).await;
        trial.settings().rpc_url = proxy.url().to_owned();
        Self { trial, proxy }
    }

    /// How the service says it is.
    pub async fn health(&self) -> ServiceHealth {
        let answer = self.get("/ready").await;
        let health: ServiceHealth = serde_json::from_slice(&answer.body).unwrap_or_else(|e| panic!("{e}: {answer:?}"));
        assert_eq!(answer.status == 200, health.status == "ok", "{health:?}");
        health
    }

    /// Waits until the service says that it and its chain get on like this, in a text with these words.
    pub async fn says(&self, chain: &str, words: &[&str]) -> ServiceHealth {
        let mut last = None;
        let found = poll::try_within(poll::PATIENCE, async || {
            let health = self.health().await;
            let said = health.chain == chain && words.iter().all(|word| health.status.contains(word));
            last = Some(health.clone());
            said.then_some(health)
        });
        let found = found.await;
        let health = found.unwrap_or_else(|| panic!("expected {chain:?} with {words:?}, found {last:#?}"));
        let problem = health.last_error.as_ref().map(|error| error.problem.as_str());
        assert!(problem.is_some(), "{health:#?}");
        health
    }

    /// Waits until the node was sent this many more transactions than before.
    pub async fn sends(&self, before: usize, more: usize) {
        let what = format!("{more} transactions are sent");
        poll::until(&what, async || (self.proxy.sent().len() >= before + more).then_some(())).await;
    }

    /// Adds a block for each transaction until the service shows every entry as anchored: the last one in the newest
    /// block.
    pub async fn all_anchored(&self) {
        poll::until("every entry is anchored", async || {
            let ledger = self.ledger().await;
            if ledger.anchored_size == ledger.tree_size {
                return Some(());
            }
            if self.pool().await > 0 {
                self.chain.mine(1).await;
            }
            None
        })
        .await;
    }

    /// How many transactions wait in the node's pool for the next block.
    pub async fn pool(&self) -> u64 {
        let status = self.chain.rpc("txpool_status", json!([])).await;
        quantity(&status["pending"])
    }

    /// Adds one block after the other until all is well again, with nobody's help; and then looks whether it is.
    pub async fn heals(&self) {
        let mut last = None;
        self.chain.mine(1).await;
        let begin = self.chain.height().await;
        let healed = poll::try_within(poll::PATIENCE, async || {
            self.chain.mine(1).await;
            let (health, ledger) = (self.health().await, self.ledger().await);
            last = Some((health.clone(), ledger.clone()));
            let (_, head) = self.chain.head(self.contract()).await;
            let sizes = [ledger.anchored_size, ledger.final_size, head];
            // What is shown must have been seen after the fault.
            let seen = ledger.chain.latest_block.is_some_and(|block| block >= begin);
            (health.status == "ok" && seen && sizes.iter().all(|size| *size == ledger.tree_size)).then_some(())
        });
        assert!(healed.await.is_some(), "it does not heal: {last:#?}");
        let anomalies = self.anomalies().await;
        assert!(anomalies.iter().all(|anomaly| anomaly.state == EntryState::Final), "{anomalies:#?}");
        if self.ledger().await.tree_size > 0 {
            audit::sound(self).await;
        }
    }

    /// The state of an entry, as it is shown.
    pub async fn state_of(&self, index: u64) -> EntryState {
        let anomalies = self.anomalies().await;
        let found = anomalies.iter().find(|anomaly| anomaly.index == index);
        found.unwrap_or_else(|| panic!("no anomaly {index} in {anomalies:#?}")).state
    }

    /// How many transactions of the anchoring account had another purpose, or no effect.
    pub async fn in_vain(&self) -> u64 {
        let events = self.chain.anchored(self.contract()).await;
        self.chain.anchoring_transactions().await - events.len() as u64
    }

    /// Another wallet sends a transaction with the anchoring key; it waits in the pool.
    pub async fn another_wallet_sends(&self, more: Value) {
        let mut transaction = json!({ "from": ANCHORER, "to": ANCHORER, "value": "0x1" });
        for (name, value) in more.as_object().into_iter().flatten() {
            transaction[name] = value.clone();
        }
        self.chain.rpc("eth_sendTransaction", json!([transaction])).await;
    }
}
