//! Extreme-value tails: how improbable a deviation is, told from the few largest known. Knows no
//! metrics and no time; sets no limits.
//!
//! Two sorts. [`Tail`] is a group's: above a high quantile deviations follow a Pareto law (the
//! generalised Pareto distribution with threshold and scale tied, Hill 1975), learnt from a
//! training sample. [`surprise`] is one metric's own: the largest deviation so far is the
//! threshold, and n readings without a larger one are the evidence.
//!
//! Evidence is in nats: minus the natural logarithm of a probability.

use crate::{
    DetectError,
    bytes::{Reader, Writer},
};

/// A tail begins where this share of the sample lies above.
const SHARE: f64 = 0.01;
/// −ln [`SHARE`].
const AT_THRESHOLD: f64 = 4.605_170_185_988_091;
/// No tail is believed to be lighter than this: a sample of a few thousand cannot tell.
const LEAST_SHAPE: f64 = 0.08;
/// Heavier than this hardly anything is improbable.
const MOST_SHAPE: f64 = 2.0;

/// The upper tail of one column in a group of devices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tail {
    threshold: f64,
    shape: f64,
}

impl Tail {
    /// Learns from values of any order; the least threshold keeps a column that hardly moves in
    /// the sample from making every movement improbable.
    pub(crate) fn learn(mut values: Vec<f64>, least: f64) -> Self {
        values.sort_by(f64::total_cmp);
        let above = ((values.len() as f64 * SHARE) as usize).max(1);
        let Some(split) = values.len().checked_sub(above + 1) else {
            return Self { threshold: least, shape: MOST_SHAPE };
        };
        let threshold = values[split].max(least);
        let excess: f64 = values[split + 1..].iter().map(|value| libm::log((value / threshold).max(1.0))).sum();
        Self { threshold, shape: (excess / above as f64).clamp(LEAST_SHAPE, MOST_SHAPE) }
    }

    /// Where the tail begins.
    pub(crate) fn threshold(&self) -> f64 {
        self.threshold
    }

    /// The Pareto shape: the mean logarithm of value over threshold.
    pub(crate) fn shape(&self) -> f64 {
        self.shape
    }

    /// How often the threshold is contained in a value.
    pub(crate) fn ratio(&self, value: f64) -> f64 {
        value / self.threshold
    }

    /// The evidence of a value that is `ratio` times the threshold; below it falls to 0 linearly.
    pub(crate) fn nats(&self, ratio: f64) -> f64 {
        if ratio <= 1.0 { AT_THRESHOLD * ratio.max(0.0) } else { AT_THRESHOLD + libm::log(ratio) / self.shape }
    }

    /// The factor by which a deviation beyond the threshold gives `nats` less evidence.
    pub(crate) fn shrink(&self, nats: f64) -> f64 {
        libm::exp(-nats.max(0.0) * self.shape)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.f64(self.threshold);
        writer.f64(self.shape);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        let tail = Self { threshold: reader.f64()?, shape: reader.f64()? };
        if tail.threshold > 0.0 && (LEAST_SHAPE..=MOST_SHAPE).contains(&tail.shape) {
            return Ok(tail);
        }
        Err(reader.error("a threshold above 0 and a shape of 0.08 to 2", format!("{tail:?}")))
    }
}

/// Readings beyond which more make no record more surprising: the memory of records.
const MOST_READINGS: f64 = 3000.0;
/// A record by this part of the span so far is one nat more surprising, once the span is known …
const MARGIN: f64 = 0.015;
/// … by this many readings, or a full day. Before, it takes the more the less is known, …
const GROWN: f64 = 2000.0;
const DAY_MS: f64 = 86_400_000.0;
/// … at most this many times as much.
const YOUNGEST: f64 = 0.1;
/// Up to so many nats evidence grows with the excess, beyond with its logarithm.
const LINEAR: f64 = 20.0;

/// How well a metric's range is known after so many readings at so many milliseconds: 0.1 to 1.
pub(crate) fn maturity(readings: u32, interval_ms: f64) -> f64 {
    let readings = f64::from(readings);
    (readings / GROWN).max(readings * interval_ms / DAY_MS).clamp(YOUNGEST, 1.0)
}

/// Evidence of a new record in one feature, after `readings`: the larger the record before them,
/// the longer it stood, and the wider the margin by which it is broken, the more.
///
/// A record after n readings has probability 1/n whatever the distribution (Rényi, 1962); as
/// neighbouring readings are alike, the root of n is counted. What the margin adds is an
/// exponential tail in the span of the feature.
pub(crate) fn surprise(readings: u32, maturity: f64, excess: f64) -> f64 {
    let margin = excess * maturity / MARGIN;
    let margin = if margin > LINEAR { LINEAR + libm::log(margin / LINEAR) } else { margin };
    0.5 * libm::log(f64::from(readings).min(MOST_READINGS)) + margin
}

/// Several features' evidence as one: their sixth-power mean, which lies a little above the
/// largest and lets witnesses that agree add up. `sum` is of sixth powers.
pub(crate) fn together(sum: f64) -> f64 {
    libm::sqrt(libm::cbrt(sum))
}

/// x⁶ without a transcendental function.
pub(crate) fn sixth(x: f64) -> f64 {
    let square = x * x;
    square * square * square
}
