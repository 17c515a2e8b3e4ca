//! The commands of `anomaly-ledger`, as a person would type them.

use std::{ffi::OsStr, path::Path, process::Output, time::Duration};

use tokio::{io::AsyncWriteExt, process::Command};

use crate::paths;

/// Longer than any command of these tests takes.
const LIMIT: Duration = Duration::from_secs(300);

/// What a command left behind.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The exit code.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

impl Finished {
    /// Gives what it printed.
    ///
    /// # Panics
    /// If it failed.
    pub fn expect_success(self) -> String {
        assert_eq!(self.code, 0, "{self:#?}");
        self.stdout
    }

    /// Whether it says that this step of a verification ended so: `fails`, `differs`, `holds` or `skipped`.
    pub fn says(&self, step: &str, outcome: &str) -> bool {
        let step = format!(". {step} ");
        self.stdout.to_lowercase().lines().any(|line| line.contains(&step) && line.contains(outcome))
    }
}

/// Runs `anomaly-ledger` with these arguments.
///
/// # Panics
/// If it cannot be started, or takes longer than five minutes.
pub async fn run(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Finished {
    run_in(Path::new("."), args).await
}

/// Runs `anomaly-ledger` with these arguments in a directory.
///
/// # Panics
/// As [`run`].
pub async fn run_in(dir: &Path, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Finished {
    let mut command = Command::new(paths::service_binary());
    command.current_dir(dir).args(args).stdin(std::process::Stdio::null()).kill_on_drop(true);
    finished(command.output(), &format!("{command:?}")).await
}

/// Runs `anomaly-ledger` with these arguments, and gives it something to read.
///
/// # Panics
/// As [`run`].
pub async fn run_with_input(args: impl IntoIterator<Item = impl AsRef<OsStr>>, input: String) -> Finished {
    use std::process::Stdio;
    let mut command = Command::new(paths::service_binary());
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let name = format!("{command:?}");
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut stdin = child.stdin.take().expect("it is piped");
    // An error means that the program has ended without reading.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    finished(child.wait_with_output(), &name).await
}

/// What a program left behind that runs.
async fn finished(output: impl Future<Output = std::io::Result<Output>>, command: &str) -> Finished {
    let output = tokio::time::timeout(LIMIT, output).await;
    let output = output.unwrap_or_else(|_| panic!("not within {LIMIT:?}: {command}"));
    let output = output.unwrap_or_else(|error| panic!("{command}: {error}"));
    Finished {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// `anomaly-ledger evidence`: fetches the bundle of an entry.
pub async fn evidence(index: u64, url: &str, file: &Path) -> Finished {
    let index = index.to_string();
    run([OsStr::new("evidence"), index.as_ref(), "--url".as_ref(), url.as_ref(), "-o".as_ref(), file.as_ref()]).await
}

/// `anomaly-ledger verify`; without a URL, the chain is not asked.
pub async fn verify(bundle: &Path, trust: &Path, rpc_url: Option<&str>) -> Finished {
    let mut args = vec![OsStr::new("verify"), bundle.as_ref(), "--trust".as_ref(), trust.as_ref()];
    if let Some(url) = rpc_url {
        args.extend([OsStr::new("--rpc-url"), url.as_ref()]);
    }
    run(args).await
}

/// `anomaly-ledger fsck`.
pub async fn fsck(data_dir: &Path, rpc_url: Option<&str>) -> Finished {
    let mut args = vec![OsStr::new("fsck"), "--data-dir".as_ref(), data_dir.as_ref()];
    if let Some(url) = rpc_url {
        args.extend([OsStr::new("--rpc-url"), url.as_ref()]);
    }
    run(args).await
}
