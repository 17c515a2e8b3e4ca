//! Readings as a file: written while it is sent, a page of readings at a time.
//!
//! Nothing is read before the client has taken what was read: whoever reads slowly holds a page in memory, and neither a
//! thread nor a moment of the store; whoever goes away is not read for any more.

use std::{collections::BTreeSet, io::Write, sync::Arc};

use api::Code;
use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use flate2::{Compression, write::GzEncoder};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    super::coding,
    MAX_EXPORTS, Shelf,
    parameters::{invalid, label, query, span},
    unknown,
};
use crate::{
    access::Pass,
    domain::{
        DeviceName,
        ports::StoreError,
        series::{Order, PageOf, Position, Selection, Span},
        verdict::Label,
    },
    export::{Form, TooManyColumns, Writer},
    problem::{Fault, Guarded, Parameters, Stored, blocking},
};

/// Readings that are read at a time: of three metrics they are a megabyte of text.
const PAGE: usize = 5_000;

/// Bytes that are sent at a time at least: devices with few readings do not make pieces of their own.
const PIECE: usize = 256 << 10;

/// How many readings there are at most, for showing progress.
const AT_MOST: HeaderName = HeaderName::from_static("readings-at-most");

/// Which readings, and how they are written.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportQuery {
    /// Only of this device; of all that the caller may read if absent.
    #[param(example = "weather-1")]
    device: Option<String>,
    /// From this time on (RFC 3339, with any offset).
    #[param(example = "2026-01-05T08:00:00Z")]
    from: Option<String>,
    /// Up to this time, and not at it.
    #[param(example = "2026-01-05T09:00:00Z")]
    to: Option<String>,
    /// Only readings with this label: `normal`, `anomaly` or `warming_up`.
    label: Option<String>,
    /// `ndjson` (lines of JSON) or `csv`.
    #[serde(default = "default_format")]
    #[param(default = "ndjson")]
    format: String,
}

fn default_format() -> String {
    "ndjson".into()
}

/// Export readings
///
/// Device after device by name, each by time; values have the same bits as those that were stored, and
/// `anomaly-ledger replay FILE` sends them to a service again. Each reading that was there at the beginning is in it
/// once, unless it was deleted or erased meanwhile; of what comes meanwhile some may be. The last line says how many
/// readings there are, and the SHA-256 of all bytes before it: a file without it was cut off. In CSV, texts that a
/// spreadsheet would take for a formula begin with an apostrophe. `readings-at-most` says how many readings to expect.
/// Compressed on the way for clients that take gzip.
#[utoipa::path(
    get, path = "/api/v1/readings/export", tag = "readings", params(ExportQuery),
    responses(
        Guarded,
        Parameters,
        Stored,
        (status = 200, description = "The file",
            content((String = "application/x-ndjson", example = json!("{\"device\":\"weather-1\",\"time\":\"2026-01-05T08:00:00Z\",\"sequence\":1,\"metrics\":{\"temperature\":21.4},\"score\":0.1,\"threshold\":0.5,\"label\":\"normal\",\"model_version\":\"generic-1f0c2d3a\"}\n{\"end\":true,\"readings\":1,\"erased\":0,\"sha256\":\"…\"}\n")),
                (String = "text/csv"))),
        (status = 404, body = api::Problem, content_type = "application/problem+json", description = "No such device has sent"),
        (status = 503, body = api::Problem, content_type = "application/problem+json", description = "Too many exports, or the store cannot be read now: try again"),
    )
)]
pub(crate) async fn export(
    State(shelf): State<Shelf>,
    Extension(pass): Extension<Pass>,
    headers: HeaderMap,
    parameters: Result<Query<ExportQuery>, QueryRejection>,
) -> Result<Response, Fault> {
    let ExportQuery { device, from, to, label: named, format } = query(parameters)?;
    let form = Form::of(&format).ok_or_else(|| {
        invalid(format!("expected the format csv or ndjson, found {:?}", super::super::excerpt(&format)))
    })?;
    let (span, label) = (span(from.as_deref(), to.as_deref())?, label(named.as_deref())?);
    let device = device.map(|name| shelf.device(&pass, &name)).transpose()?;
    let busy = |_| Fault::new(Code::Unavailable, format!("{MAX_EXPORTS} exports are under way: try again later"));
    let place = Arc::clone(&shelf.exports).try_acquire_owned().map_err(busy)?;
    let begun = {
        let (shelf, pass, device) = (shelf.clone(), pass.clone(), device.clone());
        blocking(move || begin(&shelf, &pass, device, span, label, form))
    };
    let (count, devices, writer) = match begun.await? {
        Begun::Going(count, devices, writer) => (count, devices, writer),
        Begun::Unknown(device) => return Err(unknown(&device)),
        Begun::TooMany(error) => return Err(invalid(error)),
    };
    let object = device.as_ref().map_or("all devices that the caller may read", DeviceName::as_str);
    let told = format!("{count} readings at most, as {format}");
    shelf.door.trail.record(&pass, "readings.export", object, told).await?;
    let packed = coding::accepts(&headers, "gzip");
    let encoder = packed.then(|| GzEncoder::new(Vec::new(), Compression::fast()));
    let (devices, after) = (devices.into_iter(), None);
    let download =
        Download { shelf, pass, devices, now: None, after, span, label, writer: Some(writer), encoder, _place: place };
    let body = Body::from_stream(follow(download));
    let disposition = format!("attachment; filename=\"{}\"", form.file());
    let mut response = (
        [
            (header::CONTENT_TYPE, HeaderValue::from_static(form.media_type())),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::VARY, HeaderValue::from_static("accept-encoding")),
            (AT_MOST, HeaderValue::from(count)),
        ],
        body,
    )
        .into_response();
    if let Ok(disposition) = HeaderValue::try_from(disposition) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    }
    if packed {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

/// What came of looking which readings there are.
enum Begun {
    /// So many readings at most, of these devices.
    Going(u64, Vec<DeviceName>, Writer),
    /// The one device has not sent.
    Unknown(DeviceName),
    /// They do not fit a CSV file.
    TooMany(TooManyColumns),
}

fn begin(
    shelf: &Shelf,
    pass: &Pass,
    device: Option<DeviceName>,
    span: Span,
    label: Option<Label>,
    form: Form,
) -> Result<Begun, StoreError> {
    let series = &*shelf.series;
    let devices = match device {
        Some(device) if series.latest(&device)?.is_none() => return Ok(Begun::Unknown(device)),
        Some(device) => vec![device],
        None => match shelf.readable(pass)? {
            Some(own) => own,
            None => series.devices()?,
        },
    };
    let mut metrics = BTreeSet::new();
    if form == Form::Csv {
        for device in &devices {
            metrics.extend(series.metrics(device)?);
        }
    }
    let count = series.count(&Selection { devices: Some(&devices), span, label })?;
    Ok(match Writer::new(form, metrics) {
        Ok(writer) => Begun::Going(count, devices, writer),
        Err(error) => Begun::TooMany(error),
    })
}

/// An export on its way.
struct Download {
    shelf: Shelf,
    /// Who asked, which has to hold to the end.
    pass: Pass,
    /// The devices that have not been begun.
    devices: std::vec::IntoIter<DeviceName>,
    /// The device that has.
    now: Option<DeviceName>,
    /// Its last reading that was written.
    after: Option<Position>,
    span: Span,
    label: Option<Label>,
    /// `None` once the end is written.
    writer: Option<Writer>,
    encoder: Option<GzEncoder<Vec<u8>>>,
    _place: OwnedSemaphorePermit,
}

/// The pieces of an export. A fault of the store cuts it off, which the client sees: the last piece never comes.
fn follow(download: Download) -> impl Stream<Item = std::io::Result<Bytes>> {
    stream::try_unfold(download, |mut download| async move {
        if download.writer.is_none() {
            return Ok(None);
        }
        if !download.pass.holds(download.shelf.door.clock.now()) {
            return Err(std::io::Error::other("what the caller has shown does not hold any more"));
        }
        let piece = blocking(move || {
            let piece = download.piece()?;
            Ok((piece, download))
        });
        let cut = |fault: Fault| {
            let problem = fault.problem();
            tracing::error!(why = problem.detail, "an export was cut off");
            std::io::Error::other(problem.detail)
        };
        piece.await.map(|(piece, download)| Some((piece, download))).map_err(cut)
    })
}

impl Download {
    /// The next bytes to send; not empty.
    fn piece(&mut self) -> Result<Bytes, StoreError> {
        loop {
            let text = self.text()?;
            let bytes = match &mut self.encoder {
                None => text,
                Some(encoder) => {
                    // Writing into memory does not fail.
                    encoder.write_all(&text).map_err(|error| StoreError::Engine(error.into()))?;
                    if self.writer.is_none() {
                        encoder.try_finish().map_err(|error| StoreError::Engine(error.into()))?;
                    }
                    std::mem::take(encoder.get_mut())
                }
            };
            // What was compressed may still be on its way through.
            if !bytes.is_empty() || self.writer.is_none() {
                return Ok(bytes.into());
            }
        }
    }

    /// The next text: some pages of readings, or the end.
    fn text(&mut self) -> Result<Vec<u8>, StoreError> {
        let Some(writer) = &mut self.writer else { return Ok(Vec::new()) };
        while writer.len() < PIECE {
            let Some(device) = self.now.take().or_else(|| self.devices.next()) else {
                return Ok(self.writer.take().map(Writer::finish).unwrap_or_default());
            };
            let (span, label, after) = (self.span, self.label, self.after.take());
            let page = PageOf { span, label, order: Order::OldestFirst, after, limit: PAGE };
            let rows = self.shelf.series.readings(&device, &page)?;
            rows.iter().for_each(|row| writer.push(&device, row));
            if rows.len() == PAGE {
                self.after = rows.last().map(|row| row.position());
                self.now = Some(device);
            }
        }
        Ok(writer.take())
    }
}
