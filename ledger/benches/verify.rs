//! How long an auditor waits: one inclusion proof, and a whole bundle with the chain's answers, as recorded in
//! tests/vectors/verdict/final.json. `scripts/bench ledger` runs it; it asserts nothing about time.

#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ledger::{
    Hash,
    chain::query::{Answer, ChainQuery, ChainState, Finality, Progress},
    checkpoint::Checkpoint,
    evidence::Bundle,
    hash::leaf_hash,
    merkle::{root_from_inclusion, verify_inclusion},
    trust::TrustRoots,
    verdict::{Case, ChainAnswer, Verdict, examine},
};
use serde_json::Value;

/// The log of the largest measurement, 24 hashes deep.
const SIZE: u64 = 10_000_000;

fn inclusion(criterion: &mut Criterion) {
    let file: Value = serde_json::from_str(include_str!("../../tests/vectors/entry/anomaly.json")).unwrap();
    let entry = file["entry"].as_str().unwrap().as_bytes();
    let proof: Vec<Hash> = (0..).map(|at| leaf_hash(&[at])).take(24).collect();
    let index = SIZE / 3;
    let root = root_from_inclusion(&leaf_hash(entry), index, SIZE, &proof).unwrap();
    criterion.bench_function("inclusion, entry of a log of 10 million", |bencher| {
        bencher.iter(|| verify_inclusion(&leaf_hash(black_box(entry)), index, SIZE, &proof, &root).unwrap());
    });
}

fn state(bundle: &Bundle, trust: &TrustRoots, rounds: &[Vec<Answer>]) -> ChainState {
    let checkpoint = Checkpoint::unverified(&bundle.checkpoint).unwrap();
    let mut query = ChainQuery::new(trust.contract, checkpoint.root, checkpoint.size, Finality::Tag);
    for answers in rounds {
        match query.answer(answers.clone()).unwrap() {
            Progress::Asking(next) => query = *next,
            Progress::Done(state) => return *state,
        }
    }
    panic!("the chain was not asked enough");
}

fn bundle(criterion: &mut Criterion) {
    let file: Value = serde_json::from_str(include_str!("../../tests/vectors/verdict/final.json")).unwrap();
    let json = file["bundle"].to_string();
    let trust: TrustRoots = serde_json::from_value(file["trust"].clone()).unwrap();
    let rounds: Vec<Vec<Answer>> = serde_json::from_value(file["rounds"].clone()).unwrap();
    criterion.bench_function("whole bundle, from JSON and the chain's answers to final", |bencher| {
        bencher.iter(|| {
            let bundle = Bundle::from_json(black_box(json.as_bytes())).unwrap();
            let chain = ChainAnswer::State(Box::new(state(&bundle, &trust, &rounds)));
            let case = Case { bundle: &bundle, trust: &trust, chain, tile: None, claimed: None, seen: None };
            assert_eq!(examine(&case).verdict, Verdict::Final);
        });
    });
    criterion.bench_function("whole bundle, the chain not asked", |bencher| {
        bencher.iter(|| {
            let bundle = Bundle::from_json(black_box(json.as_bytes())).unwrap();
            let chain = ChainAnswer::NotAsked;
            let case = Case { bundle: &bundle, trust: &trust, chain, tile: None, claimed: None, seen: None };
            assert_eq!(examine(&case).verdict, Verdict::Unchecked);
        });
    });
}

criterion_group!(benches, inclusion, bundle);
criterion_main!(benches);
