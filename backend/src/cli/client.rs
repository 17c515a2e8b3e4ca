//! Talking to a service or a chain from the command line.

use std::time::Duration;

use ledger::chain::query::Answer;
use serde_json::{Value, json};

/// A service or node that has not answered by then is as good as down.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How often a request is repeated that the service could not take at the moment.
const TRIES: u32 = 30;

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// The way to the service.
    #[error("{url} does not answer: {source}. Is the service running?")]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        source: reqwest::Error,
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
}

/// A client of one service.
pub(super) struct Client {
    base: String,
    http: reqwest::Client,
}

impl Client {
    /// A client of the service at this address.
    pub(super) fn new(url: &str) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder().timeout(TIMEOUT).build()?;
        Ok(Self { base: url.trim_end_matches('/').to_owned(), http })
    }

    /// Fetches the bytes at a path.
    pub(super) async fn get(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        let url = format!("{}{path}", self.base);
        let response = self.http.get(&url).send().await;
        body(&url, response).await
    }

    /// Posts readings; tries again while the service is busy or away.
    pub(super) async fn post_readings(&self, readings: &Value) -> Result<api::Readings, ClientError> {
        let url = format!("{}/api/v1/readings", self.base);
        let mut tries = 0;
        loop {
            tries += 1;
            let result = body(&url, self.http.post(&url).json(readings).send().await).await;
            let again = match &result {
                Err(ClientError::Refused { status, .. }) => *status == 503,
                Err(ClientError::Unreachable { .. }) => true,
                Ok(_) => false,
            };
            if again && tries < TRIES {
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
            let bytes = result?;
            return serde_json::from_slice(&bytes).map_err(|error| ClientError::Refused {
                url: url.clone(),
                status: 200,
                detail: format!("not an answer of this service: {error}"),
            });
        }
    }
}

async fn body(url: &str, response: Result<reqwest::Response, reqwest::Error>) -> Result<Vec<u8>, ClientError> {
    let unreachable = |source| ClientError::Unreachable { url: url.to_owned(), source };
    let response = response.map_err(unreachable)?;
    let status = response.status();
    let bytes = response.bytes().await.map_err(unreachable)?.to_vec();
    if status.is_success() {
        return Ok(bytes);
    }
    let detail = match serde_json::from_slice::<api::Problem>(&bytes) {
        Ok(problem) => problem.detail,
        Err(_) => String::from_utf8_lossy(&bytes).chars().take(200).collect(),
    };
    Err(ClientError::Refused { url: url.to_owned(), status: status.as_u16(), detail })
}

/// Asks a chain by JSON-RPC.
pub(super) async fn ask_chain(http: &reqwest::Client, url: &str, method: &str, params: &Value) -> Answer {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let answer = http.post(url).json(&request).send().await.map_err(|error| explain(&error))?;
    let answer: Value = answer.json().await.map_err(|error| explain(&error))?;
    match (answer.get("result"), answer.get("error")) {
        (_, Some(error)) if !error.is_null() => Err(error["message"].as_str().unwrap_or("an error").to_owned()),
        (Some(result), _) => Ok(result.clone()),
        _ => Err("the answer is no JSON-RPC".into()),
    }
}

/// An error with its causes, which reqwest leaves out.
fn explain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
