//! The list of anomalies, newest first.

use api::{Anomaly, Code, EntryState, Metric, Page};
use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use ledger::entry::{Entry, Payload};
use serde::Deserialize;

use super::Site;
use crate::{
    domain::ports::StoreError,
    problem::{Fault, blocking},
};

/// Items of a page at most.
const MAX_PAGE: u64 = 500;

/// Which page.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// 1 to 500; 50 if absent.
    #[serde(default = "default_limit")]
    limit: u64,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

fn default_limit() -> u64 {
    50
}

/// List anomalies
///
/// Newest first. An anomaly whose payload was erased has empty fields where the payload spoke.
#[utoipa::path(
    get, path = "/api/v1/anomalies", tag = "log", params(PageQuery),
    responses(
        (status = 200, body = Page<Anomaly>),
        (status = 400, body = api::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn anomalies(
    State(site): State<Site>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<Anomaly>>, Fault> {
    let invalid = |what: String| Fault::new(Code::InvalidParameter, what);
    let Query(PageQuery { limit, cursor }) = query.map_err(|error| invalid(error.body_text()))?;
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(invalid(format!("expected a limit from 1 to {MAX_PAGE}, found {limit}")));
    }
    let before = match cursor {
        None => u64::MAX,
        Some(cursor) => cursor.parse().map_err(|_| invalid(format!("expected a next_cursor, found {cursor:.40?}")))?,
    };
    Ok(Json(blocking(move || page(&site, before, limit)).await?))
}

/// The newest anomalies below an index.
pub(super) fn page(site: &Site, before: u64, limit: u64) -> Result<Page<Anomaly>, StoreError> {
    let indexes = site.log.anomaly_indexes(before, limit)?;
    let next_cursor = indexes.last().filter(|_| indexes.len() as u64 == limit).map(u64::to_string);
    let items = indexes.into_iter().filter_map(|index| one(site, index).transpose()).collect::<Result<_, _>>()?;
    Ok(Page { items, next_cursor })
}

/// One anomaly; `None` if the entry cannot be read as one (its evidence will say why).
pub(super) fn one(site: &Site, index: u64) -> Result<Option<Anomaly>, StoreError> {
    let Some(bytes) = site.log.entries(index, 1)?.pop() else { return Ok(None) };
    let Ok(Entry::Anomaly(entry)) = Entry::from_bytes(&bytes) else { return Ok(None) };
    let disclosure = site.log.disclosure(index)?;
    let payload = disclosure.and_then(|disclosure| Payload::from_bytes(&disclosure.payload).ok());
    let (anchored, is_final) = {
        let view = site.view.borrow();
        (index < view.anchored_size, index < view.final_size)
    };
    let model = entry.model.to_string();
    let mut anomaly = Anomaly {
        index,
        id: entry.id.to_string(),
        state: if is_final {
            EntryState::Final
        } else if anchored {
            EntryState::Anchored
        } else {
            EntryState::Pending
        },
        device: String::new(),
        time: entry.observed.to_string(),
        recorded: entry.recorded.to_string(),
        r#type: String::new(),
        severity: name(&entry.severity),
        score: 0.0,
        threshold: 0.0,
        sentence: String::new(),
        values: Vec::new(),
        model_version: site.log.model_version(&model)?.unwrap_or(model),
    };
    if let Some(payload) = payload {
        anomaly.device = payload.device;
        anomaly.r#type = name(&payload.r#type);
        anomaly.score = number(payload.score.as_str());
        anomaly.threshold = number(payload.threshold.as_str());
        anomaly.sentence = payload.sentence;
        anomaly.values = payload
            .values
            .into_iter()
            .map(|value| Metric { metric: value.metric, unit: value.unit, value: number(value.value.as_str()) })
            .collect();
    }
    Ok(Some(anomaly))
}

/// The name by which a value goes in JSON.
fn name(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The number of a checked decimal.
fn number(decimal: &str) -> f64 {
    decimal.parse().unwrap_or_default()
}
