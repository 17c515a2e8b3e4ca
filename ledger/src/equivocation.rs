//! The proof that a log has contradicted itself (docs/spec/equivocation.md).
//!
//! Two statements about one log, each signed by its key or recorded by its contract, that no single history fits.
//! Whoever has the same trust roots can examine it, without the service and without its finder.

use alloy_primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

use crate::{
    Hash,
    chain::{Header, Record, contract_account, query::ChainQuery, query::Finality},
    checkpoint::{Checkpoint, CheckpointError, LogKey},
    evidence::{Anchor, BundleError, read},
    keys::{KeyHistory, KeyLink, follow, signing_key},
    merkle::verify_consistency,
    trust::TrustRoots,
    verdict::{Case, ChainAnswer, Outcome, Report, Step, Verdict, contract_steps::proven_rival},
};

/// Two statements that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Equivocation {
    v: u64,
    /// The key under which the statements were found; for information.
    pub log_key: LogKey,
    /// What leads from a key that the reader trusts to those that signed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyLink>,
    /// A signed checkpoint, verbatim: the larger of the two.
    pub checkpoint: String,
    /// The other statement.
    pub other: Statement,
    /// The root that the checkpoint's tree had at the other's size.
    pub root: Hash,
    /// The consistency proof from that root to the checkpoint; empty between equal sizes.
    pub proof: Vec<Hash>,
}

/// What a log is held to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statement {
    /// A signed checkpoint, verbatim.
    Checkpoint(String),
    /// A root that the contract has recorded.
    Record(Box<RecordProof>),
}

/// The contract's record of a root, proven from a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordProof {
    /// The root.
    pub root: Hash,
    /// The contract.
    pub contract: Address,
    /// The block's header, RLP.
    pub header: Bytes,
    /// From the header's state root to the contract's account.
    pub account_proof: Vec<Bytes>,
    /// From the account's storage root to the record's slot.
    pub storage_proof: Vec<Bytes>,
}

impl Equivocation {
    /// The contradiction that an examined case shows: of its checkpoint with one that was seen before, or with what
    /// the contract has recorded at the same size. `None` if there is none that others could be shown.
    pub fn of(case: &Case<'_>) -> Option<Self> {
        let (bundle, trust) = (case.bundle, case.trust);
        let size = Checkpoint::unverified(&bundle.checkpoint).ok()?.size;
        let key = signing_key(&trust.log_key, &bundle.keys, size).ok()?;
        let checkpoint = key.verify(&bundle.checkpoint).ok()?;
        let seen = case.seen.filter(|seen| {
            key.verify(seen).is_ok_and(|seen| seen.size == checkpoint.size && seen.root != checkpoint.root)
        });
        let other = match (seen, &case.chain) {
            (Some(seen), _) => Statement::Checkpoint(seen.to_owned()),
            (None, ChainAnswer::State(chain)) => {
                let mut states = chain.finalized.iter().chain([&chain.latest]);
                let (root, anchor) = states.find_map(|state| proven_rival(trust, &checkpoint, state))?;
                Statement::Record(Box::new(RecordProof::of(trust, root, anchor)))
            }
            _ => return None,
        };
        let root = checkpoint.root;
        let (checkpoint, keys) = (bundle.checkpoint.clone(), bundle.keys.clone());
        Some(Self { v: 1, log_key: trust.log_key.clone(), keys, checkpoint, other, root, proof: Vec::new() })
    }

    /// Two signed checkpoints of one log, with what shows that the larger tree does not contain the smaller one: the root
    /// that it had at that size, and the consistency proof from there.
    pub fn between(
        log_key: LogKey,
        keys: Vec<KeyLink>,
        larger: String,
        smaller: String,
        root: Hash,
        proof: Vec<Hash>,
    ) -> Self {
        Self { v: 1, log_key, keys, checkpoint: larger, other: Statement::Checkpoint(smaller), root, proof }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// See [`BundleError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, BundleError> {
        read(bytes)
    }

    /// Writes the file.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings, integers and lists always serialise")
    }

    /// What to ask the chain for; `None` if both statements are signed, so that it has nothing to say.
    ///
    /// # Errors
    /// If the header that the record is proven from cannot be read.
    pub fn query(
        &self,
        trust: &TrustRoots,
        finality: Finality,
    ) -> Result<Option<ChainQuery>, crate::chain::HeaderError> {
        let Statement::Record(record) = &self.other else { return Ok(None) };
        let header = Header::from_rlp(&record.header)?;
        let size = record.recorded(trust).map_or(0, |(_, record)| record.size);
        Ok(Some(ChainQuery::new(trust.contract, record.root, size, finality).with_blocks([header.number])))
    }

    /// Examines the two statements.
    pub fn examine(&self, trust: &TrustRoots, chain: &ChainAnswer) -> Report {
        let mut steps = Vec::new();
        let shown = self.statements(trust, &mut steps);
        if let Some((checkpoint, other)) = &shown {
            self.contradiction(checkpoint, other, &mut steps);
        }
        let vouched = match &self.other {
            Statement::Checkpoint(_) => true,
            Statement::Record(record) => is_on_chain(record, trust, chain, &mut steps),
        };
        let fails = steps.iter().any(|step| step.outcome == Outcome::Fails);
        let verdict = match (fails, vouched) {
            (true, _) => Verdict::Invalid,
            (false, true) => Verdict::Diverged,
            (false, false) => Verdict::Unchecked,
        };
        Report { steps, verdict }
    }

    /// Steps 1 to 3: both statements are the log's own.
    fn statements(&self, trust: &TrustRoots, steps: &mut Vec<Step>) -> Option<(Checkpoint, Stated)> {
        let history = match follow(&trust.log_key, &self.keys) {
            Ok(history) => history,
            Err(error) => {
                let expected = format!("links that lead on from {}", trust.log_key);
                steps.push(Step::failed("keys", expected, error));
                return None;
            }
        };
        if !self.keys.is_empty() {
            steps.push(Step::holds("keys", "the links lead from the trusted key", history.newest()));
        }
        let checkpoint = signed("signature", &history, &self.checkpoint, steps);
        let other = match &self.other {
            Statement::Checkpoint(note) => {
                signed("other", &history, note, steps).map(|other| Stated { size: other.size, root: other.root })
            }
            Statement::Record(record) => recorded(record, trust, steps),
        };
        Some((checkpoint?, other?))
    }

    /// Steps 4 and 5.
    fn contradiction(&self, checkpoint: &Checkpoint, other: &Stated, steps: &mut Vec<Step>) {
        let consistent = verify_consistency(other.size, checkpoint.size, &self.proof, &self.root, &checkpoint.root);
        match consistent {
            Err(error) => {
                steps.push(Step::failed("consistency", "a proof that leads to the checkpoint\u{2019}s root", error));
                return;
            }
            Ok(()) => {
                let note = format!("the tree of {} entries had this root at size {}", checkpoint.size, other.size);
                steps.push(Step::holds("consistency", &note, self.root));
            }
        }
        const NAME: &str = "contradiction";
        let step = Step::compared(
            NAME,
            &format!("the log has stated two roots for size {}: it has two histories", other.size),
            other.root.to_string(),
            self.root.to_string(),
            Outcome::Differs,
        );
        steps.push(match step.outcome {
            Outcome::Differs => step,
            _ => Step::failed(NAME, "two statements that contradict each other", "two that agree"),
        });
    }
}

/// What a statement says.
struct Stated {
    size: u64,
    root: Hash,
}

/// The checkpoint in a note, if the key that signs at its size has signed it.
fn signed(name: &'static str, history: &KeyHistory, note: &str, steps: &mut Vec<Step>) -> Option<Checkpoint> {
    let verified: Result<_, CheckpointError> = Checkpoint::unverified(note).and_then(|read| {
        let key = history.key_at(read.size);
        key.verify(note).map(|checkpoint| (key, checkpoint))
    });
    match verified {
        Ok((key, checkpoint)) => {
            let note = format!("the log\u{2019}s key has signed root {} at size {}", checkpoint.root, checkpoint.size);
            steps.push(Step::holds(name, &note, key));
            Some(checkpoint)
        }
        Err(error) => {
            steps.push(Step::failed(name, "a checkpoint signed by the log\u{2019}s key of that size", error));
            None
        }
    }
}

fn recorded(proof: &RecordProof, trust: &TrustRoots, steps: &mut Vec<Step>) -> Option<Stated> {
    const NAME: &str = "other";
    match proof.recorded(trust) {
        Ok((header, record)) => {
            let note = format!("{} has recorded this root, as block {} shows", proof.contract, header.number);
            steps.push(Step::holds(NAME, &note, format!("root {} at size {}", proof.root, record.size)));
            Some(Stated { size: record.size, root: proof.root })
        }
        Err(why) => {
            steps.push(Step::failed(NAME, "a proven record in a trusted contract", why));
            None
        }
    }
}

/// Step 6: the block is one of the trusted chain.
fn is_on_chain(record: &RecordProof, trust: &TrustRoots, chain: &ChainAnswer, steps: &mut Vec<Step>) -> bool {
    const NAME: &str = "block";
    let Ok(header) = Header::from_rlp(&record.header) else { return false };
    let hash = |hash: B256| hash.to_string();
    let step = match chain {
        ChainAnswer::Block { hash: given, .. } => {
            let note = "the record\u{2019}s block has the hash that the auditor gives";
            Step::compared(NAME, note, hash(*given), hash(header.hash), Outcome::Fails)
        }
        ChainAnswer::State(state) => {
            let chains = [
                ("chain", trust.chain_id.to_string(), state.chain_id.to_string()),
                ("genesis", hash(trust.genesis_hash), hash(state.genesis_hash)),
            ];
            for (name, expected, computed) in chains {
                let step = Step::compared(name, "the trusted chain answers", expected, computed, Outcome::Fails);
                let other = step.outcome == Outcome::Fails;
                steps.push(step);
                if other {
                    return false;
                }
            }
            let found = state.blocks.iter().find(|block| block.number == header.number);
            match found.map(|block| &block.header) {
                Some(Ok(found)) if found.hash == header.hash => {
                    Step::holds(NAME, "the chain has the block from which the record is proven", header.hash)
                }
                Some(Ok(found)) => {
                    Step::skipped(NAME, format!("the chain has another block {}: {}", header.number, found.hash))
                }
                Some(Err(why)) => Step::skipped(NAME, format!("the node does not show block {}: {why}", header.number)),
                None => Step::skipped(NAME, "the chain was not asked for the block"),
            }
        }
        ChainAnswer::NotAsked => Step::skipped(NAME, "the chain was not asked"),
        ChainAnswer::Silent(why) => Step::skipped(NAME, format!("the chain did not answer: {why}")),
    };
    let holds = step.outcome == Outcome::Holds;
    steps.push(step);
    holds
}

impl RecordProof {
    fn of(trust: &TrustRoots, root: Hash, anchor: Anchor) -> Self {
        let Anchor { contract, header, account_proof, storage_proof, .. } = anchor;
        Self { root, contract: contract.unwrap_or(trust.contract), header, account_proof, storage_proof }
    }

    /// Walks from the header to the record; the text says where it ends.
    fn recorded(&self, trust: &TrustRoots) -> Result<(Header, Record), String> {
        let trusted = trust.contracts().find(|trusted| trusted.contract == self.contract);
        let trusted = trusted.ok_or_else(|| format!("{} is not among the trust roots", self.contract))?;
        let header = Header::from_rlp(&self.header).map_err(|error| error.to_string())?;
        let account = contract_account(header.state_root, self.contract, &self.account_proof)
            .map_err(|error| format!("account proof: {error}"))?;
        if account.code_hash != trusted.code_hash {
            return Err(format!("code hash {}", account.code_hash));
        }
        let record =
            account.record(&self.root, &self.storage_proof).map_err(|error| format!("storage proof: {error}"))?;
        Ok((header, record.ok_or("no record of this root")?))
    }
}
