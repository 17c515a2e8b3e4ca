//! Health, readiness and metrics.

use api::ServiceHealth;
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::{Site, errors::documented, log::last_error};
use crate::{
    domain::{log::ChainHealth, redact},
    problem::{Fault, Guarded, Stored, blocking},
};

/// Is the service alive?
///
/// 200 while it answers. Whether it is fit for work says `/ready`.
#[utoipa::path(get, path = "/health", tag = "service", responses(Guarded, Stored, (status = 200, body = ServiceHealth)))]
pub(crate) async fn health(State(site): State<Site>) -> Result<Json<ServiceHealth>, Fault> {
    Ok(Json(ServiceHealth { status: "ok".into(), ..state(site).await? }))
}

/// Is the service fit for work?
///
/// 200 if it takes readings and the chain answers; else 503, and the status says what is the matter.
#[utoipa::path(
    get, path = "/ready", tag = "service",
    responses(
        Guarded,
        Stored,
        (status = 200, body = ServiceHealth),
        (status = 503, description = "Not fit for work; or, as a problem document, the store cannot be read", content(
            (ServiceHealth = "application/json"),
            (api::Problem = "application/problem+json"),
        )),
    )
)]
pub(crate) async fn ready(State(site): State<Site>) -> Result<Response, Fault> {
    let state = state(site).await?;
    if state.status == "ok" {
        return Ok(Json(state).into_response());
    }
    Ok((StatusCode::SERVICE_UNAVAILABLE, documented(), Json(state)).into_response())
}

async fn state(site: Site) -> Result<ServiceHealth, Fault> {
    let view = site.view.borrow().clone();
    let status = trouble_with_commits(&site).or_else(|| trouble_with_chain(&site)).unwrap_or_else(|| "ok".into());
    let model_version = site.model_version.to_string();
    let newest = blocking(move || site.log.newest_checkpoint()).await?;
    Ok(ServiceHealth {
        status,
        version: env!("CARGO_PKG_VERSION").into(),
        model_version,
        tree_size: newest.map_or(0, |newest| newest.size),
        anchored_size: view.anchored_size,
        final_size: view.final_size,
        oldest_unanchored_s: view.oldest_unanchored_ms.unwrap_or(0) as f64 / 1000.0,
        chain: view.health.name().into(),
        last_error: view.last_trouble.as_ref().map(last_error),
    })
}

/// Why readings are not taken.
fn trouble_with_commits(site: &Site) -> Option<String> {
    match site.halt.reason() {
        Some(why) => Some(why.to_owned()),
        None if site.halt.is_failing() => Some(
            "the last commit failed: readings are refused until one succeeds; look for a full disk, and at the log of \
             the service"
                .into(),
        ),
        None => None,
    }
}

/// Why nothing is anchored.
fn trouble_with_chain(site: &Site) -> Option<String> {
    let view = site.view.borrow();
    let otherwise = match view.health {
        ChainHealth::Ok => return None,
        ChainHealth::Unknown => "the chain was not reached yet",
        _ => "anchoring is interrupted",
    };
    Some(view.problem.as_deref().map_or_else(|| otherwise.into(), redact::in_text))
}

/// Metrics in the text format of Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "service",
    responses(Guarded, (status = 200, content_type = "text/plain", body = String))
)]
pub(crate) async fn metrics(State(site): State<Site>) -> Result<String, Fault> {
    let view = site.view.borrow().clone();
    metrics::gauge!("anchored_size").set(view.anchored_size as f64);
    metrics::gauge!("final_size").set(view.final_size as f64);
    metrics::gauge!("oldest_unanchored_seconds").set(view.oldest_unanchored_ms.unwrap_or(0) as f64 / 1000.0);
    metrics::gauge!("chain_ok").set(f64::from(view.health == ChainHealth::Ok));
    for state in ChainHealth::ALL {
        metrics::gauge!("chain_state", "state" => state.name()).set(f64::from(view.health == state));
    }
    metrics::gauge!("chain_latest_block").set(view.latest_block.map_or(0, |block| block.number) as f64);
    metrics::gauge!("chain_finalized_block").set(view.finalized_block.unwrap_or(0) as f64);
    let last = view.last_trouble.map_or(0, |trouble| trouble.at.0);
    metrics::gauge!("last_error_timestamp_seconds").set(last as f64 / 1000.0);
    Ok(site.metrics.render())
}
