//! The models: what judged, byte for byte as it is kept, so that a verdict can be computed again elsewhere.
//!
//! Whoever may read the log may read the models. A training sample holds readings without their devices: whoever may see
//! payloads may see it too; today both are one and the same (`guard`).

use api::{Code, Model, Page};
use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    response::Response,
};
use ledger::{Hash, entry::Entry};

use super::{
    Site,
    anomalies::{PageQuery, bounds, state},
    excerpt,
    log::{caching, typed},
};
use crate::{
    domain::ports::{ModelPart, StoreError},
    problem::{Fault, Guarded, Parameters, Stored, blocking},
};

/// List models
///
/// Newest first: every model that came into use, as the log records it. Findings name them by their hash.
#[utoipa::path(
    get, path = "/api/v1/models", tag = "log", params(PageQuery),
    responses(Guarded, Parameters, Stored, (status = 200, body = Page<Model>))
)]
pub(crate) async fn models(
    State(site): State<Site>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<Model>>, Fault> {
    let (before, limit) = bounds(query)?;
    Ok(Json(blocking(move || page(&site, before, limit)).await?))
}

fn page(site: &Site, mut before: u64, limit: u64) -> Result<Page<Model>, StoreError> {
    let view = site.view.borrow().clone();
    let versions = site.log.model_versions()?;
    let mut items = Vec::new();
    while (items.len() as u64) < limit
        && let Some((index, bytes)) = site.log.newest("model", before)?
    {
        before = index;
        // A damaged one is fsck's matter; the reader of the log sees it in its place.
        let Ok(Entry::Model(entry)) = Entry::from_bytes(&bytes) else { continue };
        let hash = entry.model.to_string();
        items.push(Model {
            index,
            state: state(&view, index),
            recorded: entry.recorded.to_string(),
            version: versions.get(&hash).cloned().unwrap_or_else(|| hash.clone()),
            hash,
            name: entry.name,
            sample: entry.sample.to_string(),
        });
    }
    let next_cursor = items.last().filter(|_| items.len() as u64 == limit).map(|last| last.index.to_string());
    Ok(Page { items, next_cursor })
}

/// What a model says of itself
///
/// Its description as it was written when it was trained: columns, seed, limits, figures on the training sample.
#[utoipa::path(
    get, path = "/api/v1/models/{hash}", tag = "log",
    params(("hash" = String, Path, example = "2f9c8c1c4d8c5a3f8d2f9f5a6f0a1b7c3d4e5f60718293a4b5c6d7e8f9012345", description = "Of the model that is described: 64 hex digits, as a finding names it")),
    responses(
        Guarded,
        Parameters,
        Stored,
        (status = 200, content_type = "application/json", description = "The file model_meta.json"),
        (status = 404, body = api::Problem, content_type = "application/problem+json", description = "No model of this hash was ever in use, so nothing describes it"),
    )
)]
pub(crate) async fn meta(State(site): State<Site>, Path(hash): Path<String>) -> Result<Response, Fault> {
    file(site, &hash, ModelPart::Meta, "application/json").await
}

/// A model's bytes
///
/// What judges; SHA-256 of it is the model's hash. `anomaly-ledger rescore` asks for it.
#[utoipa::path(
    get, path = "/api/v1/models/{hash}/model.bin", tag = "log",
    params(("hash" = String, Path, example = "2f9c8c1c4d8c5a3f8d2f9f5a6f0a1b7c3d4e5f60718293a4b5c6d7e8f9012345", description = "Of the model whose bytes are wanted, and what their SHA-256 must be: 64 hex digits")),
    responses(
        Guarded,
        Parameters,
        Stored,
        (status = 200, content_type = "application/octet-stream", description = "The model, at most 64 MiB"),
        (status = 404, body = api::Problem, content_type = "application/problem+json", description = "No model of this hash was ever in use"),
    )
)]
pub(crate) async fn model(State(site): State<Site>, Path(hash): Path<String>) -> Result<Response, Fault> {
    file(site, &hash, ModelPart::Model, "application/octet-stream").await
}

/// A model's training sample
///
/// With it, and what the model says of itself, anybody can train the model again and compare the hash.
#[utoipa::path(
    get, path = "/api/v1/models/{hash}/sample.csv", tag = "log",
    params(("hash" = String, Path, example = "2f9c8c1c4d8c5a3f8d2f9f5a6f0a1b7c3d4e5f60718293a4b5c6d7e8f9012345", description = "Of the model that was trained with the sample: 64 hex digits; the sample has a hash of its own")),
    responses(
        Guarded,
        Parameters,
        Stored,
        (status = 200, content_type = "text/csv", description = "The training sample, at most 64 MiB"),
        (status = 404, body = api::Problem, content_type = "application/problem+json", description = "There is no such model, or its sample was not kept"),
    )
)]
pub(crate) async fn sample(State(site): State<Site>, Path(hash): Path<String>) -> Result<Response, Fault> {
    file(site, &hash, ModelPart::Sample, "text/csv; charset=utf-8").await
}

/// A file of a model, as it lies there.
async fn file(site: Site, hash: &str, part: ModelPart, media_type: &'static str) -> Result<Response, Fault> {
    let malformed = || {
        Fault::new(Code::InvalidParameter, format!("expected 64 hex digits in lower case, found {:?}", excerpt(hash)))
    };
    let hash: Hash = hash.parse().map_err(|_| malformed())?;
    let caching = caching(&site);
    let bytes = blocking(move || site.models.file(hash, part)).await?;
    let missing = || Fault::new(Code::NotFound, format!("there is no {} of a model {hash}", part.file()));
    Ok(typed(media_type, caching, bytes.ok_or_else(missing)?))
}
