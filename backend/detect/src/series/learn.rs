//! How a state takes in a value. Sets no limits and reports nothing.

use super::{
    Offset, Series, Size, bounded,
    features::{CHANGES, FALLEN, Feature, MANY, Measures, stored},
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
/// The share of a record that is forgotten at each reading: half of it in 35,000 readings, four
/// months of readings every five minutes.
const FORGET: f64 = 2e-5;
/// What is learnt anew is learnt at the pace of a metric that has been seen so often.
const ANEW: u32 = 400;
/// Of a record that an event has set which was reported this share is learnt: one event must not
/// hide the next of its size.
const OF_EVENT: f64 = 0.2;
const LARGEST_SQUARE: f64 = 1e36;

impl Series {
    /// Takes in one value; `measures` are those against the state before it. It teaches no more than
    /// the metric's budget allows.
    pub(crate) fn learn(&mut self, value: f64, time_ms: i64, measures: &Measures) {
        self.take_in(value, time_ms, measures, 1.0);
    }

    /// As [`learn`](Self::learn), of a value that is part of an event that was reported.
    pub(crate) fn learn_of_event(&mut self, value: f64, time_ms: i64, measures: &Measures) {
        self.take_in(value, time_ms, measures, OF_EVENT);
    }

    fn take_in(&mut self, value: f64, time_ms: i64, measures: &Measures, share: f64) {
        if self.seen == 0 {
            (self.last, self.level) = (value, value);
            (self.seen, self.last_ms, self.unlike) = (1, time_ms, 1.0);
            self.season.learn(value, time_ms);
            self.budget.start(value);
            return;
        }
        self.learn_records(measures, share);
        if self.seen > YOUNG {
            self.change.learn(measures.standard, self.seen);
        }
        self.learn_scales(measures);
        self.learn_lags(value);
        self.season.learn(value, time_ms);
        self.off_season = Offset::new(measures.features[Feature::OffSeason as usize]);
        self.drift = Offset::new(measures.features[Feature::Drift as usize]);
        self.variance = measures.variance.min(LARGEST_SQUARE) as f32;
        let usual = f64::from(self.usual_variance);
        self.usual_variance = (usual + self.gain(USUAL) * (measures.square - usual)).min(LARGEST_SQUARE) as f32;
        self.learn_levels(value, measures);
        self.budget.learn(self.level, self.last_ms, time_ms);
        self.last_ms = self.last_ms.max(time_ms);
        self.seen = self.seen.saturating_add(1);
        self.learn_step(value, measures);
    }

    fn learn_step(&mut self, value: f64, measures: &Measures) {
        if self.counts() {
            self.before = stored(-value);
            self.last = bounded(self.last + value);
            return;
        }
        let step = value - self.last;
        self.run.learn(step == 0.0);
        let count = self.changes & CHANGES;
        if step != 0.0 && (count == 0 || step.abs() < self.resolution.get()) {
            self.resolution = Size::new(step.abs());
        }
        let fallen = self.changes & FALLEN | if step < 0.0 { FALLEN } else { 0 };
        self.changes = fallen | (count + u8::from(step != 0.0)).min(CHANGES);
        // After a silence there is no neighbour to go on from.
        self.before = if measures.widen > 1.0 { 0.0 } else { stored(-step) };
        self.last = value;
        if self.counts() {
            self.begin_to_count(step);
        }
    }

    /// From here on what is judged and learnt is how much the metric counts from one reading to the
    /// next; all that was learnt of its values means nothing for that.
    fn begin_to_count(&mut self, step: f64) {
        *self = Self {
            key: self.key,
            place: self.place,
            seen: 1,
            last_ms: self.last_ms,
            changes: self.changes,
            last: self.last,
            before: stored(-step),
            level: step,
            unlike: 1.0,
            episode: self.episode,
            ..Self::default()
        };
        self.budget.start(step);
    }

    /// A counter that fell has begun anew: that is no event.
    pub(crate) fn count_anew(&mut self, value: f64, time_ms: i64) {
        self.last = value;
        self.last_ms = self.last_ms.max(time_ms);
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

    /// The baseline is learnt anew: faster, and its records are believed less.
    pub(crate) fn learn_anew(&mut self) {
        self.seen = self.seen.min(ANEW);
    }

    /// Deviations e^`by` times as large as before become the usual ones.
    pub(crate) fn accept_restlessness(&mut self, by: f64) {
        self.usual_variance = self.usual_variance.max(self.variance);
        let factor = libm::exp(by.clamp(0.0, 5.0));
        for scale in &mut self.scales[..2] {
            *scale = stored(f64::from(*scale) * factor);
        }
    }

    fn learn_records(&mut self, measures: &Measures, share: f64) {
        for feature in Feature::ALL {
            if feature.seasonal() && !measures.in_season {
                continue;
            }
            let value = measures.features[feature as usize];
            let span = self.span(measures, feature);
            let [up, down] = &mut self.records[feature as usize];
            for (record, value) in [(up, value), (down, -value)] {
                let now = record.get();
                if value > now {
                    let next = Size::new(now + share * (value - now));
                    let raise = next.get() - now;
                    let allowed = self.budget.allow(raise, span);
                    *record = if allowed >= raise { next } else { Size::below(now + allowed).max(*record) };
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
        let (one, two) = self.lags();
        let (now, one, two) = (clip(value - self.level), clip(one - self.level), clip(two - self.level));
        let gain = self.gain(COVARIANCE);
        let next = [c0 + gain * (now * now - c0), c1 + gain * (now * one - c1), c2 + gain * (now * two - c2)];
        self.covariance = next.map(|c| c.clamp(-LARGEST_SQUARE, LARGEST_SQUARE) as f32);
    }
}
