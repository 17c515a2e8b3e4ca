//! Whether a payload has left this service by the chain: from there nobody can take it back.

use std::collections::{BTreeMap, BTreeSet};

use ledger::{chain::Header, publication, trust::TrustRoots};
use reqwest::Url;
use serde_json::json;

use super::Stop;
use crate::{
    cli::{
        client::{ask_chain, chain_client},
        events::{Events, Kind},
        runtime,
    },
    domain::ports::{AnchorStore, StoreError, pinned_trust},
    store::{Eraser, Reader},
};

/// What is known of the payloads that are to be erased.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// Entries whose payloads were published, or may have been.
    pub(super) entries: Vec<u64>,
    /// Whether the chain itself says so.
    pub(super) certain: bool,
    /// Transactions of the outbox that hold one of the payloads.
    pub(super) outbox: Vec<u64>,
    /// Entries whose payloads are in such a transaction: it was sent, and may be included at any time.
    sent: Vec<u64>,
}

impl Published {
    /// Looks. `running`: whether a service works on this log, so that it may publish what is stored now.
    pub(super) fn look(
        log: &Reader,
        eraser: &Eraser,
        indexes: &[u64],
        rpc_url: Option<&Url>,
        running: bool,
    ) -> Result<Self, Stop> {
        let salts = eraser.salts(indexes)?;
        let (outbox, sent) = in_outbox(eraser, &salts)?;
        let below = log.may_be_published_below()?;
        if running {
            may_be_under_way(log, &salts, &outbox, below)?;
        }
        let entries = match rpc_url {
            Some(url) => on_chain(log, url, &salts)?,
            None => salts.iter().map(|(index, _)| *index).filter(|index| *index < below).collect(),
        };
        Ok(Self { entries, certain: rpc_url.is_some(), outbox, sent })
    }

    /// What there is to say if it was published; `None` if not.
    pub(super) fn sentence(&self) -> Option<String> {
        if let Some(which) = some_of(&self.sent) {
            return Some(format!(
                "the payload of {which} is in an anchoring transaction that was sent and may be included at any time"
            ));
        }
        let which = some_of(&self.entries)?;
        Some(if self.certain {
            format!(
                "the payload of {which} was published on the chain and cannot be taken back: whoever has the chain has it"
            )
        } else {
            format!(
                "the payload of {which} may have been published on the chain (a service with --publish payloads has \
                 worked on this log), and what is published cannot be taken back; --rpc-url URL asks the chain"
            )
        })
    }
}

/// The first of these entries, and how many more there are.
fn some_of(entries: &[u64]) -> Option<String> {
    let (first, more) = (entries.first()?, entries.len() - 1);
    Some(if more == 0 { format!("entry {first}") } else { format!("entry {first} and {more} more") })
}

/// The transactions of the outbox that hold one of these salts, and the entries whose salts they are.
fn in_outbox(eraser: &Eraser, salts: &[(u64, Vec<u8>)]) -> Result<(Vec<u64>, Vec<u64>), StoreError> {
    let known: BTreeMap<&[u8], u64> = salts.iter().map(|(index, salt)| (salt.as_slice(), *index)).collect();
    let (mut sizes, mut entries) = (Vec::new(), BTreeSet::new());
    for (size, raw) in eraser.outbox()? {
        let held: Vec<u64> = raw.windows(32).filter_map(|window| known.get(window).copied()).collect();
        if !held.is_empty() {
            sizes.push(size);
            entries.extend(held);
        }
    }
    Ok((sizes, entries.into_iter().collect()))
}

/// A service at work holds what it is about to send in memory, and would write it back.
fn may_be_under_way(log: &Reader, salts: &[(u64, Vec<u8>)], outbox: &[u64], below: u64) -> Result<(), Stop> {
    if let Some(size) = outbox.first() {
        return Err(Stop::Later(format!(
            "the anchoring transaction of size {size} holds the payload, and the running service keeps it until it is \
             final: try again then, or stop the service first"
        )));
    }
    let (anchored, _) = log.anchored_sizes()?;
    if below == u64::MAX
        && let Some((index, _)) = salts.iter().find(|(index, _)| *index >= anchored)
    {
        return Err(Stop::Later(format!(
            "the running service publishes payloads and is about to publish that of entry {index}: stop it first; \
             what is erased then is not published"
        )));
    }
    Ok(())
}

/// Those of these entries whose salt the chain shows.
fn on_chain(log: &Reader, url: &Url, salts: &[(u64, Vec<u8>)]) -> Result<Vec<u64>, Stop> {
    // A log that has met no contract has published nothing.
    let Some(trust) = pinned_trust(log)? else { return Ok(Vec::new()) };
    let failed = |why: String| Stop::Failed(format!("the chain cannot be asked what was published: {why}"));
    let http = chain_client(url).map_err(|error| failed(error.to_string()))?;
    let (anchored, _) = log.anchored_sizes()?;
    runtime().map_err(|error| failed(error.to_string()))?.block_on(async {
        let newest = the_chain(&http, url, &trust).await.map_err(failed)?;
        let (mut found, mut reached) = (BTreeSet::new(), 0);
        for contract in trust.contracts() {
            let mut events = Events::new(&http, url, contract.contract, 0, newest);
            while let Some(range) = events.next().await.map_err(|error| failed(error.to_string()))? {
                for event in range {
                    match event.kind {
                        Kind::Anchored { size, .. } => reached = reached.max(size),
                        Kind::Published { first, publication } => {
                            found.extend(shown(first, &publication, salts).map_err(failed)?);
                        }
                    }
                }
            }
        }
        if reached < anchored {
            return Err(failed(format!("it shows anchors up to size {reached}, the log has seen {anchored}")));
        }
        Ok(found.into_iter().collect())
    })
}

/// The newest block of the chain that the log was anchored on; no other chain says anything.
async fn the_chain(http: &reqwest::Client, url: &Url, trust: &TrustRoots) -> Result<u64, String> {
    let ask = async |method: &str, params: serde_json::Value| ask_chain(http, url, method, &params).await;
    let quantity = |answer: serde_json::Value| {
        let digits = answer.as_str().and_then(|text| text.strip_prefix("0x")).ok_or("no number")?;
        u64::from_str_radix(digits, 16).map_err(|error| error.to_string())
    };
    let chain_id = quantity(ask("eth_chainId", json!([])).await?)?;
    let genesis = Header::from_json(&ask("eth_getBlockByNumber", json!(["0x0", false])).await?);
    let genesis = genesis.map_err(|error| error.to_string())?.hash;
    if (chain_id, genesis) != (trust.chain_id, trust.genesis_hash) {
        return Err(format!(
            "it is another chain (id {chain_id}, block 0 {genesis}; expected {}, {})",
            trust.chain_id, trust.genesis_hash
        ));
    }
    quantity(ask("eth_blockNumber", json!([])).await?)
}

/// Those of these entries whose salt is in a publication.
fn shown(first: u64, publication: &[u8], salts: &[(u64, Vec<u8>)]) -> Result<Vec<u64>, String> {
    let items =
        publication::decode(publication).map_err(|error| format!("the publication from {first} on: {error}"))?;
    let mut found = Vec::new();
    for (index, item) in (first..).zip(items) {
        let salt = item.disclosure.map(|disclosure| disclosure.salt.to_vec());
        if salts.iter().any(|(own, known)| *own == index && Some(known) == salt.as_ref()) {
            found.push(index);
        }
    }
    Ok(found)
}
