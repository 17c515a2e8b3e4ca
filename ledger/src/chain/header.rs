//! Block headers: from a node's JSON to the bytes that hash to the block's hash.

use alloy_primitives::{B256, U256, hex, keccak256};
use alloy_rlp::{Decodable, Encodable, Header as RlpHeader, PayloadView};
use serde_json::Value;

/// Why a header cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The bytes are no RLP header.
    #[error("not a block header: {0}")]
    Rlp(String),
    /// A member of the JSON is missing or malformed.
    #[error("the block's {0:?} is missing or malformed")]
    Member(&'static str),
    /// The header does not hash to the hash that the node gives.
    #[error("expected a header with the hash {expected}, computed {computed}")]
    Hash {
        /// What the node says.
        expected: B256,
        /// What its header gives.
        computed: B256,
    },
}

/// What is needed of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// keccak256 of the RLP: the block's hash.
    pub hash: B256,
    /// The root of the state after the block.
    pub state_root: B256,
    /// The block's number.
    pub number: u64,
    /// Seconds since 1970.
    pub timestamp: u64,
    /// The header's bytes.
    pub rlp: Vec<u8>,
}

/// How a member of the JSON is written in RLP.
#[derive(Clone, Copy)]
enum Form {
    /// Bytes as they are.
    Data,
    /// A number without leading zeros.
    Quantity,
}
use Form::{Data, Quantity};

/// The members of a header in their order. Those from London on come one by one with later forks.
const MEMBERS: [(&str, Form); 21] = [
    ("parentHash", Data),
    ("sha3Uncles", Data),
    ("miner", Data),
    ("stateRoot", Data),
    ("transactionsRoot", Data),
    ("receiptsRoot", Data),
    ("logsBloom", Data),
    ("difficulty", Quantity),
    ("number", Quantity),
    ("gasLimit", Quantity),
    ("gasUsed", Quantity),
    ("timestamp", Quantity),
    ("extraData", Data),
    ("mixHash", Data),
    ("nonce", Data),
    ("baseFeePerGas", Quantity),
    ("withdrawalsRoot", Data),
    ("blobGasUsed", Quantity),
    ("excessBlobGas", Quantity),
    ("parentBeaconBlockRoot", Data),
    ("requestsHash", Data),
];

/// How many of [`MEMBERS`] every header has.
const ALWAYS: usize = 15;

impl Header {
    /// Reads a header's bytes.
    ///
    /// # Errors
    /// [`HeaderError::Rlp`].
    pub fn from_rlp(rlp: &[u8]) -> Result<Self, HeaderError> {
        let error = |what: &str| HeaderError::Rlp(what.to_owned());
        let mut rest = rlp;
        let view = RlpHeader::decode_raw(&mut rest).map_err(|e| HeaderError::Rlp(e.to_string()))?;
        let PayloadView::List(members) = view else { return Err(error("expected a list")) };
        if !rest.is_empty() {
            return Err(error("trailing bytes"));
        }
        if members.len() < ALWAYS {
            return Err(error("expected at least 15 members"));
        }
        let member = |name: &'static str| {
            let at = MEMBERS.iter().position(|(member, _)| *member == name);
            at.and_then(|at| members.get(at).copied()).ok_or(HeaderError::Member(name))
        };
        let number = |name| u64::decode(&mut member(name)?).map_err(|_| HeaderError::Member(name));
        Ok(Self {
            hash: keccak256(rlp),
            state_root: B256::decode(&mut member("stateRoot")?).map_err(|_| HeaderError::Member("stateRoot"))?,
            number: number("number")?,
            timestamp: number("timestamp")?,
            rlp: rlp.to_vec(),
        })
    }

    /// Makes a header's bytes of a node's JSON, and checks that they hash to the hash it gives.
    ///
    /// # Errors
    /// See [`HeaderError`]. A header with members that this version does not know fails by its hash.
    pub fn from_json(block: &Value) -> Result<Self, HeaderError> {
        let mut payload = Vec::new();
        for (at, (name, form)) in MEMBERS.into_iter().enumerate() {
            let Some(text) = block.get(name).and_then(Value::as_str) else {
                if at < ALWAYS { return Err(HeaderError::Member(name)) } else { break }
            };
            match form {
                Data => hex::decode(text).map_err(|_| HeaderError::Member(name))?.as_slice().encode(&mut payload),
                Quantity => text.parse::<U256>().map_err(|_| HeaderError::Member(name))?.encode(&mut payload),
            }
        }
        let mut rlp = Vec::with_capacity(payload.len() + 4);
        RlpHeader { list: true, payload_length: payload.len() }.encode(&mut rlp);
        rlp.extend(payload);
        let header = Self::from_rlp(&rlp)?;
        let claimed = block.get("hash").and_then(Value::as_str).and_then(|hash| hash.parse().ok());
        match claimed {
            Some(expected) if expected == header.hash => Ok(header),
            Some(expected) => Err(HeaderError::Hash { expected, computed: header.hash }),
            None => Err(HeaderError::Member("hash")),
        }
    }
}
