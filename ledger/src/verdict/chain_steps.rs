//! Steps 10 to 21, but for those against a contract: trust, seen before, stored anchor, chain, finality, stored block, time.

use alloy_primitives::B256;

use super::{
    Case, ChainAnswer, Outcome, Step, Verdict,
    contract_steps::{self, NO_CONTRACT, Proven},
    log_steps::OfLog,
};
use crate::{
    chain::{
        Header, Record, contract_account,
        query::{ChainState, NamedBlock},
    },
    checkpoint::{Checkpoint, LogKey},
    entry::Beacon,
    evidence::Anchor,
    text::Time,
    trust::{TrustRoots, TrustedContract},
};

/// Takes the steps; gives the verdict that they reach if nothing fails or differs.
pub(super) fn take(case: &Case<'_>, of_log: &OfLog, steps: &mut Vec<Step>) -> Verdict {
    if let Some(claimed) = case.claimed {
        steps.push(claims(case.trust, claimed));
    }
    let Some((key, checkpoint)) = &of_log.signed else {
        steps.push(Step::skipped("chain", "without a signed checkpoint there is no root to ask the chain for"));
        return Verdict::Unchecked;
    };
    if let Some(seen) = case.seen {
        steps.push(seen_before(key, seen, checkpoint));
    }
    let stored = case.bundle.anchor.as_ref().and_then(|anchor| stored_anchor(case, checkpoint, anchor, steps));
    let (verdict, record) = match &case.chain {
        ChainAnswer::State(state) => {
            let reached = live(case, checkpoint, state, steps);
            steps.extend(case.bundle.anchor.as_ref().map(|anchor| stored_block(anchor, &state.blocks)));
            reached
        }
        ChainAnswer::Block { hash, is_final } => vouched(case, *hash, *is_final, stored, steps),
        ChainAnswer::NotAsked => {
            steps.push(Step::skipped("chain", "the chain was not asked"));
            (Verdict::Unchecked, None)
        }
        ChainAnswer::Silent(why) => {
            steps.push(Step::skipped("chain", format!("the chain did not answer: {why}")));
            (Verdict::Unchecked, None)
        }
    };
    let wrong = steps.iter().any(|step| matches!(step.outcome, Outcome::Fails | Outcome::Differs));
    // Whose place in the log is not shown has no time either.
    steps.extend(time(case, of_log.beacon.as_ref(), record).filter(|_| !wrong));
    verdict
}

/// The service must still claim the trust roots that the auditor has pinned.
fn claims(trust: &TrustRoots, claimed: &TrustRoots) -> Step {
    let note = match trust.differences(claimed).as_slice() {
        [] => "the service claims the trust roots that are pinned here".to_owned(),
        _ if claimed.succeeds(trust) => format!(
            "the service now claims a successor, {}, of the contract that is pinned: if somebody you believe says so too, put \
             it into your trust file, and the old one among its predecessors",
            claimed.contract
        ),
        changed => format!("the service now claims another {}", changed.join(", ")),
    };
    let text = |roots: &TrustRoots| serde_json::to_string(roots).unwrap_or_default();
    Step::compared("trust", &note, text(trust), text(claimed), Outcome::Differs)
}

/// What the auditor has seen before must not contradict the checkpoint.
fn seen_before(key: &LogKey, seen: &str, checkpoint: &Checkpoint) -> Step {
    const NAME: &str = "seen before";
    match key.verify(seen) {
        Err(error) => {
            Step::skipped(NAME, format!("what was seen before is not signed by this checkpoint's key: {error}"))
        }
        Ok(seen) if seen.size != checkpoint.size => {
            let sizes = format!("what was seen before has size {}, this checkpoint {}", seen.size, checkpoint.size);
            Step::skipped(NAME, format!("{sizes}: without a consistency proof they can neither agree nor disagree"))
        }
        Ok(seen) => Step::compared(
            NAME,
            &format!("the root that the same key has signed for size {} before", seen.size),
            seen.root.to_string(),
            checkpoint.root.to_string(),
            Outcome::Differs,
        ),
    }
}

/// The proof that the bundle brings along must hold in itself, whatever the chain says today.
fn stored_anchor(case: &Case<'_>, checkpoint: &Checkpoint, anchor: &Anchor, steps: &mut Vec<Step>) -> Option<Proven> {
    const NAME: &str = "stored anchor";
    let named = |trusted: &TrustedContract| anchor.contract.is_none_or(|contract| contract == trusted.contract);
    let candidates: Vec<TrustedContract> = case.trust.contracts().filter(named).collect();
    let Some((first, others)) = candidates.split_first() else {
        let note = "the record is in a contract that is not among the trust roots: if it is the successor of a trusted one, \
                    learn so from somebody you believe, and put the old one among the trust file's predecessors";
        let computed = anchor.contract.map_or_else(String::new, |contract| contract.to_checksum(None));
        let expected = case.trust.contract.to_checksum(None);
        steps.push(Step::compared(NAME, note, expected, computed, Outcome::Differs));
        return None;
    };
    // A bundle that names no contract may come from before the successor: any trusted one will do.
    let proof_in = |trusted: &TrustedContract| proven_record(trusted, checkpoint, anchor);
    let (trusted, shown) = match proof_in(first) {
        Err(why) => {
            others.iter().find_map(|other| Some((other, Ok(proof_in(other).ok()?)))).unwrap_or((first, Err(why)))
        }
        shown => (first, shown),
    };
    let (proven, step) = match shown {
        Ok((header, code_hash, _)) if code_hash != trusted.code_hash => {
            let note = format!("the code hash of {} at block {}", trusted.contract, header.number);
            let (trusted, found) = (trusted.code_hash.to_string(), code_hash.to_string());
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
fn proven_record(
    trusted: &TrustedContract,
    checkpoint: &Checkpoint,
    anchor: &Anchor,
) -> Result<(Header, B256, Record), String> {
    let header = Header::from_rlp(&anchor.header).map_err(|error| error.to_string())?;
    let account = contract_account(header.state_root, trusted.contract, &anchor.account_proof)
        .map_err(|error| format!("account proof: {error}"))?;
    let record = account
        .record(&checkpoint.root, &anchor.storage_proof)
        .map_err(|error| format!("storage proof: {error}"))?
        .ok_or("no record of this root")?;
    if record.size != checkpoint.size {
        return Err(format!("a record of size {}", record.size));
    }
    Ok((header, account.code_hash, record))
}

/// Whether the chain has the block from which the bundle's anchor is proven. If not, that anchor shows nothing.
fn stored_block(anchor: &Anchor, blocks: &[NamedBlock]) -> Step {
    const NAME: &str = "stored block";
    let Ok(stored) = Header::from_rlp(&anchor.header) else {
        return Step::skipped(NAME, "the bundle's block cannot be read");
    };
    match named(blocks, stored.number) {
        Ok(header) if header.hash == stored.hash => {
            let note =
                format!("the chain still has the block {} from which the stored anchor is proven", stored.number);
            Step::holds(NAME, &note, stored.hash)
        }
        Ok(header) => Step::skipped(
            NAME,
            format!(
                "the chain has dropped the block {} from which the stored anchor is proven ({}; it has {}): what counts is \
                 what the chain says now",
                stored.number, stored.hash, header.hash
            ),
        ),
        Err(why) => Step::skipped(NAME, format!("the node does not show block {}: {why}", stored.number)),
    }
}

fn named(blocks: &[NamedBlock], number: u64) -> Result<&Header, &str> {
    let block = blocks.iter().find(|block| block.number == number).ok_or("it was not asked for")?;
    block.header.as_ref().map_err(String::as_str)
}

/// Step 20: between which times the entry was recorded.
fn time(case: &Case<'_>, beacon: Option<&Beacon>, record: Option<Record>) -> Option<Step> {
    const NAME: &str = "time";
    let text = |second| Time::of_second(second).map_or_else(|| format!("Unix time {second}"), |time| time.to_string());
    let since = beacon.map(|beacon| beacon_block(case, beacon));
    let until = record.map(|record| format!("not after {} (block {} of the record)", text(record.time), record.block));
    let (from, why) = match &since {
        Some(Ok(header)) if record.is_some_and(|record| record.time < header.timestamp) => {
            (None, Some(format!("the beacon\u{2019}s block {} is younger than the record", header.number)))
        }
        Some(Ok(header)) => {
            (Some(format!("not before {} (block {} of the beacon)", text(header.timestamp), header.number)), None)
        }
        Some(Err(why)) => (None, Some(why.clone())),
        None => (None, None),
    };
    let shown: Vec<String> = from.into_iter().chain(until).collect();
    if shown.is_empty() {
        return why.map(|why| Step::skipped(NAME, format!("the beacon proves nothing, and does no harm: {why}")));
    }
    let mut note = format!("the entry was recorded {}", shown.join(" and "));
    if let Some(why) = why {
        note = format!("{note}; the beacon proves nothing, and does no harm: {why}");
    }
    Some(Step::holds(NAME, &note, shown.join(", ")))
}

/// The chain's block that a beacon names; or why the beacon shows nothing.
fn beacon_block<'a>(case: &'a Case<'_>, beacon: &Beacon) -> Result<&'a Header, String> {
    let ChainAnswer::State(chain) = &case.chain else { return Err("the chain was not asked for its block".into()) };
    if beacon.chain_id != case.trust.chain_id
        || (chain.chain_id, chain.genesis_hash) != (case.trust.chain_id, case.trust.genesis_hash)
    {
        return Err("its block is another chain\u{2019}s".into());
    }
    let header = named(&chain.blocks, beacon.block)
        .map_err(|why| format!("the node does not show block {}: {why}", beacon.block))?;
    if header.hash.0 != beacon.block_hash.0 {
        return Err(format!("the chain has another block {}: {}", beacon.block, header.hash));
    }
    Ok(header)
}

/// The auditor has the block's hash from elsewhere.
fn vouched(
    case: &Case<'_>,
    hash: B256,
    is_final: bool,
    stored: Option<Proven>,
    steps: &mut Vec<Step>,
) -> (Verdict, Option<Record>) {
    let Some(Proven { header, record }) = stored else {
        let why = if case.bundle.anchor.is_some() { "its proof does not hold" } else { "the bundle brings no block" };
        steps.push(Step::skipped("block", why));
        return (Verdict::Unchecked, None);
    };
    let note = "the bundle's block has the hash that the auditor gives";
    let step = Step::compared("block", note, hash.to_string(), header.hash.to_string(), Outcome::Fails);
    let same = step.outcome == Outcome::Holds;
    steps.push(step);
    if is_final {
        steps.push(Step::holds("finality", "asserted by the auditor", format!("block {}", header.number)));
        return (Verdict::Final, record.filter(|_| same));
    }
    steps.push(Step::skipped("finality", "nobody asserts that the block is final"));
    (Verdict::Anchored, record.filter(|_| same))
}

/// The chain answered: which of its states counts, and what that state shows.
fn live(
    case: &Case<'_>,
    checkpoint: &Checkpoint,
    chain: &ChainState,
    steps: &mut Vec<Step>,
) -> (Verdict, Option<Record>) {
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
        return (Verdict::Unchecked, None);
    }
    // A record in a final block settles it; one that is only in the newest block is not final yet.
    if let Some(state) = &chain.finalized {
        let mut taken = Vec::new();
        let proven = contract_steps::take(case, checkpoint, state, &mut taken);
        // What is wrong there is wrong, whatever the newest block shows; only a contract may be younger than it.
        let young = matches!(taken.last(), Some(step) if step.name == "code" && step.computed == NO_CONTRACT);
        let wrong = taken.iter().any(|step| matches!(step.outcome, Outcome::Fails | Outcome::Differs));
        if wrong && !young {
            steps.extend(taken);
            return (Verdict::Unchecked, None);
        }
        if let Some(Proven { header, record: record @ Some(_) }) = proven {
            steps.extend(taken);
            let (number, of) = (header.number, chain.latest.header.number);
            let note = format!("the chain calls block {number} final (its newest is {of})");
            steps.push(Step::holds("finality", &note, format!("block {number}")));
            return (Verdict::Final, record);
        }
    }
    match contract_steps::take(case, checkpoint, &chain.latest, steps) {
        Some(Proven { header, record: record @ Some(_) }) => {
            let last = chain.finalized.as_ref().map_or_else(|| "none".into(), |state| state.header.number.to_string());
            let note = format!("in block {}, which is not final yet; last final block: {last}", header.number);
            steps.push(Step::skipped("finality", note));
            (Verdict::Anchored, record)
        }
        Some(_) => (Verdict::Consistent, None),
        None => (Verdict::Unchecked, None),
    }
}
