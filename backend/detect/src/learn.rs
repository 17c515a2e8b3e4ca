//! How a state takes in a value. Sets no limits and reports nothing.
//!
//! Robust exponential averages: a deviation is clipped before it enters a scale, and a value far
//! from the level does not move the level. So an outlier cannot hide the next one, and the return
//! from an event is no event. A level that stays away becomes the new level.

use crate::{
    features::{LEAST_RANGE, Measures, hour, season_gain},
    state::MetricState,
};

/// A value this many level units off is away from the level.
const AWAY: f64 = 6.0;
/// After this many readings away in a row the new level is accepted. Longer than what is called
/// contextual (20 readings), shorter than the 30 readings in which a change should be found.
pub(crate) const LASTING: u16 = 24;
/// Deviations enter scales up to this many scales.
const CLIP: f64 = 4.0;
/// Beyond this size a value enters statistics as this size, so that no sum can overflow.
const LARGEST: f64 = 1e30;

const DAY_MS: i64 = 86_400_000;
const LEVEL_GAIN: f64 = 0.2;
const MID_GAIN: f64 = 1.0 / 30.0;
const SLOW_GAIN: f64 = 1.0 / 200.0;
const SCALE_GAIN: f64 = 1.0 / 60.0;
/// Beyond this volatility the reference of volatility follows faster.
const RESTLESS: f64 = 2.0;
const RESTLESS_GAIN: f64 = 1.0 / 120.0;
const CALM_GAIN: f64 = 1.0 / 300.0;
const MID_SCALE_GAIN: f64 = 1.0 / 200.0;
const SLOW_SCALE_GAIN: f64 = 1.0 / 1000.0;
/// The remembered range closes by this share of its width at each reading.
const RANGE_CLOSING: f64 = 1.0 / 20_000.0;

/// The value as the statistics see it.
pub(crate) fn bounded(value: f64) -> f64 {
    value.clamp(-LARGEST, LARGEST)
}

/// What a value did to the level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Learnt {
    /// The level followed it, or it was set aside.
    Usual,
    /// The values stayed away: the level was moved to them.
    NewLevel,
}

impl MetricState {
    /// Takes in one value; `measures` are those against the state before it.
    pub(crate) fn learn(&mut self, value: f64, time_ms: i64, measures: &Measures) -> Learnt {
        let silence = time_ms.saturating_sub(self.last_ms);
        if self.seen == 0 {
            self.start(value, time_ms);
            return Learnt::Usual;
        }
        self.seen = self.seen.saturating_add(1);
        let step = (value - self.last).abs();
        if step > 0.0 && (self.resolution == 0.0 || step < f64::from(self.resolution)) {
            self.resolution = (step as f32).max(f32::MIN_POSITIVE);
        }
        self.learn_scale(step, |s| &mut s.step_scale, SCALE_GAIN);
        if measures.volatility > RESTLESS {
            // What lasts becomes the new normal, as with levels, only gradually.
            let calm = f64::from(self.calm_scale);
            self.calm_scale = (calm + RESTLESS_GAIN * (measures.turbulence - calm)) as f32;
        } else {
            self.learn_scale(step, |s| &mut s.calm_scale, CALM_GAIN);
        }
        self.turbulence = measures.turbulence as f32;
        let learnt = self.learn_level(value, measures);
        if self.away == 0 {
            self.learn_slow(time_ms, silence);
        }
        let floor = self.least_deviation(LEAST_RANGE);
        let scales = [&mut self.step_scale, &mut self.level_scale, &mut self.tail];
        self.budget.learn(self.level, scales, floor, silence);
        self.before = self.last;
        self.last = value;
        self.learn_time(time_ms, silence);
        learnt
    }

    fn start(&mut self, value: f64, time_ms: i64) {
        self.seen = 1;
        self.last_ms = time_ms;
        for place in [
            &mut self.last,
            &mut self.before,
            &mut self.level,
            &mut self.mid,
            &mut self.slow,
            &mut self.away_level,
            &mut self.low,
            &mut self.high,
        ] {
            *place = value;
        }
        self.budget.start(value);
        self.hour = hour(time_ms);
        self.season = [value as f32; crate::state::HOURS];
        self.season_days[usize::from(self.hour)] = 1;
    }

    /// An average over everything at first, exponential later.
    fn gain(&self, least: f64) -> f64 {
        (1.0 / f64::from(self.seen)).max(least)
    }

    fn learn_scale(&mut self, deviation: f64, scale: fn(&mut Self) -> &mut f32, gain: f64) {
        let gain = self.gain(gain);
        let young = self.seen < 10;
        let place = scale(self);
        let now = f64::from(*place);
        let clip = if young || now == 0.0 { f64::INFINITY } else { CLIP * now };
        *place = (now + gain * (deviation.min(clip) - now)) as f32;
    }

    fn learn_level(&mut self, value: f64, measures: &Measures) -> Learnt {
        let deviation = value - self.level;
        let settling = self.seen < 10 || measures.after_gap && measures.level.abs() < AWAY;
        if settling {
            // Nothing to compare with yet, or the past is a weak witness: begin at the value.
            self.learn_scale(deviation.abs(), |s| &mut s.level_scale, SCALE_GAIN);
            let shift = if measures.after_gap { deviation } else { 0.5 * deviation };
            self.level += shift;
            self.mid += shift;
            self.slow += shift;
            self.away = 0;
            return Learnt::Usual;
        }
        if measures.level.abs() < AWAY {
            self.away = 0;
            self.learn_scale(deviation.abs(), |s| &mut s.level_scale, SCALE_GAIN);
            self.level += LEVEL_GAIN * deviation;
            return Learnt::Usual;
        }
        if measures.step.abs() > CLIP {
            // Restless, not shifted: the scale may grow.
            self.learn_scale(deviation.abs(), |s| &mut s.level_scale, SCALE_GAIN);
        }
        // Values on both sides of the level are not one new level.
        let same_side = (self.away_level - self.level) * deviation > 0.0;
        if self.away == 0 || !same_side {
            self.away = 1;
            self.away_level = value;
            return Learnt::Usual;
        }
        self.away += 1;
        self.away_level += 0.3 * (value - self.away_level);
        if self.away < LASTING {
            return Learnt::Usual;
        }
        self.move_level();
        Learnt::NewLevel
    }

    /// The values stayed away. Everything that remembers a level moves with it, so that the slow
    /// averages do not report the same change again.
    fn move_level(&mut self) {
        let shift = self.away_level - self.level;
        self.budget.moved(shift);
        self.level = self.away_level;
        self.mid += shift;
        self.slow += shift;
        for expected in &mut self.season {
            *expected = bounded(f64::from(*expected) + shift) as f32;
        }
        self.away = 0;
    }

    fn learn_slow(&mut self, time_ms: i64, silence: i64) {
        let gain = self.gain(MID_GAIN);
        self.mid += gain * (self.level - self.mid);
        let gain = self.gain(SLOW_GAIN);
        self.slow += gain * (self.level - self.slow);
        self.learn_scale((self.level - self.mid).abs(), |s| &mut s.mid_scale, MID_SCALE_GAIN);
        self.learn_scale((self.level - self.slow).abs(), |s| &mut s.slow_scale, SLOW_SCALE_GAIN);
        let closing = RANGE_CLOSING * (self.high - self.low);
        self.low = self.level.min(self.low + closing);
        self.high = self.level.max(self.high - closing);
        self.learn_season(time_ms, silence);
    }

    fn learn_season(&mut self, time_ms: i64, silence: i64) {
        if let Some(expected) = self.expected_at(time_ms, 2) {
            // By time, not by readings: what is learnt is how days differ.
            let gain = (silence.clamp(0, DAY_MS) as f64 / (0.5 * DAY_MS as f64)).min(0.1);
            let now = f64::from(self.season_scale);
            self.season_scale = (now + gain * ((self.level - expected).abs() - now)) as f32;
        }
        let hour = usize::from(hour(time_ms));
        let first_visit = self.season_days[hour] <= 1;
        let place = &mut self.season[hour];
        let now = f64::from(*place);
        // On the first day an hour takes on the level quickly: its start value means nothing.
        let gain = if first_visit { 0.05 } else { season_gain(silence) };
        *place = (now + gain * (self.level - now)) as f32;
    }

    fn learn_time(&mut self, time_ms: i64, silence: i64) {
        if silence <= 0 {
            return;
        }
        let gain = self.gain(0.05);
        let interval = f64::from(self.interval);
        let seen = if interval == 0.0 { silence as f64 } else { (silence as f64).min(4.0 * interval) };
        self.interval = (interval + gain * (seen - interval)) as f32;
        let now = hour(time_ms);
        if now != self.hour {
            self.hour = now;
            let hour = usize::from(now);
            self.season_days[hour] = self.season_days[hour].saturating_add(1);
            if self.season_days[hour] == 1 {
                self.season[hour] = self.level as f32;
            }
        }
        self.last_ms = time_ms;
    }
}
