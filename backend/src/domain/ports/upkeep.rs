//! What the store has to do now and then, in steps between commits.

use super::StoreError;
use crate::domain::{Millis, retention::Retentions};

/// When a device's readings are packed, and how many at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PackRule {
    /// As soon as there are this many.
    pub(crate) rows: usize,
    /// As soon as there are [`Self::FEW`], and the oldest has lain for this long.
    pub(crate) few_after: std::time::Duration,
    /// As soon as the oldest has lain for this long.
    pub(crate) any_after: std::time::Duration,
}

impl PackRule {
    /// Fewer are packed only after a day: 256 rows of three metrics take about 3 KiB, one page.
    pub(crate) const FEW: usize = 256;

    /// The most rows of a step: a chunk's.
    pub(crate) const MOST: usize = 4_096;

    /// What is chosen where nobody says otherwise. 2,048 rows pack nearly as densely as 4,096; deleting them takes some
    /// 2 ms (1 µs each: docs/decisions/chunks.md). `measure series` tells what a whole step takes.
    pub(crate) const DEFAULT: PackRule = PackRule {
        rows: 2_048,
        few_after: std::time::Duration::from_secs(3_600),
        any_after: std::time::Duration::from_secs(24 * 3_600),
    };

    /// As soon as there are this many, and in any case so often.
    pub(crate) fn after(rows: usize) -> Self {
        Self { rows: rows.clamp(1, Self::MOST), ..Self::DEFAULT }
    }
}

/// The store's own work. Each call is one step in one transaction: all of it, or nothing.
///
/// **Durability.** A step changes where and how things are kept, never what is kept (but for [`Upkeep::forget`]). It may
/// be lost in a power cut, whole, as long as a later commit is not; then it is done again.
///
/// **Duration.** A step is bounded: a chunk, or as many pages. The caller runs steps between commits, because the same thread
/// does both.
///
/// **Return.** How much was done; 0 if there is nothing to do now.
pub(crate) trait Upkeep {
    /// Packs a run of one device's readings, of which enough have gathered. What waits to become an entry stays.
    fn pack(&mut self, now: Millis, rule: &PackRule) -> Result<usize, StoreError>;

    /// Deletes readings, and sums of minutes and hours, that are older than they are to be kept. Never entries, payloads,
    /// or counts of findings.
    fn forget(&mut self, now: Millis, retentions: &dyn Retentions) -> Result<usize, StoreError>;

    /// Gives room that is no longer needed back to the file system.
    fn shrink(&mut self) -> Result<usize, StoreError>;
}
