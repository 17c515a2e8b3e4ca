//! Other people's clients of the service: what `scripts/tools/clients` has installed.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use crate::paths;

/// Where they are, installed when they are first asked for.
///
/// # Panics
/// If they cannot be installed.
fn installed() -> &'static Path {
    static CLIENTS: OnceLock<PathBuf> = OnceLock::new();
    CLIENTS.get_or_init(|| {
        let output = Command::new(paths::repo().join("scripts/tools/clients")).stderr(Stdio::inherit()).output();
        let output = output.expect("scripts/tools/clients can be run");
        assert!(output.status.success(), "scripts/tools/clients has said why it failed");
        PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
    })
}

/// Telegraf's program.
///
/// # Panics
/// As all here, if it cannot be installed.
pub fn telegraf() -> PathBuf {
    installed().join("telegraf")
}

/// A program that pip has installed.
///
/// # Panics
/// As all here, if it cannot be installed.
pub fn program(name: &str) -> Command {
    Command::new(installed().join("venv/bin").join(name))
}

/// Runs a program of tests/clients to its end, and gives what it printed.
///
/// # Panics
/// If it fails.
pub fn python(file: &str, args: &[&str]) -> String {
    let output = program("python").arg(paths::repo().join("tests/clients").join(file)).args(args).output();
    let output = output.expect("python can be run");
    assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
