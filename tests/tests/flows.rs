//! Network flows against the real service: each form, whose they are, what is found, and that it can be computed again.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use e2e::{
    Guarded, Session, Trial,
    command::run,
    paths::repo,
    service::{Answer, http, send},
};
use serde_json::{Value, json};

/// Simulated flows of an infusion pump, and a SYN flood at it: time, ends, the 25 columns of CICIoT2023, and a label.
fn table() -> String {
    std::fs::read_to_string(repo().join("docs/examples/flows.csv")).expect("the example is there")
}

/// Which rows of the table are of the attack.
fn hostile() -> Vec<bool> {
    table().lines().skip(1).map(|line| !line.ends_with("BenignTraffic")).collect()
}

/// The table as JSON objects: numbers as numbers.
fn objects() -> Vec<Value> {
    let table = table();
    let mut lines = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().expect("a line of names");
    let cell = |cell: &str| cell.parse::<f64>().map_or_else(|_| json!(cell), |number| json!(number));
    lines.map(|row| header.iter().zip(row).map(|(name, text)| ((*name).to_owned(), cell(text))).collect()).collect()
}

async fn csv(trial: &Trial, query: &str, body: &str) -> Answer {
    trial.post_raw(&format!("/api/v1/flows{query}"), "text/csv", body.to_owned()).await
}

fn results(answer: &Answer) -> Vec<Value> {
    answer.json()["results"].as_array().expect("results").clone()
}

fn detail(result: &Value) -> &str {
    result["problem"]["detail"].as_str().unwrap_or_default()
}

/// The payload in an evidence bundle's file.
fn payload(bundle: &Path) -> Value {
    let bundle: Value = serde_json::from_slice(&std::fs::read(bundle).expect("a bundle")).expect("JSON");
    let bytes = BASE64.decode(bundle["payload"].as_str().expect("a payload")).expect("base64");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// Indexes of the log that these results name.
fn found(results: &[Value]) -> Vec<u64> {
    results.iter().filter_map(|result| result["judgement"]["index"].as_u64()).collect()
}

#[tokio::test]
async fn flows_are_of_the_device_whose_address_they_have_and_an_attack_is_found_once() {
    let trial = Trial::start().await;
    // Nobody has these addresses yet: nothing is stored, and each row says so.
    let answer = csv(&trial, "", &table()).await;
    assert_eq!((answer.status, answer.json()["rejected"].as_u64()), (207, Some(34)), "{}", answer.text());
    assert!(detail(&results(&answer)[0]).contains("10.20.0.7"), "{}", answer.text());

    let pump = json!({ "name": "pump-7", "type": "infusion-pump", "addresses": ["10.20.0.7"] });
    assert_eq!(trial.post("/api/v1/devices", &pump).await.status, 201);
    let answer = csv(&trial, "", &table()).await;
    assert_eq!((answer.status, answer.json()["accepted"].as_u64()), (200, Some(34)), "{}", answer.text());
    let judged = results(&answer);
    let first_hostile = hostile().iter().position(|hostile| *hostile).expect("an attack");
    let findings = found(&judged);
    // The flood is one event, not twelve; and what is usual is usual.
    assert_eq!(findings.len(), 1, "{}", answer.text());
    assert_eq!(judged[first_hostile]["judgement"]["index"].as_u64(), Some(findings[0]));
    for (result, _) in judged.iter().zip(hostile()).filter(|(_, hostile)| *hostile).skip(1) {
        let score = result["judgement"]["score"].as_f64().expect("a score");
        assert!((0.4..0.5).contains(&score), "{result}");
    }

    // The same file again adds nothing, in whatever form it comes.
    let again = trial.post("/api/v1/flows", &json!(objects())).await;
    assert!(results(&again).iter().all(|result| result["status"] == "duplicate"), "{}", again.text());
    let lines: String = objects().iter().map(|object| format!("{object}\n")).collect();
    let again = trial.post_raw("/api/v1/flows", "application/x-ndjson", lines).await;
    assert!(results(&again).iter().all(|result| result["status"] == "duplicate"), "{}", again.text());

    // The finding says what was judged and between whom, and follows from it: it is computed again from the bundle.
    let bundle = trial.evidence(findings[0]).await;
    let url = trial.url();
    let told = run(["rescore", bundle.to_str().expect("UTF-8"), "--url", &url]).await.expect_success();
    assert!(told.contains("the same verdict"), "{told}");
    let payload = payload(&bundle);
    assert_eq!(payload["device"], "pump-7.flows");
    assert_eq!(payload["flow"]["source"], "192.0.2.66:40020");
    assert_eq!(payload["flow"]["destination"], "10.20.0.7:80");
    assert_eq!(payload["values"].as_array().map(Vec::len), Some(19));
}

#[tokio::test]
async fn what_is_no_flow_of_a_device_is_refused_with_a_reason() {
    let trial = Trial::start().await;
    let one = objects().remove(0);
    let with = |changes: Value| {
        let mut object = one.clone();
        for (name, value) in changes.as_object().expect("an object") {
            object[name] = value.clone();
        }
        object
    };
    let mut short = one.clone();
    short.as_object_mut().expect("an object").remove("Rate");
    let cases = [
        (one.clone(), 422, "addresses of none"),
        (with(json!({ "device": "x.flows" })), 422, "under this name stand the flows"),
        (with(json!({ "device": "x", "src_ip": "next door" })), 422, "an IP address"),
        (with(json!({ "device": "x", "Rate": "fast" })), 422, "a text is not a number"),
        (with(json!({ "device": "x", "Rate": "1" })), 422, "a text is not a number"),
        (with(json!({ "device": "x", "timestamp": 0 })), 422, "2000-01-01"),
        (short, 422, "Rate"),
        (json!([]), 200, ""),
    ];
    for (body, status, why) in cases {
        let answer = trial.post("/api/v1/flows", &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert!(answer.text().contains(why), "{why}: {}", answer.text());
    }
    assert_eq!(trial.post("/api/v1/flows", &with(json!({ "device": "x" }))).await.status, 200);
    assert_eq!(csv(&trial, "?device=y", &table()).await.json()["accepted"], 34);
    assert_eq!(csv(&trial, "?owner=y", &table()).await.status, 400);
    let other = trial.post_raw("/api/v1/flows", "text/plain", table()).await;
    assert_eq!(other.status, 415);
    // Nobody sends readings under the name of flows.
    let pretended = json!({ "device": "x.flows", "metrics": { "Rate": 1 } });
    assert_eq!(trial.post("/api/v1/readings", &pretended).await.status, 422);
}

#[tokio::test]
async fn a_file_is_replayed_with_an_address_map_and_a_classifier_names_the_attack() {
    let mut trial = Trial::start().await;
    // Enough rows of each label to learn from: the table's, once more for each time.
    let (labelled, model) = (trial.file("labelled.csv"), trial.file("model"));
    let table_text = table();
    let (header, rows) = table_text.split_once('\n').expect("a line of names");
    std::fs::write(&labelled, format!("{header}\n{}", rows.repeat(4))).expect("it can be written");
    let path = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    let ignored = "timestamp,src_ip,src_port,dst_ip,dst_port";
    let (labelled, model) = (path(&labelled), path(&model));
    run(["train", &labelled, "--labels", "label", "--each-label", "--ignore", ignored, "-o", &model])
        .await
        .expect_success();
    trial.stop_service().await;
    trial.settings().flags = vec!["--flow-model".into(), format!("{model}/model.bin")];
    trial.start_service().await;
    trial.ready().await;

    let map = trial.file("addresses.csv");
    std::fs::write(&map, "10.20.0.0/24,ward-2\n10.20.0.7,pump-7\n").expect("it can be written");
    let (file, url) = (path(&repo().join("docs/examples/flows.csv")), trial.url());
    let replay = ["replay", "--flows", &file, "--address-map", &path(&map), "--url", &url];
    let told = run(replay).await.expect_success();
    assert!(told.contains("34 flows sent: 34 stored") && told.contains(" 1 anomalies"), "{told}");
    assert!(run(replay).await.expect_success().contains("34 had been stored before"));

    let anomalies = trial.anomalies().await;
    let anomaly = anomalies.first().expect("a finding");
    let bundle = trial.evidence(anomaly.index).await;
    let payload = payload(&bundle);
    assert_eq!(payload["device"], "pump-7.flows");
    assert_eq!(
        (&payload["reasons"][0]["metric"], &payload["reasons"][0]["feature"]),
        (&json!("syn-flood"), &json!("class"))
    );
    run(["rescore", bundle.to_str().expect("UTF-8"), "--url", &url]).await.expect_success();
    let models = send(http().get(format!("{url}/api/v1/models"))).await.expect("an answer").json();
    let names: Vec<&Value> = models["items"].as_array().expect("models").iter().map(|model| &model["name"]).collect();
    assert_eq!(names.iter().filter(|name| **name == "network-flow").count(), 2, "the built-in one and the given one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_sends_flows_of_every_registered_device_and_readings_of_none_but_itself() {
    let guarded = Guarded::start().await;
    guarded.ready().await;
    let (admin, url) = (&guarded.admin, guarded.url());
    let olga = guarded.user("olga", &["device_owner"]).await;
    let key = async |who: &Session, name: &str| {
        let key = who.post(&format!("/api/v1/devices/{name}/keys"), &json!({})).await;
        assert_eq!(key.status, 201, "{}", key.text());
        (Session::key(&url, key.json()["key"].as_str().expect("a key")), key.json()["id"].clone())
    };
    let pump = json!({ "name": "pump-7", "type": "infusion-pump", "addresses": ["10.20.0.7"] });
    assert_eq!(admin.post("/api/v1/devices", &pump).await.status, 201);
    let probe = json!({ "name": "probe-1", "type": "network-probe" });
    // Who could make a probe would tell of everybody's devices what is not so.
    let refused = olga.post("/api/v1/devices", &probe).await;
    assert_eq!((refused.status, refused.problem().code), (403, api::Code::Forbidden), "{}", refused.text());
    assert_eq!(olga.post("/api/v1/devices", &json!({ "name": "olgas" })).await.status, 201);
    let change = olga.ask("PATCH", "/api/v1/devices/olgas", Some(&json!({ "type": "network-probe" }))).await;
    assert_eq!(change.status, 403, "{}", change.text());
    assert_eq!(admin.post("/api/v1/devices", &probe).await.status, 201);
    let ((probe, id), (of_olga, _), (of_pump, _)) =
        (key(admin, "probe-1").await, key(&olga, "olgas").await, key(admin, "pump-7").await);

    let flow = |at: usize| objects().remove(at);
    let named = |device: &str, at: usize| {
        let mut flow = flow(at);
        flow["device"] = json!(device);
        flow
    };
    // By its address, and by name; of nobody's device not.
    assert_eq!(probe.post("/api/v1/flows", &flow(0)).await.status, 200);
    assert_eq!(probe.post("/api/v1/flows", &named("olgas", 1)).await.status, 200);
    let unknown = probe.post("/api/v1/flows", &named("nobodys", 2)).await;
    assert_eq!((unknown.status, unknown.problem().code), (403, api::Code::Forbidden), "{}", unknown.text());
    // A device tells of itself, and of no other.
    assert_eq!(of_pump.post("/api/v1/flows", &flow(3)).await.status, 200);
    for body in [flow(4), named("pump-7", 4)] {
        let stranger = of_olga.post("/api/v1/flows", &body).await;
        assert_eq!((stranger.status, stranger.problem().code), (403, api::Code::Forbidden), "{}", stranger.text());
    }
    for nobody in [Session::nobody(&url), olga.token(&["read"]).await] {
        assert!([401, 403].contains(&nobody.post("/api/v1/flows", &flow(5)).await.status));
    }
    // What a probe sees are flows: as another it sends no readings, under whatever name.
    for (device, status) in [("pump-7", 403), ("pump-7.flows", 422), ("probe-1", 200)] {
        let reading = json!({ "device": device, "sequence": 1, "metrics": { "Rate": 1.0 } });
        let answer = probe.post("/api/v1/readings", &reading).await;
        assert_eq!(answer.status, status, "{device}: {}", answer.text());
    }
    // Without its key it is nobody.
    let path = format!("/api/v1/devices/probe-1/keys/{id}");
    assert_eq!(admin.ask("DELETE", &path, None).await.status, 204);
    assert_eq!(probe.post("/api/v1/flows", &flow(6)).await.status, 401);
    // The owner reads what was told of the device, and an admin does not.
    assert_eq!(
        olga.get("/api/v1/devices/olgas.flows/readings").await.json()["items"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(admin.get("/api/v1/devices/olgas.flows/readings").await.status, 403);
    // Nor does whoever takes the name next.
    assert_eq!(olga.ask("DELETE", "/api/v1/devices/olgas", None).await.status, 204);
    let otto = guarded.user("otto", &["device_owner"]).await;
    let taken = otto.post("/api/v1/devices", &json!({ "name": "olgas" })).await;
    assert!((400..500).contains(&taken.status), "{} {}", taken.status, taken.text());
    assert_eq!(otto.get("/api/v1/devices/olgas.flows/readings").await.status, 403);
}
