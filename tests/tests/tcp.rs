//! Readings over TCP: with `nc`, with raw sockets, and with whatever else connects.

use std::{collections::BTreeSet, process::Stdio, time::Duration};

use e2e::{Trial, lines::LineClient, poll, trial::reading};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

/// A trial that takes readings over TCP too, and where.
async fn trial() -> (Trial, String) {
    let mut trial = Trial::prepare(e2e::Chain::start().await).await;
    trial.settings().flags = vec!["--tcp".into(), "127.0.0.1:0".into()];
    trial.start_service().await;
    trial.ready().await;
    let address = trial.service().place("tcp");
    (trial, address)
}

fn weather(device: &str, sequence: u64) -> Value {
    reading(device, sequence, json!({ "humidity": 50.0, "pressure": 1000.0, "temperature": 20.0 }))
}

fn lines(readings: &[Value]) -> String {
    readings.iter().map(|reading| format!("{reading}\n")).collect()
}

/// `nc` with these flags, given this to send; gives what it printed.
async fn nc(flags: &[&str], address: &str, input: String) -> String {
    let (host, port) = address.rsplit_once(':').expect("a port");
    let mut command = tokio::process::Command::new("nc");
    command.args(flags).args([host, port]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("nc is installed: run scripts/setup");
    let mut stdin = child.stdin.take().expect("it is piped");
    let write = async move {
        let _ = stdin.write_all(input.as_bytes()).await;
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), write);
    String::from_utf8(output.expect("nc ends").stdout).expect("text")
}

/// Sent again over HTTP, every one of them is known.
async fn are_stored(trial: &Trial, readings: &[Value]) {
    for chunk in readings.chunks(1_000) {
        let answer = trial.post("/api/v1/readings", &json!(chunk)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let results: api::Readings = serde_json::from_slice(&answer.body).expect("results");
        for (reading, result) in chunk.iter().zip(results.results) {
            assert_eq!(result.status, api::Status::Duplicate, "{reading}");
        }
    }
}

async fn metric(trial: &Trial, line: &str) -> Option<f64> {
    let text = trial.get("/metrics").await.text();
    text.lines().find_map(|found| found.strip_prefix(line)).and_then(|value| value.trim().parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn nc_sends_a_file_of_lines() {
    let (trial, address) = trial().await;
    let readings: Vec<Value> = (0..5_000).map(|at| weather("file", at)).collect();
    let printed = nc(&["-N"], &address, lines(&readings)).await;
    let answers: Vec<api::LineAnswer> =
        printed.lines().map(|line| serde_json::from_str(line).expect("an answer")).collect();
    assert_eq!(answers.len(), readings.len());
    for (at, answer) in (1..).zip(&answers) {
        assert_eq!((answer.line, answer.status), (at, api::Status::Stored), "{answer:?}");
        assert!(answer.score.is_some() && answer.label.is_some() && answer.problem.is_none(), "{answer:?}");
    }
    are_stored(&trial, &readings).await;

    // Once more; an anomaly; without an end of the last line.
    let impossible = reading("file", 6_000, json!({ "humidity": 50.0, "pressure": 1000.0, "temperature": 999.0 }));
    let printed = nc(&["-N"], &address, format!("{}\r\n\r\n{impossible}", readings[0])).await;
    let answers: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).expect("an answer")).collect();
    assert_eq!(answers[0]["status"], "duplicate");
    assert_eq!((&answers[1]["line"], &answers[1]["label"]), (&json!(3), &json!("anomaly")));
    assert!(answers[1]["index"].is_u64(), "{answers:?}");

    assert_eq!(metric(&trial, "readings_received_total{source=\"tcp\"}").await, Some(5_002.0));
    poll::until("no connection is left", async || {
        (metric(&trial, "connections{source=\"tcp\"}").await == Some(0.0)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_sends_vital_signs() {
    let (trial, address) = trial().await;
    let port = address.rsplit_once(':').expect("a port").1;
    let mut command = tokio::process::Command::new(e2e::paths::repo().join("scripts/vitals"));
    command.args(["--port", port, "--device", "bed-1", "--count", "40", "--interval", "0", "--seed", "7", "--answers"]);
    let output = command.output().await.expect("the script runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    assert!(out.contains("40 stored, 0 known already, 0 rejected"), "{out}{err}");
    assert_eq!(out.lines().filter(|line| line.starts_with('{')).count(), 40, "{out}");
    assert_eq!(metric(&trial, "readings_received_total{source=\"tcp\"}").await, Some(40.0));

    // A key that does not hold is refused, and nothing is sent as nobody.
    let mut command = tokio::process::Command::new(e2e::paths::repo().join("scripts/vitals"));
    command.args(["--port", port, "--count", "3", "--interval", "0"]).env("VITALS_KEY", "ald_nobody");
    let output = command.output().await.expect("the script runs");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && out.contains("unauthenticated"), "{out}");
    assert_eq!(metric(&trial, "readings_received_total{source=\"tcp\"}").await, Some(40.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_not_wait_for_answers_lose_nothing() {
    let (trial, address) = trial().await;
    let readings: Vec<Value> = (0..300).map(|at| weather("hasty", at)).collect();
    let _ = nc(&["-q0"], &address, lines(&readings)).await;
    let all_there = || async {
        let answer = trial.get("/metrics").await.text();
        let line = answer.lines().find_map(|line| line.strip_prefix("readings_committed_total "))?;
        (line.trim().parse::<f64>().ok()? >= 300.0).then_some(())
    };
    poll::until("all that was sent is committed", async || all_there().await).await;
    are_stored(&trial, &readings).await;

    // Killed in the middle of a line: what was before it is there, what was begun is not.
    let mut client = LineClient::connect(&address).await;
    let (whole, half) = (weather("killed", 1), weather("killed", 2).to_string());
    client.line(&whole).await;
    client.send(&half.as_bytes()[..half.len() / 2]).await;
    assert_eq!(client.answer().await.expect("an answer")["status"], "stored");
    drop(client);
    are_stored(&trial, &[whole]).await;
    let again = trial.post("/api/v1/readings", &weather("killed", 2)).await.json();
    assert_eq!(again["results"][0]["status"], "stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_lines_are_answered_and_the_connection_goes_on() {
    let (trial, address) = trial().await;
    let mut client = LineClient::connect(&address).await;
    client.line(&json!({ "hello": 1 })).await;
    assert_eq!(client.answer().await, Some(json!({ "line": 1, "hello": 1, "caller": "trial" })));
    let long = format!("{{\"device\":\"{}\"}}\n", "x".repeat(70_000));
    let longest = format!("{{\"device\":\"{}\"}}\n", "x".repeat(900_000));
    let bad: [(&[u8], &str); 8] = [
        (b"{\"device\":\"a\",\"metrics\":{}}\n", "invalid_reading"),
        (b"not JSON\n", "invalid_reading"),
        (b"\xff\xfe\n", "malformed_body"),
        (b"{\"device\":\"a\0\",\"metrics\":{\"t\":1}}\n", "invalid_reading"),
        (b"{\"hello\":1}\n", "invalid_reading"),
        (long.as_bytes(), "body_too_large"),
        (longest.as_bytes(), "body_too_large"),
        (b"[]\n", "invalid_reading"),
    ];
    for (line, (bytes, code)) in (2..).zip(bad) {
        client.send(bytes).await;
        let answer = client.answer().await.expect("an answer");
        assert_eq!((&answer["line"], &answer["status"]), (&json!(line), &json!("rejected")), "{answer}");
        assert_eq!(answer["problem"]["code"], code, "{answer}");
    }
    client.line(&weather("after", 1)).await;
    assert_eq!(client.answer().await.expect("an answer")["status"], "stored");
    let refused = metric(&trial, "messages_refused_total{source=\"tcp\",code=\"body_too_large\"}").await;
    assert_eq!(refused, Some(2.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_speaks_something_else_is_let_go() {
    let (_trial, address) = trial().await;
    let request = "POST / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let smuggled = format!("{request}{}\n", weather("smuggled", 1));
    let endless = format!("{{{}", "x".repeat(2 << 20));
    for (bytes, code) in [
        (smuggled.as_bytes(), "malformed_body"),
        (b"\x16\x03\x01\x02\x00\x01\x00\n".as_slice(), "malformed_body"),
        (b"{\"hello\":2}\n", "malformed_body"),
        (b"{\"hello\":1,\"key\":\"ald_nobody\"}\n", "unauthenticated"),
        (endless.as_bytes(), "body_too_large"),
    ] {
        let mut client = LineClient::connect(&address).await;
        let mut answers = if client.send(bytes).await { client.answers().await } else { Vec::new() };
        let last = answers.pop().unwrap_or_else(|| panic!("no last line: {code}"));
        assert_eq!((&last["status"], &last["problem"]["code"]), (&json!("rejected"), &json!(code)), "{last}");
        assert!(answers.iter().all(|answer| answer["status"] == "rejected"), "{answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_connections_are_answered_in_order() {
    let (_trial, address) = trial().await;
    let send = |device: String, address: String| async move {
        let mut client = LineClient::connect(&address).await;
        let readings: Vec<Value> = (0..2_000).map(|at| weather(&device, at)).collect();
        let text = lines(&readings);
        // In pieces that end anywhere.
        for piece in text.as_bytes().chunks(1_777) {
            assert!(client.send(piece).await);
        }
        client.finish();
        let answers = client.answers().await;
        let numbers: Vec<u64> = answers.iter().filter_map(|answer| answer["line"].as_u64()).collect();
        assert_eq!(numbers, (1..=2_000).collect::<Vec<_>>(), "{device}");
        assert!(answers.iter().all(|answer| answer["status"] == "stored"), "{device}");
    };
    let tasks: Vec<_> = (0..8).map(|at| tokio::spawn(send(format!("ordered-{at}"), address.clone()))).collect();
    for task in tasks {
        task.await.expect("the sender does not panic");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_finishes_what_has_come() {
    let (mut trial, address) = trial().await;
    let mut client = LineClient::connect(&address).await;
    client.line(&weather("stopped", 0)).await;
    client.answer().await.expect("an answer");
    let silent = LineClient::connect(&address).await;
    let readings: Vec<Value> = (1..1_000).map(|at| weather("stopped", at)).collect();
    client.send(lines(&readings).as_bytes()).await;
    let acknowledged = tokio::spawn(async move { client.answers().await });
    trial.stop_service().await;
    drop(silent);
    let acknowledged = acknowledged.await.expect("the client does not panic");
    let numbers: BTreeSet<u64> = acknowledged.iter().filter_map(|answer| answer["line"].as_u64()).collect();
    trial.start_service().await;
    trial.ready().await;
    let told: Vec<Value> = numbers.iter().map(|line| weather("stopped", line - 1)).collect();
    are_stored(&trial, &told).await;
}

/// Readings over TCP from several sides until the service is killed; gives those that were acknowledged.
async fn load_and_kill(trial: &mut Trial, address: &str, round: u64) -> Vec<Value> {
    let send = |device: String, address: String| async move {
        let mut client = LineClient::connect(&address).await;
        let mut acknowledged = Vec::new();
        for from in (0..).step_by(200) {
            let readings: Vec<Value> = (from..from + 200).map(|at| weather(&device, at)).collect();
            if !client.send(lines(&readings).as_bytes()).await {
                break;
            }
            // Answers come while more is sent: half a block stays under way.
            for _ in 0..if from == 0 { 100 } else { 200 } {
                let Some(answer) = client.answer().await else { return (device, acknowledged) };
                assert_eq!(answer["status"], "stored", "{answer}");
                acknowledged.push(answer["line"].as_u64().expect("a number") - 1);
            }
        }
        (device, acknowledged)
    };
    let devices = (0..4).map(|at| format!("killed-{round}-{at}"));
    let tasks: Vec<_> = devices.map(|device| tokio::spawn(send(device, address.to_owned()))).collect();
    poll::until("enough is committed", async || {
        (metric(trial, "readings_received_total{source=\"tcp\"}").await? >= 3_000.0).then_some(())
    })
    .await;
    trial.kill_service();
    let mut all = Vec::new();
    for task in tasks {
        let (device, acknowledged) = task.await.expect("the sender does not panic");
        all.extend(acknowledged.into_iter().map(|sequence| weather(&device, sequence)));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kill_9() {
    let (mut trial, mut address) = trial().await;
    for round in 0..3 {
        let acknowledged = load_and_kill(&mut trial, &address, round).await;
        assert!(acknowledged.len() > 100, "{}", acknowledged.len());
        trial.start_service().await;
        trial.ready().await;
        address = trial.service().place("tcp");
        are_stored(&trial, &acknowledged).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_never_reads_answers_is_heard_all_the_same() {
    let (trial, address) = trial().await;
    let mut client = LineClient::connect(&address).await;
    // More answers than the system buffers would be 100,000s of lines; what is seen here is that none has to be read.
    let readings: Vec<Value> = (0..20_000).map(|at| weather("mute", at)).collect();
    for piece in readings.chunks(1_000) {
        assert!(client.send(lines(piece).as_bytes()).await);
    }
    client.finish();
    poll::until("all is committed", async || {
        (metric(&trial, "readings_committed_total").await? >= 20_000.0).then_some(())
    })
    .await;
    assert!(!client.is_closed_within(Duration::ZERO).await || client.answers().await.is_empty());
}
