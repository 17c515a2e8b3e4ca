//! Anvil, and the contract on it as anybody sees it: by JSON-RPC, not by the service's tables.

use std::{path::Path, process::Command, time::Duration};

use alloy_primitives::{B256, hex, keccak256};
use ledger::Hash;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    paths, poll,
    process::{Process, free_port},
};

/// Anvil's well-known accounts: 0 owns the contract and deploys it, 1 anchors.
pub const OWNER: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
/// See [`OWNER`].
pub const OWNER_KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
/// See [`OWNER`].
pub const ANCHORER: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
/// See [`OWNER`].
pub const ANCHORER_KEY: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

/// A chain with a block every second, final two blocks later, that keeps its state when it is stopped.
#[derive(Debug)]
pub struct Chain {
    port: u16,
    /// The time of block 0. Fixed, because Anvil makes a new block 0 at every start (see scripts/lib/chain).
    genesis_time: u64,
    /// Whether blocks come only when they are asked for.
    by_hand: bool,
    // Before its directory, so that its log can still be shown.
    anvil: Option<Process>,
    dir: TempDir,
}

/// One `Anchored` event of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchored {
    /// The root.
    pub root: Hash,
    /// How many entries it covers.
    pub size: u64,
    /// The how-manieth it is.
    pub sequence: u64,
}

impl Chain {
    /// Starts a chain of its own.
    pub async fn start() -> Self {
        Self::start_as(false).await
    }

    /// Starts a chain of its own on which a block comes for each transaction; after [`Self::mine_by_hand`], only by
    /// [`Self::mine`].
    pub async fn start_by_hand() -> Self {
        Self::start_as(true).await
    }

    async fn start_as(by_hand: bool) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let port = free_port();
        // No two chains have the same port here, nor so the same block 0.
        let mut chain = Self { port, genesis_time: now() - u64::from(port), by_hand, anvil: None, dir };
        chain.resume().await;
        chain
    }

    /// The same chain, for a second trial on it. It does not end with this value.
    pub fn shared(&self) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        Self { port: self.port, genesis_time: self.genesis_time, by_hand: self.by_hand, anvil: None, dir }
    }

    /// Where to ask it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Stops it in an orderly way; its state is kept.
    pub async fn stop(&mut self) {
        if let Some(mut anvil) = self.anvil.take() {
            anvil.signal("INT");
            anvil.ended(Duration::from_secs(30)).await;
        }
    }

    /// Starts it again, on the same port and with the kept state.
    pub async fn resume(&mut self) {
        let state = self.dir.path().join("state.json");
        let mut command = Command::new(paths::foundry("anvil"));
        command.args(["--host", "127.0.0.1", "--port", &self.port.to_string(), "--quiet"]);
        command.args(["--slots-in-an-epoch", "1", "--preserve-historical-states"]);
        if !self.by_hand {
            command.args(["--block-time", "1"]);
        }
        command.args(["--timestamp", &self.genesis_time.to_string(), "--state"]).arg(state);
        self.anvil = Some(Process::start("anvil", &mut command, self.dir.path()));
        poll::until("anvil answers", async || self.try_rpc("eth_blockNumber", json!([])).await.ok()).await;
        self.rpc("evm_setTime", json!([now()])).await;
    }

    /// Forgets everything at the next start: another chain, of the same id.
    pub fn forget(&mut self) -> Vec<u8> {
        self.genesis_time += 1;
        let state = self.dir.path().join("state.json");
        let kept = std::fs::read(&state).expect("the state was written");
        std::fs::remove_file(state).expect("the state can be removed");
        kept
    }

    /// At the next start, goes on from a state that [`Self::forget`] gave.
    pub fn remember(&mut self, state: &[u8]) {
        self.genesis_time -= 1;
        std::fs::write(self.dir.path().join("state.json"), state).expect("the state can be written");
    }

    /// From now on, blocks come only by [`Self::mine`].
    pub async fn mine_by_hand(&self) {
        self.rpc("evm_setAutomine", json!([false])).await;
    }

    /// Makes blocks.
    pub async fn mine(&self, count: u64) {
        self.rpc("anvil_mine", json!([count])).await;
    }

    /// The number of the newest block.
    pub async fn height(&self) -> u64 {
        quantity(&self.rpc("eth_blockNumber", json!([])).await)
    }

    /// Deploys the contract; gives its address.
    pub async fn deploy(&self, log_id: &str) -> String {
        deploy(&self.url(), log_id, None, self.dir.path()).await
    }

    /// Deploys a contract that continues where another ends; gives its address.
    pub async fn deploy_successor(&self, log_id: &str, predecessor: &str) -> String {
        deploy(&self.url(), log_id, Some(predecessor), self.dir.path()).await
    }

    /// Asks by JSON-RPC.
    ///
    /// # Panics
    /// If there is no result.
    pub async fn rpc(&self, method: &str, params: Value) -> Value {
        self.try_rpc(method, params).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    async fn try_rpc(&self, method: &str, params: Value) -> Result<Value, String> {
        ask(&self.url(), method, params).await
    }

    /// The contract's `Anchored` events, in their order.
    pub async fn anchored(&self, contract: &str) -> Vec<Anchored> {
        let topic = keccak256("Anchored(bytes32,uint64,uint64)");
        let filter = json!([{ "address": contract, "topics": [topic], "fromBlock": "0x0", "toBlock": "latest" }]);
        let logs = self.rpc("eth_getLogs", filter).await;
        let event = |log: &Value| Anchored {
            root: Hash(word(&log["topics"][1]).0),
            size: low_u64(word(&log["topics"][2])),
            sequence: low_u64(word(&log["data"])),
        };
        logs.as_array().expect("a list of logs").iter().map(event).collect()
    }

    /// The contract's head: root and size.
    pub async fn head(&self, contract: &str) -> (Hash, u64) {
        let data = hex::encode_prefixed(&keccak256("head()")[..4]);
        let answer = self.rpc("eth_call", json!([{ "to": contract, "data": data }, "latest"])).await;
        let bytes = hex::decode(answer.as_str().expect("hex")).expect("hex");
        let (root, size) = bytes.split_at(32);
        (Hash(B256::from_slice(root).0), low_u64(B256::from_slice(size)))
    }

    /// How many transactions the anchorer has had included.
    pub async fn anchoring_transactions(&self) -> u64 {
        quantity(&self.rpc("eth_getTransactionCount", json!([ANCHORER, "latest"])).await)
    }

    /// Where its log is.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

/// Deploys the contract with the project's own forge script, by the owner's account; gives its address. Forge's own
/// record goes below `dir`.
pub(crate) async fn deploy(url: &str, log_id: &str, predecessor: Option<&str>, dir: &Path) -> String {
    let mut command = tokio::process::Command::new(paths::foundry("forge"));
    command.current_dir(paths::repo()).kill_on_drop(true);
    command.args(["script", "contracts/script/Deploy.s.sol", "--json", "--broadcast"]);
    command.args(["--rpc-url", url, "--private-key", OWNER_KEY]);
    command.env("LOG_ID", log_id).env("OWNER", OWNER).env("ANCHORER", ANCHORER);
    command.envs(predecessor.map(|predecessor| ("PREDECESSOR", predecessor)));
    command.env("FOUNDRY_BROADCAST", dir.join("broadcast"));
    // One at a time: forge keeps files of its own beside the contracts.
    static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let guard = ONE.lock().await;
    let output = command.output().await.expect("forge runs");
    drop(guard);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let mut lines = stdout.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let address = lines.find_map(|line| Some(line.get("contract_address")?.as_str()?.to_owned()));
    address.unwrap_or_else(|| panic!("forge named no contract: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Asks a node by JSON-RPC.
pub(crate) async fn ask(url: &str, method: &str, params: Value) -> Result<Value, String> {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let answer = crate::service::http().post(url).json(&request).send().await.map_err(|e| e.to_string())?;
    let mut answer: Value = answer.json().await.map_err(|e| e.to_string())?;
    match answer.get("error") {
        Some(error) => Err(error.to_string()),
        None => Ok(answer["result"].take()),
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("a clock after 1970").as_secs()
}

/// A number as JSON-RPC writes it.
///
/// # Panics
/// If it is none.
pub fn quantity(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().expect("hex").trim_start_matches("0x"), 16).expect("a quantity")
}

/// Thirty-two bytes as JSON-RPC writes them.
///
/// # Panics
/// If they are none.
pub fn word(value: &Value) -> B256 {
    value.as_str().and_then(|text| text.parse().ok()).expect("a word in hex")
}

fn low_u64(word: B256) -> u64 {
    u64::from_be_bytes(word[24..].try_into().expect("eight bytes"))
}
