//! What is wrong gets a clear answer, and nothing is lost by it.

use e2e::{Trial, command, poll, service::Service, trial::reading};
use serde_json::{Value, json};

const READINGS: &str = "/api/v1/readings";

fn weather(temperature: f64) -> Value {
    json!({ "humidity": 50.0, "pressure": 1000.0, "temperature": temperature })
}

/// The service still takes a good reading.
async fn still_works(trial: &Trial, sequence: u64) {
    let answer = trial.post(READINGS, &reading("good", sequence, weather(20.0))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["results"][0]["status"], "stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_wrong_request_gets_its_problem() {
    let trial = Trial::start().await;
    let valid = reading("d", 1, weather(20.0)).to_string();
    let replaced = |from: &str, to: &str| {
        assert!(valid.contains(from), "{from} in {valid}");
        valid.replace(from, to)
    };
    let cases: [(&str, String, u16, api::Code); 7] = [
        ("NaN", replaced("1000.0", "NaN"), 400, api::Code::MalformedBody),
        ("an infinite number", replaced("1000.0", "1e400"), 422, api::Code::InvalidReading),
        ("a number as a string", replaced("1000.0", "\"1000\""), 422, api::Code::InvalidReading),
        ("no device", replaced("\"device\":\"d\",", ""), 422, api::Code::InvalidReading),
        ("no JSON", "temperature=20".into(), 400, api::Code::MalformedBody),
        ("half a body", valid[..valid.len() / 2].to_owned(), 400, api::Code::MalformedBody),
        (
            "10 MB",
            format!("[{}]", vec![valid.as_str(); 10_000_000 / valid.len()].join(",")),
            413,
            api::Code::BodyTooLarge,
        ),
    ];
    for (sequence, (what, body, status, code)) in cases.into_iter().enumerate() {
        let problem = trial.post_raw(READINGS, "application/json", body).await.problem();
        assert_eq!((problem.status, problem.code), (status, code), "{what}: {problem:?}");
        still_works(&trial, sequence as u64).await;
    }
    let problem = trial.post_raw(READINGS, "text/plain", valid).await.problem();
    assert_eq!((problem.status, problem.code), (415, api::Code::UnsupportedMediaType));
    assert_eq!(trial.get("/api/v1/nothing").await.problem().code, api::Code::NotFound);
    assert_eq!(trial.get("/api/v1/entries/999999").await.problem().code, api::Code::NotFound);
    assert_eq!(trial.get("/api/v1/entries/x/evidence").await.problem().status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_is_a_duplicate_or_a_conflict() {
    let trial = Trial::start().await;
    let first = reading("d", 7, weather(20.0));
    let stored = trial.post(READINGS, &first).await.json();
    assert_eq!(stored["results"][0]["status"], "stored");

    let again = trial.post(READINGS, &first).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.json()["results"][0]["status"], "duplicate");
    assert_eq!(again.json()["results"][0]["judgement"], stored["results"][0]["judgement"]);

    let problem = trial.post(READINGS, &reading("d", 7, weather(21.0))).await.problem();
    assert_eq!((problem.status, problem.code), (409, api::Code::Conflict));

    // In a list, the others are taken.
    let list = json!([reading("d", 7, weather(21.0)), reading("d", 8, weather(20.0))]);
    let answer = trial.post(READINGS, &list).await;
    assert_eq!(answer.status, 207);
    let results: api::Readings = serde_json::from_slice(&answer.body).expect("results");
    assert_eq!((results.accepted, results.rejected), (1, 1));
    let problem = results.results[0].problem.as_ref().expect("a problem");
    assert_eq!((problem.status, problem.code), (409, api::Code::Conflict));
    assert_eq!(results.results[1].status, api::Status::Stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_are_taken_while_the_chain_is_down_and_anchored_later() {
    let mut trial = Trial::start().await;
    trial.provoke(1).await;
    trial.all_final().await;

    trial.chain.stop().await;
    let meanwhile = trial.provoke(5).await;
    poll::until("the service says that it is not ready", async || {
        (trial.get("/ready").await.status == 503).then_some(())
    })
    .await;
    assert_eq!(trial.get("/health").await.status, 200);
    let more = trial.provoke(1).await;

    // Also over a restart of the service.
    trial.stop_service().await;
    trial.start_service().await;
    still_works(&trial, 1).await;

    trial.chain.resume().await;
    trial.ready().await;
    let anomalies = trial.all_final().await;
    for index in meanwhile.into_iter().chain(more) {
        assert!(anomalies.iter().any(|anomaly| anomaly.index == index), "entry {index} is missing");
    }
    let trust = trial.pin_trust().await;
    assert_eq!(trial.verify(anomalies[0].index, &trust).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_service_refuses_the_port_and_the_data() {
    let mut trial = Trial::start().await;
    let settings = trial.settings().clone();
    let logs = tempfile::tempdir().expect("a temporary directory");

    let (code, log) = Service::start(&settings, logs.path()).await.expect_err("one data directory, one service");
    assert_ne!(code, 0);
    assert!(!log.contains("panicked"), "{log}");

    let mut elsewhere = settings.clone();
    elsewhere.data_dir = trial.file("other");
    e2e::trial::init(&elsewhere.data_dir).await;
    let (code, log) = Service::start(&elsewhere, logs.path()).await.expect_err("the port is taken");
    assert_ne!(code, 0);
    assert!(log.contains(&settings.port.to_string()) && !log.contains("panicked"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_init_is_idempotent_and_wrong_use_exits_2() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let data = dir.path().join("data");
    assert_eq!(e2e::trial::init(&data).await, e2e::trial::init(&data).await);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(data.join("keys/log.key")).expect("a key").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert_eq!(command::run(["verify"]).await.code, 2);
    assert_eq!(command::run(["no-such-command"]).await.code, 2);
    assert_eq!(command::run(["--help"]).await.code, 0);
}
