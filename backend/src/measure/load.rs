//! Throughput, and the time from handing a finding to the pipeline until a checkpoint over it is readable over HTTP,
//! while clients fetch evidence and verify it.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use ledger::{checkpoint::LogKey, evidence::Bundle, hash::leaf_hash, merkle::verify_inclusion};

use super::{Failure, quantile, readings::Readings, rig::Rig, scale::all_are_findings};
use crate::{domain::Reading, pipeline::Pipeline};

/// Findings handed over at a time.
const BATCH: usize = 1_024;

/// Batches under way at most, where no rate is given: two for each of two detectors.
const UNDER_WAY: usize = 8;

/// What is asked for.
pub(super) struct Asked {
    pub(super) seconds: Duration,
    pub(super) rate: u64,
    pub(super) verifiers: usize,
    pub(super) pause: Duration,
    pub(super) http: bool,
}

/// What the clients and the feeder share.
struct Shared {
    url: String,
    key: LogKey,
    stop: AtomicBool,
    size: AtomicU64,
    proofs: AtomicU64,
}

/// Feeds, reads and verifies; prints what came of it.
pub(super) async fn run(data_dir: &Path, asked: &Asked) -> Result<(), Failure> {
    let rig = Rig::open(data_dir)?;
    let url = format!("http://{}", rig.serve().await?);
    let shared = Arc::new(Shared {
        url,
        key: rig.log_key(),
        stop: AtomicBool::new(false),
        size: AtomicU64::new(0),
        proofs: AtomicU64::new(0),
    });
    let reader = tokio::spawn(read_checkpoints(Arc::clone(&shared)));
    let verifiers: Vec<_> =
        (0..asked.verifiers).map(|_| tokio::spawn(verify(Arc::clone(&shared), asked.pause))).collect();
    let started = Instant::now();
    let way = if asked.http { Way::Http(client()?, shared.url.clone()) } else { Way::Pipeline(rig.pipeline.clone()) };
    let handed = feed(&way, asked).await?;
    let took = started.elapsed();
    let last = handed.iter().map(|batch| batch.last).max().unwrap_or_default();
    while shared.size.load(Ordering::SeqCst) <= last {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    shared.stop.store(true, Ordering::SeqCst);
    let published = reader.await??;
    for verifier in verifiers {
        verifier.await??;
    }
    print(asked, &handed, &published, took, shared.proofs.load(Ordering::SeqCst));
    drop(way);
    rig.stop();
    Ok(())
}

/// How findings are handed over.
#[derive(Clone)]
enum Way {
    Pipeline(Pipeline),
    Http(reqwest::Client, String),
}

impl Way {
    /// Hands readings over; gives the last index when all are answered.
    async fn hand_over(self, readings: Vec<Reading>) -> Result<u64, Failure> {
        match self {
            Way::Pipeline(pipeline) => Ok(all_are_findings(pipeline.submit(readings).await)?.unwrap_or_default()),
            Way::Http(client, url) => {
                let request = client.post(format!("{url}/api/v1/readings")).json(&body(&readings));
                let answer: api::Readings = request.send().await?.error_for_status()?.json().await?;
                let index = |result: &api::ReadingResult| result.judgement.as_ref().and_then(|told| told.index);
                let indexes: Option<Vec<u64>> = answer.results.iter().map(index).collect();
                let indexes = indexes.ok_or("a reading was no finding, or was refused")?;
                Ok(indexes.into_iter().max().unwrap_or_default())
            }
        }
    }
}

/// Readings as a client sends them.
fn body(readings: &[Reading]) -> serde_json::Value {
    let one = |reading: &Reading| {
        let metrics: serde_json::Map<_, _> =
            reading.values().iter().map(|(metric, value)| (metric.clone(), (*value).into())).collect();
        let time = reading.time().millis().to_time().to_string();
        let (device, sequence) = (reading.device().as_str(), reading.sequence());
        serde_json::json!({ "device": device, "time": time, "sequence": sequence, "metrics": metrics })
    };
    readings.iter().map(one).collect()
}

fn client() -> Result<reqwest::Client, Failure> {
    Ok(reqwest::Client::builder().no_proxy().build()?)
}

/// A batch: when it was to be handed over, when it was answered, and its last index.
struct Handed {
    at: Instant,
    answered: Instant,
    last: u64,
}

async fn feed(way: &Way, asked: &Asked) -> Result<Vec<Handed>, Failure> {
    let mut readings = Readings::new(format!("load-{}", std::process::id()));
    let mut under_way = tokio::task::JoinSet::new();
    let mut handed = Vec::new();
    let started = Instant::now();
    let mut sent = 0;
    while started.elapsed() < asked.seconds {
        let batch = readings.take(BATCH)?;
        // At a rate, the clock runs from when the batch was due, whether or not we were late.
        let at = match asked.rate {
            0 => {
                while under_way.len() >= UNDER_WAY
                    && let Some(done) = under_way.join_next().await
                {
                    handed.push(done??);
                }
                Instant::now()
            }
            rate => {
                let due = started + Duration::from_secs_f64(sent as f64 / rate as f64);
                tokio::time::sleep_until(due.into()).await;
                due
            }
        };
        sent += BATCH as u64;
        let way = way.clone();
        under_way.spawn(async move {
            let last = way.hand_over(batch).await?;
            Ok::<_, Failure>(Handed { at, answered: Instant::now(), last })
        });
    }
    while let Some(done) = under_way.join_next().await {
        handed.push(done??);
    }
    Ok(handed)
}

/// Reads the checkpoint again and again: when which size was readable.
async fn read_checkpoints(shared: Arc<Shared>) -> Result<Vec<(Instant, u64)>, Failure> {
    let client = client()?;
    let mut published = Vec::new();
    while !shared.stop.load(Ordering::SeqCst) {
        let note = client.get(format!("{}/checkpoint", shared.url)).send().await?.text().await?;
        let checkpoint = shared.key.verify(&note)?;
        published.push((Instant::now(), checkpoint.size));
        shared.size.store(checkpoint.size, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(published)
}

/// Fetches the evidence of entries all over the log, and checks signature and inclusion.
async fn verify(shared: Arc<Shared>, pause: Duration) -> Result<(), Failure> {
    let client = client()?;
    let mut at = 0_u64;
    while !shared.stop.load(Ordering::SeqCst) {
        at = at.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let Some(index) = at.checked_rem(shared.size.load(Ordering::SeqCst)) else {
            tokio::time::sleep(pause).await;
            continue;
        };
        let answer = client.get(format!("{}/api/v1/entries/{index}/evidence", shared.url)).send().await?;
        let bundle = Bundle::from_json(&answer.bytes().await?)?;
        let checkpoint = shared.key.verify(&bundle.checkpoint)?;
        verify_inclusion(&leaf_hash(&bundle.entry), index, checkpoint.size, &bundle.proof, &checkpoint.root)?;
        shared.proofs.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

fn print(asked: &Asked, handed: &[Handed], published: &[(Instant, u64)], took: Duration, proofs: u64) {
    let mut answers: Vec<Duration> = handed.iter().map(|batch| batch.answered - batch.at).collect();
    let mut publications: Vec<Duration> = handed
        .iter()
        .map(|batch| {
            let first = published.partition_point(|(_, size)| *size <= batch.last);
            published.get(first).map_or(Duration::MAX, |(when, _)| when.saturating_duration_since(batch.at))
        })
        .collect();
    answers.sort();
    publications.sort();
    let seconds = took.as_secs_f64();
    let rate = (handed.len() * BATCH) as f64 / seconds;
    let http = asked.http;
    let asked = if asked.rate == 0 { "as many as are taken".to_owned() } else { format!("{}/s", asked.rate) };
    println!("findings handed over         {asked}, {}", if http { "by POST /api/v1/readings" } else { "in process" });
    println!("entries appended             {rate:.0}/s over {seconds:.1} s");
    let [answer, publication] = [&answers, &publications].map(|all| [0.5, 0.99, 1.0].map(|share| quantile(all, share)));
    println!("hand-over to answer          p50 {:.0?}, p99 {:.0?}, longest {:.0?}", answer[0], answer[1], answer[2]);
    println!(
        "hand-over to checkpoint      p50 {:.0?}, p99 {:.0?}, longest {:.0?}",
        publication[0], publication[1], publication[2]
    );
    println!("bundles fetched and verified {:.0}/s meanwhile", proofs as f64 / seconds);
}
