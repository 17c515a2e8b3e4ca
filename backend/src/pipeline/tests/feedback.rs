//! What people say of findings, in a real pipeline: once, beside the finding and in the audit log.

use ledger::audit::Record;

use super::*;
use crate::domain::verdict::{Feedback, FeedbackVerdict};

fn said(index: u64, verdict: FeedbackVerdict, at: i64) -> Said {
    let feedback = Feedback { index, verdict, comment: Some("the door was open".into()), at: Millis(at) };
    Said {
        feedback,
        device: DeviceName::new("a").unwrap(),
        score: Some(0.9),
        recorded: Millis(at),
        by: ("user ada".into(), "192.0.2.7".into()),
    }
}

/// Records of the audit log about feedback.
fn audited(log: &Reader) -> Vec<Record> {
    let records = log.audit_records(0, 100).unwrap().into_iter().map(|bytes| Record::from_bytes(&bytes).unwrap());
    records.filter(|record| record.what == "feedback.give").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_first_stands() {
    let dir = tempfile::tempdir().unwrap();
    let (bench, threads) = bench(dir.path());
    let results = bench.submit(vec![reading("a", 1, 200.0), reading("a", 2, 20.0)]).await;
    let index = results[0].as_ref().unwrap().index.unwrap();

    let state =
        || SqliteDevices::open(dir.path()).unwrap().device(&DeviceName::new("a").unwrap()).unwrap().unwrap().state;
    let before = state();
    let first = bench.pipeline.feedback(said(index, FeedbackVerdict::FalseAlarm, 1_000)).await.unwrap().unwrap();
    let moved = state();
    assert_ne!(before, moved, "the device's limit has moved");
    let again = bench.pipeline.feedback(said(index, FeedbackVerdict::FalseAlarm, 2_000)).await.unwrap().unwrap();
    assert_eq!((first.at, &again), (Millis(1_000), &first));
    let other = bench.pipeline.feedback(said(index, FeedbackVerdict::Real, 3_000)).await.unwrap();
    assert_eq!(other, Err(Refusal::SaidOtherwise(index)));

    assert_eq!(moved, state(), "and it moves once");
    let shown = bench.log.anomalies(0..u64::MAX, 5).unwrap();
    assert_eq!(shown[0].feedback, Some(first));
    let [record] = &audited(&bench.log)[..] else { panic!("one record") };
    assert_eq!((record.object.as_str(), record.result.as_str()), (&*format!("entry {index}"), "false_alarm"));
    assert!(!String::from_utf8(record.to_bytes().unwrap()).unwrap().contains("door"));
    drop(bench);
    threads.join();

    // It is erased with the payload; the audit log stays.
    let mut eraser = crate::store::Eraser::open(dir.path()).unwrap();
    eraser.entries(&[index], &mut |_| {}).unwrap();
    let log = Reader::open(dir.path()).unwrap();
    let shown = log.anomalies(0..u64::MAX, 5).unwrap();
    assert_eq!((&shown[0].payload, &shown[0].feedback, audited(&log).len()), (&None, &None, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fails_either_way_is_said_again_and_recorded_once() {
    for fault in [NOT_PERSISTED, PERSISTED_BUT_REPORTED_AS_ERROR] {
        let dir = tempfile::tempdir().unwrap();
        let (bench, threads) = bench(dir.path());
        let index = bench.submit(vec![reading("a", 1, 200.0)]).await.remove(0).unwrap().index.unwrap();
        bench.fault.store(fault, Ordering::SeqCst);
        let failed = bench.pipeline.feedback(said(index, FeedbackVerdict::Real, 1_000)).await.unwrap();
        assert!(matches!(failed, Err(Refusal::Unavailable(_))), "{failed:?}");
        let again = bench.pipeline.feedback(said(index, FeedbackVerdict::Real, 2_000)).await.unwrap().unwrap();
        assert_eq!(again.at, Millis(if fault == NOT_PERSISTED { 2_000 } else { 1_000 }));
        assert_eq!(audited(&bench.log).len(), 1, "fault {fault}");
        bench.submit(vec![reading("a", 2, 20.0)]).await.remove(0).unwrap();
        bench.assert_log_verifies();
        drop(bench);
        threads.join();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halted_log_hears_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (bench, threads) = bench(dir.path());
    let index = bench.submit(vec![reading("a", 1, 200.0)]).await.remove(0).unwrap().index.unwrap();
    bench.halt.set("for the test".into());
    let refused = bench.pipeline.feedback(said(index, FeedbackVerdict::Real, 1_000)).await.unwrap();
    assert!(matches!(refused, Err(Refusal::Unavailable(_))));
    assert!(audited(&bench.log).is_empty());
    drop(bench);
    threads.join();
}
