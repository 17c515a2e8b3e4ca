//! The one module that talks to the chain: JSON-RPC at an address that the reader chooses.
//!
//! It carries questions and answers. What the answers prove is decided in `ledger`.

pub(crate) mod events;
pub(crate) mod publications;

use alloy_primitives::{Address, B256, keccak256};
use futures_util::future::join_all;
use ledger::chain::{
    Header,
    query::{ChainQuery, ChainState, Progress, QueryError},
};
use serde_json::{Value, json};

use self::events::Log;
use crate::http::{self, Fault};

const WHOM: &str = "the chain's node";

/// Asks the chain; the error is for people.
pub(crate) async fn ask(url: &str, mut query: ChainQuery) -> Result<ChainState, String> {
    loop {
        let requests = query.requests();
        let answers = join_all(requests.iter().map(|request| call(url, request.method, &request.params))).await;
        match query.answer(answers).map_err(|error| reason(&error))? {
            Progress::Asking(next) => query = *next,
            Progress::Done(state) => return Ok(*state),
        }
    }
}

/// Why there is no state. That the chain did not answer, the examination says itself.
fn reason(error: &QueryError) -> String {
    match error {
        QueryError::Refused { method, why } => format!("{why} ({method})"),
        other => other.to_string(),
    }
}

/// Which chain answers, and how far it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tip {
    pub(crate) chain_id: u64,
    /// Computed from the header of block 0.
    pub(crate) genesis_hash: B256,
    pub(crate) latest: u64,
}

/// Asks which chain answers, and how far it is.
pub(crate) async fn tip(url: &str) -> Result<Tip, String> {
    let none = json!([]);
    let genesis = json!(["0x0", false]);
    let (id, block, latest) = futures_util::join!(
        call(url, "eth_chainId", &none),
        call(url, "eth_getBlockByNumber", &genesis),
        call(url, "eth_blockNumber", &none),
    );
    let genesis = Header::from_json(&block?).map_err(|error| error.to_string())?;
    let number = |answer: Value| events::quantity(&answer).ok_or_else(|| malformed("a number"));
    Ok(Tip { chain_id: number(id?)?, genesis_hash: genesis.hash, latest: number(latest?)? })
}

/// The anchors and publications of these contracts in blocks `from` to `to`.
pub(crate) async fn logs(url: &str, contracts: &[Address], from: u64, to: u64) -> Result<Vec<Log>, String> {
    let topics = [events::ANCHORED, events::PUBLISHED].map(keccak256);
    let filter = json!([{
        "address": contracts,
        "topics": [topics],
        "fromBlock": format!("0x{from:x}"),
        "toBlock": format!("0x{to:x}"),
    }]);
    let answer = call(url, "eth_getLogs", &filter).await?;
    events::read_all(&answer, contracts).ok_or_else(|| malformed("logs"))
}

fn malformed(what: &str) -> String {
    format!("{WHOM} answered with something other than {what}")
}

/// One JSON-RPC call.
async fn call(url: &str, method: &str, params: &Value) -> Result<Value, String> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let answer = http::post(WHOM, url, body).await.map_err(|fault| match fault {
        Fault::Unreachable(_) => format!("nothing answers this browser at {url}"),
        other => other.to_string(),
    })?;
    let mut answer: Value = match serde_json::from_slice(&answer.bytes) {
        Ok(value) => value,
        Err(_) if answer.status != 200 => return Err(Fault::Status(WHOM, answer.status).to_string()),
        Err(_) => return Err(malformed("JSON")),
    };
    if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
        let text = error.get("message").and_then(Value::as_str).unwrap_or("an error without a message");
        return Err(text.chars().take(200).collect());
    }
    answer.get_mut("result").map(Value::take).ok_or_else(|| malformed("a result"))
}
