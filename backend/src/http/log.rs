//! The log: entries, evidence, checkpoint, tiles, and where log and chain stand.

use std::sync::Arc;

use api::{ChainStatus, Code, LastError, LedgerStatus};
use axum::{
    Extension, Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use ledger::{
    evidence::{BeaconProof, Bundle},
    keys::{KeyLink, MAX_LINKS},
    merkle::inclusion_proof,
    tile::{self, TileTree},
    trust::TrustRoots,
};

use serde::Deserialize;

use super::{
    Site, canonical, coding, parse_index,
    reader::{self, Reader},
};
use crate::{
    access::Pass,
    domain::{
        log::{ChainView, Trouble, key_history, read_tile},
        ports::{AnchorStore, LogReader, StoreError, StoredCheckpoint, pinned_trust},
        redact,
    },
    problem::{Fault, Guarded, Parameters, Stored, blocking},
};

/// The media type of tiles.
const TILE: &str = "application/octet-stream";

/// What never changes may be kept for a year. A trial begins anew at the same address, with another log; and who
/// changes a stored byte there, to see it noticed, must not be shown a copy of before.
pub(super) fn caching(site: &Site) -> &'static str {
    if site.trial { "no-cache" } else { "public, max-age=31536000, immutable" }
}

/// An entry's bytes
///
/// As they are stored and hashed, unaltered.
#[utoipa::path(
    get, path = "/api/v1/entries/{index}", tag = "log",
    params(("index" = u64, Path, description = "The entry's index")),
    responses(
        Guarded,
        Parameters,
        Stored,
        (status = 200, content_type = "application/json", description = "The entry (docs/spec/entry.md)"),
        (status = 404, body = api::Problem, content_type = "application/problem+json", description = "There is no such entry"),
    )
)]
pub(crate) async fn entry(State(site): State<Site>, Path(index): Path<String>) -> Result<Response, Fault> {
    let index = parse_index(&index)?;
    let caching = caching(&site);
    let entry = blocking(move || Ok(site.log.entries(index, 1)?.pop())).await?.ok_or_else(|| no_entry(index))?;
    Ok(typed("application/json", caching, entry))
}

/// Which final anchor is to speak for an entry.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cover {
    /// The first over it: its time is the earliest.
    First,
    /// The newest: for a reader who trusts only the log's newest key.
    Newest,
}

/// Which evidence.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EvidenceQuery {
    /// Under the newest final anchor instead of the first: for a reader who trusts only the log's newest key.
    #[serde(default)]
    #[param(default = false)]
    newest: bool,
}

/// An entry's evidence
///
/// The bundle that `anomaly-ledger verify` and the dashboard examine. It holds the first final anchor that covers
/// the entry; before there is one, the newest checkpoint without anchor. Payload, salt and the detector's state are in it for
/// those who may read them: the device's owner, analysts, auditors. Beside it: the newest beacon before the entry, and
/// the changes of key up to the one that signed.
#[utoipa::path(
    get, path = "/api/v1/entries/{index}/evidence", tag = "log",
    params(("index" = u64, Path, description = "The entry's index"), EvidenceQuery),
    responses(
        Guarded,
        Parameters,
        Stored,
        (status = 200, content_type = "application/json", description = "The evidence bundle (docs/spec/evidence.md)"),
        (status = 404, body = api::Problem, content_type = "application/problem+json", description = "There is no such entry"),
    )
)]
pub(crate) async fn evidence(
    State(site): State<Site>,
    Extension(pass): Extension<Pass>,
    Path(index): Path<String>,
    query: Result<Query<EvidenceQuery>, QueryRejection>,
) -> Result<Response, Fault> {
    let index = parse_index(&index)?;
    let Query(EvidenceQuery { newest }) =
        query.map_err(|error| Fault::new(Code::InvalidParameter, error.body_text()))?;
    reader::record(&site, &pass, &format!("evidence of entry {index}")).await?;
    let reader = Reader::new(&site, &pass);
    let bundle = blocking(move || {
        let head = site.view.borrow().anchored_size;
        let cover = if newest { Cover::Newest } else { Cover::First };
        let bundle = bundle(&*site.log, &*site.anchors, cover, head, index)?;
        Ok(bundle.map(|bundle| readable(bundle, &reader)))
    });
    let bundle = bundle.await?.ok_or_else(|| no_entry(index))?;
    let mut response = typed("application/json", "no-cache", bundle.to_json().into_bytes());
    let name = format!("attachment; filename=\"evidence-{index}.json\"");
    if let Ok(name) = HeaderValue::try_from(name) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// The bundle without what this reader may not see: it proves the same of the entry.
fn readable(bundle: Bundle, reader: &Reader) -> Bundle {
    match &bundle.disclosure {
        Some(disclosure) if !reader.may_read_payload(&disclosure.payload) => {
            Bundle { disclosure: None, state: None, ..bundle }
        }
        _ => bundle,
    }
}

/// Puts a bundle together out of what is stored, without checking it: the reader does.
/// `head` is how many entries the contract's newest root covers.
pub(crate) fn bundle(
    log: &dyn LogReader,
    anchors: &dyn AnchorStore,
    cover: Cover,
    head: u64,
    index: u64,
) -> Result<Option<Bundle>, StoreError> {
    let Some(entry) = log.entries(index, 1)?.pop() else { return Ok(None) };
    let Some((checkpoint, anchor)) = covering(log, anchors, cover, head, index)? else { return Ok(None) };
    // The tree as wide as the newest checkpoint says: tiles hold at least that much.
    let tiles = TileTree::new(checkpoint.size, |id| read_tile(log, id));
    let proof = inclusion_proof(&tiles, index, checkpoint.size)?;
    let beacon = match log.newest("beacon", index)? {
        None => None,
        Some((index, entry)) => {
            let proof = inclusion_proof(&tiles, index, checkpoint.size)?;
            Some(BeaconProof { index, entry, proof })
        }
    };
    let (disclosure, keys) = (log.disclosure(index)?, key_links(log, checkpoint.size)?);
    let state = if disclosure.is_some() { log.state(index)? } else { None };
    Ok(Some(Bundle { disclosure, state, keys, beacon, anchor, ..Bundle::new(entry, index, proof, checkpoint.note) }))
}

/// The newest changes of key before the one that signed the checkpoint of this size, oldest first.
fn key_links(log: &dyn LogReader, size: u64) -> Result<Vec<KeyLink>, StoreError> {
    let mut links = Vec::new();
    // The checkpoint that ends with a key entry is still the old key's (docs/spec/checkpoint.md).
    let mut before = size.saturating_sub(1);
    while links.len() < MAX_LINKS
        && let Some((index, entry)) = log.newest("key", before)?
    {
        let checkpoint = log.checkpoint_at(index + 1)?;
        let checkpoint =
            checkpoint.ok_or_else(|| StoreError::Damaged(format!("no checkpoint ends with key {index}")))?;
        let tiles = TileTree::new(index + 1, |id| read_tile(log, id));
        let proof = inclusion_proof(&tiles, index, index + 1)?;
        links.push(KeyLink { index, entry, proof, checkpoint: checkpoint.note });
        before = index;
    }
    links.reverse();
    Ok(links)
}

/// The checkpoint that speaks for an entry: of a final anchor, else under the contract's head, else the newest.
fn covering(
    log: &dyn LogReader,
    anchors: &dyn AnchorStore,
    cover: Cover,
    head: u64,
    index: u64,
) -> Result<Option<(StoredCheckpoint, Option<ledger::evidence::Anchor>)>, StoreError> {
    let anchored = match cover {
        Cover::First => anchors.final_anchor(index)?,
        Cover::Newest => anchors.newest_final()?.filter(|row| row.size > index),
    };
    if let Some(row) = anchored
        && let Some(checkpoint) = log.checkpoint_at(row.size)?
    {
        return Ok(Some((checkpoint, row.proof)));
    }
    if head > index
        && let Some(checkpoint) = log.checkpoint_at(head)?
    {
        return Ok(Some((checkpoint, None)));
    }
    let newest = log.newest_checkpoint()?.filter(|newest| newest.size > index);
    Ok(newest.map(|newest| (newest, None)))
}

/// The newest signed checkpoint
///
/// C2SP tlog-checkpoint; of size 0 as long as the log is empty.
#[utoipa::path(
    get, path = "/checkpoint", tag = "log",
    responses(
        Guarded,
        Stored,
        (status = 200, content_type = "text/plain", description = "The signed note (docs/spec/checkpoint.md)"),
    )
)]
pub(crate) async fn checkpoint(State(site): State<Site>) -> Result<Response, Fault> {
    let note = blocking(move || {
        let missing = || StoreError::Damaged("the log has changed its key, and has no checkpoint".into());
        match site.log.newest_checkpoint()? {
            Some(newest) => Ok(newest.note),
            None => site.empty_checkpoint.map(|note| note.to_string()).ok_or_else(missing),
        }
    });
    Ok(typed("text/plain; charset=utf-8", "no-cache", note.await?.into_bytes()))
}

/// A tile of hashes, or of entries
///
/// C2SP tlog-tiles: `<L>/<N>[.p/<W>]` for 256 hashes (or the first `W`) of a level, `entries/<N>[.p/<W>]` for the
/// entries below them, each after its length in two bytes. `N` is written in groups of three digits, all but the
/// last after an `x`: 1234067 is `x001/x234/067`. The path's slashes go as they are, or as `%2F`. Entries travel as
/// gzip to who takes it.
#[utoipa::path(
    get, path = "/tile/{path}", tag = "log",
    params(("path" = String, Path, description = "Level and index of the tile, and its width where it is not full", example = "0/000.p/17")),
    responses(
        Guarded,
        Parameters,
        Stored,
        (status = 200, content_type = "application/octet-stream", description = "The tile (docs/spec/tree.md)"),
        (status = 404, body = api::Problem, content_type = "application/problem+json", description = "There is no such tile"),
    )
)]
pub(crate) async fn tile(
    State(site): State<Site>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let no_tile = || Fault::new(Code::NotFound, "there is no such tile: see docs/spec/tree.md for their names");
    let (level, index) = path.split_once('/').ok_or_else(no_tile)?;
    let (index, width) = tile::parse_index(index).map_err(|_| no_tile())?;
    let caching = caching(&site);
    if level == "entries" {
        let packed = coding::accepts(&headers, "gzip");
        let read = move || {
            let bytes = entry_tile(&*site.log, index, width)?;
            Ok(bytes.map(|bytes| if packed { coding::gzip(&bytes) } else { bytes }))
        };
        let mut response = typed(TILE, caching, blocking(read).await?.ok_or_else(no_tile)?);
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if packed {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        return Ok(response);
    }
    // Eight levels of tiles hold 2^64 entries.
    let level = canonical::<u32>(level).filter(|level| *level < 8).ok_or_else(no_tile)?;
    let bytes = blocking(move || hash_tile(&*site.log, level, index, width)).await?;
    Ok(typed(TILE, caching, bytes.ok_or_else(no_tile)?))
}

/// The first hashes of a tile as stored; `None` if there are not that many.
fn hash_tile(log: &dyn LogReader, level: u32, index: u64, width: u32) -> Result<Option<Vec<u8>>, StoreError> {
    let bytes = log.tile(level, index)?;
    Ok(bytes.and_then(|bytes| bytes.get(..width as usize * 32).map(<[u8]>::to_vec)))
}

/// The first entries of a bundle, each with its length; `None` if there are not that many. What we write is below 1 KiB
/// an entry, so a bundle is some 100 kB; the format's own bound is 16 MiB.
fn entry_tile(log: &dyn LogReader, index: u64, width: u32) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(from) = index.checked_mul(tile::WIDTH) else { return Ok(None) };
    let entries = log.entries(from, u64::from(width))?;
    if entries.len() < width as usize {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    for entry in entries {
        let length =
            u16::try_from(entry.len()).map_err(|_| StoreError::Damaged("an entry above 65,535 bytes".into()))?;
        bytes.extend(length.to_be_bytes());
        bytes.extend(entry);
    }
    Ok(Some(bytes))
}

/// The log's head beside the chain's
#[utoipa::path(
    get, path = "/api/v1/ledger", tag = "log",
    responses(Guarded, Stored, (status = 200, body = LedgerStatus))
)]
pub(crate) async fn ledger(State(site): State<Site>) -> Result<Json<LedgerStatus>, Fault> {
    Ok(Json(blocking(move || status(&site)).await?))
}

/// Where log and chain stand.
pub(super) fn status(site: &Site) -> Result<LedgerStatus, StoreError> {
    let newest = site.log.newest_checkpoint()?;
    let (tree_size, root) = newest.map_or((0, ledger::hash::EMPTY_ROOT), |newest| (newest.size, newest.root));
    let keys = key_history(&*site.log, site.log_key.clone())?;
    let view = site.view.borrow().clone();
    Ok(LedgerStatus {
        origin: site.log_key.origin().to_string(),
        // The one that has signed the newest checkpoint.
        log_key: keys.key_at(tree_size).to_string(),
        tree_size,
        root: root.to_string(),
        anchored_size: view.anchored_size,
        final_size: view.final_size,
        trial: site.trial,
        chain: chain_status(&site.rpc_url, view),
    })
}

fn chain_status(rpc_url: &Arc<str>, view: ChainView) -> ChainStatus {
    ChainStatus {
        rpc_url: redact::without_userinfo(rpc_url),
        status: view.health.name().into(),
        problem: view.problem.as_deref().map(redact::in_text),
        last_error: view.last_trouble.as_ref().map(last_error),
        tree_size: view.head.map(|(size, _)| size),
        root: view.head.map(|(_, root)| root.to_string()),
        latest_block: view.latest_block.map(|block| block.number),
        finalized_block: view.finalized_block,
        oldest_unanchored_s: view.oldest_unanchored_ms.map(|ms| ms as f64 / 1000.0),
    }
}

/// What kept the service from anchoring last.
pub(super) fn last_error(trouble: &Trouble) -> LastError {
    LastError { time: trouble.at.to_time().to_string(), problem: redact::in_text(&trouble.what) }
}

/// What the service claims the trust roots to be
///
/// In the form of the trust file. An auditor compares them with roots from elsewhere, and keeps their own.
#[utoipa::path(
    get, path = "/api/v1/trust", tag = "log",
    responses(
        Guarded,
        Stored,
        (status = 200, content_type = "application/json", description = "The trust file (docs/spec/evidence.md)"),
        (status = 503, body = api::Problem, content_type = "application/problem+json", description = "The chain was not reached yet, or the store cannot be read now"),
    )
)]
pub(crate) async fn trust(State(site): State<Site>) -> Result<Json<TrustRoots>, Fault> {
    let trust = match site.trust() {
        Some(trust) => Some(trust),
        // Those from before this start, while the chain cannot be asked.
        None => blocking(move || pinned_trust(&*site.anchors)).await?,
    };
    trust.map(Json).ok_or_else(|| Fault::new(Code::Unavailable, "the chain was not reached yet: try again"))
}

fn no_entry(index: u64) -> Fault {
    Fault::new(Code::NotFound, format!("the log has no entry {index}"))
}

/// An answer of bytes.
pub(super) fn typed(media_type: &'static str, caching: &'static str, bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, caching)], bytes).into_response()
}
