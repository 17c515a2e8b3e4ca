//! Synthetic devices: seeded readings with labelled injected anomalies.
//!
//! This crate does no I/O, reads no clock, starts no thread and keeps no global state. It does not
//! send readings anywhere and it does not judge them. The same arguments give the same bits on
//! every machine: all randomness comes from a seed (see [`random`]), transcendental functions from
//! `libm`, and sums have a fixed order.
//!
//! A [`Stream`] is one device. Each metric is a sum of a daily cycle with the device's own phase
//! and amplitude, slow weather (an Ornstein-Uhlenbeck process), and sensor noise (first-order
//! autoregressive), rounded to the sensor's step. A [`FlowStream`] is what one device does on the
//! network, and what is done to it ([`Attack`]). A [`Course`] forces an emergency or a fault
//! ([`Scenario`]) on a device's readings. Injected anomalies carry their truth with them:
//!
//! ```
//! use simulate::{Injection, Kind, Stream, profile};
//!
//! let station = profile("weather-station").expect("a built-in profile");
//! let injections = [Injection { kind: Kind::Point, rate: 4.0 }];
//! let stream = Stream::new(station, 0, 7, 1_700_000_000_000, 60_000, &injections)?;
//! let day: Vec<_> = stream.take(1440).collect();
//! assert_eq!(day[1].time_ms - day[0].time_ms, 60_000);
//! assert!(day.iter().take(simulate::WARM_UP as usize).all(|s| s.truth.is_none()));
//! # Ok::<(), simulate::SimulateError>(())
//! ```
mod event;
mod flows;
mod profile;
pub mod random;
mod scenario;
mod signal;
mod stream;

pub use event::{Event, Injection, Kind};
pub use flows::{Attack, FLOW_COLUMNS, Flow, FlowStream, flow_devices};
pub use profile::{Metric, Profile, general, profile, profiles};
pub use scenario::{Course, SCENARIO_READINGS, Scenario};
pub use stream::{CHANGE_MARK, SPACING, SimulateError, Stream, WARM_UP};

/// One reading of one device.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Milliseconds since 1970-01-01T00:00:00 UTC.
    pub time_ms: i64,
    /// Position in the stream, from 0, without holes.
    pub sequence: u64,
    /// One finite value for each metric of the profile, sorted by metric name.
    pub values: Vec<(&'static str, f64)>,
    /// The injected event that this reading belongs to, if any.
    pub truth: Option<Event>,
}
