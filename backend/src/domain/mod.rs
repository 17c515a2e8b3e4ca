//! What the service is about: readings, verdicts, log rows, and the ports through which its parts meet.
//!
//! Open to all other modules, and imports none of them. No input or output here; the one clock is [`SystemClock`].

pub(crate) mod clock;
pub(crate) mod log;
pub(crate) mod ports;
pub(crate) mod reading;
pub(crate) mod verdict;

pub(crate) use clock::{Clock, Micros, Millis, SystemClock};
pub(crate) use reading::{DeviceName, Key, Reading, ReadingError};
