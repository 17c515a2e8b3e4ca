//! API keys of devices, and the keys with which they sign.

use api::{Code, Device, DeviceKey, DeviceKeyRequest, DeviceKeyRotation, DevicePublicKey, NewDeviceKey};
use axum::{
    Extension, Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::IntoResponse,
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use super::{Desk, text};
use crate::{
    access::{Pass, RegistrarError},
    domain::{
        Millis,
        access::Action,
        registry::{NewKey, RegistrationError, StoredKey},
    },
    http::{canonical, excerpt, json::Sent},
    problem::{Absent, Asked, Clashing, Fault, Guarded, Parameters, Stored},
};

fn shown(key: StoredKey, disabled: bool, now: Millis) -> DeviceKey {
    DeviceKey {
        id: key.id,
        prefix: key.prefix,
        label: key.label,
        created: text(key.created),
        expires: key.expires.map(text),
        valid: !disabled && key.expires.is_none_or(|expires| now < expires),
        last_used: key.used.map(text),
    }
}

fn made(key: NewKey, old_ends: Option<Millis>) -> impl IntoResponse {
    let NewKey { secret, stored } = key;
    let made = NewDeviceKey {
        id: stored.id,
        key: secret,
        prefix: stored.prefix,
        created: text(stored.created),
        expires: stored.expires.map(text),
        old_ends: old_ends.map(text),
    };
    (StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(made))
}

fn number(text: &str) -> Result<i64, Fault> {
    canonical(text).filter(|id: &i64| *id > 0).ok_or_else(|| {
        Fault::new(Code::InvalidParameter, format!("expected a key's number, found {:?}", excerpt(text)))
    })
}

/// List a device's keys
///
/// Without the keys themselves: nobody has them but the device.
#[utoipa::path(
    get, path = "/api/v1/devices/{name}/keys", tag = "devices",
    params(("name" = String, Path, description = "The device's name")),
    responses(Guarded, Parameters, Absent, Stored, (status = 200, body = Vec<DeviceKey>))
)]
pub(crate) async fn keys(
    State(desk): State<Desk>,
    Extension(pass): Extension<Pass>,
    Path(name): Path<String>,
) -> Result<Json<Vec<DeviceKey>>, Fault> {
    let name = desk.named(&pass, Action::ReadDevices, &name)?;
    let (now, disabled) = (desk.clock.now(), desk.gate.devices.is_disabled(&name));
    let keys = desk.act(move |registrar| registrar.keys(&name)).await?;
    Ok(Json(keys.into_iter().map(|key| shown(key, disabled, now)).collect()))
}

/// Make a key
///
/// The answer is the only place where it ever stands. A device may have 16 keys at a time.
#[utoipa::path(
    post, path = "/api/v1/devices/{name}/keys", tag = "devices", request_body = DeviceKeyRequest,
    params(("name" = String, Path, description = "The device's name")),
    responses(Guarded, Asked, Absent, Clashing, Stored, (status = 201, body = NewDeviceKey, description = "On disk"))
)]
pub(crate) async fn make(
    State(desk): State<Desk>,
    Extension(pass): Extension<Pass>,
    Path(name): Path<String>,
    Sent(request): Sent<DeviceKeyRequest>,
) -> Result<impl IntoResponse, Fault> {
    let name = desk.named(&pass, Action::ManageDevices, &name)?;
    let by = desk.by(&pass);
    let DeviceKeyRequest { label, expires_seconds } = request;
    let key = desk.act(move |registrar| registrar.make_key(&name, label, expires_seconds, &by)).await?;
    Ok(made(key, None))
}

/// Rotate a key
///
/// Makes a new key; the old one holds beside it for a day, or for as long as is asked, so that the device can be changed
/// over meanwhile. On connections that are open by then, the old one ends as well.
#[utoipa::path(
    post, path = "/api/v1/devices/{name}/keys/{id}/rotate", tag = "devices", request_body = DeviceKeyRotation,
    params(
        ("name" = String, Path, description = "The device's name"),
        ("id" = i64, Path, description = "The old key's number")
    ),
    responses(Guarded, Asked, Absent, Clashing, Stored, (status = 201, body = NewDeviceKey, description = "On disk"))
)]
pub(crate) async fn rotate(
    State(desk): State<Desk>,
    Extension(pass): Extension<Pass>,
    Path((name, id)): Path<(String, String)>,
    Sent(rotation): Sent<DeviceKeyRotation>,
) -> Result<impl IntoResponse, Fault> {
    let name = desk.named(&pass, Action::ManageDevices, &name)?;
    let (id, by) = (number(&id)?, desk.by(&pass));
    let rotated = desk.act(move |registrar| registrar.rotate_key(&name, id, rotation.overlap_seconds, &by)).await;
    let (key, ends) = rotated?;
    Ok(made(key, Some(ends)))
}

/// Revoke a key
///
/// At once: the next message on a connection that was opened with it is refused.
#[utoipa::path(
    delete, path = "/api/v1/devices/{name}/keys/{id}", tag = "devices",
    params(
        ("name" = String, Path, description = "The device's name"),
        ("id" = i64, Path, description = "The key's number")
    ),
    responses(Guarded, Parameters, Absent, Stored, (status = 204, description = "Gone"))
)]
pub(crate) async fn revoke(
    State(desk): State<Desk>,
    Extension(pass): Extension<Pass>,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, Fault> {
    let name = desk.named(&pass, Action::ManageDevices, &name)?;
    let (id, by) = (number(&id)?, desk.by(&pass));
    desk.act(move |registrar| registrar.revoke_key(&name, id, &by)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Say with which key a device signs
///
/// From then on its readings have to be signed with this Ed25519 key.
#[utoipa::path(
    put, path = "/api/v1/devices/{name}/public-key", tag = "devices", request_body = DevicePublicKey,
    params(("name" = String, Path, description = "The device's name")),
    responses(Guarded, Asked, Absent, Stored, (status = 200, body = Device, description = "On disk"))
)]
pub(crate) async fn sign_with(
    State(desk): State<Desk>,
    Extension(pass): Extension<Pass>,
    Path(name): Path<String>,
    Sent(DevicePublicKey { public_key }): Sent<DevicePublicKey>,
) -> Result<Json<Device>, Fault> {
    let name = desk.named(&pass, Action::ManageDevices, &name)?;
    let bytes = BASE64.decode(&public_key).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let wrong = || RegistrarError::from(RegistrationError::PublicKey(excerpt(&public_key)));
    let key = bytes.ok_or_else(wrong)?;
    let by = desk.by(&pass);
    let registration = desk.act(move |registrar| registrar.set_public_key(&name, Some(key), &by)).await?;
    Ok(Json(desk.device(registration.name).await?))
}

/// Let a device send without signing
#[utoipa::path(
    delete, path = "/api/v1/devices/{name}/public-key", tag = "devices",
    params(("name" = String, Path, description = "The device's name")),
    responses(Guarded, Parameters, Absent, Stored, (status = 200, body = Device, description = "On disk"))
)]
pub(crate) async fn sign_no_more(
    State(desk): State<Desk>,
    Extension(pass): Extension<Pass>,
    Path(name): Path<String>,
) -> Result<Json<Device>, Fault> {
    let name = desk.named(&pass, Action::ManageDevices, &name)?;
    let by = desk.by(&pass);
    let registration = desk.act(move |registrar| registrar.set_public_key(&name, None, &by)).await?;
    Ok(Json(desk.device(registration.name).await?))
}
