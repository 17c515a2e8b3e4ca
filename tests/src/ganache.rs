//! Ganache: the other test chain, which mines a block for each transaction and calls every block final.

use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::{
    chain, paths, poll,
    process::{Process, free_port},
};

/// The phrase of Anvil's well-known accounts, so that [`chain::OWNER`] and [`chain::ANCHORER`] are here as well.
const MNEMONIC: &str = "test test test test test test test test test test test junk";

/// A chain that stands still until somebody sends a transaction or calls [`Ganache::mine`].
#[derive(Debug)]
pub struct Ganache {
    port: u16,
    // Before its directory, so that its log can still be shown.
    _process: Process,
    dir: TempDir,
}

impl Ganache {
    /// Starts a chain of its own, and waits until it answers.
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let port = free_port();
        let mut command = Command::new("node");
        command.arg(paths::ganache()).args(["--server.host", "127.0.0.1", "--server.port", &port.to_string()]);
        command.args(["--chain.chainId", "1337", "--chain.hardfork", "shanghai", "--wallet.mnemonic", MNEMONIC]);
        let process = Process::start("ganache", &mut command, dir.path());
        let ganache = Self { port, _process: process, dir };
        let number = async || chain::ask(&ganache.url(), "eth_blockNumber", json!([])).await.ok();
        poll::until("ganache answers", number).await;
        ganache
    }

    /// Where to ask it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Deploys the contract; gives its address.
    pub async fn deploy(&self, log_id: &str) -> String {
        chain::deploy(&self.url(), log_id, None, self.dir.path()).await
    }

    /// Adds empty blocks.
    pub async fn mine(&self, count: u64) {
        let mined = chain::ask(&self.url(), "evm_mine", json!([{ "blocks": count }])).await;
        mined.unwrap_or_else(|error| panic!("evm_mine: {error}"));
    }
}
