//! Routes for clients that exist already: the shapes of scikit-learn services and of Flask + web3 loggers.
//!
//! Each takes the client's own names, makes a reading of them, and answers in the client's own words.

use axum::{Extension, Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Intake, body::Body, decode};
use crate::{
    access::Pass,
    domain::{DeviceName, Reading, ReadingError, reading::parse_value, verdict::Accepted, verdict::Label},
    problem::{Fault, Guarded, Posted},
};

/// What `POST /predict` takes.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PredictionRequest<'a> {
    /// RFC 3339, or seconds since 1970.
    #[serde(borrow)]
    #[schema(value_type = String, example = "2026-11-20T08:00:00Z")]
    timestamp: &'a RawValue,
    /// The station's own count.
    #[schema(example = 17)]
    sequence: Option<u64>,
    /// The station's name.
    #[schema(example = "station-1")]
    station_id: String,
    /// °C.
    #[serde(borrow)]
    #[schema(value_type = f64, example = 21.5)]
    temperature_c: &'a RawValue,
    /// %.
    #[serde(borrow)]
    #[schema(value_type = f64, example = 40.2)]
    humidity_pct: &'a RawValue,
    /// dB.
    #[serde(borrow)]
    #[schema(value_type = f64, example = 48.0)]
    sound_db: &'a RawValue,
}

/// What `POST /predict` answers.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Prediction {
    anomaly_score: f64,
    is_anomaly: bool,
    label: Label,
    model_version: String,
    threshold: f64,
    /// The log entry, for an anomaly.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    /// The finding in one sentence, for an anomaly.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What `POST /sensor_data` takes.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SensorRequest<'a> {
    /// The sensor's name.
    #[schema(example = "sensor-1")]
    sensor_id: String,
    /// RFC 3339, or seconds since 1970.
    #[serde(borrow)]
    #[schema(value_type = String, example = "2026-11-20T08:00:00Z")]
    timestamp: &'a RawValue,
    /// °C.
    #[serde(borrow)]
    #[schema(value_type = f64, example = 21.5)]
    temperature: &'a RawValue,
    /// %.
    #[serde(borrow)]
    #[schema(value_type = f64, example = 40.2)]
    humidity: &'a RawValue,
    /// hPa.
    #[serde(borrow)]
    #[schema(value_type = f64, example = 1013.2)]
    pressure: &'a RawValue,
}

/// What `POST /sensor_data` answers.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct SensorAnswer {
    /// `success`.
    status: &'static str,
    anomaly_detected: bool,
    anomaly_score: f64,
    /// The finding in one sentence, for an anomaly.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// The log entry, for an anomaly.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
}

/// Judge a reading of a factory station
///
/// As the scikit-learn and Flask services that people write. The reading is stored and judged as by
/// `POST /api/v1/readings`.
#[utoipa::path(
    post, path = "/predict", tag = "compatible", request_body = PredictionRequest,
    responses(Guarded, Posted, (status = 200, body = Prediction))
)]
pub(crate) async fn predict(
    State(intake): State<Intake>,
    Extension(pass): Extension<Pass>,
    body: Body,
) -> Result<Json<Prediction>, Fault> {
    let request: PredictionRequest<'_> = object(&body)?;
    let metrics = [
        ("temperature_c", request.temperature_c),
        ("humidity_pct", request.humidity_pct),
        ("sound_db", request.sound_db),
    ];
    let accepted = submit((&intake, &pass), &request.station_id, request.timestamp, request.sequence, &metrics).await?;
    Ok(Json(Prediction {
        anomaly_score: accepted.verdict.score,
        is_anomaly: accepted.verdict.label == Label::Anomaly,
        label: accepted.verdict.label,
        model_version: accepted.verdict.model_version.to_string(),
        threshold: accepted.verdict.threshold,
        index: accepted.index,
        reason: accepted.sentence,
    }))
}

/// Judge a reading of a weather sensor
///
/// As the Flask + web3 loggers that people write. The reading is stored and judged as by `POST /api/v1/readings`;
/// an anomaly reaches the contract with the next anchor.
#[utoipa::path(
    post, path = "/sensor_data", tag = "compatible", request_body = SensorRequest,
    responses(Guarded, Posted, (status = 200, body = SensorAnswer))
)]
pub(crate) async fn sensor_data(
    State(intake): State<Intake>,
    Extension(pass): Extension<Pass>,
    body: Body,
) -> Result<Json<SensorAnswer>, Fault> {
    let request: SensorRequest<'_> = object(&body)?;
    let metrics =
        [("temperature", request.temperature), ("humidity", request.humidity), ("pressure", request.pressure)];
    let accepted = submit((&intake, &pass), &request.sensor_id, request.timestamp, None, &metrics).await?;
    Ok(Json(SensorAnswer {
        status: "success",
        anomaly_detected: accepted.verdict.label == Label::Anomaly,
        anomaly_score: accepted.verdict.score,
        description: accepted.sentence,
        index: accepted.index,
    }))
}

fn object<'a, T: Deserialize<'a>>(body: &'a Body) -> Result<T, Fault> {
    Ok(decode::object(&body.bytes)?)
}

async fn submit(
    (intake, pass): (&Intake, &Pass),
    device: &str,
    time: &RawValue,
    sequence: Option<u64>,
    metrics: &[(&str, &RawValue)],
) -> Result<Accepted, Fault> {
    let now = intake.clock.now();
    let values = metrics.iter().map(|(name, value)| Ok(((*name).to_owned(), parse_value(name, value.get())?)));
    let values = values.collect::<Result<_, ReadingError>>()?;
    let time = decode::time(time.get())?;
    let reading = Reading::new(DeviceName::new(device)?, Some(time), sequence, values, now)?;
    intake.submit(pass, vec![reading]).await?.pop().unwrap_or_else(|| Err(Fault::new(api::Code::Internal, "no result")))
}
