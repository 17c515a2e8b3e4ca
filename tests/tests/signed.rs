//! Signed readings against the real service: by the registered key, each once, and checked again from the evidence.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use e2e::{Trial, clients, command::run, service::Answer, trial::reading};
use ledger::signed::{DeviceSigner, message};
use serde_json::{Value, json};

const TIME: &str = "2026-01-05T08:00:00.000Z";

/// A reading of a weather station, signed by the device's rules and not by the service's code for it.
fn signed(signer: &DeviceSigner, sequence: u64, temperature: &str) -> Value {
    let values = [("humidity", "40"), ("pressure", "1013"), ("temperature", temperature)];
    let values = values.map(|(name, text)| (name, text.parse().expect("a decimal")));
    let values = values.iter().map(|(name, value)| (*name, value));
    let message = message("mast-1", Some(sequence), &TIME.parse().expect("a time"), values).expect("a message");
    let metrics =
        json!({ "temperature": temperature.parse::<f64>().expect("a number"), "humidity": 40, "pressure": 1013.0 });
    let mut reading = json!({ "device": "mast-1", "time": TIME, "sequence": sequence, "metrics": metrics });
    reading["signature"] = json!(BASE64.encode(signer.sign(&message).signature.0));
    reading
}

fn refused(answer: &Answer, status: u16, code: api::Code, why: &str) {
    let problem = answer.problem();
    assert_eq!((answer.status, problem.code), (status, code), "{}", problem.detail);
    assert!(problem.detail.contains(why), "{}", problem.detail);
}

#[tokio::test]
async fn a_device_with_a_key_signs_and_the_evidence_shows_it() {
    let trial = Trial::start().await;
    let (signer, other) = (DeviceSigner::new(&[3; 32]), DeviceSigner::new(&[4; 32]));
    let send = |body: Value| async {
        let body = body;
        trial.post("/api/v1/readings", &body).await
    };
    // Nothing to check it by.
    refused(&send(signed(&signer, 1, "20")).await, 422, api::Code::InvalidSignature, "no key is registered");
    let mast = json!({ "name": "mast-1", "type": "weather-station" });
    assert_eq!(trial.post("/api/v1/devices", &mast).await.status, 201);
    let key = json!({ "public_key": BASE64.encode(signer.key()) });
    let url = format!("{}/api/v1/devices/mast-1/public-key", trial.url());
    let put = e2e::service::send(e2e::service::http().put(url).json(&key)).await.expect("an answer");
    assert!((200..300).contains(&put.status), "{}", put.text());

    let plain = reading("mast-1", 1, json!({ "temperature": 20, "humidity": 40, "pressure": 1013 }));
    refused(&send(plain).await, 422, api::Code::InvalidSignature, "must bear a signature");
    refused(&send(signed(&other, 1, "20")).await, 422, api::Code::InvalidSignature, "is not by the key");
    let mut changed = signed(&signer, 1, "20");
    changed["metrics"]["temperature"] = json!(21);
    refused(&send(changed).await, 422, api::Code::InvalidSignature, "is not by the key");

    let found = send(signed(&signer, 7, "140")).await;
    assert_eq!(found.status, 200, "{}", found.text());
    let index = found.json()["results"][0]["judgement"]["index"].as_u64().expect("a finding");
    assert_eq!(send(signed(&signer, 7, "140")).await.json()["results"][0]["status"], "duplicate");
    refused(&send(signed(&signer, 6, "20")).await, 409, api::Code::Conflict, "above 7");

    let bundle = trial.evidence(index).await;
    let trust = trial.pin_trust().await;
    let fingerprint = ledger::signed::fingerprint(&signer.key()).to_string();
    let told = trial.verify(index, &trust).await;
    assert!(told.says("device signature", "holds") && told.stdout.contains(&fingerprint), "{told:?}");
    let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    run(["rescore", &path(&bundle), "--url", &trial.url()]).await.expect_success();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_of_another_language_signs_by_the_documents_alone() {
    let trial = Trial::start().await;
    let printed = clients::python("sign.py", &[&trial.url(), "Gerät 7"]);
    let mut expected = vec!["registered 201".to_owned(), "key 200".to_owned()];
    expected.extend((0..9).map(|_| "200 stored".to_owned()));
    let refused = ["changed invalid_signature", "other key invalid_signature", "unsigned invalid_signature"];
    expected.extend(refused.map(str::to_owned));
    expected.push("replayed conflict".to_owned());
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_way_in_takes_what_is_not_signed() {
    let mut trial = Trial::prepare(e2e::Chain::start().await).await;
    trial.settings().flags = vec!["--tcp".into(), "127.0.0.1:0".into()];
    trial.start_service().await;
    trial.ready().await;
    let signer = DeviceSigner::new(&[5; 32]);
    assert_eq!(trial.post("/api/v1/devices", &json!({ "name": "mast-1" })).await.status, 201);
    let url = format!("{}/api/v1/devices/mast-1/public-key", trial.url());
    let key = json!({ "public_key": BASE64.encode(signer.key()) });
    assert_eq!(e2e::service::send(e2e::service::http().put(url).json(&key)).await.expect("an answer").status, 200);

    let plain = reading("mast-1", 1, json!({ "temperature": 20 }));
    let line = trial.post_raw("/api/v2/write?precision=s", "text/plain", "m,device=mast-1 t=1 1767225600").await;
    assert!(line.status == 422 && line.text().contains("signature"), "{} {}", line.status, line.text());
    let mut client = e2e::lines::LineClient::connect(&trial.service().place("tcp")).await;
    client.line(&plain).await;
    assert_eq!(client.answer().await.expect("an answer")["problem"]["code"], "invalid_signature");
    client.line(&signed(&signer, 1, "20")).await;
    assert_eq!(client.answer().await.expect("an answer")["status"], "stored");
    let mut socket = e2e::socket::Socket::open(&trial.url()).await;
    let asked =
        socket.ask(&json!({ "type": "readings", "id": 1, "readings": [plain, signed(&signer, 2, "20")] })).await;
    let api::SocketMessage::Ack { results, .. } = asked else { panic!("{asked:?}") };
    let told: Vec<api::Status> = results.iter().map(|result| result.status).collect();
    assert_eq!(told, [api::Status::Rejected, api::Status::Stored], "{results:?}");
}
