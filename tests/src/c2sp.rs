//! Other people's clients of the log: the Go programs in tests/c2sp.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use tokio::io::AsyncWriteExt;

use crate::{command::Finished, paths};

/// The program of this name, built when it is first asked for. Modules and objects are kept where Go keeps them.
///
/// # Panics
/// If there is no Go, or it cannot build.
fn program(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let dir = BUILT.get_or_init(|| {
        let dir = paths::artifacts().join("c2sp");
        go(Command::new("go").args(["build", "-o"]).arg(dir.join("")).arg("./..."));
        dir
    });
    dir.join(name)
}

/// Runs a command of Go in tests/c2sp, and gives what it printed.
fn go(command: &mut Command) -> String {
    let output = command.current_dir(paths::repo().join("tests/c2sp")).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}: run scripts/setup, which installs Go"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{stdout}{stderr}");
    stdout.into_owned()
}

/// Runs the Go tests against this log; gives what they printed.
pub fn test(url: &str, key: &str) -> String {
    // -count=1: what they found of another log says nothing of this one.
    let mut command = Command::new("go");
    go(command.args(["test", "-count=1", "-v", "./..."]).env("LOG_URL", url).env("LOG_KEY", key))
}

/// Audits a log; with a file for its state, as a monitor.
pub async fn audit(url: &str, key: &str, state: Option<&Path>) -> Finished {
    let mut args = vec!["-url".into(), url.into(), "-key".into(), key.into()];
    if let Some(state) = state {
        args.extend(["-state".into(), state.as_os_str().to_owned()]);
    }
    run("audit", &args, "").await
}

/// Adds cosignatures to a checkpoint; gives the longer note.
pub async fn cosign(checkpoint: &str, key: &str) -> String {
    run("cosign", &["-key".into(), key.into()], checkpoint).await.expect_success()
}

async fn run(name: &str, args: &[std::ffi::OsString], input: &str) -> Finished {
    let name = name.to_owned();
    let program = tokio::task::spawn_blocking(move || program(&name)).await.expect("the build ends");
    let mut command = tokio::process::Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("it is piped");
    // One that does not read has ended, and says why.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = child.wait_with_output().await.expect("a child can be waited for");
    Finished {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
