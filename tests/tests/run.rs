//! `scripts/run` as a newcomer uses it, with the program that is under test instead of a release build.

use std::{path::Path, process::Command, time::Duration};

use e2e::{
    paths, poll,
    process::{Process, free_port},
    service::{http, send},
};
use tempfile::TempDir;

/// Chain, deployment, training and readiness, on a machine under load.
const START: Duration = Duration::from_secs(120);
/// The script gives its programs 10, 30 and 30 seconds to stop before it kills them.
const STOP: Duration = Duration::from_secs(90);

fn command(data: &Path, port: u16, chain_port: u16) -> Command {
    let mut command = Command::new(paths::repo().join("scripts/run"));
    command.args(["--port", &port.to_string(), "--chain-port", &chain_port.to_string(), "--data-dir"]).arg(data);
    command.arg("--binary").arg(paths::service_binary());
    command.args(["--tcp-port", &free_port().to_string(), "--mqtt-port", &free_port().to_string()]);
    command
}

/// Starts it, and waits until it has told how to stop it.
async fn start(logs: &TempDir, data: &Path, port: u16, chain_port: u16) -> Process {
    let mut run = Process::start("run", &mut command(data, port, chain_port), logs.path());
    let told = poll::within(START, "scripts/run tells how to stop", async || {
        let told = run.stdout().iter().any(|line| line.contains("Ctrl-C"));
        if told { Some(Ok(())) } else { run.exit_code().map(Err) }
    });
    let told = told.await;
    assert_eq!(told, Ok(()), "{:#?} {}", run.stdout(), run.stderr());
    run
}

async fn ledger(port: u16) -> api::LedgerStatus {
    let answer = send(http().get(format!("http://127.0.0.1:{port}/api/v1/ledger"))).await.expect("the service answers");
    serde_json::from_slice(&answer.body).expect("the ledger's status")
}

/// The trust roots, as the service claims them.
async fn trust(port: u16) -> String {
    send(http().get(format!("http://127.0.0.1:{port}/api/v1/trust"))).await.expect("the service answers").text()
}

fn is_free(port: u16) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", port)).is_err()
}

/// It refuses, with one line.
async fn refuses(logs: &TempDir, data: &Path, port: u16, chain_port: u16, says: &str) {
    let dir = tempfile::tempdir_in(logs).expect("a temporary directory");
    let mut second = Process::start("second", &mut command(data, port, chain_port), dir.path());
    assert_ne!(second.ended(STOP).await, 0);
    let complaint = second.stderr();
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert!(complaint.contains(says), "{complaint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_goes_on_with_the_same_ledger_and_chain() {
    let logs = tempfile::tempdir().expect("a temporary directory");
    let data = logs.path().join("data");
    let (port, chain_port) = (free_port(), free_port());

    let mut first = start(&logs, &data, port, chain_port).await;
    let before = poll::until("a simulated anomaly is final", async || {
        let status = ledger(port).await;
        // The models' entries come first; what is beyond them are anomalies.
        (status.final_size > 5).then_some(status)
    })
    .await;
    let roots = trust(port).await;
    refuses(&logs, &data, free_port(), free_port(), "in use").await;
    refuses(&logs, &logs.path().join("other"), port, free_port(), &port.to_string()).await;
    first.signal("INT");
    assert_eq!(first.ended(STOP).await, 0, "{:#?} {}", first.stdout(), first.stderr());
    assert!(is_free(port) && is_free(chain_port), "something was left running");

    let mut second = start(&logs, &data, port, chain_port).await;
    let after = ledger(port).await;
    assert_eq!((&after.origin, &after.log_key), (&before.origin, &before.log_key));
    assert!(after.tree_size >= before.tree_size && after.final_size >= before.final_size, "{before:?} {after:?}");
    assert_eq!(after.chain.status, "ok", "{after:?}");
    second.signal("TERM");
    assert_eq!(second.ended(STOP).await, 0);

    // Killed, it leaves nothing behind either. Ready, its chain is still the one that auditors have pinned.
    let mut third = start(&logs, &data, port, chain_port).await;
    assert_eq!(trust(port).await, roots);
    third.kill();
    poll::until("its programs have ended", async || (is_free(port) && is_free(chain_port)).then_some(())).await;
}
