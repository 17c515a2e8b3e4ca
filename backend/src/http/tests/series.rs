//! Readings, series, counts and exports over HTTP.

use std::{io::Read, sync::Arc};

use api::{AnomalyStatistics, Code, DeviceStatistics, Label, Page, Problem, Resolution, Series, StoredReading};
use axum::{
    Extension, Router,
    body::{Body, to_bytes},
    http::{Method, Request},
    response::Response,
};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use tower::ServiceExt;

use super::{
    bench::{Bench, Fault},
    shelf::row,
};
use crate::{
    access::{By, Credential, Pass},
    domain::{
        Clock, DeviceName, SystemClock,
        access::{Caller, Role, Roles, Scopes, UserId},
    },
    export::{Checker, Form},
    http::{Door, Shelf},
};

const READINGS: &str = "/api/v1/devices/d/readings";
const EXPORT: &str = "/api/v1/readings/export";

async fn get<T: DeserializeOwned>(bench: &Bench, path: &str) -> T {
    let answer = bench.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    serde_json::from_slice(&answer.body).unwrap()
}

async fn refused(bench: &Bench, path: &str) -> (u16, Code) {
    let answer = bench.get(path).await;
    let problem: Problem = serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{path}: {error}"));
    (answer.status.as_u16(), problem.code)
}

/// How many readings a whole export has.
fn checked(form: Form, bytes: &[u8]) -> u64 {
    let mut checker = Checker::of(form);
    checker.take(bytes).unwrap();
    checker.finish().unwrap().readings
}

fn times(page: &Page<StoredReading>) -> Vec<&str> {
    page.items.iter().map(|item| item.time.as_str()).collect()
}

#[tokio::test]
async fn readings_are_listed_in_both_orders_page_by_page() {
    let bench = Bench::new();
    let mut expected =
        ["08:10:00Z", "08:03:00Z", "08:02:00.5Z", "08:01:00Z", "08:00:00Z"].map(|time| format!("2026-01-05T{time}"));
    for order in ["newest", "oldest"] {
        let mut found = Vec::new();
        let mut path = format!("{READINGS}?order={order}&limit=2");
        loop {
            let page: Page<StoredReading> = get(&bench, &path).await;
            found.extend(times(&page).into_iter().map(str::to_owned));
            let Some(cursor) = page.next_cursor else { break };
            path = format!("{READINGS}?order={order}&limit=2&cursor={cursor}");
        }
        assert_eq!(found, expected, "{order}");
        expected.reverse();
    }
}

#[tokio::test]
async fn readings_are_chosen_by_time_in_any_zone_and_by_label() {
    let bench = Bench::new();
    for (query, expected) in [
        ("from=2026-01-05T08:01:00Z&to=2026-01-05T08:03:00Z", &["08:02:00.5Z", "08:01:00Z"][..]),
        ("from=2026-01-05T09:01:00%2B01:00&to=2026-01-05T09:03:00+01:00", &["08:02:00.5Z", "08:01:00Z"]),
        ("from=2026-01-05T03:03:00-05:00", &["08:10:00Z", "08:03:00Z"]),
        ("label=warming_up", &["08:00:00Z"]),
        ("label=anomaly", &["08:10:00Z", "08:02:00.5Z"]),
        ("from=2027-01-05T08:01:00Z", &[]),
        ("to=2026-01-05T08:00:00Z", &[]),
    ] {
        let page: Page<StoredReading> = get(&bench, &format!("{READINGS}?{query}")).await;
        let expected: Vec<String> = expected.iter().map(|time| format!("2026-01-05T{time}")).collect();
        assert_eq!(times(&page), expected, "{query}");
        assert_eq!(page.next_cursor, None);
    }
}

#[tokio::test]
async fn a_reading_says_what_was_sent_and_what_was_found() {
    let bench = Bench::new();
    let page: Page<StoredReading> = get(&bench, &format!("{READINGS}?label=anomaly")).await;
    let [silence, anomaly] = &page.items[..] else { panic!("two items") };
    assert!(silence.silence && silence.metrics.is_empty() && !silence.erased);
    assert_eq!((anomaly.sequence, anomaly.metrics["t"], anomaly.index), (Some(3), 200.0, Some(6)));
    let latest: StoredReading = get(&bench, &format!("{READINGS}/latest")).await;
    assert_eq!((latest.time.as_str(), latest.silence), ("2026-01-05T08:03:00Z", false));
}

#[tokio::test]
async fn wrong_parameters_and_unknown_devices_are_told_apart() {
    let bench = Bench::new();
    let invalid = (400, Code::InvalidParameter);
    for query in [
        "from=soon",
        "from=2026-01-05",
        "from=2026-01-05T09:00:00Z&to=2026-01-05T08:00:00Z",
        "from=2026-01-05T09:00:00Z&to=2026-01-05T09:00:00Z",
        "label=odd",
        "order=random",
        "limit=0",
        "limit=501",
        "cursor=5",
        "cursor=+5.t",
        "points=5",
    ] {
        assert_eq!(refused(&bench, &format!("{READINGS}?{query}")).await, invalid, "{query}");
    }
    for query in ["", "metric=t&points=1", "metric=t&points=2001", "metric=t&to=2026-01-05", "points=10"] {
        assert_eq!(refused(&bench, &format!("/api/v1/devices/d/series?{query}")).await, invalid, "{query}");
    }
    for query in ["limit=0", "limit=501", "from=x"] {
        assert_eq!(refused(&bench, &format!("/api/v1/statistics/devices?{query}")).await, invalid, "{query}");
    }
    for query in ["step=week", "step=hour&from=2000-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", "limit=5"] {
        assert_eq!(refused(&bench, &format!("/api/v1/statistics/anomalies?{query}")).await, invalid, "{query}");
    }
    for query in ["format=xlsx", "format=CSV", "label=odd", "device=%09", "limit=5", "to=x"] {
        assert_eq!(refused(&bench, &format!("{EXPORT}?{query}")).await, invalid, "{query}");
    }
    let missing = (404, Code::NotFound);
    for path in [
        "/api/v1/devices/e/readings",
        "/api/v1/devices/e/readings/latest",
        "/api/v1/devices/e/series?metric=t",
        "/api/v1/devices/d/series?metric=u",
        "/api/v1/readings/export?device=e",
    ] {
        assert_eq!(refused(&bench, path).await, missing, "{path}");
    }
    assert_eq!(refused(&bench, "/api/v1/devices/%20e/readings").await, invalid);
}

#[tokio::test]
async fn a_series_says_what_it_was_computed_from() {
    let bench = Bench::new();
    let path = "/api/v1/devices/d/series?metric=t&from=2026-01-05T08:00:30Z&to=2026-01-05T08:05:00Z";
    let series: Series = get(&bench, path).await;
    assert_eq!((series.resolution, series.step_ms, series.buckets.len()), (Resolution::Raw, 1_000, 3));
    let series: Series = get(&bench, &format!("{path}&points=5")).await;
    assert_eq!((series.resolution, series.step_ms), (Resolution::Minute, 60_000));
    assert_eq!((series.from.as_str(), series.to.as_str()), ("2026-01-05T08:00:00Z", "2026-01-05T08:05:00Z"));
    assert_eq!(series.buckets.iter().map(|bucket| bucket.anomalies).collect::<Vec<_>>(), [0, 0, 1, 0]);
    // Nothing in this time, but the metric is known.
    let series: Series = get(&bench, "/api/v1/devices/d/series?metric=t").await;
    assert!(series.buckets.is_empty());
}

#[tokio::test]
async fn counts_say_over_which_times() {
    let bench = Bench::new();
    let times = "from=2026-01-05T08:10:00Z&to=2026-01-05T08:20:00Z";
    let devices: DeviceStatistics = get(&bench, &format!("/api/v1/statistics/devices?{times}&limit=1")).await;
    assert_eq!((devices.from.as_str(), devices.to.as_str()), ("2026-01-05T08:00:00Z", "2026-01-05T09:00:00Z"));
    assert_eq!((devices.items[0].device.as_str(), devices.items[0].rate), ("d", 0.5));
    let counts: AnomalyStatistics = get(&bench, &format!("/api/v1/statistics/anomalies?{times}&step=day")).await;
    assert_eq!((counts.from.as_str(), counts.to.as_str()), ("2026-01-05T00:00:00Z", "2026-01-06T00:00:00Z"));
    let count = &counts.items[0];
    assert_eq!((count.r#type.as_str(), count.severity.as_str(), count.count), ("change_point", "critical", 2));
}

#[tokio::test]
async fn an_export_has_every_reading_and_ends_by_saying_so() {
    let bench = Bench::new();
    bench
        .readings
        .rows
        .lock()
        .unwrap()
        .insert(DeviceName::new("=e").unwrap(), vec![row("2026-01-05T07:00:00Z", Some(9), Some(1e300), Label::Normal)]);
    let answer = bench.get(EXPORT).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["content-type"]),
        (200, &"application/x-ndjson".parse().unwrap())
    );
    assert_eq!(checked(Form::Ndjson, &answer.body), 5);
    let text = String::from_utf8(answer.body).unwrap();
    assert!(
        text.starts_with(r#"{"device":"=e","time":"2026-01-05T07:00:00Z","sequence":9,"metrics":{"t":1e+300},"#),
        "{text}"
    );

    let answer = bench.get(&format!("{EXPORT}?format=csv&device=d&label=normal")).await;
    assert_eq!(answer.headers["content-disposition"], "attachment; filename=\"readings.csv\"");
    assert_eq!(checked(Form::Csv, &answer.body), 2);

    let empty = bench.get(&format!("{EXPORT}?from=2030-01-01T00:00:00Z")).await;
    assert_eq!(checked(Form::Ndjson, &empty.body), 0);
}

#[tokio::test]
async fn an_export_is_compressed_for_those_who_ask() {
    let bench = Bench::new();
    let plain = bench.get(EXPORT).await.body;
    let packed = bench.send_with(Method::GET, EXPORT, &[("accept-encoding", "gzip")]).await.unwrap();
    assert_eq!(packed.headers["content-encoding"], "gzip");
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(packed.body.as_slice()).read_to_end(&mut text).unwrap();
    assert_eq!(text, plain);
}

#[tokio::test]
async fn a_long_export_comes_in_pieces_and_stops_with_its_reader() {
    let bench = Bench::new();
    let many = 40_000_u64;
    let rows = (0..many).map(|at| {
        let time = crate::domain::Micros(1_767_600_000_000_000 + at as i64);
        crate::domain::series::Row { time, ..row("2026-01-05T08:00:00Z", Some(at), Some(at as f64), Label::Normal) }
    });
    bench.readings.rows.lock().unwrap().insert(DeviceName::new("d").unwrap(), rows.collect());
    let whole = bench.get(EXPORT).await.body;
    assert_eq!(checked(Form::Ndjson, &whole), many);

    let queries = || bench.log.queries.load(std::sync::atomic::Ordering::SeqCst);
    let mut body = bench.body(EXPORT).await.into_data_stream();
    let before = queries();
    let first = body.next().await.unwrap().unwrap();
    assert!(first.len() < whole.len() / 4, "{} of {}", first.len(), whole.len());
    // A page at a time, however slow the reader.
    assert!(queries() - before <= 1);
    drop(body);
    assert!(queries() - before <= 1);
}

#[tokio::test]
async fn no_more_exports_than_can_be_served_and_a_place_comes_free() {
    let bench = Bench::new();
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(bench.body(EXPORT).await);
    }
    assert_eq!(refused(&bench, EXPORT).await, (503, Code::Unavailable));
    open.pop();
    assert_eq!(bench.get(EXPORT).await.status, 200);
}

#[tokio::test]
async fn a_fault_of_the_store_cuts_an_export_off() {
    let bench = Bench::new();
    let body = bench.body(EXPORT).await;
    bench.log.fail(Fault::Engine);
    let error = to_bytes(body, usize::MAX).await.unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
}

/// Somebody who reads all devices' readings, by a session that can be ended.
fn auditor(bench: &Bench) -> (Router, Arc<Credential>) {
    let credential = Arc::new(Credential::new(None));
    let (roles, scopes) = (Roles::of([Role::Auditor]), Scopes::SESSION);
    let caller = Caller::Person { id: UserId(9), name: "otto".into(), roles, scopes };
    let from = std::net::Ipv4Addr::LOCALHOST.into();
    let pass = Pass { caller, from, credential: Some(Arc::clone(&credential)) };
    let door =
        Door { gate: Arc::clone(&bench.house.gate), clock: Arc::new(SystemClock), trail: bench.house.trail.clone() };
    let shelf = Shelf::new(Arc::clone(&bench.readings) as _, door);
    (crate::http::series::router(shelf).layer(Extension(pass)), credential)
}

async fn ask(router: &Router, path: &str) -> Response {
    let request = Request::builder().uri(path).body(Body::empty()).unwrap();
    router.clone().oneshot(request).await.unwrap()
}

#[tokio::test]
async fn an_export_ends_with_the_session_that_asked_for_it() {
    let bench = Bench::new();
    let (router, credential) = auditor(&bench);
    let whole = ask(&router, EXPORT).await;
    assert!(to_bytes(whole.into_body(), usize::MAX).await.is_ok());
    let cut_off = ask(&router, EXPORT).await;
    assert_eq!(cut_off.status(), 200);
    credential.end();
    assert!(to_bytes(cut_off.into_body(), usize::MAX).await.is_err());
}

#[tokio::test]
async fn who_reads_a_devices_readings_is_on_record_once_an_hour() {
    let bench = Bench::new();
    let (router, _) = auditor(&bench);
    for path in [READINGS, "/api/v1/devices/d/readings/latest", READINGS] {
        assert_eq!(ask(&router, path).await.status(), 200);
    }
    bench.get(READINGS).await;
    let records = bench.house.audit.audit_from(0, 10).unwrap();
    let texts: Vec<_> = records.iter().map(|(_, bytes)| String::from_utf8_lossy(bytes)).collect();
    let reads: Vec<_> = texts.iter().filter(|text| text.contains("readings.read")).collect();
    assert_eq!(reads.len(), 1, "{texts:?}");
    assert!(reads[0].contains("otto"));
}

#[tokio::test]
async fn an_owner_reads_what_is_hers_and_another_device_is_as_one_that_does_not_exist() {
    let bench = Bench::new();
    bench.readings.rows.lock().unwrap().insert(DeviceName::new("other").unwrap(), Vec::new());
    let door =
        Door { gate: Arc::clone(&bench.house.gate), clock: Arc::new(SystemClock), trail: bench.house.trail.clone() };
    let shelf = Shelf::new(Arc::clone(&bench.readings) as _, door);
    let roles = Roles::of([Role::DeviceOwner]);
    let pass = |caller| Pass { caller, from: std::net::Ipv4Addr::LOCALHOST.into(), credential: None };
    let made = bench.house.accounts.create_user(&pass(Caller::Trial), "olga", roles).await.unwrap();
    let id = made.kept.id;
    let request = api::DeviceRequest { name: "d".into(), owner: Some(id.0 as u64), ..Default::default() };
    bench.house.registrar.register(request, true, &By::operator("a test", SystemClock.now())).unwrap();

    let person = |roles| pass(Caller::Person { id, name: "olga".into(), roles, scopes: Scopes::SESSION });
    let olga = person(roles);
    assert_eq!(shelf.readable(&olga).unwrap(), Some(vec![DeviceName::new("d").unwrap()]));
    assert!(shelf.device(&olga, "d").is_ok());
    let refused = |name: &str| {
        let problem = shelf.device(&olga, name).unwrap_err().problem();
        (problem.status, problem.code, problem.detail.replace(name, "X"))
    };
    assert_eq!(refused("other"), refused("never-sent"));
    assert_eq!(refused("other").0, 403);
    assert_eq!(shelf.readable(&person(Roles::of([Role::Auditor]))).unwrap(), None);
    assert!(shelf.device(&person(Roles::of([Role::Admin])), "d").is_err());
}

#[tokio::test]
async fn an_export_is_on_record() {
    let bench = Bench::new();
    bench.get(&format!("{EXPORT}?device=d")).await;
    let records = bench.house.audit.audit_from(0, 10).unwrap();
    let texts: Vec<_> = records.iter().map(|(_, bytes)| String::from_utf8_lossy(bytes)).collect();
    assert!(
        texts.iter().any(|text| text.contains("readings.export") && text.contains("5 readings at most")),
        "{texts:?}"
    );
}
