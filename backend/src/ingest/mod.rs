//! Intake: sources that decode and bound bytes, hand on readings, and answer after the commit.
//!
//! HTTP is the first of them. Nothing here stores, judges or signs.

mod body;
mod compat;
mod decode;
mod feedback;
mod readings;

use std::sync::Arc;

use api::Code;
use axum::{Router, routing::post};

use crate::{
    domain::{Clock, Reading, ports::LogReader, verdict::Accepted},
    pipeline::Pipeline,
    problem::Fault,
};

/// The interface of this module's routes, for the description of the whole.
#[derive(utoipa::OpenApi)]
#[openapi(paths(readings::readings, feedback::feedback, compat::predict, compat::sensor_data))]
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
}

impl Intake {
    /// Submits readings; gives the verdict or the fault of each.
    async fn submit(&self, readings: Vec<Reading>) -> Result<Vec<Result<Accepted, Fault>>, Fault> {
        match self.pipeline.submit(readings).await {
            Ok(results) => Ok(results.into_iter().map(|result| result.map_err(Fault::from)).collect()),
            Err(busy) => Err(Fault::new(Code::Unavailable, busy)),
        }
    }
}

/// The intake routes.
pub(crate) fn router(intake: Intake) -> Router {
    Router::new()
        .route("/api/v1/readings", post(readings::readings))
        .route("/api/v1/anomalies/{index}/feedback", post(feedback::feedback))
        .route("/predict", post(compat::predict))
        .route("/sensor_data", post(compat::sensor_data))
        .with_state(intake)
}
