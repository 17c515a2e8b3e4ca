//! A log whose key and contract have changed, on a real Anvil (tests/vectors/verdict/successor.json, made by
//! `cargo run -p e2e --bin record`): an entry of the old contract and key, one of the new; and all that is nearly so.

#![allow(clippy::unwrap_used)]

use alloy_primitives::{Address, B256};
use ledger::{
    Hash,
    chain::{
        Header,
        query::{Answer, ChainQuery, ChainState, Finality, Progress},
    },
    checkpoint::{Checkpoint, LogSigner},
    entry::{Beacon, Entry, Key},
    equivocation::{Equivocation, Statement},
    evidence::{Anchor, BeaconProof, Bundle},
    hash::leaf_hash,
    keys::KeyLink,
    merkle::{MemoryTree, consistency_proof, inclusion_proof, root},
    trust::{TrustRoots, TrustedContract},
    verdict::{Case, ChainAnswer, Outcome, Report, Verdict, examine},
};
use serde_json::Value;

struct Real {
    trust: TrustRoots,
    /// Entry 2, anchored by the old contract, before the key changed.
    old: Evidence,
    /// Entry 6, anchored by the successor, after.
    new: Evidence,
}

#[derive(Clone)]
struct Evidence {
    bundle: Bundle,
    rounds: Vec<Vec<Answer>>,
}

fn read(text: &str) -> Real {
    let file: Value = serde_json::from_str(text).unwrap();
    let case = |case: &Value| Evidence {
        bundle: Bundle::from_json(case["bundle"].to_string().as_bytes()).unwrap(),
        rounds: serde_json::from_value(case["rounds"].clone()).unwrap(),
    };
    let [old, new] = [0, 1].map(|at| case(&file["cases"][at]));
    Real { trust: serde_json::from_value(file["trust"].clone()).unwrap(), old, new }
}

fn real() -> Real {
    read(include_str!("../../tests/vectors/verdict/successor.json"))
}

fn signer(secret: u8) -> LogSigner {
    LogSigner::new("anomaly-ledger.local/lineage".parse().unwrap(), &[secret; 32])
}

fn state(trust: &TrustRoots, evidence: &Evidence) -> ChainState {
    let mut query = ChainQuery::of(trust, &evidence.bundle, Finality::Tag).unwrap();
    for answers in evidence.rounds.clone() {
        assert_eq!(query.requests().len(), answers.len());
        match query.answer(answers).unwrap() {
            Progress::Asking(next) => query = *next,
            Progress::Done(state) => return *state,
        }
    }
    panic!("the chain was not asked enough");
}

fn asked(trust: &TrustRoots, evidence: &Evidence) -> ChainAnswer {
    ChainAnswer::State(Box::new(state(trust, evidence)))
}

fn report(trust: &TrustRoots, evidence: &Evidence) -> Report {
    examine(&Case::new(&evidence.bundle, trust, asked(trust, evidence)))
}

#[track_caller]
fn assert_verdict(report: &Report, verdict: Verdict, step: &str, outcome: Outcome) {
    let found = report.steps.iter().any(|taken| taken.name == step && taken.outcome == outcome);
    assert!(report.verdict == verdict && found, "expected {verdict:?} by {step} {outcome:?}, found {report:#?}");
}

fn step<'a>(report: &'a Report, name: &str) -> &'a ledger::verdict::Step {
    report.steps.iter().find(|step| step.name == name).unwrap_or_else(|| panic!("no step {name}: {report:#?}"))
}

#[test]
fn entries_of_both_contracts_and_both_keys_are_final() {
    let real = real();
    for (evidence, contract) in [(&real.old, real.trust.predecessors[0].contract), (&real.new, real.trust.contract)] {
        let report = report(&real.trust, evidence);
        // The old entry comes without payload, and there are no links where the key has not changed yet.
        for name in ["predecessor", "record", "history", "finality", "beacon", "time", "signature"] {
            assert_verdict(&report, Verdict::Final, name, Outcome::Holds);
        }
        assert!(step(&report, "record").note.contains(&contract.to_string()), "{report:#?}");
        let time = &step(&report, "time").computed;
        assert!(time.starts_with("not before 20") && time.contains(", not after 20"), "{time}");
    }
}

#[test]
fn without_the_predecessor_in_the_trust_roots_its_records_do_not_count() {
    let real = real();
    let trust = TrustRoots { predecessors: Vec::new(), ..real.trust.clone() };
    let mut state = state(&real.trust, &real.old);
    state.latest.predecessors.clear();
    state.finalized.as_mut().unwrap().predecessors.clear();
    let report = examine(&Case::new(&real.old.bundle, &trust, ChainAnswer::State(Box::new(state))));
    assert_verdict(&report, Verdict::Consistent, "record", Outcome::Skipped);
}

#[test]
fn a_predecessor_that_was_continued_alone_is_diverged() {
    let broken = read(include_str!("../../tests/vectors/verdict/broken-succession.json"));
    for evidence in [&broken.old, &broken.new] {
        assert_verdict(&report(&broken.trust, evidence), Verdict::Diverged, "predecessor", Outcome::Differs);
    }
}

#[test]
fn a_predecessor_with_other_code_or_none_is_diverged() {
    let real = real();
    let mut trust = real.trust.clone();
    trust.predecessors[0].code_hash = B256::ZERO;
    assert_verdict(&report(&trust, &real.old), Verdict::Diverged, "predecessor", Outcome::Differs);
    let mut state = state(&real.trust, &real.old);
    let unknown = Address::repeat_byte(9);
    let trust = TrustRoots {
        predecessors: vec![TrustedContract { contract: unknown, code_hash: B256::ZERO }],
        ..real.trust.clone()
    };
    state.finalized.as_mut().unwrap().predecessors[0].account_proof.clear();
    let report = examine(&Case::new(&real.old.bundle, &trust, ChainAnswer::State(Box::new(state))));
    assert_verdict(&report, Verdict::Invalid, "predecessor", Outcome::Fails);
}

#[test]
fn a_claim_of_other_predecessors_is_a_changed_trust_root() {
    let real = real();
    let without = TrustRoots { predecessors: Vec::new(), ..real.trust.clone() };
    assert_eq!(real.trust.differences(&without), ["predecessors"]);
    let case =
        Case { claimed: Some(&without), ..Case::new(&real.new.bundle, &real.trust, asked(&real.trust, &real.new)) };
    assert_verdict(&examine(&case), Verdict::Diverged, "trust", Outcome::Differs);
    let many = vec![real.trust.predecessors[0]; 17];
    let text = serde_json::to_string(&TrustRoots { predecessors: many, ..real.trust }).unwrap();
    assert!(serde_json::from_str::<TrustRoots>(&text).is_err());
}

/// The stored anchor that the anchorer would have kept of what the chain answered, in the contract that has the record.
fn stored(trust: &TrustRoots, evidence: &Evidence, named: Option<Address>) -> Anchor {
    let state = state(trust, evidence).finalized.unwrap();
    let root = Checkpoint::unverified(&evidence.bundle.checkpoint).unwrap().root;
    let in_predecessor = evidence.bundle.index == 2;
    let held = if in_predecessor { state.predecessors[0].clone() } else { state.contract.clone() };
    assert!(!root.0.is_empty());
    Anchor {
        transaction: None,
        contract: named,
        header: state.header.rlp.into(),
        account_proof: held.account_proof,
        storage_proof: held.record_proof,
    }
}

#[test]
fn a_stored_anchor_in_a_predecessor_counts_with_and_without_its_name() {
    let real = real();
    let old = real.trust.predecessors[0].contract;
    let with = |named, trust: &TrustRoots| {
        let anchor = stored(&real.trust, &real.old, named);
        let hash = Header::from_rlp(&anchor.header).unwrap().hash;
        let bundle = Bundle { anchor: Some(anchor), ..real.old.bundle.clone() };
        examine(&Case::new(&bundle, trust, ChainAnswer::Block { hash, is_final: false }))
    };
    assert_verdict(&with(Some(old), &real.trust), Verdict::Anchored, "stored anchor", Outcome::Holds);
    assert_verdict(&with(None, &real.trust), Verdict::Anchored, "stored anchor", Outcome::Holds);
    assert_verdict(&with(Some(real.trust.contract), &real.trust), Verdict::Invalid, "stored anchor", Outcome::Fails);
    let only_new = TrustRoots { predecessors: Vec::new(), ..real.trust.clone() };
    assert_verdict(&with(Some(old), &only_new), Verdict::Diverged, "stored anchor", Outcome::Differs);
    assert_verdict(&with(None, &only_new), Verdict::Invalid, "stored anchor", Outcome::Fails);
}

#[test]
fn a_stored_block_that_the_chain_dropped_is_said_and_changes_nothing() {
    let real = real();
    let mut evidence = real.new.clone();
    evidence.bundle.anchor = Some(stored(&real.trust, &real.new, None));
    let state = state(&real.trust, &real.new);
    let stored = state.finalized.clone().unwrap().header;
    let with = |header: Result<Header, String>| {
        let mut state = state.clone();
        state.blocks.push(ledger::chain::query::NamedBlock { number: stored.number, header });
        examine(&Case::new(&evidence.bundle, &real.trust, ChainAnswer::State(Box::new(state))))
    };
    assert_verdict(&with(Ok(stored.clone())), Verdict::Final, "stored block", Outcome::Holds);
    assert_verdict(&with(Ok(state.latest.header.clone())), Verdict::Final, "stored block", Outcome::Skipped);
    assert_verdict(&with(Err("pruned".into())), Verdict::Final, "stored block", Outcome::Skipped);
}

#[test]
fn a_beacon_whose_proof_fails_is_invalid() {
    let real = real();
    let check = |change: &dyn Fn(&mut BeaconProof)| {
        let mut evidence = real.new.clone();
        change(evidence.bundle.beacon.as_mut().unwrap());
        let chain = asked(&real.trust, &real.new);
        let report = examine(&Case::new(&evidence.bundle, &real.trust, chain));
        assert_verdict(&report, Verdict::Invalid, "beacon", Outcome::Fails);
    };
    check(&|b| b.index = 6);
    check(&|b| b.index = 4);
    check(&|b| b.index = u64::MAX);
    check(&|b| b.proof.push(Hash([0; 32])));
    check(&|b| b.proof.clear());
    check(&|b| b.proof[0].0[0] ^= 1);
    check(&|b| b.entry = real.new.bundle.entry.clone());
    check(&|b| b.entry.push(b' '));
    check(&|b| {
        let Entry::Beacon(honest) = Entry::from_bytes(&b.entry).unwrap() else { panic!("a beacon") };
        let later = Beacon::new(honest.id, honest.recorded, honest.chain_id, honest.block + 1, honest.block_hash);
        b.entry = Entry::Beacon(later).to_bytes().unwrap();
    });
}

#[test]
fn a_beacon_of_a_block_that_the_chain_does_not_have_changes_nothing() {
    let real = real();
    let state = state(&real.trust, &real.new);
    let with = |change: &dyn Fn(&mut ChainState)| {
        let mut state = state.clone();
        change(&mut state);
        examine(&Case::new(&real.new.bundle, &real.trust, ChainAnswer::State(Box::new(state))))
    };
    for report in [
        with(&|s| s.blocks.clear()),
        with(&|s| s.blocks[0].header = Err("no such block".into())),
        with(&|s| s.blocks[0].header = Ok(s.latest.header.clone())),
    ] {
        let time = step(&report, "time");
        assert!(time.note.contains("does no harm") && time.computed.starts_with("not after"), "{time:#?}");
        assert_eq!(report.verdict, Verdict::Final);
    }
    // A block that claims to be younger than the record that commits to its hash shows nothing either.
    let report = with(&|s| s.blocks[0].header.as_mut().unwrap().timestamp = u64::MAX);
    assert!(step(&report, "time").computed.starts_with("not after"), "{report:#?}");
    let alone = examine(&Case::new(&real.new.bundle, &real.trust, ChainAnswer::NotAsked));
    assert_verdict(&alone, Verdict::Unchecked, "time", Outcome::Skipped);
}

#[test]
fn every_lie_about_the_keys_is_invalid() {
    let real = real();
    let check = |step, change: &dyn Fn(&mut Bundle)| {
        let mut bundle = real.new.bundle.clone();
        change(&mut bundle);
        let report = examine(&Case::new(&bundle, &real.trust, asked(&real.trust, &real.new)));
        assert_verdict(&report, Verdict::Invalid, step, Outcome::Fails);
    };
    // Without its link the new key is unknown.
    check("signature", &|b| b.keys.clear());
    check("keys", &|b| b.keys.push(b.keys[0].clone()));
    check("keys", &|b| b.keys[0].index = 2);
    check("keys", &|b| b.keys[0].index = 6);
    check("keys", &|b| b.keys[0].proof.clear());
    check("keys", &|b| b.keys[0].entry = b.entry.clone());
    // A superseded key cannot sign for the size of another.
    let Checkpoint { size, root, .. } = Checkpoint::unverified(&real.new.bundle.checkpoint).unwrap();
    check("signature", &|b| b.checkpoint = signer(1).sign(size, root));
    // A link that the checkpoint does not need.
    let mut early = real.old.clone();
    early.bundle.keys = real.new.bundle.keys.clone();
    assert_verdict(&report(&real.trust, &early), Verdict::Invalid, "keys", Outcome::Fails);
}

#[test]
fn a_later_key_is_trusted_for_itself_and_not_for_an_older_one() {
    let real = real();
    let trust = TrustRoots { log_key: signer(2).log_key(), ..real.trust.clone() };
    assert_verdict(&report(&trust, &real.new), Verdict::Final, "keys", Outcome::Holds);
    assert_verdict(&report(&trust, &real.old), Verdict::Invalid, "signature", Outcome::Fails);
}

/// A thief of the old key leaves the link out and signs a later tree: nothing offline speaks against it, but the
/// contract does not know that root, and whoever trusts the new key is not deceived.
#[test]
fn a_thief_of_an_old_key_gets_no_further_than_the_page_says() {
    let real = real();
    let honest = Checkpoint::unverified(&real.new.bundle.checkpoint).unwrap();
    let tree = MemoryTree::new(
        (0..honest.size).map(|i| if i == 6 { leaf_hash(&real.new.bundle.entry) } else { Hash([9; 32]) }),
    );
    let forged = |checkpoint: String, keys: Vec<KeyLink>| Bundle {
        keys,
        ..Bundle::new(real.new.bundle.entry.clone(), 6, inclusion_proof(&tree, 6, honest.size).unwrap(), checkpoint)
    };
    let root = root(&tree, honest.size).unwrap();
    let bundle = forged(signer(1).sign(honest.size, root), Vec::new());
    let alone = |bundle: &Bundle, secret| {
        let trust = TrustRoots { log_key: signer(secret).log_key(), ..real.trust.clone() };
        examine(&Case::new(bundle, &trust, ChainAnswer::NotAsked)).verdict
    };
    assert_eq!((alone(&bundle, 1), alone(&bundle, 2)), (Verdict::Unchecked, Verdict::Invalid));
    // With the honest link beside it, the old key’s signature does not pass.
    let bundle = forged(signer(1).sign(honest.size, root), real.new.bundle.keys.clone());
    assert_eq!((alone(&bundle, 1), alone(&bundle, 2)), (Verdict::Invalid, Verdict::Invalid));
}

#[test]
fn two_checkpoints_of_one_size_are_kept_as_a_proof() {
    let real = real();
    let honest = Checkpoint::unverified(&real.new.bundle.checkpoint).unwrap();
    let seen = signer(2).sign(honest.size, Hash([3; 32]));
    let chain = asked(&real.trust, &real.new);
    let case = Case { seen: Some(&seen), ..Case::new(&real.new.bundle, &real.trust, chain) };
    assert_verdict(&examine(&case), Verdict::Diverged, "seen before", Outcome::Differs);
    let proof = Equivocation::of(&case).unwrap();
    let proof = Equivocation::from_json(proof.to_json().as_bytes()).unwrap();
    assert_verdict(
        &proof.examine(&real.trust, &ChainAnswer::NotAsked),
        Verdict::Diverged,
        "contradiction",
        Outcome::Differs,
    );
    // It holds for whoever trusts the log’s keys, and shows nothing to others, or where nothing contradicts.
    let invalid = |secret, step, change: &dyn Fn(&mut Equivocation)| {
        let trust = TrustRoots { log_key: signer(secret).log_key(), ..real.trust.clone() };
        let mut proof = proof.clone();
        change(&mut proof);
        let report = proof.examine(&trust, &ChainAnswer::NotAsked);
        assert_verdict(&report, Verdict::Invalid, step, Outcome::Fails);
    };
    let foreign = signer(1).sign(honest.size, Hash([3; 32]));
    invalid(9, "keys", &|_| {});
    invalid(1, "contradiction", &|p| p.other = Statement::Checkpoint(p.checkpoint.clone()));
    invalid(1, "other", &|p| p.other = Statement::Checkpoint(foreign.clone()));
    invalid(1, "consistency", &|p| p.root = Hash([3; 32]));
    invalid(1, "consistency", &|p| p.proof.push(Hash([3; 32])));
    invalid(1, "signature", &|p| p.checkpoint = p.checkpoint.replacen("\n7\n", "\n8\n", 1));
    let agreeing = Case { seen: Some(&real.new.bundle.checkpoint), ..case };
    assert!(Equivocation::of(&agreeing).is_none());
}

#[test]
fn two_checkpoints_of_different_sizes_are_a_proof_with_the_larger_trees_own_root() {
    let real = real();
    let tree = MemoryTree::new((0..7_u64).map(|i| leaf_hash(&i.to_be_bytes())));
    let at = |size| root(&tree, size).unwrap();
    let key = signer(1).log_key();
    let proof = |smaller: Hash, claimed| {
        let consistency = consistency_proof(&tree, 3, 7).unwrap();
        let (larger, smaller) = (signer(1).sign(7, at(7)), signer(1).sign(3, smaller));
        Equivocation::between(key.clone(), Vec::new(), larger, smaller, claimed, consistency)
            .examine(&real.trust, &ChainAnswer::NotAsked)
    };
    assert_verdict(&proof(Hash([3; 32]), at(3)), Verdict::Diverged, "contradiction", Outcome::Differs);
    assert_verdict(&proof(at(3), at(3)), Verdict::Invalid, "contradiction", Outcome::Fails);
    assert_verdict(&proof(Hash([3; 32]), Hash([3; 32])), Verdict::Invalid, "consistency", Outcome::Fails);
}

/// The log’s key signs another root for a size that the contract has recorded.
#[test]
fn a_checkpoint_against_the_contracts_record_is_kept_as_a_proof() {
    let real = real();
    let recorded = Checkpoint::unverified(&real.new.bundle.checkpoint).unwrap();
    let mut chain = state(&real.trust, &real.new);
    // The same proofs, seen by somebody who asked for a forged root: what was asked about is now one of the others.
    for state in chain.finalized.iter_mut().chain([&mut chain.latest]) {
        for held in std::iter::once(&mut state.contract).chain(&mut state.predecessors) {
            held.others.push((recorded.root, held.record_proof.clone()));
        }
    }
    let forged = Bundle { checkpoint: signer(2).sign(recorded.size, Hash([3; 32])), ..real.new.bundle.clone() };
    let block = chain.finalized.clone().unwrap().header;
    let case = Case::new(&forged, &real.trust, ChainAnswer::State(Box::new(chain.clone())));
    let proof = Equivocation::of(&case).unwrap();
    assert!(matches!(proof.other, Statement::Record(_)));
    let proof = Equivocation::from_json(proof.to_json().as_bytes()).unwrap();
    assert!(proof.query(&real.trust, Finality::Tag).unwrap().is_some());
    let with = |answer| proof.examine(&real.trust, &answer);
    let vouched = |hash| with(ChainAnswer::Block { hash, is_final: false });
    assert_verdict(&vouched(block.hash), Verdict::Diverged, "contradiction", Outcome::Differs);
    assert_verdict(&vouched(B256::ZERO), Verdict::Invalid, "block", Outcome::Fails);
    assert_eq!(with(ChainAnswer::NotAsked).verdict, Verdict::Unchecked);
    let named = |header| {
        let mut chain = chain.clone();
        chain.blocks = vec![ledger::chain::query::NamedBlock { number: block.number, header }];
        with(ChainAnswer::State(Box::new(chain)))
    };
    assert_verdict(&named(Ok(block.clone())), Verdict::Diverged, "block", Outcome::Holds);
    assert_verdict(&named(Ok(chain.latest.header.clone())), Verdict::Unchecked, "block", Outcome::Skipped);
    let nobody = TrustRoots { contract: Address::ZERO, predecessors: Vec::new(), ..real.trust.clone() };
    assert_verdict(&proof.examine(&nobody, &ChainAnswer::NotAsked), Verdict::Invalid, "other", Outcome::Fails);
}

#[test]
fn a_key_entry_is_evidence_like_any_other() {
    let real = real();
    let link = &real.new.bundle.keys[0];
    let Entry::Key(Key { log_key, .. }) = Entry::from_bytes(&link.entry).unwrap() else { panic!("a key entry") };
    assert_eq!(log_key, signer(2).log_key());
    let bundle = Bundle::new(link.entry.clone(), link.index, link.proof.clone(), link.checkpoint.clone());
    let report = examine(&Case::new(&bundle, &real.trust, ChainAnswer::NotAsked));
    assert_verdict(&report, Verdict::Unchecked, "signature", Outcome::Holds);
}
