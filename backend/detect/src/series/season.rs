//! What is usual at this time of day, on working days and at weekends apart. Judges nothing.
//!
//! Each hour (UTC) has the mean of its last visits. A visit enters only when it is over, so that
//! what happens now is never compared with itself. Between the middles of hours the expectation is
//! interpolated. Until the weekend is known, working days stand in for it, and the other way round.

use super::small::Offset;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const HOURS: usize = 24;
/// Slots: the hours of a working day, then those of a day at the weekend.
pub(crate) const SLOTS: usize = 2 * HOURS;
/// An hour's expectation is used after this many visits.
const VISITS: u8 = 2;
/// What can be counted in two bits; an expectation is the mean of about this many visits.
const MOST_VISITS: u8 = 3;
/// Days that deviations from the season are watched before they may count as evidence.
const WATCHED_DAYS: u8 = 2;
/// No slot.
const NOWHERE: u8 = u8::MAX;

/// A daily profile in 122 bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Season {
    /// Profile values are offsets from here, so that two bytes are enough.
    pub(crate) anchor: f32,
    /// Of the visit that is going on: its slot, sum of offsets, readings.
    pub(crate) slot: u8,
    pub(crate) sum: f32,
    pub(crate) count: u16,
    /// Days on which the expectation was known.
    pub(crate) days: u8,
    pub(crate) profile: [Offset; SLOTS],
    /// Visits to each slot, two bits each.
    pub(crate) visits: [u8; SLOTS / 4],
}

impl Default for Season {
    fn default() -> Self {
        Self {
            anchor: 0.0,
            slot: NOWHERE,
            sum: 0.0,
            count: 0,
            days: 0,
            profile: [Offset::default(); SLOTS],
            visits: [0; SLOTS / 4],
        }
    }
}

impl Season {
    /// The usual value at this time; none while it is unknown.
    pub(crate) fn expected(&self, time_ms: i64) -> Option<f64> {
        let first = first_slot(time_ms);
        self.within(first, time_ms).or_else(|| self.within(HOURS - first, time_ms))
    }

    /// Whether deviations from the season have been watched for long enough to be evidence.
    pub(crate) fn settled(&self) -> bool {
        self.days >= WATCHED_DAYS
    }

    fn within(&self, first: usize, time_ms: i64) -> Option<f64> {
        let shifted = (time_ms.rem_euclid(DAY_MS) + DAY_MS - HOUR_MS / 2) % DAY_MS;
        let from = (shifted / HOUR_MS) as usize;
        let (a, b) = (first + from, first + (from + 1) % HOURS);
        if self.visits(a) < VISITS || self.visits(b) < VISITS {
            return None;
        }
        let share = (shifted % HOUR_MS) as f64 / HOUR_MS as f64;
        let (a, b) = (self.profile[a].get(), self.profile[b].get());
        Some(f64::from(self.anchor) + a + (b - a) * share)
    }

    /// Takes in a value at its time.
    pub(crate) fn learn(&mut self, value: f64, time_ms: i64) {
        let slot = slot(time_ms);
        if slot != self.slot {
            match self.count {
                0 => self.anchor = value as f32,
                _ => self.end_visit(),
            }
            let hour = |slot: u8| slot % HOURS as u8;
            if hour(slot) < hour(self.slot) && self.expected(time_ms).is_some() {
                self.days = self.days.saturating_add(1);
            }
            (self.slot, self.sum, self.count) = (slot, 0.0, 0);
        }
        let count = self.count.saturating_add(1);
        // The sum of at most 65,535 readings; later ones of the same hour add nothing new.
        if count > self.count {
            self.sum = (f64::from(self.sum) + value - f64::from(self.anchor)) as f32;
            self.count = count;
        }
    }

    fn end_visit(&mut self) {
        let slot = usize::from(self.slot);
        if slot >= SLOTS {
            return;
        }
        let seen = f64::from(self.sum) / f64::from(self.count.max(1));
        let visits = (self.visits(slot) + 1).min(MOST_VISITS);
        let now = self.profile[slot].get();
        self.profile[slot] = Offset::new(now + (seen - now) / f64::from(visits));
        let shift = 2 * (slot % 4);
        self.visits[slot / 4] = self.visits[slot / 4] & !(3 << shift) | visits << shift;
    }

    fn visits(&self, slot: usize) -> u8 {
        self.visits[slot / 4] >> (2 * (slot % 4)) & 3
    }
}

/// 0 on working days, 24 at weekends. 1970-01-01 was a Thursday.
fn first_slot(time_ms: i64) -> usize {
    let day = (time_ms.div_euclid(DAY_MS) + 4).rem_euclid(7);
    if day == 0 || day == 6 { HOURS } else { 0 }
}

fn slot(time_ms: i64) -> u8 {
    (first_slot(time_ms) as i64 + time_ms.rem_euclid(DAY_MS) / HOUR_MS) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Monday.
    const MONDAY: i64 = 4 * DAY_MS;

    #[test]
    fn days_and_hours_have_their_slots_before_1970_too() {
        assert_eq!(slot(MONDAY), 0);
        assert_eq!(slot(MONDAY - 1), 47);
        assert_eq!(slot(-1), 23);
        assert!(usize::from(slot(i64::MIN)) < SLOTS && usize::from(slot(i64::MAX)) < SLOTS);
    }

    #[test]
    fn a_daily_cycle_is_known_on_the_third_day() {
        let mut season = Season::default();
        let usual = |minute: i64| 100.0 + (minute % 1440 - 720).abs() as f64 / 10.0;
        for minute in 0..4 * 1440 {
            let time_ms = MONDAY + minute * 60_000;
            // Known once the hours on either side were visited twice.
            if !(1440 + 60..=2 * 1440).contains(&minute) {
                assert_eq!(season.expected(time_ms).is_some(), minute > 2 * 1440, "{minute}");
            }
            if let Some(expected) = season.expected(time_ms) {
                assert!((expected - usual(minute)).abs() < 4.0, "{minute} {expected}");
            }
            season.learn(usual(minute), time_ms);
        }
    }
}
