//! Where things are: the repository, the programs, the data sets.

use std::path::{Path, PathBuf};

/// The repository's root.
pub fn repo() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository")
}

/// The service's program: `ANOMALY_LEDGER_BIN`, or the one that `cargo build` has put beside this test.
///
/// # Panics
/// If it is not there; the message says how to get it.
pub fn service_binary() -> PathBuf {
    if let Some(given) = std::env::var_os("ANOMALY_LEDGER_BIN") {
        return PathBuf::from(given);
    }
    let beside = profile_dir().join("anomaly-ledger");
    assert!(beside.exists(), "no {}: run cargo build --package anomaly-ledger", beside.display());
    beside
}

/// A library for `LD_PRELOAD`, which `cargo build` has put beside this test.
///
/// # Panics
/// If it is not there; the message says how to get it.
pub fn library(package: &str) -> PathBuf {
    let library = profile_dir().join(format!("lib{package}.so"));
    assert!(library.exists(), "no {}: run cargo build --package {package}", library.display());
    library
}

/// A native program of Foundry, out of its npm package: the node wrapper would not hand signals on.
///
/// # Panics
/// If it is not there; the message says how to get it.
pub fn foundry(program: &str) -> PathBuf {
    let packages = repo().join("scripts/tools/node_modules/@foundry-rs");
    let prefix = format!("{program}-");
    let found = std::fs::read_dir(&packages).into_iter().flatten().flatten().find_map(|entry| {
        let binary = entry.path().join("bin").join(program);
        (entry.file_name().to_string_lossy().starts_with(&prefix) && binary.exists()).then_some(binary)
    });
    found.unwrap_or_else(|| panic!("no {program} under {}: run scripts/setup", packages.display()))
}

/// Ganache's command line, to be run by node.
///
/// # Panics
/// If it is not there; the message says how to get it.
pub fn ganache() -> PathBuf {
    let file = repo().join("scripts/tools/node_modules/ganache/dist/node/cli.js");
    assert!(file.exists(), "no {}: run scripts/setup", file.display());
    file
}

/// Where tests leave pictures and other things to look at: `e2e` in the target directory.
pub fn artifacts() -> PathBuf {
    let dir = profile_dir().parent().expect("the profile's directory lies in the target directory").join("e2e");
    std::fs::create_dir_all(&dir).expect("the target directory is writable");
    dir
}

/// One of the public data sets, or `None`, with a message, where they are not on this machine. As in the tests of
/// `detect` and `evaluate`.
pub fn data_set(name: &str) -> Option<PathBuf> {
    let given = std::env::var_os("ANOMALY_LEDGER_TEST_DATA").map(PathBuf::from);
    let dir = given.clone().unwrap_or_else(|| repo().join("../shared/data")).join(name);
    if dir.is_dir() {
        return Some(dir);
    }
    assert!(given.is_none(), "ANOMALY_LEDGER_TEST_DATA is set, and there is no {}", dir.display());
    println!("skipped: {} is not there; set ANOMALY_LEDGER_TEST_DATA to the folder of data sets", dir.display());
    None
}

/// `<target>/debug`, where this test's program lies in `deps`.
fn profile_dir() -> PathBuf {
    let me = std::env::current_exe().expect("a test knows its own path");
    me.parent().and_then(Path::parent).expect("tests lie in <target>/<profile>/deps").to_owned()
}
