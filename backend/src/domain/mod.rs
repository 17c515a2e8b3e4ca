//! What the service is about: readings, verdicts, log rows, and the ports through which its parts meet.
//!
//! Open to all other modules, and imports none of them. No input or output here; the one clock is [`SystemClock`].

pub(crate) mod access;
pub(crate) mod clock;
mod flow;
mod keyring;
pub(crate) mod log;
pub(crate) mod loopback;
pub(crate) mod people;
pub(crate) mod ports;
pub(crate) mod reading;
pub(crate) mod redact;
pub(crate) mod registry;
pub(crate) mod retention;
pub(crate) mod series;
pub(crate) mod verdict;

/// The longest body of a request. A batch of 10,000 readings of 3 metrics takes about 1.5 MB; 4 MiB leave room for long
/// names.
pub(crate) const MAX_BODY: usize = 4 << 20;

pub(crate) use clock::{Clock, Micros, Millis, SystemClock};
pub(crate) use flow::{Flow, MAX_COLUMNS};
pub(crate) use keyring::Keyring;
pub(crate) use reading::{DeviceName, Key, Reading, ReadingError};
