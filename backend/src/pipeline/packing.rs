//! The store's own work, in steps of the writer's thread between commits: packing, retention, giving room back.
//!
//! The crash story is the store's: each step is one transaction, and what a crash undoes is done again. Nothing that was
//! acknowledged depends on a step.
//!
//! While a group of slices waits, it goes first. But a service that is never idle must not let its append table grow for
//! ever, so a step is owed for every [`PackRule::rows`] rows that were committed; once [`MOST_OWED`] steps are owed, one is
//! taken even if a group waits, and that group waits for the step.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::domain::{
    Millis,
    ports::{PackRule, StoreError, Upkeep},
    retention::Retentions,
};

/// Steps that are put off while there is always a group waiting: 8 of 2,048 rows are half a second of 33,000 readings a
/// second.
const MOST_OWED: usize = 8;

/// How long there is nothing to look for after nothing was found: what is due, is due by the hour.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How often retention is looked at: what is too old, is so by the day.
const FORGET: Duration = Duration::from_secs(60);

/// How long to wait after a step has failed: a full disk, or a lock that somebody holds.
const AFTER_A_FAULT: Duration = Duration::from_secs(10);

/// When the next step is taken.
pub(super) struct Packing {
    rule: PackRule,
    retentions: Arc<dyn Retentions>,
    /// Rows that were committed, less those that were packed.
    owed: usize,
    /// Before this nothing is looked for.
    not_before: Instant,
    /// Before this retention is not looked at.
    forget_at: Instant,
}

impl Packing {
    pub(super) fn new(rule: PackRule, retentions: Arc<dyn Retentions>) -> Self {
        let now = Instant::now();
        Self { rule, retentions, owed: 0, not_before: now, forget_at: now }
    }

    /// Rows were committed.
    pub(super) fn committed(&mut self, rows: usize) {
        self.owed += rows;
        if self.owed >= self.rule.rows {
            self.not_before = self.not_before.min(Instant::now());
        }
    }

    /// How long the writer may wait for a slice before it asks for a step.
    pub(super) fn rest(&self) -> Duration {
        self.not_before.saturating_duration_since(Instant::now())
    }

    /// Whether a step has to be taken although a group waits.
    pub(super) fn is_pressing(&self) -> bool {
        self.owed >= MOST_OWED * self.rule.rows && self.rest().is_zero()
    }

    /// Takes one step, if there is one to take.
    pub(super) fn step(&mut self, store: &mut dyn Upkeep, now: Millis) {
        if !self.rest().is_zero() {
            return;
        }
        let began = Instant::now();
        match self.try_step(store, now) {
            Ok(0) => {
                self.owed = 0;
                self.not_before = Instant::now() + LOOK_AGAIN;
            }
            Ok(done) => {
                metrics::counter!("upkeep_rows_total").increment(done as u64);
                metrics::histogram!("upkeep_step_seconds").record(began.elapsed().as_secs_f64());
            }
            Err(error) => {
                tracing::error!(%error, "packing, retention or giving room back failed, and is tried again");
                self.owed = 0;
                self.not_before = Instant::now() + AFTER_A_FAULT;
            }
        }
    }

    fn try_step(&mut self, store: &mut dyn Upkeep, now: Millis) -> Result<usize, StoreError> {
        let packed = store.pack(now, &self.rule)?;
        self.owed = self.owed.saturating_sub(packed);
        if packed > 0 {
            return Ok(packed);
        }
        if self.forget_at <= Instant::now() {
            let forgotten = store.forget(now, &*self.retentions)?;
            if forgotten > 0 {
                return Ok(forgotten);
            }
            self.forget_at = Instant::now() + FORGET;
        }
        store.shrink()
    }
}
