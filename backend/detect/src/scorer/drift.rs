//! ADWIN (Bifet and Gavaldà, 2007), bounded: whether the later part of a window has another mean
//! than the earlier. Reports nothing.
//!
//! The window is an exponential histogram over blocks of [`BLOCK`] readings' deviations between 0
//! and 1: two buckets of each length, ten lengths, 32,736 readings. Blocks and not readings are
//! counted, as neighbouring readings are alike. The variance of a number between 0 and 1 is at most
//! μ(1 − μ); that is used for it.

use crate::{
    DetectError,
    bytes::{Reader, Writer},
};

/// Readings in the shortest bucket.
const BLOCK: u8 = 16;
const LEVELS: usize = 10;
const EACH: usize = 2;
/// The probability of finding a change where there is none.
const DELTA: f64 = 0.002;
/// Both parts are at least a day, or this many readings: a night is no drift.
const LEAST_READINGS: f64 = 2000.0;
const DAY_MS: f64 = 86_400_000.0;

/// The window: 55 bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Drift {
    sum: f32,
    count: u8,
    /// Buckets of each length that are in use, and their means in 65,535ths, oldest first.
    used: [u8; LEVELS],
    means: [[u16; EACH]; LEVELS],
}

impl Drift {
    /// Takes in a deviation between 0 and 1; true if deviations have become larger than they were.
    /// Then the window is what came after.
    pub(crate) fn push(&mut self, deviation: f64, interval_ms: f64) -> bool {
        self.sum = (f64::from(self.sum) + deviation) as f32;
        self.count += 1;
        if self.count < BLOCK {
            return false;
        }
        let mean = f64::from(self.sum) / f64::from(BLOCK) * f64::from(u16::MAX);
        (self.sum, self.count) = (0.0, 0);
        self.insert((mean + 0.5) as u16);
        let least = (DAY_MS / interval_ms.max(1.0)).min(LEAST_READINGS);
        self.cut(least)
    }

    fn insert(&mut self, mut mean: u16) {
        for (used, means) in self.used.iter_mut().zip(&mut self.means) {
            if usize::from(*used) < EACH {
                means[usize::from(*used)] = mean;
                *used += 1;
                return;
            }
            // The two oldest become one of the next length.
            let older = (u32::from(means[0]) + u32::from(means[1])).div_ceil(2) as u16;
            *means = [mean, 0];
            *used = 1;
            mean = older;
        }
    }

    /// Forgets what is older than a change; true if deviations have grown.
    fn cut(&mut self, least: f64) -> bool {
        let (mut length, mut total) = (0.0, 0.0);
        for (level, mean) in self.buckets() {
            length += weight(level);
            total += weight(level) * mean;
        }
        let mean = total / length;
        let spread = libm::log(2.0 * libm::log(length.max(3.0)) / DELTA);
        let (mut late, mut sum) = (0.0, 0.0);
        let mut found = None;
        for (level, value) in self.buckets() {
            let early = length - late;
            if late >= least && early >= least {
                let harmonic = 1.0 / (1.0 / late + 1.0 / early);
                let limit = libm::sqrt(2.0 / harmonic * mean * (1.0 - mean) * spread) + 2.0 / (3.0 * harmonic) * spread;
                let grown = sum / late - (total - sum) / early;
                if grown.abs() > limit {
                    found = Some((level, grown > 0.0));
                    break;
                }
            }
            late += weight(level);
            sum += weight(level) * value;
        }
        let Some((level, grown)) = found else { return false };
        self.used[level..].fill(0);
        grown
    }

    /// Lengths and means, latest first.
    fn buckets(&self) -> impl Iterator<Item = (usize, f64)> {
        (0..LEVELS).flat_map(move |level| {
            (0..usize::from(self.used[level])).rev().map(move |place| (level, self.mean(level, place)))
        })
    }

    fn mean(&self, level: usize, place: usize) -> f64 {
        f64::from(self.means[level][place]) / f64::from(u16::MAX)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.f32(self.sum);
        writer.u8(self.count);
        writer.bytes(&self.used);
        self.means.as_flattened().iter().for_each(|mean| writer.u16(*mean));
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        let mut drift = Self { sum: reader.scale()?, count: reader.u8()?, ..Self::default() };
        drift.used.copy_from_slice(reader.take(LEVELS)?);
        if drift.count >= BLOCK || drift.used.iter().any(|used| usize::from(*used) > EACH) {
            return Err(reader.error("a window's counts", format!("{} {:?}", drift.count, drift.used)));
        }
        for mean in drift.means.as_flattened_mut() {
            *mean = reader.u16()?;
        }
        Ok(drift)
    }
}

/// Readings in a bucket.
fn weight(level: usize) -> f64 {
    f64::from(u32::from(BLOCK) << level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    const MINUTE: f64 = 60_000.0;

    #[test]
    fn what_stays_is_no_drift_and_what_grew_is_one() {
        let mut random = Random::new(7);
        let mut drift = Drift::default();
        for reading in 0..50_000 {
            assert!(!drift.push(0.6 * random.unit(), MINUTE), "{reading}");
        }
        let grown = (0..10_000).position(|_| drift.push(0.3 + 0.6 * random.unit(), MINUTE));
        assert!(grown.is_some_and(|readings| (100..3000).contains(&readings)), "{grown:?}");
        // What got smaller is forgotten without a word.
        assert!((0..20_000).all(|_| !drift.push(0.2 * random.unit(), MINUTE)));
    }

    #[test]
    fn the_byte_form_comes_back() {
        let mut drift = Drift::default();
        for reading in 0..777 {
            drift.push(f64::from(reading % 10) / 10.0, MINUTE);
        }
        let mut writer = Writer::default();
        drift.write(&mut writer);
        assert_eq!(writer.0.len(), 55);
        let mut reader = Reader::new("window", &writer.0);
        assert_eq!(Drift::read(&mut reader).unwrap(), drift);
        reader.end().unwrap();
        writer.0[5] = 3;
        assert!(Drift::read(&mut Reader::new("window", &writer.0)).is_err());
    }
}
