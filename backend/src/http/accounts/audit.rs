//! The audit log, for those who look after the service and those who check it.

use std::sync::Arc;

use api::{AuditRecord, Code, Page};
use axum::{
    Extension, Json,
    body::{Body, Bytes},
    extract::{Query, State, rejection::QueryRejection},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use ledger::audit::Record;
use serde::Deserialize;

use super::{Site, before, default_limit};
use crate::{
    access::Pass,
    domain::{
        Millis,
        ports::{AuditLog, StoreError},
    },
    http::{anomalies::checked_limit, excerpt},
    problem::{Fault, Guarded, Parameters, Stored, blocking},
};

/// Records that are read at a time: at about 300 bytes, 300 kB.
const CHUNK: u64 = 1_000;

/// Records that are looked at for one page: about 0.2 s. A page that has not found enough by then says where to go on.
const LOOKED_AT: u64 = 100_000;

/// Which records.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Only of whom: as in the record, such as `user ada`.
    who: Option<String>,
    /// Only what begins with this, such as `user.` or `payload.read`.
    what: Option<String>,
    /// Only from this time on (RFC 3339).
    since: Option<String>,
    /// 1 to 500; 50 if absent.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: u64,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The same, checked.
struct Wanted {
    who: Option<String>,
    what: Option<String>,
    since: Option<Millis>,
    limit: u64,
    before: u64,
}

/// List records of the audit log
///
/// Newest first. With filters a page may be shorter than its limit, even empty, and still have a `next_cursor`. Reading it
/// is itself recorded.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "accounts", params(AuditQuery),
    responses(Guarded, Parameters, Stored, (status = 200, body = Page<AuditRecord>))
)]
pub(crate) async fn list(
    State(site): State<Site>,
    Extension(pass): Extension<Pass>,
    query: Result<Query<AuditQuery>, QueryRejection>,
) -> Result<Json<Page<AuditRecord>>, Fault> {
    let wanted = wanted(query)?;
    // Each page: whoever names a high number begins at the newest as well.
    site.trail.record(&pass, "audit.read", "the audit log", "listed").await?;
    let log = Arc::clone(&site.audit);
    Ok(Json(blocking(move || page(&*log, &wanted)).await?))
}

fn wanted(query: Result<Query<AuditQuery>, QueryRejection>) -> Result<Wanted, Fault> {
    let invalid = |what: String| Fault::new(Code::InvalidParameter, what);
    let Query(query) = query.map_err(|error| invalid(error.body_text()))?;
    let time = |text: String| {
        Millis::parse(&text)
            .map_err(|_| invalid(format!("since: expected a time as in RFC 3339, found {:?}", excerpt(&text))))
    };
    Ok(Wanted {
        who: query.who,
        what: query.what,
        since: query.since.map(time).transpose()?,
        limit: checked_limit(query.limit)?,
        before: before(query.cursor)?,
    })
}

fn page(log: &dyn AuditLog, wanted: &Wanted) -> Result<Page<AuditRecord>, StoreError> {
    let (mut items, mut before, mut left) = (Vec::new(), wanted.before, LOOKED_AT);
    while left > 0 {
        let records = log.audit_before(before, CHUNK.min(left))?;
        let Some((last, _)) = records.last() else { return Ok(Page { items, next_cursor: None }) };
        (left, before) = (left.saturating_sub(records.len() as u64), *last);
        for (number, bytes) in records {
            let record = shown(number, &bytes);
            // Written in the order of their times, but for a clock that was set back.
            if wanted.since.is_some_and(|since| record.at < since.to_time().to_string()) {
                return Ok(Page { items, next_cursor: None });
            }
            if wanted.fits(&record) {
                items.push(record);
            }
            if items.len() as u64 == wanted.limit {
                return Ok(Page { items, next_cursor: Some(number.to_string()) });
            }
        }
    }
    Ok(Page { items, next_cursor: Some(before.to_string()) })
}

impl Wanted {
    fn fits(&self, record: &AuditRecord) -> bool {
        self.who.as_ref().is_none_or(|who| record.who == *who)
            && self.what.as_ref().is_none_or(|what| record.what.starts_with(what.as_str()))
    }
}

/// A record as it is listed. One that cannot be read is shown to be damaged, not passed over.
fn shown(number: u64, bytes: &[u8]) -> AuditRecord {
    let text = String::new;
    match Record::from_bytes(bytes) {
        Ok(Record { at, who, from, what, object, result, .. }) => {
            AuditRecord { number, at: at.to_string(), who, from, what, object, result }
        }
        Err(_) => AuditRecord {
            number,
            at: "9999-12-31T23:59:59.999Z".into(),
            who: text(),
            from: text(),
            what: "damaged".into(),
            object: text(),
            result: "this record cannot be read: run `anomaly-ledger fsck`".into(),
        },
    }
}

/// Export the audit log
///
/// All of it, oldest first, one record a line, byte for byte as the log's entries of kind `audit` commit to them
/// (docs/spec/audit.md).
#[utoipa::path(
    get, path = "/api/v1/audit/export", tag = "accounts",
    responses(Guarded, Stored, (status = 200, content_type = "application/x-ndjson", body = String))
)]
pub(crate) async fn export(State(site): State<Site>, Extension(pass): Extension<Pass>) -> Result<Response, Fault> {
    site.trail.record(&pass, "audit.export", "the audit log", "exported").await?;
    let log = Arc::clone(&site.audit);
    let first = blocking(move || lines(&*log, 0)).await?;
    let log = Arc::clone(&site.audit);
    let rest = stream::try_unfold(Some(first), move |state: Option<(Bytes, Option<u64>)>| {
        let (log, holds) = (Arc::clone(&log), pass.holds(site.trail.now()));
        async move {
            let Some((lines, next)) = state else { return Ok::<_, std::io::Error>(None) };
            if !holds {
                return Err(std::io::Error::other("what the caller has shown does not hold any more"));
            }
            let following = match next {
                None => None,
                // What was sent is cut off in the middle: the reader must see that it is not all.
                Some(from) => Some(
                    blocking(move || self::lines(&*log, from))
                        .await
                        .map_err(|_| std::io::Error::other("the store cannot be read"))?,
                ),
            };
            Ok(Some((lines, following)))
        }
    });
    let name = "attachment; filename=\"audit.ndjson\"";
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, Body::from_stream(rest)).into_response())
}

/// Records as lines, and the number from which to go on.
fn lines(log: &dyn AuditLog, from: u64) -> Result<(Bytes, Option<u64>), StoreError> {
    let records = log.audit_from(from, CHUNK)?;
    let next = records.last().filter(|_| records.len() as u64 == CHUNK).map(|(number, _)| number + 1);
    let mut lines = Vec::new();
    for (_, bytes) in records {
        lines.extend_from_slice(&bytes);
        lines.push(b'\n');
    }
    Ok((lines.into(), next))
}
