//! Heartbeats, and what they say of one device.

use api::{Account, Code, Heartbeat, LocatedCounter, Page};
use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ledger::{
    entry::Entry,
    heartbeat::{Located, Locator},
    text::Pseudonym,
};

use super::{
    Site,
    anomalies::{PageQuery, bounds, state},
    parse_index,
};
use crate::{
    domain::ports::StoreError,
    problem::{Fault, Guarded, Parameters, Stored, blocking},
};

/// List heartbeats
///
/// Newest first: what was counted in each window of the log.
#[utoipa::path(
    get, path = "/api/v1/heartbeats", tag = "log", params(PageQuery),
    responses(Guarded, Parameters, Stored, (status = 200, body = Page<Heartbeat>))
)]
pub(crate) async fn heartbeats(
    State(site): State<Site>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<Heartbeat>>, Fault> {
    let (before, limit) = bounds(query)?;
    Ok(Json(blocking(move || page(&site, before, limit)).await?))
}

fn page(site: &Site, mut before: u64, limit: u64) -> Result<Page<Heartbeat>, StoreError> {
    let view = site.view.borrow().clone();
    let mut items = Vec::new();
    while (items.len() as u64) < limit
        && let Some((index, bytes)) = site.log.newest("heartbeat", before)?
    {
        before = index;
        // A damaged one is fsck's matter; the reader of the log sees it in its place.
        let Ok(Entry::Heartbeat(entry)) = Entry::from_bytes(&bytes) else { continue };
        items.push(Heartbeat {
            index,
            state: state(&view, index),
            recorded: entry.recorded.to_string(),
            from: entry.from,
            devices: entry.devices,
            readings: entry.readings,
            anomalies: entry.anomalies,
        });
    }
    let next_cursor = items.last().filter(|_| items.len() as u64 == limit).map(|last| last.index.to_string());
    Ok(Page { items, next_cursor })
}

/// What a heartbeat says of one device
///
/// With the proof that it says so, or that it says nothing of the device. `anomaly-ledger account` asks and checks.
#[utoipa::path(
    get, path = "/api/v1/heartbeats/{index}/devices/{device}", tag = "log",
    params(
        ("index" = u64, Path, description = "The heartbeat's index"),
        ("device" = String, Path, description = "The device's pseudonym, 32 hex digits")
    ),
    responses(
        Guarded,
        Parameters,
        Stored,
        (status = 200, body = Account),
        (status = 404, body = api::Problem, content_type = "application/problem+json", description = "There is no such heartbeat"),
    )
)]
pub(crate) async fn device(
    State(site): State<Site>,
    Path((index, device)): Path<(String, String)>,
) -> Result<Json<Account>, Fault> {
    let index = parse_index(&index)?;
    let device: Pseudonym = device
        .parse()
        .map_err(|error| Fault::new(Code::InvalidParameter, format!("the device's pseudonym: {error}")))?;
    let account = blocking(move || account(&site, index, device)).await?;
    let none = || Fault::new(Code::NotFound, format!("there is no heartbeat at index {index}"));
    account.map(Json).ok_or_else(none)
}

fn account(site: &Site, index: u64, device: Pseudonym) -> Result<Option<Account>, StoreError> {
    let Some((_, heartbeat)) = site.log.newest("heartbeat", index + 1)?.filter(|(found, _)| *found == index) else {
        return Ok(None);
    };
    let mut locator = Locator::new(device);
    let mut damage = None;
    site.log.counters(index, &mut |counter| {
        if let Err(error) = locator.push(counter) {
            damage.get_or_insert(error);
        }
    })?;
    match damage {
        Some(error) => Err(StoreError::Damaged(format!("a counter of heartbeat {index}: {error}"))),
        None => Ok(Some(Account {
            heartbeat: BASE64.encode(heartbeat),
            shown: locator.finish().into_iter().map(located).collect(),
        })),
    }
}

fn located(located: Located) -> LocatedCounter {
    LocatedCounter {
        counter: BASE64.encode(located.counter),
        index: located.index,
        proof: located.proof.iter().map(ToString::to_string).collect(),
    }
}
