//! From evidence of any kind to −ln of the probability of evidence that high in the sample: what
//! makes scorers comparable, so that they can be added.

use crate::{
    DetectError,
    bytes::{Reader, Writer},
};

/// Keeps the fused evidence so small that no score rounds to 1.
const LEAST_STEP: f64 = 1e-6;
/// What sums of logarithms over 4,096 columns cannot reach.
const MOST_EVIDENCE: f64 = 1e6;

/// A rising curve through points (evidence, −ln p), and how it goes on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Calibration {
    points: Vec<(f64, f64)>,
    /// Evidence beyond the last point that makes it e times less probable.
    step: f64,
}

impl Calibration {
    /// Learns from the sample's evidence, at least one number. Beyond it, the tail is taken as
    /// exponential with the mean excess above the 90 % quantile.
    pub(super) fn fit(mut evidence: Vec<f64>) -> Self {
        evidence.sort_by(f64::total_cmp);
        let count = evidence.len();
        let mut ranks = Vec::new();
        let mut from_top = 1;
        while from_top <= count {
            ranks.push(count - from_top);
            from_top += (from_top / 8).max(1);
        }
        ranks.push(0);
        let mut values: Vec<f64> = ranks.into_iter().rev().map(|rank| evidence[rank]).collect();
        values.dedup();
        let point = |value: f64| {
            let below = evidence.partition_point(|other| *other < value);
            let upto = evidence.partition_point(|other| *other <= value);
            // Half of those that are equal count as beyond.
            (value, libm::log(2.0 * count as f64 / (2 * count - below - upto) as f64))
        };
        let quantile = evidence[(count - 1) * 9 / 10];
        let excess: Vec<f64> = evidence.iter().map(|value| value - quantile).filter(|excess| *excess > 0.0).collect();
        let mean = excess.iter().sum::<f64>() / excess.len() as f64;
        let size = evidence[count - 1].abs();
        let step = (if mean > 1e-9 * size { mean } else { 0.1 * size }).max(LEAST_STEP);
        Self { points: values.into_iter().map(point).collect(), step }
    }

    /// −ln of the probability: about 1 on average over the sample.
    pub(super) fn apply(&self, evidence: f64) -> f64 {
        let place = self.points.partition_point(|point| point.0 <= evidence);
        let Some(before) = place.checked_sub(1).map(|place| self.points[place]) else { return self.points[0].1 };
        let Some(after) = self.points.get(place) else { return before.1 + (evidence - before.0) / self.step };
        before.1 + (after.1 - before.1) * ((evidence - before.0) / (after.0 - before.0))
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u16(self.points.len() as u16);
        for point in &self.points {
            writer.f64(point.0);
            writer.f64(point.1);
        }
        writer.f64(self.step);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        let count = usize::from(reader.u16()?);
        let mut points: Vec<(f64, f64)> = Vec::new();
        for _ in 0..count {
            let point = (reader.f64()?, reader.f64()?);
            let rises = points.last().is_none_or(|last| last.0 < point.0 && last.1 <= point.1);
            if !rises || point.0.abs() > MOST_EVIDENCE || !(0.0..=100.0).contains(&point.1) {
                return Err(reader.error("rising points", format!("{point:?}")));
            }
            points.push(point);
        }
        let step = reader.f64()?;
        if points.is_empty() || step < LEAST_STEP {
            return Err(reader.error("at least one point, and a step above 0", format!("{count}, {step}")));
        }
        Ok(Self { points, step })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_itself_comes_out_exponential() {
        let evidence: Vec<f64> = (0..5000).map(|i| f64::from(i) * f64::from(i)).collect();
        let calibration = Calibration::fit(evidence.clone());
        assert!(calibration.points.len() < 100);
        let mean = evidence.iter().map(|value| calibration.apply(*value)).sum::<f64>() / 5000.0;
        assert!((mean - 1.0).abs() < 0.05, "{mean}");
        assert!(calibration.apply(-5.0) >= 0.0);
        assert!(calibration.apply(3e7) > calibration.apply(2.6e7));
        let flat = Calibration::fit(vec![0.0; 9]);
        assert!(flat.apply(0.0) < 1.0 && flat.apply(1.0) > 1.0);
    }
}
