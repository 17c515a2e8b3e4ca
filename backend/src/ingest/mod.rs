//! Intake: sources that decode and bound bytes, hand on readings, and answer after the commit.
//!
//! HTTP is the first of them. Nothing here stores, judges or signs.

mod accept;
mod body;
mod compat;
mod decode;
mod feedback;
mod flows;
mod inflate;
mod influx;
mod line_protocol;
mod lines;
#[cfg(feature = "mqtt")]
pub(crate) mod mqtt;
mod once;
mod readings;
mod signatures;
mod source;
mod tcp;
mod ws;

use std::sync::Arc;

use api::Code;
use axum::{
    Router,
    routing::{get, post},
};

use crate::{
    access::{Denied, Gate, Pass},
    domain::{Clock, Reading, access::Action, ports::LogReader, verdict::Accepted},
    pipeline::{self, Pipeline},
    problem::Fault,
};
pub(crate) use decode::reading as decode_reading;
pub(crate) use flows::{is_destination, is_source};
pub(crate) use influx::in_their_words;
pub(crate) use lines::DEVICE_TAGS;
pub(crate) use once::Once;
pub(crate) use source::Source;
pub(crate) use tcp::Tcp;
pub(crate) use ws::{Feeds, Sockets};

/// The interface of this module's routes, for the description of the whole.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    readings::readings,
    ws::connect,
    flows::flows,
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
        let (allowed, refused) = self.authorize(pass, readings).await?;
        match self.pipeline.submit(allowed).await {
            Ok(results) => Ok(merge(refused, results.into_iter().map(|result| result.map_err(Fault::from)))),
            Err(busy) => Err(Fault::new(Code::Unavailable, busy)),
        }
    }

    /// As [`Intake::submit`], for connections on which more follows before this is committed: waits for room instead of
    /// refusing. When it returns, the readings are in order before all that are entered later.
    ///
    /// # Errors
    /// If none was taken: what the caller has shown does not hold any more, or the service is stopping.
    pub(crate) async fn enter(&self, pass: &Pass, readings: Vec<Reading>) -> Result<Entered, Fault> {
        let (allowed, refused) = self.authorize(pass, readings).await?;
        match self.pipeline.enter(allowed).await {
            Ok(entered) => Ok(Entered { refused, entered }),
            Err(busy) => Err(Fault::new(Code::Unavailable, busy)),
        }
    }

    /// Counts a message that could not be taken as readings.
    pub(crate) fn refused(&self, fault: &Fault) {
        let code = serde_json::to_value(fault.problem().code).unwrap_or_default();
        let code = code.as_str().unwrap_or_default().to_owned();
        metrics::counter!("messages_refused_total", "source" => self.source, "code" => code).increment(1);
    }

    /// Parts what this caller may send, signed where it has to be, from what it may not: the readings, and at each position
    /// why not.
    async fn authorize(
        &self,
        pass: &Pass,
        readings: Vec<Reading>,
    ) -> Result<(Vec<Reading>, Vec<Option<Fault>>), Fault> {
        if !pass.holds(self.clock.now()) {
            return Err(Denied::Unknown.into());
        }
        let may = |reading: &Reading| -> Result<(), Fault> {
            match reading.flow() {
                Some(_) => self.gate.may_report(&pass.caller, &reading.device().device())?,
                None => self.gate.may(&pass.caller, Action::Send, reading.device())?,
            }
            Ok(self.gate.devices.check(reading)?)
        };
        let mut refused: Vec<Option<Fault>> = readings.iter().map(|reading| may(reading).err()).collect();
        let allowed = readings.into_iter().zip(&refused).filter(|(_, refused)| refused.is_none());
        let allowed: Vec<Reading> = allowed.map(|(reading, _)| reading).collect();
        metrics::counter!("readings_received_total", "source" => self.source).increment(refused.len() as u64);
        let allowed = signatures::check(&self.gate.devices, allowed, &mut refused).await?;
        Ok((allowed, refused))
    }
}

/// Readings on their way to the commit.
pub(crate) struct Entered {
    refused: Vec<Option<Fault>>,
    entered: pipeline::Entered,
}

impl Entered {
    /// Waits for the commit; gives the verdict or the fault of each reading, in their order.
    pub(crate) async fn results(self) -> Vec<Result<Accepted, Fault>> {
        merge(self.refused, self.entered.results().await.into_iter().map(|result| result.map_err(Fault::from)))
    }
}

/// Results between the refusals of those that have none.
fn merge<E: Into<Fault>>(
    refused: Vec<Option<E>>,
    mut results: impl Iterator<Item = Result<Accepted, Fault>>,
) -> Vec<Result<Accepted, Fault>> {
    let missing = || Err(Fault::new(Code::Internal, "no result"));
    let result = |refused: Option<E>| match refused {
        Some(refused) => Err(refused.into()),
        None => results.next().unwrap_or_else(missing),
    };
    refused.into_iter().map(result).collect()
}

/// The intake routes. Who serves them reserves room for their bodies.
pub(crate) fn router(intake: Intake, sockets: Sockets) -> Router {
    Router::new()
        .route("/api/v1/readings", post(readings::readings))
        .route("/api/v1/flows", post(flows::flows))
        .route("/api/v1/anomalies/{index}/feedback", post(feedback::feedback))
        .route("/predict", post(compat::predict))
        .route("/sensor_data", post(compat::sensor_data))
        .route("/api/v2/write", post(influx::write))
        .route("/write", post(influx::write_v1))
        .route("/ping", get(influx::ping))
        .with_state(intake)
        .route("/api/v1/ws", get(ws::connect).with_state(sockets))
}
