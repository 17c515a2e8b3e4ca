//! The list of anomalies, newest first.

use std::ops::Range;

use api::{Anomaly, Code, EntryState, Metric, Page, Reason};
use axum::{
    Extension, Json,
    extract::{Query, State, rejection::QueryRejection},
};
use ledger::{
    entry::{self, Entry, MetricValue, Payload},
    text::Decimal,
};
use serde::Deserialize;

use super::{
    Site, canonical, excerpt,
    reader::{self, Reader},
};
use crate::{
    access::Pass,
    domain::{
        log::ChainView,
        ports::{StoreError, StoredAnomaly},
        verdict::Feedback,
    },
    problem::{Fault, Guarded, Parameters, Stored, blocking},
};

/// Items of a page or list at most: about 0.5 MB where each has a reason, and 2.5 MB where each has twelve.
const MAX_PAGE: u64 = 500;

/// What is shown instead of an entry that is damaged. The reader who verifies it sees how.
const DAMAGED_ENTRY: &str = "this entry cannot be read: verify it";

/// The same of a payload.
const DAMAGED_PAYLOAD: &str = "what is told of this entry cannot be read: verify it";

/// What is told of an anomaly whose payload was erased.
const ERASED: &str = "the payload of this entry was erased; the entry and its proof stay";

/// What is told of an anomaly whose payload this reader may not see.
const HIDDEN: &str = "what is told of this entry is for the device's owner, analysts and auditors; the entry and its proof \
                      are for everybody";

/// Which page.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// 1 to 500; 50 if absent.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: u64,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

fn default_limit() -> u64 {
    50
}

/// List anomalies
///
/// Newest first. An anomaly whose payload was erased has empty fields where the payload spoke. Of an entry that is
/// damaged, only index and state are known; its sentence says so. Whoever may not read a payload sees what the entry says,
/// and the fields where the payload spoke are empty.
#[utoipa::path(
    get, path = "/api/v1/anomalies", tag = "log", params(PageQuery),
    responses(Guarded, Parameters, Stored, (status = 200, body = Page<Anomaly>))
)]
pub(crate) async fn anomalies(
    State(site): State<Site>,
    Extension(pass): Extension<Pass>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<Anomaly>>, Fault> {
    let (before, limit) = bounds(query)?;
    reader::record(&site, &pass, "anomalies").await?;
    let reader = Reader::new(&site, &pass);
    Ok(Json(blocking(move || page(&site, &reader, before, limit)).await?))
}

/// Where a page begins and how long it is: the index below which it starts, and its limit.
pub(super) fn bounds(query: Result<Query<PageQuery>, QueryRejection>) -> Result<(u64, u64), Fault> {
    let invalid = |what: String| Fault::new(Code::InvalidParameter, what);
    let Query(PageQuery { limit, cursor }) = query.map_err(|error| invalid(error.body_text()))?;
    let before = match cursor {
        None => u64::MAX,
        Some(cursor) => canonical(&cursor)
            .ok_or_else(|| invalid(format!("expected a next_cursor, found {:?}", excerpt(&cursor))))?,
    };
    Ok((before, checked_limit(limit)?))
}

/// A limit within its bounds.
pub(super) fn checked_limit(limit: u64) -> Result<u64, Fault> {
    if (1..=MAX_PAGE).contains(&limit) {
        return Ok(limit);
    }
    Err(Fault::new(Code::InvalidParameter, format!("expected a limit from 1 to {MAX_PAGE}, found {limit}")))
}

/// The newest anomalies below an index.
pub(super) fn page(site: &Site, reader: &Reader, before: u64, limit: u64) -> Result<Page<Anomaly>, StoreError> {
    let shown = |Told { whole, hidden }: Told| if reader.may_read(&whole.device) { whole } else { hidden };
    let items: Vec<Anomaly> = among(site, 0..before, limit)?.into_iter().map(shown).collect();
    let next_cursor = items.last().filter(|_| items.len() as u64 == limit).map(|last| last.index.to_string());
    Ok(Page { items, next_cursor })
}

/// An anomaly as it is told to those who may read its payload, and to the others.
pub(super) struct Told {
    pub(super) whole: Anomaly,
    pub(super) hidden: Anomaly,
}

/// The anomalies among these indexes, newest first. Two queries, however many there are.
pub(super) fn among(site: &Site, indexes: Range<u64>, limit: u64) -> Result<Vec<Told>, StoreError> {
    let stored = site.log.anomalies(indexes, limit)?;
    let versions = site.log.model_versions()?;
    let view = site.view.borrow().clone();
    let anomaly = |stored: StoredAnomaly| {
        let mut anomaly = Anomaly { state: state(&view, stored.index), ..unknown(stored.index) };
        let mut hidden = anomaly.clone();
        match Entry::from_bytes(&stored.entry) {
            Ok(Entry::Anomaly(entry)) => {
                tell_entry(&mut anomaly, &entry);
                if let Some(version) = versions.get(&anomaly.model_version) {
                    anomaly.model_version.clone_from(version);
                }
                hidden = Anomaly { sentence: HIDDEN.into(), ..anomaly.clone() };
                match stored.payload.map(|bytes| Payload::from_bytes(&bytes)) {
                    Some(Ok(payload)) => tell_payload(&mut anomaly, payload),
                    Some(Err(_)) => anomaly.sentence = DAMAGED_PAYLOAD.into(),
                    None => anomaly.sentence = ERASED.into(),
                }
            }
            _ => {
                anomaly.sentence = DAMAGED_ENTRY.into();
                hidden.sentence = DAMAGED_ENTRY.into();
            }
        }
        // What people say of a finding is about the payload.
        anomaly.feedback = stored.feedback.map(Feedback::into_api);
        Told { whole: anomaly, hidden }
    };
    Ok(stored.into_iter().map(anomaly).collect())
}

/// How far the entry at this index has come.
pub(super) fn state(view: &ChainView, index: u64) -> EntryState {
    match index {
        index if index < view.final_size => EntryState::Final,
        index if index < view.anchored_size => EntryState::Anchored,
        _ => EntryState::Pending,
    }
}

/// An anomaly of which nothing is known.
fn unknown(index: u64) -> Anomaly {
    Anomaly {
        index,
        id: String::new(),
        state: EntryState::Pending,
        device: String::new(),
        time: String::new(),
        recorded: String::new(),
        r#type: String::new(),
        severity: String::new(),
        score: 0.0,
        threshold: 0.0,
        sentence: String::new(),
        reasons: Vec::new(),
        values: Vec::new(),
        model_version: String::new(),
        feedback: None,
    }
}

/// What the entry says.
fn tell_entry(anomaly: &mut Anomaly, entry: &entry::Anomaly) {
    anomaly.id = entry.id.to_string();
    anomaly.time = entry.observed.to_string();
    anomaly.recorded = entry.recorded.to_string();
    anomaly.severity = name(&entry.severity);
    anomaly.model_version = entry.model.to_string();
}

/// What the payload says.
fn tell_payload(anomaly: &mut Anomaly, payload: Payload) {
    anomaly.device = payload.device;
    anomaly.r#type = name(&payload.r#type);
    anomaly.score = number(payload.score.as_str());
    anomaly.threshold = number(payload.threshold.as_str());
    anomaly.sentence = payload.sentence;
    let values = payload.values.into_iter();
    let value =
        |value: MetricValue| Metric { metric: value.metric, unit: value.unit, value: number(value.value.as_str()) };
    anomaly.values = values.map(value).collect();
    anomaly.reasons = payload.reasons.into_iter().map(reason).collect();
}

fn reason(reason: entry::Reason) -> Reason {
    let perhaps = |decimal: Option<Decimal>| decimal.map(|decimal| number(decimal.as_str()));
    Reason {
        metric: reason.metric,
        unit: reason.unit,
        value: number(reason.value.as_str()),
        expected: perhaps(reason.expected),
        expected_low: number(reason.expected_low.as_str()),
        expected_high: number(reason.expected_high.as_str()),
        feature: reason.feature,
        score: number(reason.score.as_str()),
        probability: perhaps(reason.probability),
        contribution: perhaps(reason.contribution),
    }
}

/// The name by which a value goes in JSON.
fn name(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The number of a checked decimal.
fn number(decimal: &str) -> f64 {
    decimal.parse().unwrap_or_default()
}
