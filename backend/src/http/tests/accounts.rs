//! Signing in and what follows, as somebody finds it who tries to get around it.

use serde_json::{Value, json};

use super::{
    bench::Bench,
    people::{PASSWORD, Reply, Shows},
};
use crate::domain::access::Role;

const HOST: &str = "http://localhost:8080";

fn guarded() -> Bench {
    Bench::of(false)
}

async fn may(bench: &Bench, shows: &Shows, method: &str, path: &str) -> u16 {
    bench.ask(shows, method, path, None).await.status
}

/// What the audit log has of this, oldest first.
fn audited(bench: &Bench, what: &str) -> Vec<ledger::audit::Record> {
    let records = bench.house.audit.audit_from(0, 10_000).unwrap().into_iter();
    let records = records.map(|(_, bytes)| ledger::audit::Record::from_bytes(&bytes).unwrap());
    records.filter(|record| record.what == what).collect()
}

#[tokio::test]
async fn the_cookie_is_for_browsers_alone_and_for_this_service_alone() {
    let bench = guarded();
    bench.user("ada", &[Role::Admin]).await;
    let reply = bench.try_sign_in("Ada", PASSWORD).await;
    let cookie = reply.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("als=als_") && cookie.len() > 43, "{cookie}");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict; Max-Age=604800"), "{cookie}");
    assert!(!reply.text.contains("als_"), "scripts do not get to see it");
    let me = reply.json();
    assert_eq!(
        (&me["caller"], &me["name"], &me["must_change_password"]),
        (&json!("user"), &json!("ada"), &json!(false))
    );
    let may = me["may"].as_array().unwrap();
    assert!(may.contains(&json!({ "action": "manage_users", "reach": "all" })));
    assert!(!may.iter().any(|may| may["action"] == "read_findings"), "an administrator reads no findings");
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_get_the_same_answer() {
    let bench = guarded();
    let ada = bench.user("ada", &[Role::Analyst]).await;
    bench.user("root", &[Role::Admin]).await;
    let root = bench.sign_in("root").await;
    let disabled = json!({ "state": "disabled" });
    let seen = |reply: Reply| (reply.status, reply.text, reply.headers.contains_key("set-cookie"));
    let wrong = seen(bench.try_sign_in("ada", "not the password").await);
    assert_eq!((wrong.0, wrong.2), (401, false));
    assert_eq!(seen(bench.try_sign_in("nobody", PASSWORD).await), wrong);
    assert_eq!(seen(bench.try_sign_in("no such name\r\nset-cookie: x", PASSWORD).await), wrong);
    assert_eq!(bench.ask(&root, "PATCH", &format!("/api/v1/users/{ada}"), Some(disabled)).await.status, 200);
    assert_eq!(seen(bench.try_sign_in("ada", PASSWORD).await), wrong);
    // And leaves a record, with the name that was tried and no password.
    // Its own record comes after theirs, and it waits for it.
    assert_eq!(may(&bench, &root, "GET", "/api/v1/audit").await, 200);
    let records = audited(&bench, "session.refuse");
    assert_eq!(records.len(), 4);
    assert!(records.iter().all(|record| record.from == "192.0.2.7" && record.who == "nobody"), "{records:?}");
    assert!(!format!("{records:?}").contains("not the password"), "{records:?}");
}

#[tokio::test]
async fn guessing_is_slowed_down_by_name() {
    let bench = guarded();
    bench.user("ada", &[Role::Analyst]).await;
    for _ in 0..5 {
        assert_eq!(bench.try_sign_in("ada", "not the password").await.status, 401);
    }
    let refused = bench.try_sign_in("ada", PASSWORD).await;
    assert_eq!(refused.status, 429, "even with the right one");
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(refused.json()["code"], "too_many_requests");
    assert_eq!(bench.try_sign_in("bob", "not the password").await.status, 401);
}

#[tokio::test]
async fn what_a_page_of_anothers_makes_a_browser_send_changes_nothing() {
    let bench = guarded();
    bench.user("ada", &[Role::Analyst]).await;
    let Shows::Cookie(cookie) = bench.sign_in("ada").await else { panic!("a cookie") };
    let cookie = format!("als={cookie}");
    let body = json!({ "name": "a program", "scopes": ["read"] }).to_string();
    let make = async |headers: &[(&str, &str)]| {
        let headers = [&[("cookie", cookie.as_str()), ("content-type", "application/json")], headers].concat();
        bench.ask_with(&headers, "POST", "/api/v1/tokens", body.clone()).await.status
    };
    assert_eq!(make(&[("origin", HOST)]).await, 201);
    assert_eq!(make(&[("sec-fetch-site", "same-origin")]).await, 201);
    for headers in [
        vec![],
        vec![("origin", "http://evil.example")],
        vec![("origin", "null")],
        vec![("sec-fetch-site", "same-site")],
    ] {
        assert_eq!(make(&headers).await, 403, "{headers:?}");
    }
    // A form, which browsers send across origins without asking.
    let form = [("cookie", cookie.as_str()), ("content-type", "text/plain"), ("origin", HOST)];
    assert_eq!(bench.ask_with(&form, "POST", "/api/v1/tokens", body.clone()).await.status, 415);
    let sign_in = json!({ "name": "ada", "password": PASSWORD }).to_string();
    let from = [("origin", "http://evil.example"), ("content-type", "application/json")];
    assert_eq!(bench.ask_with(&from, "POST", "/api/v1/session", sign_in).await.status, 403, "nor signs anybody in");
}

#[tokio::test]
async fn members_that_nobody_asked_for_are_refused() {
    let bench = guarded();
    let root = bench.user("root", &[Role::Admin]).await;
    let session = bench.sign_in("root").await;
    for (method, path, body) in [
        ("POST", "/api/v1/session".to_owned(), json!({ "name": "root", "password": PASSWORD, "roles": ["admin"] })),
        ("POST", "/api/v1/registration".into(), json!({ "name": "eve", "password": PASSWORD, "roles": ["admin"] })),
        ("POST", "/api/v1/users".into(), json!({ "name": "eve", "roles": ["analyst"], "id": 1 })),
        ("PATCH", format!("/api/v1/users/{root}"), json!({ "state": "active", "name": "eve" })),
        (
            "PUT",
            "/api/v1/account/password".into(),
            json!({ "current": PASSWORD, "new": "another password", "user": 2 }),
        ),
        ("POST", "/api/v1/tokens".into(), json!({ "name": "t", "scopes": ["read"], "user": 2 })),
        ("POST", "/api/v1/invitations".into(), json!({ "roles": ["analyst"], "expires": "9999-12-31T00:00:00Z" })),
    ] {
        let reply = bench.ask(&session, method, &path, Some(body)).await;
        assert_eq!((reply.status, &reply.json()["code"]), (400, &json!("malformed_body")), "{method} {path}");
    }
    // Nor what is no sensible value.
    for body in [
        json!({ "name": "eve", "roles": [] }),
        json!({ "name": "eve\r\nx-admin: 1", "roles": ["analyst"] }),
        json!({ "name": "<script>", "roles": ["analyst"] }),
        json!({ "name": "eve", "roles": ["root"] }),
        json!({ "name": 7, "roles": ["analyst"] }),
    ] {
        assert_eq!(bench.ask(&session, "POST", "/api/v1/users", Some(body.clone())).await.status, 400, "{body}");
    }
    for body in [
        json!({ "name": "t", "scopes": [] }),
        json!({ "name": "t\u{7}", "scopes": ["read"] }),
        json!({ "name": "t", "scopes": ["read"], "expires_days": 366 }),
    ] {
        assert_eq!(bench.ask(&session, "POST", "/api/v1/tokens", Some(body.clone())).await.status, 400, "{body}");
    }
}

#[tokio::test]
async fn what_is_revoked_ends_at_once() {
    let bench = guarded();
    bench.user("root", &[Role::Admin]).await;
    let ada = bench.user("ada", &[Role::Analyst]).await;
    let (root, session, other) = (bench.sign_in("root").await, bench.sign_in("ada").await, bench.sign_in("ada").await);
    let (token, id) = bench.token(&session, &["read"]).await;
    assert_eq!(may(&bench, &token, "GET", "/metrics").await, 200);
    assert_eq!(may(&bench, &session, "DELETE", &format!("/api/v1/tokens/{id}")).await, 204);
    assert_eq!(may(&bench, &token, "GET", "/metrics").await, 401);
    assert_eq!(may(&bench, &token, "GET", "/health").await, 401, "a bad key is never nobody");

    assert_eq!(may(&bench, &session, "DELETE", "/api/v1/session").await, 204);
    assert_eq!(may(&bench, &session, "GET", "/api/v1/tokens").await, 401);
    let page = bench.ask(&session, "GET", "/api/v1/session", None).await;
    assert_eq!((page.status, &page.json()["caller"]), (200, &json!("nobody")), "one can sign in again");
    assert!(page.headers["set-cookie"].to_str().unwrap().starts_with("als=;"), "and the browser forgets the old one");
    assert_eq!(may(&bench, &other, "GET", "/api/v1/tokens").await, 200);

    // Less than before, at once.
    assert_eq!(may(&bench, &other, "GET", "/metrics").await, 200);
    let path = format!("/api/v1/users/{ada}");
    assert_eq!(bench.ask(&root, "PATCH", &path, Some(json!({ "roles": ["device_owner"] }))).await.status, 200);
    assert_eq!(may(&bench, &other, "GET", "/metrics").await, 403);
    assert_eq!(may(&bench, &root, "DELETE", &format!("{path}/sessions")).await, 204);
    let ended = bench.ask(&other, "GET", "/api/v1/tokens", None).await;
    assert_eq!(ended.status, 401);
    assert!(ended.headers["set-cookie"].to_str().unwrap().starts_with("als=;"), "the browser is told to forget it");
    assert_eq!(may(&bench, &root, "DELETE", &path).await, 204);
    assert_eq!(bench.try_sign_in("ada", PASSWORD).await.status, 401);
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let bench = guarded();
    let root = bench.user("root", &[Role::Admin]).await;
    let session = bench.sign_in("root").await;
    let path = format!("/api/v1/users/{root}");
    let change = async |path: &str, body: Value| bench.ask(&session, "PATCH", path, Some(body)).await.status;
    assert_eq!(change(&path, json!({ "state": "disabled" })).await, 409);
    assert_eq!(change(&path, json!({ "roles": ["auditor"] })).await, 409);
    assert_eq!(may(&bench, &session, "DELETE", &path).await, 409);
    // One who is disabled does not count.
    let second = bench.user("second", &[Role::Admin]).await;
    assert_eq!(change(&format!("/api/v1/users/{second}"), json!({ "state": "disabled" })).await, 200);
    assert_eq!(may(&bench, &session, "DELETE", &path).await, 409);
    assert_eq!(change(&format!("/api/v1/users/{second}"), json!({ "state": "active" })).await, 200);
    assert_eq!(may(&bench, &session, "DELETE", &path).await, 204);
    assert_eq!(may(&bench, &session, "GET", "/api/v1/users").await, 401);
}

#[tokio::test]
async fn who_got_a_password_changes_it_before_anything_else() {
    let bench = guarded();
    bench.user("root", &[Role::Admin]).await;
    let root = bench.sign_in("root").await;
    let made = bench.ask(&root, "POST", "/api/v1/users", Some(json!({ "name": "bob", "roles": ["admin"] }))).await;
    let password = made.json()["password"].as_str().unwrap().to_owned();
    let bob = bench.sign_in_with("bob", &password).await;
    assert_eq!(bench.ask(&bob, "GET", "/api/v1/session", None).await.json()["must_change_password"], true);
    for path in ["/api/v1/users", "/api/v1/tokens", "/api/v1/account/sessions", "/api/v1/audit", "/metrics"] {
        assert_eq!(may(&bench, &bob, "GET", path).await, 403, "{path}");
    }
    let change = async |current: &str, new: &str| {
        bench.ask(&bob, "PUT", "/api/v1/account/password", Some(json!({ "current": current, "new": new }))).await.status
    };
    assert_eq!(change("not the password", "another password").await, 403);
    for new in [password.as_str(), "short", "bob", "password1234", "aaaaaaaaaaaa"] {
        assert_eq!(change(&password, new).await, 400, "{new}");
    }
    let elsewhere = bench.sign_in_with("bob", &password).await;
    assert_eq!(change(&password, "another password").await, 204);
    assert_eq!(may(&bench, &bob, "GET", "/api/v1/users").await, 200);
    assert_eq!(may(&bench, &elsewhere, "GET", "/api/v1/users").await, 401, "other sessions end");
    assert_eq!(bench.try_sign_in("bob", &password).await.status, 401);
}

#[tokio::test]
async fn an_invitation_is_good_for_one() {
    let bench = guarded();
    bench.user("root", &[Role::Admin]).await;
    let root = bench.sign_in("root").await;
    let invite =
        async || bench.ask(&root, "POST", "/api/v1/invitations", Some(json!({ "roles": ["analyst"] }))).await.json();
    let register = async |name: &str, invitation: &Value| {
        let body = json!({ "name": name, "password": PASSWORD, "invitation": invitation });
        bench.ask(&Shows::Nothing, "POST", "/api/v1/registration", Some(body)).await
    };
    let made = invite().await;
    assert_eq!(made["path"], format!("/ui/register#{}", made["secret"].as_str().unwrap()));
    assert_eq!(
        register("root", &made["secret"]).await.status,
        409,
        "the name is taken, and the invitation still holds"
    );
    let ada = register("ada", &made["secret"]).await;
    assert_eq!((ada.status, &ada.json()["roles"]), (201, &json!(["analyst"])));
    assert_eq!(register("eve", &made["secret"]).await.status, 403);
    assert_eq!(register("eve", &json!("ali_x")).await.status, 403);
    assert_eq!(register("eve", &Value::Null).await.status, 403, "registration is not open");
    bench.sign_in("ada").await;

    let second = invite().await;
    let open = bench.ask(&root, "GET", "/api/v1/invitations", None).await.json();
    assert_eq!(open["items"], json!([second["invitation"]]));
    let path = format!("/api/v1/invitations/{}", second["invitation"]["id"]);
    assert_eq!(may(&bench, &root, "DELETE", &path).await, 204);
    assert_eq!(may(&bench, &root, "DELETE", &path).await, 404);
    assert_eq!(register("eve", &second["secret"]).await.status, 403);
}

#[tokio::test]
async fn every_act_is_in_the_audit_log_and_can_be_found_there() {
    let bench = guarded();
    bench.user("root", &[Role::Admin]).await;
    let root = bench.sign_in("root").await;
    bench.user("ada", &[Role::Analyst]).await;
    let ada = bench.sign_in("ada").await;
    bench.token(&ada, &["read"]).await;
    assert_eq!(may(&bench, &ada, "GET", "/api/v1/anomalies?limit=5").await, 200);
    assert_eq!(may(&bench, &ada, "POST", "/api/v1/users").await, 403);
    let list = async |query: &str| bench.ask(&root, "GET", &format!("/api/v1/audit?{query}"), None).await.json();
    let of_ada = list("who=user%20ada").await;
    let whats: Vec<_> = of_ada["items"].as_array().unwrap().iter().map(|item| item["what"].as_str().unwrap()).collect();
    let expected =
        ["request.refuse", "payload.read", "token.create", "session.begin", "password.change", "session.begin"];
    assert_eq!(whats, expected);
    assert_eq!(of_ada["items"][0]["object"], "POST /api/v1/users");
    assert_eq!(of_ada["items"][1]["from"], "192.0.2.7");
    let one = list("what=token.&limit=1").await;
    assert_eq!(one["items"][0]["what"], "token.create");
    let next = list(&format!("what=token.&cursor={}", one["next_cursor"].as_str().unwrap())).await;
    assert_eq!(next["items"], json!([]));
    assert_eq!(list("since=2999-01-01T00:00:00Z").await["items"], json!([]));
    assert_eq!(may(&bench, &root, "GET", "/api/v1/audit?since=yesterday").await, 400);
    // A cursor above the newest record reads what a page without one does, and leaves a record as well.
    let reads = audited(&bench, "audit.read").len();
    assert!(!list("cursor=9007199254740991").await["items"].as_array().unwrap().is_empty());
    assert_eq!(audited(&bench, "audit.read").len(), reads + 1);
    assert_eq!(may(&bench, &ada, "GET", "/api/v1/audit").await, 403);

    let export = bench.ask(&root, "GET", "/api/v1/audit/export", None).await;
    assert_eq!(export.headers["content-type"], "application/x-ndjson");
    let stored: Vec<u8> = bench
        .house
        .audit
        .audit_from(0, 10_000)
        .unwrap()
        .into_iter()
        .flat_map(|(_, bytes)| [bytes, vec![b'\n']].concat())
        .collect();
    assert_eq!(export.text.as_bytes(), stored, "byte for byte, and its own record among them");
}

#[tokio::test]
async fn payloads_are_for_those_who_may_read_them() {
    let bench = guarded();
    let whole = |anomaly: &Value| !anomaly["device"].as_str().unwrap().is_empty();
    let anomaly = async |shows: &Shows| {
        bench.ask(shows, "GET", "/api/v1/anomalies?limit=1", None).await.json()["items"][0].clone()
    };
    let compatible = async |shows: &Shows| bench.ask(shows, "GET", "/anomalies?limit=1", None).await.json()[0].clone();
    for (name, role, sees) in [
        ("a", Role::Admin, false),
        ("b", Role::Analyst, true),
        ("c", Role::DeviceOwner, false),
        ("d", Role::Auditor, true),
    ] {
        bench.user(name, &[role]).await;
        let session = bench.sign_in(name).await;
        let shown = anomaly(&session).await;
        assert_eq!(whole(&shown), sees, "{name}: {shown}");
        assert!(
            !shown["id"].as_str().unwrap().is_empty() && !shown["severity"].as_str().unwrap().is_empty(),
            "the entry is everybody's"
        );
        assert_eq!(!compatible(&session).await["sensor_id"].as_str().unwrap().is_empty(), sees);
    }
    let shown = anomaly(&Shows::Nothing).await;
    assert!(!whole(&shown) && shown["values"] == json!([]) && shown["score"] == 0.0, "{shown}");
    assert_eq!(audited(&bench, "payload.read").len(), 6, "of b, c and d, twice each");
}
