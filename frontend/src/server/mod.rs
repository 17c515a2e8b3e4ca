//! The one module that talks to the service. It asks and reads forms; it believes nothing.

pub(crate) mod devices;
pub(crate) mod feed;
pub(crate) mod people;
pub(crate) mod series;

use api::{
    Account, Anomaly, Feedback, FeedbackRequest, FeedbackVerdict, Heartbeat, LedgerStatus, Page, Problem, Readings,
};
use gloo_net::http::{Method, RequestBuilder};
use ledger::{
    Hash,
    text::Pseudonym,
    tile::{self, TileId},
    trust::TrustRoots,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, de::DeserializeOwned};

use crate::http::{self, Answer, Fault};

const WHOM: &str = "the service";

/// How many anomalies one page asks for.
pub(crate) const PAGE: usize = 50;

/// The newest anomalies, or those after a cursor.
pub(crate) async fn anomalies(cursor: Option<&str>) -> Result<Page<Anomaly>, Fault> {
    json(&format!("/api/v1/anomalies?limit={PAGE}{}", after(cursor))).await
}

/// The anomaly at this index; `None` where there is none.
pub(crate) async fn anomaly(index: u64) -> Result<Option<Anomaly>, Fault> {
    let page: Page<Anomaly> = json(&format!("/api/v1/anomalies?limit=1&cursor={}", index + 1)).await?;
    Ok(page.items.into_iter().find(|anomaly| anomaly.index == index))
}

/// Says whether a finding was right; gives what stands.
pub(crate) async fn feedback(index: u64, verdict: FeedbackVerdict) -> Result<Feedback, Fault> {
    let request = FeedbackRequest { verdict, comment: None };
    ask(Method::POST, &format!("/api/v1/anomalies/{index}/feedback"), &request).await
}

fn after(cursor: Option<&str>) -> String {
    cursor.map(|cursor| format!("&cursor={}", encoded(cursor))).unwrap_or_default()
}

/// Where the log and the chain stand, as the service says.
pub(crate) async fn ledger() -> Result<LedgerStatus, Fault> {
    json("/api/v1/ledger").await
}

/// What the service claims the trust roots to be.
pub(crate) async fn trust() -> Result<TrustRoots, Fault> {
    json("/api/v1/trust").await
}

/// An entry's evidence, byte for byte as served.
pub(crate) async fn evidence(index: u64) -> Result<Vec<u8>, Fault> {
    get(&format!("/api/v1/entries/{index}/evidence")).await
}

/// The tile of leaf hashes around an entry, in a tree of this size. `Ok(None)`: bytes that are no hashes.
pub(crate) async fn leaf_tile(index: u64, size: u64) -> Result<Option<Vec<Hash>>, Fault> {
    let number = index / tile::WIDTH;
    hash_tile(TileId { level: 0, index: number, width: tile::width_at(0, number, size) }).await
}

/// A tile of hashes. `Ok(None)`: bytes that are no hashes.
pub(crate) async fn hash_tile(id: TileId) -> Result<Option<Vec<Hash>>, Fault> {
    let bytes = get(&format!("/tile/{}/{}", id.level, tile::index_path(id.index, id.width))).await?;
    Ok(tile::from_bytes(&bytes))
}

/// A tile of entries, as they are stored. `Ok(None)`: bytes that are cut short.
pub(crate) async fn entry_tile(number: u64, width: u32) -> Result<Option<Vec<Vec<u8>>>, Fault> {
    let bytes = get(&format!("/tile/entries/{}", tile::index_path(number, width))).await?;
    Ok(tile::entries_from_bytes(&bytes))
}

/// How many heartbeats one page asks for: with one an hour, a day's.
const HEARTBEATS: usize = 24;

/// The newest heartbeats, or those after a cursor.
pub(crate) async fn heartbeats(cursor: Option<&str>) -> Result<Page<Heartbeat>, Fault> {
    json(&format!("/api/v1/heartbeats?limit={HEARTBEATS}{}", after(cursor))).await
}

/// What a heartbeat says of one device, with what shows it.
pub(crate) async fn account(heartbeat: u64, device: &Pseudonym) -> Result<Account, Fault> {
    json(&format!("/api/v1/heartbeats/{heartbeat}/devices/{device}")).await
}

/// Sends readings: the body as `POST /api/v1/readings` takes it.
pub(crate) async fn send(body: String) -> Result<Readings, Fault> {
    let answer = http::post(WHOM, "/api/v1/readings", body).await?;
    // A rejected reading comes with an error's status, and still with results.
    match serde_json::from_slice(&answer.bytes) {
        Ok(readings) => Ok(readings),
        Err(_) => parse(&good(answer)?),
    }
}

/// A text as a part of an address.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Sends JSON, and reads the answer.
async fn ask<T: DeserializeOwned>(method: Method, path: &str, body: &impl Serialize) -> Result<T, Fault> {
    parse(&told(method, path, body).await?)
}

/// Sends JSON; the answer says no more than that it is done.
async fn done(method: Method, path: &str, body: &impl Serialize) -> Result<(), Fault> {
    told(method, path, body).await.map(drop)
}

async fn told(method: Method, path: &str, body: &impl Serialize) -> Result<Vec<u8>, Fault> {
    let body = serde_json::to_string(body).map_err(|error| Fault::Malformed(error.to_string()))?;
    good(http::send_body(WHOM, method, path, "application/json", body).await?)
}

/// Asks for something to be done that needs no words.
async fn order(method: Method, path: &str) -> Result<(), Fault> {
    good(http::fetch(WHOM, RequestBuilder::new(path).method(method)).await?).map(drop)
}

async fn json<T: DeserializeOwned>(path: &str) -> Result<T, Fault> {
    parse(&get(path).await?)
}

async fn get(path: &str) -> Result<Vec<u8>, Fault> {
    good(http::fetch(WHOM, RequestBuilder::new(path).method(Method::GET)).await?)
}

fn good(answer: Answer) -> Result<Vec<u8>, Fault> {
    if (200..300).contains(&answer.status) {
        return Ok(answer.bytes);
    }
    Err(match serde_json::from_slice::<Problem>(&answer.bytes) {
        Ok(problem) => Fault::Problem(Box::new(problem)),
        Err(_) => Fault::Status(WHOM, answer.status),
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(bytes).map_err(|error| Fault::Malformed(error.to_string()))
}
