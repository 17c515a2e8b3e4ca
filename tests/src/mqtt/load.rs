//! Many connections that publish with QoS 1, each with some messages under way.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::Barrier, task::JoinSet};

use super::{MqttClient, V3, publish};

/// Messages of a connection that wait for their acknowledgement, as Mosquitto's clients have it.
const WINDOW: usize = 20;

/// What a load has shown.
#[derive(Debug)]
pub struct Shown {
    /// Messages that were acknowledged.
    pub acknowledged: u64,
    /// In this time.
    pub took: Duration,
    /// How long each acknowledgement took, sorted.
    pub waits: Vec<Duration>,
}

impl Shown {
    /// Messages a second.
    pub fn rate(&self) -> f64 {
        self.acknowledged as f64 / self.took.as_secs_f64()
    }

    /// The time within which this share was acknowledged.
    pub fn within(&self, share: f64) -> Duration {
        self.waits.get(((self.waits.len().max(1) - 1) as f64 * share) as usize).copied().unwrap_or_default()
    }
}

/// Publishes readings of three metrics for this long, each connection as a device of its own.
///
/// # Panics
/// If a connection is refused, or ends before its time.
pub async fn run(address: &str, connections: usize, lasts: Duration) -> Shown {
    let (open, run) = (Arc::new(Barrier::new(connections + 1)), std::process::id());
    let total = Arc::new(AtomicU64::new(0));
    let mut senders = JoinSet::new();
    for number in 0..connections {
        let (address, open, total) = (address.to_owned(), Arc::clone(&open), Arc::clone(&total));
        senders.spawn(async move {
            let client = MqttClient::connect(&address, V3, &format!("load-{run}-{number}")).await;
            open.wait().await;
            send(client, number, lasts, &total).await
        });
    }
    open.wait().await;
    let started = Instant::now();
    let mut waits = Vec::new();
    while let Some(sender) = senders.join_next().await {
        waits.extend(sender.expect("a sender does not fail"));
    }
    waits.sort_unstable();
    Shown { acknowledged: total.load(Ordering::Relaxed), took: started.elapsed(), waits }
}

async fn send(mut client: MqttClient, number: usize, lasts: Duration, total: &AtomicU64) -> Vec<Duration> {
    let (started, mut under_way, mut waits) = (Instant::now(), VecDeque::new(), Vec::new());
    // Each reading has a time of its own.
    let mut time = 1_767_225_600_000 + number as u64;
    let mut id = 0_u16;
    loop {
        let mut bytes = Vec::new();
        while under_way.len() < WINDOW && started.elapsed() < lasts {
            time += 1_000;
            id = id.checked_add(1).unwrap_or(1);
            let wobble = (time / 1_000 % 7) as f64 / 10.0;
            let payload = format!(
                r#"{{"ts":{time},"values":{{"temperature":{},"humidity":{},"pressure":1000.5}}}}"#,
                20.0 - wobble,
                50.0 + wobble
            );
            bytes.extend(publish(V3, "v1/devices/me/telemetry", Some(id), &payload));
            under_way.push_back((id, Instant::now()));
        }
        assert!(client.send(&bytes).await, "the connection has ended");
        if under_way.is_empty() {
            return waits;
        }
        let answer = client.next().await.expect("an acknowledgement");
        let (id, sent) = under_way.pop_front().expect("one is under way");
        assert_eq!((answer.first, answer.body), (0x40, id.to_be_bytes().to_vec()), "in their order");
        waits.push(sent.elapsed());
        total.fetch_add(1, Ordering::Relaxed);
    }
}
