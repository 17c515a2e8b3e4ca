//! What must hold of the `ledger` crate on every machine that works out a verdict: natively, where `cargo test` runs
//! [`CHECKS`], and in WebAssembly, where this package's program runs the same ones (`scripts/test dashboard`).
//!
//! To add one: write a function that gives how many cases held, or what did not, and list it in [`CHECKS`]. It has
//! tests/vectors by [`vectors`], and neither files, clock, network, randomness nor threads.

mod entry;
mod mutation;
mod real;
mod signed;
mod tree;
mod verdict;

use serde_json::Value;

/// A check, by its name.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// What it is about.
    pub name: &'static str,
    /// Gives how many cases held, or what did not hold.
    pub run: fn() -> Result<usize, String>,
}

/// Every check.
pub const CHECKS: &[Check] = &[
    Check { name: "inclusion vectors", run: tree::inclusion },
    Check { name: "consistency vectors", run: tree::consistency },
    Check { name: "entry vectors", run: entry::entries },
    Check { name: "signed readings", run: signed::readings },
    Check { name: "changed bytes of signed payloads", run: signed::bytes },
    Check { name: "verdict vectors", run: verdict::verdicts },
    Check { name: "lies about bundles", run: verdict::lies },
    Check { name: "changed bytes of bundles", run: mutation::bytes },
    Check { name: "changed lines of bundles", run: mutation::lines },
];

/// Every JSON file of tests/vectors: its path below that folder, and its text.
const VECTORS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/vectors.rs"));

/// The cases of tests/vectors whose path begins so.
///
/// # Errors
/// If one is no JSON.
pub fn vectors(prefix: &str) -> Result<Vec<(&'static str, Value)>, String> {
    let parse = |(path, text): &(&'static str, &str)| {
        let value = serde_json::from_str(text).map_err(|error| format!("{path}: {error}"))?;
        Ok((*path, value))
    };
    VECTORS.iter().filter(|(path, _)| path.starts_with(prefix)).map(parse).collect()
}

/// Nothing, or that the two differ.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, actual: T, expected: T) -> Result<(), String> {
    if actual == expected { Ok(()) } else { Err(format!("{what}: expected {expected:?}, found {actual:?}")) }
}
