//! The description of the interface, and a page to try it.

use axum::Router;
use utoipa::OpenApi;
use utoipa_swagger_ui::SwaggerUi;

use super::{
    accounts, anomalies, compat, devices, feed, health, heartbeats, log, models,
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
        devices::list::devices,
        devices::list::device,
        devices::list::address,
        devices::register::register,
        devices::register::change,
        devices::register::remove,
        devices::import::import,
        devices::keys::keys,
        devices::keys::make,
        devices::keys::rotate,
        devices::keys::revoke,
        devices::keys::sign_with,
        devices::keys::sign_no_more,
        devices::types::types,
        devices::types::one,
        devices::types::change,
        health::health,
        health::ready,
        health::metrics,
        accounts::session::who,
        accounts::session::sign_in,
        accounts::session::sign_out,
        accounts::session::register,
        accounts::own::password,
        accounts::own::sessions,
        accounts::own::end_others,
        accounts::own::end,
        accounts::own::tokens,
        accounts::own::make_token,
        accounts::own::revoke_token,
        accounts::users::list,
        accounts::users::create,
        accounts::users::change,
        accounts::users::delete,
        accounts::users::sessions,
        accounts::users::end_sessions,
        accounts::invitations::list,
        accounts::invitations::create,
        accounts::invitations::withdraw,
        accounts::audit::list,
        accounts::audit::export,
    ),
    // What the shared answers refer to.
    components(schemas(api::Problem)),
    tags(
        (name = "intake", description = "Send readings"),
        (name = "readings", description = "Readings that are kept, and what is counted over them"),
        (name = "log", description = "Read and check the ledger"),
        (name = "devices", description = "The registry of devices: whose they are, their keys and types"),
        (name = "compatible", description = "For clients that exist already"),
        (name = "accounts", description = "Sign in; users, tokens, the audit log"),
        (name = "service", description = "How the service is"),
    )
)]
struct Interface;

/// `/api/openapi.json` and `/api/docs`.
pub(super) fn router(intake: utoipa::openapi::OpenApi) -> Router {
    let whole = Interface::openapi().merge_from(intake);
    SwaggerUi::new("/api/docs").url("/api/openapi.json", whole).into()
}
