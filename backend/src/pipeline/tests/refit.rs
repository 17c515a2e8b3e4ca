//! A model grown from what a real pipeline took in: recorded before it is used, and the old one kept.

use std::sync::atomic::AtomicI64;

use ledger::entry::{Entry, Payload};

use super::{rounds::HandClock, *};
use crate::{
    domain::{
        ports::{ModelFiles, ModelPart},
        verdict::{Feedback, FeedbackVerdict},
    },
    http::{Cover, bundle},
};

const START: i64 = 1_767_600_000_000;
const DAY: i64 = 86_400_000;

/// Clean readings of a station, as many as asked for, from a sequence number on.
fn clean(device: u32, from: u64, count: usize) -> Vec<Reading> {
    let profile = simulate::profile("weather-station").unwrap();
    let stream = simulate::Stream::new(profile, device, 77, START, 60_000, &[]).unwrap();
    let name = DeviceName::new(&format!("station-{device}")).unwrap();
    let reading = |sample: simulate::Sample| {
        let values = sample.values.iter().map(|(metric, value)| ((*metric).to_owned(), *value)).collect();
        let time = Millis(sample.time_ms).into();
        Reading::new(name.clone(), Some(time), Some(sample.sequence), values, Millis(START + 30 * DAY)).unwrap()
    };
    stream.skip(from as usize).take(count).map(reading).collect()
}

/// The models of the profile that the log records, oldest first: index and hash.
fn recorded(bench: &Bench) -> Vec<(u64, ledger::Hash)> {
    let size = bench.assert_log_verifies();
    let entries = (0..).zip(bench.log.entries(0, size).unwrap());
    let model = |(index, bytes): (u64, Vec<u8>)| match Entry::from_bytes(&bytes).unwrap() {
        Entry::Model(model) if model.name == "weather-station" => Some((index, model.model)),
        _ => None,
    };
    entries.filter_map(model).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refit_is_recorded_before_it_judges_and_the_old_model_stays() {
    let dir = tempfile::tempdir().unwrap();
    let clock = HandClock(Arc::new(AtomicI64::new(START + DAY)));
    let at =
        |clock: &HandClock| start_at(dir.path(), true, Arc::new(clock.clone()), watch::channel(ChainView::default()).1);
    let (bench, threads) = at(&clock);
    let [(_, first)] = recorded(&bench)[..] else { panic!("one model") };
    for device in 0..12 {
        let results = bench.submit(clean(device, 0, 400)).await;
        assert!(results.iter().all(Result::is_ok));
    }
    // An anomaly that people have confirmed, which the candidate has to find as well.
    let odd = Reading::new(
        DeviceName::new("station-1").unwrap(),
        Some(Millis(START + 400 * 60_000).into()),
        Some(400),
        vec![("humidity".into(), 50.0), ("pressure".into(), 1_013.0), ("temperature".into(), 61.0)],
        Millis(START + 30 * DAY),
    );
    let found = bench.submit(vec![odd.unwrap()]).await.remove(0).unwrap().index.unwrap();
    let feedback = Feedback { index: found, verdict: FeedbackVerdict::Real, comment: None, at: Millis(START + DAY) };
    let device = DeviceName::new("station-1").unwrap();
    let recorded_then = Millis(START + DAY);
    let said = Said {
        feedback,
        device,
        score: Some(0.9),
        recorded: recorded_then,
        by: ("user ada".into(), "192.0.2.7".into()),
    };
    bench.pipeline.feedback(said).await.unwrap().unwrap();
    assert_eq!(bench.log.confirmed(5).unwrap(), [found]);
    // A day later; what comes in from now on wakes the thread, and does not wait for it.
    clock.0.fetch_add(DAY, Ordering::SeqCst);
    let mut from = 400;
    let mut models = recorded(&bench);
    while models.len() < 2 && from < 200_000 {
        assert!(bench.submit(clean(0, from, 50)).await.iter().all(Result::is_ok));
        from += 50;
        models = recorded(&bench);
    }
    let [_, (recorded_at, second)] = models[..] else { panic!("two models, found {models:?}") };
    assert_ne!(first, second);

    // It is used shortly after; until then findings name the first.
    let mut sequence = 0;
    let (index, payload) = loop {
        sequence += 1;
        let found = bench.submit(vec![reading(&format!("new-{sequence}"), sequence, 200.0)]).await.remove(0).unwrap();
        let index = found.index.unwrap();
        let payload = Payload::from_bytes(&bench.log.disclosure(index).unwrap().unwrap().payload).unwrap();
        assert!(payload.model == first || (payload.model == second && index > recorded_at));
        if payload.model == second {
            break (index, payload);
        }
        assert!(sequence < 10_000, "the model is not used");
    };
    let bundle = bundle(&*bench.log, &*bench.log, Cover::First, 0, index).unwrap().unwrap();
    drop(bench);
    threads.join();

    let files = Models::load_or_train(&dir.path().join("models")).unwrap().files();
    for hash in [first, second] {
        for part in ModelPart::ALL {
            assert!(files.file(hash, part).unwrap().is_some(), "{part:?} of {hash}");
        }
    }
    let bytes = files.file(payload.model, ModelPart::Model).unwrap().unwrap();
    assert!(matches!(rescore(&bundle, &bytes), Ok(Rescored::Same(_))));
    // The next start goes on with it, and records nothing anew.
    let (bench, threads) = at(&clock);
    assert_eq!(recorded(&bench).len(), 2);
    let found = bench.submit(vec![reading("later", 1, 200.0)]).await.remove(0).unwrap();
    let payload = Payload::from_bytes(&bench.log.disclosure(found.index.unwrap()).unwrap().unwrap().payload).unwrap();
    assert_eq!(payload.model, second);
    drop(bench);
    threads.join();
}
