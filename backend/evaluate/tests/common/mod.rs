//! Where the public data sets are, if anywhere.
#![allow(dead_code)] // each test binary uses its own part

use std::path::{Path, PathBuf};

/// One of the public data sets, or `None`, with a message, where they are not on this machine. As in `tests/src/paths.rs`.
pub(crate) fn data_set(name: &str) -> Option<PathBuf> {
    let given = std::env::var_os("ANOMALY_LEDGER_TEST_DATA").map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let dir = given.clone().unwrap_or_else(beside).join(name);
    if dir.is_dir() {
        return Some(dir);
    }
    assert!(given.is_none(), "ANOMALY_LEDGER_TEST_DATA is set, and there is no {}", dir.display());
    println!("skipped: {} is not there; set ANOMALY_LEDGER_TEST_DATA to the folder of data sets", dir.display());
    None
}
