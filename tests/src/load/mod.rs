//! A load of readings and anomalies from several sides, over HTTP, WebSockets and MQTT, of which every acknowledged one is noted.

mod connections;

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    poll,
    service::{http, send},
    trial::reading,
};

/// Senders of each way.
const SENDERS: u64 = 4;

/// Readings in a request, beside the impossible one.
const BATCH: u64 = 20;

/// A reading that the service has acknowledged.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    /// The reading, as it was sent.
    pub reading: Value,
    /// The verdict that the service has answered; MQTT tells none.
    pub judgement: Option<api::Judgement>,
    /// What [`Load::start`]'s `mark` said after the answer had come.
    pub mark: u64,
}

impl Acknowledged {
    /// Those of a request's readings that were not refused.
    fn of(readings: Vec<Value>, results: Vec<api::ReadingResult>) -> Vec<Self> {
        assert_eq!(results.len(), readings.len());
        let told = readings.into_iter().zip(results);
        told.filter(|(_, result)| result.status != api::Status::Rejected)
            .map(|(reading, result)| {
                assert!(result.judgement.is_some(), "an accepted reading has a verdict: {result:?}");
                Self { reading, judgement: result.judgement, mark: 0 }
            })
            .collect()
    }

    /// Whether a later judgement of the reading is the one that was acknowledged.
    ///
    /// Right after a start the chain may not have answered yet. Then findings wait, and are acknowledged without an
    /// index, which they get later; one that was told never changes.
    pub fn is_kept_by(&self, later: Option<&api::Judgement>) -> bool {
        let (told, later) = match (&self.judgement, later) {
            (Some(told), Some(later)) => (told, later),
            (told, later) => return told.is_none() && later.is_some(),
        };
        let index = if told.label == api::Label::Anomaly { told.index.or(later.index) } else { told.index };
        *later == api::Judgement { index, ..told.clone() }
    }
}

/// Senders at work. They go on until the service does not answer any more.
#[derive(Debug)]
pub struct Load {
    senders: JoinSet<()>,
    acknowledged: Arc<Mutex<Vec<Acknowledged>>>,
}

/// One request's readings: of one device, the last one impossible, so that the log grows under load.
fn batch(sender: &str, number: u64) -> Vec<Value> {
    let sequences = number * BATCH..(number + 1) * BATCH;
    let mut readings: Vec<Value> = sequences
        .map(|at| {
            let wobble = (at % 7) as f64 / 10.0;
            reading(sender, at, json!({ "humidity": 50.0 + wobble, "pressure": 1000.0, "temperature": 20.0 - wobble }))
        })
        .collect();
    let values = json!({ "humidity": 50.0, "pressure": 1000.0, "temperature": 999.0 });
    readings.push(reading(&format!("{sender}-alarm-{number}"), number, values));
    readings
}

/// Requests, one after the other, until the service does not answer any more; what each has acknowledged is told to `keep`.
async fn over_http(url: &str, sender: &str, mut keep: impl FnMut(Vec<Acknowledged>)) {
    for number in 0.. {
        let readings = batch(sender, number);
        let Ok(answer) = send(http().post(format!("{url}/api/v1/readings")).json(&readings)).await else { return };
        if answer.status == 503 {
            continue;
        }
        assert_eq!(answer.status, 200, "{}", answer.text());
        let results: api::Readings = serde_json::from_slice(&answer.body).expect("results");
        keep(Acknowledged::of(readings, results.results));
    }
}

impl Load {
    /// Starts the senders: over HTTP, over WebSockets, and where there is an address for it by MQTT. `mark` is asked after
    /// each answer, for telling later what had happened by then.
    pub fn start(url: &str, mqtt: Option<&str>, name: &str, mark: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let mark = Arc::new(mark);
        let mut senders = JoinSet::new();
        for number in 0..SENDERS {
            for way in ["http", "websocket", "mqtt"] {
                let (url, mqtt) = (url.to_owned(), mqtt.map(str::to_owned));
                let sender = format!("{name}-{way}-{number}");
                let (acknowledged, mark) = (Arc::clone(&acknowledged), Arc::clone(&mark));
                let keep = move |told: Vec<Acknowledged>| {
                    let mark = mark();
                    let told = told.into_iter().map(|told| Acknowledged { mark, ..told });
                    acknowledged.lock().expect("no panic while locked").extend(told);
                };
                senders.spawn(async move {
                    match (way, mqtt) {
                        ("http", _) => over_http(&url, &sender, keep).await,
                        ("websocket", _) => connections::over_websocket(&url, &sender, keep).await,
                        (_, Some(address)) => connections::by_mqtt(&address, &sender, keep).await,
                        (_, None) => {}
                    }
                });
            }
        }
        Self { senders, acknowledged }
    }

    /// Waits until so many readings are acknowledged.
    pub async fn reaches(&self, count: usize) {
        let acknowledged = || self.acknowledged.lock().expect("no panic while locked").len();
        poll::until("enough readings are acknowledged", async || (acknowledged() >= count).then_some(())).await;
    }

    /// Waits for the senders, which end when the service does; gives what was acknowledged.
    pub async fn ended(mut self) -> Vec<Acknowledged> {
        while let Some(ended) = self.senders.join_next().await {
            ended.expect("a sender does not panic");
        }
        std::mem::take(&mut self.acknowledged.lock().expect("no panic while locked"))
    }
}
