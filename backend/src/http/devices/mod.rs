//! The registry of devices over HTTP: registrations, keys, types and addresses.
//!
//! Handlers check who may do it to which device, ask the registrar, and shape answers. To somebody who reaches only their
//! own devices, others' devices and devices that do not exist answer alike.

pub(super) mod import;
pub(super) mod keys;
pub(super) mod list;
pub(super) mod register;
#[cfg(test)]
mod tests;
pub(super) mod types;

use std::sync::Arc;

use api::{Code, DeviceStatus};
use axum::{
    Router,
    routing::{delete, get, post, put},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use crate::{
    access::{By, Denied, Gate, Pass, Registrar, RegistrarError},
    domain::{
        Clock, DeviceName, Micros, Millis,
        access::{Action, Caller, Reach, UserId},
        registry::{Listed, Seen},
    },
    problem::{Fault, blocking},
};

/// What the handlers work with.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) registrar: Arc<Registrar>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The routes.
pub(super) fn router(desk: Desk) -> Router {
    Router::new()
        .route("/api/v1/devices", get(list::devices).post(register::register))
        .route("/api/v1/devices/import", post(import::import))
        .route("/api/v1/devices/{name}", get(list::device).patch(register::change).delete(register::remove))
        .route("/api/v1/devices/{name}/keys", get(keys::keys).post(keys::make))
        .route("/api/v1/devices/{name}/keys/{id}/rotate", post(keys::rotate))
        .route("/api/v1/devices/{name}/keys/{id}", delete(keys::revoke))
        .route("/api/v1/devices/{name}/public-key", put(keys::sign_with).delete(keys::sign_no_more))
        .route("/api/v1/addresses/{ip}", get(list::address))
        .route("/api/v1/device-types", get(types::types))
        .route("/api/v1/device-types/{name}", get(types::one).put(types::change))
        .with_state(desk)
}

/// Whose devices a caller sees or changes: all, or those of one owner.
#[derive(Debug, Clone, PartialEq)]
enum Sight {
    All,
    Owner(UserId),
    Device(DeviceName),
}

impl Desk {
    /// Does something with the registry on a thread that may block.
    async fn act<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Registrar) -> Result<T, RegistrarError> + Send + 'static,
    ) -> Result<T, Fault> {
        let registrar = Arc::clone(&self.registrar);
        Ok(blocking(move || Ok(act(&registrar))).await??)
    }

    /// Who acts, for the audit log.
    fn by(&self, pass: &Pass) -> By {
        By::caller(pass, self.clock.now())
    }

    /// The device of a path, if the caller may do this to it.
    fn named(&self, pass: &Pass, action: Action, name: &str) -> Result<DeviceName, Fault> {
        let name = DeviceName::new(name).map_err(|error| Fault::new(Code::InvalidParameter, error))?;
        self.gate.may(&pass.caller, action, &name)?;
        Ok(name)
    }

    /// Of whose devices this caller may do this.
    fn sight(pass: &Pass, action: Action) -> Result<Sight, Fault> {
        match (pass.caller.may(action), &pass.caller) {
            (Some(Reach::All), _) => Ok(Sight::All),
            (Some(Reach::Own), Caller::Person { id, .. }) => Ok(Sight::Owner(*id)),
            (Some(Reach::Own), Caller::Device(name)) => Ok(Sight::Device(name.clone())),
            _ => Err(Denied::Forbidden("your roles, or the token's scopes, do not allow this".into()).into()),
        }
    }

    /// A device as the interface shows it.
    fn shown(&self, listed: Listed, now: Millis) -> api::Device {
        let Listed { name, registration, seen } = listed;
        let kind = registration.as_ref().map(|registration| registration.kind.clone());
        let kind = kind.or_else(|| seen.profile.clone()).unwrap_or_default();
        let status = self.status(&kind, &seen, now);
        let mut device = api::Device {
            name,
            registered: registration.is_some(),
            r#type: kind,
            owner: None,
            location: None,
            firmware: None,
            tags: Default::default(),
            addresses: Vec::new(),
            keyless: false,
            certificate: false,
            patient: None,
            disabled: false,
            public_key: None,
            created: None,
            status,
        };
        if let Some(registration) = registration {
            device.owner = registration.owner.map(UserId::number);
            device.location = registration.location;
            device.firmware = registration.firmware;
            device.tags = registration.tags;
            device.addresses = registration.addresses.iter().map(ToString::to_string).collect();
            device.keyless = registration.keyless;
            device.certificate = registration.certificate;
            device.patient = registration.patient;
            device.disabled = registration.disabled;
            device.public_key = registration.public_key.map(|key| BASE64.encode(key));
            device.created = Some(text(registration.created));
        }
        device
    }

    fn status(&self, kind: &str, seen: &Seen, now: Millis) -> DeviceStatus {
        let span = seen.first_sequence.zip(seen.last_sequence).map_or(0, |(first, last)| last - first + 1);
        DeviceStatus {
            online: self.registrar.is_online(kind, seen.last_seen, now),
            last_seen: seen.last_seen.map(text),
            last_time: seen.last_time.map(Micros::millis).map(text),
            first_sequence: seen.first_sequence,
            last_sequence: seen.last_sequence,
            sequenced: seen.sequenced,
            missing: span.saturating_sub(seen.sequenced),
        }
    }

    /// The device of this name as it is now.
    async fn device(&self, name: DeviceName) -> Result<api::Device, Fault> {
        let now = self.clock.now();
        let wanted = name.clone();
        let listed = self.act(move |registrar| Ok(registrar.device(&wanted)?)).await?;
        let listed = listed.ok_or_else(|| Fault::new(Code::NotFound, format!("there is no device {name}")))?;
        Ok(self.shown(listed, now))
    }
}

/// A time as the interface writes it.
fn text(time: Millis) -> String {
    time.to_time().to_string()
}
