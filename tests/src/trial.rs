//! A chain, the contract on it and the service before it: what `scripts/run` starts, for one test.

use std::path::{Path, PathBuf};

use ledger::{checkpoint::Checkpoint, trust::TrustRoots};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    chain::Chain,
    command::{self, Finished},
    poll,
    process::free_port,
    service::{Answer, Service, Settings, http, send},
};

/// Any number will do that no weather has: above the profile's physical limit, so a finding from the first reading on.
const IMPOSSIBLE_TEMPERATURE: f64 = 999.0;

/// A trial of its own.
#[derive(Debug)]
pub struct Trial {
    /// The chain.
    pub chain: Chain,
    settings: Settings,
    service: Option<Service>,
    dir: TempDir,
    provoked: u64,
}

impl Trial {
    /// Starts chain and service, and waits until the service is ready.
    pub async fn start() -> Self {
        let chain = Chain::start().await;
        Self::on(chain).await
    }

    /// Starts the service on this chain, and waits until it is ready.
    pub async fn on(chain: Chain) -> Self {
        Self::publishing(chain, "payloads").await
    }

    /// Starts a service on this chain that publishes `payloads` or `roots`.
    pub async fn publishing(chain: Chain, publish: &'static str) -> Self {
        let mut trial = Self::prepare(chain).await;
        trial.settings.publish = publish;
        trial.start_service().await;
        trial.ready().await;
        trial
    }

    /// Makes a log, and deploys its contract on this chain; does not start the service yet.
    pub async fn prepare(chain: Chain) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let data_dir = dir.path().join("data");
        let log_id = init(&data_dir).await;
        let contract = chain.deploy(&log_id).await;
        let (rpc_url, publish) = (chain.url(), "payloads");
        let (flags, environment) = (Vec::new(), Vec::new());
        let port = free_port();
        let settings = Settings { data_dir, trial: true, rpc_url, contract, port, publish, flags, environment };
        Self { chain, settings, service: None, dir, provoked: 0 }
    }

    /// The same log in another directory, for another service; that is not started yet.
    pub fn copied(&self, data_dir: PathBuf) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let settings = Settings { data_dir, port: free_port(), ..self.settings.clone() };
        Self { chain: self.chain.shared(), settings, service: None, dir, provoked: self.provoked }
    }

    /// The service's address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.settings.port)
    }

    /// What the service is started with.
    pub fn settings(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Where the service keeps everything.
    pub fn data_dir(&self) -> &Path {
        &self.settings.data_dir
    }

    /// A path for a file of the test's own.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The contract's address.
    pub fn contract(&self) -> &str {
        &self.settings.contract
    }

    /// The running service.
    ///
    /// # Panics
    /// If it does not run.
    pub fn service(&self) -> &Service {
        self.service.as_ref().expect("the service runs")
    }

    /// Starts the service again, and waits until it takes requests.
    pub async fn start_service(&mut self) {
        let started = Service::start(&self.settings, self.dir.path()).await;
        self.service = Some(started.unwrap_or_else(|(code, log)| panic!("the service has ended ({code}): {log}")));
    }

    /// Stops the service as a service manager does.
    pub async fn stop_service(&mut self) {
        if let Some(service) = self.service.take() {
            assert_eq!(service.stop("TERM").await, 0, "a service that was asked to stop ends well");
        }
    }

    /// Whether the service has ended by itself, or was ended by another.
    pub fn service_has_ended(&mut self) -> bool {
        self.service.as_mut().is_none_or(|service| service.has_ended())
    }

    /// Ends the service as `kill -9` does.
    pub fn kill_service(&mut self) {
        if let Some(service) = self.service.take() {
            service.kill();
        }
    }

    /// Waits until `/ready` says so.
    pub async fn ready(&self) {
        poll::until("the service is ready", async || (self.try_get("/ready").await.ok()?.status == 200).then_some(()))
            .await;
    }

    /// Asks the service.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn get(&self, path: &str) -> Answer {
        self.try_get(path).await.unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// Asks the service, which may be down.
    ///
    /// # Errors
    /// See [`reqwest::Error`].
    pub async fn try_get(&self, path: &str) -> reqwest::Result<Answer> {
        send(http().get(self.url() + path)).await
    }

    /// Sends the service a JSON body.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_raw(path, "application/json", body.to_string()).await
    }

    /// Sends the service any body.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn post_raw(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = http().post(self.url() + path).header("content-type", content_type).body(body);
        send(request).await.unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// Readings of which each is an anomaly, each of a device of its own.
    fn next_provocation(&mut self, count: u64) -> Value {
        let first = self.provoked;
        self.provoked += count;
        (first..self.provoked)
            .map(|at| {
                let metrics = json!({ "humidity": 50.0, "pressure": 1000.0, "temperature": IMPOSSIBLE_TEMPERATURE });
                reading(&format!("provoked-{at}"), at, metrics)
            })
            .collect()
    }

    /// Makes an anomaly, if the service lives to see it.
    ///
    /// # Errors
    /// See [`reqwest::Error`].
    pub async fn try_provoke(&mut self) -> reqwest::Result<Answer> {
        let body = self.next_provocation(1);
        send(http().post(self.url() + "/api/v1/readings").json(&body)).await
    }

    /// Makes this many anomalies, each of a device of its own; gives the indexes of their entries.
    pub async fn provoke(&mut self, count: u64) -> Vec<u64> {
        let body = self.next_provocation(count);
        let answer = self.post("/api/v1/readings", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let readings: api::Readings = serde_json::from_slice(&answer.body).expect("results");
        let index = |result: &api::ReadingResult| result.judgement.as_ref().and_then(|judgement| judgement.index);
        readings
            .results
            .iter()
            .map(|result| index(result).unwrap_or_else(|| panic!("no anomaly: {result:?}")))
            .collect()
    }

    /// All anomalies, newest first, over all pages.
    pub async fn anomalies(&self) -> Vec<api::Anomaly> {
        let mut all = Vec::new();
        let mut query = "limit=100".to_owned();
        loop {
            let answer = self.get(&format!("/api/v1/anomalies?{query}")).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let page: api::Page<api::Anomaly> = serde_json::from_slice(&answer.body).expect("a page");
            all.extend(page.items);
            match page.next_cursor {
                Some(cursor) => query = format!("limit=100&cursor={cursor}"),
                None => return all,
            }
        }
    }

    /// Waits until every anomaly is final; gives them.
    pub async fn all_final(&self) -> Vec<api::Anomaly> {
        poll::until("every anomaly is final", async || {
            let anomalies = self.anomalies().await;
            anomalies.iter().all(|anomaly| anomaly.state == api::EntryState::Final).then_some(anomalies)
        })
        .await
    }

    /// Where log and chain stand.
    pub async fn ledger(&self) -> api::LedgerStatus {
        serde_json::from_slice(&self.get("/api/v1/ledger").await.body).expect("the ledger's status")
    }

    /// The newest checkpoint, its signature checked against this key.
    pub async fn checkpoint(&self, trust: &TrustRoots) -> Checkpoint {
        let note = self.get("/checkpoint").await.text();
        trust.log_key.verify(&note).unwrap_or_else(|error| panic!("{error}: {note}"))
    }

    /// What the service claims the trust roots to be.
    pub async fn trust(&self) -> TrustRoots {
        serde_json::from_slice(&self.get("/api/v1/trust").await.body).expect("a trust file")
    }

    /// Pins what the service claims now: writes the trust file.
    pub async fn pin_trust(&self) -> PathBuf {
        let file = self.file("trust.json");
        std::fs::write(&file, self.get("/api/v1/trust").await.body).expect("a temporary file can be written");
        file
    }

    /// Fetches the evidence of an entry with the command.
    pub async fn evidence(&self, index: u64) -> PathBuf {
        let file = self.file(&format!("evidence-{index}.json"));
        command::evidence(index, &self.url(), &file).await.expect_success();
        file
    }

    /// Fetches the evidence of an entry and verifies it, asking this trial's chain.
    pub async fn verify(&self, index: u64, trust: &Path) -> Finished {
        command::verify(&self.evidence(index).await, trust, Some(&self.chain.url())).await
    }
}

/// `anomaly-ledger admin init`; gives the log's id.
pub async fn init(data_dir: &Path) -> String {
    let args = ["admin".as_ref(), "init".as_ref(), "--data-dir".as_ref(), data_dir.as_os_str()];
    let line = command::run(args).await.expect_success();
    let line: Value = serde_json::from_str(line.trim()).expect("one line of JSON");
    line["log_id"].as_str().expect("a log id").to_owned()
}

/// A reading, one minute after the one with the sequence number before.
pub fn reading(device: &str, sequence: u64, metrics: Value) -> Value {
    // Any day of the past; the detector asks only for the hour.
    let (day, minute) = (sequence / 1440, sequence % 1440);
    let time = format!("2026-01-{:02}T{:02}:{:02}:00Z", 1 + day % 28, minute / 60, minute % 60);
    json!({ "device": device, "time": time, "sequence": sequence, "metrics": metrics })
}
