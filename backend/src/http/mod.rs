//! The HTTP interface for readers: the log, anomalies, evidence, health, the dashboard.
//!
//! Handlers ask the ports and shape answers. Nothing here judges, stores, signs or asks the chain. What is served
//! of the log is what is stored, byte for byte: a reader who checks must be able to see damage.

mod accounts;
mod anomalies;
mod assets;
mod authorize;
mod coding;
mod compat;
mod credentials;
mod devices;
mod docs;
mod errors;
mod feed;
mod forwarded;
mod guard;
mod health;
mod heartbeats;
mod json;
mod log;
mod models;
mod reader;
mod series;
mod server;
mod shown;
#[cfg(test)]
mod tests;

use std::{ops::Range, str::FromStr, sync::Arc};

use axum::{Router, middleware, routing::get};
use ledger::{canonical::MAX_INTEGER, trust::TrustRoots};
use tokio::sync::{Semaphore, broadcast, watch};
use utoipa::openapi::OpenApi;

use crate::{
    access::{Accounts, Gate, Registrar, Trail},
    bodies::{self, Bodies},
    domain::{
        log::{ChainView, Event, Halt},
        ports::{AnchorStore, AuditLog, LogReader, ModelFiles, Series, Shown, ShownAnomaly, StoreError},
    },
    problem::Fault,
};
pub(crate) use authorize::Door;
use feed::Feed;
pub(crate) use guard::Guard;
pub(crate) use log::{Cover, bundle};
use series::Shelf;
pub(crate) use server::Server;

/// Listeners of the feed at most. Each keeps a connection and a small buffer.
const MAX_LISTENERS: usize = 256;

/// What the handlers work with.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) log: Arc<dyn LogReader>,
    pub(crate) anchors: Arc<dyn AnchorStore>,
    /// Readings over time.
    pub(crate) series: Arc<dyn Series>,
    /// The registry of devices.
    pub(crate) registrar: Arc<Registrar>,
    /// The files of all models.
    pub(crate) models: Arc<dyn ModelFiles>,
    pub(crate) view: watch::Receiver<ChainView>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) halt: Halt,
    /// The log's first key, with its name.
    pub(crate) log_key: ledger::checkpoint::LogKey,
    /// The signed checkpoint of the log while it is empty: nothing is stored then, and a reader may ask. `None` if the
    /// first key's secret was destroyed, which a log without entries does not survive.
    pub(crate) empty_checkpoint: Option<Arc<str>>,
    /// Where the chain may be asked.
    pub(crate) rpc_url: Arc<str>,
    /// Version of the model for unknown profiles.
    pub(crate) model_version: Arc<str>,
    pub(crate) trial: bool,
    /// Who may see which payload.
    pub(crate) gate: Arc<Gate>,
    /// Users, sessions, tokens, invitations.
    pub(crate) accounts: Arc<Accounts>,
    /// Where it is recorded who did what.
    pub(crate) trail: Trail,
    /// What was recorded.
    pub(crate) audit: Arc<dyn AuditLog>,
    pub(crate) metrics: metrics_exporter_prometheus::PrometheusHandle,
    /// Turns true when the service is to stop.
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) listeners: Arc<Semaphore>,
}

impl Site {
    /// The places for listeners of the feed.
    pub(crate) fn listeners() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(MAX_LISTENERS))
    }

    fn trust(&self) -> Option<TrustRoots> {
        self.view.borrow().trust.clone()
    }
}

impl Shown for Site {
    fn anomalies(&self, indexes: Range<u64>, limit: u64) -> Result<Vec<ShownAnomaly>, StoreError> {
        let told = anomalies::among(self, indexes, limit)?.into_iter();
        Ok(told.map(|anomalies::Told { whole, hidden }| ShownAnomaly { whole, hidden }).collect())
    }

    fn ledger(&self) -> Result<api::LedgerStatus, StoreError> {
        log::status(self)
    }
}

/// All routes: those of this module, and those that intake brings with their description. Called where tasks can be
/// started: the feed has one.
pub(crate) fn router(site: Site, intake: Router, interface: OpenApi, guard: Guard, door: Door) -> Router {
    let feed = Feed::start(site.clone(), Arc::clone(&door.clock));
    let shelf = Shelf::new(Arc::clone(&site.series), door.clone());
    let (gate, clock) = (Arc::clone(&door.gate), Arc::clone(&door.clock));
    let desk = devices::Desk { registrar: Arc::clone(&site.registrar), gate, clock };
    // One account of memory for the bodies of both.
    let reserving = middleware::from_fn_with_state(Bodies::new(), bodies::reserve);
    let with_bodies = Router::new().merge(intake).merge(devices::router(desk)).layer(reserving);
    Router::new()
        .route("/api/v1/anomalies", get(anomalies::anomalies))
        .route("/api/v1/entries/{index}", get(log::entry))
        .route("/api/v1/entries/{index}/evidence", get(log::evidence))
        .route("/api/v1/heartbeats", get(heartbeats::heartbeats))
        .route("/api/v1/heartbeats/{index}/devices/{device}", get(heartbeats::device))
        .route("/api/v1/ledger", get(log::ledger))
        .route("/api/v1/models", get(models::models))
        .route("/api/v1/models/{hash}", get(models::meta))
        .route("/api/v1/models/{hash}/model.bin", get(models::model))
        .route("/api/v1/models/{hash}/sample.csv", get(models::sample))
        .route("/api/v1/trust", get(log::trust))
        .route("/api/v1/feed", get(feed::feed).with_state(feed))
        .route("/checkpoint", get(log::checkpoint))
        .route("/tile/{*path}", get(log::tile))
        .route("/latest_anomalies", get(compat::latest_anomalies))
        .route("/anomalies", get(compat::anomalies))
        .route("/health", get(health::health))
        .route("/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
        .merge(accounts::router())
        .with_state(site)
        .merge(series::router(shelf))
        .merge(with_bodies)
        .merge(docs::router(interface))
        .merge(assets::router())
        .route_layer(middleware::from_fn_with_state(door, authorize::authorize))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn(errors::describe))
        .layer(middleware::from_fn_with_state(guard, guard::check))
}

async fn not_found() -> Fault {
    Fault::new(api::Code::NotFound, "there is no such address; /api/docs lists them")
}

async fn method_not_allowed() -> Fault {
    Fault::new(api::Code::MethodNotAllowed, "this address does not take this method; /api/docs lists them")
}

/// Reads an index or size from a path.
fn parse_index(text: &str) -> Result<u64, Fault> {
    canonical(text).filter(|index| *index <= MAX_INTEGER as u64).ok_or_else(|| {
        let what = format!("expected an index from 0 to 2^53-1, found {:?}", excerpt(text));
        Fault::new(api::Code::InvalidParameter, what)
    })
}

/// Reads a number that is written as we write it: without a sign, or zeros in front.
fn canonical<T: FromStr + ToString>(text: &str) -> Option<T> {
    text.parse().ok().filter(|number: &T| number.to_string() == text)
}

/// As much of a client's text as an answer repeats.
fn excerpt(text: &str) -> String {
    text.chars().take(40).collect()
}
