//! `GET /api/v1/ws` with a client by another hand: readings and acknowledgements, subscriptions, and what is not one.

use std::{collections::BTreeMap, time::Duration};

use api::{Feed, SocketMessage, Status};
use e2e::{Trial, lines::LineClient, poll, socket::Socket, trial::reading};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Bytes, Message};

fn weather(device: &str, sequence: u64) -> Value {
    reading(device, sequence, json!({ "humidity": 50.0, "pressure": 1000.0, "temperature": 20.0 }))
}

fn impossible(device: &str, sequence: u64) -> Value {
    reading(device, sequence, json!({ "humidity": 50.0, "pressure": 1000.0, "temperature": 999.0 }))
}

fn statuses(message: SocketMessage, expected: u64) -> Vec<Status> {
    match message {
        SocketMessage::Ack { id: Some(id), results } if id == expected => {
            results.into_iter().map(|result| result.status).collect()
        }
        other => panic!("expected the answer to {expected}, found {other:?}"),
    }
}

fn error_code(message: SocketMessage) -> (Option<u64>, api::Code) {
    match message {
        SocketMessage::Error { id, code, .. } => (id, code),
        other => panic!("expected an error, found {other:?}"),
    }
}

/// Sent again over HTTP, every one of them is known.
async fn are_stored(trial: &Trial, readings: &[Value]) {
    for chunk in readings.chunks(1_000) {
        let answer = trial.post("/api/v1/readings", &json!(chunk)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let results: api::Readings = serde_json::from_slice(&answer.body).expect("results");
        for (reading, result) in chunk.iter().zip(results.results) {
            assert_eq!(result.status, Status::Duplicate, "{reading}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_are_acknowledged_as_over_http() {
    let trial = Trial::start().await;
    let mut socket = Socket::open(&trial.url()).await;
    let readings = [weather("ward", 1), json!({ "device": "ward" }), impossible("alarm", 1)];
    let SocketMessage::Ack { id, results } =
        socket.ask(&json!({ "type": "readings", "id": 7, "readings": readings })).await
    else {
        panic!("no answer");
    };
    assert_eq!(id, Some(7));
    let told: Vec<Status> = results.iter().map(|result| result.status).collect();
    assert_eq!(told, [Status::Stored, Status::Rejected, Status::Stored]);
    assert_eq!(results[1].problem.as_ref().map(|problem| problem.code), Some(api::Code::InvalidReading));
    assert!(results[2].judgement.as_ref().is_some_and(|judgement| judgement.index.is_some()), "{results:?}");
    // The very same over HTTP, but for the duplicates.
    let over_http = trial.post("/api/v1/readings", &json!(readings)).await;
    let over_http: api::Readings = serde_json::from_slice(&over_http.body).expect("results");
    for (socket, http) in results.iter().zip(&over_http.results) {
        assert_eq!((&socket.judgement, &socket.problem), (&http.judgement, &http.problem));
    }
    let one = socket.ask(&json!({ "type": "reading", "reading": weather("ward", 2) })).await;
    assert!(matches!(&one, SocketMessage::Ack { id: None, results } if results.len() == 1), "{one:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_messages_are_under_way_and_answered_in_order() {
    let trial = Trial::start().await;
    let mut socket = Socket::open(&trial.url()).await;
    for id in 0..200_u64 {
        let readings: Vec<Value> = (id * 20..(id + 1) * 20).map(|at| weather("busy", at)).collect();
        assert!(socket.say(&json!({ "type": "readings", "id": id, "readings": readings })).await);
    }
    for id in 0..200 {
        let told = statuses(socket.hear().await.expect("an answer"), id);
        assert_eq!(told, [Status::Stored; 20], "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_bring_what_they_ask_for() {
    let trial = Trial::start().await;
    let mut socket = Socket::open(&trial.url()).await;
    let subscribed = |id| SocketMessage::Subscribed { id };
    let asked = socket.ask(&json!({ "type": "subscribe", "id": 1, "feed": "anomalies", "devices": ["a", "b"] })).await;
    assert_eq!(asked, subscribed(1));
    let asked = socket.ask(&json!({ "type": "subscribe", "id": 2, "feed": "verdicts", "devices": ["b"] })).await;
    assert_eq!(asked, subscribed(2));
    let asked = socket.ask(&json!({ "type": "subscribe", "id": 3, "feed": "ledger" })).await;
    assert_eq!(asked, subscribed(3));
    let Ok(SocketMessage::Ledger { id: 3, ledger }) = socket.hear().await else { panic!("no state at first") };
    let before = ledger.tree_size;

    for readings in [json!([impossible("c", 1), weather("b", 1)]), json!([impossible("b", 2), weather("a", 1)])] {
        assert_eq!(trial.post("/api/v1/readings", &readings).await.status, 200);
    }
    let (mut anomalies, mut verdicts, mut grown) = (Vec::new(), Vec::new(), false);
    while anomalies.is_empty() || verdicts.len() < 2 || !grown {
        match socket.hear().await.expect("what was asked for") {
            SocketMessage::Anomaly { id: 1, anomaly } => anomalies.push(anomaly),
            SocketMessage::Verdict { id: 2, verdict } => verdicts.push(verdict),
            SocketMessage::Ledger { id: 3, ledger } => grown = ledger.tree_size >= before + 2,
            other => panic!("not asked for: {other:?}"),
        }
    }
    assert_eq!((anomalies.len(), anomalies[0].device.as_str()), (1, "b"));
    assert!(!anomalies[0].values.is_empty() && !anomalies[0].sentence.is_empty());
    let told: Vec<_> = verdicts.iter().map(|verdict| (verdict.device.as_str(), verdict.sequence)).collect();
    assert_eq!(told, [("b", Some(1)), ("b", Some(2))]);
    assert_eq!(verdicts[1].metrics["temperature"], 999.0);
    assert_eq!(verdicts[1].judgement.index, Some(anomalies[0].index));

    // No more of the verdicts; the rest goes on.
    let mut asked = socket.ask(&json!({ "type": "unsubscribe", "id": 2 })).await;
    while matches!(asked, SocketMessage::Ledger { .. }) {
        asked = socket.hear().await.expect("an answer");
    }
    assert_eq!(asked, SocketMessage::Unsubscribed { id: 2 });
    assert_eq!(trial.post("/api/v1/readings", &json!([impossible("a", 2)])).await.status, 200);
    loop {
        match socket.hear().await.expect("the anomaly") {
            SocketMessage::Anomaly { id: 1, anomaly } => break assert_eq!(anomaly.device, "a"),
            SocketMessage::Ledger { .. } => {}
            other => panic!("not asked for: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_of_a_device_come_in_the_order_of_its_lines() {
    let mut trial = Trial::prepare(e2e::Chain::start().await).await;
    trial.settings().flags = vec!["--tcp".into(), "127.0.0.1:0".into()];
    trial.start_service().await;
    trial.ready().await;
    let mut socket = Socket::open(&trial.url()).await;
    socket.ask(&json!({ "type": "subscribe", "id": 1, "feed": "verdicts" })).await;
    let address = trial.service().place("tcp");
    let send = |device: String, address: String| async move {
        let mut client = LineClient::connect(&address).await;
        let lines: String = (0..500).map(|at| format!("{}\n", weather(&device, at))).collect();
        // In pieces that end anywhere, so that there are many batches.
        for piece in lines.as_bytes().chunks(777) {
            assert!(client.send(piece).await);
        }
        client.finish();
        client.answers().await.len()
    };
    let tasks: Vec<_> = (0..8).map(|at| tokio::spawn(send(format!("ordered-{at}"), address.clone()))).collect();
    let mut next = BTreeMap::<String, u64>::new();
    for _ in 0..8 * 500 {
        let Ok(SocketMessage::Verdict { verdict, .. }) = socket.hear().await else { panic!("no verdict") };
        let expected = next.entry(verdict.device.clone()).or_default();
        assert_eq!(verdict.sequence, Some(*expected), "{}", verdict.device);
        *expected += 1;
    }
    for task in tasks {
        assert_eq!(task.await.expect("the sender does not panic"), 500);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_is_answered_and_the_connection_goes_on() {
    let trial = Trial::start().await;
    let mut socket = Socket::open(&trial.url()).await;
    let too_many: Vec<Value> = (0..10_001).map(|_| json!({})).collect();
    let subscribe = |id: u64| json!({ "type": "subscribe", "id": id, "feed": "ledger", "devices": ["a"] });
    for (message, id, code) in [
        (json!("hello"), None, api::Code::MalformedBody),
        (json!({ "type": "dance", "id": 3 }), Some(3), api::Code::MalformedBody),
        (json!({ "type": "hello", "key": "late" }), None, api::Code::MalformedBody),
        (json!({ "type": "readings", "id": 4, "readings": too_many }), Some(4), api::Code::BodyTooLarge),
        (subscribe(5), Some(5), api::Code::MalformedBody),
        (json!({ "type": "unsubscribe", "id": 6 }), Some(6), api::Code::NotFound),
        (
            json!({ "type": "subscribe", "id": 7, "feed": "verdicts", "devices": [""] }),
            Some(7),
            api::Code::InvalidParameter,
        ),
    ] {
        assert_eq!(error_code(socket.ask(&message).await), (id, code), "{message:.100}");
    }
    socket.send(Message::Binary(Bytes::from_static(b"\0"))).await;
    assert_eq!(error_code(socket.hear().await.expect("an answer")).1, api::Code::UnsupportedMediaType);
    for id in 0..16 {
        let asked = socket.ask(&json!({ "type": "subscribe", "id": id, "feed": "anomalies" })).await;
        assert_eq!(asked, SocketMessage::Subscribed { id });
    }
    let asked = json!({ "type": "subscribe", "id": 3, "feed": "anomalies" });
    assert_eq!(error_code(socket.ask(&asked).await), (Some(3), api::Code::Conflict));
    let asked = json!({ "type": "subscribe", "id": 17, "feed": "anomalies" });
    assert_eq!(error_code(socket.ask(&asked).await), (Some(17), api::Code::TooManyRequests));
    let told = socket.ask(&json!({ "type": "readings", "id": 18, "readings": [weather("after", 1)] })).await;
    assert_eq!(statuses(told, 18), [Status::Stored]);

    let mut socket = Socket::open(&trial.url()).await;
    socket.text(format!("{{\"type\":\"{}\"}}", "x".repeat(2 << 20))).await;
    assert!(matches!(socket.hear().await, Err(Some(1009) | None)), "a message that is too long ends the connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_not_let_in() {
    let trial = Trial::start().await;
    let open = |headers: &'static [(&'static str, &'static str)]| {
        let url = trial.url();
        async move { Socket::open_with(&url, headers).await.err() }
    };
    assert_eq!(open(&[("origin", "http://evil.example")]).await, Some(403));
    assert_eq!(open(&[("authorization", "Bearer ald_nobody")]).await, Some(401));
    let plain = trial.get("/api/v1/ws").await;
    assert_eq!(plain.problem().code, api::Code::InvalidParameter);
    let mut socket = Socket::open(&trial.url()).await;
    let answer = socket.ask(&json!({ "type": "hello", "key": "ald_nobody" })).await;
    assert_eq!(error_code(answer), (None, api::Code::Unauthenticated));
    assert_eq!(socket.hear().await, Err(Some(1008)));
}

/// One that listens and does not read is told how much it has missed, and others are not kept waiting.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_listener_is_told_what_it_has_missed() {
    let trial = Trial::start().await;
    let mut slow = Socket::open(&trial.url()).await;
    slow.ask(&json!({ "type": "subscribe", "id": 1, "feed": "verdicts" })).await;
    let mut sent = 0_u64;
    // Some 350 bytes each: more than the buffers of the system and of the feed, 16,384 readings, hold.
    for batch in 0..12 {
        let readings: Vec<Value> = (batch * 5_000..(batch + 1) * 5_000).map(|at| weather("flood", at)).collect();
        assert_eq!(trial.post("/api/v1/readings", &json!(readings)).await.status, 200);
        sent += 5_000;
    }
    let (mut heard, mut missed) = (0, 0);
    while heard + missed < sent {
        match slow.hear().await.expect("the connection goes on") {
            SocketMessage::Verdict { .. } => heard += 1,
            SocketMessage::Lagged { feed: Feed::Verdicts, missed: some } => missed += some,
            other => panic!("not asked for: {other:?}"),
        }
    }
    assert_eq!(heard + missed, sent);
    assert!(missed > 0, "{heard} were heard, none missed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_what_is_under_way_and_says_goodbye() {
    let mut trial = Trial::start().await;
    let mut socket = Socket::open(&trial.url()).await;
    let idle = Socket::open(&trial.url()).await;
    let readings: Vec<Value> = (0..2_000).map(|at| weather("stopped", at)).collect();
    let message = json!({ "type": "readings", "id": 1, "readings": readings });
    assert_eq!(statuses(socket.ask(&message).await, 1).len(), 2_000);
    let goodbye = tokio::spawn(async move { socket.hear().await });
    trial.stop_service().await;
    assert_eq!(goodbye.await.expect("the client does not panic"), Err(Some(1001)));
    drop(idle);
}

/// Readings over WebSockets until the service is killed; gives those that were acknowledged.
async fn load_and_kill(trial: &mut Trial, round: u64) -> Vec<Value> {
    let send = |device: String, url: String| async move {
        let mut socket = Socket::open(&url).await;
        let readings = |id: u64| (id * 50..(id + 1) * 50).map(|at| weather(&device, at)).collect::<Vec<_>>();
        let mut acknowledged = Vec::new();
        for id in 0.. {
            let said = socket.say(&json!({ "type": "readings", "id": id, "readings": readings(id) })).await;
            if !said {
                break;
            }
            // Four stay under way.
            if id < 4 {
                continue;
            }
            let Ok(answer) = socket.hear().await else { return acknowledged };
            assert_eq!(statuses(answer, id - 4), [Status::Stored; 50]);
            acknowledged.extend(readings(id - 4));
        }
        acknowledged
    };
    let senders: Vec<_> = (0..4).map(|at| tokio::spawn(send(format!("killed-{round}-{at}"), trial.url()))).collect();
    poll::until("enough is committed", async || {
        let text = trial.get("/metrics").await.text();
        let committed = text.lines().find_map(|line| line.strip_prefix("readings_committed_total "))?;
        (committed.trim().parse::<f64>().ok()? >= 3_000.0).then_some(())
    })
    .await;
    trial.kill_service();
    let mut all = Vec::new();
    for sender in senders {
        all.extend(sender.await.expect("the sender does not panic"));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kill_9() {
    let mut trial = Trial::start().await;
    for round in 0..3 {
        let acknowledged = load_and_kill(&mut trial, round).await;
        assert!(acknowledged.len() > 1_000, "{}", acknowledged.len());
        trial.start_service().await;
        trial.ready().await;
        are_stored(&trial, &acknowledged).await;
    }
}

/// What an idle connection costs, as the system counts it. Many of them, so that the rest does not matter.
#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_are_cheap() {
    const MANY: usize = 500;
    let trial = Trial::start().await;
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", trial.service().id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its size").to_owned();
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
    };
    let mut sockets = Vec::new();
    // The first ones warm up what stays.
    for _ in 0..50 {
        sockets.push(Socket::open(&trial.url()).await);
    }
    let before = resident();
    for _ in 0..MANY {
        sockets.push(Socket::open(&trial.url()).await);
    }
    let each = resident().saturating_sub(before) / MANY;
    println!("{each} bytes of resident memory for each idle WebSocket");
    assert!(each < 40 << 10, "{each} bytes each");
    tokio::time::timeout(Duration::from_secs(60), async {
        for socket in &mut sockets {
            let told = socket.ask(&json!({ "type": "readings", "id": 1, "readings": [] })).await;
            assert_eq!(statuses(told, 1), []);
        }
    })
    .await
    .expect("all of them are alive");
}
