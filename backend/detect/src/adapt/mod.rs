//! How the detector goes with the times, and how far it lets itself be led. Trains nothing in the
//! background, swaps nothing and keeps no files: the caller does, and decides when.
//!
//! - [`learning`] bounds what one device can teach its own state in a day.
//! - [`reservoir`] keeps recent ordinary rows of a group, within bounds for each device.
//! - [`refit`] grows a candidate from them and compares it with the model in use.

pub(crate) mod learning;
mod refit;
mod reservoir;

pub use refit::{Candidate, Comparison, LEAST_BASE_SHARE, LEAST_PROBES, Objection, Probes, compare, refit};
pub use reservoir::{Reservoir, ReservoirSpec};
