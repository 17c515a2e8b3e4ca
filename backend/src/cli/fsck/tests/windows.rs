//! Heartbeats and audit entries, against what is kept for them.

use ledger::{
    audit::{self, Record},
    heartbeat::Totals,
};

use super::*;
use crate::domain::{ports::AuditLog, verdict::Pending};

/// The log of the other tests, with a window closed at its end.
fn closed() -> Trial {
    let trial = Trial::new();
    let log = Reader::open(trial.dir.path()).unwrap();
    let keyring = Keyring::new(signer().log_key(), vec![signer()], vec![]);
    let mut sequencer = Sequencer::load(&log, Arc::new(keyring)).unwrap();
    for object in ["one", "two"] {
        let text = str::to_owned;
        let at = Millis(START).to_time();
        let record = Record::new(at, text("uid 0"), text("a test"), text("test"), text(object), text("done"));
        log.add_audit_record(&record).unwrap();
    }
    let mut writer = SqliteWriter::open_existing(trial.dir.path()).unwrap();
    writer
        .transaction(&mut |tx| {
            let records = tx.audit_records(0, 10)?;
            let audit = Pending::Audit { from: 0, records: records.len() as u64, root: audit::root(&records) };
            let counters = tx.counters()?;
            let Totals { devices, readings, anomalies, root } = Totals::of(&counters).unwrap();
            let heartbeat = Pending::Heartbeat { from: 0, devices, readings, anomalies, root };
            let extension = sequencer.extend(vec![(0, audit), (0, heartbeat)], Millis(START + 90_000_000))?;
            tx.append(&extension)?;
            tx.close_window(extension.from + 1, &counters)
        })
        .unwrap();
    trial
}

#[test]
fn what_the_log_says_of_itself_agrees() {
    let found = closed().check();
    assert_eq!(found.exit_code(), 0, "{found:#?}");
}

#[test]
fn counters_and_audit_records_that_do_not_agree_are_named() {
    let counter =
        "UPDATE counter SET bytes = CAST(replace(CAST(bytes AS TEXT), '\"readings\":3', '\"readings\":9') AS BLOB)";
    for (change, said) in [
        (counter, "the counters that are kept for it"),
        ("DELETE FROM counter", "the counters that are kept for it"),
        ("UPDATE counter SET bytes = x'00'", "the counters that are kept for it"),
        ("DELETE FROM audit WHERE number = 1", "the audit records 0 to 1 are not those"),
        ("UPDATE audit SET bytes = x'00' WHERE number = 0", "the audit records 0 to 1 are not those"),
        ("DELETE FROM audit WHERE number = 0", "expected audit record 0, found 1"),
    ] {
        let trial = closed();
        trial.change(change);
        assert_damage(&trial.check(), said);
    }
}
