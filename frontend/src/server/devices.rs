//! Devices: the registry, keys and types.

use api::{
    Device, DeviceChange, DeviceImport, DeviceKey, DeviceKeyRequest, DeviceKeyRotation, DeviceRequest, DeviceTypes,
    Devices, NewDeviceKey,
};
use gloo_net::http::Method;

use super::{WHOM, after, ask, encoded, good, json, order, parse};
use crate::http::{self, Fault};

/// Which devices are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// With this in name, location, firmware or patient; empty for any.
    pub(crate) text: String,
    /// Of this type; empty for any.
    pub(crate) r#type: String,
    /// `true` or `false`; empty for both.
    pub(crate) online: String,
}

impl Wanted {
    /// Whether anything is left out.
    pub(crate) fn is_narrow(&self) -> bool {
        *self != Self::default()
    }
}

fn path(name: &str) -> String {
    format!("/api/v1/devices/{}", encoded(name))
}

/// A page of devices with the summary of all that fit.
pub(crate) async fn devices(wanted: &Wanted, cursor: Option<&str>) -> Result<Devices, Fault> {
    let mut query = String::from("/api/v1/devices?limit=50");
    for (name, value) in [("text", wanted.text.trim()), ("type", &wanted.r#type), ("online", &wanted.online)] {
        if !value.is_empty() {
            query += &format!("&{name}={}", encoded(value));
        }
    }
    // The summary goes through all devices: once is enough.
    query += if cursor.is_none() { "&summary=true" } else { "" };
    json(&(query + &after(cursor))).await
}

/// One device.
pub(crate) async fn device(name: &str) -> Result<Device, Fault> {
    json(&path(name)).await
}

/// Registers a device.
pub(crate) async fn register(wish: &DeviceRequest) -> Result<Device, Fault> {
    ask(Method::POST, "/api/v1/devices", wish).await
}

/// Changes what the registry says of a device.
pub(crate) async fn change(name: &str, change: &DeviceChange) -> Result<Device, Fault> {
    ask(Method::PATCH, &path(name), change).await
}

/// Takes a device out of the registry.
pub(crate) async fn remove(name: &str) -> Result<(), Fault> {
    order(Method::DELETE, &path(name)).await
}

/// A device's keys, without their secrets.
pub(crate) async fn keys(name: &str) -> Result<Vec<DeviceKey>, Fault> {
    json(&format!("{}/keys", path(name))).await
}

/// Makes a key.
pub(crate) async fn make_key(name: &str, wish: &DeviceKeyRequest) -> Result<NewDeviceKey, Fault> {
    ask(Method::POST, &format!("{}/keys", path(name)), wish).await
}

/// Makes a key in the place of another.
pub(crate) async fn rotate_key(name: &str, id: i64) -> Result<NewDeviceKey, Fault> {
    ask(Method::POST, &format!("{}/keys/{id}/rotate", path(name)), &DeviceKeyRotation::default()).await
}

/// Revokes a key.
pub(crate) async fn revoke_key(name: &str, id: i64) -> Result<(), Fault> {
    order(Method::DELETE, &format!("{}/keys/{id}", path(name))).await
}

/// All types.
pub(crate) async fn types() -> Result<DeviceTypes, Fault> {
    json("/api/v1/device-types").await
}

/// Registers the devices of a CSV table.
pub(crate) async fn import(table: String) -> Result<DeviceImport, Fault> {
    parse(&good(send(table, "/api/v1/devices/import").await?)?)
}

/// The same, with a key for each: gives a table of them.
pub(crate) async fn import_with_keys(table: String) -> Result<Vec<u8>, Fault> {
    good(send(table, "/api/v1/devices/import?keys=true").await?)
}

async fn send(table: String, path: &str) -> Result<http::Answer, Fault> {
    http::send_body(WHOM, Method::POST, path, "text/csv", table).await
}
