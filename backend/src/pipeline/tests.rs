//! The pipeline on a real store: order, duplicates, conflicts, and every write failing both ways.

#![allow(clippy::unwrap_used)]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use ledger::{
    checkpoint::LogSigner,
    hash::leaf_hash,
    merkle::{MemoryTree, root},
};
use tokio::sync::broadcast;

use super::*;
use crate::{
    domain::{Millis, SystemClock, verdict::Label},
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

struct Bench {
    pipeline: Pipeline,
    log: Arc<Reader>,
    fault: Arc<AtomicU8>,
    halt: Halt,
    signer: Arc<LogSigner>,
}

fn bench(dir: &Path) -> (Bench, Threads) {
    let fault = Arc::new(AtomicU8::new(FINE));
    let writer = Faulty { store: SqliteWriter::open(dir).unwrap(), fault: Arc::clone(&fault) };
    let log = Arc::new(Reader::open(dir).unwrap());
    let signer = Arc::new(LogSigner::new("test.local/log".parse().unwrap(), &[7; 32]));
    let halt = Halt::default();
    let parts = Parts {
        writer,
        devices: (0..2).map(|_| Box::new(SqliteDevices::open(dir).unwrap()) as Box<dyn DeviceReader>).collect(),
        models: Arc::new(Models::load_or_train(&dir.join("models")).unwrap()),
        sequencer: Sequencer::load(&*log, Arc::clone(&signer)).unwrap(),
        clock: Arc::new(SystemClock),
        halt: halt.clone(),
        events: broadcast::channel(16).0,
    };
    let (pipeline, threads) = Pipeline::start(parts, Arc::clone(&log) as _).unwrap();
    (Bench { pipeline, log, fault, halt, signer }, threads)
}

/// A reading of a weather station; 200 °C is impossible, and so an anomaly at once.
fn reading(device: &str, sequence: u64, temperature: f64) -> Reading {
    let values = vec![("temperature".into(), temperature), ("humidity".into(), 40.0), ("pressure".into(), 1013.0)];
    let time = Millis(1_767_600_000_000 + sequence as i64 * 60_000);
    Reading::new(DeviceName::new(device).unwrap(), time, Some(sequence), values, SystemClock.now()).unwrap()
}

impl Bench {
    async fn submit(&self, readings: Vec<Reading>) -> Results {
        self.pipeline.submit(readings).await.unwrap()
    }

    /// Every entry, in order, hashed anew, must give the newest signed root.
    fn assert_log_verifies(&self) -> u64 {
        let newest = self.log.newest_checkpoint().unwrap().unwrap();
        let entries = self.log.entries(0, u64::MAX >> 1).unwrap();
        let tree = MemoryTree::new(entries.iter().map(|entry| leaf_hash(entry)));
        let signed = self.signer.log_key().verify(&newest.note).unwrap();
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
