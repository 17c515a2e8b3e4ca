//! Beacons, heartbeats and the audit log's digest, by a clock that the test moves.

use std::sync::atomic::AtomicI64;

use alloy::primitives::{Address, B256};
use ledger::{
    audit::{self, Record},
    entry::Entry,
    heartbeat::{Locator, account},
    trust::TrustRoots,
};

use super::*;
use crate::domain::{
    log::Block,
    ports::{AuditLog, LogReader},
};

const START: i64 = 1_767_700_000_000;

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub(super) struct HandClock(pub(super) Arc<AtomicI64>);

impl Clock for HandClock {
    fn now(&self) -> Millis {
        Millis(self.0.load(Ordering::SeqCst))
    }
}

struct Timed {
    bench: Bench,
    threads: Threads,
    clock: HandClock,
    view: watch::Sender<ChainView>,
}

fn timed(dir: &Path) -> Timed {
    timed_from(dir, START)
}

fn timed_from(dir: &Path, now: i64) -> Timed {
    let (clock, view) = (HandClock(Arc::new(AtomicI64::new(now))), watch::channel(ChainView::default()).0);
    let (bench, threads) = start_at(dir, true, Arc::new(clock.clone()), view.subscribe());
    Timed { bench, threads, clock, view }
}

impl Timed {
    fn pass(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }

    /// The chain is seen with a block of this number.
    fn block(&self, number: u64) {
        let trust = TrustRoots {
            log_key: self.bench.first.clone(),
            chain_id: 31_337,
            genesis_hash: B256::ZERO,
            contract: Address::ZERO,
            code_hash: B256::ZERO,
            predecessors: Vec::new(),
        };
        let latest_block = Some(Block { number, hash: B256::with_last_byte(number as u8) });
        self.view.send_modify(|view| *view = ChainView { latest_block, trust: Some(trust), ..ChainView::default() });
    }

    fn entries(&self, kind: &str) -> Vec<(u64, Entry)> {
        self.bench.assert_log_verifies();
        let entries = self.bench.log.entries(0, 1_000).unwrap();
        let entries = (0..).zip(entries).map(|(index, bytes)| (index, Entry::from_bytes(&bytes).unwrap()));
        entries.filter(|(_, entry)| entry.kind() == kind).collect()
    }

    fn end(self) {
        drop(self.bench);
        self.threads.join();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_accounts_for_every_device_of_its_window() {
    let dir = tempfile::tempdir().unwrap();
    let timed = timed(dir.path());
    timed.bench.submit(vec![reading("a", 7, 20.0), reading("a", 9, 200.0), reading("b", 1, 20.0)]).await;
    // A duplicate is not counted, nor is a conflict.
    timed.bench.submit(vec![reading("b", 1, 20.0), reading("b", 1, 21.0)]).await;
    assert_eq!(timed.entries("heartbeat"), []);

    timed.pass(3_600);
    timed.bench.fault.store(PERSISTED_BUT_REPORTED_AS_ERROR, Ordering::SeqCst);
    timed.bench.submit(vec![reading("c", 1, 20.0)]).await;
    timed.bench.submit(vec![reading("a", 10, 20.0)]).await;
    let heartbeats = timed.entries("heartbeat");
    let [(index, Entry::Heartbeat(heartbeat))] = heartbeats.as_slice() else { panic!("{heartbeats:?}") };
    let counted = (heartbeat.from, heartbeat.devices, heartbeat.readings, heartbeat.anomalies);
    assert_eq!(counted, (0, 3, 4, 1), "once, though its commit was reported as an error");

    let (_, Entry::Anomaly(anomaly)) = &timed.entries("anomaly")[0] else { panic!("an anomaly") };
    let mut locator = Locator::new(anomaly.device.clone());
    timed.bench.log.counters(*index, &mut |counter| locator.push(counter).unwrap()).unwrap();
    let counter = account(heartbeat, &anomaly.device, &locator.finish()).unwrap().unwrap();
    assert_eq!((counter.readings, counter.anomalies, counter.missing()), (2, 1, 1), "sequence 8 is missing");
    timed.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_leave_no_gap_over_restarts_and_idle_hours() {
    let dir = tempfile::tempdir().unwrap();
    let mut sizes = Vec::new();
    for round in 1..=3 {
        let timed = timed_from(dir.path(), START + round * 8_000_000);
        // Nothing is sent in the second window: it is closed all the same, at the start that follows.
        if round != 2 {
            timed.pass(3_600);
            timed.bench.submit(vec![reading("a", round as u64, 20.0)]).await;
        }
        let closed = async {
            while timed.entries("heartbeat").len() < round as usize {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), closed).await.unwrap();
        sizes.push(timed.bench.assert_log_verifies());
        timed.end();
    }
    let timed = timed_from(dir.path(), START + 3 * 8_000_000 + 3_600_000);
    let mut from = 0;
    for (index, entry) in timed.entries("heartbeat") {
        let Entry::Heartbeat(heartbeat) = entry else { panic!("a heartbeat") };
        assert_eq!(heartbeat.from, from);
        from = index + 1;
    }
    assert_eq!(Some(&from), sizes.last());
    timed.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_stand_behind_a_recent_block() {
    let dir = tempfile::tempdir().unwrap();
    let timed = timed(dir.path());
    timed.bench.submit(vec![reading("a", 1, 200.0)]).await;
    assert_eq!(timed.entries("beacon"), [], "the chain was not seen yet");
    for (number, seconds, beacons) in [(5, 0, 1), (6, 30, 1), (7, 31, 2), (7, 100, 2)] {
        timed.block(number);
        timed.pass(seconds);
        timed.bench.submit(vec![reading(&format!("d{number}-{seconds}"), 1, 200.0)]).await;
        assert_eq!(timed.entries("beacon").len(), beacons, "block {number} after {seconds} s");
    }
    let beacons = timed.entries("beacon");
    let (index, Entry::Beacon(beacon)) = &beacons[1] else { panic!("a beacon") };
    assert_eq!((beacon.chain_id, beacon.block, beacon.block_hash.0), (31_337, 7, B256::with_last_byte(7).0));
    assert!(timed.entries("anomaly").iter().any(|(anomaly, _)| *anomaly == index + 1));
    timed.pass(100);
    timed.block(8);
    timed.bench.submit(vec![reading("quiet", 1, 20.0)]).await;
    assert_eq!(timed.entries("beacon").len(), 2, "without a finding there is nothing to date");
    timed.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_is_covered_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let timed = timed(dir.path());
    let record = |object: &str| {
        let at = Millis(START).to_time();
        let text = str::to_owned;
        Record::new(at, text("uid 0"), text("a test"), text("test"), text(object), text("done"))
    };
    let mut all = Vec::new();
    for (hour, records) in [(1, 2), (2, 0), (3, 1)] {
        for number in 0..records {
            let record = record(&format!("{hour}/{number}"));
            assert_eq!(timed.bench.log.add_audit_record(&record).unwrap(), all.len() as u64);
            all.push(record.to_bytes().unwrap());
        }
        timed.pass(3_600);
        timed.bench.submit(vec![reading("a", hour, 20.0)]).await;
    }
    assert_eq!(timed.entries("heartbeat").len(), 3);
    let entries = timed.entries("audit");
    let covered = entries.iter().map(|(_, entry)| {
        let Entry::Audit(entry) = entry else { panic!("an audit entry") };
        let end = (entry.from + entry.records) as usize;
        assert!(audit::holds(entry, &all[entry.from as usize..end]));
        (entry.from, entry.records)
    });
    assert_eq!(covered.collect::<Vec<_>>(), [(0, 2), (2, 1)]);
    timed.end();
}
