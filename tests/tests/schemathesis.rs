//! The description of the interface, tried by schemathesis: whatever it makes of the description, in bounds and out of
//! them, is answered as is described there, and never by a fault of the service.

use std::time::Duration;

use e2e::{Trial, clients, poll, process::Process};

/// With `scripts/test --all` it looks for longer.
fn seconds() -> u64 {
    if std::env::var_os("ANOMALY_LEDGER_TEST_ALL").is_some() { 300 } else { 45 }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_described_is_what_is_answered() {
    let mut trial = Trial::start().await;
    // Something to read in every list.
    trial.provoke(3).await;
    let mut command = clients::program("schemathesis");
    command.args(["run", &format!("{}/api/openapi.json", trial.url())]);
    command.args(["--max-time", &seconds().to_string(), "--request-timeout", "20", "--seed", "17"]);
    command.args(["--continue-on-failure", "--no-shrink", "--suppress-health-check", "all", "--warnings", "off"]);
    command.args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing"]);
    // The feed has no end.
    command.args(["--exclude-path", "/api/v1/feed"]);
    command.current_dir(trial.file("x").parent().expect("a directory"));
    let mut process = Process::start("schemathesis", &mut command, trial.file("x").parent().expect("a directory"));
    let limit = Duration::from_secs(seconds() + 120);
    let code = poll::within(limit, "schemathesis ends", async || process.exit_code()).await;
    let said = process.stdout().join("\n");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("No issues found"), "{said}");
    println!("{said}");
    assert!(!trial.service_has_ended());
    trial.ready().await;
}

/// Not those that a service without a schema for every text cannot keep: that all which is described is accepted
/// (`positive_data_acceptance`: a name of 64 bytes is not a name of 64 characters), and that nothing else is
/// (`negative_data_rejection`: a parameter that nobody reads).
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,unsupported_method,\
                      allow_header_conformance";
