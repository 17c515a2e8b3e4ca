//! The client of an existing broker, with Mosquitto's broker.

use std::{path::Path, process::Command};

use e2e::{
    Trial, poll,
    process::{Process, free_port},
};
use serde_json::{Value, json};

/// Mosquitto's broker with a user, and with a memory that outlives it.
struct Broker {
    process: Process,
    port: u16,
}

impl Broker {
    fn start(dir: &Path, port: u16) -> Self {
        let (config, passwords) = (dir.join("mosquitto.conf"), dir.join("passwords"));
        let made =
            Command::new("mosquitto_passwd").args(["-b", "-c"]).arg(&passwords).args(["service", "secret"]).output();
        assert!(made.expect("Mosquitto is installed: run scripts/setup").status.success());
        let lines = [
            format!("listener {port} 127.0.0.1"),
            "allow_anonymous false".into(),
            format!("password_file {}", passwords.display()),
            "persistence true".into(),
            format!("persistence_location {}/", dir.display()),
            "user root".into(),
        ];
        std::fs::write(&config, lines.join("\n") + "\n").expect("a file");
        // Debian keeps it where only root's path leads.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let process =
            Process::start("mosquitto", Command::new("mosquitto").env("PATH", path).arg("-c").arg(&config), dir);
        Self { process, port }
    }

    /// Publishes a message, once the broker takes it.
    async fn publish(&self, topic: &str, message: &str) {
        let (port, file) = (self.port.to_string(), tempfile::NamedTempFile::new().expect("a file"));
        std::fs::write(&file, message).expect("a file");
        poll::until("the broker takes a message", async || {
            let mut command = tokio::process::Command::new("mosquitto_pub");
            command.args(["-h", "127.0.0.1", "-p", &port, "-u", "service", "-P", "secret", "-q", "1", "-t", topic]);
            command.arg("-f").arg(file.path()).output().await.expect("it runs").status.success().then_some(())
        })
        .await;
    }

    async fn stop(mut self) {
        self.process.signal("TERM");
        self.process.ended(std::time::Duration::from_secs(30)).await;
    }
}

fn message(second: u64) -> String {
    json!({ "ts": 1_767_225_600_000 + second * 1_000, "temperature": 20.5, "vibration": 0.1, "state": "on" })
        .to_string()
}

fn posted(device: &str, second: u64) -> Value {
    json!({ "device": device, "time": 1_767_225_600 + second, "metrics": { "temperature": 20.5, "vibration": 0.1 } })
}

async fn metric(trial: &Trial, line: &str) -> Option<f64> {
    let text = trial.try_get("/metrics").await.ok()?.text();
    text.lines().find_map(|found| found.strip_prefix(line)).and_then(|value| value.trim().parse().ok())
}

/// Waits until the service has taken this many readings from the broker since it was started.
async fn arrived(trial: &Trial, count: f64) {
    let line = "readings_received_total{source=\"mqtt-broker\"}";
    poll::until("readings come by the broker", async || (metric(trial, line).await? >= count).then_some(())).await;
    assert_eq!(metric(trial, line).await, Some(count));
}

async fn subscribed(trial: &Trial, broker: u16) {
    let line = format!("broker_connected{{broker=\"mqtt://127.0.0.1:{broker}\"}}");
    poll::until("it is subscribed", async || (metric(trial, &line).await? == 1.0).then_some(())).await;
}

/// Sent again over HTTP, every one of them is known.
async fn are_stored(trial: &Trial, device: &str, seconds: std::ops::Range<u64>) {
    let readings: Vec<Value> = seconds.map(|second| posted(device, second)).collect();
    let answer = trial.post("/api/v1/readings", &json!(readings)).await;
    let results: api::Readings = serde_json::from_slice(&answer.body).expect("results");
    assert!(results.results.iter().all(|result| result.status == api::Status::Duplicate), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_between_broker_and_service() {
    let mut trial = Trial::prepare(e2e::Chain::start().await).await;
    let (dir, port) = (tempfile::tempdir().expect("a directory"), free_port());
    let file = trial.file("broker.json");
    let subscription = json!({
        "topic": "factory/+/+/data", "device": "{2}-{3}", "time": { "member": "ts", "unit": "milliseconds" }
    });
    let settings = json!({
        "broker": format!("mqtt://127.0.0.1:{port}"), "client_id": "ledger", "user_env": "BROKER_USER",
        "password_env": "BROKER_PASSWORD", "subscriptions": [subscription]
    });
    std::fs::write(&file, settings.to_string()).expect("a file");
    trial.settings().flags = vec!["--mqtt-subscribe".into(), file.display().to_string()];
    trial.settings().environment = vec![("BROKER_USER", "service".into()), ("BROKER_PASSWORD", "secret".into())];

    // A broker that is down keeps nothing out.
    trial.start_service().await;
    trial.ready().await;
    let broker = Broker::start(dir.path(), port);
    subscribed(&trial, port).await;
    for second in 0..3 {
        broker.publish("factory/hall/oven/data", &message(second)).await;
    }
    arrived(&trial, 3.0).await;
    are_stored(&trial, "hall-oven", 0..3).await;

    // What will never be a reading is acknowledged, or it would come for ever.
    broker.publish("factory/hall/oven/data", "warm").await;
    broker.publish("factory/hall/oven/data", &"x".repeat(300_000)).await;
    broker.publish("factory/hall/oven/data", &message(3)).await;
    arrived(&trial, 4.0).await;
    for code in ["invalid_reading", "too_long"] {
        let line = format!("messages_refused_total{{source=\"mqtt-broker\",code=\"{code}\"}}");
        assert_eq!(metric(&trial, &line).await, Some(1.0), "{code}");
    }

    // What comes while the service is dead waits at the broker, also over the broker's own restart.
    trial.kill_service();
    for second in 4..20 {
        broker.publish("factory/hall/oven/data", &message(second)).await;
    }
    broker.stop().await;
    let broker = Broker::start(dir.path(), port);
    trial.start_service().await;
    arrived(&trial, 16.0).await;
    are_stored(&trial, "hall-oven", 4..20).await;

    // A broker that goes away and comes back is found again.
    broker.stop().await;
    let broker = Broker::start(dir.path(), port);
    subscribed(&trial, port).await;
    broker.publish("factory/hall/oven/data", &message(20)).await;
    arrived(&trial, 17.0).await;
    trial.stop_service().await;
    broker.stop().await;
    let log = std::fs::read_to_string(trial.file("service.stderr")).unwrap_or_default();
    assert!(log.contains("not subscribed") && !log.contains("secret"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_meant_is_wrong_use() {
    let mut trial = Trial::prepare(e2e::Chain::start().await).await;
    let file = trial.file("broker.json");
    std::fs::write(&file, r#"{"broker":"mqtt://127.0.0.1","client_id":"a","subscriptions":[],"qos":2}"#)
        .expect("a file");
    trial.settings().flags = vec!["--mqtt-subscribe".into(), file.display().to_string()];
    let dir = tempfile::tempdir().expect("a directory");
    let (code, said) = e2e::Service::start(trial.settings(), dir.path()).await.expect_err("it does not start");
    assert!(code == 2 && said.contains("qos") && said.contains("broker.json"), "{code}: {said}");
}
