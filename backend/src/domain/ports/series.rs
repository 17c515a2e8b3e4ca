//! Readings over time, as people ask for them.

use std::ops::ControlFlow;

use super::StoreError;
use crate::domain::{
    DeviceName,
    series::{Bucket, Failing, FindingCount, PageOf, Row, Selection, Span, Steps},
};

/// What is given to a visitor of [`Series::for_each`], one row at a time; it says whether to go on.
pub(crate) type RowVisitor<'a> = dyn FnMut(&DeviceName, Row) -> ControlFlow<()> + 'a;

/// The store as people ask it for readings: read only.
///
/// **Consistency.** Each call sees one moment of the store: every commit that was acknowledged before the call, and of a
/// later one all or nothing. Where a reading is kept (in the append table, or packed) shows in no answer: all values
/// come back with the same bits. What a retention has deleted, and the values of what was erased, are gone; sums over
/// deleted readings last as long as their own retention.
///
/// **Limits.** Every answer is bounded, by the numbers of [`crate::domain::series`] or by the visitor's will. Nothing
/// here holds up intake. A device that is not known has nothing, which is no error.
pub(crate) trait Series: Send + Sync {
    /// The names of all devices that have sent, sorted.
    fn devices(&self) -> Result<Vec<DeviceName>, StoreError>;

    /// The row with the latest time of a device: `None` if there is none.
    fn latest(&self, device: &DeviceName) -> Result<Option<Row>, StoreError>;

    /// A page of a device's rows, in the order that is asked for.
    fn readings(&self, device: &DeviceName, page: &PageOf) -> Result<Vec<Row>, StoreError>;

    /// Gives each row to `visit`: device after device by name, and the rows of each by time. Memory does not grow with
    /// their number. The moment is one for each device, not for all of them.
    fn for_each(&self, selection: &Selection<'_>, visit: &mut RowVisitor<'_>) -> Result<(), StoreError>;

    /// How many rows [`Self::for_each`] will give at most, for showing progress: exact as to devices, not as to the
    /// edges of the span, nor the label.
    fn count(&self, selection: &Selection<'_>) -> Result<u64, StoreError>;

    /// The metrics that a device has sent, sorted.
    fn metrics(&self, device: &DeviceName) -> Result<Vec<String>, StoreError>;

    /// What is summed up of a metric in each step that has a reading of it, by time.
    fn buckets(&self, device: &DeviceName, metric: &str, steps: Steps) -> Result<Vec<Bucket>, StoreError>;

    /// The devices with the most findings in a span, widened to whole hours (days, beyond a month); most first, then by
    /// name. Among these devices, or all; at most [`MAX_FAILING`](crate::domain::series::MAX_FAILING).
    fn top_failing(&self, devices: Option<&[DeviceName]>, span: Span, limit: usize)
    -> Result<Vec<Failing>, StoreError>;

    /// How many findings of each type and severity there are in each step, by time; of these devices, or all. Steps are
    /// of whole hours: a shorter one, or one that is no multiple of an hour, counts each hour at its beginning.
    fn anomalies_over_time(
        &self,
        devices: Option<&[DeviceName]>,
        steps: Steps,
    ) -> Result<Vec<FindingCount>, StoreError>;
}
