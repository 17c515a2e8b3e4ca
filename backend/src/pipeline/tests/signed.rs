//! Readings that devices have signed: into the payload, and not a second time.

use ledger::{
    evidence::Bundle,
    signed::{DeviceSigner, message_of},
};

use super::*;
use crate::{
    domain::ports::{ModelFiles, ModelPart},
    http::{Cover, bundle},
};

/// The reading, signed and checked.
fn signed(sequence: u64, temperature: f64) -> Reading {
    let (signer, plain) = (DeviceSigner::new(&[5; 32]), reading("d", sequence, temperature));
    let signature = signer.sign(&plain.message().unwrap()).signature.0;
    let mut reading = plain.with_signature(signature).unwrap();
    reading.check_signature(&signer.key()).unwrap();
    reading
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_records_the_signature_and_is_computed_again_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let (bench, threads) = bench(dir.path());
    let accepted = bench.submit(vec![signed(1, 200.0)]).await.remove(0).unwrap();
    bench.assert_log_verifies();
    let bundle = bundle(&*bench.log, &*bench.log, Cover::First, 0, accepted.index.unwrap()).unwrap().unwrap();
    let bundle = Bundle::from_json(bundle.to_json().as_bytes()).unwrap();
    let model = Models::load_or_train(&dir.path().join("models")).unwrap().files();
    let model = model.file(model_of(&bundle).unwrap(), ModelPart::Model).unwrap().unwrap();
    let Rescored::Same(payload) = rescore(&bundle, &model).unwrap() else { panic!("another verdict") };
    payload.signed.unwrap().verify(&message_of(&payload).unwrap()).unwrap();
    assert_eq!(payload.signed.unwrap().key.0, DeviceSigner::new(&[5; 32]).key());
    drop(bench);
    threads.join();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_reading_is_taken_once_also_when_it_was_removed_since() {
    let dir = tempfile::tempdir().unwrap();
    let (bench, threads) = bench(dir.path());
    for sequence in [1, 3] {
        assert!(!bench.submit(vec![signed(sequence, 20.0)]).await.remove(0).unwrap().duplicate);
    }
    // The same again is a repetition; another content under the same number a conflict; what came too late is refused.
    assert!(bench.submit(vec![signed(1, 20.0)]).await.remove(0).unwrap().duplicate);
    assert!(matches!(bench.submit(vec![signed(3, 21.0)]).await.remove(0), Err(Refusal::Conflict { .. })));
    let device = DeviceName::new("d").unwrap();
    let replayed = |found| Err(Refusal::Replayed { device: device.clone(), last: 3, found });
    assert_eq!(bench.submit(vec![signed(2, 20.0)]).await.remove(0), replayed(2));
    drop(bench);
    threads.join();

    // As retention leaves it: the readings are gone, the device is known.
    let database = rusqlite::Connection::open(dir.path().join("ledger.sqlite")).unwrap();
    assert_eq!(database.execute("DELETE FROM reading", []).unwrap(), 2);
    drop(database);
    let (bench, threads) = start(dir.path(), true);
    for sequence in [1, 3] {
        assert_eq!(bench.submit(vec![signed(sequence, 20.0)]).await.remove(0), replayed(sequence));
    }
    // Who does not sign is not held to it: a late reading is a reading.
    assert!(bench.submit(vec![reading("d", 2, 20.0)]).await.remove(0).is_ok());
    assert!(bench.submit(vec![signed(4, 20.0)]).await.remove(0).is_ok());
    drop(bench);
    threads.join();
}
