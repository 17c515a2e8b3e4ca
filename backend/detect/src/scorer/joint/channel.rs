//! One metric's part of what the joint scorer remembers: baseline, scales, place on the axes.

use super::{AXES, BOUND, CLIP, SMOOTHED, WAIT};
use crate::{
    DetectError,
    bytes::{Reader, Writer},
};

/// The baseline is the mean of all readings up to this many, later a mean with this memory.
pub(super) const MEMORY: u16 = 1000;
/// Deviations before correlations can be learnt from them: scales must be known.
pub(super) const SCALED: u16 = 16;
const LEAST_SCALE: f64 = 1e-30;

/// What is remembered of one metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Channel {
    pub(super) mean: f64,
    pub(super) scale: f32,
    /// Smoothed deviation from the mean, and its own scale.
    pub(super) smooth: f32,
    pub(super) smooth_scale: f32,
    pub(super) seen: u16,
    pub(super) axes: [i16; AXES],
}

impl Channel {
    pub(super) fn unit(&self, least: f64) -> f64 {
        f64::from(self.scale).max(least).max(LEAST_SCALE)
    }

    /// At least what smoothing leaves of white noise; more if the metric wanders.
    pub(super) fn smooth_unit(&self, least: f64) -> f64 {
        f64::from(self.smooth_scale).max(SMOOTHED.sqrt() * self.unit(least))
    }

    pub(super) fn learn(&mut self, deviation: f64, unit: f64) {
        self.seen = self.seen.saturating_add(1);
        let gain = 1.0 / f64::from(self.seen.min(MEMORY));
        let most = if self.seen > WAIT { CLIP * unit } else { BOUND };
        let deviation = deviation.clamp(-most, most);
        self.mean += gain * deviation;
        let scale = f64::from(self.scale);
        self.scale = (scale * scale + gain * (deviation * deviation - scale * scale)).sqrt() as f32;
        if self.seen > SCALED {
            let scale = f64::from(self.smooth_scale);
            let most = if self.seen > WAIT { CLIP * self.smooth_unit(0.0) } else { BOUND };
            let smooth = f64::from(self.smooth).clamp(-most, most);
            self.smooth_scale = (scale * scale + gain * (smooth * smooth - scale * scale)).sqrt() as f32;
        }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.f64(self.mean);
        for number in [self.scale, self.smooth, self.smooth_scale] {
            writer.f32(number);
        }
        writer.u16(self.seen);
        self.axes.iter().for_each(|axis| writer.u16(*axis as u16));
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        let mean = reader.f64()?;
        if mean.abs() > BOUND {
            return Err(reader.error("a mean of at most 1e30", mean));
        }
        let mut channel = Self {
            mean,
            scale: reader.scale()?,
            smooth: reader.f32()?,
            smooth_scale: reader.scale()?,
            seen: reader.u16()?,
            ..Self::default()
        };
        for axis in &mut channel.axes {
            *axis = reader.u16()? as i16;
        }
        Ok(channel)
    }
}
