//! The pipeline on a real store: order, duplicates, conflicts, and every write failing both ways.

#![allow(clippy::unwrap_used)]

mod feedback;
mod keys;
mod kinds;
mod refit;
mod rescore;
mod rounds;
mod signed;
mod silence;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use ledger::{
    checkpoint::{LogKey, LogSigner},
    hash::leaf_hash,
    merkle::{MemoryTree, root},
};
use tokio::sync::broadcast;

use super::*;
use crate::{
    domain::{
        Keyring, Millis, SystemClock,
        log::key_history,
        ports::{PackRule, Upkeep},
        retention::{Retention, Retentions},
        verdict::Label,
    },
    store::{Reader, SqliteDevices, SqliteWriter},
};

/// How the next commit goes wrong.
const FINE: u8 = 0;
const NOT_PERSISTED: u8 = 1;
const PERSISTED_BUT_REPORTED_AS_ERROR: u8 = 2;

/// A store whose next commit can be made to fail.
struct Faulty {
    store: SqliteWriter,
    fault: Arc<AtomicU8>,
}

impl WriteStore for Faulty {
    fn transaction(
        &mut self,
        work: &mut dyn FnMut(&mut dyn crate::domain::ports::Transaction) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let fault = self.fault.swap(FINE, Ordering::SeqCst);
        let error = || StoreError::Engine("a fault made by the test".into());
        self.store.transaction(&mut |tx| {
            work(tx)?;
            if fault == NOT_PERSISTED { Err(error()) } else { Ok(()) }
        })?;
        if fault == PERSISTED_BUT_REPORTED_AS_ERROR { Err(error()) } else { Ok(()) }
    }
}

impl Upkeep for Faulty {
    fn pack(&mut self, now: Millis, rule: &PackRule) -> Result<usize, StoreError> {
        self.store.pack(now, rule)
    }

    fn forget(&mut self, now: Millis, retentions: &dyn Retentions) -> Result<usize, StoreError> {
        self.store.forget(now, retentions)
    }

    fn shrink(&mut self) -> Result<usize, StoreError> {
        self.store.shrink()
    }
}

struct Bench {
    pipeline: Pipeline,
    log: Arc<Reader>,
    fault: Arc<AtomicU8>,
    halt: Halt,
    first: LogKey,
}

fn bench(dir: &Path) -> (Bench, Threads) {
    start(dir, true)
}

/// A pipeline on the database in a directory; `compared`: whether the log was held against a chain.
fn start(dir: &Path, compared: bool) -> (Bench, Threads) {
    start_at(dir, compared, Arc::new(SystemClock), watch::channel(ChainView::default()).1)
}

/// The same, with a clock and a chain of the test's own.
fn start_at(dir: &Path, compared: bool, clock: Arc<dyn Clock>, view: watch::Receiver<ChainView>) -> (Bench, Threads) {
    start_with(dir, compared, clock, view, Policies::default())
}

/// The same, with what people ask of the detector.
fn start_with(
    dir: &Path,
    compared: bool,
    clock: Arc<dyn Clock>,
    view: watch::Receiver<ChainView>,
    policies: Policies,
) -> (Bench, Threads) {
    start_as(dir, compared, clock, view, policies, Arc::new(crate::access::Devices::default()))
}

/// The same, with devices of known types.
fn start_as(
    dir: &Path,
    compared: bool,
    clock: Arc<dyn Clock>,
    view: watch::Receiver<ChainView>,
    policies: Policies,
    kinds: Arc<dyn Kinds>,
) -> (Bench, Threads) {
    let fault = Arc::new(AtomicU8::new(FINE));
    let writer = Faulty { store: SqliteWriter::create(dir).unwrap(), fault: Arc::clone(&fault) };
    let log = Arc::new(Reader::open(dir).unwrap());
    // More than one key is at hand where the test has put it there.
    let secret = |at: u8| LogSigner::new("test.local/log".parse().unwrap(), &[at; 32]);
    let secrets: Vec<_> = (7..=9).filter(|at| *at == 7 || dir.join(format!("{at}.key")).exists()).map(secret).collect();
    let first = secret(7).log_key();
    let next = secrets.iter().map(LogSigner::log_key).collect();
    let halt = Halt::default();
    if compared {
        halt.set_compared();
    }
    let parts = Parts {
        writer,
        devices: (0..2).map(|_| Box::new(SqliteDevices::open(dir).unwrap()) as Box<dyn DeviceReader>).collect(),
        models: Arc::new(Models::load_or_train(&dir.join("models")).unwrap()),
        policies: Arc::new(policies),
        kinds,
        refit: Duration::from_secs(24 * 3_600),
        sequencer: Sequencer::load(&*log, Arc::new(Keyring::new(first.clone(), secrets, next))).unwrap(),
        periods: Periods { heartbeat: Duration::from_secs(3_600), beacon: Duration::from_secs(60) },
        pack: PackRule::after(16),
        retentions: Arc::new(Retention::FOREVER),
        view,
        clock,
        halt: halt.clone(),
        events: broadcast::channel(16).0,
        verdicts: broadcast::channel(16).0,
    };
    let (pipeline, threads) = Pipeline::start(parts, Arc::clone(&log) as _).unwrap();
    (Bench { pipeline, log, fault, halt, first }, threads)
}

/// A reading of a weather station; 200 °C is impossible, and so an anomaly at once.
fn reading(device: &str, sequence: u64, temperature: f64) -> Reading {
    let values = vec![("temperature".into(), temperature), ("humidity".into(), 40.0), ("pressure".into(), 1013.0)];
    let time = Millis(1_767_600_000_000 + sequence as i64 * 60_000).into();
    Reading::new(DeviceName::new(device).unwrap(), Some(time), Some(sequence), values, SystemClock.now()).unwrap()
}

impl Bench {
    async fn submit(&self, readings: Vec<Reading>) -> Results {
        self.pipeline.submit(readings).await.unwrap()
    }

    /// Every entry, in order, hashed anew, must give the newest signed root.
    fn assert_log_verifies(&self) -> u64 {
        let newest = self.log.newest_checkpoint().unwrap().unwrap();
        // No more than was signed: others may have been added meanwhile.
        let entries = self.log.entries(0, newest.size).unwrap();
        let tree = MemoryTree::new(entries.iter().map(|entry| leaf_hash(entry)));
        let keys = key_history(&*self.log, self.first.clone()).unwrap();
        let signed = keys.key_at(newest.size).verify(&newest.note).unwrap();
        assert_eq!((tree.size(), root(&tree, tree.size()).unwrap()), (signed.size, signed.root));
        signed.size
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_is_stored_once_and_answered_alike_ever_after() {
    let dir = tempfile::tempdir().unwrap();
    let (bench, threads) = bench(dir.path());
    let models = bench.assert_log_verifies();

    let first = bench.submit(vec![reading("a", 1, 20.0), reading("a", 2, 200.0), reading("b", 1, 20.0)]).await;
    let first: Vec<Accepted> = first.into_iter().map(Result::unwrap).collect();
    assert!(first.iter().all(|accepted| !accepted.duplicate));
    assert_eq!(first[1].verdict.label, Label::Anomaly);
    assert_eq!(first[1].index, Some(models));

    // Again, in another order, and twice in one request.
    let again = bench.submit(vec![reading("a", 2, 200.0), reading("a", 1, 20.0), reading("a", 2, 200.0)]).await;
    let again: Vec<Accepted> = again.into_iter().map(Result::unwrap).collect();
    assert!(again.iter().all(|accepted| accepted.duplicate));
    assert_eq!(
        (&again[0].verdict, again[0].index, &again[0].sentence),
        (&first[1].verdict, first[1].index, &first[1].sentence)
    );
    assert_eq!(again[1].verdict, first[0].verdict);

    // The same key with other content, stored before or in the same request.
    let conflicts = bench.submit(vec![reading("a", 2, 20.0), reading("c", 1, 20.0), reading("c", 1, 21.0)]).await;
    assert!(matches!(conflicts[0], Err(Refusal::Conflict { .. })));
    assert!(conflicts[1].is_ok());
    assert!(matches!(conflicts[2], Err(Refusal::Conflict { .. })));

    // Late, but new: stored, judged, and then known.
    assert!(!bench.submit(vec![reading("b", 9, 20.0)]).await[0].as_ref().unwrap().duplicate);
    assert!(!bench.submit(vec![reading("b", 5, 20.0)]).await[0].as_ref().unwrap().duplicate);
    assert!(bench.submit(vec![reading("b", 5, 20.0)]).await[0].as_ref().unwrap().duplicate);

    assert_eq!(bench.assert_log_verifies(), models + 1);
    drop(bench);
    threads.join();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_failing_both_ways_loses_nothing_and_records_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (bench, threads) = bench(dir.path());
    let models = bench.assert_log_verifies();
    let mut sequence = 0;
    for fault in [NOT_PERSISTED, PERSISTED_BUT_REPORTED_AS_ERROR, NOT_PERSISTED, PERSISTED_BUT_REPORTED_AS_ERROR] {
        for temperature in [20.0, 200.0] {
            sequence += 1;
            // A device of its own each time: one event is reported once.
            let readings = || vec![reading(&format!("d{sequence}"), sequence, temperature)];
            bench.fault.store(fault, Ordering::SeqCst);
            let failed = bench.submit(readings()).await.remove(0);
            assert!(matches!(failed, Err(Refusal::Unavailable(_))), "{failed:?}");
            // The sender sends again, as it was told, and once more because it can.
            let second = bench.submit(readings()).await.remove(0).unwrap();
            assert_eq!(second.duplicate, fault == PERSISTED_BUT_REPORTED_AS_ERROR);
            let third = bench.submit(readings()).await.remove(0).unwrap();
            assert!(third.duplicate);
            assert_eq!(second.index, third.index);
            assert_eq!(second.index.is_some(), temperature > 100.0);
            bench.assert_log_verifies();
        }
    }
    assert_eq!(bench.assert_log_verifies(), models + 4, "each impossible value once");
    drop(bench);
    threads.join();

    // What memory had and what the disk has are the same: a new start goes on from there.
    let (bench, threads) = self::bench(dir.path());
    assert_eq!(bench.assert_log_verifies(), models + 4);
    assert!(bench.submit(vec![reading("d2", 2, 200.0)]).await.remove(0).unwrap().duplicate);
    drop(bench);
    threads.join();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halted_log_takes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (bench, threads) = bench(dir.path());
    let size = bench.assert_log_verifies();
    bench.halt.set("a test".into());
    let refused = bench.submit(vec![reading("a", 1, 200.0)]).await.remove(0);
    assert!(matches!(refused, Err(Refusal::Unavailable(_))));
    assert_eq!(bench.assert_log_verifies(), size);
    drop(bench);
    threads.join();
}

/// A reading as it comes: with or without a time, with or without a sequence number.
fn loose(time: Option<i64>, sequence: Option<u64>, value: f64) -> Reading {
    let time = time.map(|ms| Millis(ms).into());
    let values = vec![("value".into(), value)];
    Reading::new(DeviceName::new("loose").unwrap(), time, sequence, values, SystemClock.now()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_is_known_again_by_what_the_device_gave() {
    let dir = tempfile::tempdir().unwrap();
    let (bench, threads) = bench(dir.path());
    const TIME: Option<i64> = Some(1_767_600_000_000);

    // With a sequence number, the time of arrival says nothing.
    for duplicate in [false, true, true] {
        assert_eq!(bench.submit(vec![loose(None, Some(5), 1.0)]).await.remove(0).unwrap().duplicate, duplicate);
    }
    assert!(bench.submit(vec![loose(None, Some(5), 2.0)]).await.remove(0).is_err());
    // With neither, each is new, in one request and in the next.
    let same = || vec![loose(None, None, 1.0), loose(None, None, 1.0), loose(None, None, 3.0)];
    for result in bench.submit(same()).await.into_iter().chain(bench.submit(same()).await) {
        assert!(!result.unwrap().duplicate);
    }
    // With a time alone, the time is the key, to the microsecond.
    let micros = |us: i64| {
        let time = Some(crate::domain::Micros(TIME.unwrap() * 1_000 + us));
        let values = vec![("value".into(), us as f64 + 1.0)];
        Reading::new(DeviceName::new("loose").unwrap(), time, None, values, SystemClock.now()).unwrap()
    };
    for result in bench.submit((0..5).map(micros).collect()).await {
        assert!(!result.unwrap().duplicate);
    }
    for result in bench.submit((0..5).map(micros).collect()).await {
        assert!(result.unwrap().duplicate);
    }
    drop(bench);
    threads.join();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_far_ahead_does_not_blind_the_detector() {
    let dir = tempfile::tempdir().unwrap();
    let (bench, threads) = bench(dir.path());
    let size = bench.assert_log_verifies();
    let wave = |i: u64| 20.0 + f64::from(u32::try_from(i % 7).unwrap()) / 10.0;
    let far = Reading::new(
        DeviceName::new("a").unwrap(),
        Some(Millis(1_767_600_000_000).into()),
        Some(ledger::canonical::MAX_INTEGER as u64),
        vec![("temperature".into(), 20.0), ("humidity".into(), 40.0), ("pressure".into(), 1013.0)],
        SystemClock.now(),
    );
    bench.submit(vec![far.unwrap()]).await.remove(0).unwrap();
    let calm = bench.submit((1..400).map(|i| reading("a", i, wave(i))).collect()).await;
    assert_eq!(calm.last().unwrap().as_ref().unwrap().verdict.label, Label::Normal);
    let shifted = bench.submit((400..440).map(|i| reading("a", i, wave(i) + 15.0)).collect()).await;
    let found = shifted.into_iter().filter(|result| result.as_ref().unwrap().index.is_some()).count();
    assert!((1..5).contains(&found), "one event, reported {found} times");
    assert_eq!(bench.assert_log_verifies(), size + found as u64);
    drop(bench);
    threads.join();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sealed_is_what_was_sent_and_answered_to_the_last_bit() {
    let dir = tempfile::tempdir().unwrap();
    let (bench, threads) = bench(dir.path());
    let mut number = 0x9e37_79b9_7f4a_7c15_u64;
    for device in 0..60 {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Impossible for a temperature, so an anomaly at once; and a double with all of its digits.
        let temperature = 100.0 + (number >> 11) as f64 / (1_u64 << 43) as f64;
        let accepted = bench.submit(vec![reading(&format!("d{device}"), 1, temperature)]).await.remove(0).unwrap();
        let disclosure = bench.log.disclosure(accepted.index.unwrap()).unwrap().unwrap();
        let payload = ledger::entry::Payload::from_bytes(&disclosure.payload).unwrap();
        let sealed = |text: &str| text.parse::<f64>().unwrap().to_bits();
        let value = payload.values.iter().find(|value| value.metric == "temperature").unwrap();
        assert_eq!(sealed(value.value.as_str()), temperature.to_bits());
        assert_eq!(sealed(payload.score.as_str()), accepted.verdict.score.to_bits());
    }
    drop(bench);
    threads.join();
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_wait_until_the_log_was_held_against_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    let (first, threads) = bench(dir.path());
    drop(first);
    threads.join();
    let (waiting, threads) = start(dir.path(), false);
    let accepted = waiting.submit(vec![reading("a", 1, 200.0)]).await.remove(0).unwrap();
    assert_eq!((accepted.verdict.label, accepted.index), (Label::Anomaly, None));
    let size = waiting.assert_log_verifies();
    waiting.halt.set_compared();
    let sequenced = async {
        while waiting.assert_log_verifies() == size {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), sequenced).await.unwrap();
    let again = waiting.submit(vec![reading("a", 1, 200.0)]).await.remove(0).unwrap();
    assert_eq!((again.duplicate, again.index), (true, Some(size)));
    drop(waiting);
    threads.join();
}
