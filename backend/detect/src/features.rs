//! A value in the light of what its device did before, as unitless numbers. Changes no state and
//! sets no limits.
//!
//! Every number is a deviation divided by the device's own mean absolute deviation of that sort,
//! so one forest serves temperatures in °C, rates per minute and metrics never seen before.
//! Deviations are compressed by sign(z)·ln(1+|z|): an isolation tree splits ranges uniformly, and
//! without that one large training value would leave nothing to split among the others.

use crate::state::{HOURS, MetricState};

/// Numbers in a feature row.
pub const COLUMNS: usize = 7;
/// Their names, in order: the columns of a training sample.
pub const NAMES: [&str; COLUMNS] = ["step", "level", "bend", "drift", "slow", "volatility", "time_of_day"];

/// A feature row.
pub type Row = [f32; COLUMNS];

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Least deviation that can matter, relative to the level, once the resolution is known …
const LEAST_RELATIVE: f64 = 2e-4;
/// … and before: the first wiggle of a constant signal says little.
const LEAST_RELATIVE_CONSTANT: f64 = 5e-3;
/// The same for a constant zero, in the metric's unit, as nothing else is known.
const LEAST_ABSOLUTE: f64 = 0.02;
/// Least deviation that can matter, relative to the range of the level within the last days.
pub(crate) const LEAST_RANGE: f64 = 0.02;
/// The same for the mean step, in which many small deviations add up to a witness.
const LEAST_RANGE_CALM: f64 = 0.004;
/// Keeps every quotient finite: values enter as at most 1e30.
const LEAST_DIVISOR: f64 = 1e-30;
/// Sensors toggle between neighbouring steps.
const LEAST_STEPS: f64 = 0.6;
/// One step counts for at most this many mean steps in the turbulence, so that a spike and the
/// return from it (nine eighths) stay well below the limit.
const CLIP_STEP: f64 = 4.5;
/// An hour's expectation is used after this many days; the day before, its scale is learnt.
const SEASON_DAYS: u8 = 3;
/// A silence of more than this many usual intervals makes the recent past a weaker witness …
const GAP: f64 = 5.0;
/// … by the square root of its length, as for a random walk, up to this factor.
const GAP_WIDEST: f64 = 30.0;

/// All deviations of one value, in units of their own mean absolute deviation.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Measures {
    pub(crate) step: f64,
    pub(crate) level: f64,
    pub(crate) bend: f64,
    pub(crate) drift: f64,
    pub(crate) slow: f64,
    pub(crate) volatility: f64,
    /// None while the hour's expectation is unknown.
    pub(crate) time_of_day: Option<f64>,
    /// The divisor of `level`, in the metric's unit, for explanations.
    pub(crate) level_unit: f64,
    pub(crate) expected_at_hour: f64,
    /// Mean absolute step of the last readings, this one included.
    pub(crate) turbulence: f64,
    /// Readings are silent for so long that the past is a weak witness.
    pub(crate) after_gap: bool,
}

impl Measures {
    /// How far the value jumped: away from its predecessor and from the level. A return to the
    /// level after an outlier is no jump.
    pub(crate) fn jump(&self) -> f64 {
        self.step.abs().min(self.level.abs())
    }

    pub(crate) fn row(&self) -> Row {
        [
            compress(self.step),
            compress(self.level),
            compress(self.bend),
            compress(self.drift),
            compress(self.slow),
            compress(self.volatility),
            compress(self.time_of_day.unwrap_or(0.0)),
        ]
    }
}

fn compress(z: f64) -> f32 {
    libm::copysign(libm::log1p(z.abs()), z) as f32
}

/// The inverse of the compression.
pub(crate) fn expand(feature: f32) -> f64 {
    libm::copysign(libm::expm1(f64::from(feature.abs())), f64::from(feature))
}

impl MetricState {
    /// Measures a value against the state before it.
    pub(crate) fn measure(&self, value: f64, time_ms: i64) -> Measures {
        if self.seen == 0 {
            return Measures::default();
        }
        let widen = self.widening(time_ms);
        let floor = self.least_deviation(LEAST_RANGE);
        let calm_floor = self.least_deviation(LEAST_RANGE_CALM);
        let step_unit = f64::from(self.step_scale).max(floor);
        let level_unit = f64::from(self.level_scale).max(floor) * widen;
        let drift_unit = f64::from(self.mid_scale).max(level_unit);
        let slow_unit = f64::from(self.slow_scale).max(drift_unit);
        let step = value - self.last;
        let towards = |reference: f64| {
            let (now, level) = (value - reference, self.level - reference);
            // Both the value and the level must have left the reference, on the same side.
            if now * level <= 0.0 { 0.0 } else { libm::copysign(now.abs().min(level.abs()), now) }
        };
        // One spike must not look like a turbulent time.
        let calm_unit = f64::from(self.calm_scale).max(calm_floor);
        let clipped = step.abs().min(CLIP_STEP * calm_unit);
        let turbulence = f64::from(self.turbulence);
        let turbulence = turbulence + (clipped - turbulence) / 8.0;
        let season = self.expected_at(time_ms, SEASON_DAYS);
        let season_unit = f64::from(self.season_scale).max(drift_unit);
        Measures {
            step: step / (step_unit * widen),
            level: (value - self.level) / level_unit,
            bend: (value - 2.0 * self.last + self.before) / (2.0 * step_unit * widen),
            drift: towards(self.mid) / drift_unit,
            slow: towards(self.slow) / slow_unit,
            volatility: turbulence / calm_unit,
            time_of_day: season.map(|expected| (value - expected) / season_unit),
            level_unit,
            expected_at_hour: season.unwrap_or(self.level),
            turbulence,
            after_gap: widen > 1.0,
        }
    }

    fn widening(&self, time_ms: i64) -> f64 {
        let silence = time_ms.saturating_sub(self.last_ms) as f64;
        let intervals = silence / f64::from(self.interval).max(1.0);
        if self.interval > 0.0 && intervals > GAP { libm::sqrt(intervals).min(GAP_WIDEST) } else { 1.0 }
    }

    pub(crate) fn least_deviation(&self, of_range: f64) -> f64 {
        let size = self.level.abs();
        if self.resolution > 0.0 {
            (LEAST_STEPS * f64::from(self.resolution))
                .max(LEAST_RELATIVE * size)
                .max(of_range * (self.high - self.low))
                .max(LEAST_DIVISOR)
        } else if size > 0.0 {
            (LEAST_RELATIVE_CONSTANT * size).max(LEAST_DIVISOR)
        } else {
            LEAST_ABSOLUTE
        }
    }

    /// The usual value at this time of day (UTC): between the middles of the two nearest hours.
    /// None if either was seen on fewer than `days` days.
    pub(crate) fn expected_at(&self, time_ms: i64, days: u8) -> Option<f64> {
        let moment = time_ms.rem_euclid(DAY_MS);
        let shifted = (moment + DAY_MS - HOUR_MS / 2) % DAY_MS;
        let from = (shifted / HOUR_MS) as usize;
        let to = (from + 1) % HOURS;
        if self.season_days[from] < days || self.season_days[to] < days {
            return None;
        }
        let share = (shifted % HOUR_MS) as f64 / HOUR_MS as f64;
        let (from, to) = (f64::from(self.season[from]), f64::from(self.season[to]));
        Some(from + (to - from) * share)
    }
}

/// The hour of the day (UTC), 0 to 23.
pub(crate) fn hour(time_ms: i64) -> u8 {
    (time_ms.rem_euclid(DAY_MS) / HOUR_MS) as u8
}

/// The largest change of an hour's expectation in a reading that follows `silence_ms` later: half
/// of it is forgotten in about two days of that hour.
pub(crate) fn season_gain(silence_ms: i64) -> f64 {
    let minutes = (silence_ms.clamp(0, HOUR_MS) as f64) / 60_000.0;
    (minutes / 180.0).min(0.3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compression_is_odd_and_invertible() {
        for z in [-1e6, -3.5, -0.1, 0.0, 0.1, 3.5, 1e6] {
            assert!((expand(compress(z)) - z).abs() <= 1e-5 * z.abs());
            assert_eq!(compress(-z), -compress(z));
        }
    }

    #[test]
    fn hours_are_of_the_day_before_1970_too() {
        assert_eq!(hour(0), 0);
        assert_eq!(hour(-1), 23);
        assert_eq!(hour(i64::MIN), hour(i64::MIN + 1));
    }
}
