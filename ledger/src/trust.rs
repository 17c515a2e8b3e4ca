//! The trust roots: what an auditor believes before reading any evidence (docs/spec/evidence.md).
//!
//! They are the auditor's own, never the bundle's.

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::checkpoint::LogKey;

/// The most contracts that a log may have used before.
pub const MAX_PREDECESSORS: usize = 16;

/// The values on which every verdict rests. Also the form of the trust file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustRoots {
    /// The log's public key, with its origin.
    pub log_key: LogKey,
    /// The chain's id (EIP-155).
    pub chain_id: u64,
    /// Hash of block 0. Two chains may share an id, as every fresh Anvil does, but not this.
    pub genesis_hash: B256,
    /// The `AnomalyLogger`.
    #[serde(with = "checksummed")]
    pub contract: Address,
    /// keccak256 of the contract's code.
    pub code_hash: B256,
    /// The contracts that the log used before, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "a_few")]
    pub predecessors: Vec<TrustedContract>,
}

/// A contract that the auditor believes to have anchored the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedContract {
    /// Its address.
    #[serde(with = "checksummed")]
    pub contract: Address,
    /// keccak256 of its code.
    pub code_hash: B256,
}

impl TrustRoots {
    /// The names of the members in which two sets of trust roots differ.
    pub fn differences(&self, other: &TrustRoots) -> Vec<&'static str> {
        [
            ("log_key", self.log_key != other.log_key),
            ("chain_id", self.chain_id != other.chain_id),
            ("genesis_hash", self.genesis_hash != other.genesis_hash),
            ("contract", self.contract != other.contract),
            ("code_hash", self.code_hash != other.code_hash),
            ("predecessors", self.predecessors != other.predecessors),
        ]
        .into_iter()
        .filter_map(|(name, differs)| differs.then_some(name))
        .collect()
    }

    /// Whether these are the roots of the same log, gone on in a successor of the contract of `older`, or in one after
    /// that.
    pub fn succeeds(&self, older: &TrustRoots) -> bool {
        let then = older.predecessors.iter().copied().chain(older.contracts().take(1));
        let same = TrustRoots { contract: older.contract, code_hash: older.code_hash, ..self.clone() };
        self.contract != older.contract
            && TrustRoots { predecessors: older.predecessors.clone(), ..same } == *older
            && self.predecessors.len() > older.predecessors.len()
            && self.predecessors.iter().copied().zip(then).all(|(here, there)| here == there)
    }

    /// The contracts whose records count, the newest first.
    pub fn contracts(&self) -> impl Iterator<Item = TrustedContract> + '_ {
        let present = TrustedContract { contract: self.contract, code_hash: self.code_hash };
        std::iter::once(present).chain(self.predecessors.iter().rev().copied())
    }
}

/// A verifier asks each of them, so there is an end to them.
fn a_few<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<TrustedContract>, D::Error> {
    let contracts: Vec<TrustedContract> = Vec::deserialize(deserializer)?;
    if contracts.len() > MAX_PREDECESSORS {
        return Err(D::Error::custom(format!("expected at most {MAX_PREDECESSORS} predecessors")));
    }
    Ok(contracts)
}

/// Addresses are written with their checksum (EIP-55), so that a slip of the hand shows.
mod checksummed {
    use super::Address;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(address: &Address, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&address.to_checksum(None))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        let text = String::deserialize(deserializer)?;
        let address: Address = text.parse().map_err(D::Error::custom)?;
        let mixed =
            text.bytes().any(|b| b.is_ascii_lowercase() && b != b'x') && text.bytes().any(|b| b.is_ascii_uppercase());
        if mixed && address.to_checksum(None) != text {
            return Err(D::Error::custom(format!(
                "expected the checksum of {}, found {text}",
                address.to_checksum(None)
            )));
        }
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots(contracts: &[u8]) -> TrustRoots {
        let trusted =
            |at: &u8| TrustedContract { contract: Address::with_last_byte(*at), code_hash: B256::with_last_byte(*at) };
        let (last, before) = contracts.split_last().unwrap();
        TrustRoots {
            log_key: crate::checkpoint::LogSigner::new("test.local/log".parse().unwrap(), &[7; 32]).log_key(),
            chain_id: 1,
            genesis_hash: B256::ZERO,
            contract: trusted(last).contract,
            code_hash: trusted(last).code_hash,
            predecessors: before.iter().map(trusted).collect(),
        }
    }

    #[test]
    fn a_successor_adds_contracts_and_changes_nothing_else() {
        assert!(roots(&[1, 2]).succeeds(&roots(&[1])));
        assert!(roots(&[1, 2, 3]).succeeds(&roots(&[1, 2])));
        assert!(roots(&[1, 2, 3]).succeeds(&roots(&[1])));
        for (newer, older) in [(&[1][..], &[1][..]), (&[2], &[1]), (&[2, 1], &[1]), (&[3, 1, 2], &[1]), (&[1], &[1, 2])]
        {
            assert!(!roots(newer).succeeds(&roots(older)), "{newer:?} {older:?}");
        }
        assert!(!TrustRoots { chain_id: 2, ..roots(&[1, 2]) }.succeeds(&roots(&[1])));
    }
}
