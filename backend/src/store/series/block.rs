//! What is summed up of one metric of a device in a block of steps, as bytes and back. docs/spec/chunk.md fixes them.
//!
//! No database here.

use std::collections::BTreeMap;

use super::bytes::{In, Out, damaged, open};
use crate::domain::ports::StoreError;

/// The form of the bytes.
const VERSION: u8 = 1;

/// An opened block at most: 1,440 steps of seven columns of at most ten bytes take 0.1 MB.
const MAX_OPENED: usize = 1 << 20;

/// How long the steps of a roll-up are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::store) enum Grain {
    /// A block is a day.
    Minute,
    /// A block is thirty days.
    Hour,
}

impl Grain {
    /// Both.
    pub(in crate::store) const ALL: [Grain; 2] = [Grain::Minute, Grain::Hour];

    /// The step, in seconds.
    pub(in crate::store) fn seconds(self) -> i64 {
        match self {
            Grain::Minute => 60,
            Grain::Hour => 3_600,
        }
    }

    /// Steps of a block: 1,440 minutes are a day, 720 hours thirty days.
    fn slots(self) -> i64 {
        match self {
            Grain::Minute => 1_440,
            Grain::Hour => 720,
        }
    }

    /// How long a block is, in seconds.
    pub(in crate::store) fn block_seconds(self) -> i64 {
        self.slots() * self.seconds()
    }

    /// The block that a time is in, as the second at which it begins, and the place of the step in it.
    pub(in crate::store) fn place(self, time_us: i64) -> (i64, i64) {
        let seconds = time_us.div_euclid(1_000_000);
        let block = seconds.div_euclid(self.block_seconds()) * self.block_seconds();
        (block, (seconds - block) / self.seconds())
    }
}

/// What is summed up of a metric in a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::store) struct Sum {
    pub(in crate::store) count: u64,
    pub(in crate::store) anomalies: u64,
    pub(in crate::store) sum: f64,
    pub(in crate::store) min: f64,
    pub(in crate::store) max: f64,
    /// The value of the latest time.
    pub(in crate::store) last: f64,
    /// That time.
    pub(in crate::store) last_us: i64,
}

impl Sum {
    /// Of one value.
    pub(in crate::store) fn of(value: f64, time_us: i64, anomaly: bool) -> Self {
        let anomalies = u64::from(anomaly);
        Self { count: 1, anomalies, sum: value, min: value, max: value, last: value, last_us: time_us }
    }

    /// Adds another; of two values of the same time the one that is added counts as the last.
    pub(in crate::store) fn add(&mut self, other: &Sum) {
        self.count += other.count;
        self.anomalies += other.anomalies;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        if other.last_us >= self.last_us {
            (self.last, self.last_us) = (other.last, other.last_us);
        }
    }
}

/// The steps of a block by their place; those without a reading are not there.
pub(in crate::store) type Block = BTreeMap<i64, Sum>;

/// A sum of a step, into a block.
pub(in crate::store) fn add(block: &mut Block, place: i64, sum: &Sum) {
    block.entry(place).and_modify(|there| there.add(sum)).or_insert(*sum);
}

/// Writes a block.
pub(in crate::store) fn encode(block: &Block) -> Result<Vec<u8>, StoreError> {
    let mut out = Out::default();
    out.number(block.len() as u64);
    out.differences(block.keys().copied());
    let sums = || block.values();
    out.runs(sums().map(|sum| sum.count));
    out.runs(sums().map(|sum| sum.anomalies));
    // `last` before the others: where a step has one reading, all four columns are the same bytes.
    for column in [|sum: &Sum| sum.last, |sum: &Sum| sum.min, |sum: &Sum| sum.max, |sum: &Sum| sum.sum] {
        out.floats(&sums().map(column).collect::<Vec<_>>());
    }
    out.differences(sums().map(|sum| sum.last_us));
    out.finish(VERSION)
}

/// Reads a block.
pub(in crate::store) fn decode(grain: Grain, bytes: &[u8]) -> Result<Block, StoreError> {
    let opened = open(bytes, VERSION, MAX_OPENED)?;
    let mut read = In(&opened);
    let count = read.length()?;
    let places = read.differences(count)?;
    if !places.is_sorted_by(|a, b| a < b) || places.iter().any(|place| !(0..grain.slots()).contains(place)) {
        return Err(damaged("a step that is not in its block"));
    }
    let counts = read.runs(count, usize::MAX)?;
    let anomalies = read.runs(count, usize::MAX)?;
    let (last, min, max, sum) = (read.floats(count)?, read.floats(count)?, read.floats(count)?, read.floats(count)?);
    let last_us = read.differences(count)?;
    read.end()?;
    let of = |at: usize| Sum {
        count: counts[at] as u64,
        anomalies: anomalies[at] as u64,
        sum: sum[at],
        min: min[at],
        max: max[at],
        last: last[at],
        last_us: last_us[at],
    };
    Ok(places.into_iter().enumerate().map(|(at, place)| (place, of(at))).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_block_comes_back_and_adds_up() {
        let mut block = Block::new();
        for at in 0..5_000i64 {
            let time = 1_763_625_600_000_000 + at * 7_000_000;
            let (_, place) = Grain::Minute.place(time);
            add(&mut block, place, &Sum::of(at as f64 / 3.0, time, at % 100 == 0));
        }
        let bytes = encode(&block).unwrap();
        assert_eq!(decode(Grain::Minute, &bytes).unwrap(), block);
        assert_eq!(block.values().map(|sum| sum.count).sum::<u64>(), 5_000);
        assert_eq!(block.values().map(|sum| sum.anomalies).sum::<u64>(), 50);
        // The places of minutes are none of hours' blocks.
        assert!(decode(Grain::Hour, &bytes).is_err());
    }

    #[test]
    fn the_last_value_is_that_of_the_latest_time_however_late_it_came() {
        let mut sum = Sum::of(1.0, 20, false);
        sum.add(&Sum::of(2.0, 10, true));
        assert_eq!((sum.last, sum.count, sum.anomalies, sum.sum), (1.0, 2, 1, 3.0));
        sum.add(&Sum::of(5.0, 20, false));
        assert_eq!((sum.last, sum.min, sum.max), (5.0, 1.0, 5.0));
    }
}
