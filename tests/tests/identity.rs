//! A service that is no trial: who comes in, from the first start on.

use e2e::{
    Chain, Guarded, Session, Trial, command, guarded, poll,
    service::{http, send},
    trial::reading,
};
use serde_json::{Value, json};

const NEW: &str = "the first administrator's own";

/// The one-time password that the first start has printed.
fn printed_password(trial: &Trial) -> Option<String> {
    let lines = trial.service().printed();
    lines.iter().find_map(|line| line.trim().strip_prefix("password").map(|rest| rest.trim().to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_first_start_to_a_program_with_a_token() {
    let mut trial = Trial::prepare(Chain::start().await).await;
    trial.settings().trial = false;
    trial.start_service().await;
    let url = trial.url();
    let password = poll::until("the password is printed", async || printed_password(&trial)).await;
    assert!(!trial.service().log().contains(&password), "to the terminal, not to the log");

    // Nobody may do anything but read the log.
    let nobody = Session::nobody(&url);
    let me = nobody.get("/api/v1/session").await.json();
    assert_eq!((&me["caller"], &me["trial"]), (&json!("nobody"), &json!(false)));
    assert_eq!(nobody.get("/api/v1/ledger").await.status, 200);
    let sent = nobody.post("/api/v1/readings", &reading("weather-1", 1, json!({ "temperature": 20.0 }))).await;
    assert_eq!((sent.status, sent.problem().code), (401, api::Code::Unauthenticated));
    assert_eq!(nobody.get("/metrics").await.status, 401);

    // The first administrator, who has to choose a password.
    let admin = Session::of(&url, "admin", &password).await;
    assert_eq!(admin.get("/api/v1/users").await.status, 403);
    let change = json!({ "current": password, "new": NEW });
    assert_eq!(admin.ask("PUT", "/api/v1/account/password", Some(&change)).await.status, 204);
    assert_eq!(admin.get("/api/v1/users").await.json()["items"][0]["name"], "admin");

    // An analyst by invitation, and a program of hers.
    let invited = admin.post("/api/v1/invitations", &json!({ "roles": ["analyst"] })).await.json();
    let body = json!({ "name": "ada", "password": guarded::PASSWORD, "invitation": invited["secret"] });
    assert_eq!(nobody.post("/api/v1/registration", &body).await.status, 201);
    let ada = Session::of(&url, "ada", guarded::PASSWORD).await;
    assert_eq!(ada.get("/api/v1/users").await.status, 403);
    let program = ada.token(&["read"]).await;
    assert_eq!(program.get("/metrics").await.status, 200);
    assert_eq!(program.get("/api/v1/tokens").await.status, 403);

    // All of it outlives a stop; the password is not printed again.
    trial.stop_service().await;
    trial.start_service().await;
    assert_eq!(ada.get("/api/v1/account/sessions").await.json().as_array().map(Vec::len), Some(1));
    assert_eq!(program.get("/metrics").await.status, 200);
    assert_eq!(printed_password(&trial), None);

    // Who may not read payloads follows the log without them.
    let audit = admin.get("/api/v1/audit?limit=500").await.json();
    let whats: Vec<&str> = audit["items"].as_array().unwrap().iter().filter_map(|item| item["what"].as_str()).collect();
    for what in
        ["service.start", "user.create", "session.begin", "password.change", "invitation.create", "token.create"]
    {
        assert!(whats.contains(&what), "{what} in {whats:?}");
    }
    let printed = command::run(audit_export(&trial)).await.expect_success();
    let exported = admin.get("/api/v1/audit/export").await.text();
    assert!(exported.starts_with(&printed), "the command prints what the interface gives");
    let line: Value = serde_json::from_str(printed.lines().next().unwrap()).unwrap();
    assert_eq!(line["what"], "service.start");
}

fn audit_export(trial: &Trial) -> Vec<std::ffi::OsString> {
    let mut args: Vec<std::ffi::OsString> = ["admin", "audit", "export", "--data-dir"].map(Into::into).into();
    args.push(trial.data_dir().into());
    args
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_session_ends_an_open_feed_and_the_command_line_reaches_a_running_service() {
    let guarded = Guarded::start().await;
    let ada = guarded.user("ada", &["auditor"]).await;
    let (name, value) = ada.shown();
    let request = http().get(guarded.url() + "/api/v1/feed").header(name, value);
    let mut feed = request.send().await.unwrap();
    assert!(feed.chunk().await.unwrap().unwrap().starts_with(b"event: ledger"));

    let args = ["admin", "user", "disable", "ada", "--data-dir"].map(std::ffi::OsString::from);
    command::run(args.into_iter().chain([guarded.trial.data_dir().into()])).await.expect_success();
    poll::until("the service has taken it over", async || {
        (ada.get("/api/v1/account/sessions").await.status == 401).then_some(())
    })
    .await;
    // Whatever comes next, the feed says nothing of it, and ends.
    let ends = async {
        while let Ok(Some(chunk)) = feed.chunk().await {
            assert!(!chunk.starts_with(b"event: anomaly"), "{chunk:?}");
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(40), ends).await.expect("the feed ends");

    let last = ["admin", "user", "disable", "root", "--data-dir"].map(std::ffi::OsString::from);
    let refused = command::run(last.into_iter().chain([guarded.trial.data_dir().into()])).await;
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("last administrator"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn registration_is_open_where_it_was_opened_and_makes_device_owners() {
    let guarded = Guarded::with(&["--open-registration"]).await;
    let nobody = Session::nobody(&guarded.url());
    assert_eq!(nobody.get("/api/v1/session").await.json()["open_registration"], true);
    let body = json!({ "name": "eve", "password": guarded::PASSWORD });
    let made = nobody.post("/api/v1/registration", &body).await;
    assert_eq!((made.status, &made.json()["roles"]), (201, &json!(["device_owner"])));
    let eve = Session::of(&guarded.url(), "eve", guarded::PASSWORD).await;
    for path in ["/api/v1/users", "/api/v1/audit", "/api/v1/models", "/metrics"] {
        assert_eq!(eve.get(path).await.status, 403, "{path}");
    }
    // Twenty from one address, and then few.
    let mut last = 0;
    for number in 0..25 {
        let body = json!({ "name": format!("eve{number}"), "password": guarded::PASSWORD });
        last = nobody.post("/api/v1/registration", &body).await.status;
    }
    assert_eq!(last, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_trial_a_bad_key_is_refused_and_roles_can_be_tried() {
    let trial = Trial::start().await;
    let url = trial.url();
    let bad = Session::key(&url, "alt_nothing").get("/health").await;
    assert_eq!((bad.status, bad.problem().code), (401, api::Code::Unauthenticated));
    guarded::create_user(trial.data_dir(), "ada", &["device-owner"], guarded::PASSWORD).await;
    let ada = poll::until("ada comes in", async || {
        let body = json!({ "name": "ada", "password": guarded::PASSWORD });
        let answer = send(http().post(format!("{url}/api/v1/session")).json(&body)).await.unwrap();
        (answer.status == 200).then_some(())
    });
    ada.await;
    let ada = Session::of(&url, "ada", guarded::PASSWORD).await;
    assert_eq!(ada.get("/metrics").await.status, 403);
    assert_eq!(Session::nobody(&url).get("/metrics").await.status, 200);
    let me = Session::nobody(&url).get("/api/v1/session").await.json();
    assert_eq!((&me["caller"], &me["trial"]), (&json!("trial"), &json!(true)));
    // The page acts under each name by which it was opened; a page of another name's, or port's, does not.
    let port = url.rsplit(':').next().expect("a port");
    let asked = async |host: &str, origin: &str| {
        let body = reading("weather-1", 1, json!({ "temperature": 20.0 }));
        let request = http().post(format!("{url}/api/v1/readings")).json(&body);
        send(request.header("host", host).header("origin", origin)).await.unwrap().status
    };
    for name in ["localhost", "127.0.0.1"] {
        let host = format!("{name}:{port}");
        assert_eq!(asked(&host, &format!("http://{host}")).await, 200, "{host}");
        for stranger in ["http://evil.example", "http://localhost:1", "null"] {
            assert_eq!(asked(&host, stranger).await, 403, "{host} {stranger}");
        }
    }
}

/// A patient's monitor that this session's user owns; gives who shows its key.
async fn monitor(owner: &Session, url: &str, name: &str) -> Session {
    let made = owner.post("/api/v1/devices", &json!({ "name": name, "type": "patient-monitor" })).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let key = owner.post(&format!("/api/v1/devices/{name}/keys"), &json!({})).await;
    assert_eq!(key.status, 201, "{}", key.text());
    Session::key(url, key.json()["key"].as_str().expect("a key"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_is_told_to_the_owner_analysts_and_auditors_and_proven_to_everybody() {
    let guarded = Guarded::start().await;
    guarded.ready().await;
    let url = guarded.url();
    let (olga, otto) = (guarded.user("olga", &["device_owner"]).await, guarded.user("otto", &["device_owner"]).await);
    let analyst = guarded.user("ada", &["analyst"]).await;
    let device = monitor(&olga, &url, "bedside-1").await;
    monitor(&otto, &url, "bedside-2").await;
    let mut feeds = Vec::new();
    for listener in [&olga, &otto, &analyst, &guarded.admin, &Session::nobody(&url)] {
        let (name, value) = listener.shown();
        feeds.push(http().get(format!("{url}/api/v1/feed")).header(name, value).send().await.unwrap());
    }

    // A device sends as itself, and as nobody else.
    let low = reading("bedside-1", 1, json!({ "spo2": 71.0 }));
    let sent = device.post("/api/v1/readings", &low).await;
    assert_eq!(sent.status, 200, "{}", sent.text());
    let index = sent.json()["results"][0]["judgement"]["index"].as_u64().expect("a finding");
    let as_another = device.post("/api/v1/readings", &reading("bedside-2", 1, json!({ "spo2": 71.0 }))).await;
    assert_eq!((as_another.status, as_another.problem().code), (403, api::Code::Forbidden));

    let told = [true, false, true, false, false];
    for (feed, told) in feeds.iter_mut().zip(told) {
        let mut text = String::new();
        while !text.contains("event: anomaly") {
            let piece = feed.chunk().await.unwrap().expect("the feed goes on");
            text += std::str::from_utf8(&piece).unwrap();
        }
        assert_eq!(text.contains("bedside-1"), told, "{text}");
    }
    let path = format!("/api/v1/entries/{index}/evidence");
    let nobody = Session::nobody(&url);
    for (who, told) in [&olga, &otto, &analyst, &guarded.admin, &nobody].into_iter().zip(told) {
        let listed = who.get("/api/v1/anomalies?limit=1").await.json();
        assert_eq!(listed["items"][0]["device"] == "bedside-1", told, "{listed}");
        assert_eq!(listed["items"][0]["index"], index);
        let bundle = who.get(&path).await.json();
        for member in ["payload", "salt", "state"] {
            assert_eq!(!bundle[member].is_null(), told, "{member} in {bundle}");
        }
    }
    // Without its payload the bundle proves the entry all the same.
    let trust = guarded.trial.pin_trust().await;
    let verified = poll::until("it is final", async || {
        let verified = guarded.trial.verify(index, &trust).await;
        (verified.code == 0).then_some(verified)
    });
    assert!(verified.await.says("inclusion", "holds"));

    // What was said of it: by whom, and not by somebody else's owner.
    let feedback = format!("/api/v1/anomalies/{index}/feedback");
    let refused = otto.post(&feedback, &json!({ "verdict": "real" })).await;
    assert_eq!(refused.status, 403);
    assert!(!refused.text().contains("bedside-1"), "{}", refused.text());
    assert_eq!(olga.post(&feedback, &json!({ "verdict": "real" })).await.status, 200);
    let audit = guarded.admin.get("/api/v1/audit?what=feedback.").await.json();
    assert_eq!(audit["items"][0]["who"], "user olga");

    // The devices of an owner who is gone are nobody's.
    let users = guarded.admin.get("/api/v1/users").await.json();
    let id = users["items"].as_array().unwrap().iter().find(|user| user["name"] == "olga").unwrap()["id"].clone();
    assert_eq!(guarded.admin.ask("DELETE", &format!("/api/v1/users/{id}"), None).await.status, 204);
    assert_eq!(olga.get("/api/v1/devices").await.status, 401);
    assert_eq!(otto.get("/api/v1/devices/bedside-1").await.status, 403);
}
