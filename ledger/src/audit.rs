//! The audit log: who did what to the service. Its records are private; the log commits to them, so that a cut or
//! changed one shows (docs/spec/audit.md).

use serde::{Deserialize, Serialize};

use crate::{
    entry::{self, Audit, EntryError},
    hash::{Hash, leaf_hash, root_of},
    text::Time,
};

/// A record names one act; 4 KiB leave room for what it was done to.
pub const MAX_RECORD: usize = 4_096;

/// One act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    v: u8,
    /// When.
    pub at: Time,
    /// Who did it.
    pub who: String,
    /// From where; empty where that is unknown.
    pub from: String,
    /// What was done, such as `payload.erase`.
    pub what: String,
    /// What it was done to.
    pub object: String,
    /// What came of it.
    pub result: String,
}

impl Record {
    /// A record of an act.
    pub fn new(at: Time, who: String, from: String, what: String, object: String, result: String) -> Self {
        Self { v: entry::VERSION, at, who, from, what, object, result }
    }

    /// The record's bytes: a leaf under the entry's root.
    ///
    /// # Errors
    /// [`EntryError::Length`] above [`MAX_RECORD`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, EntryError> {
        entry::to_bytes(self, MAX_RECORD)
    }

    /// Reads a record, and refuses bytes that are not exactly by the format.
    ///
    /// # Errors
    /// See [`EntryError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EntryError> {
        entry::from_bytes(bytes, MAX_RECORD)
    }
}

/// The root over records' bytes, in their order.
pub fn root(records: &[Vec<u8>]) -> Hash {
    let leaves: Vec<Hash> = records.iter().map(|record| leaf_hash(record)).collect();
    root_of(&leaves)
}

/// Whether these are the records, all of them and in their order, that an entry commits to.
pub fn holds(entry: &Audit, records: &[Vec<u8>]) -> bool {
    entry.records == records.len() as u64 && entry.root == root(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_or_changed_audit_log_does_not_hold() {
        let record = |object: &str| {
            let text = |text: &str| text.to_owned();
            let at = "2026-11-20T09:10:12.979Z".parse().unwrap();
            let record =
                Record::new(at, text("root"), text("127.0.0.1"), text("payload.erase"), text(object), text("done"));
            let bytes = record.to_bytes().unwrap();
            assert_eq!(Record::from_bytes(&bytes).unwrap(), record);
            bytes
        };
        let records: Vec<_> = ["1", "2", "3"].map(record).into();
        let id = "01a1f838-78f3-71e9-9e5a-a50460b61251".parse().unwrap();
        let recorded = "2026-11-20T09:10:12.979Z".parse().unwrap();
        let entry = Audit::new(id, recorded, 0, 3, root(&records));
        assert!(holds(&entry, &records));
        assert!(!holds(&entry, &records[..2]));
        assert!(!holds(&entry, &[record("1"), record("3"), record("2")]));
        assert!(!holds(&entry, &[record("1"), record("2"), record("4")]));
    }
}
