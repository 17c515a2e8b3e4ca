//! The one kind of transaction that the anchorer makes, signs and sends.

use alloy::{
    consensus::{SignableTransaction, Transaction, TxEip1559, TxEnvelope, transaction::SignerRecoverable},
    eips::{
        BlockNumberOrTag,
        eip2718::{Decodable2718, Encodable2718},
    },
    network::TxSignerSync,
    primitives::{B256, Bytes, TxKind, U256},
    providers::{
        Provider,
        utils::{
            EIP1559_FEE_ESTIMATION_PAST_BLOCKS, EIP1559_FEE_ESTIMATION_REWARD_PERCENTILE, Eip1559Estimation,
            eip1559_default_estimator,
        },
    },
    rpc::types::TransactionRequest,
    sol_types::SolCall,
};
use ledger::Hash;

use super::{
    chain::Chain,
    contract::AnomalyLogger::anchorCall,
    error::{ChainError, Refusal, RpcFailure},
};

/// What anchors an extension.
#[derive(Debug, Clone)]
pub(super) struct Anchoring {
    pub(super) root: Hash,
    pub(super) size: u64,
    pub(super) proof: Vec<Hash>,
    pub(super) publication: Vec<u8>,
}

/// A signed transaction, ready to be sent.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    pub(super) nonce: u64,
    pub(super) hash: B256,
    pub(super) raw: Vec<u8>,
}

/// What came of sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// The node has it.
    Taken,
    /// Its nonce is taken: by itself, or by another transaction. The next look at the head shows which.
    NonceUsed,
}

impl Chain {
    /// Makes and signs an anchoring transaction. Asks the node for gas, and so learns of a refusal before paying.
    pub(super) async fn sign(&self, anchoring: &Anchoring, nonce: u64, chain_id: u64) -> Result<Signed, ChainError> {
        let input = anchorCall {
            root: anchoring.root.0.into(),
            size: anchoring.size,
            proof: anchoring.proof.iter().map(|hash| hash.0.into()).collect(),
            publication: anchoring.publication.clone().into(),
        };
        let input = Bytes::from(input.abi_encode());
        let gas_limit = self.gas_limit(&input).await?;
        let fees = self.fees().await?;
        let ceiling = self.config.max_fee_per_gas;
        self.sealed(TxEip1559 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: fees.max_fee_per_gas.min(ceiling),
            max_priority_fee_per_gas: fees.max_priority_fee_per_gas.min(ceiling),
            to: TxKind::Call(self.config.contract),
            value: U256::ZERO,
            access_list: Default::default(),
            input,
        })
    }

    /// The gas that a call of the contract may take. The estimate is exact for this state; a block's time may differ,
    /// nothing else.
    async fn gas_limit(&self, input: &Bytes) -> Result<u64, ChainError> {
        let request = TransactionRequest::default()
            .from(self.signer.address())
            .to(self.config.contract)
            .input(input.clone().into());
        let gas = self.provider.estimate_gas(request).await.map_err(|error| self.refusal(error))?;
        Ok(gas + gas / 10)
    }

    /// Signs the same transaction again, with fees raised by an eighth, or to what the chain asks if that is more, or
    /// to the ceiling if that is less. `None` where not even a tenth more is allowed: pools take no smaller raise. An error
    /// if the contract would refuse it by now.
    pub(super) async fn sign_again(&self, raw: &[u8]) -> Result<Option<Signed>, ChainError> {
        let old = match TxEnvelope::decode_2718_exact(raw) {
            Ok(TxEnvelope::Eip1559(signed)) => signed.strip_signature(),
            _ => return Err(ChainError::Misconfigured("the outbox holds no transaction of ours".into())),
        };
        let gas_limit = self.gas_limit(&old.input).await?.max(old.gas_limit);
        let fees = self.fees().await?;
        let ceiling = self.config.max_fee_per_gas;
        let raised = |old: u128, asked: u128| asked.max(old + old.div_ceil(8)).min(ceiling);
        let max_fee = raised(old.max_fee_per_gas, fees.max_fee_per_gas);
        let tip = raised(old.max_priority_fee_per_gas, fees.max_priority_fee_per_gas).min(max_fee);
        let enough = |old: u128, new: u128| new >= old + old.div_ceil(10);
        if !enough(old.max_fee_per_gas, max_fee) || !enough(old.max_priority_fee_per_gas, tip) {
            return Ok(None);
        }
        let raised = TxEip1559 { gas_limit, max_fee_per_gas: max_fee, max_priority_fee_per_gas: tip, ..old };
        self.sealed(raised).map(Some)
    }

    /// What a transaction should offer now; an error if even the least is above the ceiling.
    async fn fees(&self) -> Result<Eip1559Estimation, ChainError> {
        let percentile = [EIP1559_FEE_ESTIMATION_REWARD_PERCENTILE];
        let history =
            self.provider.get_fee_history(EIP1559_FEE_ESTIMATION_PAST_BLOCKS, BlockNumberOrTag::Latest, &percentile);
        let history = history.await.map_err(|e| self.unreachable(e))?;
        let base_fee = history.next_block_base_fee().unwrap_or(0);
        let ceiling = self.config.max_fee_per_gas;
        if base_fee > ceiling {
            return Err(ChainError::TooDear { base_fee, ceiling });
        }
        Ok(eip1559_default_estimator(base_fee, &history.reward.unwrap_or_default()))
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

    /// Whether our account has signed this transaction, and for this contract. A row of the outbox may be older than
    /// the account, or of the contract's predecessor.
    pub(super) fn is_ours(&self, raw: &[u8]) -> bool {
        let Ok(envelope) = TxEnvelope::decode_2718_exact(raw) else { return false };
        envelope.to() == Some(self.config.contract)
            && envelope.recover_signer().is_ok_and(|signer| signer == self.signer.address())
    }

    /// Sends a signed transaction. That the node knows it already is as good.
    pub(super) async fn send(&self, raw: &[u8]) -> Result<Sent, ChainError> {
        let Err(error) = self.provider.send_raw_transaction(raw).await else { return Ok(Sent::Taken) };
        match error.as_error_resp().map(Refusal::of) {
            Some(Refusal::AlreadyKnown) => Ok(Sent::Taken),
            Some(Refusal::NonceUsed) => Ok(Sent::NonceUsed),
            _ => Err(self.refusal(error)),
        }
    }

    /// An error of the node, told apart: did the contract refuse, or did the node not answer?
    fn refusal(&self, error: RpcFailure) -> ChainError {
        let Some(payload) = error.as_error_resp() else { return self.unreachable(error) };
        let why = payload.message.chars().take(300).collect();
        match Refusal::of(payload) {
            Refusal::Reverted(refusal) => ChainError::Refused(refusal),
            Refusal::CannotPay => ChainError::CannotPay { account: self.signer.address(), why },
            _ => ChainError::NotTaken(why),
        }
    }
}
