//! Who may send and hear what on connections that stay open: device keys and sessions over TCP and WebSocket.

use api::{Code, SocketMessage, Status};
use e2e::{
    Trial,
    lines::LineClient,
    service::{Answer, http, send},
    socket::Socket,
    trial::reading,
};
use serde_json::{Value, json};

const PASSWORD: &str = "a ledger that nobody rewrites";

async fn trial() -> Trial {
    let mut trial = Trial::prepare(e2e::Chain::start().await).await;
    trial.settings().flags = vec!["--tcp".into(), "127.0.0.1:0".into()];
    trial.start_service().await;
    trial.ready().await;
    trial
}

fn hall(device: &str, sequence: u64, sound: f64) -> Value {
    reading(device, sequence, json!({ "humidity_pct": 50.0, "sound_db": sound, "temperature_c": 20.0 }))
}

/// Above the type's safe limit, and possible: a finding from the first reading on.
const HARMFUL: f64 = 151.5;

async fn made(trial: &Trial, path: &str, body: &Value) -> Answer {
    let answer = trial.post(path, body).await;
    assert!(matches!(answer.status, 200 | 201), "{path}: {} {}", answer.status, answer.text());
    answer
}

/// Registers a device; gives its key, and the key's number.
async fn device(trial: &Trial, name: &str, owner: Option<u64>) -> (String, i64) {
    let r#type = Some("factory-station".into());
    let device = api::DeviceRequest { name: name.into(), r#type, owner, ..Default::default() };
    made(trial, "/api/v1/devices", &json!(device)).await;
    let key: api::NewDeviceKey =
        serde_json::from_value(made(trial, &format!("/api/v1/devices/{name}/keys"), &json!({})).await.json())
            .expect("a key");
    (key.key, key.id)
}

async fn revoke(trial: &Trial, device: &str, id: i64) {
    let path = format!("{}/api/v1/devices/{device}/keys/{id}", trial.url());
    let answer = send(http().delete(path)).await.expect("an answer");
    assert!(matches!(answer.status, 200 | 204), "{} {}", answer.status, answer.text());
}

/// A user with devices of their own; gives the number, and the session's cookie.
async fn owner(trial: &Trial, name: &str) -> (u64, String) {
    let invited = made(trial, "/api/v1/invitations", &json!({ "roles": ["device_owner"] })).await;
    let invitation: api::NewInvitation = serde_json::from_value(invited.json()).expect("an invitation");
    let registration = json!({ "name": name, "password": PASSWORD, "invitation": invitation.secret });
    let user: api::User =
        serde_json::from_value(made(trial, "/api/v1/registration", &registration).await.json()).expect("a user");
    let signed_in = made(trial, "/api/v1/session", &json!({ "name": name, "password": PASSWORD })).await;
    let cookie = signed_in.headers.iter().find(|(name, _)| name == "set-cookie").expect("a cookie");
    (user.id, cookie.1.split(';').next().expect("a pair").to_owned())
}

/// A reading without its device.
fn unnamed(mut reading: Value) -> Value {
    reading.as_object_mut().expect("an object").remove("device");
    reading
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_a_device_on_a_connection_and_ends_with_it() {
    let trial = trial().await;
    let ((key, id), _) = (device(&trial, "mine", None).await, device(&trial, "other", None).await);
    let mut client = LineClient::connect(&trial.service().place("tcp")).await;
    client.line(&json!({ "hello": 1, "key": key })).await;
    assert_eq!(client.answer().await, Some(json!({ "line": 1, "hello": 1, "caller": "device mine" })));
    client.line(&unnamed(hall("mine", 1, 20.0))).await;
    assert_eq!(client.answer().await.expect("an answer")["status"], "stored");
    // It is stored as that device's.
    let again = trial.post("/api/v1/readings", &hall("mine", 1, 20.0)).await.json();
    assert_eq!(again["results"][0]["status"], "duplicate");
    client.line(&hall("other", 1, 20.0)).await;
    assert_eq!(client.answer().await.expect("an answer")["problem"]["code"], "forbidden");

    let bearer = format!("Bearer {key}");
    let mut by_header = Socket::open_with(&trial.url(), &[("authorization", &bearer)]).await.expect("let in");
    let mut by_hello = Socket::open(&trial.url()).await;
    let greeted = by_hello.ask(&json!({ "type": "hello", "key": key })).await;
    assert_eq!(greeted, SocketMessage::Hello { caller: "device mine".into() });
    for (at, socket) in [(2, &mut by_header), (3, &mut by_hello)] {
        let readings = [unnamed(hall("mine", at, 20.0)), hall("other", at, 20.0)];
        let SocketMessage::Ack { results, .. } =
            socket.ask(&json!({ "type": "readings", "id": 1, "readings": readings })).await
        else {
            panic!("no answer");
        };
        let told: Vec<Status> = results.iter().map(|result| result.status).collect();
        assert_eq!(told, [Status::Stored, Status::Rejected], "{results:?}");
        assert_eq!(results[1].problem.as_ref().map(|problem| problem.code), Some(Code::Forbidden));
        // A device sends; it does not read.
        let asked = socket.ask(&json!({ "type": "subscribe", "id": 2, "feed": "verdicts" })).await;
        assert!(matches!(asked, SocketMessage::Error { id: Some(2), code: Code::Forbidden, .. }), "{asked:?}");
    }

    revoke(&trial, "mine", id).await;
    client.line(&hall("mine", 4, 20.0)).await;
    let last = client.answer().await.expect("a last line");
    assert_eq!((&last["status"], &last["problem"]["code"]), (&json!("rejected"), &json!("unauthenticated")));
    assert_eq!(client.answer().await, None, "the connection has ended");
    for mut socket in [by_header, by_hello] {
        let told = socket.ask(&json!({ "type": "reading", "reading": hall("mine", 4, 20.0) })).await;
        assert!(matches!(told, SocketMessage::Error { code: Code::Unauthenticated, .. }), "{told:?}");
        assert_eq!(socket.hear().await, Err(Some(1008)));
    }
    let stored = trial.post("/api/v1/readings", &hall("mine", 4, 20.0)).await.json();
    assert_eq!(stored["results"][0]["status"], "stored", "nothing of it was taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_of_others_are_not_pushed() {
    let trial = trial().await;
    let (ada, cookie) = owner(&trial, "ada").await;
    device(&trial, "hers", Some(ada)).await;
    device(&trial, "others", None).await;
    let (url, ours) = (trial.url(), trial.url());
    let open = |headers: Vec<(&'static str, String)>| {
        let url = url.clone();
        async move {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            Socket::open_with(&url, &headers).await
        }
    };
    assert_eq!(open(vec![("cookie", cookie.clone())]).await.err(), Some(403), "a browser says its origin");
    let evil = vec![("cookie", cookie.clone()), ("origin", "http://evil.example".into())];
    assert_eq!(open(evil).await.err(), Some(403));
    let mut socket = open(vec![("cookie", cookie.clone()), ("origin", ours.clone())]).await.expect("let in");
    for (id, feed, filter) in [
        (1, "anomalies", json!({})),
        (2, "verdicts", json!({})),
        (3, "anomalies", json!({ "devices": ["others"] })),
        (4, "verdicts", json!({ "devices": ["others"] })),
    ] {
        let mut message = json!({ "type": "subscribe", "id": id, "feed": feed });
        message.as_object_mut().expect("an object").extend(filter.as_object().expect("an object").clone());
        assert_eq!(socket.ask(&message).await, SocketMessage::Subscribed { id });
    }
    for (device, at) in [("others", 1), ("hers", 1)] {
        let answer = trial.post("/api/v1/readings", &json!([hall(device, at, HARMFUL)])).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let (mut anomalies, mut verdicts) = (Vec::new(), Vec::new());
    while anomalies.len() < 2 || verdicts.is_empty() {
        match socket.hear().await.expect("what was asked for") {
            SocketMessage::Anomaly { id: 1, anomaly } => anomalies.push(anomaly),
            SocketMessage::Verdict { id: 2, verdict } => verdicts.push(verdict),
            other => panic!("not for her: {other:?}"),
        }
    }
    // Of the other's anomaly: what everybody finds in the log.
    let (hidden, whole) = (&anomalies[0], &anomalies[1]);
    assert_eq!((hidden.device.as_str(), hidden.values.len(), hidden.reasons.len()), ("", 0, 0), "{hidden:?}");
    assert!(!serde_json::to_string(hidden).expect("JSON").contains("151.5"), "{hidden:?}");
    assert_eq!(whole.device, "hers");
    assert_eq!(verdicts.iter().map(|verdict| verdict.device.as_str()).collect::<Vec<_>>(), ["hers"]);

    // Signed out, nothing is pushed any more.
    let path = format!("{ours}/api/v1/session");
    let out = send(http().delete(path).header("cookie", &cookie).header("origin", &ours)).await.expect("an answer");
    assert!(matches!(out.status, 200 | 204), "{} {}", out.status, out.text());
    assert_eq!(trial.post("/api/v1/readings", &json!([hall("hers", 2, 20.0)])).await.status, 200);
    let told = socket.hear().await.expect("why it ends");
    assert!(matches!(told, SocketMessage::Error { code: Code::Unauthenticated, .. }), "{told:?}");
    assert_eq!(socket.hear().await, Err(Some(1008)));
}
