//! The feed: what listeners hear, and what it costs.

use std::{sync::atomic::Ordering, time::Duration};

use axum::{body::Body, extract::Request};
use futures_util::{Stream, StreamExt};
use tower::ServiceExt;

use super::bench::{Bench, Fault};
use crate::domain::log::Event;

type Messages = std::pin::Pin<Box<dyn Stream<Item = String> + Send>>;

async fn listen(bench: &Bench) -> Messages {
    let request = Request::get("/api/v1/feed").header("host", "localhost:8080");
    let mut request = request.body(Body::empty()).unwrap();
    let peer: std::net::SocketAddr = "127.0.0.1:5000".parse().unwrap();
    request.extensions_mut().insert(axum::extract::ConnectInfo(peer));
    let response = bench.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let chunks = response.into_body().into_data_stream();
    Box::pin(chunks.map(|chunk| String::from_utf8(chunk.unwrap().to_vec()).unwrap()))
}

async fn next(messages: &mut Messages) -> Option<String> {
    tokio::time::timeout(Duration::from_secs(10), messages.next()).await.expect("the feed says something")
}

#[tokio::test]
async fn an_event_is_rendered_once_for_all_listeners() {
    let bench = Bench::new();
    let mut listeners = Vec::new();
    for _ in 0..20 {
        let mut listener = listen(&bench).await;
        let first = next(&mut listener).await.unwrap();
        assert!(first.starts_with("event: ledger\ndata: {\"origin\":") && first.ends_with("\n\n"), "{first}");
        listeners.push(listener);
    }
    let before = bench.log.queries.load(Ordering::SeqCst);
    bench.events.send(Event::Anomalies([1, 2, 3].into())).unwrap();
    bench.events.send(Event::Ledger).unwrap();
    for listener in &mut listeners {
        let anomalies = next(listener).await.unwrap();
        let indexes: Vec<u64> = anomalies
            .split_terminator("\n\n")
            .map(|message| message.strip_prefix("event: anomaly\ndata: ").unwrap())
            .map(|data| serde_json::from_str::<api::Anomaly>(data).unwrap().index)
            .collect();
        assert_eq!(indexes, [1, 2, 3]);
        assert!(next(listener).await.unwrap().starts_with("event: ledger\n"));
    }
    // Anomalies and model versions; newest checkpoint and newest key.
    assert_eq!(bench.log.queries.load(Ordering::SeqCst) - before, 4);
}

#[tokio::test]
async fn a_large_event_comes_in_pieces() {
    let bench = Bench::new();
    let seven = bench.log.anomalies.lock().unwrap().clone();
    *bench.log.anomalies.lock().unwrap() = seven.iter().cycle().take(1_000).cloned().collect();
    let mut listener = listen(&bench).await;
    next(&mut listener).await;
    bench.events.send(Event::Anomalies((0..1_000).collect())).unwrap();
    let (mut heard, mut messages) = (0, 0);
    while heard < 1_000 {
        let message = next(&mut listener).await.unwrap();
        assert!(message.len() < 64 << 10);
        heard += message.matches("event: anomaly\n").count();
        messages += 1;
    }
    assert_eq!((heard, messages), (1_000, 32));
}

#[tokio::test]
async fn it_ends_when_something_was_lost() {
    // The store fails.
    let bench = Bench::new();
    let mut listener = listen(&bench).await;
    next(&mut listener).await;
    bench.log.fail(Fault::Engine);
    bench.events.send(Event::Ledger).unwrap();
    assert_eq!(next(&mut listener).await, None);

    // The listener does not read.
    let bench = Bench::new();
    let (mut slow, mut quick) = (listen(&bench).await, listen(&bench).await);
    next(&mut quick).await;
    for _ in 0..200 {
        bench.events.send(Event::Ledger).unwrap();
        assert!(next(&mut quick).await.is_some());
    }
    assert!(next(&mut slow).await.is_some());
    assert_eq!(next(&mut slow).await, None);
}

#[tokio::test]
async fn it_ends_with_the_service_and_gives_its_place_back() {
    let bench = Bench::new();
    let mut listeners = Vec::new();
    for _ in 0..super::super::MAX_LISTENERS {
        listeners.push(listen(&bench).await);
    }
    assert_eq!(bench.get("/api/v1/feed").await.status, 503);
    listeners.pop();
    assert_eq!(bench.get("/api/v1/feed").await.status, 200);
    bench.stop.send(true).unwrap();
    for listener in &mut listeners {
        next(listener).await;
        assert_eq!(next(listener).await, None);
    }
}
