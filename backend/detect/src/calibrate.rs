//! From evidence to probability to score. Finds nothing itself.
//!
//! Evidence comes in nats of several scorers; here they are put on one scale, on which evidence e
//! is reached in an ordinary reading with probability exp(−e). A device's budget of false alarms
//! and its usual interval say at which probability it alarms; the score is one half exactly there.

use crate::Budget;

/// A metric's own records are evidence by this factor: features are many, and what they show goes
/// together for hours. Fitted once, on series of very different kinds.
const OF_RECORDS: f64 = 0.67;
/// Evidence counts by its logarithm beyond this many limits, so that even the absurd is ordered.
const LINEAR: f64 = 4.0;
/// A reading is not believed to be rarer than this.
const LEAST_PROBABILITY: f64 = 1e-300;
/// However generous a budget, an alarm needs some evidence.
const LEAST_LIMIT: f64 = 1.0;
/// Intervals longer than this count as this: a device that is seldom heard needs as much evidence
/// in a reading as one that is heard every five minutes.
const LONGEST_MS: f64 = 300_000.0;
/// The interval of a device that has not shown one yet.
const FIRST_MS: f64 = 60_000.0;
const DAY_MS: f64 = 86_400_000.0;

/// Evidence of records on the common scale.
pub(crate) fn of_records(nats: f64) -> f64 {
    OF_RECORDS * nats
}

/// How probable this much evidence is in an ordinary reading.
pub(crate) fn probability(nats: f64) -> f64 {
    libm::exp(-nats.max(0.0)).max(LEAST_PROBABILITY)
}

/// The evidence at which a device alarms that has this budget of false alarms.
pub(crate) fn limit(budget: Budget, interval_ms: f64) -> f64 {
    let interval = if interval_ms > 0.0 { interval_ms.min(LONGEST_MS) } else { FIRST_MS };
    (-libm::log(budget.alarm_probability(interval))).max(LEAST_LIMIT)
}

/// Evidence in limits to a score: 1/2 at the limit, and never 1.
pub(crate) fn score(limits: f64) -> f64 {
    let tamed = if limits > LINEAR { LINEAR + libm::log(limits / LINEAR) } else { limits.max(0.0) };
    let square = tamed * tamed;
    square / (1.0 + square)
}

/// The score of a reading that goes on with an event that was reported: below one half, above what
/// is ordinary, the higher the more evidence.
pub(crate) fn held(score: f64) -> f64 {
    0.4 + 0.09 * score
}

/// What a device that alarms habitually needs in addition, in nats: every alarm makes the next one
/// need more, and half of that is forgotten in a day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Habit(pub(crate) f32);

/// One alarm more.
const STEP: f64 = 0.25;
const MOST: f64 = 4.0;

impl Habit {
    pub(crate) fn nats(self) -> f64 {
        f64::from(self.0)
    }

    pub(crate) fn alarmed(&mut self) {
        self.0 = (self.nats() + STEP).min(MOST) as f32;
    }

    /// Time passes: a share of about elapsed/(1.44 days) is forgotten.
    pub(crate) fn rest(&mut self, elapsed_ms: i64) {
        if self.0 > 0.0 {
            let keep = 1.0 - (elapsed_ms.max(0) as f64 / (1.44 * DAY_MS)).min(0.5);
            self.0 = (self.nats() * keep) as f32;
        }
    }
}
