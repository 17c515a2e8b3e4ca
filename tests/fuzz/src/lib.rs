//! What a verifier, the detector and intake read of strangers, each as a function of bytes. None may panic, and each keeps a promise of its own,
//! which it asserts. [`seeds`] gives the honest inputs to begin with.

mod connections;
mod detection;
#[allow(dead_code, reason = "the service uses all of it")]
mod domain;
mod ingest;
mod mqtt;
mod problem;

use alloy_primitives::{B256, Bytes, keccak256};
use ledger::{
    audit, canonical,
    chain::{
        Header, contract_account,
        query::{Answer, ChainQuery, Finality, Progress},
        storage_word,
    },
    checkpoint::{Checkpoint, LogKey},
    entry::{Entry, Payload},
    equivocation::Equivocation,
    evidence::Bundle,
    heartbeat, publication, tile,
    trust::TrustRoots,
    verdict::{Case, ChainAnswer, Verdict, examine},
};
use serde_json::Value;
use std::sync::LazyLock;

/// A target's function.
pub type Target = fn(&[u8]);

/// All targets, by name.
pub const TARGETS: [(&str, Target); 23] = [
    ("bundle", bundle),
    ("equivocation", equivocation),
    ("checkpoint", checkpoint),
    ("entry", entry),
    ("publication", decode_publication),
    ("header", header),
    ("nodes", nodes),
    ("answers", answers),
    ("tile_path", tile_path),
    ("trust", trust),
    ("state", detection::state),
    ("model", detection::model),
    ("table", detection::table),
    ("classifier", detection::classifier),
    ("policy", detection::policy),
    ("reading", ingest::reading),
    ("lines", ingest::lines),
    ("gzip", ingest::gzip),
    ("flows", ingest::flows::rows),
    ("tcp_lines", connections::split),
    ("socket", connections::read),
    ("mqtt", mqtt::clients),
    ("broker", mqtt::broker),
];

/// The real cases of tests/vectors/verdict.
struct Real {
    trust: TrustRoots,
    cases: Vec<(Value, Bundle, Vec<Vec<Answer>>)>,
}

static REAL: LazyLock<Vec<Real>> = LazyLock::new(|| {
    let files =
        [include_str!("../../vectors/verdict/final.json"), include_str!("../../vectors/verdict/successor.json")];
    files.map(|text| real(text).expect("a vector")).into()
});

fn real(text: &str) -> Option<Real> {
    let file: Value = serde_json::from_str(text).ok()?;
    let cases = match file.get("cases") {
        Some(cases) => cases.as_array()?.clone(),
        None => vec![file.clone()],
    };
    let case = |case: Value| {
        let bundle = Bundle::from_json(case["bundle"].to_string().as_bytes()).ok()?;
        Some((case["bundle"].clone(), bundle, serde_json::from_value(case["rounds"].clone()).ok()?))
    };
    Some(Real {
        trust: serde_json::from_value(file["trust"].clone()).ok()?,
        cases: cases.into_iter().map(case).collect::<Option<_>>()?,
    })
}

/// What the chain says to these rounds of answers.
fn ask(trust: &TrustRoots, bundle: &Bundle, rounds: &[Vec<Answer>]) -> ChainAnswer {
    let Ok(mut query) = ChainQuery::of(trust, bundle, Finality::Tag) else { return ChainAnswer::NotAsked };
    for answers in rounds {
        assert!(query.requests().len() < 1_000);
        match query.answer(answers.clone()) {
            Ok(Progress::Asking(next)) => query = *next,
            Ok(Progress::Done(state)) => return ChainAnswer::State(state),
            Err(error) => return ChainAnswer::Silent(error.to_string()),
        }
    }
    ChainAnswer::NotAsked
}

/// A bundle is read as it is written; and of no entry but the signed ones a good verdict is given.
fn bundle(data: &[u8]) {
    let Ok(bundle) = Bundle::from_json(data) else { return };
    assert_eq!(Bundle::from_json(bundle.to_json().as_bytes()).ok().as_ref(), Some(&bundle));
    for Real { trust, cases } in &*REAL {
        let known = |bundle: &Bundle| cases.iter().any(|(_, real, _)| real.entry == bundle.entry);
        let alone = examine(&Case::new(&bundle, trust, ChainAnswer::NotAsked)).verdict;
        assert!(alone >= Verdict::Unchecked);
        for (_, real, rounds) in cases {
            // The node's answers are those to the real bundle, whatever this one asks.
            let chain = ask(trust, real, rounds);
            let asked = examine(&Case::new(&bundle, trust, chain)).verdict;
            assert!(known(&bundle) || asked >= Verdict::Invalid, "{asked:?}");
        }
    }
}

/// A contradiction is shown by two signatures, or by one and the contract: nobody here has made two.
fn equivocation(data: &[u8]) {
    let Ok(proof) = Equivocation::from_json(data) else { return };
    assert_eq!(Equivocation::from_json(proof.to_json().as_bytes()).ok().as_ref(), Some(&proof));
    for Real { trust, .. } in &*REAL {
        let _ = proof.query(trust, Finality::Tag);
        assert_eq!(proof.examine(trust, &ChainAnswer::NotAsked).verdict, Verdict::Invalid);
    }
}

/// What a key has signed is what the note says.
fn checkpoint(data: &[u8]) {
    let Ok(note) = std::str::from_utf8(data) else { return };
    let _ = note.parse::<LogKey>().map(|key| assert_eq!(key.to_string(), note));
    let Ok(checkpoint) = Checkpoint::unverified(note) else { return };
    for Real { trust, .. } in &*REAL {
        if let Ok(signed) = trust.log_key.verify(note) {
            assert_eq!(signed, checkpoint);
            assert!(note.starts_with(&signed.text()));
        }
    }
}

/// Entries, payloads, counters, audit records and all canonical JSON are written as they are read.
fn entry(data: &[u8]) {
    let same = |written: Vec<u8>| assert_eq!(written, data);
    if let Ok(value) = canonical::read(data) {
        same(canonical::write(&value).expect("it was read"));
    }
    if let Ok(entry) = Entry::from_bytes(data) {
        same(entry.to_bytes().expect("it was read"));
    }
    if let Ok(payload) = Payload::from_bytes(data) {
        same(payload.to_bytes().expect("it was read"));
    }
    if let Ok(counter) = heartbeat::Counter::from_bytes(data) {
        let _ = counter.missing();
        same(counter.to_bytes().expect("it was read"));
    }
    if let Ok(record) = audit::Record::from_bytes(data) {
        same(record.to_bytes().expect("it was read"));
    }
}

/// A publication is written as it is read.
fn decode_publication(data: &[u8]) {
    if let Ok(items) = publication::decode(data) {
        assert_eq!(publication::encode(&items), data);
    }
}

/// A header's hash is that of its bytes.
fn header(data: &[u8]) {
    if let Ok(header) = Header::from_rlp(data) {
        assert_eq!((header.hash, header.rlp.as_slice()), (keccak256(data), data));
    }
    if let Ok(value) = serde_json::from_slice::<Value>(data)
        && let Ok(header) = Header::from_json(&value)
    {
        assert_eq!(header.hash, keccak256(&header.rlp));
    }
}

/// Nodes of a trie: each after its length in two bytes, so that the fuzzer can move their borders. The first is believed.
fn nodes(data: &[u8]) {
    let mut rest = data;
    let mut nodes = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk() {
        let (node, after) = after.split_at(usize::from(u16::from_be_bytes(*length)).min(after.len()));
        nodes.push(Bytes::copy_from_slice(node));
        rest = after;
    }
    let root = nodes.first().map_or(B256::ZERO, keccak256);
    let _ = contract_account(root, alloy_primitives::Address::ZERO, &nodes);
    let _ = storage_word(root, B256::ZERO, &nodes);
}

/// Whatever a node answers, there is an end and a verdict.
fn answers(data: &[u8]) {
    let Ok(rounds) = serde_json::from_slice::<Vec<Vec<Answer>>>(data) else { return };
    for Real { trust, cases } in &*REAL {
        for (_, bundle, _) in cases {
            let chain = ask(trust, bundle, &rounds);
            examine(&Case::new(bundle, trust, chain));
        }
    }
}

/// A path is written as it is read.
fn tile_path(data: &[u8]) {
    let Ok(path) = std::str::from_utf8(data) else { return };
    if let Ok((index, width)) = tile::parse_index(path) {
        assert_eq!(tile::index_path(index, width), path);
    }
}

/// A trust file means the same when it is written and read again.
fn trust(data: &[u8]) {
    let Ok(trust) = serde_json::from_slice::<TrustRoots>(data) else { return };
    let written = serde_json::to_vec(&trust).expect("it was read");
    assert_eq!(serde_json::from_slice::<TrustRoots>(&written).ok().as_ref(), Some(&trust));
    assert!(trust.contracts().count() <= 17);
}

/// Honest inputs for a target, to begin with.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let cases: Vec<&(Value, Bundle, Vec<Vec<Answer>>)> = REAL.iter().flat_map(|real| &real.cases).collect();
    let bundles = || cases.iter().map(|(_, bundle, _)| bundle);
    let anchors = || bundles().filter_map(|bundle| bundle.anchor.as_ref());
    let text = |value: &Value| value.to_string().into_bytes();
    match target {
        "bundle" => cases.iter().map(|(json, ..)| text(json)).collect(),
        "equivocation" => bundles().map(twice).collect(),
        "checkpoint" => {
            let keys = REAL.iter().map(|real| real.trust.log_key.to_string().into_bytes());
            bundles().map(|bundle| bundle.checkpoint.clone().into_bytes()).chain(keys).collect()
        }
        "entry" => {
            let payloads = bundles().filter_map(|bundle| Some(bundle.disclosure.as_ref()?.payload.clone()));
            bundles().map(|bundle| bundle.entry.clone()).chain(payloads).chain(kinds()).collect()
        }
        "publication" => vec![publication::encode(
            &bundles()
                .map(|bundle| publication::Item { entry: bundle.entry.clone(), disclosure: bundle.disclosure.clone() })
                .collect::<Vec<_>>(),
        )],
        "header" => {
            let blocks = cases.iter().filter_map(|(_, _, rounds)| Some(text(rounds.first()?.get(1)?.as_ref().ok()?)));
            anchors().map(|anchor| anchor.header.to_vec()).chain(blocks).collect()
        }
        "nodes" => {
            anchors().flat_map(|anchor| [framed(&anchor.account_proof), framed(&anchor.storage_proof)]).collect()
        }
        "answers" => cases.iter().filter_map(|(_, _, rounds)| serde_json::to_vec(rounds).ok()).collect(),
        "tile_path" => ["x001/x234/067", "005.p/17"].map(|path| path.as_bytes().to_vec()).into(),
        "trust" => REAL.iter().filter_map(|real| serde_json::to_vec(&real.trust).ok()).collect(),
        "reading" | "lines" | "gzip" => ingest::seeds(target),
        "flows" => ingest::flows::seeds(),
        "tcp_lines" | "socket" => connections::seeds(target),
        "mqtt" | "broker" => mqtt::seeds(),
        other => detection::seeds(other),
    }
}

/// An equivocation that is none: the same checkpoint twice.
fn twice(bundle: &Bundle) -> Vec<u8> {
    let trust = &REAL[0].trust;
    let root = Checkpoint::unverified(&bundle.checkpoint).expect("a checkpoint").root;
    let note = || bundle.checkpoint.clone();
    let proof = Equivocation::between(trust.log_key.clone(), bundle.keys.clone(), note(), note(), root, Vec::new());
    proof.to_json().into_bytes()
}

/// An entry of every kind, with a counter and an audit record.
fn kinds() -> Vec<Vec<u8>> {
    let file: Value = serde_json::from_str(include_str!("../../vectors/entry/kinds.json")).expect("a vector");
    let mut texts = Vec::new();
    for value in file.as_object().into_iter().flat_map(|members| members.values()) {
        match value {
            Value::String(text) => texts.push(text.clone().into_bytes()),
            Value::Array(items) => texts.extend(items.iter().filter_map(|i| Some(i.as_str()?.as_bytes().to_vec()))),
            _ => {}
        }
    }
    texts
}

fn framed(nodes: &[Bytes]) -> Vec<u8> {
    let framed = |node: &Bytes| [&u16::try_from(node.len()).unwrap_or(u16::MAX).to_be_bytes(), node.as_ref()].concat();
    nodes.iter().flat_map(framed).collect()
}
