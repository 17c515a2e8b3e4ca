//! A device's metrics judged together: the joint scorer's deviates put into the row and on the scale
//! of evidence, and the event that they are reported as. Judges no metric alone.

use crate::{
    DetectError,
    bytes::{Reader, Writer},
    calibrate,
    episode::Episode,
    group::Group,
    row::{self, Row},
    scorer::{
        joint::{Joint, JointMeasures, JointValue},
        tails::{maturity, surprise},
    },
    series::{ALONE, Size},
};

/// Metrics that are judged together: the first of a device. 299 bytes of its state.
pub(crate) const MOST_TOGETHER: usize = 8;
/// A record of the distance does not mean anything below this deviate …
const LEAST_DISTANCE: f64 = 6.0;
/// … nor before this many readings.
const RIPE: u32 = 300;
/// Short of a record a distance is evidence too, but never as much as this part of the limit: the
/// share of it that the distance has in itself and [`HALF`].
const NEAR: f64 = 0.9;
const HALF: f64 = 8.0;

/// What is remembered of a device's metrics together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Together {
    joint: Joint,
    /// Largest distance so far.
    record: Size,
    pub(crate) episode: Episode,
}

/// The values of one reading that are judged together, in the order of their places.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gathered {
    values: [Option<JointValue>; MOST_TOGETHER],
}

impl Gathered {
    /// Takes in a value at its metric's place, if that has one.
    pub(crate) fn add(&mut self, place: u8, value: f64, least: f64) {
        if let Some(slot) = self.values.get_mut(usize::from(place)) {
            *slot = Some(JointValue { metric: usize::from(place), value, least });
        }
    }

    fn with<T>(&self, then: impl FnOnce(&[JointValue]) -> T) -> T {
        let mut values = [JointValue { metric: 0, value: 0.0, least: 0.0 }; MOST_TOGETHER];
        let mut count = 0;
        for value in self.values.iter().flatten() {
            values[count] = *value;
            count += 1;
        }
        then(&values[..count])
    }
}

/// The metric that stands out most from the others.
pub(crate) struct Outstanding {
    pub(crate) place: u8,
    pub(crate) expected: f64,
    pub(crate) spread: f64,
}

impl Together {
    /// A place for one metric more.
    pub(crate) fn join(&mut self) -> u8 {
        let place = self.joint.metrics();
        if place >= MOST_TOGETHER || self.joint.add().is_err() {
            return ALONE;
        }
        place as u8
    }

    /// Judges and takes in one reading; its deviates go into the row.
    pub(crate) fn push(&mut self, gathered: &Gathered, row: &mut Row) -> Option<JointMeasures> {
        let measures = gathered.with(|values| self.joint.push(values))?;
        row::add_joint(row, &measures);
        Some(measures)
    }

    /// What was normal no longer is.
    pub(crate) fn relearn(&mut self) {
        self.joint.relearn();
    }

    /// The deviates' evidence: by the group's tails, or by the device's own record.
    pub(crate) fn hear(
        &mut self,
        measures: &JointMeasures,
        group: &Group,
        readings: u32,
        interval_ms: f64,
        limit: f64,
        others: f64,
    ) -> f64 {
        let by_group = group.evidence_together(measures);
        let distance = measures.distance.max(0.0);
        let record = self.record.get().max(LEAST_DISTANCE);
        let excess = (distance - record) / record;
        let near = NEAR * limit * distance / (distance + HALF);
        let own = match excess > 0.0 && readings >= RIPE {
            true => calibrate::of_records(surprise(readings, maturity(readings, interval_ms), excess)) - others,
            false => 0.0,
        };
        let own = own.max(near);
        if distance > self.record.get() {
            self.record = Size::new(distance);
        }
        by_group.max(own)
    }

    /// Who stands out, after the reading was pushed.
    pub(crate) fn outstanding(&self, gathered: &Gathered) -> Option<Outstanding> {
        let shares = gathered.with(|values| self.joint.shares(values));
        let most = shares.iter().max_by(|a, b| a.share.total_cmp(&b.share))?;
        Some(Outstanding { place: most.metric as u8, expected: most.expected, spread: most.spread })
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        self.joint.write(writer);
        writer.u16(self.record.0);
        self.episode.write(writer);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        let joint = Joint::read(reader)?;
        if joint.metrics() > MOST_TOGETHER {
            return Err(reader.error("at most 8 metrics together", joint.metrics()));
        }
        Ok(Self { joint, record: Size::read(reader)?, episode: Episode::read(reader)? })
    }
}
