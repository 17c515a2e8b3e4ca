//! The chain as the restoring side sees it: which chain it is, and what it proves of a root.

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    sol_types::SolCall,
};
use ledger::{
    Hash,
    chain::{
        HEAD_SLOT, Header, Record, contract_account,
        query::{ChainQuery, ContractState, Finality},
        storage_word,
    },
    checkpoint::LogKey,
    evidence::Anchor,
    trust::TrustRoots,
};
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Stop;
use crate::{
    anchor::contract::AnomalyLogger::{logIdCall, predecessorCall},
    cli::client::{ask_chain, ask_state, chain_client},
};

/// A node, and the contract on its chain.
pub(super) struct Node {
    pub(super) http: reqwest::Client,
    pub(super) url: Url,
    pub(super) contract: Address,
}

/// What a block proves of a root.
pub(super) struct Proven {
    pub(super) block: u64,
    pub(super) hash: B256,
    /// The root of the contract's head in this block.
    pub(super) head: Hash,
    /// The record of the root that was asked for.
    pub(super) record: Option<Record>,
    /// The evidence of that record, and whether the chain calls the block final.
    pub(super) anchor: Anchor,
    pub(super) is_final: bool,
}

impl Node {
    pub(super) fn new(url: &Url, contract: Address) -> Result<Self, Stop> {
        let http = chain_client(url).map_err(|error| Stop::Failed(error.to_string()))?;
        Ok(Self { http, url: url.clone(), contract })
    }

    /// The trust roots as this node shows them, for a log with this key.
    pub(super) async fn roots(&self, log_key: &LogKey) -> Result<TrustRoots, Stop> {
        let chain_id: U256 = self.ask("eth_chainId", json!([])).await?;
        let genesis: Value = self.ask("eth_getBlockByNumber", json!(["0x0", false])).await?;
        let genesis = Header::from_json(&genesis).map_err(|error| Stop::Silent(error.to_string()))?;
        let code: Bytes = self.ask("eth_getCode", json!([self.contract, "latest"])).await?;
        if code.is_empty() {
            return Err(Stop::Contradicts(format!("there is no contract at {} on this chain", self.contract)));
        }
        let call = json!([{ "to": self.contract, "input": Bytes::from(logIdCall {}.abi_encode()) }, "latest"]);
        let log_id: Bytes = self.ask("eth_call", call).await?;
        let expected = log_key.key_hash();
        if **log_id != expected.0 {
            let found = format!("the contract at {} belongs to the log {log_id}", self.contract);
            return Err(Stop::Contradicts(format!("{found}, the key is that of 0x{expected}")));
        }
        let call = json!([{ "to": self.contract, "input": Bytes::from(predecessorCall {}.abi_encode()) }, "latest"]);
        let predecessor: Bytes = self.ask("eth_call", call).await?;
        if predecessor.iter().any(|byte| *byte != 0) {
            return Err(Stop::Wrong(format!(
                "the contract {} continues another one, whose publications are not followed yet: only a log with one \
                 contract can be restored",
                self.contract
            )));
        }
        let chain_id = chain_id.try_into().map_err(|_| Stop::Silent("its chain id is no chain's".into()))?;
        Ok(TrustRoots {
            log_key: log_key.clone(),
            chain_id,
            genesis_hash: genesis.hash,
            contract: self.contract,
            code_hash: keccak256(&code),
            predecessors: Vec::new(),
        })
    }

    /// The number of the newest block.
    pub(super) async fn newest_block(&self) -> Result<u64, Stop> {
        let block: U256 = self.ask("eth_blockNumber", json!([])).await?;
        block.try_into().map_err(|_| Stop::Silent("its block number is none".into()))
    }

    /// What the chain proves of a root: at the final block, if it is recorded there, else at the newest.
    pub(super) async fn prove(&self, root: Hash, size: u64, trust: &TrustRoots) -> Result<Proven, Stop> {
        let query = ChainQuery::new(self.contract, root, size, Finality::Tag);
        let state = ask_state(&self.http, &self.url, query).await.map_err(Stop::Silent)?;
        let newest = check(&state.latest, root, trust, false)?;
        match state.finalized.map(|at| check(&at, root, trust, true)) {
            // The head has to be the newest one; the evidence had better be final.
            Some(Ok(at)) if at.record.is_some() => {
                Ok(Proven { head: newest.head, block: at.block, hash: at.hash, record: at.record, ..at })
            }
            // The contract may be younger than the final block.
            _ => Ok(newest),
        }
    }

    async fn ask<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, Stop> {
        let answer = ask_chain(&self.http, &self.url, method, &params).await;
        let answer = answer.map_err(|why| Stop::Silent(format!("{method}: {why}")))?;
        serde_json::from_value(answer).map_err(|error| Stop::Silent(format!("{method}: {error}")))
    }
}

/// Checks the proofs of one block.
fn check(at: &ContractState, root: Hash, trust: &TrustRoots, is_final: bool) -> Result<Proven, Stop> {
    let lies = |what: String| Stop::Refused(format!("the node gives a proof that does not hold: {what}"));
    let account = contract_account(at.header.state_root, trust.contract, &at.contract.account_proof)
        .map_err(|error| lies(error.to_string()))?;
    if account.code_hash != trust.code_hash {
        return Err(lies(format!("the contract's code hash is {}", account.code_hash)));
    }
    let head = storage_word(account.storage_root, HEAD_SLOT, &at.contract.head_proof)
        .map_err(|error| lies(error.to_string()))?;
    let record = account.record(&root, &at.contract.record_proof).map_err(|error| lies(error.to_string()))?;
    Ok(Proven {
        block: at.header.number,
        hash: at.header.hash,
        head: Hash(head.to_be_bytes()),
        record,
        anchor: Anchor {
            transaction: None,
            contract: Some(trust.contract),
            header: Bytes::from(at.header.rlp.clone()),
            account_proof: at.contract.account_proof.clone(),
            storage_proof: at.contract.record_proof.clone(),
        },
        is_final,
    })
}
