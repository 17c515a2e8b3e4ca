//! Every byte of a bundle changed in turn: what still can be read never gets a better verdict than before, and nothing
//! panics.

use ledger::{
    chain::Header,
    evidence::{Anchor, Bundle},
    verdict::{ChainAnswer, Verdict},
};

use crate::{
    real::{Real, real},
    same,
};

/// An entry with its payload, and the anchor that was kept when it became final.
fn plain() -> Result<Real, String> {
    real("final.json")
}

/// An entry with a beacon and a change of key before it, and an anchor in a contract that has a predecessor.
fn with_a_past() -> Result<Real, String> {
    let mut real = real("successor.json")?;
    let ChainAnswer::State(state) = &real.chain else { return Err("no state".into()) };
    let state = state.finalized.clone().ok_or("no final state")?;
    real.bundle.anchor = Some(Anchor {
        transaction: Some(state.header.hash),
        contract: Some(real.trust.contract),
        header: state.header.rlp.into(),
        account_proof: state.contract.account_proof,
        storage_proof: state.contract.record_proof,
    });
    Ok(real)
}

pub(crate) fn bytes() -> Result<usize, String> {
    Ok(change_every_byte(&plain()?)? + change_every_byte(&with_a_past()?)?)
}

pub(crate) fn lines() -> Result<usize, String> {
    Ok(change_every_line(&plain()?)? + change_every_line(&with_a_past()?)?)
}

/// Gives how many of the changed bundles could be read.
fn change_every_byte(real: &Real) -> Result<usize, String> {
    let honest = verdicts(real, &real.bundle)?;
    same("before", honest, [Verdict::Unchecked, Verdict::Final, Verdict::Final])?;
    let json = real.bundle.to_json().into_bytes();
    let mut read = 0;
    for at in 0..json.len() {
        for bit in 0..8 {
            let mut changed = json.clone();
            changed[at] ^= 1 << bit;
            read += check(real, &changed, "a bit flipped at byte", at)?;
        }
        let mut changed = json.clone();
        changed.remove(at);
        read += check(real, &changed, "a byte removed at", at)?;
        for byte in [json[at], b'0'] {
            let mut changed = json.clone();
            changed.insert(at, byte);
            read += check(real, &changed, "a byte inserted at", at)?;
        }
    }
    // Most changed digits can still be read, so that the steps and not the form had to refuse them.
    if read < json.len() {
        return Err(format!("only {read} of {} changes could be read", 11 * json.len()));
    }
    Ok(read)
}

fn change_every_line(real: &Real) -> Result<usize, String> {
    let json = real.bundle.to_json();
    let lines: Vec<&str> = json.lines().collect();
    let mut read = 0;
    for at in 0..lines.len() {
        let mut changed = lines.clone();
        changed.insert(at, lines[at]);
        read += check(real, changed.join("\n").as_bytes(), "a line repeated:", at)?;
        let mut changed = lines.clone();
        changed.remove(at);
        read += check(real, changed.join("\n").as_bytes(), "a line removed:", at)?;
        for other in at + 1..lines.len() {
            let mut changed = lines.clone();
            changed.swap(at, other);
            read += check(real, changed.join("\n").as_bytes(), "a line swapped with a later one:", at)?;
        }
    }
    Ok(read)
}

/// The verdicts with nothing, with the chain, and with the block's hash from the auditor.
fn verdicts(real: &Real, bundle: &Bundle) -> Result<[Verdict; 3], String> {
    let with = |chain| real.report(bundle, chain).verdict;
    let alone = with(ChainAnswer::NotAsked);
    // What is invalid by itself no chain can save (docs/spec/verdict.md); other tests look at that.
    if alone >= Verdict::Invalid {
        return Ok([alone; 3]);
    }
    let anchor = real.bundle.anchor.as_ref().ok_or("no anchor")?;
    let hash = Header::from_rlp(&anchor.header).map_err(|error| error.to_string())?.hash;
    Ok([alone, with(real.chain.clone()), with(ChainAnswer::Block { hash, is_final: true })])
}

/// Gives 1 if the changed bytes could be read, and an error if they got too good a verdict.
fn check(real: &Real, changed: &[u8], what: &str, at: usize) -> Result<usize, String> {
    let Ok(bundle) = Bundle::from_json(changed) else { return Ok(0) };
    let verdicts = verdicts(real, &bundle)?;
    let [alone, asked, vouched] = verdicts;
    let harmless = |asked| weight(&bundle, asked) == weight(&real.bundle, asked);
    let holds = alone >= Verdict::Unchecked
        && (asked >= Verdict::Invalid || harmless(true))
        && (vouched >= Verdict::Invalid || harmless(false));
    if holds { Ok(1) } else { Err(format!("{what} {at}: {verdicts:?}")) }
}

/// The bundle without what nothing hangs on: the transaction's hash is for information, the contract's name a hint. While
/// the chain itself answers, nothing hangs on which block the stored anchor names, as long as its proofs hold.
fn weight(bundle: &Bundle, asked: bool) -> Bundle {
    let lighter = |anchor: Anchor| Anchor {
        transaction: None,
        contract: None,
        header: if asked { Default::default() } else { anchor.header },
        ..anchor
    };
    Bundle { anchor: bundle.anchor.clone().map(lighter), ..bundle.clone() }
}
