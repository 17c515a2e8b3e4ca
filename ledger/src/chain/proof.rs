//! Account and storage proofs (EIP-1186): a walk down a Merkle-Patricia trie (Ethereum yellow paper, appendix D).
//!
//! The walk goes from the root to what stands at a key, or to the place where it would stand. It refuses what is not
//! needed on that way: every node of the proof has to be used, and used up.

use alloy_primitives::{Address, B256, Bytes, U256, b256, keccak256};
use alloy_rlp::{Decodable, Header, PayloadView};

use super::record::{Record, record_slot};
use crate::Hash;

/// The root of a trie without entries: keccak256 of the RLP of an empty text.
const EMPTY_TRIE: B256 = b256!("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");

/// The RLP of an empty text: no child, or no value.
const NOTHING: &[u8] = &[0x80];

/// Why a proof does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// A node is not the one that its parent, or the root, names.
    #[error("node {at}: expected the hash {expected}, computed {computed}")]
    Hash {
        /// Its place in the proof, from 0.
        at: usize,
        /// The hash that is named.
        expected: B256,
        /// The hash of the node.
        computed: B256,
    },
    /// There are nodes too many or too few.
    #[error("expected {expected} nodes, found {found}")]
    Length {
        /// How many the way to the key has; one more than there are where it goes on.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A node is malformed.
    #[error("node {at}: {what}")]
    Node {
        /// Its place in the proof, from 0; an embedded node counts as its parent.
        at: usize,
        /// What is wrong.
        what: &'static str,
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

impl AccountProof {
    /// The contract's record of a root; `None` if the storage proof shows that there is none.
    ///
    /// # Errors
    /// See [`ProofError`].
    pub fn record(&self, root: &Hash, proof: &[Bytes]) -> Result<Option<Record>, ProofError> {
        storage_word(self.storage_root, record_slot(root), proof).map(Record::from_word)
    }
}

/// The contract's account in the state with this root.
///
/// # Errors
/// See [`ProofError`].
pub fn contract_account(state_root: B256, contract: Address, proof: &[Bytes]) -> Result<AccountProof, ProofError> {
    let value = value_at(state_root, keccak256(contract), proof)?.ok_or(ProofError::NoAccount)?;
    let mut rest = value.as_slice();
    let mut fields = Header::decode_bytes(&mut rest, true)?;
    let _nonce = u64::decode(&mut fields)?;
    let _balance = U256::decode(&mut fields)?;
    let storage_root = B256::decode(&mut fields)?;
    let code_hash = B256::decode(&mut fields)?;
    if !rest.is_empty() || !fields.is_empty() {
        return Err(alloy_rlp::Error::UnexpectedLength.into());
    }
    Ok(AccountProof { code_hash, storage_root })
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
    if root == EMPTY_TRIE && proof.iter().all(|node| node.as_ref() == NOTHING) && proof.len() <= 1 {
        return Ok(None);
    }
    let path: Vec<u8> = key.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]).collect();
    let mut rest = path.as_slice();
    let mut used = 0;
    let mut next = Child::Hash(root);
    // Each turn takes at least one of the key's 64 nibbles, or ends.
    let found = loop {
        let bytes = match next {
            Child::None => break None,
            Child::Embedded(bytes) => bytes,
            Child::Hash(expected) => {
                let length = ProofError::Length { expected: used + 1, found: proof.len() };
                let node = proof.get(used).ok_or(length)?;
                let computed = keccak256(node);
                if computed != expected {
                    return Err(ProofError::Hash { at: used, expected, computed });
                }
                used += 1;
                node
            }
        };
        let error = |what| ProofError::Node { at: used.saturating_sub(1), what };
        next = match Node::decode(bytes).map_err(error)? {
            Node::Branch(children) => {
                let (nibble, below) = rest.split_first().ok_or(error("a branch below the key's end"))?;
                rest = below;
                Child::decode(children[usize::from(*nibble)]).map_err(error)?
            }
            Node::Extension(part, _) if part.len() > rest.len() => {
                return Err(error("an extension beyond the key's end"));
            }
            Node::Leaf(part, _) if part.len() != rest.len() => {
                return Err(error("a leaf of another depth than the key's"));
            }
            Node::Extension(part, child) => match rest.strip_prefix(part.as_slice()) {
                Some(below) => {
                    rest = below;
                    Child::decode(child).map_err(error)?
                }
                None => Child::None,
            },
            Node::Leaf(part, value) => break (part == rest).then(|| value.to_vec()),
        };
    };
    if used != proof.len() {
        return Err(ProofError::Length { expected: used, found: proof.len() });
    }
    Ok(found)
}

/// A node of the trie.
enum Node<'a> {
    /// One child for each nibble, each still in RLP.
    Branch(Vec<&'a [u8]>),
    /// Nibbles that all keys below share, and the child in RLP.
    Extension(Vec<u8>, &'a [u8]),
    /// The rest of a key, and what stands there.
    Leaf(Vec<u8>, &'a [u8]),
}

impl<'a> Node<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let mut rest = bytes;
        let Ok(PayloadView::List(mut items)) = Header::decode_raw(&mut rest) else { return Err("it is no list") };
        if !rest.is_empty() {
            return Err("there is something after it");
        }
        match items.len() {
            17 => match items.pop() {
                // Keys are hashes of equal length, so none ends at a branch.
                Some(NOTHING) => Ok(Node::Branch(items)),
                _ => Err("a branch with a value"),
            },
            2 => {
                let (part, is_leaf) = nibbles(text(items[0])?)?;
                match (is_leaf, part.is_empty()) {
                    (true, _) => Ok(Node::Leaf(part, text(items[1])?)),
                    (false, false) => Ok(Node::Extension(part, items[1])),
                    (false, true) => Err("an extension of nothing"),
                }
            }
            _ => Err("it has neither 2 nor 17 members"),
        }
    }
}

/// What a node names as its child.
enum Child<'a> {
    None,
    Hash(B256),
    /// A child shorter than a hash stands in its parent.
    Embedded(&'a [u8]),
}

impl<'a> Child<'a> {
    fn decode(item: &'a [u8]) -> Result<Self, &'static str> {
        match item {
            NOTHING => Ok(Child::None),
            [0xa0, hash @ ..] if hash.len() == 32 => Ok(Child::Hash(B256::from_slice(hash))),
            [first, ..] if *first >= 0xc0 && item.len() < 32 => Ok(Child::Embedded(item)),
            _ => Err("a child that is neither a hash nor a short node"),
        }
    }
}

/// The content of an item that has to be a text.
fn text(item: &[u8]) -> Result<&[u8], &'static str> {
    let mut rest = item;
    match Header::decode_raw(&mut rest) {
        Ok(PayloadView::String(text)) if rest.is_empty() => Ok(text),
        _ => Err("expected a text"),
    }
}

/// Hex-prefix encoding (yellow paper, appendix C): nibbles, and whether they end in a leaf.
fn nibbles(bytes: &[u8]) -> Result<(Vec<u8>, bool), &'static str> {
    let (first, rest) = bytes.split_first().ok_or("an empty path")?;
    let mut nibbles = Vec::with_capacity(2 * bytes.len());
    match first >> 4 {
        0 | 2 if first & 0x0f == 0 => {}
        1 | 3 => nibbles.push(first & 0x0f),
        _ => return Err("a path with unknown flags"),
    }
    nibbles.extend(rest.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]));
    Ok((nibbles, first >> 4 >= 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_rlp::Encodable;
    use alloy_trie::{HashBuilder, Nibbles, proof::ProofRetainer};
    use proptest::prelude::*;

    /// A trie of these words by another's hand, with the proof of a key.
    fn trie(words: &[(B256, U256)], key: B256) -> (B256, Vec<Bytes>) {
        let mut sorted: Vec<(B256, U256)> = words.to_vec();
        sorted.sort();
        sorted.dedup_by_key(|(key, _)| *key);
        let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(vec![Nibbles::unpack(key)]));
        for (key, word) in sorted {
            let mut value = Vec::new();
            word.encode(&mut value);
            builder.add_leaf(Nibbles::unpack(key), &value);
        }
        let root = builder.root();
        let nodes = builder.take_proof_nodes().into_nodes_sorted();
        (root, nodes.into_iter().map(|(_, node)| node).collect())
    }

    fn word(value: Option<Vec<u8>>) -> Option<U256> {
        value.map(|value| U256::decode(&mut value.as_slice()).unwrap())
    }

    proptest! {
        #[test]
        fn agrees_with_tries_that_others_build(
            words in proptest::collection::vec((any::<[u8; 32]>(), 1..u64::MAX), 1..60),
            near in any::<u8>(),
        ) {
            let words: Vec<(B256, U256)> =
                words.into_iter().map(|(key, word)| (B256::from(key), U256::from(word))).collect();
            let (key, expected) = words[0];
            let (root, proof) = trie(&words, key);
            prop_assert_eq!(word(value_at(root, key, &proof).unwrap()), Some(expected));

            // A key that is nearly the same is absent, and its proof says so.
            let mut absent = key;
            absent.0[31] ^= near.max(1);
            if words.iter().all(|(key, _)| *key != absent) {
                let (root, proof) = trie(&words, absent);
                prop_assert_eq!(value_at(root, absent, &proof).unwrap(), None);
            }

            // Any node left out, added, or changed is refused.
            for at in 0..proof.len() {
                let mut shorter = proof.clone();
                shorter.remove(at);
                prop_assert!(value_at(root, key, &shorter).is_err());
                let mut changed = proof[at].to_vec();
                changed[usize::from(near) % proof[at].len()] ^= 1;
                let mut other = proof.clone();
                other[at] = changed.into();
                prop_assert!(value_at(root, key, &other).is_err());
            }
            let mut longer = proof.clone();
            longer.push(Bytes::from_static(NOTHING));
            prop_assert!(value_at(root, key, &longer).is_err());
        }

        #[test]
        fn hostile_nodes_are_refused_without_a_panic(nodes in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..4)) {
            let proof: Vec<Bytes> = nodes.into_iter().map(Bytes::from).collect();
            let root = proof.first().map_or(B256::ZERO, keccak256);
            let _ = value_at(root, B256::ZERO, &proof);
        }
    }

    /// Nodes with more nibbles than a key has once led a verifier beyond its key's end.
    #[test]
    fn chains_of_long_extensions_are_refused() {
        let extension = |child: B256| {
            let path: Vec<u8> = std::iter::once(0x00).chain([0; 32]).collect();
            let mut payload = Vec::new();
            path.as_slice().encode(&mut payload);
            child.0.as_slice().encode(&mut payload);
            let mut node = Vec::new();
            Header { list: true, payload_length: payload.len() }.encode(&mut node);
            node.extend(payload);
            Bytes::from(node)
        };
        let low = extension(B256::repeat_byte(1));
        let high = extension(keccak256(&low));
        let root = keccak256(&high);
        let error = value_at(root, B256::ZERO, &[high, low]).unwrap_err();
        assert!(matches!(error, ProofError::Node { at: 1, .. }), "{error}");
    }

    #[test]
    fn an_empty_trie_holds_nothing() {
        assert_eq!(value_at(EMPTY_TRIE, B256::ZERO, &[]), Ok(None));
        assert_eq!(value_at(EMPTY_TRIE, B256::ZERO, &[Bytes::from_static(NOTHING)]), Ok(None));
        assert!(value_at(B256::ZERO, B256::ZERO, &[]).is_err());
    }
}
