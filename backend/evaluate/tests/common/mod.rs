//! Where the public data sets are, if anywhere.
#![allow(dead_code)] // each test binary uses its own part

use std::path::PathBuf;

/// A folder of the public data sets, or `None`, with a message, where they are not on this machine.
pub(crate) fn data_set(name: &str) -> Option<PathBuf> {
    let Some(given) = std::env::var_os("ANOMALY_LEDGER_DATA") else {
        println!("skipped: set ANOMALY_LEDGER_DATA to the folder of public data sets");
        return None;
    };
    let dir = PathBuf::from(given).join(name);
    assert!(dir.is_dir(), "ANOMALY_LEDGER_DATA is set, and there is no {}", dir.display());
    Some(dir)
}
