//! What is remembered of one metric of one device, what it makes of a new value, and how it takes
//! the value in. Sets no limits and reports nothing. Memory and time per value are constant.

mod course;
mod features;
mod learn;
mod season;
mod small;

pub use features::WARM_UP;
pub(crate) use features::{FEATURES, Feature, Measures};
pub(crate) use small::Size;

use crate::{
    DetectError,
    adapt::learning::LearningBudget,
    bytes::{Reader, Writer},
    episode::Episode,
};
use course::{Change, Run};
use season::{SLOTS, Season};
use small::Offset;

/// Beyond this size a value enters statistics as this size: its square fits 32 bits.
const LARGEST: f64 = 1e18;

/// The place of a metric that is not judged together with others.
pub(crate) const ALONE: u8 = u8::MAX;

/// The value as the statistics see it.
pub(crate) fn bounded(value: f64) -> f64 {
    value.clamp(-LARGEST, LARGEST)
}

/// What is remembered about one metric: 273 bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Series {
    /// The metric's name, hashed: see `state::short_key`. 32 bits: two of twelve names collide by
    /// chance once in 65 million devices, and then share their memory.
    pub(crate) key: u32,
    pub(crate) seen: u32,
    pub(crate) last_ms: i64,
    /// Readings that changed the value, up to 127, and whether it ever fell.
    pub(crate) changes: u8,
    pub(crate) last: f64,
    /// The value before, less the last.
    pub(crate) before: f32,
    /// Mean of the last 400 readings or so.
    pub(crate) level: f64,
    /// Means of the last 5 and 60 readings, less `level`.
    pub(crate) short: f32,
    pub(crate) middle: f32,
    /// Mean squared deviation from the short mean over 12 and 500 readings; single ones clipped.
    pub(crate) variance: f32,
    pub(crate) usual_variance: f32,
    /// Autocovariances at lags 0, 1 and 2 of deviations from `level`.
    pub(crate) covariance: [f32; 3],
    /// Exponentially weighted mean of the one-step residual in its own scale.
    pub(crate) drift: Offset,
    /// The same of the deviation from the season, in the metric's unit.
    pub(crate) off_season: Offset,
    /// Place among the metrics that are judged together, or [`ALONE`].
    pub(crate) place: u8,
    /// Mean absolute deviation from the short mean, of the one-step residual, from the season.
    pub(crate) scales: [f32; 3],
    /// Largest value of each feature so far, upwards and downwards, slowly forgotten.
    pub(crate) records: [[Size; 2]; FEATURES],
    /// Running high quantile of this metric's deviations against those of its group: 1 if alike.
    pub(crate) unlike: f32,
    /// Smallest change seen, 0 while there was none: the sensor's resolution.
    pub(crate) resolution: Size,
    pub(crate) season: Season,
    pub(crate) change: Change,
    pub(crate) run: Run,
    pub(crate) episode: Episode,
    pub(crate) budget: LearningBudget,
}

impl Series {
    /// Bytes of [`write`](Self::write).
    #[cfg(test)]
    pub(crate) const BYTES: usize = 273;

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u32(self.key);
        writer.u32(self.seen);
        writer.i64(self.last_ms);
        writer.u8(self.changes);
        writer.f64(self.last);
        writer.f64(self.level);
        for value in self.numbers() {
            writer.f32(value);
        }
        self.records.as_flattened().iter().for_each(|record| writer.u16(record.0));
        let season = &self.season;
        writer.u16(self.drift.0);
        writer.u16(self.off_season.0);
        writer.u8(self.place);
        writer.u16(self.resolution.0);
        writer.u8(season.slot);
        writer.u16(season.count);
        writer.u8(season.days);
        season.profile.iter().for_each(|offset| writer.u16(offset.0));
        writer.bytes(&season.visits);
        self.change.write(writer);
        self.run.write(writer);
        self.episode.write(writer);
        self.budget.write(writer);
    }

    fn numbers(&self) -> [f32; 14] {
        let [c0, c1, c2] = self.covariance;
        let [s0, s1, s2] = self.scales;
        [
            self.before,
            self.short,
            self.middle,
            self.season.anchor,
            self.season.sum,
            c1,
            c2,
            c0,
            self.variance,
            self.usual_variance,
            s0,
            s1,
            s2,
            self.unlike,
        ]
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        let mut series = Self {
            key: reader.u32()?,
            seen: reader.u32()?,
            last_ms: reader.i64()?,
            changes: reader.u8()?,
            last: value(reader)?,
            level: value(reader)?,
            before: reader.f32()?,
            short: reader.f32()?,
            middle: reader.f32()?,
            ..Self::default()
        };
        series.season.anchor = reader.f32()?;
        series.season.sum = reader.f32()?;
        let (c1, c2) = (reader.f32()?, reader.f32()?);
        series.covariance = [reader.scale()?, c1, c2];
        series.variance = reader.scale()?;
        series.usual_variance = reader.scale()?;
        series.scales = [reader.scale()?, reader.scale()?, reader.scale()?];
        series.unlike = reader.scale()?;
        for record in series.records.as_flattened_mut() {
            *record = Size::read(reader)?;
        }
        for offset in [&mut series.drift, &mut series.off_season] {
            *offset = Offset::read(reader)?;
        }
        series.place = reader.u8()?;
        series.resolution = Size::read(reader)?;
        series.season.slot = reader.u8()?;
        series.season.count = reader.u16()?;
        series.season.days = reader.u8()?;
        for offset in &mut series.season.profile {
            *offset = Offset::read(reader)?;
        }
        series.season.visits.copy_from_slice(reader.take(SLOTS / 4)?);
        series.change = Change::read(reader)?;
        series.run = Run::read(reader)?;
        series.episode = Episode::read(reader)?;
        series.budget = LearningBudget::read(reader)?;
        Ok(series)
    }
}

/// A value as the statistics see it; no other is ever written.
fn value(reader: &mut Reader<'_>) -> Result<f64, DetectError> {
    let value = reader.f64()?;
    if bounded(value) == value { Ok(value) } else { Err(reader.error("a value of at most 1e18", value)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_byte_form_has_the_stated_length() {
        let mut writer = Writer::default();
        Series::default().write(&mut writer);
        assert_eq!(writer.0.len(), Series::BYTES);
    }
}
