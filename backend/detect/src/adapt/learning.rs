//! What a device may teach its own state in a day. Judges nothing; says how far a level has crept,
//! and how much of a record may be raised in silence.
//!
//! Everything that adapts can be led anywhere by someone patient: each reading looks ordinary after
//! the last. So beside the fast statistics stands what follows at a limited speed, whatever it is
//! shown:
//!
//! - An *anchor*, the accepted level, moves by at most [`DRIFT_PER_DAY`] units a day towards the
//!   level. A *unit* is how far the level usually gets from it, daily cycles included; it grows by
//!   at most [`GROWTH_PER_DAY`] a day, and shrinks by a ninth of that, so that nine hours in ten
//!   are inside. A level more than [`WIDTH`] units from the anchor has crept away, and is reported.
//! - An *allowance*: all records of a metric together are raised in silence by at most
//!   [`RAISE_PER_DAY`] of their spans in a day.
//!
//! So without any finding a level gets at most [`WIDTH`] units away, and [`DRIFT_PER_DAY`] more each
//! day, of units that grow by [`GROWTH_PER_DAY`] each day; and what counts as an ordinary deviation
//! grows by [`RAISE_PER_DAY`] each day. The first week of a metric is trusted: until then weekends
//! are unknown, and most records are yet to be set. What was reported may become ordinary: the unit
//! is widened so that the new level fits, and records are free for [`LOOSE_HOURS`].
//!
//! A day is one of the device's own clock, which only moves forward; who accepts readings must
//! refuse times far ahead of its own.

use crate::{
    DetectError,
    bytes::{Reader, Writer},
};

/// Units that the accepted level may move in a day.
pub(crate) const DRIFT_PER_DAY: f64 = 0.25;
/// Units from the accepted level beyond which a level has crept away.
pub(crate) const WIDTH: f64 = 4.0;
/// The share by which the unit may grow in a day.
pub(crate) const GROWTH_PER_DAY: f64 = 0.1;
/// It shrinks by this part of that: nine tenths of the hours come to lie inside (a running quantile
/// by stochastic approximation; Robbins and Monro, 1951).
const SHRINK: f64 = 1.0 / 9.0;
/// Spans by which records may be raised in a day without a finding.
pub(crate) const RAISE_PER_DAY: f64 = 0.25;
/// How long records are free after a report.
const LOOSE_HOURS: u8 = 6;
/// After a report the level is this many units from the anchor: it is reported again when it is
/// twice as far away.
const WIDTH_AFTER_REPORT: f64 = WIDTH / 2.0;
/// Quarters of a day in which everything is learnt freely: a week.
const TRUSTED: u8 = 28;
/// The allowance in whole parts, so that it fits a byte.
const PARTS: f64 = 255.0;
/// Parts that come back in an hour.
const PARTS_PER_HOUR: u8 = 11;

const HOUR_MS: i64 = 3_600_000;
/// Hours in a quarter of a day, and in a day.
const QUARTER: i64 = 6;
const HOURS: f64 = 24.0;

/// The budget of one metric: 10 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct LearningBudget {
    /// The accepted level.
    anchor: f32,
    /// How far the level usually gets from the anchor.
    unit: f32,
    /// Parts of the allowance that are used up.
    raised: u8,
    /// Quarters of a day learnt from, up to [`TRUSTED`].
    learnt: u8,
    /// Hours left for which records are free.
    loose: u8,
}

impl LearningBudget {
    /// Begins with a metric's first value.
    pub(crate) fn start(&mut self, level: f64) {
        *self = Self { anchor: bounded(level), ..Self::default() };
    }

    /// Takes in the level once an hour.
    pub(crate) fn learn(&mut self, level: f64, last_ms: i64, time_ms: i64) {
        let (last, now) = (last_ms.div_euclid(HOUR_MS), time_ms.div_euclid(HOUR_MS));
        if now <= last {
            return;
        }
        let hours = (now - last).min(24) as u8;
        self.raised = self.raised.saturating_sub(hours.saturating_mul(PARTS_PER_HOUR));
        self.loose = self.loose.saturating_sub(hours);
        let (anchor, unit) = (f64::from(self.anchor), f64::from(self.unit));
        if self.trusting() {
            let quarters = now.div_euclid(QUARTER) - last.div_euclid(QUARTER);
            self.learnt += quarters.min(i64::from(TRUSTED - self.learnt)) as u8;
            let anchor = anchor + (level - anchor) / (6.0 * f64::from(self.learnt) + 3.0);
            self.anchor = bounded(anchor);
            self.unit = bounded(unit.max((level - anchor).abs()));
            return;
        }
        let days = f64::from(hours) / HOURS;
        let most = DRIFT_PER_DAY * unit * days;
        let away = level - anchor;
        self.anchor = bounded(anchor + away.clamp(-most, most));
        let growth = if away.abs() > unit { GROWTH_PER_DAY } else { -SHRINK * GROWTH_PER_DAY };
        self.unit = bounded(unit * (1.0 + growth * days));
    }

    /// How far the level has crept from what is accepted, in widths: from 1 on it is to be
    /// reported. 0 in the first week. `least` is the least deviation that can matter.
    pub(crate) fn creep(&self, level: f64, least: f64) -> f64 {
        if self.trusting() {
            return 0.0;
        }
        self.away(level) / (WIDTH * f64::from(self.unit).max(least).max(f64::MIN_POSITIVE))
    }

    /// The range of levels that are accepted.
    pub(crate) fn accepted(&self, least: f64) -> (f64, f64) {
        let (anchor, width) = (f64::from(self.anchor), WIDTH * f64::from(self.unit).max(least));
        (anchor - width, anchor + width)
    }

    /// Something of this metric is being reported: what follows may set records.
    pub(crate) fn reported(&mut self) {
        self.loose = LOOSE_HOURS;
    }

    /// That the level went here is being reported: it may become ordinary.
    pub(crate) fn accept(&mut self, level: f64) {
        self.reported();
        self.unit = self.unit.max(bounded(self.away(level) / WIDTH_AFTER_REPORT));
    }

    /// The level is moved by this much after values have stayed away, which is being reported.
    pub(crate) fn moved(&mut self, shift: f64) {
        self.reported();
        self.anchor = bounded(f64::from(self.anchor) + shift);
    }

    /// How much of a raise of a record of this span may be taken in. All of it in
    /// the first week and for some hours after a report.
    pub(crate) fn allow(&mut self, raise: f64, span: f64) -> f64 {
        if self.trusting() || self.loose > 0 {
            return raise;
        }
        let left = PARTS - f64::from(self.raised);
        let most = RAISE_PER_DAY * span;
        let parts = libm::ceil(raise / most * PARTS).clamp(0.0, left);
        self.raised += parts as u8;
        raise.min(parts / PARTS * most)
    }

    fn trusting(&self) -> bool {
        self.learnt < TRUSTED
    }

    fn away(&self, level: f64) -> f64 {
        (level - f64::from(self.anchor)).abs()
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.f32(self.anchor);
        writer.f32(self.unit);
        writer.u8(self.raised);
        writer.u8(self.learnt | self.loose << 5);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        let (anchor, unit, raised) = (reader.f32()?, reader.scale()?, reader.u8()?);
        let hours = reader.u8()?;
        Ok(Self { anchor, unit, raised, learnt: hours & 31, loose: hours >> 5 })
    }
}

/// In 32 bits, finite.
fn bounded(value: f64) -> f32 {
    value.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A budget after ten days of a daily cycle between -1 and 1.
    fn settled() -> LearningBudget {
        let mut budget = LearningBudget::default();
        budget.start(0.0);
        (0..240).for_each(|hour| step(&mut budget, hour, cycle(hour)));
        budget
    }

    fn cycle(hour: i64) -> f64 {
        (hour as f64 / 24.0 * std::f64::consts::TAU).sin()
    }

    fn step(budget: &mut LearningBudget, hour: i64, level: f64) {
        budget.learn(level, (hour - 1) * HOUR_MS, hour * HOUR_MS);
    }

    #[test]
    fn a_daily_cycle_is_inside() {
        let budget = settled();
        assert!((0.8..1.3).contains(&budget.unit) && budget.anchor.abs() < 0.3, "{budget:?}");
        assert!((0..24).all(|hour| budget.creep(cycle(hour), 0.0) < 0.5));
    }

    #[test]
    fn whatever_it_is_shown_it_follows_no_faster_than_stated() {
        for shown in [1e30, -1e30, 10.0] {
            let (mut budget, before) = (settled(), settled());
            (240..264).for_each(|hour| step(&mut budget, hour, shown));
            let unit = f64::from(before.unit) * (1.0 + GROWTH_PER_DAY / HOURS).powi(24);
            assert!(f64::from((budget.anchor - before.anchor).abs()) <= DRIFT_PER_DAY * unit);
            assert!(f64::from(budget.unit) <= 1.0001 * unit);
        }
    }

    #[test]
    fn raises_of_a_day_are_bounded_and_come_back() {
        let mut budget = settled();
        let taken: f64 = (0..1000).map(|_| budget.allow(0.01, 1.0)).sum();
        assert!((0.2..=RAISE_PER_DAY).contains(&taken), "{taken}");
        assert_eq!(budget.allow(5.0, 1.0), 0.0);
        step(&mut budget, 300, 0.0);
        assert!(budget.allow(5.0, 1.0) > 0.0);
        budget.reported();
        assert_eq!(budget.allow(5.0, 1.0), 5.0);
    }

    #[test]
    fn what_was_reported_is_accepted_until_twice_as_far() {
        let mut budget = settled();
        assert!(budget.creep(5.0, 0.0) >= 1.0);
        budget.accept(5.0);
        assert!(budget.creep(5.0, 0.0) < 0.6 && budget.creep(12.0, 0.0) >= 1.0);
    }
}
