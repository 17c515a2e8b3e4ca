//! Verdicts on a real entry of a real log on a real Anvil (tests/vectors/verdict/final.json), and on all that is nearly it.

#![allow(clippy::unwrap_used)]

use alloy_primitives::B256;
use ledger::{
    Hash,
    chain::{
        Header,
        query::{Answer, ChainQuery, ChainState, Finality, Progress, QueryError},
    },
    checkpoint::{Checkpoint, LogSigner},
    entry::Payload,
    evidence::{Bundle, BundleError, Disclosure, MAX_STATE},
    hash::{leaf_hash, sha256},
    merkle::{MemoryTree, inclusion_proof, root},
    trust::TrustRoots,
    verdict::{Case, ChainAnswer, Outcome, Report, Verdict, examine},
};
use proptest::prelude::*;
use serde_json::Value;

/// A case with all that speaks for it.
struct Real {
    bundle: Bundle,
    json: String,
    trust: TrustRoots,
    rounds: Vec<Vec<Answer>>,
}

fn real() -> Real {
    let file: Value = serde_json::from_str(include_str!("../../tests/vectors/verdict/final.json")).unwrap();
    let json = file["bundle"].to_string();
    Real {
        bundle: Bundle::from_json(json.as_bytes()).unwrap(),
        json,
        trust: serde_json::from_value(file["trust"].clone()).unwrap(),
        rounds: serde_json::from_value(file["rounds"].clone()).unwrap(),
    }
}

fn query(real: &Real, finality: Finality) -> ChainQuery {
    ChainQuery::of(&real.trust, &real.bundle, finality).unwrap()
}

fn ask(real: &Real) -> Result<ChainState, QueryError> {
    let mut query = query(real, Finality::Tag);
    for answers in real.rounds.clone() {
        assert_eq!(query.requests().len(), answers.len());
        match query.answer(answers)? {
            Progress::Asking(next) => query = *next,
            Progress::Done(state) => return Ok(*state),
        }
    }
    panic!("the chain was not asked enough");
}

fn state(real: &Real) -> ChainAnswer {
    match ask(real) {
        Ok(state) => ChainAnswer::State(Box::new(state)),
        Err(error) => ChainAnswer::Silent(error.to_string()),
    }
}

fn report(bundle: &Bundle, trust: &TrustRoots, chain: ChainAnswer) -> Report {
    examine(&Case::new(bundle, trust, chain))
}

fn assert_verdict(report: &Report, verdict: Verdict, step: &str, outcome: Outcome) {
    let found = report.steps.iter().any(|taken| taken.name == step && taken.outcome == outcome);
    assert!(report.verdict == verdict && found, "expected {verdict:?} by {step} {outcome:?}, found {report:#?}");
}

#[test]
fn the_real_case_is_final() {
    let real = real();
    let report = report(&real.bundle, &real.trust, state(&real));
    assert_verdict(&report, Verdict::Final, "finality", Outcome::Holds);
    assert!(report.steps.iter().all(|step| step.outcome == Outcome::Holds), "{report:#?}");
}

#[test]
fn without_the_chain_it_is_unchecked() {
    let real = real();
    assert_eq!(report(&real.bundle, &real.trust, ChainAnswer::NotAsked).verdict, Verdict::Unchecked);
    assert_eq!(report(&real.bundle, &real.trust, ChainAnswer::Silent("down".into())).verdict, Verdict::Unchecked);
}

#[test]
fn a_block_hash_of_the_auditors_own_serves_as_well() {
    let real = real();
    let hash = Header::from_rlp(&real.bundle.anchor.clone().unwrap().header).unwrap().hash;
    let vouched = |hash, is_final| report(&real.bundle, &real.trust, ChainAnswer::Block { hash, is_final });
    assert_eq!(vouched(hash, false).verdict, Verdict::Anchored);
    assert_eq!(vouched(hash, true).verdict, Verdict::Final);
    assert_verdict(&vouched(B256::ZERO, true), Verdict::Invalid, "block", Outcome::Fails);
    let bare = Bundle { anchor: None, ..real.bundle.clone() };
    let report = report(&bare, &real.trust, ChainAnswer::Block { hash, is_final: true });
    assert_eq!(report.verdict, Verdict::Unchecked);
}

#[test]
fn not_final_yet_is_anchored() {
    let mut real = real();
    real.rounds[0][3] = Ok(Value::Null);
    drop(real.rounds[1].remove(0));
    drop(real.rounds[2].remove(0));
    assert_verdict(&report(&real.bundle, &real.trust, state(&real)), Verdict::Anchored, "finality", Outcome::Skipped);
}

#[test]
fn every_lie_about_the_entry_is_invalid() {
    let real = real();
    let check = |bundle: &Bundle, step| {
        assert_verdict(&report(bundle, &real.trust, state(&real)), Verdict::Invalid, step, Outcome::Fails);
    };
    let disclosed = real.bundle.disclosure.clone().unwrap();
    let changed = |change: &dyn Fn(&mut Bundle)| {
        let mut bundle = real.bundle.clone();
        change(&mut bundle);
        bundle
    };
    check(&changed(&|b| b.entry[20] ^= 1), "inclusion");
    check(&changed(&|b| b.entry.push(b' ')), "entry");
    check(&changed(&|b| b.index += 1), "inclusion");
    check(&changed(&|b| b.index = 1 << 60), "inclusion");
    check(&changed(&|b| b.proof[0].0[0] ^= 1), "inclusion");
    check(&changed(&|b| b.proof.push(Hash([0; 32]))), "inclusion");
    check(&changed(&|b| b.proof.clear()), "inclusion");
    check(&changed(&|b| b.checkpoint = b.checkpoint.replacen("\n5\n", "\n6\n", 1)), "signature");
    check(&changed(&|b| b.disclosure = Some(Disclosure { salt: [0; 32], ..disclosed.clone() })), "payload");
    let mut payload = disclosed.payload.clone();
    payload[30] ^= 1;
    check(&changed(&|b| b.disclosure = Some(Disclosure { payload: payload.clone(), ..disclosed.clone() })), "payload");
    check(&changed(&|b| b.state = Some(b"another state".to_vec())), "state");
}

#[test]
fn a_state_stands_beside_the_payload_that_names_it() {
    let real = real();
    let mut payload = Payload::from_bytes(&real.bundle.disclosure.as_ref().unwrap().payload).unwrap();
    payload.state = sha256(&[b"state"]);
    let payload = payload.to_bytes().unwrap();
    let bundle = Bundle {
        disclosure: Some(Disclosure { payload, salt: [0; 32] }),
        state: Some(b"state".to_vec()),
        ..real.bundle
    };
    assert_eq!(Bundle::from_json(bundle.to_json().as_bytes()).unwrap(), bundle);
    let step = |bundle: &Bundle| {
        let steps = examine(&Case::new(bundle, &real.trust, ChainAnswer::NotAsked)).steps;
        steps.into_iter().find(|step| step.name == "state").map(|step| step.outcome)
    };
    assert_eq!(step(&bundle), Some(Outcome::Holds));
    assert_eq!(step(&Bundle { state: None, ..bundle.clone() }), None);
    // The form refuses it; who makes it by hand is told as well.
    let alone = Bundle { disclosure: None, ..bundle.clone() };
    assert_eq!(step(&alone), Some(Outcome::Fails));
    for refused in [
        alone,
        Bundle { state: Some(Vec::new()), ..bundle.clone() },
        Bundle { state: Some(vec![0; MAX_STATE + 1]), ..bundle.clone() },
    ] {
        assert!(matches!(Bundle::from_json(refused.to_json().as_bytes()), Err(BundleError::State)));
    }
    let longest = Bundle { state: Some(vec![0; MAX_STATE]), ..bundle };
    assert_eq!(Bundle::from_json(longest.to_json().as_bytes()).unwrap(), longest);
}

#[test]
fn another_key_is_invalid_and_another_chain_diverged() {
    let real = real();
    let with = |change: &dyn Fn(&mut TrustRoots)| {
        let mut trust = real.trust.clone();
        change(&mut trust);
        report(&Bundle { anchor: None, ..real.bundle.clone() }, &trust, state(&real))
    };
    let other = LogSigner::new(real.trust.log_key.origin().clone(), &[1; 32]).log_key();
    assert_verdict(&with(&|t| t.log_key = other.clone()), Verdict::Invalid, "signature", Outcome::Fails);
    assert_verdict(&with(&|t| t.chain_id = 1), Verdict::Diverged, "chain", Outcome::Differs);
    assert_verdict(&with(&|t| t.genesis_hash = B256::ZERO), Verdict::Diverged, "genesis", Outcome::Differs);
    assert_verdict(&with(&|t| t.code_hash = B256::ZERO), Verdict::Diverged, "code", Outcome::Differs);
}

#[test]
fn a_change_of_what_the_service_claims_is_diverged() {
    let real = real();
    let claimed = TrustRoots { chain_id: 1, ..real.trust.clone() };
    let case = Case { claimed: Some(&claimed), ..Case::new(&real.bundle, &real.trust, state(&real)) };
    assert_verdict(&examine(&case), Verdict::Diverged, "trust", Outcome::Differs);
}

/// A log of the same size as the real one, with another first entry, signed by `signer`.
fn fork(real: &Real, signer: &LogSigner) -> Bundle {
    let size = Checkpoint::unverified(&real.bundle.checkpoint).unwrap().size;
    let leaves = (0..size).map(|i| if i == real.bundle.index { leaf_hash(&real.bundle.entry) } else { Hash([9; 32]) });
    let tree = MemoryTree::new(leaves);
    Bundle {
        proof: inclusion_proof(&tree, real.bundle.index, size).unwrap(),
        checkpoint: signer.sign(size, root(&tree, size).unwrap()),
        anchor: None,
        ..real.bundle.clone()
    }
}

#[test]
fn a_fork_of_the_same_size_is_diverged_under_our_key_and_invalid_under_another() {
    let mut real = real();
    let ours = LogSigner::new(real.trust.log_key.origin().clone(), &[1; 32]);
    let other = LogSigner::new(real.trust.log_key.origin().clone(), &[2; 32]);
    real.trust.log_key = ours.log_key();
    real.bundle = fork(&real, &ours);
    let answers: Value = serde_json::from_str(include_str!("../../tests/vectors/verdict/fork.json")).unwrap();
    assert_eq!(answers["root"], Checkpoint::unverified(&real.bundle.checkpoint).unwrap().root.to_string());
    real.rounds = serde_json::from_value(answers["rounds"].clone()).unwrap();
    let chain = state(&real);
    assert_verdict(&report(&real.bundle, &real.trust, chain.clone()), Verdict::Diverged, "history", Outcome::Differs);
    let foreign = fork(&real, &other);
    assert_verdict(&report(&foreign, &real.trust, chain), Verdict::Invalid, "signature", Outcome::Fails);
}

#[test]
fn a_checkpoint_seen_before_that_contradicts_is_diverged() {
    let mut real = real();
    let chain = state(&real);
    let ours = LogSigner::new(real.trust.log_key.origin().clone(), &[1; 32]);
    let signed = Checkpoint::unverified(&real.bundle.checkpoint).unwrap();
    real.trust.log_key = ours.log_key();
    real.bundle.checkpoint = ours.sign(signed.size, signed.root);
    let with = |seen: &str| examine(&Case { seen: Some(seen), ..Case::new(&real.bundle, &real.trust, chain.clone()) });
    assert_verdict(&with(&real.bundle.checkpoint), Verdict::Final, "seen before", Outcome::Holds);
    let other = ours.sign(signed.size, Hash([3; 32]));
    assert_verdict(&with(&other), Verdict::Diverged, "seen before", Outcome::Differs);
    // What nobody of this log has signed, or has another size, says nothing.
    let foreign = LogSigner::new(real.trust.log_key.origin().clone(), &[2; 32]).sign(signed.size, Hash([3; 32]));
    for seen in [foreign, ours.sign(signed.size + 1, Hash([3; 32])), String::new()] {
        assert_verdict(&with(&seen), Verdict::Final, "seen before", Outcome::Skipped);
    }
}

#[test]
fn the_logs_own_tile_must_agree() {
    let real = real();
    let ours = LogSigner::new(real.trust.log_key.origin().clone(), &[1; 32]);
    let bundle = fork(&real, &ours);
    let trust = TrustRoots { log_key: ours.log_key(), ..real.trust.clone() };
    let honest: Vec<Hash> =
        (0..5).map(|i| if i == bundle.index { leaf_hash(&bundle.entry) } else { Hash([9; 32]) }).collect();
    let with = |tile: &[Hash]| examine(&Case { tile: Some(tile), ..Case::new(&bundle, &trust, ChainAnswer::NotAsked) });
    assert_verdict(&with(&honest), Verdict::Unchecked, "tile", Outcome::Holds);
    assert_verdict(&with(&honest[..4]), Verdict::Invalid, "tile", Outcome::Fails);
    for at in 0..honest.len() {
        let mut changed = honest.clone();
        changed[at].0[31] ^= 1;
        assert_verdict(&with(&changed), Verdict::Invalid, "tile", Outcome::Fails);
    }
}

#[test]
fn a_lying_node_shows_nothing() {
    let real = real();
    for at in 0..2 {
        for (proof, step) in [("accountProof", "code"), ("storageProof", "record")] {
            let mut lying = self::real();
            for answer in lying.rounds[2].iter_mut().flatten() {
                let nodes = if proof == "accountProof" { &mut answer[proof] } else { &mut answer[proof][1]["proof"] };
                let nodes = nodes.as_array_mut().unwrap();
                if at == 0 { nodes.truncate(nodes.len() - 1) } else { nodes.push(Value::from("0xc0")) }
            }
            let report = report(&real.bundle, &real.trust, state(&lying));
            assert_verdict(&report, Verdict::Invalid, step, Outcome::Fails);
        }
    }
    let mut lying = self::real();
    lying.rounds[0][2].as_mut().unwrap()["stateRoot"] = Value::from(B256::ZERO.to_string());
    assert_eq!(report(&real.bundle, &real.trust, state(&lying)).verdict, Verdict::Unchecked);
}

#[test]
fn bundles_of_another_form_are_refused() {
    let real = real();
    let without_salt = real.json.replacen("\"salt\"", "\"sald\"", 1);
    for json in [
        real.json.replacen("\"v\":1", "\"v\":2", 1),
        real.json.replacen("\"v\":1", "\"v\":1,\"v\":1", 1),
        real.json.replacen("\"v\":1", "\"v\":1,\"trust\":{}", 1),
        format!("{}x", real.json),
        without_salt,
        "{}".into(),
        String::new(),
    ] {
        assert!(Bundle::from_json(json.as_bytes()).is_err(), "{json:.60}");
    }
    assert_eq!(Bundle::from_json(real.bundle.to_json().as_bytes()).unwrap(), real.bundle);
}

#[test]
fn every_edge_of_the_trees_size_is_strict() {
    let ours = LogSigner::new("test.local/log".parse().unwrap(), &[1; 32]);
    let trust = TrustRoots { log_key: ours.log_key(), ..real().trust };
    let entry = real().bundle.entry;
    let verdict = |index, proof, checkpoint| {
        report(&Bundle::new(entry.clone(), index, proof, checkpoint), &trust, ChainAnswer::NotAsked).verdict
    };
    assert_eq!(verdict(0, Vec::new(), ours.sign(0, ledger::hash::EMPTY_ROOT)), Verdict::Invalid);
    assert_eq!(verdict(0, Vec::new(), ours.sign(0, leaf_hash(&entry))), Verdict::Invalid);
    for size in [1, 2, 3, 4, 5, 7, 8, 9, 255, 256, 257] {
        for index in [0, size / 2, size - 1] {
            let tree = MemoryTree::new((0..size).map(|i| if i == index { leaf_hash(&entry) } else { Hash([9; 32]) }));
            let proof = inclusion_proof(&tree, index, size).unwrap();
            let note = ours.sign(size, root(&tree, size).unwrap());
            assert_eq!(verdict(index, proof.clone(), note.clone()), Verdict::Unchecked, "{index} of {size}");
            let longer = [proof.clone(), vec![Hash([9; 32])]].concat();
            assert_eq!(verdict(index, longer, note.clone()), Verdict::Invalid, "{index} of {size}");
            if let Some((_, shorter)) = proof.split_last() {
                assert_eq!(verdict(index, shorter.to_vec(), note.clone()), Verdict::Invalid, "{index} of {size}");
            }
            assert_eq!(verdict(size, proof, note), Verdict::Invalid, "{index} of {size}");
        }
    }
}

#[test]
fn a_record_of_another_size_than_the_checkpoints_differs() {
    let mut real = real();
    let chain = state(&real);
    let ours = LogSigner::new(real.trust.log_key.origin().clone(), &[1; 32]);
    let signed = Checkpoint::unverified(&real.bundle.checkpoint).unwrap();
    real.trust.log_key = ours.log_key();
    real.bundle.checkpoint = ours.sign(signed.size + 1, signed.root);
    let report = report(&real.bundle, &real.trust, chain);
    // The proof has another shape at that size, so that this is invalid besides.
    assert_verdict(&report, Verdict::Invalid, "record", Outcome::Differs);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever a node answers, the query ends in a state or an error.
    #[test]
    fn no_answer_of_a_node_panics(round in 0..3_usize, at in any::<prop::sample::Index>(), path in proptest::collection::vec(any::<prop::sample::Index>(), 1..4), with in 0..8_usize, depth in proptest::option::of(any::<u64>())) {
        let mut real = real();
        let at = at.index(real.rounds[round].len());
        if let Ok(answer) = &mut real.rounds[round][at] {
            let mut value = answer;
            for step in path {
                let size = value.as_object().map_or(0, |o| o.len()).max(value.as_array().map_or(0, Vec::len));
                if size > 0 {
                    let at = step.index(size);
                    value = match value {
                        Value::Object(members) => members.values_mut().nth(at).unwrap(),
                        value => &mut value[at],
                    };
                }
            }
            *value = [
                Value::Null, Value::from(0), Value::from("0x"), Value::from("0xffffffffffffffffffff"),
                Value::from("0x0"), Value::from(vec![Value::Null]), Value::from(""), Value::from("0xc0"),
            ][with].clone();
        }
        let mut query = query(&real, depth.map_or(Finality::Tag, Finality::Depth));
        for answers in real.rounds.clone() {
            match query.answer(answers) {
                Ok(Progress::Asking(next)) => query = *next,
                Ok(Progress::Done(state)) => {
                    report(&real.bundle, &real.trust, ChainAnswer::State(state));
                    return Ok(());
                }
                Err(_) => return Ok(()),
            }
        }
    }
}
