//! Talking to a service or a chain from the command line.

use std::time::{Duration, Instant};

use alloy::primitives::Bytes;
use ledger::chain::query::{Answer, ChainQuery, ChainState, Progress};
use reqwest::Url;
use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::loopback::is_loopback;

/// A service that has not answered by then is as good as down. It answers a batch within a second.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A node that has not answered by then is as good as down.
const CHAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest answer that is read, of a service or a node. Evidence has at most 4 MiB, the results of a batch of readings
/// less than 4, and so do a block's header with the hashes of its transactions and the proofs of a few slots.
const MAX_ANSWER: usize = 8 << 20;

/// How long a request is repeated that the service could not take: longer than a restart of it takes.
const RETRY_FOR: Duration = Duration::from_secs(30);

/// Between two tries; the service's own Retry-After is a second too.
const PAUSE: Duration = Duration::from_secs(1);

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// The way to the service.
    #[error("{url} does not answer: {why}. Is the service running?")]
    Unreachable {
        /// The address.
        url: String,
        /// Why, with its causes.
        why: String,
        /// Whether it may answer later.
        may_pass: bool,
    },
    /// The service refused.
    #[error("{url} answers {status}: {detail}")]
    Refused {
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// What the problem document says, or the body's beginning.
        detail: String,
    },
    /// The answer broke off.
    #[error("the answer of {url} broke off: {why}")]
    Broken {
        /// The address.
        url: String,
        /// Why, with its causes.
        why: String,
    },
    /// The request cannot be written.
    #[error("the request cannot be written as JSON: {0}")]
    Request(#[from] serde_json::Error),
}

impl ClientError {
    fn unreachable(url: &str, why: &dyn std::fmt::Display) -> Self {
        Self::Unreachable { url: url.to_owned(), why: why.to_string(), may_pass: false }
    }

    fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { may_pass, .. } => *may_pass,
            Self::Refused { status, .. } => *status == 503,
            Self::Broken { .. } | Self::Request(_) => false,
        }
    }
}

/// A download takes a day at most: a terabyte at 12 MB/s.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// What is being fetched, piece by piece.
pub(super) struct Download {
    url: String,
    response: reqwest::Response,
}

impl Download {
    /// A number that stands in a header field.
    pub(super) fn number(&self, header: &str) -> Option<u64> {
        self.response.headers().get(header)?.to_str().ok()?.parse().ok()
    }

    /// The next piece; `None` at the end.
    pub(super) async fn piece(&mut self) -> Result<Option<axum::body::Bytes>, ClientError> {
        let broken = |error| ClientError::Broken { url: self.url.clone(), why: explain(error) };
        self.response.chunk().await.map_err(broken)
    }
}

/// A client of one service.
pub(super) struct Client {
    base: String,
    http: reqwest::Client,
    /// What is shown to the service, if it asks for something.
    key: Option<String>,
    retry_for: Duration,
}

impl Client {
    /// A client of the service at this address. It goes there straight, whatever proxy the environment names.
    pub(super) fn new(url: &Url) -> Result<Self, reqwest::Error> {
        let http = builder(TIMEOUT).read_timeout(TIMEOUT).no_proxy().build()?;
        let base = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { base, http, key: None, retry_for: RETRY_FOR })
    }

    /// The same, showing this key.
    pub(super) fn with_key(self, key: Option<String>) -> Self {
        Self { key, ..self }
    }

    fn authorised(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// Fetches the bytes at a path.
    pub(super) async fn get(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        let url = format!("{}{path}", self.base);
        let response = self.authorised(self.http.get(&url)).send().await;
        body(&url, response).await
    }

    /// Begins to fetch what may take longer than an answer: only its pieces must not be long in coming.
    pub(super) async fn download(&self, path: &str, query: &[(&str, &str)]) -> Result<Download, ClientError> {
        let url = format!("{}{path}", self.base);
        let address = Url::parse_with_params(&url, query).map_err(|error| ClientError::unreachable(&url, &error))?;
        let request = self.http.get(address).timeout(LONGEST);
        let response = self.authorised(request).send().await;
        match response {
            Ok(response) if response.status().is_success() => Ok(Download { url, response }),
            other => Err(match body(&url, other).await {
                Ok(_) => ClientError::unreachable(&url, &"it answered twice"),
                Err(error) => error,
            }),
        }
    }

    /// Posts readings. While the service is busy or away it says so, and tries again for a while.
    pub(super) async fn post_readings(&self, readings: &(impl Serialize + Sync)) -> Result<api::Readings, ClientError> {
        self.post("/api/v1/readings", "application/json", serde_json::to_vec(readings)?).await
    }

    /// Posts what is answered as readings are. While the service is busy or away it says so, and tries again for a while.
    pub(super) async fn post(&self, path: &str, media_type: &str, text: Vec<u8>) -> Result<api::Readings, ClientError> {
        answer(format!("{}{path}", self.base), &self.post_text(path, media_type, text).await?)
    }

    /// Posts a text, and gives the answer's bytes. While the service is busy or away it says so, and tries again for a
    /// while.
    pub(super) async fn post_text(&self, path: &str, media_type: &str, text: Vec<u8>) -> Result<Vec<u8>, ClientError> {
        let url = format!("{}{path}", self.base);
        let mut give_up: Option<Instant> = None;
        loop {
            let request = self.http.post(&url).header(reqwest::header::CONTENT_TYPE, media_type);
            let request = self.authorised(request.body(text.clone()));
            let error = match body(&url, request.send().await).await {
                Ok(bytes) => return Ok(bytes),
                Err(error) if error.may_pass() => error,
                Err(error) => return Err(error),
            };
            match give_up {
                None => {
                    eprintln!("{error} Trying again for {} s.", self.retry_for.as_secs());
                    give_up = Some(Instant::now() + self.retry_for);
                }
                Some(give_up) if Instant::now() >= give_up => return Err(error),
                Some(_) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn answer(url: String, bytes: &[u8]) -> Result<api::Readings, ClientError> {
    serde_json::from_slice(bytes).map_err(|error| ClientError::Refused {
        url,
        status: 200,
        detail: format!("not an answer of this service: {error}"),
    })
}

async fn body(url: &str, response: Result<reqwest::Response, reqwest::Error>) -> Result<Vec<u8>, ClientError> {
    let unreachable = |error: reqwest::Error| ClientError::Unreachable {
        url: url.to_owned(),
        // An address that cannot be asked today cannot be asked in a second either.
        may_pass: !error.is_builder(),
        why: explain(error),
    };
    let response = response.map_err(unreachable)?;
    let status = response.status();
    let bytes = match read(response, MAX_ANSWER).await {
        Ok(bytes) => bytes,
        Err(ReadError::Broken(error)) => return Err(unreachable(error)),
        Err(long @ ReadError::TooLong(_)) => {
            let (url, status, detail) = (url.to_owned(), status.as_u16(), long.to_string());
            return Err(ClientError::Refused { url, status, detail });
        }
    };
    if status.is_success() {
        return Ok(bytes);
    }
    let detail = match serde_json::from_slice::<api::Problem>(&bytes) {
        Ok(problem) => problem.detail,
        Err(_) => String::from_utf8_lossy(&bytes).chars().take(200).collect(),
    };
    Err(ClientError::Refused { url: url.to_owned(), status: status.as_u16(), detail })
}

/// Why an answer's body is not read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("the answer breaks off")]
    Broken(#[from] reqwest::Error),
    #[error("expected an answer of at most {0} bytes, and stopped reading there")]
    TooLong(usize),
}

/// Reads a body, but no more of it than anybody has reason to send.
async fn read(mut response: reqwest::Response, most: usize) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > most {
            return Err(ReadError::TooLong(most));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn builder(timeout: Duration) -> reqwest::ClientBuilder {
    super::install_crypto();
    reqwest::Client::builder().timeout(timeout)
}

/// A client for a chain's node, which may lie behind a proxy unless it is this machine's own.
pub(super) fn chain_client(url: &Url) -> Result<reqwest::Client, reqwest::Error> {
    let builder = builder(CHAIN_TIMEOUT);
    if is_loopback(url) { builder.no_proxy().build() } else { builder.build() }
}

/// Asks a chain all that a query asks; the error is for people.
pub(super) async fn ask_state(http: &reqwest::Client, url: &Url, mut query: ChainQuery) -> Result<ChainState, String> {
    loop {
        let mut answers = Vec::new();
        for request in query.requests() {
            answers.push(ask_chain(http, url, request.method, &request.params).await);
        }
        match query.answer(answers).map_err(|error| error.to_string())? {
            Progress::Asking(next) => query = *next,
            Progress::Done(state) => return Ok(*state),
        }
    }
}

/// Why a chain's node gave no result.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChainFault {
    /// It did not answer, or not by JSON-RPC.
    #[error("{0}")]
    Silent(String),
    /// It answered with an error.
    #[error("{message}")]
    Refused {
        /// What it says.
        message: String,
        /// What a contract has reverted with.
        data: Option<Bytes>,
    },
    /// Its answer is longer than was allowed.
    #[error("the answer is too long")]
    TooLong,
}

/// Asks a chain by JSON-RPC.
pub(super) async fn ask_chain(http: &reqwest::Client, url: &Url, method: &str, params: &Value) -> Answer {
    ask_chain_bounded(http, url, method, params, MAX_ANSWER).await.map_err(|fault| fault.to_string())
}

/// Asks a chain by JSON-RPC, and reads no more than this many bytes.
pub(super) async fn ask_chain_bounded(
    http: &reqwest::Client,
    url: &Url,
    method: &str,
    params: &Value,
    most: usize,
) -> Result<Value, ChainFault> {
    let silent = |error| ChainFault::Silent(explain(error));
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let answer = http.post(url.clone()).json(&request).send().await.map_err(silent)?;
    let bytes = match read(answer, most).await {
        Ok(bytes) => bytes,
        Err(ReadError::Broken(error)) => return Err(silent(error)),
        Err(ReadError::TooLong(_)) => return Err(ChainFault::TooLong),
    };
    let no_rpc = || ChainFault::Silent("the answer is no JSON-RPC".into());
    let mut answer: Value = serde_json::from_slice(&bytes).map_err(|_| no_rpc())?;
    match answer.get("error").filter(|error| !error.is_null()) {
        Some(error) => Err(ChainFault::Refused {
            message: error["message"].as_str().unwrap_or("an error").chars().take(200).collect(),
            data: error["data"].as_str().and_then(|data| data.parse().ok()),
        }),
        None => answer.get_mut("result").map(Value::take).ok_or_else(no_rpc),
    }
}

/// An error with its causes, which reqwest leaves out, and without the address, which may hold a password.
pub(super) fn explain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Reads the address of a service or a node.
pub(super) fn parse_url(text: &str) -> Result<Url, String> {
    let url: Url =
        text.parse().map_err(|error| format!("expected an address such as http://127.0.0.1:8080: {error}"))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        return Ok(url);
    }
    Err(format!("expected an address that begins with http:// or https://, found the scheme {:?}", url.scheme()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn impossible_addresses_are_wrong_use() {
        for text in ["", "127.0.0.1:8080", "localhost:8080", "ftp://127.0.0.1", "http://", "http://a b", "unix:/x"] {
            assert!(parse_url(text).is_err(), "{text}");
        }
        assert_eq!(parse_url("http://127.0.0.1:8080").unwrap().as_str(), "http://127.0.0.1:8080/");
    }

    /// Somebody who answers with these bytes, again and again without end.
    async fn endless(bytes: &'static [u8]) -> Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = parse_url(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            assert!(socket.read(&mut request).await.unwrap() > 0);
            socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n").await.unwrap();
            while socket.write_all(bytes).await.is_ok() {}
        });
        url
    }

    #[tokio::test]
    async fn an_answer_without_end_is_cut_off() {
        let url = endless(&[b' '; 65_536]).await;
        let http = chain_client(&url).unwrap();
        let answer = ask_chain(&http, &url, "eth_chainId", &json!([])).await;
        assert!(answer.as_ref().unwrap_err().contains("too long"), "{answer:?}");
        let url = endless(&[b' '; 65_536]).await;
        let answer = Client::new(&url).unwrap().get("/api/v1/entries/0/evidence").await;
        assert!(
            matches!(&answer, Err(ClientError::Refused { detail, .. }) if detail.contains("at most")),
            "{answer:?}"
        );
    }

    #[tokio::test]
    async fn a_service_that_is_away_is_tried_again_and_an_impossible_address_is_not() {
        let mut client = Client::new(&parse_url("http://127.0.0.1:9").unwrap()).unwrap();
        client.retry_for = Duration::from_millis(500);
        let started = Instant::now();
        let error = client.post_readings(&json!([])).await.unwrap_err();
        assert!(error.may_pass() && error.to_string().contains("refused"), "{error}");
        assert!(started.elapsed() >= PAUSE);

        client.base = "nonsense".into();
        let started = Instant::now();
        let error = client.post_readings(&json!([])).await.unwrap_err();
        assert!(!error.may_pass(), "{error}");
        assert!(started.elapsed() < PAUSE);
    }
}
