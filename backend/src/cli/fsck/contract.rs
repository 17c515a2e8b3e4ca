//! Holds the log against the contract: is it the same chain, and does its head agree with our tiles?

use std::path::Path;

use alloy::primitives::{B256, Bytes, U256, keccak256};
use ledger::{
    Hash,
    chain::{HEAD_SLOT, Header, Record, Slot, record_slot},
    hash::EMPTY_ROOT,
    merkle,
    tile::TileTree,
    trust::TrustRoots,
};
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Found;
use crate::{
    cli::{
        client::{ask_chain, chain_client},
        runtime,
    },
    domain::{log::read_tile, ports::LogReader},
    store::Reader,
};

/// What the chain says of itself and of the contract.
struct Said {
    chain_id: u64,
    genesis_hash: B256,
    /// `None` where there is no contract.
    code_hash: Option<B256>,
    head: Hash,
    record: Option<Record>,
}

/// Compares, as of a block or of the newest. `log` is what the pass has read.
pub(super) fn compare(
    url: &Url,
    block: Option<u64>,
    data_dir: &Path,
    log: &Reader,
    found: &mut Found,
) -> Result<(), Box<dyn std::error::Error>> {
    let Some(trust) = found.trust.clone() else {
        found.unanswered = Some("the service has not met its chain yet: there is nothing to compare with".into());
        return Ok(());
    };
    let block = block.map_or_else(|| "latest".to_owned(), |block| format!("0x{block:x}"));
    let node = Node { http: chain_client(url)?, url, block };
    let said = match runtime()?.block_on(node.say(&trust)) {
        Ok(said) => said,
        Err(why) => {
            found.unanswered = Some(format!("the chain gives no usable answer: {why}"));
            return Ok(());
        }
    };
    if let Some(why) = another_chain(&trust, &said) {
        found.contradictions.push(why);
        return Ok(());
    }
    let anchored = said.record.map_or(0, |record| record.size);
    let (size, _) = found.derived.unwrap_or_default();
    if anchored <= size {
        head(log, size, &said, found)?;
    } else {
        // A service at work may have gone on since the pass began, and what it signs it anchors.
        let later = Reader::open_snapshot(data_dir)?;
        let size = later.newest_checkpoint()?.map_or(0, |newest| newest.size);
        head(&later, size, &said, found)?;
    }
    Ok(())
}

/// Whether the chain is the pinned one, and the contract the pinned one's.
fn another_chain(trust: &TrustRoots, said: &Said) -> Option<String> {
    let differs = |what: &str, pinned: String, found: String| {
        (pinned != found).then(|| format!("this is another chain: its {what} is {found}, pinned is {pinned}"))
    };
    let code = said.code_hash.map_or_else(|| "none".to_owned(), |hash| hash.to_string());
    differs("id", trust.chain_id.to_string(), said.chain_id.to_string())
        .or_else(|| differs("genesis hash", trust.genesis_hash.to_string(), said.genesis_hash.to_string()))
        .or_else(|| differs(&format!("code hash at {}", trust.contract), trust.code_hash.to_string(), code))
}

/// The contract's head against a log of `size` entries.
fn head(log: &Reader, size: u64, said: &Said, found: &mut Found) -> Result<(), Box<dyn std::error::Error>> {
    let root = said.head;
    let contradiction = match said.record.map(|record| record.size) {
        None if root != EMPTY_ROOT => Some(format!("the contract's head {root} has no record: it is no AnomalyLogger")),
        None if found.final_size == 0 => {
            found.notes.push("the contract holds no root yet".into());
            None
        }
        None => Some(format!(
            "the contract holds no root, though {} entries were anchored finally: the chain has lost its state",
            found.final_size
        )),
        Some(anchored) if anchored > size => {
            Some(format!("the contract's head has {anchored} entries, the log {size}: the log was cut or is old"))
        }
        Some(anchored) => {
            let ours = merkle::root(&TileTree::new(size, |id| read_tile(log, id)), anchored)?;
            if ours != root {
                Some(format!("at size {anchored} the contract's root is {root}, the log's {ours}: the log was changed"))
            } else if anchored < found.final_size {
                Some(format!(
                    "the contract's head has {anchored} entries, though {} were anchored finally: the chain was set back",
                    found.final_size
                ))
            } else {
                found.notes.push(format!("the contract's head holds the first {anchored} entries: root {root}"));
                None
            }
        }
    };
    found.contradictions.extend(contradiction);
    Ok(())
}

/// A node of the chain.
struct Node<'a> {
    http: reqwest::Client,
    url: &'a Url,
    /// As of when.
    block: String,
}

impl Node<'_> {
    async fn say(&self, trust: &TrustRoots) -> Result<Said, String> {
        let chain_id: U256 = self.ask("eth_chainId", json!([])).await?;
        let genesis: Value = self.ask("eth_getBlockByNumber", json!(["0x0", false])).await?;
        let genesis = Header::from_json(&genesis).map_err(|error| error.to_string())?;
        let code: Bytes = self.ask("eth_getCode", json!([trust.contract, self.block])).await?;
        let head = Hash(self.word(trust, HEAD_SLOT).await?.to_be_bytes());
        // A record is never changed, so it does not matter if a block comes between the two questions.
        let record = Record::from_word(self.word(trust, record_slot(&head)).await?);
        Ok(Said {
            chain_id: chain_id.try_into().map_err(|_| "its chain id is no chain's".to_owned())?,
            genesis_hash: genesis.hash,
            code_hash: (!code.is_empty()).then(|| keccak256(&code)),
            head,
            record,
        })
    }

    async fn word(&self, trust: &TrustRoots, slot: Slot) -> Result<U256, String> {
        self.ask("eth_getStorageAt", json!([trust.contract, slot, self.block])).await
    }

    async fn ask<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, String> {
        let answer =
            ask_chain(&self.http, self.url, method, &params).await.map_err(|why| format!("{method}: {why}"))?;
        serde_json::from_value(answer).map_err(|error| format!("{method}: {error}"))
    }
}
