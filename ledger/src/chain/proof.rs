//! Account and storage proofs (EIP-1186), walked by `alloy-trie`.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::{
    Nibbles, TrieAccount,
    nodes::TrieNode,
    proof::{ProofVerificationError, verify_proof},
};

/// Why a proof does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The nodes do not lead from the root to the key.
    #[error("the nodes do not lead from the root {root} to the key: {source}")]
    Path {
        /// Where the proof starts.
        root: B256,
        /// What the walk says.
        source: Box<ProofVerificationError>,
    },
    /// What stands at the key is not what should stand there.
    #[error("what the proof leads to is malformed: {0}")]
    Value(#[from] alloy_rlp::Error),
    /// The block's state has no such account.
    #[error("expected an account at the contract's address, found none")]
    NoAccount,
}

/// What an account proof shows of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountProof {
    /// keccak256 of its code.
    pub code_hash: B256,
    /// The root of its storage.
    pub storage_root: B256,
}

/// The contract's account in the state with this root.
///
/// # Errors
/// See [`ProofError`].
pub fn contract_account(state_root: B256, contract: Address, proof: &[Bytes]) -> Result<AccountProof, ProofError> {
    let value = value_at(state_root, keccak256(contract), proof)?.ok_or(ProofError::NoAccount)?;
    let mut rest = value.as_slice();
    let account = TrieAccount::decode(&mut rest)?;
    if !rest.is_empty() {
        return Err(alloy_rlp::Error::UnexpectedLength.into());
    }
    Ok(AccountProof { code_hash: account.code_hash, storage_root: account.storage_root })
}

/// The word in a slot of the storage with this root; zero where the slot is empty.
///
/// # Errors
/// See [`ProofError`].
pub fn storage_word(storage_root: B256, slot: B256, proof: &[Bytes]) -> Result<U256, ProofError> {
    let Some(value) = value_at(storage_root, keccak256(slot), proof)? else { return Ok(U256::ZERO) };
    let mut rest = value.as_slice();
    let word = U256::decode(&mut rest)?;
    if !rest.is_empty() {
        return Err(alloy_rlp::Error::UnexpectedLength.into());
    }
    Ok(word)
}

/// What stands at a key, or that nothing does.
fn value_at(root: B256, key: B256, proof: &[Bytes]) -> Result<Option<Vec<u8>>, ProofError> {
    let path = Nibbles::unpack(key);
    let walk = |expected| {
        verify_proof(root, path, expected, proof).map_err(|source| ProofError::Path { root, source: Box::new(source) })
    };
    // The walk wants to be told the value. Only the last node can hold it: keys are hashes of equal length, so
    // values stand in leaves, and a leaf of this contract is too long to lie inside its parent.
    let last = proof.last().and_then(|node| TrieNode::decode(&mut &node[..]).ok());
    if let Some(TrieNode::Leaf(leaf)) = last
        && walk(Some(leaf.value.clone())).is_ok()
    {
        return Ok(Some(leaf.value));
    }
    walk(None).map(|()| None)
}
