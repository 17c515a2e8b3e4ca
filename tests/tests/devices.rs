//! The registry of devices with the real program: who may send, by what, and what it is told.

use e2e::{
    Chain, Trial, command, poll,
    service::{Answer, http, send},
    trial::reading,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const READINGS: &str = "/api/v1/readings";

fn weather(device: &str, sequence: u64) -> Value {
    reading(device, sequence, json!({ "humidity": 50.0, "pressure": 1000.0, "temperature": 20.0 }))
}

async fn ask(trial: &Trial, method: &str, path: &str, body: Option<Value>) -> Answer {
    let method = method.parse().expect("a method");
    let request = http().request(method, trial.url() + path);
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    send(request).await.expect("an answer")
}

async fn register(trial: &Trial, body: Value) {
    let answer = ask(trial, "POST", "/api/v1/devices", Some(body)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
}

/// Makes a key; gives its number and its text.
async fn key(trial: &Trial, device: &str) -> (i64, String) {
    let answer = ask(trial, "POST", &format!("/api/v1/devices/{device}/keys"), Some(json!({}))).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let made = answer.json();
    (made["id"].as_i64().expect("a number"), made["key"].as_str().expect("a key").to_owned())
}

async fn send_as(trial: &Trial, key: &str, body: &Value) -> Answer {
    send(http().post(trial.url() + READINGS).bearer_auth(key).json(body)).await.expect("an answer")
}

/// One connection that stays open.
struct KeptAlive(String, TcpStream);

impl KeptAlive {
    async fn open(trial: &Trial) -> Self {
        let address = trial.url().trim_start_matches("http://").to_owned();
        let stream = TcpStream::connect(&address).await.expect("a connection");
        Self(address, stream)
    }

    /// Posts a reading with a key, and gives the status.
    async fn post(&mut self, key: &str, body: &Value) -> u16 {
        let body = body.to_string();
        let request = format!(
            "POST {READINGS} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.0,
            body.len()
        );
        self.1.write_all(request.as_bytes()).await.expect("the connection is open");
        let mut answer = Vec::new();
        let head = loop {
            let mut bytes = [0; 4_096];
            let read = self.1.read(&mut bytes).await.expect("the connection is open");
            assert!(read > 0, "closed: {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&bytes[..read]);
            let text = String::from_utf8_lossy(&answer).into_owned();
            if let Some((head, rest)) = text.split_once("\r\n\r\n") {
                let length = head.to_ascii_lowercase();
                let length = length.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
                if rest.len() >= length.trim().parse().expect("a number") {
                    break head.to_owned();
                }
            }
        };
        head.split(' ').nth(1).expect("a status").parse().expect("a number")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_lets_its_device_in_and_nobody_else_until_it_is_revoked() {
    let trial = Trial::start().await;
    register(&trial, json!({ "name": "pump-7", "type": "weather-station" })).await;
    register(&trial, json!({ "name": "pump-8" })).await;
    let (id, secret) = key(&trial, "pump-7").await;
    let stored = send_as(&trial, &secret, &weather("pump-7", 1)).await;
    assert_eq!((stored.status, &stored.json()["results"][0]["status"]), (200, &json!("stored")));
    for other in ["pump-8", "nobody's"] {
        let problem = send_as(&trial, &secret, &weather(other, 1)).await.problem();
        assert_eq!((problem.status, problem.code), (403, api::Code::Forbidden), "{problem:?}");
    }
    let mixed = send_as(&trial, &secret, &json!([weather("pump-7", 2), weather("pump-8", 2)])).await;
    assert_eq!((mixed.status, &mixed.json()["accepted"]), (207, &json!(1)));
    let problem = send_as(&trial, &format!("{secret}x"), &weather("pump-7", 3)).await.problem();
    assert_eq!((problem.status, problem.code), (401, api::Code::Unauthenticated));

    // Rotated, both hold; revoked, the old one is out on the connection that is open.
    let rotated = ask(&trial, "POST", &format!("/api/v1/devices/pump-7/keys/{id}/rotate"), Some(json!({}))).await;
    assert_eq!(rotated.status, 201, "{}", rotated.text());
    let new = rotated.json()["key"].as_str().expect("a key").to_owned();
    let mut kept = KeptAlive::open(&trial).await;
    assert_eq!(kept.post(&secret, &weather("pump-7", 3)).await, 200);
    assert_eq!(send_as(&trial, &new, &weather("pump-7", 4)).await.status, 200);
    assert_eq!(ask(&trial, "DELETE", &format!("/api/v1/devices/pump-7/keys/{id}"), None).await.status, 204);
    assert_eq!(kept.post(&secret, &weather("pump-7", 5)).await, 401);
    assert_eq!(kept.post(&new, &weather("pump-7", 5)).await, 200);

    let off = ask(&trial, "PATCH", "/api/v1/devices/pump-7", Some(json!({ "disabled": true }))).await;
    assert_eq!(off.json()["disabled"], true);
    assert_eq!(kept.post(&new, &weather("pump-7", 6)).await, 401);
    ask(&trial, "PATCH", "/api/v1/devices/pump-7", Some(json!({ "disabled": false }))).await;
    assert_eq!(kept.post(&new, &weather("pump-7", 6)).await, 200);
    assert!(!trial.service().log().contains(&new[12..]), "no key is in the service's log");

    // Without its registration the device is nobody's, and what it has sent is still there.
    assert_eq!(ask(&trial, "DELETE", "/api/v1/devices/pump-7", None).await.status, 204);
    assert_eq!(kept.post(&new, &weather("pump-7", 7)).await, 401);
    let left = trial.get("/api/v1/devices/pump-7").await.json();
    assert_eq!((&left["registered"], &left["status"]["sequenced"]), (&json!(false), &json!(6)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_refuses_what_is_impossible_and_reports_what_is_not_safe() {
    let mut trial = Trial::start().await;
    register(&trial, json!({ "name": "bed-1", "type": "patient-monitor", "patient": "p-77" })).await;
    let (_, secret) = key(&trial, "bed-1").await;
    let vitals = |sequence: u64, heart_rate: f64, spo2: f64| {
        reading("bed-1", sequence, json!({ "heart_rate": heart_rate, "respiration_rate": 14.0, "spo2": spo2 }))
    };
    let problem = send_as(&trial, &secret, &vitals(1, 900.0, 97.0)).await.problem();
    assert_eq!((problem.status, problem.code), (422, api::Code::InvalidReading));
    for part in ["bed-1", "heart_rate", "patient-monitor", "0 to 350", "900"] {
        assert!(problem.detail.contains(part), "{problem:?}");
    }
    assert_eq!(send_as(&trial, &secret, &vitals(1, 70.0, 97.0)).await.status, 200);
    let low = send_as(&trial, &secret, &vitals(2, 70.0, 85.0)).await.json();
    assert_eq!(low["results"][0]["judgement"]["label"], "anomaly", "{low}");
    let found = trial.anomalies().await;
    assert_eq!((found[0].r#type.as_str(), found[0].severity.as_str()), ("threshold", "critical"), "{:?}", found[0]);

    // The ward sets its own limit, and it holds for the next reading, and after a restart.
    let mut kind = trial.get("/api/v1/device-types/patient-monitor").await.json()["definition"].take();
    let metrics = kind["metrics"].as_array_mut().expect("metrics");
    let spo2 = metrics.iter_mut().find(|metric| metric["metric"] == "spo2").expect("spo2");
    spo2["safe"] = json!({ "low": 80.0 });
    let changed = ask(&trial, "PUT", "/api/v1/device-types/patient-monitor", Some(kind)).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    let label = async |trial: &Trial, sequence, spo2| {
        send_as(trial, &secret, &vitals(sequence, 70.0, spo2)).await.json()["results"][0]["judgement"]["label"].clone()
    };
    assert_eq!(label(&trial, 3, 97.0).await, "warming_up");
    assert_eq!(label(&trial, 4, 85.0).await, "warming_up");
    trial.stop_service().await;
    trial.start_service().await;
    trial.ready().await;
    assert_eq!(label(&trial, 5, 85.0).await, "warming_up");
    assert_eq!(label(&trial, 9, 75.0).await, "anomaly");

    let device = trial.get("/api/v1/devices/bed-1").await.json();
    let status = &device["status"];
    assert_eq!(
        (&status["online"], &status["first_sequence"], &status["last_sequence"]),
        (&json!(true), &json!(1), &json!(9))
    );
    assert_eq!((&status["sequenced"], &status["missing"], &device["patient"]), (&json!(6), &json!(3), &json!("p-77")));
    let list = trial.get("/api/v1/devices?online=true&type=patient-monitor&summary=true").await.json();
    let summary = json!([{ "type": "patient-monitor", "online": 1, "offline": 0 }]);
    assert_eq!((&list["items"][0]["name"], &list["summary"]), (&json!("bed-1"), &summary));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_makes_devices_and_addresses_lead_to_them() {
    let trial = Trial::start().await;
    let table = "name,type,addresses,tags\n\
                 pump-1,infusion-pump,10.1.2.3,ward=3\n\
                 scanner,mri-scanner,10.1.0.0/16,\n\
                 \"=HYPERLINK(\"\"http://x\"\")\",generic,,\n\
                 pump-2,toaster,,\n";
    let answer = trial.post_raw("/api/v1/devices/import?keys=true", "text/csv", table).await;
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "text/csv; charset=utf-8"), "{}", answer.text());
    let text = answer.text();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[3].starts_with("4,\"'=HYPERLINK"), "{text}");
    assert!(lines[4].starts_with("5,pump-2,,") && lines[4].contains("toaster"), "{text}");
    let key = lines[1].split(',').nth(2).expect("a key");
    assert_eq!(send_as(&trial, key, &weather("pump-1", 1)).await.status, 200);
    for (address, device, kind) in [("10.1.2.3", "pump-1", "infusion-pump"), ("10.1.9.9", "scanner", "mri-scanner")] {
        let of = trial.get(&format!("/api/v1/addresses/{address}")).await.json();
        assert_eq!((&of["device"], &of["type"]), (&json!(device), &json!(kind)));
    }
    assert_eq!(trial.get("/api/v1/addresses/192.0.2.1").await.status, 404);
    let marked = trial.get("/api/v1/devices?tag=ward=3").await.json();
    assert_eq!(marked["items"].as_array().map(Vec::len), Some(1));
    let list = trial.get("/api/v1/devices?text=%3Dhyper").await.json();
    assert_eq!(list["items"][0]["name"], "=HYPERLINK(\"http://x\")");
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_a_trial_only_what_is_registered_gets_in() {
    let mut trial = Trial::prepare(Chain::start().await).await;
    trial.settings().trial = false;
    let dir = trial.data_dir().to_str().expect("a path").to_owned();
    let admin = async |args: &[&str]| {
        let place = ["--data-dir", &dir];
        command::run(["admin", "device"].iter().chain(args).chain(&place)).await
    };
    admin(&["register", "pump-7", "--type", "infusion-pump", "--tag", "ward=3"]).await.expect_success();
    admin(&["register", "old-scale", "--address", "127.0.0.0/8", "--keyless"]).await.expect_success();
    let key = admin(&["key", "pump-7", "--expires", "1d"]).await.expect_success();
    let key = key.trim();
    assert!(key.starts_with("ald_") && key.len() == 47, "{key}");
    let twice = admin(&["register", "pump-7"]).await;
    assert!(twice.code == 1 && twice.stderr.contains("registered already"), "{twice:?}");
    let table = trial.file("devices.csv");
    std::fs::write(&table, "name,type\nbed-1,patient-monitor\n,x\n").expect("a file");
    let imported = admin(&["import", table.to_str().expect("a path"), "--keys"]).await;
    assert!(imported.code == 1 && imported.stdout.lines().nth(1).is_some_and(|line| line.starts_with("2,bed-1,ald_")));
    trial.start_service().await;

    let ready = async || (trial.try_get("/ready").await.ok()?.status == 200).then_some(());
    poll::until("the service is ready", ready).await;
    let pump = reading("pump-7", 1, json!({ "flow_rate_ml_h": 5.0 }));
    assert_eq!(send_as(&trial, key, &pump).await.status, 200);
    // Who shows nothing is the device that may come so from here, and no other.
    assert_eq!(trial.post(READINGS, &reading("old-scale", 1, json!({ "weight": 80.5 }))).await.status, 200);
    assert_eq!(trial.post(READINGS, &reading("pump-7", 2, json!({ "flow_rate_ml_h": 5.0 }))).await.status, 403);
    assert_eq!(trial.post(READINGS, &reading("stranger", 1, json!({ "weight": 80.5 }))).await.status, 403);
    assert_eq!(ask(&trial, "POST", "/api/v1/devices", Some(json!({ "name": "x" }))).await.status, 403);
    // Beside a service the command would go unnoticed.
    let refused = admin(&["register", "late"]).await;
    assert!(refused.code == 1 && refused.stderr.contains("POST /api/v1/devices"), "{refused:?}");
    let listed = admin(&["list", "--type", "infusion-pump"]).await.expect_success();
    let listed: Value = serde_json::from_str(listed.trim()).expect("one line of JSON");
    assert_eq!((&listed["name"], &listed["online"]), (&json!("pump-7"), &json!(true)));
}
