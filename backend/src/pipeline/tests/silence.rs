//! Policies in a real pipeline: limits of people, and devices that fall silent, by a clock that the test moves.

use std::sync::atomic::AtomicI64;

use ledger::{
    entry::{Payload, Type},
    evidence::Bundle,
};

use super::{rounds::HandClock, *};
use crate::{
    domain::ports::{ModelFiles, ModelPart},
    http::{Cover, bundle},
    store::Past,
};

const START: i64 = 1_767_600_000_000;

/// The one device may be silent for ten minutes, and those of its profile must not be hotter than 30 °C.
const POLICIES: &str = r#"{
    "profiles": {"weather-station": {"rules": [{"metric": "temperature", "when": {"above": 30}}]}},
    "devices": {"quiet": {"rules": [{"metric": "*", "when": {"no_data": {"seconds": 600}}}]}}
}"#;

struct Watched {
    bench: Bench,
    threads: Threads,
    clock: HandClock,
    beats: u64,
}

fn watched(dir: &Path, now: i64) -> Watched {
    let clock = HandClock(Arc::new(AtomicI64::new(now)));
    let view = watch::channel(ChainView::default()).1;
    let policies = Policies::from_json(POLICIES).unwrap();
    let (bench, threads) = start_with(dir, true, Arc::new(clock.clone()), view, policies);
    Watched { bench, threads, clock, beats: 0 }
}

impl Watched {
    /// Time passes, and every detector has looked: it looks after each slice, and before the next one.
    async fn pass(&mut self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1_000, Ordering::SeqCst);
        for _ in 0..2 {
            self.beats += 1;
            let others = (0..16).map(|n| loose_of(&format!("other-{n}"), self.beats)).collect();
            assert!(self.bench.submit(others).await.iter().all(Result::is_ok));
        }
    }

    fn findings(&self) -> Vec<(u64, Payload)> {
        let size = self.bench.assert_log_verifies();
        let of = |index| Some((index, self.bench.log.disclosure(index).unwrap()?.payload));
        (0..size).filter_map(of).map(|(index, bytes)| (index, Payload::from_bytes(&bytes).unwrap())).collect()
    }

    fn bundle(&self, index: u64) -> Bundle {
        bundle(&*self.bench.log, &*self.bench.log, Cover::First, 0, index).unwrap().unwrap()
    }

    fn end(self) {
        assert!(self.bench.log.contradictions().unwrap().is_empty());
        drop(self.bench);
        self.threads.join();
    }
}

/// A reading of a device of which nobody asks anything, without a time.
fn loose_of(device: &str, sequence: u64) -> Reading {
    let values = vec![("level".into(), 1.0)];
    Reading::new(DeviceName::new(device).unwrap(), None, Some(sequence), values, Millis(START)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_device_is_reported_once_also_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let mut at = watched(dir.path(), START);
    at.bench.submit(vec![reading("quiet", 0, 20.0)]).await.remove(0).unwrap();
    at.pass(590).await;
    assert_eq!(at.findings(), []);
    at.pass(80).await;
    let findings = at.findings();
    let [(index, payload)] = &findings[..] else { panic!("{findings:?}") };
    assert_eq!((payload.device.as_str(), payload.r#type, payload.sequence), ("quiet", Type::Threshold, None));
    assert_eq!((payload.values.as_slice(), payload.time.as_str()), ([].as_slice(), "2026-01-05T08:11:10.000Z"));
    assert_eq!((payload.reasons[0].feature.as_str(), payload.reasons[0].value.as_str()), ("no_data", "670"));

    // Computed again as any finding, from the state in which it was not reported yet.
    let bundle = at.bundle(*index);
    let models = Models::load_or_train(&dir.path().join("models")).unwrap();
    let model = models.files().file(payload.model, ModelPart::Model).unwrap().unwrap();
    assert!(matches!(rescore(&bundle, &model), Ok(Rescored::Same(_))), "{:?}", rescore(&bundle, &model));

    at.pass(3_600).await;
    assert_eq!(at.findings().len(), 1);
    at.end();
    // Silent over the restart, and loaded by nobody but the watch.
    let mut at = watched(dir.path(), START + 7_200_000);
    at.beats = 1_000;
    at.pass(60).await;
    assert_eq!(at.findings().len(), 1);
    // Heard again, and silent again.
    at.bench.submit(vec![reading("quiet", 120, 20.0)]).await.remove(0).unwrap();
    at.pass(60).await;
    assert_eq!(at.findings().len(), 1);
    at.pass(700).await;
    assert_eq!(at.findings().len(), 2);
    // What goes through the past sees them, too, where they were noticed.
    let mut silences = 0;
    let count = &mut |past: &Past<'_>| {
        silences += usize::from(past.silence && past.payload.is_some());
        Ok(())
    };
    at.bench.log.history(count).unwrap();
    assert_eq!(silences, 2);
    at.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_whose_commit_fails_either_way_is_reported_once() {
    for fault in [NOT_PERSISTED, PERSISTED_BUT_REPORTED_AS_ERROR] {
        let dir = tempfile::tempdir().unwrap();
        let mut at = watched(dir.path(), START);
        at.bench.submit(vec![reading("quiet", 0, 20.0)]).await.remove(0).unwrap();
        at.clock.0.fetch_add(700_000, Ordering::SeqCst);
        at.bench.fault.store(fault, Ordering::SeqCst);
        // Whoever meets the fault, the watch or these, the next look finds what was not stored.
        for beat in 0..3 {
            at.clock.0.fetch_add(60_000, Ordering::SeqCst);
            let others = (0..16).map(|n| loose_of(&format!("other-{n}"), 10 + beat)).collect();
            at.bench.submit(others).await;
        }
        at.beats = 100;
        at.pass(60).await;
        assert_eq!(at.findings().len(), 1, "fault {fault}");
        at.end();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_from_the_first_reading_on_and_by_the_narrowest_policy() {
    let dir = tempfile::tempdir().unwrap();
    let at = watched(dir.path(), START);
    let label = |result: Result<Accepted, Refusal>| result.unwrap().verdict.label;
    let results = at.bench.submit(vec![reading("hot", 0, 31.0), reading("quiet", 0, 31.0)]).await;
    let labels: Vec<Label> = results.into_iter().map(label).collect();
    assert_eq!(labels, [Label::Anomaly, Label::WarmingUp]);
    let findings = at.findings();
    assert_eq!(findings[0].1.reasons[0].feature, "above");
    let bundle = at.bundle(findings[0].0);
    at.end();
    let models = Models::load_or_train(&dir.path().join("models")).unwrap();
    let model = models.files().file(findings[0].1.model, ModelPart::Model).unwrap().unwrap();
    assert!(matches!(rescore(&bundle, &model), Ok(Rescored::Same(_))));

    // Another start with other limits: a device that is known gets them before its next reading.
    let (bench, threads) = start(dir.path(), true);
    assert_eq!(label(bench.submit(vec![reading("hot", 5, 33.0)]).await.remove(0)), Label::WarmingUp);
    drop(bench);
    threads.join();
}
