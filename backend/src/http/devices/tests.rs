//! The routes of the registry, for every kind of caller: who sees, changes and makes what.

#![allow(clippy::unwrap_used)]

use api::DeviceRequest;
use axum::{
    Extension,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use ledger::audit::Record;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::{
    access::{By, testing::House},
    domain::{
        SystemClock,
        access::{Role, Roles, Scopes},
    },
};

struct Desks {
    house: House,
}

fn person(id: i64, role: Role) -> Caller {
    Caller::Person { id: UserId(id), name: format!("user {id}"), roles: Roles::of([role]), scopes: Scopes::SESSION }
}

fn admin() -> Caller {
    person(1, Role::Admin)
}

fn owner(id: i64) -> Caller {
    person(id, Role::DeviceOwner)
}

impl Desks {
    /// Two owners with a device each, and a device of nobody.
    fn new() -> Self {
        let house = House::new(false, false);
        for (name, owner) in [("mine", Some(2)), ("theirs", Some(3)), ("nobodys", None)] {
            let request = DeviceRequest { name: name.into(), owner, ..DeviceRequest::default() };
            house.registrar.register(request, true, &By::operator("a test", SystemClock.now())).unwrap();
        }
        Self { house }
    }

    async fn ask(&self, caller: &Caller, method: &str, path: &str, kind: &str, body: String) -> (u16, Value, String) {
        let desk = Desk {
            registrar: Arc::clone(&self.house.registrar),
            gate: Arc::clone(&self.house.gate),
            clock: Arc::new(SystemClock),
        };
        let pass = Pass { caller: caller.clone(), from: "192.0.2.1".parse().unwrap(), credential: None };
        let request = Request::builder().method(method).uri(path).header("content-type", kind);
        let request = request.body(Body::from(body)).unwrap();
        let response = router(desk).layer(Extension(pass)).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        (status, serde_json::from_str(&text).unwrap_or_default(), text)
    }

    async fn json(&self, caller: &Caller, method: &str, path: &str, body: Value) -> (u16, Value) {
        let (status, value, _) = self.ask(caller, method, path, "application/json", body.to_string()).await;
        (status, value)
    }

    async fn names(&self, caller: &Caller, query: &str) -> Vec<String> {
        let (status, list) = self.json(caller, "GET", &format!("/api/v1/devices{query}"), Value::Null).await;
        assert_eq!(status, 200, "{list}");
        list["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn to_an_owner_a_strangers_device_answers_as_one_that_does_not_exist() {
    let desks = Desks::new();
    let key = desks.key_of("theirs").await;
    for (method, path, body) in [
        ("GET", "", Value::Null),
        ("PATCH", "", json!({ "location": "here" })),
        ("DELETE", "", Value::Null),
        ("GET", "/keys", Value::Null),
        ("POST", "/keys", json!({})),
        ("POST", "/keys/ID/rotate", json!({})),
        ("DELETE", "/keys/ID", Value::Null),
        ("PUT", "/public-key", json!({ "public_key": BASE64.encode([1; 32]) })),
        ("DELETE", "/public-key", Value::Null),
    ] {
        let path = path.replace("ID", &key.to_string());
        let mut answers = Vec::new();
        for device in ["theirs", "nobodys", "nothing"] {
            let (status, mut answer) =
                desks.json(&owner(2), method, &format!("/api/v1/devices/{device}{path}"), body.clone()).await;
            assert_eq!(status, 403, "{method} {device}{path}: {answer}");
            answer["detail"] = answer["detail"].as_str().unwrap().replace(device, "X").into();
            answers.push(answer);
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{method} {path}: {answers:?}");
    }
    assert_eq!(desks.house.registrar.keys(&DeviceName::new("theirs").unwrap()).unwrap().len(), 1);
}

impl Desks {
    async fn key_of(&self, device: &str) -> i64 {
        let path = format!("/api/v1/devices/{device}/keys");
        let (status, made) = self.json(&admin(), "POST", &path, json!({ "label": "spare" })).await;
        assert_eq!(status, 201, "{made}");
        made["id"].as_i64().unwrap()
    }
}

#[tokio::test]
async fn everybody_lists_what_they_may_see() {
    let desks = Desks::new();
    assert_eq!(desks.names(&admin(), "").await, ["mine", "nobodys", "theirs"]);
    assert_eq!(desks.names(&person(9, Role::Auditor), "?limit=2").await, ["mine", "nobodys"]);
    assert_eq!(desks.names(&owner(2), "").await, ["mine"]);
    assert!(desks.names(&owner(2), "?owner=3").await.is_empty());
    let device = Caller::Device(DeviceName::new("theirs").unwrap());
    assert_eq!(desks.names(&device, "").await, ["theirs"]);
    let page = desks.json(&admin(), "GET", "/api/v1/devices?limit=2&summary=true", Value::Null).await.1;
    assert_eq!((&page["next_cursor"], &page["summary"][0]["offline"]), (&json!("nobodys"), &json!(3)));
    assert_eq!(desks.names(&admin(), "?limit=2&cursor=nobodys").await, ["theirs"]);
    for query in ["?limit=0", "?limit=501", "?online=maybe", "?admin=true"] {
        let answer = desks.json(&admin(), "GET", &format!("/api/v1/devices{query}"), Value::Null).await;
        assert_eq!(answer.0, 400, "{query}");
    }
}

#[tokio::test]
async fn an_owner_registers_own_devices_and_says_nothing_of_addresses() {
    let desks = Desks::new();
    let register = async |caller: &Caller, body: Value| desks.json(caller, "POST", "/api/v1/devices", body).await;
    let (status, device) = register(&owner(2), json!({ "name": "new", "type": "infusion-pump" })).await;
    assert_eq!((status, &device["owner"], &device["status"]["online"]), (201, &json!(2), &json!(false)));
    for (body, expected) in [
        (json!({ "name": "other", "owner": 3 }), 403),
        (json!({ "name": "other", "addresses": ["10.0.0.1"] }), 403),
        // It would send flows of everybody's devices.
        (json!({ "name": "other", "type": "network-probe" }), 403),
        (json!({ "name": "theirs" }), 409),
        (json!({ "name": "other", "type": "toaster" }), 400),
        (json!({ "name": "other", "created": "now" }), 400),
        (json!({ "name": "import" }), 400),
        (json!({}), 400),
        (json!(["other"]), 400),
    ] {
        let (status, answer) = register(&owner(2), body.clone()).await;
        assert_eq!(status, expected, "{body}: {answer}");
    }
    for body in [
        json!({ "owner": 3 }),
        json!({ "addresses": [] }),
        json!({ "keyless": true }),
        json!({ "type": "network-probe" }),
    ] {
        assert_eq!(desks.json(&owner(2), "PATCH", "/api/v1/devices/mine", body).await.0, 403);
    }
    let given = json!({ "owner": 3, "addresses": ["10.0.0.1"], "disabled": true });
    let (status, device) = desks.json(&admin(), "PATCH", "/api/v1/devices/mine", given).await;
    assert_eq!((status, &device["owner"], &device["disabled"]), (200, &json!(3), &json!(true)));
    assert_eq!(desks.json(&owner(2), "GET", "/api/v1/devices/mine", Value::Null).await.0, 403);
    let of = async |caller: &Caller, ip: &str| {
        desks.json(caller, "GET", &format!("/api/v1/addresses/{ip}"), Value::Null).await
    };
    assert_eq!(of(&admin(), "10.0.0.1").await.1["device"], "mine");
    assert_eq!(of(&owner(3), "10.0.0.1").await.1["network"], "10.0.0.1");
    assert_eq!((of(&owner(2), "10.0.0.1").await.0, of(&owner(2), "10.0.0.2").await.0), (403, 403));
    assert_eq!((of(&admin(), "10.0.0.2").await.0, of(&admin(), "host").await.0), (404, 400));
}

#[tokio::test]
async fn a_key_is_shown_once_and_only_its_beginning_afterwards() {
    let desks = Desks::new();
    let (status, made) =
        desks.json(&owner(2), "POST", "/api/v1/devices/mine/keys", json!({ "expires_seconds": 60 })).await;
    let key = made["key"].as_str().unwrap();
    assert_eq!((status, key.len(), &key[..12]), (201, 47, made["prefix"].as_str().unwrap()));
    let (_, _, listed) = desks.ask(&owner(2), "GET", "/api/v1/devices/mine/keys", "", String::new()).await;
    assert!(listed.contains(&key[..12]) && !listed.contains(&key[..13]), "{listed}");
    let id = made["id"].as_i64().unwrap();
    let path = format!("/api/v1/devices/mine/keys/{id}");
    // By the name of another device there is no such key.
    let (status, _) = desks.json(&admin(), "DELETE", &path.replace("mine", "theirs"), Value::Null).await;
    assert_eq!(status, 404);
    assert_eq!(desks.json(&owner(2), "DELETE", &path, Value::Null).await.0, 204);
    assert_eq!(desks.json(&owner(2), "DELETE", &path, Value::Null).await.0, 404);
    for id in ["0", "-1", "x", "01", "99999999999999999999"] {
        let answer = desks.json(&owner(2), "DELETE", &format!("/api/v1/devices/mine/keys/{id}"), Value::Null).await;
        assert_eq!(answer.0, 400, "{id}");
    }
    for key in ["", "AAAA", &BASE64.encode([1; 33]), "not base64 at all"] {
        let answer =
            desks.json(&owner(2), "PUT", "/api/v1/devices/mine/public-key", json!({ "public_key": key })).await;
        assert_eq!(answer.0, 400, "{key}");
    }
}

#[tokio::test]
async fn types_are_checked_and_changed_as_a_whole() {
    let desks = Desks::new();
    let put = async |name: &str, body: Value| {
        desks.json(&admin(), "PUT", &format!("/api/v1/device-types/{name}"), body).await
    };
    let all = desks.json(&owner(2), "GET", "/api/v1/device-types", Value::Null).await.1;
    assert_eq!(all["items"].as_array().unwrap().len(), 8);
    let icu = json!({ "profile": "patient-monitor", "offline_after_seconds": 30,
        "metrics": [{ "metric": "spo2", "unit": "%", "possible": { "low": 0, "high": 100 }, "safe": { "low": 88 } }] });
    let (status, made) = put("icu-monitor", icu).await;
    assert_eq!(
        (status, &made["built_in"], &made["definition"]["metrics"][0]["severity"]),
        (200, &json!(false), &json!("warning"))
    );
    assert_eq!(desks.json(&admin(), "GET", "/api/v1/device-types/icu-monitor", Value::Null).await.1, made);
    for (name, body) in [
        ("Bad Name".replace(' ', "%20"), json!({ "profile": "generic", "offline_after_seconds": 30 })),
        ("t".into(), json!({ "profile": "generic", "offline_after_seconds": 0 })),
        ("t".into(), json!({ "profile": "generic" })),
        ("t".into(), json!({ "profile": "generic", "offline_after_seconds": 30, "admin": true })),
        (
            "t".into(),
            json!({ "profile": "generic", "offline_after_seconds": 30,
            "metrics": [{ "metric": "a", "safe": { "low": 2, "high": 1 } }] }),
        ),
    ] {
        let (status, answer) = put(&name, body).await;
        assert_eq!(status, 400, "{name}: {answer}");
    }
    assert_eq!(desks.json(&admin(), "GET", "/api/v1/device-types/none", Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_table_gets_a_result_for_each_line_and_keys_once() {
    let desks = Desks::new();
    let table = "name,owner,addresses\n=1+1,,\ntheirs,,\nx,3,\ny,,10.0.0.1\n";
    let import = async |caller: &Caller, query: &str| {
        desks.ask(caller, "POST", &format!("/api/v1/devices/import{query}"), "text/csv", table.into()).await
    };
    let (status, answer, _) = import(&owner(2), "").await;
    assert_eq!((status, &answer["registered"], &answer["refused"]), (200, &json!(1), &json!(3)));
    for (line, word) in [(1, "registered"), (2, "your own"), (3, "admin")] {
        assert!(answer["results"][line]["problem"].as_str().unwrap().contains(word), "{answer}");
    }
    assert_eq!(desks.names(&owner(2), "").await, ["=1+1", "mine"]);
    let (status, _, text) = import(&admin(), "?keys=true").await;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((status, lines.len(), lines[0]), (200, 5, "line,name,key,problem"));
    assert!(lines[1].starts_with("2,'=1+1,,") && lines[3].starts_with("4,x,ald_") && lines[4].starts_with("5,y,ald_"));
    let wrong = desks.ask(&admin(), "POST", "/api/v1/devices/import", "application/json", "[]".into()).await;
    assert_eq!(wrong.0, StatusCode::UNSUPPORTED_MEDIA_TYPE.as_u16());
    let wrong = desks.ask(&admin(), "POST", "/api/v1/devices/import", "text/csv", "a,b\n1,2".into()).await;
    assert_eq!(wrong.0, 400);
}

#[tokio::test]
async fn every_act_leaves_a_record_and_no_record_a_key() {
    let desks = Desks::new();
    let (_, made) = desks.json(&owner(2), "POST", "/api/v1/devices/mine/keys", json!({})).await;
    let path = format!("/api/v1/devices/mine/keys/{}", made["id"]);
    desks.json(&owner(2), "DELETE", &path, Value::Null).await;
    desks.json(&owner(2), "PATCH", "/api/v1/devices/mine", json!({ "disabled": true })).await;
    desks.json(&admin(), "POST", "/api/v1/devices", json!({ "name": "new" })).await;
    desks.json(&admin(), "DELETE", "/api/v1/devices/new", Value::Null).await;
    let definition = json!({ "profile": "generic", "offline_after_seconds": 30 });
    desks.json(&admin(), "PUT", "/api/v1/device-types/t", definition).await;
    let stored = desks.house.audit.audit_from(0, 100).unwrap();
    let records: Vec<Record> = stored.iter().map(|(_, bytes)| Record::from_bytes(bytes).unwrap()).collect();
    // The three devices of the beginning, by the command line.
    let (before, records) = records.split_at(3);
    assert!(before.iter().all(|record| record.what == "device.register" && record.from == "the command line"));
    let acts: Vec<&str> = records.iter().map(|record| record.what.as_str()).collect();
    let expected = ["key.create", "key.revoke", "device.change", "device.register", "device.remove", "type.change"];
    assert_eq!(acts, expected);
    let key = made["key"].as_str().unwrap();
    for record in records {
        assert!(!format!("{record:?}").contains(&key[12..]) && record.from == "192.0.2.1");
    }
    assert!(records[0].object.contains("mine") && records[2].result.contains("disabled is true"));
}
