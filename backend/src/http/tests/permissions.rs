//! Every route × every kind of caller × an object of one's own or of somebody else's, against the table.

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::json;

use super::{bench::Bench, description, people::Shows};
use crate::{
    access::{Pass, routes::ROUTES},
    domain::{
        DeviceName,
        access::{Action, Caller, Reach, Role, Roles, Scope, Scopes, UserId},
    },
};

/// A kind of caller: who it is by the table, and what it shows.
struct Kind {
    name: String,
    is: Caller,
    /// The user behind it; asked for a new session where a request ends sessions.
    user: Option<&'static str>,
    /// The device that is meant where a path names one.
    device: String,
    shows: Shows,
}

/// The callers, and an administrator who prepares what they ask for.
struct Cast {
    kinds: Vec<Kind>,
    root: Shows,
    /// Each device with its owner.
    devices: Vec<(String, i64)>,
}

const USERS: [(&str, &[Role]); 6] = [
    ("ann.admin", &[Role::Admin]),
    ("ann.analyst", &[Role::Analyst]),
    ("ann.owner", &[Role::DeviceOwner]),
    ("ann.auditor", &[Role::Auditor]),
    ("ann.several", &[Role::Analyst, Role::DeviceOwner]),
    ("ann.all", &Role::ALL),
];

fn person(roles: &[Role], scopes: Scopes) -> Caller {
    Caller::Person { id: UserId(0), name: String::new(), roles: Roles::of(roles.iter().copied()), scopes }
}

/// A device of nobody's here.
const STRANGE: &str = "strange";

async fn cast(bench: &Bench) -> Cast {
    bench.user("root", &[Role::Admin]).await;
    let root = bench.sign_in("root").await;
    let kind = |name: String, is, user, device: &str, shows| Kind { name, is, user, device: device.into(), shows };
    let mut kinds = vec![kind("nobody".into(), Caller::Nobody, None, STRANGE, Shows::Nothing)];
    let mut devices = Vec::new();
    for (user, roles) in USERS {
        let id = bench.user(user, roles).await;
        let device = format!("of-{user}");
        bench.device(&root, &device, id).await;
        let session = bench.sign_in(user).await;
        for scopes in [vec![Scope::Read], vec![Scope::Send], vec![Scope::Manage], Scope::ALL.to_vec()] {
            let names: Vec<_> = scopes.iter().map(|scope| scope.name()).collect();
            let name = format!("token {} of {user}", names.join("+"));
            let shows = bench.token(&session, &names).await.0;
            kinds.push(kind(name, person(roles, Scopes::of(scopes)), None, &device, shows));
        }
        kinds.push(kind(user.into(), person(roles, Scopes::SESSION), Some(user), &device, session));
        devices.push((device, id));
    }
    // A device by its key.
    let id = bench.user("ann.keeper", &[Role::DeviceOwner]).await;
    bench.device(&root, "with-key", id).await;
    let is = Caller::Device(DeviceName::new("with-key").unwrap());
    kinds.push(kind("a device".into(), is, None, "with-key", bench.key(&root, "with-key").await));
    bench.device(&root, STRANGE, id).await;
    devices.push((STRANGE.into(), id));
    // Somebody who has yet to change the password.
    let nobody = Pass { caller: Caller::Nobody, from: [127, 0, 0, 1].into(), credential: None };
    let made = bench.house.accounts.create_user(&nobody, "ann.new", Roles::of(Role::ALL)).await.unwrap();
    let shows = bench.sign_in_with("ann.new", &made.secret).await;
    kinds.push(kind("new".into(), person(&Role::ALL, Scopes::PASSWORD), None, STRANGE, shows));
    Cast { kinds, root, devices }
}

/// A path of this route, for a device and other things that are not there.
fn path(route: &str, device: &str) -> String {
    let filled = route.replace("{index}", "0").replace("{hash}", &"0".repeat(64)).replace("{id}", "999999");
    let filled = filled.replace("{*path}", "0/000.p/1").replace("{*rest}", "x");
    let filled = filled.replace("/devices/{name}", &format!("/devices/{device}"));
    let parts = filled.split('/').map(|part| match part {
        "{device}" => device,
        part if part.starts_with('{') => "something",
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

/// What such a route takes.
fn body(method: &Method, route: &str) -> Option<serde_json::Value> {
    match *method {
        Method::PATCH => Some(json!({ "location": "elsewhere" })),
        Method::PUT if route.ends_with("/public-key") => Some(json!({ "public_key": "A".repeat(43) + "=" })),
        Method::POST => Some(json!({})),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_serves_those_whom_the_table_lets_in_and_nobody_else() {
    let bench = Bench::of(false);
    let Cast { mut kinds, root, devices } = cast(&bench).await;
    let (mut asked, mut allowed) = (0, 0);
    for (method, route, action) in ROUTES {
        for kind in &mut kinds {
            let ends_sessions = method == "DELETE" && *action == Action::OwnAccount;
            let shows = match kind.user {
                Some(user) if ends_sessions => bench.sign_in(user).await,
                _ => kind.shows.clone(),
            };
            if ends_sessions && kind.name == "new" {
                continue;
            }
            // Whoever could has deleted it.
            let of = devices.iter().find(|(device, _)| *device == kind.device);
            if let (Some((device, owner)), true) = (of, route.contains("/devices/")) {
                bench.device(&root, device, *owner).await;
            }
            let path = path(route, &kind.device);
            let reply = bench.ask(&shows, method.as_str(), &path, None).await;
            let what = format!("{method} {path} by {}: {}", kind.name, reply.text);
            match kind.is.may(*action) {
                Some(_) => {
                    // One's own account waits for the password, but for changing it and asking who one is.
                    let waits = kind.name == "new"
                        && *action == Action::OwnAccount
                        && !["/api/v1/account/password", "/api/v1/session"].contains(route);
                    let expected_403 = waits && method == "GET";
                    let forbidden = [401, 403].contains(&reply.status);
                    // Registration is closed here, which is no matter of who asks.
                    assert!(forbidden == expected_403 || waits || *route == "/api/v1/registration", "{what}");
                    allowed += 1;
                }
                None if kind.is == Caller::Nobody => assert_eq!(reply.status, 401, "{what}"),
                None => assert_eq!(reply.status, 403, "{what}"),
            }
            asked += 1;
            // That has ended the others of this user as well.
            if ends_sessions && let (Some(user), "/api/v1/account/sessions") = (kind.user, *route) {
                kind.shows = bench.sign_in(user).await;
            }
        }
    }
    println!("{asked} requests, {allowed} allowed");
    assert!(asked > 1_000 && allowed > 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_of_somebody_elses_is_as_if_it_were_not_there() {
    let bench = Bench::of(false);
    let Cast { kinds, root, .. } = cast(&bench).await;
    let mut asked = 0;
    for (method, route, action) in ROUTES.iter().filter(|(_, route, _)| route.contains("/api/v1/devices/{name}")) {
        for kind in kinds.iter().filter(|kind| kind.is.may(*action) == Some(Reach::Own)) {
            let answer = async |device: &str| {
                let reply = bench.ask(&kind.shows, method.as_str(), &path(route, device), body(method, route)).await;
                (reply.status, reply.text.replace(device, "DEVICE"))
            };
            let theirs = answer(STRANGE).await;
            assert!([403, 404].contains(&theirs.0), "{method} {route} by {}: {theirs:?}", kind.name);
            assert_eq!(theirs, answer("not-there").await, "{method} {route} by {}", kind.name);
            asked += 1;
        }
    }
    assert!(asked > 40, "{asked}");
    let there = bench.ask(&root, "GET", &format!("/api/v1/devices/{STRANGE}"), None).await;
    assert_eq!(there.status, 200, "nobody has changed it: {}", there.text);
    for kind in kinds.iter().filter(|kind| kind.is.may(Action::ReadDevices) == Some(Reach::Own)) {
        let list = bench.ask(&kind.shows, "GET", "/api/v1/devices", None).await;
        assert!(list.text.contains(&kind.device) && !list.text.contains(STRANGE), "{}: {}", kind.name, list.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_somebody_elses_is_as_if_it_were_not_there() {
    let bench = Bench::of(false);
    for (user, roles) in USERS {
        bench.user(user, roles).await;
    }
    for (user, _) in USERS {
        for (other, _) in USERS.iter().filter(|(other, _)| *other != user) {
            let (session, others) = (bench.sign_in(user).await, bench.sign_in(other).await);
            let (_, own_token) = bench.token(&session, &["read"]).await;
            let (token, others_token) = bench.token(&others, &["read"]).await;
            let sessions = bench.ask(&others, "GET", "/api/v1/account/sessions", None).await.json();
            let current = sessions.as_array().unwrap().iter().find(|session| session["current"] == true).unwrap();
            let others_session = current["id"].as_u64().unwrap();
            for path in [format!("/api/v1/tokens/{others_token}"), format!("/api/v1/account/sessions/{others_session}")]
            {
                let theirs = bench.ask(&session, "DELETE", &path, None).await;
                let nothing = bench.ask(&session, "DELETE", "/api/v1/tokens/999999", None).await;
                assert_eq!((theirs.status, nothing.status), (404, 404), "{user} {path}: {}", theirs.text);
            }
            // Both still hold.
            assert_eq!(bench.ask(&token, "GET", "/api/v1/session", None).await.status, 200);
            assert_eq!(bench.ask(&others, "GET", "/api/v1/account/sessions", None).await.status, 200);
            let own = bench.ask(&session, "DELETE", &format!("/api/v1/tokens/{own_token}"), None).await;
            assert_eq!(own.status, 204);
            // Keeps below the number of tokens that one may have.
            let gone = bench.ask(&others, "DELETE", &format!("/api/v1/tokens/{others_token}"), None).await;
            assert_eq!(gone.status, 204);
        }
    }
}

#[tokio::test]
async fn the_table_the_router_and_the_description_have_the_same_routes() {
    let bench = Bench::of(false);
    let written = |route: &str| route.replace("{*", "{");
    let table: BTreeSet<(String, String)> =
        ROUTES.iter().map(|(method, route, _)| (method.to_string(), written(route))).collect();
    assert_eq!(table.len(), ROUTES.len(), "a route is in the table twice");

    let pages: BTreeSet<_> = super::PAGES.iter().map(|page| ("GET".to_owned(), (*page).to_owned())).collect();
    let mut described: BTreeSet<(String, String)> = pages.clone();
    for (path, methods) in description::documented(&bench).await {
        described.extend(methods.into_iter().map(|method| (method, path.clone())));
    }
    described.extend(description::intake());
    let by_page = |(method, path): &(String, String)| (method.clone(), path.replace("{rest}", "{path}"));
    let table: BTreeSet<_> = table.iter().map(by_page).collect();
    assert_eq!(described, table);

    // The router: each of them is served, and with no other method.
    for (_, route, _) in ROUTES {
        let path = path(route, STRANGE);
        let refused = bench.ask(&Shows::Nothing, "BREW", &path, None).await;
        if refused.status != 405 {
            assert!(route.starts_with("/api/docs") || route.starts_with("/api/openapi"), "{route}: {}", refused.status);
            continue;
        }
        let allow = refused.headers["allow"].to_str().unwrap();
        let served: BTreeSet<_> = allow.split(',').filter(|method| *method != "HEAD").collect();
        let listed: BTreeSet<_> =
            ROUTES.iter().filter(|(_, other, _)| other == route).map(|(method, ..)| method.as_str()).collect();
        assert_eq!(served, listed, "{route}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_of_anothers_makes_a_session_act_on_any_route() {
    let bench = Bench::of(false);
    bench.user("root", &Role::ALL).await;
    let Shows::Cookie(cookie) = bench.sign_in("root").await else { panic!("no cookie") };
    let cookie = format!("als={cookie}");
    let strangers = [
        None,
        Some(("origin", "http://evil.example")),
        Some(("origin", "null")),
        // Another service of the same machine, and the same one without TLS.
        Some(("origin", "http://localhost:9090")),
        Some(("origin", "https://localhost:8080")),
        Some(("sec-fetch-site", "same-site")),
        Some(("sec-fetch-site", "none")),
    ];
    let unsafe_routes = ROUTES.iter().filter(|(method, ..)| !method.is_safe());
    let sockets = [(Method::GET, "/api/v1/ws", Action::Open)];
    for (method, route, _) in unsafe_routes.chain(&sockets) {
        for stranger in strangers {
            let mut headers = vec![("cookie", cookie.as_str()), ("content-type", "application/json")];
            headers.extend(stranger);
            if *method == Method::GET {
                headers.extend([("upgrade", "websocket"), ("connection", "upgrade")]);
            }
            let sent = body(method, route).map(|body| body.to_string()).unwrap_or_default();
            let reply = bench.ask_with(&headers, method.as_str(), &path(route, STRANGE), sent).await;
            assert_eq!(reply.status, 403, "{method} {route} {stranger:?}: {}", reply.text);
            assert!(reply.text.contains("another origin"), "{method} {route} {stranger:?}: {}", reply.text);
        }
    }
    // The session is as it was.
    let ours = [("cookie", cookie.as_str()), ("origin", "http://localhost:8080")];
    assert_eq!(bench.ask_with(&ours, "DELETE", "/api/v1/session", String::new()).await.status, 204);
}
