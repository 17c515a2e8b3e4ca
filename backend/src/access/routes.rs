//! Every route of the HTTP interface, and the action that it takes. What is not here is served to nobody.

use axum::http::Method;

use crate::domain::access::Action;

/// Method, path as the router writes it, action. HEAD goes with GET.
pub(crate) const ROUTES: &[(Method, &str, Action)] = &[
    // Pages, and how the service is.
    (Method::GET, "/", Action::Open),
    (Method::GET, "/ui", Action::Open),
    (Method::GET, "/ui/", Action::Open),
    (Method::GET, "/ui/{*path}", Action::Open),
    (Method::GET, "/api/docs", Action::Open),
    (Method::GET, "/api/docs/", Action::Open),
    (Method::GET, "/api/docs/{*rest}", Action::Open),
    (Method::GET, "/api/openapi.json", Action::Open),
    (Method::GET, "/health", Action::Open),
    (Method::GET, "/ready", Action::Open),
    (Method::GET, "/metrics", Action::ReadMetrics),
    // The log.
    (Method::GET, "/checkpoint", Action::ReadLog),
    (Method::GET, "/tile/{*path}", Action::ReadLog),
    (Method::GET, "/api/v1/entries/{index}", Action::ReadLog),
    (Method::GET, "/api/v1/heartbeats", Action::ReadLog),
    (Method::GET, "/api/v1/heartbeats/{index}/devices/{device}", Action::ReadLog),
    (Method::GET, "/api/v1/ledger", Action::ReadLog),
    (Method::GET, "/api/v1/trust", Action::ReadLog),
    // These show payloads only to those who may read them.
    (Method::GET, "/api/v1/anomalies", Action::ReadLog),
    (Method::GET, "/api/v1/entries/{index}/evidence", Action::ReadLog),
    (Method::GET, "/api/v1/feed", Action::ReadLog),
    (Method::GET, "/latest_anomalies", Action::ReadLog),
    (Method::GET, "/anomalies", Action::ReadLog),
    // Readings and what is counted over them; handlers ask for each device.
    (Method::GET, "/api/v1/devices/{device}/readings", Action::ReadReadings),
    (Method::GET, "/api/v1/devices/{device}/readings/latest", Action::ReadReadings),
    (Method::GET, "/api/v1/devices/{device}/series", Action::ReadReadings),
    (Method::GET, "/api/v1/readings/export", Action::ReadReadings),
    (Method::GET, "/api/v1/statistics/devices", Action::ReadReadings),
    (Method::GET, "/api/v1/statistics/anomalies", Action::ReadReadings),
    // Models.
    (Method::GET, "/api/v1/models", Action::ReadModels),
    (Method::GET, "/api/v1/models/{hash}", Action::ReadModels),
    (Method::GET, "/api/v1/models/{hash}/model.bin", Action::ReadModels),
    (Method::GET, "/api/v1/models/{hash}/sample.csv", Action::ReadModels),
    // Devices: their registry, keys and types.
    (Method::GET, "/api/v1/devices", Action::ReadDevices),
    (Method::POST, "/api/v1/devices", Action::ManageDevices),
    (Method::POST, "/api/v1/devices/import", Action::ManageDevices),
    (Method::GET, "/api/v1/devices/{name}", Action::ReadDevices),
    (Method::PATCH, "/api/v1/devices/{name}", Action::ManageDevices),
    (Method::DELETE, "/api/v1/devices/{name}", Action::ManageDevices),
    (Method::GET, "/api/v1/devices/{name}/keys", Action::ReadDevices),
    (Method::POST, "/api/v1/devices/{name}/keys", Action::ManageDevices),
    (Method::POST, "/api/v1/devices/{name}/keys/{id}/rotate", Action::ManageDevices),
    (Method::DELETE, "/api/v1/devices/{name}/keys/{id}", Action::ManageDevices),
    (Method::PUT, "/api/v1/devices/{name}/public-key", Action::ManageDevices),
    (Method::DELETE, "/api/v1/devices/{name}/public-key", Action::ManageDevices),
    (Method::GET, "/api/v1/addresses/{ip}", Action::ReadDevices),
    (Method::GET, "/api/v1/device-types", Action::ReadDevices),
    (Method::GET, "/api/v1/device-types/{name}", Action::ReadDevices),
    (Method::PUT, "/api/v1/device-types/{name}", Action::ManageTypes),
    // Intake.
    (Method::POST, "/api/v1/readings", Action::Send),
    // Its first message may say who it is; each later one is asked about by itself.
    (Method::GET, "/api/v1/ws", Action::Open),
    (Method::POST, "/api/v1/flows", Action::Send),
    (Method::POST, "/predict", Action::Send),
    (Method::POST, "/sensor_data", Action::Send),
    (Method::POST, "/api/v2/write", Action::Send),
    (Method::POST, "/write", Action::Send),
    (Method::GET, "/ping", Action::Open),
    (Method::POST, "/api/v1/anomalies/{index}/feedback", Action::Judge),
    // Signing in; who I am.
    (Method::GET, "/api/v1/session", Action::Open),
    (Method::POST, "/api/v1/session", Action::Open),
    (Method::POST, "/api/v1/registration", Action::Open),
    // One's own account.
    (Method::DELETE, "/api/v1/session", Action::OwnAccount),
    (Method::PUT, "/api/v1/account/password", Action::OwnAccount),
    (Method::GET, "/api/v1/account/sessions", Action::OwnAccount),
    (Method::DELETE, "/api/v1/account/sessions", Action::OwnAccount),
    (Method::DELETE, "/api/v1/account/sessions/{id}", Action::OwnAccount),
    (Method::GET, "/api/v1/tokens", Action::OwnAccount),
    (Method::POST, "/api/v1/tokens", Action::OwnAccount),
    (Method::DELETE, "/api/v1/tokens/{id}", Action::OwnAccount),
    // Users and invitations.
    (Method::GET, "/api/v1/users", Action::ManageUsers),
    (Method::POST, "/api/v1/users", Action::ManageUsers),
    (Method::PATCH, "/api/v1/users/{id}", Action::ManageUsers),
    (Method::DELETE, "/api/v1/users/{id}", Action::ManageUsers),
    (Method::GET, "/api/v1/users/{id}/sessions", Action::ManageUsers),
    (Method::DELETE, "/api/v1/users/{id}/sessions", Action::ManageUsers),
    (Method::GET, "/api/v1/invitations", Action::ManageUsers),
    (Method::POST, "/api/v1/invitations", Action::ManageUsers),
    (Method::DELETE, "/api/v1/invitations/{id}", Action::ManageUsers),
    // The audit log.
    (Method::GET, "/api/v1/audit", Action::ReadAudit),
    (Method::GET, "/api/v1/audit/export", Action::ReadAudit),
];

/// The action of a route; `None` of one that is not in the table.
pub(crate) fn action(method: &Method, path: &str) -> Option<Action> {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    ROUTES.iter().find(|(of, route, _)| of == method && *route == path).map(|(.., action)| *action)
}
