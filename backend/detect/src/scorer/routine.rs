//! What a device does routinely: how far its deviations usually go, told from two points of their
//! tails, and what happens every day at the same hour. Knows no group and sets no limits.
//!
//! Records ([`super::tails`]) ask for more than ever before; this asks for more than usual. A second
//! event as large as the first is no record, and yet far from usual. What happens at three every
//! night is far from usual, and yet routine: for every hour of the day the largest surprise of the
//! last days is expected again.
//!
//! Surprise is counted in decades: minus the decimal logarithm of a probability.

use crate::{
    DetectError,
    bytes::{Reader, Writer},
};

/// Sorts of deviation that are watched.
pub(crate) const SORTS: usize = 5;
/// What each sort counts in the sum. Of a time of day there are two, of one value and of a mean.
const WEIGHTS: [f64; SORTS] = [1.0, 0.7, 1.2, 1.0, 0.7];
/// Sorts that agree add up, nearly: the surprises' mean of this power, not divided by their number.
const POWER: f64 = 1.2;
/// Readings that an extreme is remembered.
const MEMORY: f64 = 30_000.0;
/// Readings until surprises count in full.
const GROWN: f64 = 35.0;
/// A single surprise is not believed to be larger.
const MOST: f64 = 12.0;

const HOURS: usize = 24;
const DAY_MS: i64 = 86_400_000;
/// What is expected of an hour is halved in five and a half days.
const KEEP: f64 = 0.8817;
/// A routine may be early or late by this part of an hour.
const LATE: f64 = 0.25;
/// Steps of a decade in which an hour's surprise is kept: 12 decades in a byte.
const STEPS: f64 = 20.0;

/// This part of the largest recent surprise is taken from the next ones …
const HOLD: f64 = 0.5;
/// … for about this many readings.
const HELD: f64 = 110.0;
/// What a surprise that counts adds to the habit, when it counts, how sharply, and how many readings
/// the habit is remembered: who alarms often is harder to be surprised by.
const HABIT: f64 = 0.13;
const COUNTS: f64 = 1.1;
const SHARPNESS: f64 = 0.1;
const HABITUAL: f64 = 2300.0;

/// The largest deviation of each sort in a reading, as a size of at least 1, and who shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    largest: [f64; SORTS],
    pub(crate) by: [usize; SORTS],
}

impl Default for Sizes {
    fn default() -> Self {
        Self { largest: [0.0; SORTS], by: [0; SORTS] }
    }
}

impl Sizes {
    /// Takes in what one metric shows, 0 where nothing is known; in which sorts that is the largest
    /// so far.
    pub(crate) fn raise(&mut self, by: usize, sizes: [f64; SORTS]) -> [bool; SORTS] {
        let mut raised = [false; SORTS];
        for (sort, size) in sizes.into_iter().enumerate() {
            raised[sort] = size > self.largest[sort];
            if raised[sort] {
                (self.largest[sort], self.by[sort]) = (size, by);
            }
        }
        raised
    }
}

/// What a reading's deviations mean to a device that has its routine.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Surprise {
    /// In decades, less what is expected at this hour and what was just reported.
    pub(crate) decades: f64,
    /// The sort that surprises most.
    pub(crate) sort: usize,
    /// The part of that sort's deviation that is usual.
    pub(crate) allowed: f64,
}

/// What is remembered: 86 bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Routine {
    readings: u32,
    tails: [TwoPoint; SORTS],
    whole: TwoPoint,
    hours: [u8; HOURS],
    /// The hour that is going on, and its largest surprise so far.
    hour: u8,
    now: u8,
    hold: f32,
    habit: f32,
}

impl Routine {
    /// Judges and takes in one reading.
    pub(crate) fn push(&mut self, sizes: &Sizes, time_ms: i64) -> Surprise {
        let readings = f64::from(self.readings);
        let mut sum = 0.0;
        let mut most = (-1.0, 0, 1.0);
        for (sort, (tail, size)) in self.tails.iter_mut().zip(sizes.largest).enumerate() {
            if size <= 0.0 {
                continue;
            }
            let size = libm::log(size);
            let decades = WEIGHTS[sort] * tail.surprise(size, readings, &OF_SORT);
            if decades > most.0 {
                most = (decades, sort, tail.allowed(size));
            }
            sum += libm::pow(decades, POWER);
            tail.learn(size, readings, &OF_SORT);
        }
        let grown = (readings / GROWN).min(1.0);
        let fused = libm::log((libm::pow(sum, 1.0 / POWER) * grown).max(1e-12));
        let raw = grown * self.whole.surprise(fused, readings, &OF_ALL);
        self.whole.learn(fused, readings, &OF_ALL);
        self.readings = self.readings.saturating_add(1);
        let fresh = (raw - self.at_this_hour(raw, time_ms)).max(0.0);
        let decades = fresh - HOLD * f64::from(self.hold) - f64::from(self.habit);
        self.rest(fresh, decades);
        Surprise { decades: decades.max(0.0), sort: most.1, allowed: most.2 }
    }

    /// What is expected now, in decades; takes note of what came.
    fn at_this_hour(&mut self, raw: f64, time_ms: i64) -> f64 {
        let hours = time_ms.rem_euclid(DAY_MS) as f64 / (DAY_MS as f64 / HOURS as f64);
        let hour = hours as usize % HOURS;
        if usize::from(self.hour) != hour {
            let over = &mut self.hours[usize::from(self.hour)];
            *over = ((f64::from(*over) * KEEP) as u8).max(self.now);
            (self.hour, self.now) = (hour as u8, 0);
        }
        self.now = self.now.max((raw * STEPS).min(f64::from(u8::MAX)) as u8);
        let part = hours - hour as f64;
        let mut expected = self.hours[hour];
        if part < LATE {
            expected = expected.max(self.hours[(hour + HOURS - 1) % HOURS]);
        } else if part > 1.0 - LATE {
            expected = expected.max(self.hours[(hour + 1) % HOURS]);
        }
        f64::from(expected) / STEPS
    }

    fn rest(&mut self, fresh: f64, decades: f64) {
        self.hold = (f64::from(self.hold) * (1.0 - 1.0 / HELD)).max(fresh) as f32;
        let counted = HABIT / (1.0 + libm::exp((COUNTS - decades) / SHARPNESS));
        self.habit = (f64::from(self.habit) * (1.0 - 1.0 / HABITUAL) + counted) as f32;
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u32(self.readings);
        for tail in self.tails.iter().chain([&self.whole]) {
            writer.f32(tail.at);
            writer.f32(tail.reach);
        }
        writer.bytes(&self.hours);
        writer.u8(self.hour);
        writer.u8(self.now);
        writer.f32(self.hold);
        writer.f32(self.habit);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        let mut routine = Self { readings: reader.u32()?, ..Self::default() };
        for tail in routine.tails.iter_mut().chain([&mut routine.whole]) {
            *tail = TwoPoint { at: reader.f32()?, reach: reader.scale()? };
        }
        routine.hours.copy_from_slice(reader.take(HOURS)?);
        (routine.hour, routine.now) = (reader.u8()?, reader.u8()?);
        if usize::from(routine.hour) >= HOURS {
            return Err(reader.error("an hour below 24", routine.hour));
        }
        (routine.hold, routine.habit) = (reader.scale()?, reader.scale()?);
        Ok(routine)
    }
}

/// How a tail is told.
struct Telling {
    /// The share of readings above its first point.
    share: f64,
    /// How fast that point follows, at least.
    gain: f64,
    /// The second point lies at least this far out, in natural logarithms.
    least: f64,
}

const OF_SORT: Telling = Telling { share: 0.06, gain: 0.004, least: 0.85 };
const OF_ALL: Telling = Telling { share: 0.025, gain: 0.015, least: 0.27 };
/// A new largest value moves the second point this part of the way.
const UP: f64 = 0.65;

/// A tail by the straight line, in logarithms of size and probability, through a high quantile and
/// the largest value so far, which has probability 1/n. Heavy tails need no shape: the largest value
/// tells. The quantile follows by stochastic approximation (Robbins and Monro, 1951).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct TwoPoint {
    /// Logarithm of the quantile.
    at: f32,
    /// Logarithm of the largest over the quantile.
    reach: f32,
}

impl TwoPoint {
    fn surprise(&self, size: f64, readings: f64, telling: &Telling) -> f64 {
        let over = size - f64::from(self.at);
        let at = -libm::log10(telling.share);
        if over <= 0.0 {
            return at * libm::exp(over);
        }
        let reach = f64::from(self.reach).max(telling.least);
        let decades = libm::log10(((readings.min(MEMORY) + 1.0) * telling.share).max(2.0));
        (at + over / reach * decades).min(MOST)
    }

    /// The part of a deviation that the quantile allows.
    fn allowed(&self, size: f64) -> f64 {
        libm::exp((f64::from(self.at) - size).min(0.0))
    }

    fn learn(&mut self, size: f64, readings: f64, telling: &Telling) {
        if readings < 1.0 {
            *self = Self { at: (size + 1.0) as f32, reach: telling.least as f32 };
            return;
        }
        let (at, reach) = (f64::from(self.at), f64::from(self.reach));
        let gain = telling.gain.max((1.0 / (readings + 1.0)).min(0.2)) * reach.clamp(0.1, 2.0);
        let next = if size > at { at + gain * (1.0 - telling.share) } else { at - gain * telling.share };
        let largest = at + reach - (at + reach - next).max(0.0) / MEMORY;
        let largest = if size > largest { largest + UP * (size - largest) } else { largest };
        self.at = next as f32;
        self.reach = (largest - next).max(0.0) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn sizes(size: f64) -> Sizes {
        let mut sizes = Sizes::default();
        sizes.raise(0, [size, 0.0, 0.0, 0.0, 0.0]);
        sizes
    }

    /// Ordinary sizes between 1 and 2 without a pattern.
    fn ordinary(minute: i64) -> f64 {
        1.0 + (minute * 7919 % 1000) as f64 / 1000.0
    }

    #[test]
    fn a_second_event_as_large_as_the_first_still_surprises() {
        let mut routine = Routine::default();
        let mut surprises = Vec::new();
        for minute in 0..10_000 {
            let event = minute == 4_000 || minute == 8_150;
            let surprise = routine.push(&sizes(if event { 40.0 } else { ordinary(minute) }), minute * MINUTE);
            if event {
                surprises.push(surprise.decades);
                assert!(surprise.sort == 0 && surprise.allowed < 0.1, "{surprise:?}");
            } else if minute > 1000 {
                assert!(surprise.decades < 1.0, "{minute} {surprise:?}");
            }
        }
        assert!(surprises[0] > 2.0 && surprises[1] > 1.0, "{surprises:?}");
    }

    #[test]
    fn what_comes_every_day_is_routine() {
        let mut routine = Routine::default();
        let mut last = 0.0;
        for minute in 0..5 * 1440 {
            let nightly = minute % 1440 == 180;
            let surprise = routine.push(&sizes(if nightly { 40.0 } else { ordinary(minute) }), minute * MINUTE);
            if nightly {
                last = surprise.decades;
            }
        }
        assert!(last < 0.2, "{last}");
    }

    #[test]
    fn the_byte_form_comes_back() {
        let mut routine = Routine::default();
        for minute in 0..3000 {
            routine.push(&sizes(ordinary(minute)), minute * MINUTE);
        }
        let mut writer = Writer::default();
        routine.write(&mut writer);
        assert_eq!(writer.0.len(), 86);
        let mut reader = Reader::new("routine", &writer.0);
        assert_eq!(Routine::read(&mut reader).unwrap(), routine);
        reader.end().unwrap();
        writer.0[4 + 48 + 24] = 24;
        assert!(Routine::read(&mut Reader::new("routine", &writer.0)).is_err());
    }
}
