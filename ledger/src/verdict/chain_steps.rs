//! Steps 7 to 15: trust, seen before, stored anchor, chain, block, code, record, history, finality.

use alloy_primitives::{B256, Bytes};

use super::{Case, ChainAnswer, Outcome, Step, Verdict};
use crate::{
    Hash,
    chain::{
        AccountProof, HEAD_SLOT, Header, Record, contract_account,
        query::{ChainState, ContractState},
        storage_word,
    },
    checkpoint::Checkpoint,
    evidence::Anchor,
    hash::EMPTY_ROOT,
    trust::TrustRoots,
};

/// What the step `code` computes where there is no contract.
const NO_CONTRACT: &str = "none";

/// Takes the steps; gives the verdict that they reach if nothing fails or differs.
pub(super) fn take(case: &Case<'_>, checkpoint: Option<&Checkpoint>, steps: &mut Vec<Step>) -> Verdict {
    if let Some(claimed) = case.claimed {
        steps.push(claims(case.trust, claimed));
    }
    let Some(checkpoint) = checkpoint else {
        steps.push(Step::skipped("chain", "without a signed checkpoint there is no root to ask the chain for"));
        return Verdict::Unchecked;
    };
    if let Some(step) = seen_before(case, checkpoint) {
        steps.push(step);
    }
    let mut stored = None;
    if let Some(anchor) = &case.bundle.anchor {
        stored = stored_anchor(case, checkpoint, anchor, steps);
    }
    match &case.chain {
        ChainAnswer::State(state) => live(case, checkpoint, state, steps),
        ChainAnswer::Block { hash, is_final } => vouched(case, *hash, *is_final, stored, steps),
        ChainAnswer::NotAsked => {
            steps.push(Step::skipped("chain", "the chain was not asked"));
            Verdict::Unchecked
        }
        ChainAnswer::Silent(why) => {
            steps.push(Step::skipped("chain", format!("the chain did not answer: {why}")));
            Verdict::Unchecked
        }
    }
}

/// The service must still claim the trust roots that the auditor has pinned.
fn claims(trust: &TrustRoots, claimed: &TrustRoots) -> Step {
    let note = match trust.differences(claimed).as_slice() {
        [] => "the service claims the trust roots that are pinned here".to_owned(),
        changed => format!("the service now claims another {}", changed.join(", ")),
    };
    let text = |roots: &TrustRoots| serde_json::to_string(roots).unwrap_or_default();
    Step::compared("trust", &note, text(trust), text(claimed), Outcome::Differs)
}

/// What the auditor has seen before under this key must not contradict the checkpoint.
fn seen_before(case: &Case<'_>, checkpoint: &Checkpoint) -> Option<Step> {
    let seen = case.seen.filter(|seen| seen.size == checkpoint.size)?;
    Some(Step::compared(
        "seen before",
        &format!("the root that the same key has signed for size {} before", seen.size),
        seen.root.to_string(),
        checkpoint.root.to_string(),
        Outcome::Differs,
    ))
}

/// What was proven of a contract at a block.
struct Proven {
    header: Header,
    record: Option<Record>,
}

/// The proof that the bundle brings along must hold in itself, whatever the chain says today.
fn stored_anchor(case: &Case<'_>, checkpoint: &Checkpoint, anchor: &Anchor, steps: &mut Vec<Step>) -> Option<Proven> {
    const NAME: &str = "stored anchor";
    let (proven, step) = match proven_record(case, checkpoint, anchor) {
        Ok((header, code_hash, _)) if code_hash != case.trust.code_hash => {
            let note = format!("the contract's code hash at block {}", header.number);
            let (trusted, found) = (case.trust.code_hash.to_string(), code_hash.to_string());
            (None, Step::compared(NAME, &note, trusted, found, Outcome::Differs))
        }
        Ok((header, _, record)) => {
            let note = format!(
                "proven from the header of a block {} that the bundle brings; whether the chain kept it says the chain",
                header.number
            );
            let shown = format!("size {}, sequence {}, time {}", record.size, record.sequence, record.time);
            (Some(Proven { header, record: Some(record) }), Step::holds(NAME, &note, shown))
        }
        Err(why) => (None, Step::failed(NAME, format!("a proven record of size {}", checkpoint.size), why)),
    };
    steps.push(step);
    proven
}

/// Walks a stored proof from its header to the record of the checkpoint's root; the text says where it ends.
fn proven_record(case: &Case<'_>, checkpoint: &Checkpoint, anchor: &Anchor) -> Result<(Header, B256, Record), String> {
    let header = Header::from_rlp(&anchor.header).map_err(|error| error.to_string())?;
    let account = contract_account(header.state_root, case.trust.contract, &anchor.account_proof)
        .map_err(|error| format!("account proof: {error}"))?;
    let record = record_of(&account, &checkpoint.root, &anchor.storage_proof)?.ok_or("no record of this root")?;
    if record.size != checkpoint.size {
        return Err(format!("a record of size {}", record.size));
    }
    Ok((header, account.code_hash, record))
}

fn record_of(account: &AccountProof, root: &Hash, proof: &[Bytes]) -> Result<Option<Record>, String> {
    account.record(root, proof).map_err(|error| format!("storage proof: {error}"))
}

/// The auditor has the block's hash from elsewhere.
fn vouched(case: &Case<'_>, hash: B256, is_final: bool, stored: Option<Proven>, steps: &mut Vec<Step>) -> Verdict {
    let Some(stored) = stored else {
        let why = if case.bundle.anchor.is_some() { "its proof does not hold" } else { "the bundle brings no block" };
        steps.push(Step::skipped("block", why));
        return Verdict::Unchecked;
    };
    steps.push(Step::compared(
        "block",
        "the bundle's block has the hash that the auditor gives",
        hash.to_string(),
        stored.header.hash.to_string(),
        Outcome::Fails,
    ));
    if is_final {
        steps.push(Step::holds("finality", "asserted by the auditor", format!("block {}", stored.header.number)));
        return Verdict::Final;
    }
    steps.push(Step::skipped("finality", "nobody asserts that the block is final"));
    Verdict::Anchored
}

/// The chain answered: which of its states counts, and what that state shows.
fn live(case: &Case<'_>, checkpoint: &Checkpoint, chain: &ChainState, steps: &mut Vec<Step>) -> Verdict {
    let differs =
        |note, expected: String, computed: String| Step::compared("chain", note, expected, computed, Outcome::Differs);
    steps.push(differs("chain id", case.trust.chain_id.to_string(), chain.chain_id.to_string()));
    let differs = |note, expected: String, computed: String| {
        Step::compared("genesis", note, expected, computed, Outcome::Differs)
    };
    steps.push(differs("hash of block 0", case.trust.genesis_hash.to_string(), chain.genesis_hash.to_string()));
    let same = (chain.chain_id, chain.genesis_hash) == (case.trust.chain_id, case.trust.genesis_hash);
    if !same {
        steps.push(Step::skipped("record", "this is another chain than the trusted one"));
        return Verdict::Unchecked;
    }
    // A record in a final block settles it; one that is only in the newest block is not final yet.
    if let Some(state) = &chain.finalized {
        let mut taken = Vec::new();
        let proven = contract_steps(case, checkpoint, state, &mut taken);
        // What is wrong there is wrong, whatever the newest block shows; only a contract may be younger than it.
        let young = matches!(taken.last(), Some(step) if step.name == "code" && step.computed == NO_CONTRACT);
        let wrong = taken.iter().any(|step| matches!(step.outcome, Outcome::Fails | Outcome::Differs));
        if wrong && !young {
            steps.extend(taken);
            return Verdict::Unchecked;
        }
        if let Some(Proven { header, record: Some(_) }) = &proven {
            steps.extend(taken);
            let (number, of) = (header.number, chain.latest.header.number);
            let note = format!("the chain calls block {number} final (its newest is {of})");
            steps.push(Step::holds("finality", &note, format!("block {number}")));
            return Verdict::Final;
        }
    }
    match contract_steps(case, checkpoint, &chain.latest, steps) {
        Some(Proven { header, record: Some(_) }) => {
            let last = chain.finalized.as_ref().map_or_else(|| "none".into(), |state| state.header.number.to_string());
            let note = format!("in block {}, which is not final yet; last final block: {last}", header.number);
            steps.push(Step::skipped("finality", note));
            Verdict::Anchored
        }
        Some(_) => Verdict::Consistent,
        None => Verdict::Unchecked,
    }
}

/// Steps 11 to 14 against one state of the contract; `None` if a proof does not hold.
fn contract_steps(
    case: &Case<'_>,
    checkpoint: &Checkpoint,
    state: &ContractState,
    steps: &mut Vec<Step>,
) -> Option<Proven> {
    let header = state.header.clone();
    let note = format!("the header of block {} hashes to its hash", header.number);
    steps.push(Step::holds("block", &note, header.hash));

    let account = match contract_account(header.state_root, case.trust.contract, &state.account_proof) {
        Ok(account) => account,
        Err(crate::chain::ProofError::NoAccount) => {
            steps.push(Step {
                note: "there is no contract at the trusted address".into(),
                outcome: Outcome::Differs,
                ..Step::failed("code", case.trust.code_hash, NO_CONTRACT)
            });
            return None;
        }
        Err(error) => {
            steps.push(Step::failed("code", "an account proof from the node that holds", error));
            return None;
        }
    };
    steps.push(Step::compared(
        "code",
        "the account proof holds; the contract's code hash",
        case.trust.code_hash.to_string(),
        account.code_hash.to_string(),
        Outcome::Differs,
    ));
    let record = match record_of(&account, &checkpoint.root, &state.record_proof) {
        Ok(record) => record,
        Err(why) => {
            steps.push(Step::failed("record", "a storage proof from the node that holds", why));
            return None;
        }
    };
    steps.push(record_step(checkpoint, &header, record));
    history(checkpoint, &account, state, steps);
    Some(Proven { header, record })
}

fn record_step(checkpoint: &Checkpoint, header: &Header, record: Option<Record>) -> Step {
    const NAME: &str = "record";
    let Some(record) = record else {
        let why =
            format!("the storage proof shows that the contract has no record of this root at block {}", header.number);
        return Step::skipped(NAME, why);
    };
    let note =
        format!("anchored as number {} in block {}, at Unix time {}", record.sequence, record.block, record.time);
    Step::compared(NAME, &note, format!("size {}", checkpoint.size), format!("size {}", record.size), Outcome::Differs)
}

/// Step 14: nothing else may stand at the checkpoint's size in the contract.
fn history(checkpoint: &Checkpoint, account: &AccountProof, state: &ContractState, steps: &mut Vec<Step>) {
    const NAME: &str = "history";
    let differs = |note: &str, computed: String| Step {
        note: note.into(),
        outcome: Outcome::Differs,
        ..Step::failed(NAME, format!("root {} at size {}", checkpoint.root, checkpoint.size), computed)
    };
    for (rival, proof) in &state.rivals {
        match record_of(account, rival, proof) {
            Err(why) => return steps.push(Step::failed(NAME, "a storage proof from the node that holds", why)),
            Ok(Some(record)) if record.size == checkpoint.size => {
                let note = "the contract has recorded another root at this size: the log was forked";
                return steps.push(differs(note, format!("root {rival} at size {}", record.size)));
            }
            Ok(_) => {}
        }
    }
    let head = match storage_word(account.storage_root, HEAD_SLOT, &state.head_proof) {
        Ok(head) => Hash(head.to_be_bytes()),
        Err(error) => return steps.push(Step::failed(NAME, "a storage proof of the head that holds", error)),
    };
    // The head that is proven must be one whose record was looked at; what the node merely said it was does not count.
    let looked_at =
        head == checkpoint.root || head == EMPTY_ROOT || state.rivals.iter().any(|(rival, _)| *rival == head);
    if !looked_at {
        return steps.push(Step::failed(
            NAME,
            "the proven head's record",
            format!("the node kept back that of {head}"),
        ));
    }
    steps.push(Step {
        note: match &state.without_events {
            None => "the contract holds no other root at this size".into(),
            Some(why) => format!(
                "the contract's head is no other root of this size; the node does not show its events ({why}), so older \
                 heads could not be compared"
            ),
        },
        expected: "no contradiction".into(),
        computed: format!("the contract's head is {head}"),
        outcome: Outcome::Holds,
        name: NAME,
    });
}
