//! Intake: sources that decode and bound bytes, hand on readings, and answer after the commit.
//!
//! HTTP is the first of them. Nothing here stores, judges or signs.

mod bodies;
mod body;
mod compat;
mod decode;
mod feedback;
mod inflate;
mod influx;
mod line_protocol;
mod lines;
mod once;
mod readings;
mod source;

use std::sync::Arc;

use api::Code;
use axum::{
    Router, middleware,
    routing::{get, post},
};

use crate::{
    access::{Denied, Gate, Pass},
    domain::{Clock, Reading, access::Action, ports::LogReader, verdict::Accepted},
    pipeline::{self, Pipeline},
    problem::Fault,
};
use bodies::Bodies;
pub(crate) use influx::in_their_words;
pub(crate) use lines::DEVICE_TAGS;
pub(crate) use once::Once;
pub(crate) use source::Source;

/// The interface of this module's routes, for the description of the whole.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    readings::readings,
    feedback::feedback,
    compat::predict,
    compat::sensor_data,
    influx::write,
    influx::write_v1,
    influx::ping
))]
pub(crate) struct Interface;

/// What the intake routes work with.
#[derive(Clone)]
pub(crate) struct Intake {
    /// Where readings go.
    pub(crate) pipeline: Pipeline,
    /// What findings say: of which device they are.
    pub(crate) log: Arc<dyn LogReader>,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Who may send as whom.
    pub(crate) gate: Arc<Gate>,
    /// The source that uses it, for metrics.
    pub(crate) source: &'static str,
    /// Requests with keys.
    pub(crate) once: Arc<Once>,
    /// The tags of InfluxDB's lines that name the device.
    pub(crate) device_tags: Arc<[String]>,
}

impl Intake {
    /// The same, for another source.
    pub(crate) fn of(&self, source: &'static str) -> Self {
        Self { source, ..self.clone() }
    }

    /// Submits readings; gives the verdict or the fault of each, in their order. Those that this caller may not send are
    /// refused one by one.
    ///
    /// # Errors
    /// If none was taken: what the caller has shown does not hold any more, or the service is busy.
    pub(crate) async fn submit(
        &self,
        pass: &Pass,
        readings: Vec<Reading>,
    ) -> Result<Vec<Result<Accepted, Fault>>, Fault> {
        let (allowed, denied) = self.authorize(pass, readings)?;
        match self.pipeline.submit(allowed).await {
            Ok(results) => Ok(merge(denied, results)),
            Err(busy) => Err(Fault::new(Code::Unavailable, busy)),
        }
    }

    /// As [`Intake::submit`], for connections on which more follows before this is committed: waits for room instead of
    /// refusing. When it returns, the readings are in order before all that are entered later.
    ///
    /// # Errors
    /// If none was taken: what the caller has shown does not hold any more, or the service is stopping.
    pub(crate) async fn enter(&self, pass: &Pass, readings: Vec<Reading>) -> Result<Entered, Fault> {
        let (allowed, denied) = self.authorize(pass, readings)?;
        match self.pipeline.enter(allowed).await {
            Ok(entered) => Ok(Entered { denied, entered }),
            Err(busy) => Err(Fault::new(Code::Unavailable, busy)),
        }
    }

    /// Parts what this caller may send from what it may not: the readings, and at each position why not.
    fn authorize(&self, pass: &Pass, readings: Vec<Reading>) -> Result<(Vec<Reading>, Vec<Option<Fault>>), Fault> {
        if !pass.holds(self.clock.now()) {
            return Err(Denied::Unknown.into());
        }
        let may = |reading: &Reading| -> Result<(), Fault> {
            self.gate.may(&pass.caller, Action::Send, reading.device())?;
            Ok(self.gate.devices.check(reading)?)
        };
        let denied: Vec<Option<Fault>> = readings.iter().map(|reading| may(reading).err()).collect();
        let allowed = readings.into_iter().zip(&denied).filter(|(_, denied)| denied.is_none());
        let allowed: Vec<Reading> = allowed.map(|(reading, _)| reading).collect();
        metrics::counter!("readings_received_total", "source" => self.source).increment(denied.len() as u64);
        Ok((allowed, denied))
    }
}

/// Readings on their way to the commit.
pub(crate) struct Entered {
    denied: Vec<Option<Fault>>,
    entered: pipeline::Entered,
}

impl Entered {
    /// Waits for the commit; gives the verdict or the fault of each reading, in their order.
    pub(crate) async fn results(self) -> Vec<Result<Accepted, Fault>> {
        merge(self.denied, self.entered.results().await)
    }
}

/// The results of those that were allowed, between the refusals of the others.
fn merge(denied: Vec<Option<Fault>>, results: pipeline::Results) -> Vec<Result<Accepted, Fault>> {
    let mut results = results.into_iter().map(|result| result.map_err(Fault::from));
    let missing = || Err(Fault::new(Code::Internal, "no result"));
    let result = |denied: Option<Fault>| match denied {
        Some(denied) => Err(denied),
        None => results.next().unwrap_or_else(missing),
    };
    denied.into_iter().map(result).collect()
}

/// The intake routes.
pub(crate) fn router(intake: Intake) -> Router {
    Router::new()
        .route("/api/v1/readings", post(readings::readings))
        .route("/api/v1/anomalies/{index}/feedback", post(feedback::feedback))
        .route("/predict", post(compat::predict))
        .route("/sensor_data", post(compat::sensor_data))
        .route("/api/v2/write", post(influx::write))
        .route("/write", post(influx::write_v1))
        .layer(middleware::from_fn_with_state(Bodies::new(), bodies::reserve))
        .route("/ping", get(influx::ping))
        .with_state(intake)
}
