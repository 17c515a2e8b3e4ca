//! What of a finding a caller may see: the entry everybody, its payload the device's owner, analysts and auditors.

use std::sync::Arc;

use ledger::entry::Payload;

use super::Site;
use crate::{
    access::{Gate, Pass},
    domain::{
        DeviceName,
        access::{Action, Caller, Reach},
    },
    problem::Fault,
};

/// A caller who reads findings.
#[derive(Clone)]
pub(super) struct Reader {
    gate: Arc<Gate>,
    caller: Caller,
}

impl Reader {
    pub(super) fn new(site: &Site, pass: &Pass) -> Self {
        Self { gate: Arc::clone(&site.gate), caller: pass.caller.clone() }
    }

    /// How far this caller reads payloads: of all devices, of some, or not at all.
    pub(super) fn reach(&self) -> Option<Reach> {
        self.caller.may(Action::ReadFindings)
    }

    /// Whether this caller may read what is told of a device.
    pub(super) fn may_read(&self, device: &str) -> bool {
        match self.reach() {
            None => false,
            Some(Reach::All) => true,
            Some(Reach::Own) => DeviceName::new(device)
                .is_ok_and(|device| self.gate.may(&self.caller, Action::ReadFindings, &device).is_ok()),
        }
    }

    /// The same of a payload; one that cannot be read does not say whose it is.
    pub(super) fn may_read_payload(&self, payload: &[u8]) -> bool {
        match self.reach() {
            None => false,
            Some(Reach::All) => true,
            Some(Reach::Own) => Payload::from_bytes(payload).is_ok_and(|payload| self.may_read(&payload.device)),
        }
    }
}

/// Records that a person reads payloads: once for a request, whatever it shows. Devices and trials leave no record.
///
/// # Errors
/// If it cannot be recorded; then nothing is shown.
pub(super) async fn record(site: &Site, pass: &Pass, object: &str) -> Result<(), Fault> {
    if matches!(pass.caller, Caller::Person { .. }) && pass.caller.may(Action::ReadFindings).is_some() {
        site.trail.record(pass, "payload.read", object, "shown").await?;
    }
    Ok(())
}
