//! The whole router, on a store made for the purpose: every route, every method, every malformed path.

#![allow(clippy::unwrap_used)]

mod accounts;
mod anomalies;
mod bench;
mod description;
mod feed;
mod log;
mod people;
mod permissions;
mod series;
mod shelf;

use api::{Code, Problem};
use axum::http::{Method, StatusCode};
use bench::{Answer, Bench, Fault};

/// Routes that the description leaves out: pages for people, and the description itself.
const PAGES: [&str; 8] =
    ["/", "/ui", "/ui/", "/ui/{path}", "/api/docs", "/api/docs/", "/api/docs/{path}", "/api/openapi.json"];

const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"];

/// What goes in the place of a parameter, and after a path.
const MALFORMED: [&str; 18] = [
    "%ff",
    "a%ffb",
    "%",
    "%zz",
    "%00",
    "%0d%0aset-cookie:%20a",
    "..%2f..%2fetc%2fpasswd",
    "-1",
    "+5",
    "05",
    "1.0",
    "NaN",
    "9007199254740992",
    "99999999999999999999999999999999",
    "0/000",
    "x/%ff",
    "nope.js",
    "%F0%9F%98%80",
];

const QUERIES: [&str; 9] = [
    "",
    "?limit=0",
    "?limit=501",
    "?limit=+5",
    "?limit=%ff",
    "?limit=1&limit=2",
    "?cursor=+5",
    "?cursor=%ff",
    "?admin=true",
];

/// An error is a problem document that says the same as the status line.
fn assert_explained(answer: &Answer, what: &str) {
    if !(answer.status.is_client_error() || answer.status.is_server_error()) {
        return;
    }
    assert_eq!(answer.headers["content-type"], "application/problem+json", "{what}");
    assert_eq!(answer.headers.contains_key("allow"), answer.status == StatusCode::METHOD_NOT_ALLOWED, "{what}");
    let may_pass = answer.status == StatusCode::SERVICE_UNAVAILABLE;
    let wait = may_pass || answer.status == StatusCode::TOO_MANY_REQUESTS;
    assert_eq!(answer.headers.contains_key("retry-after"), wait, "{what}");
    if answer.body.is_empty() && what.starts_with("HEAD ") {
        return;
    }
    let problem: Problem = serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(problem.status, answer.status.as_u16(), "{what}");
    assert!(!problem.detail.is_empty() && problem.detail.len() < 500, "{what}: {}", problem.detail);
    assert!(!problem.detail.contains(['\r', '\n']), "{what}: {}", problem.detail);
    assert_eq!(problem.code == Code::Unavailable, may_pass, "{what}");
}

async fn walk(bench: &Bench) -> usize {
    let documented = description::documented(bench).await;
    let routes = documented.iter().map(|(path, _)| path.as_str()).chain(PAGES).chain(["", "*"]);
    let mut asked = 0;
    for route in routes {
        let mut paths: Vec<String> = QUERIES.iter().map(|query| format!("{route}{query}")).collect();
        paths.extend(MALFORMED.iter().map(|part| format!("{route}/{part}")));
        if let Some((before, after)) = route.split_once('{') {
            let after = after.split_once('}').unwrap().1;
            paths = ["0", ""].iter().chain(&MALFORMED).map(|part| format!("{before}{part}{after}")).collect();
        }
        for path in paths {
            for method in METHODS {
                let Some(answer) = bench.send(Method::from_bytes(method.as_bytes()).unwrap(), &path).await else {
                    continue;
                };
                let what = format!("{method} {path}: {}", answer.status);
                // Says what is the matter in its own form, as is documented.
                if !(route == "/ready" && answer.headers["content-type"] == "application/json") {
                    assert_explained(&answer, &what);
                }
                assert!(answer.headers.contains_key("content-security-policy"), "{what}");
                asked += 1;
            }
        }
    }
    asked
}

#[tokio::test]
async fn every_error_is_a_problem_document() {
    let bench = Bench::new();
    assert!(walk(&bench).await > 3_000);
}

#[tokio::test]
async fn every_error_of_the_store_is_a_problem_document() {
    for fault in [Fault::Engine, Fault::Damaged, Fault::Panic] {
        let bench = Bench::new();
        bench.log.fail(fault);
        let get = async |path| bench.get(path).await;
        let expected = if matches!(fault, Fault::Engine) { 503 } else { 500 };
        for path in [
            "/api/v1/anomalies",
            "/api/v1/entries/0",
            "/api/v1/entries/0/evidence",
            "/api/v1/ledger",
            "/api/v1/feed",
            "/api/v1/devices/d/readings",
            "/api/v1/devices/d/readings/latest",
            "/api/v1/devices/d/series?metric=t",
            "/api/v1/readings/export",
            "/api/v1/statistics/devices",
            "/api/v1/statistics/anomalies",
            "/checkpoint",
            "/tile/0/000.p/1",
            "/tile/entries/000.p/1",
            "/anomalies",
            "/latest_anomalies",
            "/health",
            "/ready",
        ] {
            let answer = get(path).await;
            assert_eq!(answer.status, expected, "{path}");
            assert_explained(&answer, path);
            assert!(!String::from_utf8_lossy(&answer.body).contains("secret"), "{path}");
        }
    }
}

#[tokio::test]
async fn known_paths_get_what_they_should() {
    let bench = Bench::new();
    for (path, status) in [
        ("/api/v1/entries/%ff", 400),
        ("/api/v1/entries/+0", 400),
        ("/api/v1/entries/7", 404),
        ("/tile/%ff", 400),
        ("/tile/0/%ff", 400),
        ("/tile/0%2F000.p%2F4", 200),
        ("/ui/%ff", 400),
        ("/api/docs/%ff", 400),
        ("/api/docs/nope.js", 404),
        ("/api/docs/", 200),
        ("/api/v1/anomalies?cursor=+5", 400),
        ("/api/v1/anomalies?cursor=05", 400),
        ("/api/v1/anomalies?cursor=5", 200),
    ] {
        assert_eq!(bench.get(path).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn readiness_knows_of_commits_and_of_the_chain() {
    let bench = Bench::new();
    let status = async || {
        let answer = bench.get("/ready").await;
        let health: api::ServiceHealth = serde_json::from_slice(&answer.body).unwrap();
        (answer.status.as_u16(), health.status)
    };
    assert_eq!(status().await, (200, "ok".into()));

    bench.view.send_modify(|view| {
        view.health = crate::domain::log::ChainHealth::Unreachable;
        view.problem = Some("the chain does not answer at http://user:secret@node:1/x".into());
    });
    assert_eq!(status().await, (503, "the chain does not answer at http://node:1/x".into()));
    let ledger = String::from_utf8(bench.get("/api/v1/ledger").await.body).unwrap();
    assert!(ledger.contains(r#""rpc_url":"http://node.example:8545/path""#), "{ledger}");
    assert!(!ledger.contains("secret"), "{ledger}");

    bench.halt.set_failing(true);
    assert!(status().await.1.contains("commit"));
    bench.halt.set_failing(false);
    bench.halt.set("the log has left its chain".into());
    assert_eq!(status().await, (503, "the log has left its chain".into()));
    assert_eq!(bench.get("/health").await.status, 200);
}
