//! The service as a program that is started, asked and stopped.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use serde_json::Value;

use crate::{chain::ANCHORER_KEY, paths, poll, process::Process};

/// The first start trains the models in an unoptimised program, beside other tests.
const START: Duration = Duration::from_secs(120);

/// Requests under way are finished; nothing takes longer.
const STOP: Duration = Duration::from_secs(40);

/// What it is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it keeps everything.
    pub data_dir: PathBuf,
    /// Whether it is a trial.
    pub trial: bool,
    /// Where it asks the chain.
    pub rpc_url: String,
    /// The contract's address.
    pub contract: String,
    /// Its port; 0 for any.
    pub port: u16,
    /// Further flags of `serve`.
    pub flags: Vec<String>,
    /// What it publishes: `payloads` or `roots`.
    pub publish: &'static str,
    /// Environment variables that it is given.
    pub environment: Vec<(&'static str, OsString)>,
}

/// A running service.
#[derive(Debug)]
pub struct Service {
    process: Process,
    url: String,
}

/// An answer over HTTP.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The content type; empty if there is none.
    pub content_type: String,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Service {
    /// Starts it, and waits until it takes requests.
    ///
    /// # Errors
    /// Its exit code and what it complained of, if it ended instead.
    pub async fn start(settings: &Settings, logs: &Path) -> Result<Self, (i32, String)> {
        let mut command = Command::new(paths::service_binary());
        command.args(["serve", "--publish", settings.publish, "--data-dir"]).arg(&settings.data_dir);
        command.args(settings.trial.then_some("--trial"));
        command.args(["--listen", &format!("127.0.0.1:{}", settings.port)]);
        command.args(["--rpc-url", &settings.rpc_url, "--contract", &settings.contract]);
        command.args(&settings.flags);
        // A proxy that nobody is behind: the way to a node of this machine is straight.
        command.env("HTTP_PROXY", "http://127.0.0.1:9").env("http_proxy", "http://127.0.0.1:9");
        command.env("ANOMALY_LEDGER_ANCHORER_KEY", ANCHORER_KEY).envs(settings.environment.iter().cloned());
        let mut process = Process::start("service", &mut command, logs);
        let started = poll::within(START, "the service says where it listens", async || {
            let address = process
                .stdout()
                .iter()
                .find_map(|line| line.split_once("listening on ").map(|(_, url)| url.trim().to_owned()));
            address.map(Ok).or_else(|| process.exit_code().map(Err))
        });
        match started.await {
            Ok(url) => Ok(Self { process, url }),
            Err(code) => Err((code, process.stderr())),
        }
    }

    /// Its address, such as `http://127.0.0.1:8080`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it says that it takes readings by this protocol, such as `tcp`: address and port.
    ///
    /// # Panics
    /// If it does not say so.
    pub fn place(&self, protocol: &str) -> String {
        let start = format!("taking readings on {protocol}://");
        let lines = self.process.stdout();
        let place = lines.iter().find_map(|line| line.strip_prefix(&start));
        place.unwrap_or_else(|| panic!("it takes none on {protocol}: {lines:?}")).trim().to_owned()
    }

    /// How much memory it has, in bytes.
    ///
    /// # Panics
    /// If the system does not say.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it runs");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        resident.and_then(|kib| kib.parse::<u64>().ok()).expect("the system says how much") << 10
    }

    /// Sends it a signal by its name.
    pub fn signal(&self, signal: &str) {
        self.process.signal(signal);
    }

    /// Asks it to stop, waits, and gives its exit code.
    pub async fn stop(mut self, signal: &str) -> i32 {
        self.process.signal(signal);
        self.process.ended(STOP).await
    }

    /// Ends it as `kill -9` does.
    pub fn kill(mut self) {
        self.process.kill();
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.process.exit_code().is_some()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it has printed.
    pub fn printed(&self) -> Vec<String> {
        self.process.stdout()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.process.stderr()
    }
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is something else.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The problem document (RFC 9457) that it is.
    ///
    /// # Panics
    /// If it is none, or its status is not the answer's.
    pub fn problem(&self) -> api::Problem {
        assert!(
            self.content_type.starts_with("application/problem+json"),
            "{} {}: {}",
            self.status,
            self.content_type,
            self.text()
        );
        let problem: api::Problem = serde_json::from_slice(&self.body).expect("a problem document");
        assert_eq!(problem.status, self.status, "{problem:?}");
        problem
    }
}

/// The client of all tests.
pub fn http() -> &'static reqwest::Client {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        install_crypto();
        // Answers are waited for by the tests' own deadlines; this one ends what would hang.
        let builder = reqwest::Client::builder().timeout(Duration::from_secs(60)).no_proxy();
        builder.build().expect("an HTTP client can be made")
    })
}

/// Chooses the cryptography of every TLS client here; none is used, but the libraries ask for one.
pub fn install_crypto() {
    // An error means that another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Sends a request; an error is one of the connection.
///
/// # Errors
/// See [`reqwest::Error`].
pub async fn send(request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
    let answer = request.send().await?;
    let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: Vec<_> = answer.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let content_type = answer.headers().get("content-type").map(text).unwrap_or_default();
    Ok(Answer { status: answer.status().as_u16(), content_type, headers, body: answer.bytes().await?.to_vec() })
}
