//! What a device may teach its own state in a day. Judges nothing; says how far a level has crept.
//!
//! Every average that adapts can be led anywhere by someone patient: each reading looks ordinary
//! after the last. So beside the fast statistics stands one that follows at a limited speed,
//! whatever it is shown:
//!
//! - An *anchor*, the accepted level. It follows the mean of a day, by at most [`DRIFT_PER_DAY`]
//!   units a day. A unit is the mean absolute deviation of the level from that mean, so daily
//!   cycles are inside it; it changes by at most [`UNIT_PER_DAY`] a day. A level more than
//!   [`WIDTH`] units from the anchor has crept away, and is to be reported.
//! - *Caps* of the scales by which deviations are judged. A cap rises by at most [`SCALE_PER_DAY`]
//!   a day, and a scale stays below [`HEADROOM`] caps.
//!
//! So without any finding a level gets at most [`WIDTH`] units away, and [`DRIFT_PER_DAY`] more each
//! day; and what counts as an ordinary deviation grows at most by [`HEADROOM`], and by
//! [`SCALE_PER_DAY`] each day. The first day of a metric is trusted. A change that was reported may
//! become ordinary: the unit is widened so that the new level fits, and for [`LOOSE_MINUTES`] the
//! caps follow freely.
//!
//! A day is one of the device's own clock, which only moves forward; who accepts readings must
//! refuse times far ahead of its own.

use crate::{
    DetectError,
    bytes::{Reader, Writer},
};

/// Units that the accepted level may move in a day.
pub(crate) const DRIFT_PER_DAY: f64 = 0.5;
/// Units from the accepted level beyond which a level has crept away.
pub(crate) const WIDTH: f64 = 8.0;
/// The share by which the unit may change in a day.
pub(crate) const UNIT_PER_DAY: f64 = 0.1;
/// The share by which the cap of a scale may change in a day.
pub(crate) const SCALE_PER_DAY: f64 = 0.25;
/// How far a scale may exceed its cap: hours differ, and the first day may have been a calm one.
pub(crate) const HEADROOM: f64 = 2.0;
/// How long caps follow freely after a lasting change was reported.
const LOOSE_MINUTES: u16 = 360;
/// After a report the level is this many units from the anchor: it is reported again when it is
/// twice as far away.
const WIDTH_AFTER_REPORT: f64 = WIDTH / 2.0;
/// How long everything is learnt freely: the first day.
const TRUSTED_MINUTES: u16 = 1440;
/// A deviation enters the mean deviation up to this many times.
const CLIP: f64 = 4.0;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
/// Scales that are capped.
pub(crate) const CAPS: usize = 3;

/// The budget of one metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LearningBudget {
    /// Mean of the level over about a day.
    mean: f64,
    /// The mean minus the anchor.
    ahead: f32,
    /// Mean absolute deviation of the level from the mean.
    spread: f32,
    /// The accepted spread.
    unit: f32,
    caps: [f32; CAPS],
    /// Milliseconds not yet accounted for, below a minute: smaller steps would be lost in rounding.
    waiting_ms: u16,
    /// Minutes learnt from, up to [`TRUSTED_MINUTES`].
    learnt: u16,
    /// Minutes left for which caps follow freely.
    loose: u16,
}

impl LearningBudget {
    /// Begins with a metric's first value.
    pub(crate) fn start(&mut self, level: f64) {
        *self = Self { mean: level, ..Self::default() };
    }

    /// Takes in the level `elapsed_ms` after the last, and keeps the scales below their caps.
    /// `floor` is the least deviation that can matter.
    pub(crate) fn learn(&mut self, level: f64, scales: [&mut f32; CAPS], floor: f64, elapsed_ms: i64) {
        let waiting = i64::from(self.waiting_ms) + elapsed_ms.clamp(0, DAY_MS);
        if waiting < MINUTE_MS {
            self.waiting_ms = waiting as u16;
        } else {
            self.waiting_ms = 0;
            self.tick(level, floor, waiting.min(DAY_MS));
            self.raise_caps(&scales, waiting.min(DAY_MS));
        }
        for (scale, cap) in scales.into_iter().zip(&self.caps) {
            if *cap > 0.0 {
                *scale = scale.min(HEADROOM as f32 * *cap);
            }
        }
    }

    /// How far the level has crept from what is accepted, in widths: from 1 on it is to be
    /// reported. 0 on the first day.
    pub(crate) fn creep(&self, level: f64) -> f64 {
        if self.trusting() || self.unit <= 0.0 {
            return 0.0;
        }
        self.away(level) / (WIDTH * f64::from(self.unit))
    }

    /// The range of levels that are accepted.
    pub(crate) fn accepted(&self) -> (f64, f64) {
        let (anchor, width) = (self.mean - f64::from(self.ahead), WIDTH * f64::from(self.unit));
        (anchor - width, anchor + width)
    }

    /// A lasting change of this metric has been reported: what was reported may become ordinary.
    pub(crate) fn reported(&mut self, level: f64) {
        self.loosen();
        self.unit = self.unit.max(bounded(self.away(level) / WIDTH_AFTER_REPORT));
    }

    /// The level was moved by this much after values had stayed away, which was reported.
    pub(crate) fn moved(&mut self, shift: f64) {
        self.mean += shift;
        self.loosen();
    }

    /// On the first day everything is learnt freely anyway.
    fn loosen(&mut self) {
        self.loose = if self.trusting() { 0 } else { LOOSE_MINUTES };
    }

    fn trusting(&self) -> bool {
        self.learnt < TRUSTED_MINUTES
    }

    fn away(&self, level: f64) -> f64 {
        (level - self.mean + f64::from(self.ahead)).abs()
    }

    fn tick(&mut self, level: f64, floor: f64, elapsed_ms: i64) {
        let days = elapsed_ms as f64 / DAY_MS as f64;
        let trusting = self.trusting();
        let behind = f64::from(self.learnt) / f64::from(TRUSTED_MINUTES);
        self.learnt = self.learnt.saturating_add((elapsed_ms / MINUTE_MS) as u16).min(TRUSTED_MINUTES);
        // A plain average at first, over the last day or so later.
        let gain = days / (days + behind);
        let step = gain * (level - self.mean);
        self.mean += step;
        let (spread, unit) = (f64::from(self.spread), f64::from(self.unit));
        let clip = if trusting { f64::INFINITY } else { CLIP * spread.max(floor) };
        let spread = spread + gain * ((level - self.mean).abs().min(clip) - spread);
        self.spread = bounded(spread);
        let usual = spread.max(floor);
        if trusting {
            (self.ahead, self.unit) = (0.0, bounded(usual));
            return;
        }
        let ahead = f64::from(self.ahead) + step;
        let most = DRIFT_PER_DAY * unit * days;
        self.ahead = bounded(ahead - ahead.clamp(-most, most));
        self.unit = bounded(usual.clamp(unit * (1.0 - UNIT_PER_DAY * days), unit * (1.0 + UNIT_PER_DAY * days)));
    }

    fn raise_caps(&mut self, scales: &[&mut f32; CAPS], elapsed_ms: i64) {
        let change = SCALE_PER_DAY * elapsed_ms as f64 / DAY_MS as f64;
        let free = self.trusting() || self.loose > 0;
        for (cap, scale) in self.caps.iter_mut().zip(scales) {
            let (now, scale) = (f64::from(*cap), f64::from(**scale));
            *cap = if free {
                bounded(now.max(scale))
            } else {
                bounded(scale.clamp(now * (1.0 - change), now * (1.0 + change)))
            };
        }
        self.loose = self.loose.saturating_sub((elapsed_ms / MINUTE_MS).min(i64::from(u16::MAX)) as u16);
    }

    /// 36 bytes.
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.f64(self.mean);
        writer.f32(self.ahead);
        writer.f32(self.spread);
        writer.f32(self.unit);
        self.caps.iter().for_each(|cap| writer.f32(*cap));
        // Caps follow freely only after the first day: the two counts never go together.
        let minutes = if self.trusting() { self.learnt } else { TRUSTED_MINUTES + self.loose };
        writer.u16(self.waiting_ms);
        writer.u16(minutes);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        let mut budget = Self {
            mean: reader.f64()?,
            ahead: reader.f32()?,
            spread: reader.scale()?,
            unit: reader.scale()?,
            ..Self::default()
        };
        for cap in &mut budget.caps {
            *cap = reader.scale()?;
        }
        budget.waiting_ms = reader.u16()?;
        let minutes = reader.u16()?;
        budget.learnt = minutes.min(TRUSTED_MINUTES);
        budget.loose = minutes.saturating_sub(TRUSTED_MINUTES).min(LOOSE_MINUTES);
        Ok(budget)
    }
}

/// In 32 bits, finite.
fn bounded(value: f64) -> f32 {
    value.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}
