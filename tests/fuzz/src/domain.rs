//! Readings, flows and times as the service's own files have them. Its program is no library, so they are taken from there.

#[path = "../../../backend/src/domain/clock.rs"]
pub(crate) mod clock;
#[path = "../../../backend/src/domain/flow.rs"]
pub(crate) mod flow;
#[path = "../../../backend/src/domain/reading.rs"]
pub(crate) mod reading;

pub(crate) use clock::{Micros, Millis};
pub(crate) use flow::Flow;
pub(crate) use reading::{DeviceName, Reading, ReadingError};
