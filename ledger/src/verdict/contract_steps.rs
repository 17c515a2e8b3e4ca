//! Steps 14 to 18: block, code, predecessor, record, history: what the contracts hold at one block.

use alloy_primitives::{Address, Bytes};

use super::{Case, Outcome, Step};
use crate::{
    Hash,
    chain::{
        AccountProof, HEAD_SLOT, Header, ProofError, Record, contract_account,
        query::{ContractState, Holding},
        storage_word,
    },
    checkpoint::Checkpoint,
    evidence::Anchor,
    hash::EMPTY_ROOT,
    trust::{TrustRoots, TrustedContract},
};

/// What the step `code` computes where there is no contract.
pub(super) const NO_CONTRACT: &str = "none";

/// What was proven of the contracts at a block.
pub(super) struct Proven {
    pub(super) header: Header,
    pub(super) record: Option<Record>,
}

/// One of the trusted contracts, with its account proven.
struct Contract<'a> {
    address: Address,
    account: AccountProof,
    /// The checkpoint's root: what `held` proves the record of, besides those of other roots.
    root: Hash,
    held: &'a Holding,
}

/// Takes the steps against one state; `None` if a proof does not hold.
pub(super) fn take(
    case: &Case<'_>,
    checkpoint: &Checkpoint,
    state: &ContractState,
    steps: &mut Vec<Step>,
) -> Option<Proven> {
    let header = state.header.clone();
    let note = format!("the header of block {} hashes to its hash", header.number);
    steps.push(Step::holds("block", &note, header.hash));

    let holdings = std::iter::once(&state.contract).chain(&state.predecessors);
    let mut contracts: Vec<Contract<'_>> = Vec::new();
    for (trusted, held) in case.trust.contracts().zip(holdings) {
        let step = match contracts.last() {
            None => "code",
            Some(_) => "predecessor",
        };
        let account = account(step, trusted, held, &header, steps)?;
        let contract = Contract { address: trusted.contract, account, root: checkpoint.root, held };
        if let Some(successor) = contracts.last() {
            steps.push(handover(&contract, successor).unwrap_or_else(|why| {
                Step::failed(step, format!("proofs from the node about {} that hold", contract.address), why)
            }));
        }
        contracts.push(contract);
    }
    let record = match record(checkpoint, &header, &contracts) {
        Ok((step, record)) => {
            steps.push(step);
            record
        }
        Err(why) => {
            steps.push(Step::failed("record", "a storage proof from the node that holds", why));
            return None;
        }
    };
    steps.push(
        history(checkpoint, &contracts, state)
            .unwrap_or_else(|why| Step::failed("history", "a storage proof from the node that holds", why)),
    );
    Some(Proven { header, record })
}

/// The account proof holds, and the code is the trusted one.
fn account(
    name: &'static str,
    trusted: TrustedContract,
    held: &Holding,
    header: &Header,
    steps: &mut Vec<Step>,
) -> Option<AccountProof> {
    let account = match contract_account(header.state_root, trusted.contract, &held.account_proof) {
        Ok(account) => account,
        Err(ProofError::NoAccount) => {
            steps.push(Step {
                note: format!("there is no contract at the trusted address {}", trusted.contract),
                outcome: Outcome::Differs,
                ..Step::failed(name, trusted.code_hash, NO_CONTRACT)
            });
            return None;
        }
        Err(error) => {
            steps.push(Step::failed(name, "an account proof from the node that holds", error));
            return None;
        }
    };
    let note = format!("the account proof holds; the code hash of {}", trusted.contract);
    let (expected, computed) = (trusted.code_hash.to_string(), account.code_hash.to_string());
    let step = Step::compared(name, &note, expected, computed, Outcome::Differs);
    // A predecessor has a step of its own, which goes on to the handover.
    if name == "code" || step.outcome != Outcome::Holds {
        steps.push(step);
    }
    Some(account)
}

/// A predecessor ends where its successor begins.
fn handover(predecessor: &Contract<'_>, successor: &Contract<'_>) -> Result<Step, String> {
    const NAME: &str = "predecessor";
    let head = predecessor.head()?;
    if head == EMPTY_ROOT {
        let note = format!("{} is the trusted contract, and never recorded anything", predecessor.address);
        return Ok(Step::holds(NAME, &note, "no head"));
    }
    let ended = predecessor.record(&head)?.ok_or("the head has no record")?;
    let begun = successor.record(&head)?;
    let note = format!("{} ends with the root that {} began with", predecessor.address, successor.address);
    let text = |record: Option<(u64, u64)>| match record {
        Some((size, sequence)) => format!("root {head} at size {size} as number {sequence}"),
        None => format!("no record of root {head}"),
    };
    let expected = text(Some((ended.size, 0)));
    let computed = text(begun.map(|record| (record.size, record.sequence)));
    let step = Step::compared(NAME, &note, expected, computed, Outcome::Differs);
    let broken = "the predecessor\u{2019}s head is not what the successor began with: one of them was continued alone";
    Ok(if step.outcome == Outcome::Holds { step } else { Step { note: broken.into(), ..step } })
}

/// The oldest contract that has a record of the checkpoint's root counts, because its time is the earliest.
fn record(
    checkpoint: &Checkpoint,
    header: &Header,
    contracts: &[Contract<'_>],
) -> Result<(Step, Option<Record>), String> {
    const NAME: &str = "record";
    let mut oldest = None;
    for contract in contracts {
        if let Some(record) = contract.record(&checkpoint.root)? {
            oldest = Some((contract.address, record));
        }
    }
    let Some((address, record)) = oldest else {
        let why =
            format!("the storage proof shows that the contract has no record of this root at block {}", header.number);
        return Ok((Step::skipped(NAME, why), None));
    };
    let note = format!(
        "anchored as number {} in block {}, at Unix time {}, in the contract {address}",
        record.sequence, record.block, record.time
    );
    let (expected, computed) = (format!("size {}", checkpoint.size), format!("size {}", record.size));
    Ok((Step::compared(NAME, &note, expected, computed, Outcome::Differs), Some(record)))
}

/// Nothing else may stand at the checkpoint's size in any of the contracts.
fn history(checkpoint: &Checkpoint, contracts: &[Contract<'_>], state: &ContractState) -> Result<Step, String> {
    const NAME: &str = "history";
    if let Some((rival, _)) = rival(checkpoint.size, contracts)? {
        return Ok(Step {
            note: "the contract has recorded another root at this size: the log was forked".into(),
            outcome: Outcome::Differs,
            ..Step::failed(
                NAME,
                format!("root {} at size {}", checkpoint.root, checkpoint.size),
                format!("root {rival} at size {}", checkpoint.size),
            )
        });
    }
    // A head that is proven must be one whose record was looked at; what the node merely said it was does not count.
    let mut heads = Vec::new();
    for contract in contracts {
        let head = contract.head()?;
        let looked_at = head == EMPTY_ROOT || contract.proof_of(&head).is_some();
        if !looked_at {
            return Ok(Step::failed(NAME, "the proven head's record", format!("the node kept back that of {head}")));
        }
        heads.push(head.to_string());
    }
    Ok(Step {
        note: match &state.without_events {
            None => "the contract holds no other root at this size".into(),
            Some(why) => format!(
                "the contract's head is no other root of this size; the node does not show its events ({why}), so older \
                 heads could not be compared"
            ),
        },
        expected: "no contradiction".into(),
        computed: format!("the contract's head is {}", heads.join(", its predecessor's ")),
        outcome: Outcome::Holds,
        name: NAME,
    })
}

/// Another root that one of the contracts has recorded at this size.
fn rival<'a>(size: u64, contracts: &[Contract<'a>]) -> Result<Option<(Hash, &'a [Bytes])>, String> {
    for contract in contracts {
        for (root, proof) in &contract.held.others {
            if contract.record(root)?.is_some_and(|record| record.size == size) {
                return Ok(Some((*root, proof)));
            }
        }
    }
    Ok(None)
}

/// The same, proven from the state's block, to be kept.
pub(crate) fn proven_rival(
    trust: &TrustRoots,
    checkpoint: &Checkpoint,
    state: &ContractState,
) -> Option<(Hash, Anchor)> {
    let holdings = std::iter::once(&state.contract).chain(&state.predecessors);
    trust.contracts().zip(holdings).find_map(|(trusted, held)| {
        let account = contract_account(state.header.state_root, trusted.contract, &held.account_proof).ok()?;
        let contract = Contract { address: trusted.contract, account, root: checkpoint.root, held };
        let (root, proof) = rival(checkpoint.size, &[contract]).ok()??;
        let anchor = Anchor {
            transaction: None,
            contract: Some(trusted.contract),
            header: Bytes::from(state.header.rlp.clone()),
            account_proof: held.account_proof.clone(),
            storage_proof: proof.to_vec(),
        };
        (account.code_hash == trusted.code_hash).then_some((root, anchor))
    })
}

impl<'a> Contract<'a> {
    /// The root of its head, proven.
    fn head(&self) -> Result<Hash, String> {
        let head = storage_word(self.account.storage_root, HEAD_SLOT, &self.held.head_proof);
        head.map(|head| Hash(head.to_be_bytes())).map_err(|error| format!("storage proof of the head: {error}"))
    }

    /// The proof of the record of a root, if the node was asked for it.
    fn proof_of(&self, root: &Hash) -> Option<&'a [Bytes]> {
        if *root == self.root {
            return Some(&self.held.record_proof);
        }
        self.held.others.iter().find(|(other, _)| other == root).map(|(_, proof)| proof.as_slice())
    }

    /// The record of a root, proven; `None` if it is proven that there is none.
    fn record(&self, root: &Hash) -> Result<Option<Record>, String> {
        let proof = self.proof_of(root).ok_or_else(|| format!("the node kept back the record of {root}"))?;
        self.account.record(root, proof).map_err(|error| format!("storage proof: {error}"))
    }
}
