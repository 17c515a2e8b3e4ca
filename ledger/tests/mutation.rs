//! Every byte of a bundle changed in turn: what still can be read never gets a better verdict than before, and nothing
//! panics. It needs no file, clock or thread, so that it runs in WebAssembly as well.

#![allow(clippy::unwrap_used)]

use alloy_primitives::{B256, Bytes};
use ledger::{
    chain::{
        Header,
        query::{Answer, ChainQuery, Finality, Progress},
    },
    evidence::{Anchor, Bundle},
    trust::TrustRoots,
    verdict::{Case, ChainAnswer, Verdict, examine},
};
use serde_json::Value;

/// A bundle with all that speaks for it.
struct Real {
    bundle: Bundle,
    trust: TrustRoots,
    chain: ChainAnswer,
    /// The hash of the block that the bundle brings.
    block: B256,
}

/// What the chain has answered to all that was asked for a bundle.
fn ask(trust: &TrustRoots, bundle: &Bundle, rounds: &Value) -> ChainAnswer {
    let rounds: Vec<Vec<Answer>> = serde_json::from_value(rounds.clone()).unwrap();
    let mut query = ChainQuery::of(trust, bundle, Finality::Tag).unwrap();
    for answers in rounds {
        match query.answer(answers).unwrap() {
            Progress::Asking(next) => query = *next,
            Progress::Done(state) => return ChainAnswer::State(state),
        }
    }
    panic!("the chain was not asked enough");
}

/// An entry with its payload, and the anchor that was kept when it became final.
fn plain() -> Real {
    let file: Value = serde_json::from_str(include_str!("../../tests/vectors/verdict/final.json")).unwrap();
    let bundle = Bundle::from_json(file["bundle"].to_string().as_bytes()).unwrap();
    let trust = serde_json::from_value(file["trust"].clone()).unwrap();
    let chain = ask(&trust, &bundle, &file["rounds"]);
    let block = Header::from_rlp(&bundle.anchor.as_ref().unwrap().header).unwrap().hash;
    Real { bundle, trust, chain, block }
}

/// An entry with a beacon and a change of key before it, and an anchor in a contract that has a predecessor.
fn with_a_past() -> Real {
    let file: Value = serde_json::from_str(include_str!("../../tests/vectors/verdict/successor.json")).unwrap();
    let case = &file["cases"][1];
    let mut bundle = Bundle::from_json(case["bundle"].to_string().as_bytes()).unwrap();
    let trust: TrustRoots = serde_json::from_value(file["trust"].clone()).unwrap();
    let chain = ask(&trust, &bundle, &case["rounds"]);
    let ChainAnswer::State(state) = &chain else { panic!("a state") };
    let state = state.finalized.clone().unwrap();
    bundle.anchor = Some(Anchor {
        transaction: Some(B256::repeat_byte(7)),
        contract: Some(trust.contract),
        header: state.header.rlp.into(),
        account_proof: state.contract.account_proof,
        storage_proof: state.contract.record_proof,
    });
    Real { bundle, trust, chain, block: state.header.hash }
}

/// The bundle without what nothing hangs on: the transaction's hash is for information, the contract's name a hint. While
/// the chain itself answers, nothing hangs on which block the stored anchor names, as long as its proofs hold.
fn weight(bundle: &Bundle, asked: bool) -> Bundle {
    let lighter = |anchor: Anchor| Anchor {
        transaction: None,
        contract: None,
        header: if asked { Bytes::new() } else { anchor.header },
        ..anchor
    };
    Bundle { anchor: bundle.anchor.clone().map(lighter), ..bundle.clone() }
}

impl Real {
    /// The verdicts with nothing, with the chain, and with the block's hash from the auditor.
    fn verdicts(&self, bundle: &Bundle) -> [Verdict; 3] {
        let with = |chain| examine(&Case::new(bundle, &self.trust, chain)).verdict;
        let alone = with(ChainAnswer::NotAsked);
        // What is invalid by itself no chain can save (docs/spec/verdict.md): that is one of the other tests' matters.
        if alone >= Verdict::Invalid {
            return [alone; 3];
        }
        [alone, with(self.chain.clone()), with(ChainAnswer::Block { hash: self.block, is_final: true })]
    }

    fn check(&self, changed: &[u8], what: &str, at: usize) -> bool {
        let Ok(bundle) = Bundle::from_json(changed) else { return false };
        let verdicts = self.verdicts(&bundle);
        for (verdict, asked) in [(verdicts[1], true), (verdicts[2], false)] {
            let harmless = || weight(&bundle, asked) == weight(&self.bundle, asked);
            assert!(verdict >= Verdict::Invalid || harmless(), "{what} at byte {at}: {verdicts:?}");
        }
        assert!(verdicts[0] >= Verdict::Unchecked, "{what} at byte {at}: {verdicts:?}");
        true
    }

    fn change_every_byte(&self) {
        assert_eq!(self.verdicts(&self.bundle), [Verdict::Unchecked, Verdict::Final, Verdict::Final]);
        let json = self.bundle.to_json().into_bytes();
        assert!(self.check(&json, "nothing", 0));
        let mut read = 0_usize;
        for at in 0..json.len() {
            for bit in 0..8 {
                let mut changed = json.clone();
                changed[at] ^= 1 << bit;
                read += usize::from(self.check(&changed, "a bit flipped", at));
            }
            let mut changed = json.clone();
            changed.remove(at);
            read += usize::from(self.check(&changed, "a byte removed", at));
            for byte in [json[at], b'0'] {
                let mut changed = json.clone();
                changed.insert(at, byte);
                read += usize::from(self.check(&changed, "a byte inserted", at));
            }
        }
        // Most changed digits can still be read, so that the steps and not the form had to refuse them.
        assert!(read > json.len(), "only {read} of {} changes could be read", 11 * json.len());
    }

    fn change_every_line(&self) {
        let json = self.bundle.to_json();
        let lines: Vec<&str> = json.lines().collect();
        for at in 0..lines.len() {
            let mut changed = lines.clone();
            changed.insert(at, lines[at]);
            self.check(changed.join("\n").as_bytes(), "a line repeated, line", at);
            let mut changed = lines.clone();
            changed.remove(at);
            self.check(changed.join("\n").as_bytes(), "a line removed, line", at);
            for other in at + 1..lines.len() {
                let mut changed = lines.clone();
                changed.swap(at, other);
                self.check(changed.join("\n").as_bytes(), "two lines swapped, line", at);
            }
        }
    }
}

#[test]
fn no_changed_byte_of_a_bundle_gives_a_better_verdict() {
    plain().change_every_byte();
}

#[test]
fn no_changed_byte_of_a_bundle_with_a_past_gives_a_better_verdict() {
    with_a_past().change_every_byte();
}

#[test]
fn no_changed_line_of_a_bundle_gives_a_better_verdict() {
    plain().change_every_line();
    with_a_past().change_every_line();
}
