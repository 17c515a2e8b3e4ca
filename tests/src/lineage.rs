//! A log with a past: its key has changed, and so has its contract. Made with the `ledger` crate and Foundry's own tools,
//! without the service, so that what it proves does not hang on the service.

use alloy_primitives::hex;
use ledger::{
    Hash,
    chain::query::{Answer, ChainQuery, Finality, Progress},
    checkpoint::LogSigner,
    entry::{Beacon, Entry, Key, Model},
    evidence::{BeaconProof, Bundle},
    hash::leaf_hash,
    keys::KeyLink,
    merkle::{MemoryTree, consistency_proof, inclusion_proof, root},
    trust::{TrustRoots, TrustedContract},
};
use serde_json::json;

use crate::{
    Chain,
    chain::{ANCHORER, ANCHORER_KEY, OWNER_KEY, quantity, word},
    paths, poll,
};

/// Where the log's key changes.
const KEY_ENTRY: u64 = 3;

/// The log, its chain, and its two contracts.
#[derive(Debug)]
pub struct Lineage {
    /// The chain.
    pub chain: Chain,
    /// The contract that was used first.
    pub old: String,
    /// Its successor.
    pub new: String,
    entries: Vec<Vec<u8>>,
    tree: MemoryTree,
}

impl Lineage {
    /// Eight entries: 1 and 5 are beacons, 3 changes the key. The old contract has anchored the sizes 3 and 5, its successor
    /// 7; all is final.
    pub async fn start() -> Self {
        let chain = Chain::start().await;
        let log_id = signer(1).log_key().key_hash().to_string();
        let old = chain.deploy(&format!("0x{log_id}")).await;
        let mut lineage = Self { chain, new: old.clone(), old, entries: Vec::new(), tree: MemoryTree::default() };
        for index in 0..8 {
            let entry = match index {
                1 | 5 => lineage.beacon(index).await,
                KEY_ENTRY => Entry::Key(Key::new(id(index), time(), signer(2).log_key())),
                _ => {
                    let (model, sample) = (Hash([index as u8; 32]), Hash([7; 32]));
                    Entry::Model(Model::new(id(index), time(), model, format!("profile {index}"), sample))
                }
            };
            let bytes = entry.to_bytes().expect("an entry");
            lineage.tree.push(leaf_hash(&bytes));
            lineage.entries.push(bytes);
        }
        lineage.anchor(&lineage.old, 0, 3).await;
        lineage.anchor(&lineage.old, 3, 5).await;
        lineage.retire_old().await;
        lineage.new = lineage.chain.deploy_successor(&format!("0x{log_id}"), &lineage.old).await;
        lineage.anchor(&lineage.new, 5, 7).await;
        lineage.settle().await;
        lineage
    }

    /// Anchors the log's root of this size.
    pub async fn anchor(&self, contract: &str, from: u64, size: u64) {
        let proof = consistency_proof(&self.tree, from, size).unwrap_or_else(|never| match never {});
        let proof: Vec<String> = proof.iter().map(|hash| format!("0x{hash}")).collect();
        let root = format!("0x{}", self.root(size));
        let (size, proof) = (size.to_string(), format!("[{}]", proof.join(",")));
        let call = ["anchor(bytes32,uint64,bytes32[],bytes)", &root, &size, &proof, "0x"];
        self.send(contract, ANCHORER_KEY, &call).await;
    }

    /// Takes the old contract out of use: the deployment of a successor asks for that.
    async fn retire_old(&self) {
        self.send(&self.old, OWNER_KEY, &["removeAnchorer()"]).await;
    }

    /// Continues the old contract beside its successor, as no honest owner does.
    pub async fn continue_old(&self) {
        self.send(&self.old, OWNER_KEY, &["proposeAnchorer(address)", ANCHORER]).await;
        self.send(&self.old, ANCHORER_KEY, &["acceptAnchorer()"]).await;
        self.anchor(&self.old, 5, 8).await;
        self.settle().await;
    }

    /// Waits until all that was sent is final.
    pub async fn settle(&self) {
        let newest = quantity(&self.chain.rpc("eth_blockNumber", json!([])).await);
        poll::until("the anchors are final", async || {
            let block = self.chain.rpc("eth_getBlockByNumber", json!(["finalized", false])).await;
            (quantity(&block["number"]) >= newest).then_some(())
        })
        .await;
    }

    /// The evidence of an entry under the checkpoint of this size.
    pub fn bundle(&self, index: u64, size: u64) -> Bundle {
        let proof = |index| inclusion_proof(&self.tree, index, size).unwrap_or_else(|never| match never {});
        let entry = |index: u64| self.entries[index as usize].clone();
        let beacon = [5, 1].into_iter().find(|beacon| *beacon < index);
        let link = || KeyLink {
            index: KEY_ENTRY,
            entry: entry(KEY_ENTRY),
            proof: inclusion_proof(&self.tree, KEY_ENTRY, KEY_ENTRY + 1).unwrap_or_else(|never| match never {}),
            checkpoint: self.checkpoint(KEY_ENTRY + 1),
        };
        Bundle {
            keys: if size > KEY_ENTRY + 1 { vec![link()] } else { Vec::new() },
            beacon: beacon.map(|index| BeaconProof { index, entry: entry(index), proof: proof(index) }),
            ..Bundle::new(entry(index), index, proof(index), self.checkpoint(size))
        }
    }

    /// The log's checkpoint of this size, signed by the key of that time.
    pub fn checkpoint(&self, size: u64) -> String {
        signer(if size > KEY_ENTRY + 1 { 2 } else { 1 }).sign(size, self.root(size))
    }

    /// The trust roots of an auditor who has followed the log to its present contract.
    pub async fn trust(&self) -> TrustRoots {
        let old = self.trust_in_old().await;
        let predecessor = TrustedContract { contract: old.contract, code_hash: old.code_hash };
        let contract: TrustedContract = self.trusted(&self.new).await;
        TrustRoots {
            contract: contract.contract,
            code_hash: contract.code_hash,
            predecessors: vec![predecessor],
            ..old
        }
    }

    /// The trust roots of an auditor who knows the first contract only.
    pub async fn trust_in_old(&self) -> TrustRoots {
        let genesis = self.chain.rpc("eth_getBlockByNumber", json!(["0x0", false])).await;
        let TrustedContract { contract, code_hash } = self.trusted(&self.old).await;
        TrustRoots {
            log_key: signer(1).log_key(),
            chain_id: quantity(&self.chain.rpc("eth_chainId", json!([])).await),
            genesis_hash: word(&genesis["hash"]),
            contract,
            code_hash,
            predecessors: Vec::new(),
        }
    }

    /// What the chain answers to all that is asked for a bundle, round by round.
    pub async fn rounds(&self, trust: &TrustRoots, bundle: &Bundle) -> Vec<Vec<Answer>> {
        let mut query = ChainQuery::of(trust, bundle, Finality::Tag).expect("a checkpoint");
        let mut rounds = Vec::new();
        loop {
            let mut answers: Vec<Answer> = Vec::new();
            for request in query.requests() {
                answers.push(Ok(self.chain.rpc(request.method, request.params).await));
            }
            rounds.push(answers.clone());
            match query.answer(answers).expect("answers that can be used") {
                Progress::Asking(next) => query = *next,
                Progress::Done(_) => return rounds,
            }
        }
    }

    fn root(&self, size: u64) -> Hash {
        root(&self.tree, size).unwrap_or_else(|never| match never {})
    }

    async fn beacon(&self, index: u64) -> Entry {
        let block = self.chain.rpc("eth_getBlockByNumber", json!(["latest", false])).await;
        let chain_id = quantity(&self.chain.rpc("eth_chainId", json!([])).await);
        let hash = Hash(word(&block["hash"]).0);
        Entry::Beacon(Beacon::new(id(index), time(), chain_id, quantity(&block["number"]), hash))
    }

    async fn trusted(&self, contract: &str) -> TrustedContract {
        let code = self.chain.rpc("eth_getCode", json!([contract, "latest"])).await;
        let code = hex::decode(code.as_str().expect("hex")).expect("hex");
        let contract = contract.parse().expect("an address");
        TrustedContract { contract, code_hash: alloy_primitives::keccak256(code) }
    }

    async fn send(&self, contract: &str, key: &str, call: &[&str]) {
        let mut command = tokio::process::Command::new(paths::foundry("cast"));
        command.args(["send", "--rpc-url", &self.chain.url(), "--private-key", key, contract]).args(call);
        let output = command.kill_on_drop(true).output().await.expect("cast runs");
        assert!(output.status.success(), "{call:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The log's signers, in their order from 1 on; also those of somebody else.
pub fn signer(secret: u8) -> LogSigner {
    LogSigner::new("anomaly-ledger.local/lineage".parse().expect("an origin"), &[secret; 32])
}

fn id(index: u64) -> ledger::text::Id {
    format!("01a1f838-78f3-71e9-9e5a-{index:012}").parse().expect("an identifier")
}

fn time() -> ledger::text::Time {
    "2026-11-20T09:10:12.979Z".parse().expect("a time")
}
