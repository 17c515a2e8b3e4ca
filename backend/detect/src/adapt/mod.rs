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

use crate::{
    DeviceState, ReadingView,
    features::Row,
    learn::bounded,
    state::{WARM_UP, key},
};

/// The rows that a training sample would take from this reading, after this state: what is offered
/// to a [`Reservoir`]. Of a metric in its warm-up there is none.
pub fn rows_of(state: &DeviceState, reading: &ReadingView<'_>) -> Vec<Row> {
    let known = |name: &str| {
        let key = key(name);
        let at = state.metrics.binary_search_by_key(&key, |metric| metric.key).ok()?;
        state.metrics.get(at).filter(|metric| metric.seen >= WARM_UP)
    };
    let values = reading.values.iter().filter(|value| value.value.is_finite());
    let row =
        |value: &crate::Value<'_>| Some(known(value.metric)?.measure(bounded(value.value), reading.time_ms).row());
    values.filter_map(row).collect()
}
