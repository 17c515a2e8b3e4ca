//! Measures a service from outside: readings a second, time to `final`, gas of an anchor. It asserts nothing.
//!
//! `scripts/bench` builds the service for release and calls this. With an address as argument it measures a service
//! that runs already, such as that of `scripts/run --no-simulator`; else one of its own.

use std::time::{Duration, Instant};

use e2e::{
    Trial,
    service::{http, send},
};
use serde_json::{Value, json};

/// How long each load lasts.
const LASTS: Duration = Duration::from_secs(10);

/// Connections that send single readings.
const SINGLE: u32 = 32;

/// Connections that send batches, and readings in a batch.
const BATCHES: u32 = 4;
const BATCH: u64 = 500;

/// Anomalies whose way to `final` is timed.
const TIMED: usize = 10;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "mqtt") {
        return mqtt(&arguments[1..]).await;
    }
    let (trial, url) = match std::env::args().nth(1) {
        Some(url) => (None, url.trim_end_matches('/').to_owned()),
        None => {
            let trial = Trial::start().await;
            let url = trial.url();
            (Some(trial), url)
        }
    };
    println!("{:<44} {:>12} {:>10} {:>10}", "what", "readings/s", "p50", "p99");
    let single = load(&url, "single", SINGLE, 1).await;
    single.print(&format!("POST /api/v1/readings, one, {SINGLE} connections"));
    let batches = load(&url, "batch", BATCHES, BATCH).await;
    batches.print(&format!("POST /api/v1/readings, {BATCH}, {BATCHES} connections"));

    let mut ways = Vec::new();
    for number in 0..TIMED {
        ways.push(time_to_final(&url, number).await);
    }
    ways.sort();
    println!("POST to final: median {:.1?}, longest {:.1?} (of {TIMED})", ways[TIMED / 2], ways[TIMED - 1]);
    gas(&url).await;
    drop(trial);
}

/// `bench mqtt [--connections N] [--seconds N] [ADDRESS]`: messages of QoS 1, each with one reading of three metrics.
async fn mqtt(arguments: &[String]) {
    let (mut connections, mut seconds, mut address) = (1_000, 10, None);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse().ok()).expect("a number");
        match argument.as_str() {
            "--connections" => connections = number(),
            "--seconds" => seconds = number(),
            other => address = Some(other.to_owned()),
        }
    }
    let trial = match address {
        Some(_) => None,
        None => {
            let mut trial = Trial::prepare(e2e::Chain::start().await).await;
            trial.settings().flags = vec!["--mqtt".into(), "127.0.0.1:0".into()];
            trial.start_service().await;
            trial.ready().await;
            Some(trial)
        }
    };
    let own = trial.as_ref().map(|trial| trial.service().place("mqtt"));
    let address = address.or(own).expect("an address");
    let shown = e2e::mqtt::load::run(&address, connections, Duration::from_secs(seconds as u64)).await;
    println!("{:<44} {:>12} {:>10} {:>10} {:>10}", "what", "messages/s", "p50", "p99", "p99.9");
    let (what, rate) = (format!("MQTT, QoS 1, {connections} connections"), shown.rate());
    let within = [0.5, 0.99, 0.999].map(|share| format!("{:.1?}", shown.within(share)));
    println!("{what:<44} {rate:>12.0} {:>10} {:>10} {:>10}", within[0], within[1], within[2]);
    let ticks = |of: &str| std::fs::read_to_string(format!("/proc/{of}/stat")).ok();
    let spent = |stat: String| -> Option<u64> {
        // utime and stime are the 14th and 15th field, in hundredths of a second.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
    };
    println!("processor time of the load generator: {} s", ticks("self").and_then(spent).unwrap_or(0) as f64 / 100.0);
    if let Some(trial) = &trial {
        let service = ticks(&trial.service().id().to_string()).and_then(spent).unwrap_or(0);
        println!("processor time of the service, its start included: {} s", service as f64 / 100.0);
    }
}

/// What a load has shown.
struct Shown {
    readings: u64,
    took: Duration,
    answers: Vec<Duration>,
}

impl Shown {
    fn print(&self, what: &str) {
        let rate = self.readings as f64 / self.took.as_secs_f64();
        let at = |share: f64| self.answers[((self.answers.len() - 1) as f64 * share) as usize];
        println!("{what:<44} {rate:>12.0} {:>10.1?} {:>10.1?}", at(0.5), at(0.99));
    }
}

/// Sends readings of three metrics, each connection those of a device of its own, one request after the other.
async fn load(url: &str, name: &str, connections: u32, batch: u64) -> Shown {
    let started = Instant::now();
    let run = std::process::id();
    let senders: Vec<_> = (0..connections)
        .map(|number| tokio::spawn(sender(url.to_owned(), format!("{name}-{run}-{number}"), batch, started + LASTS)))
        .collect();
    let mut shown = Shown { readings: 0, took: Duration::ZERO, answers: Vec::new() };
    for sender in senders {
        let answers = sender.await.expect("a sender does not fail");
        shown.readings += answers.len() as u64 * batch;
        shown.answers.extend(answers);
    }
    shown.took = started.elapsed();
    shown.answers.sort();
    shown
}

async fn sender(url: String, device: String, batch: u64, until: Instant) -> Vec<Duration> {
    let mut answers = Vec::new();
    let mut sequence = 0;
    while Instant::now() < until {
        let readings: Vec<Value> = (sequence..sequence + batch).map(|at| calm(&device, at)).collect();
        sequence += batch;
        let body = if batch == 1 { readings[0].to_string() } else { Value::Array(readings).to_string() };
        let request =
            http().post(format!("{url}/api/v1/readings")).header("content-type", "application/json").body(body);
        let sent = Instant::now();
        let answer = send(request).await.expect("the service answers");
        answers.push(sent.elapsed());
        assert_eq!(answer.status, 200, "{:.300}", answer.text());
    }
    answers
}

/// A reading of a calm weather station, one a minute from 2020 on: enough for three million before they reach today.
fn calm(device: &str, at: u64) -> Value {
    let wave = ((at % 200) as f64 - 100.0).abs() / 100.0;
    let metrics = json!({ "temperature": 20.0 + wave, "humidity": 50.0 - wave, "pressure": 1013.0 + wave / 2.0 });
    json!({ "device": device, "time": 1_577_836_800 + at * 60, "sequence": at, "metrics": metrics })
}

/// From sending an impossible value until its entry is under a final root.
async fn time_to_final(url: &str, number: usize) -> Duration {
    let device = format!("timed-{}-{number}", std::process::id());
    let metrics = json!({ "temperature": 999.0, "humidity": 50.0, "pressure": 1000.0 });
    let body = json!({ "device": device, "time": "2026-01-05T08:00:00Z", "metrics": metrics });
    let sent = Instant::now();
    let answer = send(http().post(format!("{url}/api/v1/readings")).json(&body)).await.expect("the service answers");
    let index = answer.json()["results"][0]["judgement"]["index"].as_u64().expect("an anomaly");
    e2e::poll::until("the entry is final", async || {
        let status = send(http().get(format!("{url}/api/v1/ledger"))).await.ok()?.json();
        (status["final_size"].as_u64()? > index).then_some(())
    })
    .await;
    sent.elapsed()
}

/// The gas of each anchoring transaction, by its receipt.
async fn gas(url: &str) {
    let get = async |path: &str| send(http().get(format!("{url}{path}"))).await.expect("the service answers").json();
    let (trust, status) = (get("/api/v1/trust").await, get("/api/v1/ledger").await);
    let rpc = status["chain"]["rpc_url"].as_str().expect("an address").to_owned();
    let ask = async |method: &str, params: Value| {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        send(http().post(&rpc).json(&body)).await.expect("the chain answers").json()["result"].clone()
    };
    let filter = json!([{ "address": trust["contract"], "fromBlock": "0x0", "topics": [ANCHORED] }]);
    let logs = ask("eth_getLogs", filter).await;
    println!("{:<20} {:>12} {:>16}", "anchored size", "gas", "calldata bytes");
    for log in logs.as_array().into_iter().flatten() {
        let hash = &log["transactionHash"];
        let receipt = ask("eth_getTransactionReceipt", json!([hash])).await;
        let transaction = ask("eth_getTransactionByHash", json!([hash])).await;
        let number = |value: &Value| u64::from_str_radix(value.as_str().unwrap_or("0x0").trim_start_matches("0x"), 16);
        let size = number(&Value::from(log["topics"][2].as_str().map(|topic| format!("0x{}", &topic[50..]))));
        let calldata = transaction["input"].as_str().map_or(0, |input| input.len() / 2 - 1);
        println!("{:<20} {:>12} {:>16}", size.unwrap_or(0), number(&receipt["gasUsed"]).unwrap_or(0), calldata);
    }
}

/// keccak256 of `Anchored(bytes32,uint64,uint64)`.
const ANCHORED: &str = "0x665a214d59c3b0d9e6c4975fba280be5e19b9b0862cff85b71d42433191945cf";
