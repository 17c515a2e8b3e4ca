//! The chain as the anchorer sees it: what the node is asked. What it is sent is in `transaction.rs`.
//!
//! Nonces, fees and waiting are the anchorer's own; no filler, no cached nonce, no waiting for receipts here.

use std::time::Duration;

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, keccak256},
    providers::{Provider, RootProvider},
    rpc::{client::RpcClient, types::TransactionRequest},
    signers::local::PrivateKeySigner,
    sol_types::SolCall,
};
use ledger::{
    Hash,
    chain::{
        Header,
        query::{ChainQuery, ChainState, Finality, Progress},
    },
    checkpoint::LogKey,
    trust::{MAX_PREDECESSORS, TrustRoots, TrustedContract},
};
use serde_json::Value;

use super::{
    contract::AnomalyLogger::{anchorerCall, candidateCall, headCall, logIdCall, predecessorCall},
    error::{ChainError, RpcFailure},
    transport::BoundedHttp,
};
use crate::domain::{log::Block, redact};

/// Where the chain is, and who anchors.
#[derive(Debug, Clone)]
pub(crate) struct ChainConfig {
    /// Where to ask.
    pub(crate) rpc_url: String,
    /// A node that has not answered by then is as good as down.
    pub(crate) timeout: Duration,
    /// The `AnomalyLogger`.
    pub(crate) contract: Address,
    /// How the chain says that a block will stay.
    pub(crate) finality: Finality,
    /// The most that a unit of gas may cost, in wei.
    pub(crate) max_fee_per_gas: u128,
}

/// A head of the contract at some block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) size: u64,
    pub(crate) root: Hash,
}

/// The heads at the newest and at the final block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heads {
    pub(super) latest_block: Block,
    pub(super) latest: Head,
    /// Block and head; `None` while no final block has the contract.
    pub(super) finalized: Option<(Block, Head)>,
}

/// A node, a contract, and the account that anchors.
pub(crate) struct Chain {
    pub(super) config: ChainConfig,
    /// The address without user and password, for messages.
    shown_url: String,
    pub(super) provider: RootProvider,
    pub(super) signer: PrivateKeySigner,
}

impl Chain {
    /// Sets up the way to the node; nothing is asked yet.
    pub(crate) fn new(config: ChainConfig, signer: PrivateKeySigner) -> Result<Self, ChainError> {
        let bad = |why: String| ChainError::Misconfigured(format!("the RPC address cannot be used: {why}"));
        let url: reqwest::Url = config.rpc_url.parse().map_err(|error| bad(format!("{error}")))?;
        let shown_url = redact::without_userinfo(url.as_str());
        let http = BoundedHttp::new(url, config.timeout).map_err(|error| bad(error.to_string()))?;
        let provider = RootProvider::new(RpcClient::new(http, false));
        Ok(Self { config, shown_url, provider, signer })
    }

    pub(super) fn unreachable(&self, source: RpcFailure) -> ChainError {
        // The library names what it was doing; why that failed stands in the causes.
        let mut why = source.to_string();
        let mut cause = std::error::Error::source(&source);
        while let Some(error) = cause {
            why = format!("{why}: {error}");
            cause = error.source();
        }
        // What a node says instead of an answer may be long.
        let why: String = redact::in_text(&why).chars().take(300).collect();
        ChainError::Unreachable { url: self.shown_url.clone(), why }
    }

    /// Reads chain id and genesis, and checks that they are those of the pinned trust roots.
    async fn identify_chain(&self, pinned: Option<&TrustRoots>) -> Result<(u64, B256), ChainError> {
        let chain_id = self.provider.get_chain_id().await.map_err(|e| self.unreachable(e))?;
        let genesis_hash = self.block_at(0).await?.map(|block| block.hash);
        let genesis_hash =
            genesis_hash.ok_or_else(|| ChainError::Misconfigured("the chain has no block 0".to_owned()))?;
        let mut changed = Vec::new();
        if let Some(pinned) = pinned {
            if pinned.chain_id != chain_id {
                changed.push(format!("chain id {}, expected {}", chain_id, pinned.chain_id));
            }
            if pinned.genesis_hash != genesis_hash {
                changed.push(format!("hash of block 0 {}, expected {}", genesis_hash, pinned.genesis_hash));
            }
        }
        match changed.as_slice() {
            [] => Ok((chain_id, genesis_hash)),
            changed => Err(ChainError::Misconfigured(format!(
                "this is another chain than before ({}): point --rpc-url to the chain in GET /api/v1/trust, or restore \
                 its state",
                changed.join("; ")
            ))),
        }
    }

    /// Reads what makes the trust roots, and checks that log and anchorer are the contract's, and that nothing
    /// differs from the roots that were pinned before.
    pub(super) async fn identify(
        &self,
        log_key: &LogKey,
        pinned: Option<&TrustRoots>,
    ) -> Result<TrustRoots, ChainError> {
        let (chain_id, genesis_hash) = self.identify_chain(pinned).await?;
        let contract = self.config.contract;
        let wrong = |what: String| Err(ChainError::Misconfigured(what));
        let code = self.provider.get_code_at(contract).await.map_err(|e| self.unreachable(e))?;
        if code.is_empty() {
            return wrong(format!(
                "there is no contract at {contract} on chain {chain_id}: deploy it, or restore the chain's state"
            ));
        }
        let code_hash = keccak256(&code);
        let predecessors = self.predecessors().await?;
        if let Some(pinned) = pinned.filter(|pinned| pinned.contract != contract) {
            self.check_succession(pinned, &predecessors).await?;
        } else if let Some(pinned) = pinned.filter(|pinned| pinned.code_hash != code_hash) {
            return wrong(format!(
                "the contract at {contract} has other code than before (code hash {code_hash}, expected {}): nothing is \
                 anchored there. Go back to the chain in GET /api/v1/trust",
                pinned.code_hash
            ));
        }
        let log_id = self.call(logIdCall {}, BlockId::latest()).await?;
        if log_id.0 != log_key.key_hash().0 {
            return wrong(format!(
                "the contract at {contract} belongs to the log {log_id}, ours is 0x{}",
                log_key.key_hash()
            ));
        }
        let anchorer = self.call(anchorerCall {}, BlockId::latest()).await?;
        if anchorer != self.signer.address() {
            return wrong(format!(
                "the contract's anchorer is {anchorer}, our key belongs to {}: start with the anchorer's key, or let \
                 the owner propose our account, and accept",
                self.signer.address()
            ));
        }
        let log_key = log_key.clone();
        Ok(TrustRoots { log_key, chain_id, genesis_hash, contract, code_hash, predecessors })
    }

    /// The contracts that ours continues, oldest first.
    async fn predecessors(&self) -> Result<Vec<TrustedContract>, ChainError> {
        let mut predecessors = Vec::new();
        let mut contract = self.config.contract;
        while predecessors.len() < MAX_PREDECESSORS {
            contract = self.call_at(contract, predecessorCall {}, BlockId::latest()).await?;
            if contract == Address::ZERO {
                break;
            }
            let code = self.provider.get_code_at(contract).await.map_err(|e| self.unreachable(e))?;
            predecessors.push(TrustedContract { contract, code_hash: keccak256(&code) });
        }
        predecessors.reverse();
        Ok(predecessors)
    }

    /// Another contract than the pinned one is only taken if it continues that one, which nobody can move on any more.
    async fn check_succession(&self, pinned: &TrustRoots, predecessors: &[TrustedContract]) -> Result<(), ChainError> {
        let old = TrustedContract { contract: pinned.contract, code_hash: pinned.code_hash };
        let Some(at) = predecessors.iter().position(|predecessor| *predecessor == old) else {
            let old = old.contract;
            return Err(ChainError::Misconfigured(format!(
                "this is another contract than before ({}, expected {old}), and not its successor: point --contract to \
                 the one in GET /api/v1/trust",
                self.config.contract
            )));
        };
        for TrustedContract { contract, .. } in &predecessors[at..] {
            let anchorer = self.call_at(*contract, anchorerCall {}, BlockId::latest()).await?;
            let candidate = self.call_at(*contract, candidateCall {}, BlockId::latest()).await?;
            if let Some(other) = [anchorer, candidate].into_iter().find(|account| *account != Address::ZERO) {
                return Err(ChainError::Misconfigured(format!(
                    "the predecessor {contract} still lets {other} anchor, so two contracts could have a history each: \
                     its owner has to take that right away first (removeAnchorer, proposeAnchorer with zero)"
                )));
            }
        }
        // A successor that a reorganisation takes away again must not have been taken over.
        if self.heads().await?.finalized.is_none() {
            return Err(ChainError::Misconfigured(format!(
                "the successor {} is not in a final block yet: it is taken over when it is",
                self.config.contract
            )));
        }
        Ok(())
    }

    /// The contract's head at the newest and at the final block.
    pub(super) async fn heads(&self) -> Result<Heads, ChainError> {
        let latest_block = self.block("latest").await?.ok_or_else(|| ChainError::Unreachable {
            url: self.shown_url.clone(),
            why: "the node names no newest block".to_owned(),
        })?;
        let latest = self.head(BlockId::number(latest_block.number)).await?;
        let final_block = match self.config.finality {
            Finality::Depth(depth) => match latest_block.number.checked_sub(depth) {
                Some(number) => self.block_at(number).await?,
                None => None,
            },
            Finality::Tag => self.block("finalized").await?,
        };
        let finalized = match final_block {
            Some(block) => match self.head(BlockId::number(block.number)).await {
                Ok(head) => Some((block, head)),
                // Before the contract was deployed there was nothing to call.
                Err(ChainError::Misconfigured(_)) => None,
                Err(error) => return Err(error),
            },
            None => None,
        };
        Ok(Heads { latest_block, latest, finalized })
    }

    /// The block with this number; `None` if the node has none.
    pub(super) async fn block_at(&self, number: u64) -> Result<Option<Block>, ChainError> {
        self.block(&format!("{number:#x}")).await
    }

    /// The block with this number or tag; `None` if the node has none, or does not know the tag. Its hash is computed,
    /// as every verifier will compute it; what the node says of it is not believed.
    async fn block(&self, which: &str) -> Result<Option<Block>, ChainError> {
        let block: Result<Value, _> =
            self.provider.raw_request("eth_getBlockByNumber".into(), (which.to_owned(), false)).await;
        let block = match block {
            Ok(Value::Null) => return Ok(None),
            Ok(block) => block,
            Err(error) if error.is_error_resp() && which == "finalized" => return Ok(None),
            Err(error) => return Err(self.unreachable(error)),
        };
        let header = Header::from_json(&block).map_err(|error| {
            ChainError::Misconfigured(format!(
                "block {which} of the chain cannot be read: {error}. Ask another node; if it is the same there, the \
                 chain has blocks of a form that this version does not know"
            ))
        })?;
        Ok(Some(Block { number: header.number, hash: header.hash }))
    }

    async fn head(&self, block: BlockId) -> Result<Head, ChainError> {
        let head = self.call(headCall {}, block).await?;
        Ok(Head { size: head.size, root: Hash(head.root.0) })
    }

    async fn call<C: SolCall>(&self, call: C, block: BlockId) -> Result<C::Return, ChainError> {
        self.call_at(self.config.contract, call, block).await
    }

    async fn call_at<C: SolCall>(&self, contract: Address, call: C, block: BlockId) -> Result<C::Return, ChainError> {
        let request = TransactionRequest::default().to(contract).input(call.abi_encode().into());
        let answer = self.provider.call(request).block(block).await.map_err(|e| self.unreachable(e))?;
        C::abi_decode_returns(&answer)
            .map_err(|error| ChainError::Misconfigured(format!("{contract} is no AnomalyLogger: {error}")))
    }

    /// The next nonce of our account after this block. Only included transactions count.
    pub(super) async fn nonce(&self, after: Block) -> Result<u64, ChainError> {
        let count = self.provider.get_transaction_count(self.signer.address()).number(after.number);
        count.await.map_err(|e| self.unreachable(e))
    }

    /// Whether a transaction was included and succeeded; `None` while it was not included.
    pub(super) async fn outcome(&self, transaction: B256) -> Result<Option<bool>, ChainError> {
        let receipt: Value = self
            .provider
            .raw_request("eth_getTransactionReceipt".into(), (transaction,))
            .await
            .map_err(|e| self.unreachable(e))?;
        Ok(receipt.get("status").and_then(Value::as_str).map(|status| status == "0x1"))
    }

    /// The contract's record of a root with its proofs, at the final block.
    pub(super) async fn proofs(&self, root: Hash, size: u64) -> Result<ChainState, ChainError> {
        let mut query = ChainQuery::new(self.config.contract, root, size, self.config.finality);
        loop {
            let mut answers = Vec::new();
            for request in query.requests() {
                let answer = self.provider.raw_request(request.method.into(), request.params).await;
                match answer {
                    Err(error) if error.is_transport_error() => return Err(self.unreachable(error)),
                    answer => answers.push(answer.map_err(|error: RpcFailure| error.to_string())),
                }
            }
            match query.answer(answers) {
                Ok(Progress::Asking(next)) => query = *next,
                Ok(Progress::Done(state)) => return Ok(*state),
                Err(error) => {
                    return Err(ChainError::Unreachable { url: self.shown_url.clone(), why: error.to_string() });
                }
            }
        }
    }
}
