//! A value in the light of what its metric did before. Changes no state and sets no limits.
//!
//! Eight features, each a deviation in the metric's unit or without unit, with a sign. Whether one
//! is unusual is asked in two ways: against the largest of its kind that this metric has shown
//! ([`Measures::excess`]), and in the metric's own scale against its group (the feature row).

use super::{Series, bounded};

/// Features of a value.
pub(crate) const FEATURES: usize = 8;

/// One feature; the number is its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    /// Value less the mean of the last five.
    Level = 0,
    /// Value less the mean of the last 400.
    Range = 1,
    /// Mean of the last 60 less the mean of the last 400.
    Shift = 2,
    /// Half the logarithm of the recent variance over the usual one.
    Volatility = 3,
    /// Value less what is usual at this time of day.
    Season = 4,
    /// The same as a mean over the last twelve.
    OffSeason = 5,
    /// Value less what an autoregression of order two predicts.
    Residual = 6,
    /// Mean of the last twelve residuals, in their scale: Roberts' EWMA chart (1959).
    Drift = 7,
}

impl Feature {
    pub(crate) const ALL: [Feature; FEATURES] = [
        Feature::Level,
        Feature::Range,
        Feature::Shift,
        Feature::Volatility,
        Feature::Season,
        Feature::OffSeason,
        Feature::Residual,
        Feature::Drift,
    ];

    /// Whether the feature is a single value's deviation, in the metric's unit.
    fn single(self) -> bool {
        matches!(self, Feature::Level | Feature::Range | Feature::Season | Feature::Residual)
    }

    /// Whether the feature compares with a time of day.
    pub(crate) fn seasonal(self) -> bool {
        matches!(self, Feature::Season | Feature::OffSeason)
    }
}

/// Gain of means over the last twelve readings or so.
pub(crate) const FEW: f64 = 0.08;
/// Over the last 60.
pub(crate) const MANY: f64 = 1.0 / 60.0;
/// Single squared deviations enter a variance as at most this many usual ones.
const CLIP_VARIANCE: f64 = 16.0;
/// Residuals enter their chart as at most this many standard deviations.
const CLIP_RESIDUAL: f64 = 6.0;
/// A normal standard deviation in mean absolute ones.
const DEVIATION: f64 = 1.253_314_137_3;
/// Readings before the first use of anything that needs a scale.
const YOUNG: u32 = 20;
/// Readings of a metric before it is judged: before, records mean nothing.
pub const WARM_UP: u32 = 60;
/// A variance is not smaller than this part of the usual one, as far as its logarithm goes.
const LEAST_RATIO: f64 = 1e-4;

/// Of a metric's changes these bits count them, up to 127; the other is set by the first fall.
pub(crate) const CHANGES: u8 = 0x7f;
pub(crate) const FALLEN: u8 = 0x80;
/// A metric that has changed so often may be stuck.
const OFTEN: u8 = 20;
/// As many changes without a single fall are those of a counter.
pub(crate) const COUNTER: u8 = CHANGES;

/// Least deviation that can matter, relative to the level, once many changes are known …
const LEAST_RELATIVE: f64 = 2e-4;
/// … and before: the first wiggle of a constant signal says little.
const LEAST_RELATIVE_CONSTANT: f64 = 0.025;
/// The same for a constant zero, in the metric's unit, as nothing else is known.
const LEAST_ABSOLUTE: f64 = 0.2;
const LEAST: f64 = 1e-15;

/// A silence of more than this many usual intervals makes the recent past a weaker witness …
const GAP: f64 = 5.0;
/// … by the square root of its length, as for a random walk, up to this factor.
const GAP_WIDEST: f64 = 30.0;

/// All that can be said of one value before it is learnt.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Measures {
    /// The features in order; 0 where unknown.
    pub(crate) features: [f64; FEATURES],
    /// Whether seasonal features are known.
    pub(crate) in_season: bool,
    /// The usual value at this time of day, or the recent mean where that is unknown.
    pub(crate) usual: f64,
    /// The autoregression's prediction.
    pub(crate) predicted: f64,
    /// Least deviation that can matter, in the metric's unit.
    pub(crate) least: f64,
    /// The recent and the clipped squared deviation from the short mean.
    pub(crate) variance: f64,
    pub(crate) square: f64,
    /// The residual in standard deviations, told from its mean absolute value.
    pub(crate) standard: f64,
    /// More than 1 after a long silence.
    pub(crate) widen: f64,
}

impl Series {
    /// Measures a value against the state before it. `interval_ms` is the device's usual one.
    pub(crate) fn measure(&self, value: f64, time_ms: i64, interval_ms: f64) -> Measures {
        if self.seen == 0 {
            return Measures { usual: value, predicted: value, widen: 1.0, ..Measures::default() };
        }
        let widen = self.widening(time_ms, interval_ms);
        let off = value - self.level;
        let from_short = off - f64::from(self.short);
        let usual_variance = f64::from(self.usual_variance);
        let square = from_short * from_short / (widen * widen);
        let square = if self.seen > YOUNG { square.min(CLIP_VARIANCE * usual_variance) } else { square };
        let variance = f64::from(self.variance) + self.gain(FEW) * (square - f64::from(self.variance));
        let middle = f64::from(self.middle) + self.gain(MANY) * (off - f64::from(self.middle));
        let predicted = self.level + self.predict();
        let residual = value - predicted;
        let expected = self.season.expected(time_ms);
        let least = self.least();
        let deviation = libm::sqrt(usual_variance).max(least);
        let mut features = [0.0; FEATURES];
        features[Feature::Level as usize] = from_short / widen;
        features[Feature::Range as usize] = off / widen;
        features[Feature::Shift as usize] = middle;
        if self.seen > YOUNG {
            let chart = (residual / widen / deviation).clamp(-CLIP_RESIDUAL, CLIP_RESIDUAL);
            let drift = self.drift.get();
            features[Feature::Volatility as usize] = log_ratio(variance, usual_variance.max(least * least));
            features[Feature::Residual as usize] = residual / widen;
            features[Feature::Drift as usize] = drift + FEW * (chart - drift);
        }
        if let Some(expected) = expected {
            let away = value - expected;
            let off_season = self.off_season.get();
            features[Feature::Season as usize] = away;
            features[Feature::OffSeason as usize] = off_season + FEW * (away - off_season);
        }
        Measures {
            features,
            in_season: expected.is_some(),
            usual: expected.unwrap_or(self.recent()),
            predicted,
            least,
            variance,
            square,
            standard: residual / widen / (DEVIATION * f64::from(self.scales[1]).max(least)),
            widen,
        }
    }

    /// How far the value is from what is usual, in the metric's own deviation, between 0 and 1.
    pub(crate) fn off(&self, measures: &Measures) -> f64 {
        let feature = if measures.in_season { Feature::Season } else { Feature::Range };
        let deviation = measures.features[feature as usize].abs();
        let scale = libm::sqrt(f64::from(self.covariance[0])).max(measures.least);
        if scale > 0.0 { deviation / (deviation + scale) } else { 0.0 }
    }

    /// Whether the value is once more the last one, of a metric that changes.
    pub(crate) fn stuck(&self, value: f64) -> bool {
        self.changes & CHANGES >= OFTEN && !self.counts() && value == self.last
    }

    /// The mean of the last readings.
    pub(crate) fn recent(&self) -> f64 {
        self.level + f64::from(self.short)
    }

    /// Whether the metric only ever counted up: then what is judged is how much it counts from one
    /// reading to the next.
    pub(crate) fn counts(&self) -> bool {
        self.changes == COUNTER
    }

    /// What a value is measured from: the last value of a counter, else zero.
    pub(crate) fn base(&self) -> f64 {
        if self.counts() { self.last } else { 0.0 }
    }

    /// The number judged before, and the one before that.
    pub(crate) fn lags(&self) -> (f64, f64) {
        let before = f64::from(self.before);
        if self.counts() { (-before, -before) } else { (self.last, self.last + before) }
    }

    /// An average over everything at first, exponential later.
    pub(crate) fn gain(&self, least: f64) -> f64 {
        least.max(1.0 / f64::from(self.seen.saturating_add(1)))
    }

    /// The next deviation from the level by the Yule-Walker equations of order two.
    fn predict(&self) -> f64 {
        let [c0, c1, c2] = self.covariance.map(f64::from);
        let (one, two) = self.lags();
        let (one, two) = (one - self.level, two - self.level);
        let determinant = c0 * c0 * 1.0001 - c1 * c1;
        if self.seen < YOUNG / 2 || determinant.is_nan() || determinant <= 1e-30 * (1.0 + c0 * c0) {
            return one;
        }
        (c1 * (c0 - c2) * one + (c0 * c2 - c1 * c1) * two) / determinant
    }

    fn widening(&self, time_ms: i64, interval_ms: f64) -> f64 {
        let intervals = time_ms.saturating_sub(self.last_ms) as f64 / interval_ms.max(1.0);
        if interval_ms > 0.0 && intervals > GAP { libm::sqrt(intervals).min(GAP_WIDEST) } else { 1.0 }
    }

    /// Least deviation that can matter, in the metric's unit.
    fn least(&self) -> f64 {
        let size = self.level.abs().max(self.lags().0.abs());
        if self.changes & CHANGES == 0 && size == 0.0 {
            return LEAST_ABSOLUTE;
        }
        let share = LEAST_RELATIVE_CONSTANT / f64::from(1 + u16::from(self.changes & CHANGES));
        (share.max(LEAST_RELATIVE) * size).max(LEAST)
    }

    /// How far a feature lies beyond the largest of its kind so far, in spans between the largest
    /// upwards and downwards; up to 0 if it does not, by how far it stays below.
    pub(crate) fn excess(&self, measures: &Measures, feature: Feature) -> f64 {
        let [up, down] = self.records[feature as usize].map(super::Size::get);
        let value = measures.features[feature as usize];
        let span = self.span(measures, feature);
        // The next step of a coarse sensor is no news.
        let step = if feature.single() { self.resolution.get() } else { 0.0 };
        ((value - up).max(-value - down) - step) / span
    }

    /// How far a value lies beyond all that its level has seen so far, in the metric's unit.
    pub(crate) fn beyond_range(&self, measures: &Measures) -> f64 {
        let [up, down] = self.records[Feature::Range as usize].map(super::Size::get);
        let value = measures.features[Feature::Range as usize];
        (value - up).max(-value - down).max(0.0)
    }

    /// The span between a feature's records.
    pub(crate) fn span(&self, measures: &Measures, feature: Feature) -> f64 {
        let [up, down] = self.records[feature as usize].map(super::Size::get);
        (up + down).max(feature.floor(measures.least))
    }

    /// Whether this feature's records mean something yet.
    pub(crate) fn ripe(&self, measures: &Measures, feature: Feature) -> bool {
        if feature.seasonal() { measures.in_season && self.season.settled() } else { self.seen >= WARM_UP }
    }
}

impl Feature {
    /// The least span of this feature's records.
    fn floor(self, least: f64) -> f64 {
        match self {
            Feature::Volatility => 0.5,
            Feature::Drift => 0.2,
            _ => least,
        }
    }
}

/// Half the logarithm of a ratio of variances: the logarithm of a ratio of deviations.
fn log_ratio(variance: f64, usual: f64) -> f64 {
    0.5 * libm::log(variance / usual + LEAST_RATIO)
}

/// Keeps what a sum may reach finite in 32 bits.
pub(crate) fn stored(value: f64) -> f32 {
    bounded(value) as f32
}
