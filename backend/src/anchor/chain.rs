//! The chain as the anchorer needs it: a few questions, and one kind of transaction.
//!
//! Nonces, fees and waiting are the anchorer's own; no filler, no cached nonce, no waiting for receipts here.

use std::time::Duration;

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope, transaction::SignerRecoverable},
    eips::{
        BlockId, BlockNumberOrTag,
        eip2718::{Decodable2718, Encodable2718},
    },
    network::TxSignerSync,
    primitives::{Address, B256, Bytes, TxKind, U256, keccak256},
    providers::{Provider, RootProvider},
    rpc::{client::RpcClient, types::TransactionRequest},
    signers::local::PrivateKeySigner,
    sol_types::{SolCall, SolInterface},
    transports::{RpcError, TransportErrorKind, http::Http},
};
use ledger::{
    Hash,
    chain::{
        Header,
        query::{ChainQuery, ChainState, Finality, Progress},
    },
    trust::TrustRoots,
};

use super::contract::AnomalyLogger::{AnomalyLoggerErrors, anchorCall, anchorerCall, headCall, logIdCall};
use crate::domain::{log::Block, redact};

/// A node that has not answered by then is as good as down.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The contract's head cannot be read before the contract exists, or if it is another one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChainError {
    /// The node did not answer, or not usefully. May pass.
    #[error("the chain does not answer at {url}: {why}")]
    Unreachable {
        /// Where, without user and password.
        url: String,
        /// Why. A text, because the error's own names the address with its password.
        why: String,
    },
    /// Chain, contract or account are not those that the service is set up for. Needs a person.
    #[error("{0}")]
    Misconfigured(String),
    /// The contract refuses the transaction, or the account cannot pay for it: it will never be included.
    #[error("{0}")]
    Refused(String),
    /// The node did not take the transaction, for a reason of its own; it may have it already, or take it later.
    #[error("the node does not take the anchoring transaction: {0}")]
    NotTaken(String),
}

/// What the node or the way to it says.
pub(crate) type RpcFailure = RpcError<TransportErrorKind>;

/// Where the chain is, and who anchors.
#[derive(Debug, Clone)]
pub(crate) struct ChainConfig {
    /// Where to ask.
    pub(crate) rpc_url: String,
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
pub(crate) struct Heads {
    pub(crate) latest_block: Block,
    pub(crate) latest: Head,
    /// Block and head; `None` while no final block has the contract.
    pub(crate) finalized: Option<(u64, Head)>,
}

/// What anchors an extension.
#[derive(Debug, Clone)]
pub(crate) struct Anchoring {
    pub(crate) root: Hash,
    pub(crate) size: u64,
    pub(crate) proof: Vec<Hash>,
    pub(crate) publication: Vec<u8>,
}

/// A signed transaction, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    pub(crate) nonce: u64,
    pub(crate) hash: B256,
    pub(crate) raw: Vec<u8>,
}

/// A node, a contract, and the account that anchors.
pub(crate) struct Chain {
    config: ChainConfig,
    /// The address without user and password, for messages.
    shown_url: String,
    provider: RootProvider,
    signer: PrivateKeySigner,
}

impl Chain {
    /// Sets up the way to the node; nothing is asked yet.
    pub(crate) fn new(config: ChainConfig, signer: PrivateKeySigner) -> Result<Self, ChainError> {
        let bad = |why: String| ChainError::Misconfigured(format!("the RPC address cannot be used: {why}"));
        let url: reqwest::Url = config.rpc_url.parse().map_err(|error| bad(format!("{error}")))?;
        let shown_url = redact::without_userinfo(url.as_str());
        let client = reqwest::Client::builder().timeout(TIMEOUT).build().map_err(|error| bad(error.to_string()))?;
        let provider = RootProvider::new(RpcClient::new(Http::with_client(client, url), false));
        Ok(Self { config, shown_url, provider, signer })
    }

    fn unreachable(&self, source: RpcFailure) -> ChainError {
        ChainError::Unreachable { url: self.shown_url.clone(), why: redact::in_text(&source.to_string()) }
    }

    /// Reads chain id, genesis and code, and checks that log and anchorer are the contract's.
    pub(crate) async fn identify(&self, log_key: &ledger::checkpoint::LogKey) -> Result<TrustRoots, ChainError> {
        let chain_id = self.provider.get_chain_id().await.map_err(|e| self.unreachable(e))?;
        let genesis_hash = self.block("0x0").await?.hash;
        let contract = self.config.contract;
        let code = self.provider.get_code_at(contract).await.map_err(|e| self.unreachable(e))?;
        let wrong = |what: String| Err(ChainError::Misconfigured(what));
        if code.is_empty() {
            return wrong(format!(
                "there is no contract at {contract} on chain {chain_id}: deploy it, or restore the chain"
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
                "the contract's anchorer is {anchorer}, our key belongs to {}",
                self.signer.address()
            ));
        }
        let (log_key, code_hash) = (log_key.clone(), keccak256(&code));
        Ok(TrustRoots { log_key, chain_id, genesis_hash, contract, code_hash, predecessors: Vec::new() })
    }

    /// The contract's head at the newest and at the final block.
    pub(crate) async fn heads(&self) -> Result<Heads, ChainError> {
        let latest_block = self.block("latest").await?;
        let latest = self.head(BlockId::number(latest_block.number)).await?;
        let final_block = match self.config.finality {
            Finality::Depth(depth) => latest_block.number.checked_sub(depth),
            Finality::Tag => {
                match self.provider.get_block_by_number(BlockNumberOrTag::Finalized).await {
                    Ok(block) => block.map(|block| block.header.number),
                    // A node without the tag, or one that has not heard of a final block yet.
                    Err(error) if error.is_error_resp() => None,
                    Err(error) => return Err(self.unreachable(error)),
                }
            }
        };
        let finalized = match final_block {
            Some(block) => match self.head(BlockId::number(block)).await {
                Ok(head) => Some((block, head)),
                // Before the contract was deployed there was nothing to call.
                Err(ChainError::Misconfigured(_)) => None,
                Err(error) => return Err(error),
            },
            None => None,
        };
        Ok(Heads { latest_block, latest, finalized })
    }

    /// The block with this number or tag. Its hash is computed, as every verifier will compute it; what the node says
    /// of it is not believed.
    async fn block(&self, which: &'static str) -> Result<Block, ChainError> {
        let request = self.provider.raw_request("eth_getBlockByNumber".into(), (which, false));
        let block: serde_json::Value = request.await.map_err(|e| self.unreachable(e))?;
        let header = Header::from_json(&block).map_err(|error| {
            ChainError::Misconfigured(format!("the block {which:?} of the chain cannot be read: {error}"))
        })?;
        Ok(Block { number: header.number, hash: header.hash })
    }

    async fn head(&self, block: BlockId) -> Result<Head, ChainError> {
        let head = self.call(headCall {}, block).await?;
        Ok(Head { size: head.size, root: Hash(head.root.0) })
    }

    async fn call<C: SolCall>(&self, call: C, block: BlockId) -> Result<C::Return, ChainError> {
        let request = TransactionRequest::default().to(self.config.contract).input(call.abi_encode().into());
        let answer = self.provider.call(request).block(block).await.map_err(|e| self.unreachable(e))?;
        C::abi_decode_returns(&answer).map_err(|error| {
            ChainError::Misconfigured(format!("{} is no AnomalyLogger: {error}", self.config.contract))
        })
    }

    /// The next nonce of our account, counting included transactions only.
    pub(crate) async fn nonce(&self) -> Result<u64, ChainError> {
        self.provider.get_transaction_count(self.signer.address()).await.map_err(|e| self.unreachable(e))
    }

    /// Makes and signs an anchoring transaction. Asks the node for gas, and so learns of a refusal before paying.
    pub(crate) async fn sign(&self, anchoring: &Anchoring, nonce: u64, chain_id: u64) -> Result<Signed, ChainError> {
        let input = anchorCall {
            root: anchoring.root.0.into(),
            size: anchoring.size,
            proof: anchoring.proof.iter().map(|hash| hash.0.into()).collect(),
            publication: anchoring.publication.clone().into(),
        };
        let input = Bytes::from(input.abi_encode());
        let request = TransactionRequest::default()
            .from(self.signer.address())
            .to(self.config.contract)
            .input(input.clone().into());
        let gas = self.provider.estimate_gas(request).await.map_err(|error| self.refusal(error))?;
        let fees = self.provider.estimate_eip1559_fees().await.map_err(|e| self.unreachable(e))?;
        self.sealed(TxEip1559 {
            chain_id,
            nonce,
            // The estimate is exact for this state; a block's time may differ, nothing else.
            gas_limit: gas + gas / 10,
            max_fee_per_gas: fees.max_fee_per_gas.min(self.config.max_fee_per_gas),
            max_priority_fee_per_gas: fees.max_priority_fee_per_gas.min(self.config.max_fee_per_gas),
            to: TxKind::Call(self.config.contract),
            value: U256::ZERO,
            access_list: Default::default(),
            input,
        })
    }

    /// Signs the same transaction again, with fees raised by an eighth (pools ask for a tenth), or to what the node
    /// suggests if that is more. Where the ceiling does not allow it, it stays as it is.
    pub(crate) async fn sign_again(&self, raw: &[u8]) -> Result<Signed, ChainError> {
        let old = match TxEnvelope::decode_2718_exact(raw) {
            Ok(TxEnvelope::Eip1559(signed)) => signed.strip_signature(),
            _ => return Err(ChainError::Refused("the outbox holds no transaction of ours".into())),
        };
        let fees = self.provider.estimate_eip1559_fees().await.map_err(|e| self.unreachable(e))?;
        let raised = |old: u128, suggested: u128| suggested.max(old + old.div_ceil(8));
        let max_fee = raised(old.max_fee_per_gas, fees.max_fee_per_gas);
        let tip = raised(old.max_priority_fee_per_gas, fees.max_priority_fee_per_gas);
        if max_fee > self.config.max_fee_per_gas || tip > max_fee {
            return self.sealed(old);
        }
        self.sealed(TxEip1559 { max_fee_per_gas: max_fee, max_priority_fee_per_gas: tip, ..old })
    }

    /// Signs a transaction. The same transaction gives the same bytes (RFC 6979).
    fn sealed(&self, mut transaction: TxEip1559) -> Result<Signed, ChainError> {
        let signature = self
            .signer
            .sign_transaction_sync(&mut transaction)
            .map_err(|error| ChainError::Misconfigured(format!("the anchoring key does not sign: {error}")))?;
        let nonce = transaction.nonce;
        let envelope = TxEnvelope::from(transaction.into_signed(signature));
        Ok(Signed { nonce, hash: *envelope.tx_hash(), raw: envelope.encoded_2718() })
    }

    /// Whether our account has signed this transaction. A row of the outbox may be older than the account.
    pub(crate) fn is_ours(&self, raw: &[u8]) -> bool {
        let signer = TxEnvelope::decode_2718_exact(raw).ok().and_then(|envelope| envelope.recover_signer().ok());
        signer == Some(self.signer.address())
    }

    /// Sends a signed transaction. That the node knows it already is as good.
    pub(crate) async fn send(&self, raw: &[u8]) -> Result<(), ChainError> {
        match self.provider.send_raw_transaction(raw).await {
            Ok(_) => Ok(()),
            Err(error) if says(&error, &["already known", "already imported", "known transaction"]) => Ok(()),
            Err(error) => Err(self.refusal(error)),
        }
    }

    /// An error of the node, told apart: did the contract refuse, or did the node not answer?
    fn refusal(&self, error: RpcFailure) -> ChainError {
        let Some(payload) = error.as_error_resp() else { return self.unreachable(error) };
        let decoded = payload.as_revert_data().and_then(|data| AnomalyLoggerErrors::abi_decode(&data).ok());
        match decoded {
            Some(refusal) => ChainError::Refused(format!("the contract refuses to anchor: {refusal:?}")),
            None if says(&error, &["insufficient funds"]) => ChainError::Refused(format!(
                "the anchoring account {} cannot pay: {}",
                self.signer.address(),
                payload.message
            )),
            None => ChainError::NotTaken(payload.message.to_string()),
        }
    }

    /// The contract's record of a root with its proofs, at the final block.
    pub(crate) async fn proofs(&self, root: Hash, size: u64) -> Result<ChainState, ChainError> {
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

/// Whether the node's error message says one of these things. Nodes agree on no code for them.
fn says(error: &RpcFailure, texts: &[&str]) -> bool {
    error.as_error_resp().is_some_and(|payload| {
        let message = payload.message.to_lowercase().replace(' ', "");
        texts.iter().any(|text| message.contains(&text.replace(' ', "")))
    })
}
