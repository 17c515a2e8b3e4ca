//! The course of a metric: sums and runs over many readings that no single one gives away. Reports
//! nothing.
//!
//! [`Change`] is Page's test in two directions (Page 1954, Hinkley 1971) on the autoregression's
//! standardised residual. [`Run`] counts equal values in a row. Both are evidence by an exponential
//! tail, whose scale is what theory says of ordinary readings, or more where the metric itself
//! usually shows more.

use super::small::Size;
use crate::{
    DetectError,
    bytes::{Reader, Writer},
};

/// A residual of a mean this many standard deviations away is to be found: half of it is allowed.
const ALLOWED: f64 = 0.25;
/// Residuals enter as at most this many standard deviations: one far value is no change.
const CLIP: f64 = 3.0;
/// The sums are kept in steps of this, in sixteen bits.
const STEP: f64 = 1.0 / 256.0;
/// What a sum usually is is the mean over so many looks, …
const TIMES: f64 = 32.0;
/// … one every so many readings.
const EVERY: u32 = 64;
/// A new longest run teaches at most this many times the one before.
const MOST_TAUGHT: f64 = 2.0;
/// Runs whose lengths the usual one is the mean of.
const RUNS: f64 = 20.0;

/// Page's sums, upwards and downwards, and what the larger usually is: 6 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Change {
    up: u16,
    down: u16,
    usual: Size,
}

impl Change {
    /// The sums after a residual, in standard deviations.
    fn sums(self, residual: f64) -> [f64; 2] {
        let residual = residual.clamp(-CLIP, CLIP);
        let next = |sum: u16, step: f64| (f64::from(sum) * STEP + step - ALLOWED).max(0.0);
        [next(self.up, residual), next(self.down, -residual)]
    }

    /// Evidence in nats that the mean has changed. A sum reaches h in ordinary readings with
    /// probability exp(−2·[`ALLOWED`]·h) at most (Kingman, 1964), if residuals are independent;
    /// where they are not, sums are usually larger, and the tail is that of their mean.
    pub(crate) fn nats(self, residual: f64) -> f64 {
        let [up, down] = self.sums(residual);
        up.max(down) / (0.5 / ALLOWED).max(self.usual.get())
    }

    /// Takes in the residual of a metric that has been seen so often.
    pub(crate) fn learn(&mut self, residual: f64, readings: u32) {
        let sums = self.sums(residual);
        let [up, down] = sums.map(|sum| (sum / STEP + 0.5).min(f64::from(u16::MAX)) as u16);
        (self.up, self.down) = (up, down);
        if readings.is_multiple_of(EVERY) {
            let usual = self.usual.get();
            let times = f64::from(readings / EVERY).clamp(1.0, TIMES);
            self.usual = Size::new(usual + (sums[0].max(sums[1]) - usual) / times);
        }
    }

    /// After a report the test begins anew.
    pub(crate) fn restart(&mut self) {
        (self.up, self.down) = (0, 0);
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        [self.up, self.down, self.usual.0].into_iter().for_each(|number| writer.u16(number));
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        Ok(Self { up: reader.u16()?, down: reader.u16()?, usual: Size::read(reader)? })
    }
}

/// Equal values in a row: how many now, usually and at most so far: 6 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Run {
    /// Values that were equal to the one before.
    now: u16,
    /// Mean of the last runs.
    usual: Size,
    longest: Size,
}

impl Run {
    /// Evidence in nats that a value equal to the last one is stuck, for a metric that has been seen
    /// so often. Runs of a value that changes by chance have a geometric tail; of many, the longest
    /// is the logarithm of their number times the usual one.
    pub(crate) fn nats(self, readings: u32) -> f64 {
        let run = f64::from(self.now) + 1.0;
        let usual = 1.0 + self.usual.get();
        let runs = (f64::from(readings) / usual).max(8.0);
        run / usual.max(self.longest.get() / libm::log(runs))
    }

    /// Takes in whether the value was equal to the last one.
    pub(crate) fn learn(&mut self, equal: bool) {
        if equal {
            self.now = self.now.saturating_add(1);
            return;
        }
        let (run, usual) = (f64::from(self.now), self.usual.get());
        let taught = run.min(MOST_TAUGHT * self.longest.get().max(1.0 + usual));
        self.longest = self.longest.max(Size::new(taught));
        self.usual = Size::new(usual + (taught - usual) / RUNS);
        self.now = 0;
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        [self.now, self.usual.0, self.longest.0].into_iter().for_each(|number| writer.u16(number));
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        Ok(Self { now: reader.u16()?, usual: Size::read(reader)?, longest: Size::read(reader)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn a_small_lasting_change_adds_up_and_noise_does_not() {
        let mut random = Random::new(3);
        let mut change = Change::default();
        let mut most: f64 = 0.0;
        for reading in 0..5000 {
            let residual = 2.0 * (random.unit() + random.unit() + random.unit() - 1.5);
            if reading > 60 {
                most = most.max(change.nats(residual));
            }
            change.learn(residual, reading);
        }
        assert!(most < 9.0, "{most}");
        change.restart();
        for _ in 0..40 {
            change.learn(1.0, 5001);
        }
        assert!(change.nats(1.0) > 9.0, "{change:?}");
    }

    #[test]
    fn a_value_that_usually_changes_is_stuck() {
        let mut run = Run::default();
        for reading in 0..3000 {
            assert!(run.nats(reading + 8) < 7.0, "{reading} {run:?}");
            run.learn(reading % 3 != 0);
        }
        for _ in 0..20 {
            run.learn(true);
        }
        assert!(run.nats(3020) > 7.0, "{run:?}");
    }
}
