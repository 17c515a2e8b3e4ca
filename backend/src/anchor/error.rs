//! What can be wrong with the chain, told apart by who has to do something about it.

use alloy::{
    primitives::{Address, B256},
    rpc::json_rpc::ErrorPayload,
    sol_types::SolInterface,
    transports::{RpcError, TransportErrorKind},
};

use super::contract::AnomalyLogger::AnomalyLoggerErrors;
use crate::domain::log::ChainHealth;

/// What the node or the way to it says.
pub(super) type RpcFailure = RpcError<TransportErrorKind>;

/// Why the chain does not do what the anchorer wants.
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
    /// Chain or contract are not those that the service is set up for. Needs a person.
    #[error("{0}")]
    Misconfigured(String),
    /// The contract refuses the transaction.
    #[error("the contract refuses to anchor: {0}")]
    Refused(String),
    /// The account cannot pay for the transaction.
    #[error("the anchoring account {account} cannot pay: {why}. Send it funds")]
    CannotPay {
        /// The account.
        account: Address,
        /// What the node says.
        why: String,
    },
    /// The node did not take the transaction, for a reason of its own; it may have it already, or take it later.
    #[error("the node does not take the anchoring transaction: {0}. It is offered again")]
    NotTaken(String),
    /// The chain asks for more than the ceiling.
    #[error(
        "a unit of gas costs at least {} gwei now, above the ceiling of {} (--max-fee-gwei): anchoring waits until it is \
         cheaper, or the ceiling is raised",
        gwei(*base_fee), gwei(*ceiling)
    )]
    TooDear {
        /// What the next block asks for a unit of gas, in wei.
        base_fee: u128,
        /// The most that may be paid, in wei.
        ceiling: u128,
    },
    /// A transaction was included, paid for, and had no effect.
    #[error(
        "the anchoring transaction {transaction} was included, but failed: another one is made in {again_s} s. If this \
         goes on, look whether the account is still the contract's anchorer, and whether somebody else uses its key"
    )]
    Failed {
        /// Its hash.
        transaction: B256,
        /// When another one is made.
        again_s: i64,
    },
    /// The node shows an older chain than it did before.
    #[error(
        "the node's newest block is {found}, after {seen} was seen: it lags, or the chain was rolled back. What is shown \
         is what was seen before; an older chain is believed when it stays"
    )]
    Older {
        /// The highest block that was seen.
        seen: u64,
        /// The newest block now.
        found: u64,
    },
}

impl ChainError {
    /// How the service and its chain get on while this lasts.
    pub(super) fn health(&self) -> ChainHealth {
        match self {
            Self::Unreachable { .. } => ChainHealth::Unreachable,
            Self::Misconfigured(_) | Self::Refused(_) | Self::CannotPay { .. } => ChainHealth::Misconfigured,
            Self::NotTaken(_) | Self::TooDear { .. } | Self::Failed { .. } | Self::Older { .. } => ChainHealth::Behind,
        }
    }
}

/// What a node that refuses a transaction means. Nodes agree on no code for these, so their words are read: those of
/// geth, Anvil, Erigon, Besu, Nethermind and Ganache.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The contract reverts.
    Reverted(String),
    /// It has this very transaction.
    AlreadyKnown,
    /// Another transaction of the account has taken the nonce. Perhaps it is the same one, included meanwhile.
    NonceUsed,
    /// The account has too little.
    CannotPay,
    /// Anything else.
    Other,
}

impl Refusal {
    pub(super) fn of(answer: &ErrorPayload) -> Self {
        let decoded = answer.as_revert_data().and_then(|data| AnomalyLoggerErrors::abi_decode(&data).ok());
        if let Some(refusal) = decoded {
            return Self::Reverted(format!("{refusal:?}"));
        }
        let message: String = answer.message.to_lowercase().split_whitespace().collect();
        let says = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
        if says(&["alreadyknown", "alreadyimported", "knowntransaction"]) {
            Self::AlreadyKnown
        } else if says(&["noncetoolow", "oldnonce"]) {
            Self::NonceUsed
        } else if says(&["insufficientfunds", "doesn'thaveenoughfunds"]) {
            Self::CannotPay
        } else {
            Self::Other
        }
    }
}

/// Wei as gwei, for people.
fn gwei(wei: u128) -> String {
    let text = format!("{:.9}", wei as f64 / 1e9);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(message: &str) -> Refusal {
        Refusal::of(&ErrorPayload { code: -32_000, message: message.to_owned().into(), data: None })
    }

    #[test]
    fn the_words_of_nodes_are_understood() {
        for known in ["already known", "transaction already imported", "AlreadyKnown", "Known transaction"] {
            assert_eq!(of(known), Refusal::AlreadyKnown, "{known}");
        }
        for used in ["nonce too low: next nonce 5, tx nonce 4", "Nonce too low", "OldNonce"] {
            assert_eq!(of(used), Refusal::NonceUsed, "{used}");
        }
        for poor in [
            "insufficient funds for gas * price + value: balance 0",
            "Insufficient funds for gas * price + value",
            "InsufficientFunds, Account balance: 0",
            "sender doesn't have enough funds to send tx",
        ] {
            assert_eq!(of(poor), Refusal::CannotPay, "{poor}");
        }
        for other in ["replacement transaction underpriced", "max fee per gas less than block base fee", ""] {
            assert_eq!(of(other), Refusal::Other, "{other}");
        }
    }

    #[test]
    fn fees_are_told_in_gwei() {
        assert_eq!(gwei(200_000_000_000), "200");
        assert_eq!(gwei(1_500_000_000), "1.5");
        assert_eq!(gwei(1), "0.000000001");
    }
}
