//! The questions to a chain, without a transport.
//!
//! A caller creates a [`ChainQuery`], sends what [`ChainQuery::requests`] lists, hands the answers to
//! [`ChainQuery::answer`], and repeats until that gives a [`ChainState`]. There are three rounds, four where finality is
//! a depth: which blocks there are; where the contract's head stands in them; proofs of both.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use serde_json::{Value, json};

use super::{HEAD_SLOT, Header, HeaderError, record_slot};
use crate::{
    Hash,
    checkpoint::{Checkpoint, CheckpointError},
    entry::Entry,
    evidence::Bundle,
    trust::TrustRoots,
};

/// The event of a recorded root, as the contract's interface has it.
pub const ANCHORED: &str = "Anchored(bytes32,uint64,uint64)";

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
    /// The blocks that were asked for by number.
    pub blocks: Vec<NamedBlock>,
}

/// A block that was asked for by its number.
#[derive(Debug, Clone)]
pub struct NamedBlock {
    /// The number.
    pub number: u64,
    /// Its header, or why there is none.
    pub header: Result<Header, String>,
}

/// What the contract and its predecessors held at one block, with proofs.
#[derive(Debug, Clone)]
pub struct ContractState {
    /// The block.
    pub header: Header,
    /// What the contract held.
    pub contract: Holding,
    /// What its predecessors held, the newest first.
    pub predecessors: Vec<Holding>,
    /// Why the node's events could not be asked for other roots, if so: then the heads alone were compared.
    pub without_events: Option<String>,
}

/// What one contract held, with proofs.
#[derive(Debug, Clone)]
pub struct Holding {
    /// From the state root to the account.
    pub account_proof: Vec<Bytes>,
    /// From the storage root to [`HEAD_SLOT`].
    pub head_proof: Vec<Bytes>,
    /// From the storage root to the record of the checkpoint's root.
    pub record_proof: Vec<Bytes>,
    /// Other roots: those that the node names for the checkpoint's size, the head, and the predecessor's head; each with
    /// the proof of its record.
    pub others: Vec<(Hash, Vec<Bytes>)>,
}

/// The state of asking.
#[derive(Debug, Clone)]
pub struct ChainQuery {
    /// The contract, and its predecessors, the newest first.
    contracts: Vec<Address>,
    root: Hash,
    size: u64,
    finality: Finality,
    /// Numbers of further blocks.
    blocks: Vec<u64>,
    stage: Stage,
}

#[derive(Debug, Clone)]
enum Stage {
    Blocks,
    Depth { base: Base, depth: u64 },
    Heads(Base),
    Proofs { base: Base, at: Vec<(Header, Vec<Asked>)>, without_events: Option<String> },
}

#[derive(Debug, Clone)]
struct Base {
    chain_id: u64,
    genesis_hash: B256,
    latest: Header,
    finalized: Option<Header>,
    named: Vec<NamedBlock>,
}

/// What one contract is asked for: the records of these roots, besides the checkpoint's.
#[derive(Debug, Clone)]
struct Asked {
    contract: Address,
    others: Vec<Hash>,
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
    /// Asks one contract for its record of a root.
    pub fn new(contract: Address, root: Hash, size: u64, finality: Finality) -> Self {
        Self { contracts: vec![contract], root, size, finality, blocks: Vec::new(), stage: Stage::Blocks }
    }

    /// Asks for all that speaks for a bundle, or against it: the records of its checkpoint's root in the trusted
    /// contracts, and the blocks that it names.
    ///
    /// # Errors
    /// Without a checkpoint that can be read there is no root to ask for.
    pub fn of(trust: &TrustRoots, bundle: &Bundle, finality: Finality) -> Result<Self, CheckpointError> {
        let checkpoint = Checkpoint::unverified(&bundle.checkpoint)?;
        let beacon = bundle.beacon.as_ref().and_then(|beacon| match Entry::from_bytes(&beacon.entry) {
            Ok(Entry::Beacon(beacon)) => Some(beacon.block),
            _ => None,
        });
        let stored = bundle.anchor.as_ref().and_then(|anchor| Header::from_rlp(&anchor.header).ok());
        let query = Self::new(trust.contract, checkpoint.root, checkpoint.size, finality);
        let blocks = beacon.into_iter().chain(stored.map(|header| header.number));
        Ok(query.among(trust).with_blocks(blocks))
    }

    /// Asks all contracts of these trust roots, in place of the one.
    pub fn among(self, trust: &TrustRoots) -> Self {
        Self { contracts: trust.contracts().map(|trusted| trusted.contract).collect(), ..self }
    }

    /// Asks for these blocks as well.
    pub fn with_blocks(self, blocks: impl IntoIterator<Item = u64>) -> Self {
        Self { blocks: blocks.into_iter().collect(), ..self }
    }

    /// The requests of this round.
    pub fn requests(&self) -> Vec<Request> {
        let block = |tag: Value| Request { method: BLOCK, params: json!([tag, false]) };
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
                requests.extend(self.blocks.iter().map(|number| block(json!(quantity(*number)))));
                requests
            }
            Stage::Depth { base, depth } => vec![block(json!(quantity(base.latest.number - depth)))],
            Stage::Heads(base) => {
                let head = |header: &Header, contract: &Address| Request {
                    method: "eth_getStorageAt",
                    params: json!([contract, HEAD_SLOT, quantity(header.number)]),
                };
                let blocks = base.blocks();
                let mut requests: Vec<Request> = blocks
                    .flat_map(|header| self.contracts.iter().map(move |contract| head(header, contract)))
                    .collect();
                requests.push(self.logs_request(&base.latest));
                requests
            }
            Stage::Proofs { at, .. } => {
                let proof = |header: &Header, asked: &Asked| {
                    let mut slots = vec![HEAD_SLOT, record_slot(&self.root)];
                    slots.extend(asked.others.iter().map(record_slot));
                    Request { method: "eth_getProof", params: json!([asked.contract, slots, quantity(header.number)]) }
                };
                at.iter().flat_map(|(header, asked)| asked.iter().map(move |asked| proof(header, asked))).collect()
            }
        }
    }

    /// Takes the answers to [`Self::requests`], in their order.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn answer(self, answers: Vec<Answer>) -> Result<Progress, QueryError> {
        let mut answers = Answers(answers.into_iter());
        match self.stage.clone() {
            Stage::Blocks => self.take_blocks(&mut answers),
            Stage::Depth { base, depth } => {
                let block = required_block(answers.next(BLOCK)?)?;
                let expected = base.latest.number - depth;
                if block.number != expected {
                    return Err(QueryError::OtherBlock { expected, found: block.number });
                }
                Ok(self.to(Stage::Heads(Base { finalized: Some(block), ..base })))
            }
            Stage::Heads(base) => self.take_heads(base, &mut answers),
            Stage::Proofs { base, at, without_events } => take_proofs(base, at, &without_events, &mut answers),
        }
    }

    fn take_blocks(self, answers: &mut Answers) -> Result<Progress, QueryError> {
        let chain_id = required("eth_chainId", answers.next("eth_chainId")?)?;
        let chain_id = as_u64(&chain_id).ok_or(QueryError::Malformed("eth_chainId"))?;
        let genesis = required_block(answers.next(BLOCK)?)?;
        let latest = required_block(answers.next(BLOCK)?)?;
        if genesis.number != 0 {
            return Err(QueryError::OtherBlock { expected: 0, found: genesis.number });
        }
        let finalized = match self.finality {
            // A node without the tag answers null or an error; then nothing is final.
            Finality::Tag => match answers.next(BLOCK)? {
                Ok(block) if !block.is_null() => Some(Header::from_json(&block)?),
                _ => None,
            },
            Finality::Depth(_) => None,
        };
        if let Some(block) = &finalized
            && block.number > latest.number
        {
            return Err(QueryError::OtherBlock { expected: latest.number, found: block.number });
        }
        let mut named = Vec::new();
        for number in &self.blocks {
            named.push(NamedBlock { number: *number, header: named_block(*number, answers.next(BLOCK)?) });
        }
        let newest = latest.number;
        let base = Base { chain_id, genesis_hash: genesis.hash, latest, finalized, named };
        Ok(match self.finality {
            Finality::Depth(depth) if depth <= newest => self.to(Stage::Depth { base, depth }),
            _ => self.to(Stage::Heads(base)),
        })
    }

    fn take_heads(self, base: Base, answers: &mut Answers) -> Result<Progress, QueryError> {
        let mut at = Vec::new();
        for header in base.blocks() {
            let mut heads = Vec::new();
            for _ in &self.contracts {
                let word = required("eth_getStorageAt", answers.next("eth_getStorageAt")?)?;
                heads.push(as_hash(&word).ok_or(QueryError::Malformed("eth_getStorageAt"))?);
            }
            at.push((header.clone(), heads));
        }
        // Some nodes limit or refuse logs; the heads are then the only other roots that can be found.
        let named = answers.next("eth_getLogs")?.and_then(|logs| roots_in(&logs).ok_or("not a list of logs".into()));
        let without_events = named.as_ref().err().cloned();
        let named = named.unwrap_or_default();
        let asked = |heads: &[Hash]| {
            let contracts = self.contracts.iter().enumerate();
            let of = |(i, contract): (usize, &Address)| {
                // Its own head, and that of the contract before it, which it has to have taken over.
                let mut others: Vec<Hash> =
                    heads.iter().skip(i).take(2).chain(named.iter().take(MAX_NAMED)).copied().collect();
                others.sort_unstable();
                others.dedup();
                others.retain(|other| *other != self.root);
                Asked { contract: *contract, others }
            };
            contracts.map(of).collect()
        };
        let at = at.iter().map(|(header, heads)| (header.clone(), asked(heads))).collect();
        Ok(self.to(Stage::Proofs { base, at, without_events }))
    }

    fn to(self, stage: Stage) -> Progress {
        Progress::Asking(Box::new(Self { stage, ..self }))
    }

    /// Asks which root was anchored at the checkpoint's size.
    fn logs_request(&self, latest: &Header) -> Request {
        let size = B256::from(U256::from(self.size));
        let filter = json!({
            "address": match self.contracts.as_slice() {
                [one] => json!(one),
                several => json!(several),
            },
            "topics": [keccak256(ANCHORED), Value::Null, size],
            "fromBlock": "0x0",
            "toBlock": quantity(latest.number),
        });
        Request { method: "eth_getLogs", params: json!([filter]) }
    }
}

const BLOCK: &str = "eth_getBlockByNumber";

/// The answers of a round, one by one.
struct Answers(std::vec::IntoIter<Answer>);

impl Answers {
    fn next(&mut self, method: &'static str) -> Result<Answer, QueryError> {
        self.0.next().ok_or(QueryError::Malformed(method))
    }
}

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

/// A block that somebody else named. That the node does not give it shows nothing, so it is no error.
fn named_block(number: u64, answer: Answer) -> Result<Header, String> {
    let header = required_block(answer).map_err(|error| error.to_string())?;
    if header.number == number { Ok(header) } else { Err(format!("the node gave block {} instead", header.number)) }
}

fn take_proofs(
    base: Base,
    at: Vec<(Header, Vec<Asked>)>,
    without_events: &Option<String>,
    answers: &mut Answers,
) -> Result<Progress, QueryError> {
    const METHOD: &str = "eth_getProof";
    let mut states = Vec::new();
    for (header, contracts) in at {
        let mut holdings = Vec::new();
        for asked in contracts {
            let answer = required(METHOD, answers.next(METHOD)?)?;
            holdings.push(holding(asked.others, &answer).ok_or(QueryError::Malformed(METHOD))?);
        }
        let mut holdings = holdings.into_iter();
        let contract = holdings.next().ok_or(QueryError::Malformed(METHOD))?;
        let (predecessors, without_events) = (holdings.collect(), without_events.clone());
        states.push(ContractState { header, contract, predecessors, without_events });
    }
    let latest = states.pop().ok_or(QueryError::Malformed(METHOD))?;
    Ok(Progress::Done(Box::new(ChainState {
        chain_id: base.chain_id,
        genesis_hash: base.genesis_hash,
        finalized: states.pop(),
        latest,
        blocks: base.named,
    })))
}

fn holding(others: Vec<Hash>, answer: &Value) -> Option<Holding> {
    let account_proof = as_nodes(answer.get("accountProof")?)?;
    let storage: Vec<Vec<Bytes>> = answer
        .get("storageProof")?
        .as_array()?
        .iter()
        .map(|slot| as_nodes(slot.get("proof")?))
        .collect::<Option<_>>()?;
    let mut storage = storage.into_iter();
    let (head_proof, record_proof) = (storage.next()?, storage.next()?);
    // Every root that was asked for has its proof, and nothing else has.
    if storage.len() != others.len() {
        return None;
    }
    Some(Holding { account_proof, head_proof, record_proof, others: others.into_iter().zip(storage).collect() })
}
