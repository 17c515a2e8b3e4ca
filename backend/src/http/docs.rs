//! The description of the interface, and a page to try it.

use axum::Router;
use utoipa::OpenApi;
use utoipa_swagger_ui::SwaggerUi;

use super::{
    anomalies, compat, feed, health, heartbeats, log, models,
    series::{counts, export, list, samples},
};

/// The interface, as `/api/openapi.json` gives it.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Anomaly ledger",
        description = "Readings in, verdicts out, and every anomaly in a ledger that a chain keeps honest.",
        license(name = "MIT OR Apache-2.0")
    ),
    paths(
        anomalies::anomalies,
        log::entry,
        log::evidence,
        heartbeats::heartbeats,
        heartbeats::device,
        models::models,
        models::meta,
        models::model,
        models::sample,
        list::readings,
        list::latest,
        samples::series,
        export::export,
        counts::devices,
        counts::anomalies,
        log::ledger,
        log::trust,
        feed::feed,
        log::checkpoint,
        log::tile,
        compat::latest_anomalies,
        compat::anomalies,
        health::health,
        health::ready,
        health::metrics,
    ),
    // What the shared answers refer to.
    components(schemas(api::Problem)),
    tags(
        (name = "intake", description = "Send readings"),
        (name = "readings", description = "Readings that are kept, and what is counted over them"),
        (name = "log", description = "Read and check the ledger"),
        (name = "compatible", description = "For clients that exist already"),
        (name = "service", description = "How the service is"),
    )
)]
struct Interface;

/// `/api/openapi.json` and `/api/docs`.
pub(super) fn router(intake: utoipa::openapi::OpenApi) -> Router {
    let whole = Interface::openapi().merge_from(intake);
    SwaggerUi::new("/api/docs").url("/api/openapi.json", whole).into()
}
