//! What intake promises a sender: busy is said as busy and takes nothing, and what comes again changes nothing.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use e2e::{
    Trial,
    mqtt::{MqttClient, V5, publish},
    poll,
    process::free_port,
    service::{Answer, http, send},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const READINGS: &str = "/api/v1/readings";

/// Readings of a request: as many as one may have.
const BATCH: usize = 10_000;

/// Together twice what may be under way (65,536).
const REQUESTS: usize = 13;

/// The path and body of a request with readings of a device of its own.
fn batch(number: usize) -> (&'static str, String) {
    let start = 1_767_225_600;
    let mut body = String::new();
    for at in 0..BATCH {
        let time = start + at;
        let value = (at % 10) as f64 / 10.0 + 20.0;
        // Texts can be written.
        let _ = match number % 2 {
            0 => writeln!(body, r#"{{"device":"load-{number}","time":{time},"metrics":{{"temperature":{value}}}}}"#),
            _ => writeln!(body, "weather,device=load-{number} temperature={value} {time}"),
        };
    }
    (if number.is_multiple_of(2) { READINGS } else { "/api/v2/write?precision=s" }, body)
}

/// Sends a request until it is taken; gives how often the service was busy.
async fn send_until_taken(url: String, number: usize) -> usize {
    let (path, body) = batch(number);
    for busy in 0.. {
        let request = http().post(format!("{url}{path}")).header("content-type", "application/x-ndjson");
        let answer = send(request.body(body.clone())).await.expect("the service answers");
        match answer.status {
            200 => {
                let results: api::Readings = serde_json::from_slice(&answer.body).expect("results");
                let stored = results.results.iter().filter(|result| result.status == api::Status::Stored).count();
                assert_eq!(stored, BATCH, "a busy service takes nothing of a request");
                return busy;
            }
            204 => return busy,
            503 => {
                let after = answer.headers.iter().find(|(name, _)| name == "retry-after").map(|(_, value)| value);
                let after: u64 = after.and_then(|value| value.parse().ok()).expect("it says when to come again");
                let error: Value = answer.json();
                assert_eq!(error["code"], "unavailable", "{error}");
                tokio::time::sleep(Duration::from_secs(after)).await;
            }
            other => panic!("{path}: {other}: {}", answer.text()),
        }
    }
    unreachable!("the loop ends by an answer");
}

/// Publishes one reading after the other by MQTT until it is told to stop; gives how long each acknowledgement took.
async fn publish_on(address: String, device: String, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let mut client = MqttClient::connect(&address, V5, &device).await;
    let mut waits = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let payload = format!(r#"{{"sequence":{},"metrics":{{"temperature":20.5}}}}"#, waits.len());
        let since = Instant::now();
        assert!(client.send(&publish(V5, &format!("devices/{device}/readings"), Some(1), &payload)).await);
        let answer = client.next().await.expect("a busy service lets nobody go");
        assert!(answer.first == 0x40 && answer.body.get(2).is_none_or(|reason| *reason == 0), "{answer:?}");
        waits.push(since.elapsed());
    }
    waits
}

/// Devices that publish by MQTT beside the requests.
const PUBLISHERS: usize = 8;

/// Publications of each before the requests come.
const CALM: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_said_and_loses_nothing() {
    let mut trial = Trial::prepare(e2e::Chain::start().await).await;
    let mqtt = format!("127.0.0.1:{}", free_port());
    trial.settings().flags = vec!["--mqtt".into(), mqtt.clone()];
    trial.start_service().await;
    trial.ready().await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut publishers = JoinSet::new();
    for number in 0..PUBLISHERS {
        publishers.spawn(publish_on(mqtt.clone(), format!("publisher-{number}"), Arc::clone(&stop)));
    }
    poll::until("the publishers are under way", async || {
        (committed(&trial).await? >= (PUBLISHERS * CALM) as f64).then_some(())
    })
    .await;
    let mut senders = JoinSet::new();
    for number in 0..REQUESTS {
        senders.spawn(send_until_taken(trial.url(), number));
    }
    let busy: usize = senders.join_all().await.into_iter().sum();
    assert!(busy > 0, "{REQUESTS} requests at a time do not fill the queue");
    stop.store(true, Ordering::SeqCst);
    // Nobody tells a publisher to come again: who waits for acknowledgements is slowed down by them.
    let waits = publishers.join_all().await;
    for waits in &waits {
        let mut calm = waits[..CALM / 2].to_vec();
        calm.sort();
        let (usual, longest) = (calm[calm.len() / 2], waits.iter().max().expect("some"));
        assert!(*longest > 3 * usual, "usually {usual:?}, at most {longest:?}");
    }
    let published: usize = waits.iter().map(Vec::len).sum();
    assert_eq!(committed(&trial).await, Some((REQUESTS * BATCH + published) as f64));
}

/// How many readings the service says to have committed.
async fn committed(trial: &Trial) -> Option<f64> {
    let metrics = trial.get("/metrics").await.text();
    metrics.lines().find_map(|line| line.strip_prefix("readings_committed_total "))?.trim().parse().ok()
}

async fn press(trial: &Trial, key: &str, body: &Value) -> Result<Answer, reqwest::Error> {
    send(http().post(trial.url() + READINGS).header("idempotency-key", key).json(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_a_key_counts_once_whenever_the_service_is_killed() {
    let mut trial = Trial::start().await;
    let body = json!([
        {"device": "button", "metrics": {"pressed": 1}},
        {"device": "button", "metrics": {"pressed": 1}},
        {"device": "button", "sequence": 5, "metrics": {"pressed": 0}},
        {"device": "other", "metrics": {"pressed": 1}},
    ]);
    let statuses = |answer: &Answer| -> Vec<String> {
        let status = |result: &Value| result["status"].as_str().unwrap_or_default().to_owned();
        answer.json()["results"].as_array().map(|results| results.iter().map(status).collect()).unwrap_or_default()
    };
    let first = press(&trial, "\"k-1\"", &body).await.expect("the service answers");
    assert_eq!(statuses(&first), ["stored"; 4]);
    trial.kill_service();
    trial.start_service().await;
    trial.ready().await;
    let again = press(&trial, "k-1", &body).await.expect("the service answers");
    assert_eq!(statuses(&again), ["duplicate"; 4]);
    // Without a key, and with another, only the reading with a sequence number is known.
    let unknown = ["stored", "stored", "duplicate", "stored"];
    assert_eq!(statuses(&trial.post(READINGS, &body).await), unknown);
    assert_eq!(statuses(&press(&trial, "k-2", &body).await.expect("the service answers")), unknown);
    let other = press(&trial, "k-1", &json!([])).await.expect("the service answers");
    assert_eq!(other.problem().code, api::Code::Conflict);
    for key in ["", "two words", &"k".repeat(256)] {
        let refused = press(&trial, key, &body).await.expect("the service answers");
        assert_eq!(refused.problem().code, api::Code::InvalidParameter, "{key:?}");
    }

    // Killed at any moment: what comes again with its key is there once.
    for round in 0..5 {
        let key = format!("round-{round}");
        let body: Value = (0..50).map(|at| json!({"device": key, "metrics": {"pressed": at}})).collect();
        let sending = press(&trial, &key, &body);
        let _ = tokio::time::timeout(Duration::from_millis(4 * round), sending).await;
        trial.kill_service();
        trial.start_service().await;
        trial.ready().await;
        press(&trial, &key, &body).await.expect("the service answers");
        let counted = press(&trial, &key, &body).await.expect("the service answers");
        assert_eq!(statuses(&counted), ["duplicate"; 50]);
        assert_eq!(readings_of(&trial, &key), 50);
    }
}

/// How many readings of a device are in the store.
fn readings_of(trial: &Trial, device: &str) -> i64 {
    let store = rusqlite::Connection::open(trial.data_dir().join("ledger.sqlite")).expect("the store can be opened");
    let sql = "SELECT count(*) FROM reading JOIN device ON device.id = reading.device WHERE device.name = ?";
    store.query_row(sql, [device], |row| row.get(0)).expect("the store can be read")
}
