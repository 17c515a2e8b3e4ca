//! Who acts on the registry, for the records that are written together with the acts.

use std::net::IpAddr;

use api::DeviceChange;
use ledger::audit::Record;

use crate::{
    access::{Pass, audit_record},
    domain::{Millis, registry::StoredKey},
};

/// Who acts, from where, and when.
#[derive(Debug, Clone)]
pub(crate) struct By {
    who: String,
    from: String,
    pub(super) at: Millis,
}

impl By {
    /// A caller, now.
    pub(crate) fn caller(pass: &Pass, now: Millis) -> Self {
        let address: IpAddr = pass.from.to_canonical();
        Self { who: pass.caller.to_string(), from: address.to_string(), at: now }
    }

    /// Whoever runs the program, by the system's word, now.
    pub(crate) fn operator(who: &str, now: Millis) -> Self {
        Self { who: who.to_owned(), from: "the command line".to_owned(), at: now }
    }

    /// The record of an act.
    pub(super) fn record(&self, what: &str, object: &str, result: &str) -> Record {
        audit_record(self.at, self.who.clone(), self.from.clone(), what, object, result)
    }
}

/// A key in the audit log. Its beginning names it: the number is not known before it is kept.
pub(super) fn of_key(key: &StoredKey) -> String {
    format!("key {}… of {}", key.prefix, key.device)
}

/// What is changed, by name: of whom and to what, the registry says.
pub(super) fn members(change: &DeviceChange) -> String {
    let object = serde_json::to_value(change).unwrap_or_default();
    let names: Vec<&str> = object.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    match change.disabled {
        Some(disabled) => format!("{}: disabled is {disabled}", names.join(", ")),
        None => names.join(", "),
    }
}
