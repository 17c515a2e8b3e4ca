//! The examples of docs/spec/entry.md, made by another program (tests/vectors/entry).
#![allow(clippy::unwrap_used)]

use ledger::{
    Hash,
    audit::{self, Record},
    entry::{Entry, EntryError, KINDS, Payload, commitment},
    hash::leaf_hash,
    heartbeat::{Counter, Totals},
    text::{Decimal, Id},
};
use serde_json::Value;

fn explained() -> Value {
    serde_json::from_str(include_str!("../../tests/vectors/entry/explained.json")).unwrap()
}

#[test]
fn an_anomaly_with_its_payload_is_as_the_page_says() {
    let plain = serde_json::from_str(include_str!("../../tests/vectors/entry/anomaly.json")).unwrap();
    for file in [plain, explained()] {
        holds(&file);
    }
}

fn holds(file: &Value) {
    let text = |name: &str| file[name].as_str().unwrap();
    let Entry::Anomaly(entry) = Entry::from_bytes(text("entry").as_bytes()).unwrap() else { panic!("an anomaly") };
    let payload = Payload::from_bytes(text("payload").as_bytes()).unwrap();
    let salt: Hash = text("salt").parse().unwrap();
    assert_eq!(leaf_hash(text("entry").as_bytes()).to_string(), text("leaf_hash"));
    assert_eq!(commitment(&salt.0, text("payload").as_bytes()).to_string(), text("commitment"));
    assert_eq!(entry.commitment.to_string(), text("commitment"));
    assert_eq!(payload.entry, entry.id);
    assert_eq!(Entry::Anomaly(entry).to_bytes().unwrap(), text("entry").as_bytes());
    assert_eq!(payload.to_bytes().unwrap(), text("payload").as_bytes());
    assert!("not-a-uuid".parse::<Id>().is_err());
}

#[test]
fn a_reason_may_say_what_was_expected_how_probable_it_is_and_its_share() {
    let file = explained();
    let payload = Payload::from_bytes(file["payload"].as_str().unwrap().as_bytes()).unwrap();
    let text = |decimal: &Option<Decimal>| decimal.as_ref().unwrap().as_str().to_owned();
    let reason = &payload.reasons[0];
    let said = [&reason.expected, &reason.probability, &reason.contribution].map(text);
    assert_eq!(said, ["2.5", "2.9e-9", "1"]);
    for (what, bytes) in file["reject"].as_object().unwrap() {
        assert!(Payload::from_bytes(bytes.as_str().unwrap().as_bytes()).is_err(), "{what}");
    }
}

fn kinds() -> Value {
    serde_json::from_str(include_str!("../../tests/vectors/entry/kinds.json")).unwrap()
}

fn texts(value: &Value) -> Vec<Vec<u8>> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().into()).collect()
}

#[test]
fn every_kind_is_as_the_page_says() {
    let file = kinds();
    for kind in KINDS.into_iter().filter(|kind| *kind != "anomaly") {
        let bytes = file[kind].as_str().unwrap().as_bytes();
        let entry = Entry::from_bytes(bytes).unwrap();
        assert_eq!(entry.kind(), kind);
        assert_eq!(entry.recorded().as_str(), "2026-11-20T09:10:12.979Z");
        assert_eq!(entry.to_bytes().unwrap(), bytes);
    }
}

#[test]
fn a_heartbeat_counts_its_counters_and_an_audit_entry_its_records() {
    let file = kinds();
    let read = |kind: &str| Entry::from_bytes(file[kind].as_str().unwrap().as_bytes()).unwrap();
    let Entry::Heartbeat(heartbeat) = read("heartbeat") else { panic!("a heartbeat") };
    let counters: Vec<_> = texts(&file["counters"]).iter().map(|bytes| Counter::from_bytes(bytes).unwrap()).collect();
    let totals = Totals::of(&counters).unwrap();
    assert_eq!(
        (totals.devices, totals.readings, totals.anomalies, totals.root),
        (heartbeat.devices, heartbeat.readings, heartbeat.anomalies, heartbeat.root)
    );
    assert_eq!(counters[0].missing(), 3);
    let Entry::Audit(audit) = read("audit") else { panic!("an audit entry") };
    let records = texts(&file["records"]);
    assert!(records.iter().all(|bytes| Record::from_bytes(bytes).unwrap().to_bytes().unwrap() == *bytes));
    assert!(audit::holds(&audit, &records));
}

#[test]
fn what_is_nearly_an_entry_is_refused() {
    for (what, bytes) in kinds()["reject"].as_object().unwrap() {
        assert!(Entry::from_bytes(bytes.as_str().unwrap().as_bytes()).is_err(), "{what}");
    }
    let later = r#"{"id":"01a1f838-78f3-71e9-9e5a-a50460b61251","kind":"prophecy","recorded":"2026-11-20T09:10:12.979Z","v":1}"#;
    assert!(matches!(Entry::from_bytes(later.as_bytes()), Err(EntryError::Kind(_))));
}
