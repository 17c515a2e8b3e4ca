//! Registering, changing and removing devices.

use api::{Device, DeviceChange, DeviceRequest};
use axum::{
    Extension, Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::IntoResponse,
};

use super::{Desk, Sight};
use crate::{
    access::{Denied, PROBE, Pass},
    domain::access::{Action, UserId},
    http::json::Sent,
    problem::{Absent, Asked, Clashing, Fault, Guarded, Stored},
};

impl Desk {
    /// Completes and checks what somebody asks to register: an owner's devices are that owner's, and which addresses are
    /// whose is not an owner's to say.
    pub(super) fn permit(pass: &Pass, request: &mut DeviceRequest) -> Result<(), Denied> {
        if let Ok(Sight::Owner(own)) = Self::sight(pass, Action::ManageDevices) {
            if request.owner.is_some_and(|owner| UserId::of(owner) != own) {
                return Err(Denied::Forbidden("you register devices of your own only".into()));
            }
            request.owner = Some(own.number());
        }
        Self::permit_probe(pass, request.r#type.as_deref())?;
        Self::permit_addresses(pass, !request.addresses.is_empty() || request.keyless)
    }

    /// A network probe sends flows of every device, also of other people's.
    fn permit_probe(pass: &Pass, kind: Option<&str>) -> Result<(), Denied> {
        if kind == Some(PROBE) && pass.caller.may(Action::ManageTypes).is_none() {
            return Err(Denied::Forbidden("only an admin makes a device a network probe".into()));
        }
        Ok(())
    }

    fn permit_addresses(pass: &Pass, asked: bool) -> Result<(), Denied> {
        if asked && pass.caller.may(Action::ManageTypes).is_none() {
            return Err(Denied::Forbidden("only an admin says which addresses are a device's".into()));
        }
        Ok(())
    }
}

/// Register a device
///
/// An owner's devices are that owner's; others, addresses, and names that have sent readings before, need an admin. Then
/// make it a key: `POST /api/v1/devices/{name}/keys`.
#[utoipa::path(
    post, path = "/api/v1/devices", tag = "devices", request_body = DeviceRequest,
    responses(Guarded, Asked, Clashing, Stored, (status = 201, body = Device, description = "On disk"))
)]
pub(crate) async fn register(
    State(desk): State<Desk>,
    Extension(pass): Extension<Pass>,
    Sent(mut request): Sent<DeviceRequest>,
) -> Result<impl IntoResponse, Fault> {
    Desk::permit(&pass, &mut request)?;
    let any = Desk::sight(&pass, Action::ManageDevices)? == Sight::All;
    let by = desk.by(&pass);
    let registration = desk.act(move |registrar| registrar.register(request, any, &by)).await?;
    let device = desk.device(registration.name).await?;
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(device)))
}

/// Change a device
///
/// What is absent stays; `null` takes away. Only an admin gives a device to somebody else, or changes its addresses.
/// Disabling it ends its keys' effect at once, on open connections too; enabling it brings them back.
#[utoipa::path(
    patch, path = "/api/v1/devices/{name}", tag = "devices", request_body = DeviceChange,
    params(("name" = String, Path, description = "The device's name")),
    responses(Guarded, Asked, Absent, Clashing, Stored, (status = 200, body = Device, description = "On disk"))
)]
pub(crate) async fn change(
    State(desk): State<Desk>,
    Extension(pass): Extension<Pass>,
    Path(name): Path<String>,
    Sent(change): Sent<DeviceChange>,
) -> Result<Json<Device>, Fault> {
    let name = desk.named(&pass, Action::ManageDevices, &name)?;
    if change.owner.is_some() && Desk::sight(&pass, Action::ManageDevices)? != Sight::All {
        return Err(Denied::Forbidden("only an admin gives a device to somebody else".into()).into());
    }
    Desk::permit_probe(&pass, change.r#type.as_deref())?;
    Desk::permit_addresses(&pass, change.addresses.is_some() || change.keyless.is_some())?;
    let by = desk.by(&pass);
    let registration = desk.act(move |registrar| registrar.change(&name, change, &by)).await?;
    Ok(Json(desk.device(registration.name).await?))
}

/// Remove a device
///
/// Its registration and its keys go, at once. What it has sent and what was found of it stays: it is evidence. To erase
/// that, the operator has `anomaly-ledger admin erase`.
#[utoipa::path(
    delete, path = "/api/v1/devices/{name}", tag = "devices",
    params(("name" = String, Path, description = "The device's name")),
    responses(Guarded, Absent, Stored,
        (status = 204, description = "Gone"),
        (status = 400, body = api::Problem, content_type = "application/problem+json", description = "Not a device's name"))
)]
pub(crate) async fn remove(
    State(desk): State<Desk>,
    Extension(pass): Extension<Pass>,
    Path(name): Path<String>,
) -> Result<StatusCode, Fault> {
    let name = desk.named(&pass, Action::ManageDevices, &name)?;
    let by = desk.by(&pass);
    desk.act(move |registrar| registrar.remove(&name, &by)).await?;
    Ok(StatusCode::NO_CONTENT)
}
