//! How the detector goes with the times, and how far it lets itself be led. Trains nothing in the
//! background, swaps nothing and keeps no files: the caller does, and decides when.
//!
//! - [`learning`] bounds what one device can teach its own state in a day.
//! - [`feedback`] moves a device's limit by what people say, within bounds.
//! - [`reservoir`] keeps recent ordinary rows of a group, within bounds for each device.
//! - [`refit`] grows a candidate from them and compares it with the model in use.

pub(crate) mod feedback;
pub(crate) mod learning;
mod refit;
mod reservoir;

pub use feedback::Feedback;
pub use refit::{Candidate, Comparison, LEAST_BASE_SHARE, LEAST_PROBES, Objection, Probes, compare, refit};
pub use reservoir::{Reservoir, ReservoirSpec};

use crate::{
    DeviceState, ReadingView,
    judging::records,
    row::{self, Deviations, Row},
    series::{WARM_UP, bounded},
    state::key,
};

/// The row that a training sample would take from this reading, after this state: what is offered
/// to a [`Reservoir`]. None while every metric of it is in its warm-up.
pub fn row_of(state: &DeviceState, reading: &ReadingView<'_>) -> Option<Row> {
    let interval = f64::from(state.interval);
    let mut row = Row::default();
    let mut warm = false;
    for value in reading.values.iter().filter(|value| value.value.is_finite()) {
        let key = key(value.metric);
        let known = state.metrics.binary_search_by_key(&key, |series| series.key).ok();
        let Some(series) = known.and_then(|at| state.metrics.get(at)).filter(|series| series.seen >= WARM_UP) else {
            continue;
        };
        let measures = series.measure(bounded(value.value), reading.time_ms, interval);
        let record = records(series, &measures, interval).excess;
        row::add(&mut row, series, &measures, &Deviations::of(series, &measures), record);
        warm = true;
    }
    warm.then_some(row)
}
