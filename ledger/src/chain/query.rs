//! The questions to a chain, without a transport.
//!
//! A caller creates a [`ChainQuery`], sends what [`ChainQuery::requests`] lists, hands the answers to
//! [`ChainQuery::answer`], and repeats until that gives a [`ChainState`]. There are three rounds: which blocks
//! there are; where the contract's head stands in them; proofs of both.

use alloy_primitives::{Address, B256, Bytes, U256};
use serde_json::{Value, json};

use super::{HEAD_SLOT, Header, HeaderError, record_slot};
use crate::Hash;

/// keccak256 of `Anchored(bytes32,uint64,uint64)`.
fn anchored_topic() -> B256 {
    alloy_primitives::keccak256("Anchored(bytes32,uint64,uint64)")
}

/// One JSON-RPC request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The method's name.
    pub method: &'static str,
    /// Its parameters.
    pub params: Value,
}

/// How a chain says that a block will stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Finality {
    /// By the block tag `finalized`.
    #[default]
    Tag,
    /// By this many blocks on top, for chains whose `finalized` means nothing.
    Depth(u64),
}

/// Why the chain's answers cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// A request was refused or not answered.
    #[error("the chain did not answer {method}: {why}")]
    Refused {
        /// The method.
        method: &'static str,
        /// The error's text.
        why: String,
    },
    /// An answer has another form than the method's.
    #[error("the answer to {0} is malformed")]
    Malformed(&'static str),
    /// The node gave another block than the one that was asked for, or calls one final that is not there yet.
    #[error("expected block {expected} (or an older one as final), found block {found}")]
    OtherBlock {
        /// The number that was asked for, or that of the newest block.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// A block's header does not fit its hash.
    #[error(transparent)]
    Header(#[from] HeaderError),
}

/// What the chain said.
#[derive(Debug, Clone)]
pub struct ChainState {
    /// Its id.
    pub chain_id: u64,
    /// The hash of block 0, computed from its header.
    pub genesis_hash: B256,
    /// The state at the newest block that the chain calls final, if it has one.
    pub finalized: Option<ContractState>,
    /// The state at the newest block.
    pub latest: ContractState,
}

/// What the contract held at one block, with proofs.
#[derive(Debug, Clone)]
pub struct ContractState {
    /// The block.
    pub header: Header,
    /// From the state root to the account.
    pub account_proof: Vec<Bytes>,
    /// From the storage root to [`HEAD_SLOT`].
    pub head_proof: Vec<Bytes>,
    /// From the storage root to the record of the checkpoint's root.
    pub record_proof: Vec<Bytes>,
    /// Other roots that the node names for the checkpoint's size or as head, each with the proof of its record.
    pub rivals: Vec<(Hash, Vec<Bytes>)>,
    /// Why the node's events could not be asked for other roots, if so: then the head alone was compared.
    pub without_events: Option<String>,
}

/// The state of asking.
#[derive(Debug, Clone)]
pub struct ChainQuery {
    contract: Address,
    root: Hash,
    size: u64,
    finality: Finality,
    stage: Stage,
}

#[derive(Debug, Clone)]
enum Stage {
    Blocks,
    Depth { base: Base, depth: u64 },
    Heads(Base),
    Proofs { base: Base, at: Vec<(Header, Vec<Hash>)>, without_events: Option<String> },
}

#[derive(Debug, Clone)]
struct Base {
    chain_id: u64,
    genesis_hash: B256,
    latest: Header,
    finalized: Option<Header>,
}

/// The answer to a request: the result, or the error's text.
pub type Answer = Result<Value, String>;

/// What a round has led to.
#[derive(Debug)]
pub enum Progress {
    /// There are more requests.
    Asking(Box<ChainQuery>),
    /// All is answered.
    Done(Box<ChainState>),
}

impl ChainQuery {
    /// Asks a contract for its record of a checkpoint's root.
    pub fn new(contract: Address, root: Hash, size: u64, finality: Finality) -> Self {
        Self { contract, root, size, finality, stage: Stage::Blocks }
    }

    /// The requests of this round.
    pub fn requests(&self) -> Vec<Request> {
        let block = |tag: Value| Request { method: "eth_getBlockByNumber", params: json!([tag, false]) };
        match &self.stage {
            Stage::Blocks => {
                let mut requests = vec![
                    Request { method: "eth_chainId", params: json!([]) },
                    block(json!("0x0")),
                    block(json!("latest")),
                ];
                if self.finality == Finality::Tag {
                    requests.push(block(json!("finalized")));
                }
                requests
            }
            Stage::Depth { base, depth } => vec![block(json!(quantity(base.latest.number - depth)))],
            Stage::Heads(base) => {
                let mut requests: Vec<Request> = base
                    .blocks()
                    .map(|header| Request {
                        method: "eth_getStorageAt",
                        params: json!([self.contract, HEAD_SLOT, quantity(header.number)]),
                    })
                    .collect();
                requests.push(self.logs_request(&base.latest));
                requests
            }
            Stage::Proofs { at, .. } => at
                .iter()
                .map(|(header, rivals)| {
                    let mut slots = vec![HEAD_SLOT, record_slot(&self.root)];
                    slots.extend(rivals.iter().map(record_slot));
                    Request { method: "eth_getProof", params: json!([self.contract, slots, quantity(header.number)]) }
                })
                .collect(),
        }
    }

    /// Takes the answers to [`Self::requests`], in their order.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn answer(self, answers: Vec<Answer>) -> Result<Progress, QueryError> {
        let mut answers = answers.into_iter();
        let mut next = |method| answers.next().ok_or(QueryError::Malformed(method));
        match self.stage.clone() {
            Stage::Blocks => {
                let chain_id = required("eth_chainId", next("eth_chainId")?)?;
                let chain_id = as_u64(&chain_id).ok_or(QueryError::Malformed("eth_chainId"))?;
                let genesis = required_block(next(BLOCK)?)?;
                let latest = required_block(next(BLOCK)?)?;
                if genesis.number != 0 {
                    return Err(QueryError::OtherBlock { expected: 0, found: genesis.number });
                }
                let genesis_hash = genesis.hash;
                let base = Base { chain_id, genesis_hash, latest, finalized: None };
                match self.finality {
                    Finality::Tag => {
                        // A node without the tag answers null or an error; then nothing is final.
                        let finalized = match next(BLOCK)? {
                            Ok(block) if !block.is_null() => Some(Header::from_json(&block)?),
                            _ => None,
                        };
                        if let Some(block) = &finalized
                            && block.number > base.latest.number
                        {
                            return Err(QueryError::OtherBlock { expected: base.latest.number, found: block.number });
                        }
                        Ok(self.to(Stage::Heads(Base { finalized, ..base })))
                    }
                    Finality::Depth(depth) if depth <= base.latest.number => Ok(self.to(Stage::Depth { base, depth })),
                    Finality::Depth(_) => Ok(self.to(Stage::Heads(base))),
                }
            }
            Stage::Depth { base, depth } => {
                let block = required_block(next(BLOCK)?)?;
                let expected = base.latest.number - depth;
                if block.number != expected {
                    return Err(QueryError::OtherBlock { expected, found: block.number });
                }
                Ok(self.to(Stage::Heads(Base { finalized: Some(block), ..base })))
            }
            Stage::Heads(base) => {
                let mut at = Vec::new();
                for header in base.blocks() {
                    let word = required("eth_getStorageAt", next("eth_getStorageAt")?)?;
                    let head = as_hash(&word).ok_or(QueryError::Malformed("eth_getStorageAt"))?;
                    at.push((header.clone(), vec![head]));
                }
                // Some nodes limit or refuse logs; the head is then the only rival that can be found.
                let named = next("eth_getLogs")?.and_then(|logs| roots_in(&logs).ok_or("not a list of logs".into()));
                let without_events = named.as_ref().err().cloned();
                let named = named.unwrap_or_default();
                for (_, rivals) in &mut at {
                    rivals.extend(named.iter().take(MAX_NAMED));
                    rivals.sort_unstable();
                    rivals.dedup();
                    rivals.retain(|rival| *rival != self.root);
                }
                Ok(self.to(Stage::Proofs { base, at, without_events }))
            }
            Stage::Proofs { base, at, without_events } => {
                let mut states = Vec::new();
                for (header, rivals) in at {
                    let answer = required("eth_getProof", next("eth_getProof")?)?;
                    let state = contract_state(header, rivals, &answer);
                    let state = state.ok_or(QueryError::Malformed("eth_getProof"))?;
                    states.push(ContractState { without_events: without_events.clone(), ..state });
                }
                let latest = states.pop().ok_or(QueryError::Malformed("eth_getProof"))?;
                Ok(Progress::Done(Box::new(ChainState {
                    chain_id: base.chain_id,
                    genesis_hash: base.genesis_hash,
                    finalized: states.pop(),
                    latest,
                })))
            }
        }
    }

    fn to(self, stage: Stage) -> Progress {
        Progress::Asking(Box::new(Self { stage, ..self }))
    }

    /// Asks which root was anchored at the checkpoint's size.
    fn logs_request(&self, latest: &Header) -> Request {
        let size = B256::from(U256::from(self.size));
        let filter = json!({
            "address": self.contract,
            "topics": [anchored_topic(), Value::Null, size],
            "fromBlock": "0x0",
            "toBlock": quantity(latest.number),
        });
        Request { method: "eth_getLogs", params: json!([filter]) }
    }
}

const BLOCK: &str = "eth_getBlockByNumber";

/// One size has one root. A node that names more than a few is not worth following.
const MAX_NAMED: usize = 4;

impl Base {
    /// The final block, if there is one, and the newest.
    fn blocks(&self) -> impl Iterator<Item = &Header> {
        self.finalized.iter().chain([&self.latest])
    }
}

fn quantity(number: u64) -> String {
    format!("0x{number:x}")
}

fn required(method: &'static str, answer: Answer) -> Result<Value, QueryError> {
    answer.map_err(|why| QueryError::Refused { method, why })
}

fn required_block(answer: Answer) -> Result<Header, QueryError> {
    let block = required(BLOCK, answer)?;
    if block.is_null() {
        return Err(QueryError::Refused { method: BLOCK, why: "no such block".into() });
    }
    Ok(Header::from_json(&block)?)
}

fn as_u64(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

fn as_hash(value: &Value) -> Option<Hash> {
    value.as_str()?.parse::<B256>().ok().map(|word| Hash(word.0))
}

fn as_nodes(value: &Value) -> Option<Vec<Bytes>> {
    value.as_array()?.iter().map(|node| node.as_str()?.parse().ok()).collect()
}

fn roots_in(logs: &Value) -> Option<Vec<Hash>> {
    logs.as_array()?.iter().map(|log| as_hash(log.get("topics")?.get(1)?)).collect()
}

fn contract_state(header: Header, rivals: Vec<Hash>, answer: &Value) -> Option<ContractState> {
    let account_proof = as_nodes(answer.get("accountProof")?)?;
    let storage: Vec<Vec<Bytes>> = answer
        .get("storageProof")?
        .as_array()?
        .iter()
        .map(|slot| as_nodes(slot.get("proof")?))
        .collect::<Option<_>>()?;
    let mut storage = storage.into_iter();
    let (head_proof, record_proof) = (storage.next()?, storage.next()?);
    // Every rival that was asked for has its proof, and nothing else has.
    if storage.len() != rivals.len() {
        return None;
    }
    let rivals: Vec<(Hash, Vec<Bytes>)> = rivals.into_iter().zip(storage).collect();
    Some(ContractState { header, account_proof, head_proof, record_proof, rivals, without_events: None })
}
