//! The description of the interface, against what is served.

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::Value;

use super::{PAGES, bench::Bench};

/// Where intake names its routes. They are compared as text: this module knows nothing of that one.
const INTAKE: &str = include_str!("../../ingest/mod.rs");
const INTAKE_HANDLERS: [&str; 6] = [
    include_str!("../../ingest/readings.rs"),
    include_str!("../../ingest/ws/mod.rs"),
    include_str!("../../ingest/flows/mod.rs"),
    include_str!("../../ingest/feedback.rs"),
    include_str!("../../ingest/compat.rs"),
    include_str!("../../ingest/influx.rs"),
];
const READERS: [&str; 5] = [
    include_str!("../mod.rs"),
    include_str!("../assets.rs"),
    include_str!("../accounts/mod.rs"),
    include_str!("../devices/mod.rs"),
    include_str!("../series/mod.rs"),
];

/// Paths and their methods, by `/api/openapi.json` of the read side.
pub(super) async fn documented(bench: &Bench) -> Vec<(String, BTreeSet<String>)> {
    let description: Value = serde_json::from_slice(&bench.get("/api/openapi.json").await.body).unwrap();
    let paths = description["paths"].as_object().unwrap();
    let methods = |item: &Value| item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
    paths.iter().map(|(path, item)| (path.clone(), methods(item))).collect()
}

/// The paths that a module gives to its router.
pub(super) fn routed(source: &str) -> Vec<String> {
    let after = source.split(".route(").skip(1).filter_map(|text| text.trim_start().strip_prefix('"'));
    after.filter_map(|text| Some(text.split_once('"')?.0.replace("{*", "{"))).collect()
}

/// Methods and paths of intake, by what it says of itself.
pub(super) fn intake() -> BTreeSet<(String, String)> {
    let handlers = INTAKE_HANDLERS.into_iter().flat_map(|source| source.split("utoipa::path(").skip(1));
    let route = |text: &str| {
        let method = text.trim_start().split_once(',').unwrap().0.to_uppercase();
        (method, text.split_once("path = \"").unwrap().1.split_once('"').unwrap().0.to_owned())
    };
    handlers.map(route).collect()
}

#[tokio::test]
async fn what_is_served_is_documented() {
    let bench = Bench::new();
    let documented: BTreeSet<String> = documented(&bench).await.into_iter().map(|(path, _)| path).collect();
    let pages = PAGES.map(str::to_owned);
    let served: BTreeSet<String> = READERS.into_iter().flat_map(routed).filter(|path| !pages.contains(path)).collect();
    assert!(served.len() > 10);
    assert_eq!(documented, served);

    let served: BTreeSet<String> = routed(INTAKE).into_iter().collect();
    assert_eq!(intake().into_iter().map(|(_, path)| path).collect::<BTreeSet<_>>(), served);
}

#[tokio::test]
async fn documented_methods_are_those_served() {
    let bench = Bench::new();
    for (path, methods) in documented(&bench).await {
        let path = path.replace("{index}", "0").replace("{path}", "0/000.p/1").replace("{hash}", &"0".repeat(64));
        // There is no such user, session, token or invitation.
        let numbered = path.contains("{id}");
        let path =
            path.replace("{name}", "generic").replace("{id}", "1").replace("{ip}", "10.0.0.1").replace("{device}", "d");
        let refused = bench.send(Method::from_bytes(b"BREW").unwrap(), &path).await.unwrap();
        assert_eq!(refused.status, 405, "{path}");
        let allowed = refused.headers["allow"].to_str().unwrap().split(',').map(str::to_owned);
        let head = |method: &String| method == "HEAD" && methods.contains("GET");
        assert_eq!(allowed.filter(|method| !head(method)).collect::<BTreeSet<_>>(), methods, "{path}");
        for method in methods {
            let answer = bench.send(Method::from_bytes(method.as_bytes()).unwrap(), &path).await.unwrap();
            // There is no such device, key or address.
            let absent = path == "/api/v1/trust"
                || numbered
                || path.contains("/devices/generic")
                || path.contains("/addresses/");
            let refused: &[u16] = if absent { &[405] } else { &[404, 405] };
            assert!(!refused.contains(&answer.status.as_u16()), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn every_answer_that_occurs_is_documented() {
    let bench = Bench::new();
    let description: Value = serde_json::from_slice(&bench.get("/api/openapi.json").await.body).unwrap();
    assert!(description["components"]["schemas"]["Problem"].is_object());
    let paths = description["paths"].as_object().unwrap().iter();
    for (path, operation) in paths.flat_map(|(path, item)| item.as_object().unwrap().values().map(move |o| (path, o))) {
        let responses = operation["responses"].as_object().unwrap();
        let well = responses.keys().filter(|status| status.starts_with('2')).count();
        assert!(well == 1 && responses.contains_key("401") && responses.contains_key("403"), "{path}");
        assert_eq!(responses.contains_key("500"), path != "/metrics", "{path}");
        assert_eq!(responses.contains_key("503"), path != "/metrics", "{path}");
        let asks = operation.get("parameters").is_some() || operation.get("requestBody").is_some();
        assert_eq!(responses.contains_key("400"), asks, "{path}");
        for (status, response) in responses {
            assert_ne!(response["description"], "", "{path} {status}");
            let problem = &response["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(problem == "#/components/schemas/Problem", status.as_str() >= "400", "{path} {status}");
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let schema = &parameter["schema"];
            if parameter["name"] == "limit" {
                assert_eq!((&schema["minimum"], &schema["maximum"]), (&1.into(), &500.into()), "{path}");
            }
            assert!(parameter["description"].is_string(), "{path} {}", parameter["name"]);
        }
    }
}
