//! Findings of a real pipeline, computed again from their evidence; and from evidence that is not theirs.

use ledger::{
    Hash,
    entry::{self, Anomaly, Entry, Payload, commitment},
    evidence::{Bundle, Disclosure},
    hash::sha256,
};

use super::*;
use crate::{
    domain::ports::{ModelFiles, ModelPart},
    http::{Cover, bundle},
};

/// Bundles of findings: one in the detector's warm-up, and those of a device that it knows.
async fn findings(dir: &Path) -> Vec<Bundle> {
    let (bench, threads) = bench(dir);
    let models = bench.assert_log_verifies();
    bench.submit(vec![reading("new", 0, 200.0)]).await.remove(0).unwrap();
    let usual = |n: u64| 20.0 + 0.125 * (n % 5) as f64;
    let readings = (0..300).map(|n| reading("known", n, if n >= 290 { 31.5 } else { usual(n) })).collect();
    assert!(bench.submit(readings).await.into_iter().all(|result| result.is_ok()));
    let size = bench.assert_log_verifies();
    let of = |index| bundle(&*bench.log, &*bench.log, Cover::First, 0, index).unwrap().unwrap();
    let found: Vec<Bundle> = (models..size).map(of).filter(|bundle| bundle.disclosure.is_some()).collect();
    drop(bench);
    threads.join();
    found
}

/// The bytes of the model that judged, by its hash, from the files.
fn model(dir: &Path, hash: Hash) -> Vec<u8> {
    let models = Models::load_or_train(&dir.join("models")).unwrap();
    models.files().file(hash, ModelPart::Model).unwrap().unwrap()
}

/// A bundle whose entry commits to another payload: what a service could record that did not judge so.
fn claiming(bundle: &Bundle, change: impl FnOnce(&mut Payload)) -> Bundle {
    let Entry::Anomaly(said) = Entry::from_bytes(&bundle.entry).unwrap() else { panic!("an anomaly") };
    let disclosure = bundle.disclosure.clone().unwrap();
    let mut payload = Payload::from_bytes(&disclosure.payload).unwrap();
    change(&mut payload);
    let payload_bytes = payload.to_bytes().unwrap();
    let entry = Anomaly::new(
        said.id,
        said.recorded,
        commitment(&disclosure.salt, &payload_bytes),
        said.device,
        payload.model,
        payload.time,
        payload.severity,
    );
    let entry = Entry::Anomaly(entry).to_bytes().unwrap();
    Bundle { entry, disclosure: Some(Disclosure { payload: payload_bytes, ..disclosure }), ..bundle.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_is_computed_again_to_the_last_bit() {
    let dir = tempfile::tempdir().unwrap();
    let found = findings(dir.path()).await;
    assert!(found.len() >= 2, "{} findings", found.len());
    for bundle in &found {
        // As it travels.
        let bundle = Bundle::from_json(bundle.to_json().as_bytes()).unwrap();
        let model = model(dir.path(), model_of(&bundle).unwrap());
        let Rescored::Same(payload) = rescore(&bundle, &model).unwrap() else { panic!("another verdict") };
        assert_eq!(payload.to_bytes().unwrap(), bundle.disclosure.unwrap().payload);
        assert!(payload.reasons.iter().all(|reason| reason.expected.is_some() && reason.probability.is_some()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_that_was_not_reached_so_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let found = findings(dir.path()).await;
    let last = found.last().unwrap();
    let model = model(dir.path(), model_of(last).unwrap());
    let differs = |change: &dyn Fn(&mut Payload)| match rescore(&claiming(last, change), &model) {
        Ok(Rescored::Differs(difference)) => difference.member,
        other => panic!("{other:?}"),
    };
    assert_eq!(differs(&|payload| payload.score = "0.75".parse().unwrap()), "score");
    assert_eq!(differs(&|payload| payload.threshold = "0.25".parse().unwrap()), "threshold");
    assert_eq!(differs(&|payload| payload.r#type = entry::Type::Threshold), "type");
    let other =
        |severity| if severity == entry::Severity::Info { entry::Severity::Critical } else { entry::Severity::Info };
    assert_eq!(differs(&|payload| payload.severity = other(payload.severity)), "severity");
    assert_eq!(differs(&|payload| payload.reasons.clear()), "reasons");
    assert_eq!(differs(&|payload| payload.reasons[0].expected = None), "reasons[0].expected");
    assert_eq!(differs(&|payload| payload.reasons[0].feature.push('x')), "reasons[0].feature");
    assert_eq!(differs(&|payload| payload.sentence.push('!')), "sentence");
    assert_eq!(differs(&|payload| payload.values[0].unit.push('x')), "payload");
    // Had the reading been usual, there would have been no finding.
    let usual = |payload: &mut Payload| payload.values[2].value = "20.25".parse().unwrap();
    assert_eq!(differs(&usual), "label");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_own_parts_no_verdict_is_computed() {
    let dir = tempfile::tempdir().unwrap();
    let found = findings(dir.path()).await;
    let last = found.last().unwrap();
    let model = model(dir.path(), model_of(last).unwrap());
    let refused = |bundle: &Bundle, model: &[u8]| rescore(bundle, model).unwrap_err();

    let mut changed = last.clone();
    changed.state.as_mut().unwrap()[9] ^= 1;
    assert!(matches!(refused(&changed, &model), RescoreError::State { .. }));
    let of_another = Bundle { state: found[0].state.clone(), ..last.clone() };
    assert!(matches!(refused(&of_another, &model), RescoreError::State { .. }));
    assert!(matches!(refused(last, &model[1..]), RescoreError::Model { .. }));
    assert!(matches!(refused(&Bundle { state: None, ..last.clone() }, &model), RescoreError::NoState));
    assert!(matches!(refused(&Bundle { disclosure: None, ..last.clone() }, &model), RescoreError::NoPayload));
    let mut resalted = last.clone();
    resalted.disclosure.as_mut().unwrap().salt[0] ^= 1;
    assert!(matches!(refused(&resalted, &model), RescoreError::Commitment { .. }));
    // A state that was committed to, and that no detector can have had.
    let empty = claiming(last, |payload| payload.state = sha256(&[b"?"]));
    assert!(matches!(refused(&Bundle { state: Some(b"?".to_vec()), ..empty }, &model), RescoreError::Detect { .. }));
}
