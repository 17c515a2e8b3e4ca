//! Readings that are kept: listed, down-sampled, counted, exported.
//!
//! Who may read which device's is asked of the gate for each device; what is somebody else's answers as what does not
//! exist. Nothing here computes over readings: the store does, and each answer is bounded.

pub(super) mod counts;
pub(super) mod export;
pub(super) mod list;
mod noted;
mod parameters;
pub(super) mod samples;

use std::sync::Arc;

use api::Code;
use axum::{Router, routing::get};
use tokio::sync::Semaphore;

use self::noted::Noted;
use super::authorize::Door;
use crate::{
    access::Pass,
    domain::{
        DeviceName,
        access::{Action, Caller, Reach},
        ports::{Series, StoreError},
    },
    problem::Fault,
};

/// Exports under way at most. Each reads a page of readings at a time, some 10 MiB, and takes a part of a core as long as
/// its client reads as fast as it writes.
const MAX_EXPORTS: usize = 4;

/// What the handlers work with.
#[derive(Clone)]
pub(crate) struct Shelf {
    series: Arc<dyn Series>,
    door: Door,
    exports: Arc<Semaphore>,
    noted: Arc<Noted>,
}

impl Shelf {
    pub(super) fn new(series: Arc<dyn Series>, door: Door) -> Self {
        Self { series, door, exports: Arc::new(Semaphore::new(MAX_EXPORTS)), noted: Arc::default() }
    }

    /// The device of this name, if the caller may read its readings.
    pub(super) fn device(&self, pass: &Pass, name: &str) -> Result<DeviceName, Fault> {
        let device = DeviceName::new(name).map_err(|error| Fault::new(Code::InvalidParameter, error))?;
        self.door.gate.may(&pass.caller, Action::ReadReadings, &device)?;
        Ok(device)
    }

    /// Leaves a record that a person reads this device's readings, once an hour. Trials leave none.
    ///
    /// # Errors
    /// If it cannot be recorded; then nothing is shown.
    async fn record(&self, pass: &Pass, device: &DeviceName) -> Result<(), Fault> {
        let Caller::Person { id, .. } = pass.caller else { return Ok(()) };
        let now = self.door.clock.now();
        if self.noted.is_due(id, device, now) {
            self.door.trail.record(pass, "readings.read", device.as_str(), "shown, from now on for an hour").await?;
            self.noted.done(id, device, now);
        }
        Ok(())
    }

    /// The devices whose readings the caller may read; `None` for all.
    pub(super) fn readable(&self, pass: &Pass) -> Result<Option<Vec<DeviceName>>, StoreError> {
        if pass.caller.may(Action::ReadReadings) == Some(Reach::All) {
            return Ok(None);
        }
        let mut devices = self.series.devices()?;
        devices.retain(|device| self.door.gate.is_own(&pass.caller, device));
        Ok(Some(devices))
    }
}

/// What is told of a device that has not sent, to whoever may know.
fn unknown(device: &DeviceName) -> Fault {
    Fault::new(Code::NotFound, format!("there is no reading of a device {:?}", device.as_str()))
}

/// The routes.
pub(super) fn router(shelf: Shelf) -> Router {
    Router::new()
        .route("/api/v1/devices/{device}/readings", get(list::readings))
        .route("/api/v1/devices/{device}/readings/latest", get(list::latest))
        .route("/api/v1/devices/{device}/series", get(samples::series))
        .route("/api/v1/readings/export", get(export::export))
        .route("/api/v1/statistics/devices", get(counts::devices))
        .route("/api/v1/statistics/anomalies", get(counts::anomalies))
        .with_state(shelf)
}
