//! Types of devices.

use api::{Code, DeviceType, DeviceTypeDefinition, DeviceTypes};
use axum::{
    Extension, Json,
    extract::{Path, State},
};

use super::{Desk, text};
use crate::{
    access::Pass,
    domain::registry::{self, built_in},
    http::{excerpt, json::Sent},
    problem::{Absent, Asked, Clashing, Fault, Guarded, Parameters, Stored},
};

fn shown(kind: &registry::DeviceType) -> DeviceType {
    DeviceType {
        name: kind.name().to_string(),
        built_in: built_in(kind.name()).is_some(),
        changed: kind.changed().map(text),
        definition: kind.definition().clone(),
    }
}

/// List types
#[utoipa::path(
    get, path = "/api/v1/device-types", tag = "devices",
    responses(Guarded, Stored, (status = 200, body = DeviceTypes))
)]
pub(crate) async fn types(State(desk): State<Desk>) -> Json<DeviceTypes> {
    Json(DeviceTypes { items: desk.gate.devices.types().iter().map(|kind| shown(kind)).collect() })
}

/// Read a type
#[utoipa::path(
    get, path = "/api/v1/device-types/{name}", tag = "devices",
    params(("name" = String, Path, description = "The type's name")),
    responses(Guarded, Parameters, Absent, Stored, (status = 200, body = DeviceType))
)]
pub(crate) async fn one(State(desk): State<Desk>, Path(name): Path<String>) -> Result<Json<DeviceType>, Fault> {
    let none = || Fault::new(Code::NotFound, format!("there is no type {:?}", excerpt(&name)));
    desk.gate.devices.type_named(&name).map(|kind| Json(shown(&kind))).ok_or_else(none)
}

/// Change or make a type
///
/// As a whole. It holds for the next reading: what is possible at intake, what is safe for the detector. The profile is
/// that of devices which have not sent yet.
#[utoipa::path(
    put, path = "/api/v1/device-types/{name}", tag = "devices", request_body = DeviceTypeDefinition,
    params(("name" = String, Path, description = "The type's name: 1 to 64 of a-z, 0-9 and -")),
    responses(Guarded, Asked, Clashing, Stored, (status = 200, body = DeviceType, description = "On disk"))
)]
pub(crate) async fn change(
    State(desk): State<Desk>,
    Extension(pass): Extension<Pass>,
    Path(name): Path<String>,
    Sent(definition): Sent<DeviceTypeDefinition>,
) -> Result<Json<DeviceType>, Fault> {
    let by = desk.by(&pass);
    let kind = desk.act(move |registrar| registrar.put_type(&name, definition, &by)).await?;
    Ok(Json(shown(&kind)))
}
