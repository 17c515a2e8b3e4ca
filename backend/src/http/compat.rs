//! Lists for clients that exist already, in their own words.

use api::Anomaly;
use axum::{
    Extension, Json,
    extract::{Query, State, rejection::QueryRejection},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Site,
    anomalies::{checked_limit, page},
    reader::{self, Reader},
};
use crate::access::Pass;
use crate::problem::{Fault, Guarded, Parameters, Stored, blocking};

/// How many.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// 1 to 500; 10 if absent.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 500, default = 10)]
    limit: u64,
}

fn default_limit() -> u64 {
    10
}

fn limit(query: Result<Query<ListQuery>, QueryRejection>) -> Result<u64, Fault> {
    let Query(ListQuery { limit }) =
        query.map_err(|error| Fault::new(api::Code::InvalidParameter, error.body_text()))?;
    checked_limit(limit)
}

async fn newest(site: Site, pass: &Pass, limit: u64) -> Result<Vec<Anomaly>, Fault> {
    reader::record(&site, pass, "anomalies").await?;
    let reader = Reader::new(&site, pass);
    Ok(blocking(move || page(&site, &reader, u64::MAX, limit)).await?.items)
}

/// The newest anomalies, as the scikit-learn services list them
#[utoipa::path(
    get, path = "/latest_anomalies", tag = "compatible", params(ListQuery),
    responses(Guarded, Parameters, Stored, (status = 200, body = Vec<Value>))
)]
pub(crate) async fn latest_anomalies(
    State(site): State<Site>,
    Extension(pass): Extension<Pass>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Vec<Value>>, Fault> {
    let anomalies = newest(site, &pass, limit(query)?).await?;
    let rows = anomalies.into_iter().map(|anomaly| {
        let mut row = Map::new();
        for metric in &anomaly.values {
            row.insert(metric.metric.clone(), json!(metric.value));
        }
        // The service's own words last, so that no metric's name can take their place.
        row.insert("index".into(), json!(anomaly.index));
        row.insert("timestamp".into(), json!(anomaly.time));
        row.insert("station_id".into(), json!(anomaly.device));
        row.insert("anomaly_score".into(), json!(anomaly.score));
        row.insert("is_anomaly".into(), json!(true));
        row.insert("label".into(), json!("anomaly"));
        row.insert("model_version".into(), json!(anomaly.model_version));
        row.insert("reason".into(), json!(anomaly.sentence));
        Value::Object(row)
    });
    Ok(Json(rows.collect()))
}

/// The newest anomalies, as the Flask + web3 loggers list them
#[utoipa::path(
    get, path = "/anomalies", tag = "compatible", params(ListQuery),
    responses(Guarded, Parameters, Stored, (status = 200, body = Vec<Value>))
)]
pub(crate) async fn anomalies(
    State(site): State<Site>,
    Extension(pass): Extension<Pass>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Vec<Value>>, Fault> {
    let anomalies = newest(site, &pass, limit(query)?).await?;
    let rows = anomalies.into_iter().map(|anomaly| {
        let values: Map<String, Value> =
            anomaly.values.iter().map(|metric| (metric.metric.clone(), json!(metric.value))).collect();
        json!({
            "index": anomaly.index,
            "timestamp": anomaly.time,
            "sensor_id": anomaly.device,
            "anomaly_type": anomaly.r#type,
            "values": values,
            "description": anomaly.sentence,
            "state": anomaly.state,
        })
    });
    Ok(Json(rows.collect()))
}
