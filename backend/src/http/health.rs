//! Health, readiness and metrics.

use api::ServiceHealth;
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::Site;
use crate::{
    domain::log::ChainHealth,
    problem::{Fault, blocking},
};

/// Is the service alive?
///
/// 200 while it answers. Whether it is fit for work says `/ready`.
#[utoipa::path(get, path = "/health", tag = "service", responses((status = 200, body = ServiceHealth)))]
pub(crate) async fn health(State(site): State<Site>) -> Result<Json<ServiceHealth>, Fault> {
    Ok(Json(ServiceHealth { status: "ok".into(), ..state(site).await? }))
}

/// Is the service fit for work?
///
/// 200 if it takes readings and the chain answers; else 503, and the status says what is the matter.
#[utoipa::path(
    get, path = "/ready", tag = "service",
    responses((status = 200, body = ServiceHealth), (status = 503, body = ServiceHealth))
)]
pub(crate) async fn ready(State(site): State<Site>) -> Result<Response, Fault> {
    let state = state(site).await?;
    let status = if state.status == "ok" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(state)).into_response())
}

async fn state(site: Site) -> Result<ServiceHealth, Fault> {
    let (health, problem) = {
        let view = site.view.borrow();
        (view.health, view.problem.clone())
    };
    let status = match (site.halt.reason(), health) {
        (Some(why), _) => why.to_owned(),
        (None, ChainHealth::Ok) => "ok".into(),
        (None, ChainHealth::Unknown) => "the chain was not reached yet".into(),
        (None, _) => problem.unwrap_or_default(),
    };
    let model_version = site.model_version.to_string();
    let newest = blocking(move || site.log.newest_checkpoint()).await?;
    Ok(ServiceHealth {
        status,
        version: env!("CARGO_PKG_VERSION").into(),
        model_version,
        tree_size: newest.map_or(0, |newest| newest.size),
        chain: health.name().into(),
    })
}

/// Metrics in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "service", responses((status = 200, content_type = "text/plain")))]
pub(crate) async fn metrics(State(site): State<Site>) -> Result<String, Fault> {
    let view = site.view.borrow().clone();
    metrics::gauge!("anchored_size").set(view.anchored_size as f64);
    metrics::gauge!("final_size").set(view.final_size as f64);
    metrics::gauge!("oldest_unanchored_seconds").set(view.oldest_unanchored_ms.unwrap_or(0) as f64 / 1000.0);
    metrics::gauge!("chain_ok").set(f64::from(view.health == ChainHealth::Ok));
    Ok(site.metrics.render())
}
