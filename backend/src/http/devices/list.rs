//! Reading the registry.

use std::net::IpAddr;

use api::{AddressOwner, Code, Device, Devices, TypeCount};
use axum::{
    Extension, Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use serde::Deserialize;

use super::{Desk, Sight};
use crate::{
    access::{Denied, Pass},
    domain::{
        DeviceName,
        access::{Action, UserId},
        registry::Filter,
    },
    http::{anomalies::checked_limit, excerpt},
    problem::{Absent, Fault, Guarded, Parameters, Stored},
};

/// Which devices.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DevicesQuery {
    /// Of this type; a device that nobody has registered has the profile by which it is judged.
    r#type: Option<String>,
    /// Of this user.
    owner: Option<u64>,
    /// With this mark: `name`, or `name=value`.
    tag: Option<String>,
    /// Online, or not.
    online: Option<bool>,
    /// With this in its name, location, firmware or patient.
    text: Option<String>,
    /// Only those that somebody has registered, or only those that nobody has.
    registered: Option<bool>,
    /// Count all that fit, by type, as well. Goes through all devices.
    #[serde(default)]
    summary: bool,
    /// 1 to 500; 50 if absent.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: u64,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

fn default_limit() -> u64 {
    50
}

/// List devices
///
/// By name. An owner sees their own, a device itself. With `registered` absent, devices that have sent without being
/// registered are listed too, as in a trial.
#[utoipa::path(
    get, path = "/api/v1/devices", tag = "devices", params(DevicesQuery),
    responses(Guarded, Parameters, Stored, (status = 200, body = Devices))
)]
pub(crate) async fn devices(
    State(desk): State<Desk>,
    Extension(pass): Extension<Pass>,
    query: Result<Query<DevicesQuery>, QueryRejection>,
) -> Result<Json<Devices>, Fault> {
    let Query(query) = query.map_err(|error| Fault::new(Code::InvalidParameter, error.body_text()))?;
    let (limit, now) = (checked_limit(query.limit)?, desk.clock.now());
    let mut filter = Filter {
        kind: query.r#type,
        owner: query.owner.map(UserId::of),
        tag: query.tag.map(tag),
        online: query.online,
        text: query.text.filter(|text| !text.is_empty()),
        registered: query.registered,
    };
    match Desk::sight(&pass, Action::ReadDevices)? {
        Sight::All => {}
        Sight::Owner(own) if filter.owner.is_none_or(|owner| owner == own) => filter.owner = Some(own),
        Sight::Owner(_) => return Ok(Json(Devices { items: Vec::new(), next_cursor: None, summary: None })),
        Sight::Device(name) => {
            let items = vec![desk.device(name).await?];
            return Ok(Json(Devices { items, next_cursor: None, summary: None }));
        }
    }
    let (after, counts) = (query.cursor.unwrap_or_default(), query.summary);
    let found = desk.act(move |registrar| {
        let listed = registrar.list(&filter, &after, limit as usize, now)?;
        let counted = counts.then(|| registrar.count(&filter, now)).transpose()?;
        Ok((listed, counted))
    });
    let (listed, counted) = found.await?;
    let next_cursor = listed.last().filter(|_| listed.len() as u64 == limit).map(|last| last.name.clone());
    let count = |(r#type, online, offline)| TypeCount { r#type, online, offline };
    Ok(Json(Devices {
        items: listed.into_iter().map(|listed| desk.shown(listed, now)).collect(),
        next_cursor,
        summary: counted.map(|counted| counted.into_iter().map(count).collect()),
    }))
}

fn tag(text: String) -> (String, Option<String>) {
    match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (text, None),
    }
}

/// Read a device
#[utoipa::path(
    get, path = "/api/v1/devices/{name}", tag = "devices",
    params(("name" = String, Path, description = "The device's name")),
    responses(Guarded, Parameters, Absent, Stored, (status = 200, body = Device))
)]
pub(crate) async fn device(
    State(desk): State<Desk>,
    Extension(pass): Extension<Pass>,
    Path(name): Path<String>,
) -> Result<Json<Device>, Fault> {
    let name = desk.named(&pass, Action::ReadDevices, &name)?;
    Ok(Json(desk.device(name).await?))
}

/// Say whose an address is
///
/// That of the narrowest registered address or network that it is or lies in.
#[utoipa::path(
    get, path = "/api/v1/addresses/{ip}", tag = "devices",
    params(("ip" = String, Path, description = "An IP address")),
    responses(Guarded, Parameters, Absent, Stored, (status = 200, body = AddressOwner))
)]
pub(crate) async fn address(
    State(desk): State<Desk>,
    Extension(pass): Extension<Pass>,
    Path(ip): Path<String>,
) -> Result<Json<AddressOwner>, Fault> {
    let address: IpAddr = ip
        .parse()
        .map_err(|_| Fault::new(Code::InvalidParameter, format!("expected an IP address, found {:?}", excerpt(&ip))))?;
    let found = desk.gate.devices.network_at(address);
    let sees_all = Desk::sight(&pass, Action::ReadDevices)? == Sight::All;
    let own = |device: &DeviceName| desk.gate.may(&pass.caller, Action::ReadDevices, device).is_ok();
    match found.filter(|(_, device)| own(device)) {
        Some((network, device)) => {
            let named = device.clone();
            let kind = desk.device(named).await?.r#type;
            Ok(Json(AddressOwner {
                address: address.to_canonical().to_string(),
                network: network.to_string(),
                device: device.to_string(),
                r#type: kind,
            }))
        }
        None if sees_all => Err(Fault::new(Code::NotFound, format!("{address} is no device's address"))),
        None => Err(Denied::Forbidden(format!("{address} is not an address of a device of yours")).into()),
    }
}
