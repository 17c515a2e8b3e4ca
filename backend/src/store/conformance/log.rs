//! The log, the audit log and the outbox.

use ledger::{Hash, audit::Record, evidence::Disclosure};

use super::{
    Engine,
    model::{Model, START, judged},
};
use crate::domain::{
    Micros,
    ports::{AnchorRow, AnchorState, Extension, NewEntry, NewModel, StoreError, StoredCheckpoint},
};

fn checkpoint(size: u64) -> StoredCheckpoint {
    StoredCheckpoint { size, root: Hash([size as u8; 32]), note: format!("note {size}\n") }
}

fn entry(byte: u8) -> NewEntry {
    let disclosure = Some(Disclosure { salt: [byte; 32], payload: vec![byte, 0, 255] });
    NewEntry { bytes: vec![byte, 0, 0x80], kind: "anomaly", disclosure, state: Some(vec![byte, 9]), queued: 0 }
}

pub(super) fn a_transaction_is_all_or_nothing(engine: Engine) {
    let dir = tempfile::tempdir().unwrap();
    let (mut parts, mut model) = (engine(dir.path()), Model::default());
    model.record(&mut *parts.writer, vec![judged(0, Micros::from(START), Some(1), 5.0)]);
    let failed = parts.writer.transaction(&mut |tx| {
        tx.record(&[judged(0, Micros::from(START), Some(2), 25.0)])?;
        tx.append(&Extension { entries: vec![entry(1)], checkpoints: vec![checkpoint(1)], ..Extension::default() })?;
        Err(StoreError::Engine("a fault made by the test".into()))
    });
    assert!(failed.is_err());
    for opened in [parts, engine(dir.path())] {
        assert_eq!(opened.log.newest_checkpoint().unwrap(), None);
        assert!(opened.log.entries(0, 9).unwrap().is_empty());
        assert_eq!(opened.series.latest(&super::model::name(0)).unwrap(), model.rows(0).pop());
    }
}

pub(super) fn only_the_one_who_knows_the_newest_checkpoint_appends(engine: Engine) {
    let dir = tempfile::tempdir().unwrap();
    let mut parts = engine(dir.path());
    let first = Extension { entries: vec![entry(1)], checkpoints: vec![checkpoint(1)], ..Extension::default() };
    parts.writer.transaction(&mut |tx| tx.append(&first)).unwrap();
    let late = parts.writer.transaction(&mut |tx| tx.append(&first));
    assert!(matches!(late, Err(StoreError::Fenced { expected: 0, found: 1 })), "{late:?}");
    let next = Extension { from: 1, entries: vec![entry(2)], checkpoints: vec![checkpoint(2)], ..Extension::default() };
    parts.writer.transaction(&mut |tx| tx.append(&next)).unwrap();
    assert_eq!(parts.log.newest_checkpoint().unwrap(), Some(checkpoint(2)));
}

pub(super) fn what_is_stored_comes_back_byte_for_byte(engine: Engine) {
    let dir = tempfile::tempdir().unwrap();
    let mut parts = engine(dir.path());
    let hash = Hash([3; 32]);
    let model = NewModel { hash, version: "v".into(), profile: "p".into(), bytes: vec![0, 1], sample: hash };
    parts.writer.transaction(&mut |tx| tx.add_model(&model)).unwrap();
    let extension = Extension {
        entries: (0..5).map(entry).collect(),
        checkpoints: vec![checkpoint(2), checkpoint(5)],
        ..Extension::default()
    };
    parts.writer.transaction(&mut |tx| tx.append(&extension)).unwrap();
    let record = Record::new(START.to_time(), "who".into(), "where".into(), "what".into(), "on".into(), "done".into());
    assert_eq!(parts.audit.add_audit_record(&record).unwrap(), 0);
    assert_eq!(parts.audit.add_audit_record(&record).unwrap(), 1);
    drop(parts);
    let mut parts = engine(dir.path());
    let bytes: Vec<Vec<u8>> = (0..5).map(|byte| entry(byte).bytes).collect();
    assert_eq!(parts.log.entries(0, 9).unwrap(), bytes);
    assert_eq!(parts.log.entries(3, 1).unwrap(), bytes[3..4]);
    assert_eq!(parts.log.disclosure(4).unwrap(), entry(4).disclosure);
    assert_eq!(parts.log.state(4).unwrap(), entry(4).state);
    assert_eq!(parts.log.disclosure(5).unwrap(), None);
    assert_eq!(parts.log.checkpoint_at(2).unwrap(), Some(checkpoint(2)));
    assert_eq!(parts.log.checkpoint_at(3).unwrap(), None);
    assert_eq!(parts.log.checkpoints(2, 5, 9).unwrap(), [checkpoint(5)]);
    let newest: Vec<u64> = parts.log.anomalies(1..5, 2).unwrap().iter().map(|anomaly| anomaly.index).collect();
    assert_eq!(newest, [4, 3]);
    assert_eq!(parts.log.model_version(&hash.to_string()).unwrap(), Some("v".into()));
    let mut records = Vec::new();
    let read = &mut |tx: &mut dyn crate::domain::ports::Transaction| {
        records = tx.audit_records(0, 9)?;
        Ok(())
    };
    parts.writer.transaction(read).unwrap();
    assert_eq!(records.len(), 2);
}

pub(super) fn the_outbox_is_on_disk_and_in_order(engine: Engine) {
    let dir = tempfile::tempdir().unwrap();
    let parts = engine(dir.path());
    let row = |size: u64, state| AnchorRow {
        size,
        root: Hash([size as u8; 32]),
        state,
        nonce: size,
        transaction: None,
        raw: vec![size as u8],
        sent_ms: 5,
        proof: None,
    };
    for size in [7, 3, 5] {
        parts.anchors.put_anchor(&row(size, AnchorState::Sent)).unwrap();
    }
    parts.anchors.put_anchor(&row(3, AnchorState::Final)).unwrap();
    parts.anchors.put_setting("name", "first").unwrap();
    parts.anchors.put_setting("name", "second").unwrap();
    drop(parts);
    let parts = engine(dir.path());
    let open: Vec<u64> = parts.anchors.open_anchors().unwrap().iter().map(|row| row.size).collect();
    assert_eq!(open, [5, 7]);
    assert_eq!(parts.anchors.final_anchor(2).unwrap().unwrap().size, 3);
    assert_eq!(parts.anchors.newest_final().unwrap().unwrap().size, 3);
    assert!(parts.anchors.final_anchor(3).unwrap().is_none());
    parts.anchors.drop_anchor(5).unwrap();
    assert!(!parts.anchors.has_anchor(5).unwrap() && parts.anchors.has_anchor(7).unwrap());
    assert_eq!(parts.anchors.setting("name").unwrap().as_deref(), Some("second"));
}
