//! How a state takes in a value. Sets no limits and reports nothing.

use super::{
    Offset, Series, Size, bounded,
    features::{Feature, MANY, Measures, stored},
};

/// Gain of the recent mean and of the slow level.
const SHORT: f64 = 0.2;
const LONG: f64 = 1.0 / 400.0;
/// Gain of the usual variance and of scales.
const USUAL: f64 = 1.0 / 500.0;
/// Gain of autocovariances.
const COVARIANCE: f64 = 1.0 / 1000.0;
/// Deviations enter scales as at most this many scales …
const CLIP: f64 = 4.0;
/// … the short mean as at most this many …
const CLIP_SHORT: f64 = 8.0;
/// … and autocovariances as at most this many standard deviations.
const CLIP_LAG: f64 = 6.0;
const YOUNG: u32 = 20;
/// Least deviation of a level in a day that can matter, relative to the range seen.
const LEAST_OF_SPAN: f64 = 0.02;
/// The share of a record that is forgotten at each reading: half of it in 35,000 readings, four
/// months of readings every five minutes.
const FORGET: f64 = 2e-5;
const LARGEST_SQUARE: f64 = 1e36;

impl Series {
    /// Takes in one value; `measures` are those against the state before it.
    pub(crate) fn learn(&mut self, value: f64, time_ms: i64, measures: &Measures) {
        if self.seen == 0 {
            (self.last, self.level) = (value, value);
            (self.seen, self.last_ms, self.unlike) = (1, time_ms, 1.0);
            self.season.learn(value, time_ms);
            self.budget.start(value);
            return;
        }
        self.learn_records(measures);
        self.learn_scales(measures);
        self.learn_lags(value);
        self.season.learn(value, time_ms);
        self.off_season = Offset::new(measures.features[Feature::OffSeason as usize]);
        self.drift = Offset::new(measures.features[Feature::Drift as usize]);
        self.variance = measures.variance.min(LARGEST_SQUARE) as f32;
        let usual = f64::from(self.usual_variance);
        self.usual_variance = (usual + self.gain(USUAL) * (measures.square - usual)).min(LARGEST_SQUARE) as f32;
        self.learn_levels(value, measures);
        let step = (value - self.last).abs();
        if step > 0.0 && (self.changes == 0 || step < self.resolution.get()) {
            self.resolution = Size::new(step);
        }
        self.changes = self.changes.saturating_add(u8::from(value != self.last));
        // After a silence there is no neighbour to go on from.
        self.before = if measures.widen > 1.0 { 0.0 } else { stored(self.last - value) };
        let span: f64 = self.records[Feature::Range as usize].iter().map(|record| record.get()).sum();
        let floor = measures.least.max(LEAST_OF_SPAN * span);
        let recent = self.recent();
        let [level, residual, _] = &mut self.scales;
        self.budget.learn(recent, [level, residual, &mut self.unlike], floor, time_ms.saturating_sub(self.last_ms));
        self.last = value;
        self.last_ms = self.last_ms.max(time_ms);
        self.seen = self.seen.saturating_add(1);
    }

    fn learn_levels(&mut self, value: f64, measures: &Measures) {
        let short = self.level + f64::from(self.short);
        let middle = self.level + f64::from(self.middle);
        if measures.widen > 1.0 {
            // The past is a weak witness: begin at the value.
            let shift = value - short;
            self.level = bounded(self.level + shift);
            return;
        }
        // One far value does not move the short mean far: the next ones are judged by it.
        let largest = match self.seen > YOUNG {
            true => CLIP_SHORT * f64::from(self.scales[0]).max(measures.least),
            false => f64::INFINITY,
        };
        let step = (value - short).clamp(-largest, largest);
        let (short, middle) = (short + self.gain(SHORT) * step, middle + self.gain(MANY) * (value - middle));
        self.level += self.gain(LONG) * (value - self.level);
        self.short = stored(short - self.level);
        self.middle = stored(middle - self.level);
    }

    /// The level, and all that is remembered relative to it, moves to where the values stay.
    pub(crate) fn move_level(&mut self, shift: f64) {
        self.budget.moved(shift);
        self.level = bounded(self.level + shift);
        self.short = stored(f64::from(self.short) - shift);
        self.middle = 0.0;
        self.season.anchor = stored(f64::from(self.season.anchor) + shift);
        self.off_season = Offset::default();
        self.drift = Offset::default();
    }

    /// Deviations e^`by` times as large as before become the usual ones.
    pub(crate) fn accept_restlessness(&mut self, by: f64) {
        self.usual_variance = self.usual_variance.max(self.variance);
        let factor = libm::exp(by.clamp(0.0, 5.0));
        for scale in &mut self.scales[..2] {
            *scale = stored(f64::from(*scale) * factor);
        }
    }

    fn learn_records(&mut self, measures: &Measures) {
        for feature in Feature::ALL {
            if feature.seasonal() && !measures.in_season {
                continue;
            }
            let value = measures.features[feature as usize];
            let [up, down] = &mut self.records[feature as usize];
            for (record, value) in [(up, value), (down, -value)] {
                let now = record.get();
                if value > now {
                    *record = Size::new(value);
                }
            }
        }
        // Sixteen bits would round a small share away: now and then a larger one is forgotten.
        const EVERY: u32 = 512;
        if self.seen.is_multiple_of(EVERY) {
            for record in self.records.as_flattened_mut() {
                *record = Size::new(record.get() * (1.0 - FORGET * f64::from(EVERY)));
            }
        }
    }

    fn learn_scales(&mut self, measures: &Measures) {
        const OF: [Feature; 3] = [Feature::Level, Feature::Residual, Feature::Season];
        for (place, feature) in OF.into_iter().enumerate() {
            if feature.seasonal() && !measures.in_season {
                continue;
            }
            let deviation = measures.features[feature as usize].abs();
            let now = f64::from(self.scales[place]);
            let young = self.seen < YOUNG || now == 0.0;
            let deviation = if young { deviation } else { deviation.min(CLIP * now.max(measures.least)) };
            self.scales[place] = stored(now + self.gain(USUAL) * (deviation - now));
        }
    }

    fn learn_lags(&mut self, value: f64) {
        let [c0, c1, c2] = self.covariance.map(f64::from);
        let largest = match self.seen > YOUNG {
            true => CLIP_LAG * libm::sqrt(f64::from(self.usual_variance)).max(0.5 * libm::sqrt(c0)),
            false => f64::INFINITY,
        };
        let clip = |deviation: f64| deviation.clamp(-largest, largest);
        let one = self.last - self.level;
        let (now, two) = (clip(value - self.level), clip(one + f64::from(self.before)));
        let one = clip(one);
        let gain = self.gain(COVARIANCE);
        let next = [c0 + gain * (now * now - c0), c1 + gain * (now * one - c1), c2 + gain * (now * two - c2)];
        self.covariance = next.map(|c| c.clamp(-LARGEST_SQUARE, LARGEST_SQUARE) as f32);
    }
}
