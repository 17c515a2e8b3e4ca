//! One reading's metrics taken together: Hotelling's T² and the squared prediction error Q of
//! exponentially smoothed deviations. Sees lasting shifts that are small in every metric alone, and
//! patterns that break (heart rate and pulse that part). Knows no names and no time, reports
//! nothing, and judges no metric alone: that is the work of the series.
//!
//! Sources: Lowry, Woodall, Champ and Rigdon, "A multivariate exponentially weighted moving average
//! control chart", Technometrics 34 (1992); Jackson and Mudholkar, "Control procedures for
//! residuals associated with principal component analysis", Technometrics 21 (1979); Wilson and
//! Hilferty, "The distribution of chi-square", PNAS 17 (1931).
//!
//! What is remembered takes 28 bytes a metric and 2 a pair: 487 bytes for twelve metrics. While the
//! metrics together are far from their baseline, those that are far are not learnt from, so that a
//! lasting fault does not become the norm, while the others go on drifting along.

#![expect(clippy::needless_range_loop, reason = "matrices are read by row and column, as in the papers")]

mod algebra;
mod channel;
#[cfg(test)]
mod tests;

use crate::{
    DetectError,
    bytes::{Reader, Writer},
};
use algebra::{AXES, Factor, Square, refine};
use channel::{Channel, MEMORY, SCALED};

/// Metrics that can be judged together.
pub const MOST: usize = 12;
/// Share of a new deviation in the smoothed one: a memory of about twenty readings.
const SMOOTHING: f64 = 0.1;
/// Variance of smoothed white noise, relative to its own: λ/(2−λ).
const SMOOTHED: f64 = SMOOTHING / (2.0 - SMOOTHING);
/// Readings of a metric before it takes part.
const WAIT: u16 = 60;
/// A deviation teaches as at most this many of its scale …
const CLIP: f64 = 3.0;
/// … and speaks as at most this many, so that one spike is over after a few readings.
const CLIP_INPUT: f64 = 8.0;
/// Together this far from the baseline (a normal deviate), the metrics that are themselves …
const FAR: f64 = 3.7;
/// … this many scales from it teach nothing, …
const FAR_ALONE: f64 = 4.0;
/// … for this many readings, the memory of the baseline: then what lasts is the new baseline, learnt at the pace of the start.
const HOLD: u16 = 1000;
/// The correlations learnt from a device weigh against none at all as if this many readings had
/// taught that, and never more than four to one: it keeps the inverse tame.
const PRIOR_READINGS: f64 = 60.0;
const LEAST_PRIOR: f64 = 0.2;
/// The principal axes are turned after every so many readings.
const REFRESH: u32 = 16;
/// Fixed point of correlations and axes: 32767 is 1.
const ONE: f64 = 32767.0;
/// Values enter as at most this, so that no square overflows.
const BOUND: f64 = 1e30;

/// One metric's value as the joint scorer wants it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JointValue {
    /// The metric's position among the device's metrics.
    pub metric: usize,
    /// Its value, in any unit; better less what the season explains. Finite.
    pub value: f64,
    /// The least deviation that matters, in the same unit, so that a constant metric's first
    /// wiggle is no event. Not negative.
    pub least: f64,
}

/// How unusual a reading's metrics are together. The first three are standard normal deviates by
/// Wilson and Hilferty if deviations are normal: comparable whatever the number of metrics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JointMeasures {
    /// The smoothed deviations together, whatever their direction.
    pub distance: f64,
    /// Hotelling's T² in the principal subspace: the usual pattern, unusually large.
    pub t2: f64,
    /// The squared prediction error outside it: the pattern broken.
    pub q: f64,
    /// As `distance`, of this reading alone, not smoothed.
    pub point: f64,
    /// Metrics that took part.
    pub metrics: usize,
}

/// A metric's part in what was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JointShare {
    /// The metric's position.
    pub metric: usize,
    /// Its share of the distance, 0 to 1; shares add up to 1.
    pub share: f64,
    /// What the other metrics let expect of its recent mean, in the unit of its values.
    pub expected: f64,
    /// Standard deviation of that expectation's error, in the same unit.
    pub spread: f64,
}

/// What is remembered of one device's metrics together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Joint {
    readings: u32,
    /// Readings far from the baseline lately.
    held: u16,
    channels: Vec<Channel>,
    /// Correlations below the diagonal, row by row.
    correlations: Vec<i16>,
    /// Variance along each principal axis; 0 before the first refresh.
    strengths: [f32; AXES],
}

/// The deviations of one reading, gathered: all arrays run over the metrics that take part.
struct Gathered {
    count: usize,
    metrics: [usize; MOST],
    smooth: [f64; MOST],
    point: [f64; MOST],
}

impl Joint {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Metrics known.
    pub fn metrics(&self) -> usize {
        self.channels.len()
    }

    /// Makes room for one metric more, behind the others.
    ///
    /// # Errors
    /// [`DetectError::TooManyMetrics`] beyond [`MOST`].
    pub fn add(&mut self) -> Result<(), DetectError> {
        let count = self.channels.len();
        if count >= MOST {
            return Err(DetectError::TooManyMetrics { actual: count + 1, limit: MOST });
        }
        self.correlations.resize(pairs(count + 1), 0);
        self.channels.push(Channel { axes: algebra::start(count), ..Channel::default() });
        Ok(())
    }

    /// Judges one reading against the baseline and takes it in. None while fewer than two of its
    /// metrics are known well enough. Positions ascend; values of positions that do not exist or
    /// come twice are passed over.
    pub fn push(&mut self, values: &[JointValue]) -> Option<JointMeasures> {
        self.readings = self.readings.saturating_add(1);
        let gathered = self.gather(values);
        let measures = self.measure(&gathered);
        let far = measures.is_some_and(|measures| measures.distance > FAR);
        let held = if far { self.held.saturating_add(1) } else { self.held.saturating_sub(2) };
        self.held = if !far && self.held >= HOLD { 0 } else { held };
        if self.held == HOLD {
            self.relearn();
        }
        self.learn(values, far && self.held < HOLD);
        if self.readings.is_multiple_of(REFRESH) {
            self.refresh();
        }
        measures
    }

    /// Lets the baseline follow quickly, as at the start, because what was normal no longer is.
    pub fn relearn(&mut self) {
        self.held = HOLD;
        self.channels.iter_mut().for_each(|channel| channel.seen = channel.seen.min(WAIT));
    }

    /// Which metrics made the smoothed distance, after the reading was pushed.
    pub fn shares(&self, values: &[JointValue]) -> Vec<JointShare> {
        let gathered = self.standing(values);
        let Some(factor) = self.factor(&gathered) else { return Vec::new() };
        let (weighted, precisions) = factor.precision(&gathered.smooth);
        let parts = |i: usize| (gathered.smooth[i] * weighted[i]).max(0.0);
        let sum: f64 = (0..gathered.count).map(parts).sum();
        (0..gathered.count)
            .map(|i| {
                let channel = &self.channels[gathered.metrics[i]];
                let unit = channel.smooth_unit(0.0);
                let expected = channel.mean + (gathered.smooth[i] - weighted[i] / precisions[i]) * unit;
                let share = if sum > 0.0 { parts(i) / sum } else { 1.0 / gathered.count as f64 };
                let spread = unit / precisions[i].sqrt();
                JointShare { metric: gathered.metrics[i], share, expected, spread }
            })
            .collect()
    }

    /// Moves the smoothed deviations on, and gathers those of metrics known well enough.
    fn gather(&mut self, values: &[JointValue]) -> Gathered {
        for value in values {
            let Some(channel) = self.channels.get_mut(value.metric) else { continue };
            let number = value.value.clamp(-BOUND, BOUND);
            if channel.seen == 0 {
                channel.mean = number;
            }
            let mut deviation = number - channel.mean;
            if channel.seen >= WAIT {
                let most = CLIP_INPUT * channel.unit(value.least);
                deviation = deviation.clamp(-most, most);
            }
            let smooth = f64::from(channel.smooth);
            channel.smooth = (smooth + SMOOTHING * (deviation - smooth)) as f32;
        }
        self.standing(values)
    }

    fn standing(&self, values: &[JointValue]) -> Gathered {
        let mut gathered = Gathered { count: 0, metrics: [0; MOST], smooth: [0.0; MOST], point: [0.0; MOST] };
        for value in values {
            let Some(channel) = self.channels.get(value.metric) else { continue };
            let ascending = gathered.count == 0 || gathered.metrics[gathered.count - 1] < value.metric;
            if channel.seen < WAIT || !ascending {
                continue;
            }
            let deviation = value.value.clamp(-BOUND, BOUND) - channel.mean;
            gathered.metrics[gathered.count] = value.metric;
            gathered.smooth[gathered.count] = f64::from(channel.smooth) / channel.smooth_unit(value.least);
            gathered.point[gathered.count] = deviation / channel.unit(value.least);
            gathered.count += 1;
        }
        gathered
    }

    fn measure(&self, gathered: &Gathered) -> Option<JointMeasures> {
        let factor = self.factor(gathered)?;
        let count = gathered.count;
        let whole = factor.distance(&gathered.smooth);
        let (t2, axes) = self.principal(gathered, whole);
        Some(JointMeasures {
            distance: deviate(whole, count),
            t2: deviate(t2, axes),
            q: deviate(whole - t2, count - axes),
            point: deviate(factor.distance(&gathered.point), count),
            metrics: count,
        })
    }

    /// T² along the axes that hold more than one metric's variance, and their number: at least
    /// one, and fewer than there are metrics.
    fn principal(&self, gathered: &Gathered, whole: f64) -> (f64, usize) {
        let mut t2 = 0.0;
        let mut axes = 0;
        for (axis, strength) in self.strengths.iter().enumerate() {
            let strength = f64::from(*strength);
            if axes + 1 == gathered.count || (axes > 0 && strength <= 1.0) {
                break;
            }
            let along = |i: usize| f64::from(self.channels[gathered.metrics[i]].axes[axis]) / ONE * gathered.smooth[i];
            let size: f64 = (0..gathered.count).map(along).sum();
            t2 += size * size / strength.max(1.0);
            axes += 1;
        }
        // The axes are a few readings older than the correlations.
        (t2.min(whole), axes)
    }

    /// The correlations of the metrics that take part, drawn towards none, and factored.
    fn factor(&self, gathered: &Gathered) -> Option<Factor> {
        if gathered.count < 2 {
            return None;
        }
        let mut matrix: Square = [[0.0; MOST]; MOST];
        for i in 0..gathered.count {
            for j in 0..i {
                matrix[i][j] = self.correlation(gathered.metrics[i], gathered.metrics[j]);
            }
        }
        Some(Factor::of(matrix, gathered.count))
    }

    fn correlation(&self, a: usize, b: usize) -> f64 {
        let learnt = f64::from(self.channels[a].seen.min(self.channels[b].seen).saturating_sub(SCALED));
        let weight = (PRIOR_READINGS / (PRIOR_READINGS + learnt)).max(LEAST_PRIOR);
        let own = f64::from(self.correlations[pair(a, b)]) / ONE;
        own - weight * own
    }

    /// Takes the reading into baseline, scales and correlations; metrics that are far only if
    /// the reading as a whole is not.
    fn learn(&mut self, values: &[JointValue], far: bool) {
        let mut units = [None; MOST];
        for value in values {
            let Some(channel) = self.channels.get_mut(value.metric) else { continue };
            let unit = channel.unit(value.least);
            let deviation = value.value.clamp(-BOUND, BOUND) - channel.mean;
            let alone = f64::from(channel.smooth).abs() / channel.smooth_unit(value.least);
            if far && alone >= FAR_ALONE {
                continue;
            }
            channel.learn(deviation, unit);
            if !far && channel.seen > SCALED {
                units[value.metric] = Some((deviation / unit).clamp(-CLIP, CLIP));
            }
        }
        for a in 1..self.channels.len() {
            let Some(first) = units[a] else { continue };
            for b in 0..a {
                let Some(second) = units[b] else { continue };
                let seen = self.channels[a].seen.min(self.channels[b].seen) - SCALED;
                let old = f64::from(self.correlations[pair(a, b)]);
                let new = old + (first * second * ONE - old) / f64::from(seen.min(MEMORY));
                self.correlations[pair(a, b)] = fixed(new);
            }
        }
    }

    /// One step of orthogonal iteration: the axes turn towards the directions of most variance.
    fn refresh(&mut self) {
        let count = self.channels.len();
        if count < 2 {
            return;
        }
        let mut matrix: Square = [[0.0; MOST]; MOST];
        for i in 0..count {
            matrix[i][i] = 1.0;
            for j in 0..i {
                matrix[i][j] = self.correlation(i, j);
                matrix[j][i] = matrix[i][j];
            }
        }
        let mut axes = [[0.0; MOST]; AXES];
        for (axis, numbers) in axes.iter_mut().enumerate() {
            for (number, channel) in numbers.iter_mut().zip(&self.channels) {
                *number = f64::from(channel.axes[axis]) / ONE;
            }
        }
        let strengths = refine(&matrix, count, &mut axes);
        for (axis, numbers) in axes.iter().enumerate() {
            self.strengths[axis] = strengths[axis] as f32;
            for (number, channel) in numbers.iter().zip(&mut self.channels) {
                channel.axes[axis] = fixed(number * ONE);
            }
        }
    }

    /// The byte form, little-endian: metrics u8, readings u32, held u16, strengths 3 × f32; for
    /// each metric mean f64, scale, smoothed deviation and its scale f32, seen u16, axes 3 × i16;
    /// then the correlations i16.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.write(&mut writer);
        writer.0
    }

    /// Reads the byte form back, bit for bit.
    ///
    /// # Errors
    /// [`DetectError::Malformed`] for what [`to_bytes`](Self::to_bytes) could not have written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DetectError> {
        let mut reader = Reader::new("joint state", bytes);
        let joint = Self::read(&mut reader)?;
        reader.end()?;
        Ok(joint)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u8(self.channels.len() as u8);
        writer.u32(self.readings);
        writer.u16(self.held);
        self.strengths.iter().for_each(|strength| writer.f32(*strength));
        self.channels.iter().for_each(|channel| channel.write(writer));
        self.correlations.iter().for_each(|correlation| writer.u16(*correlation as u16));
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        let count = usize::from(reader.u8()?);
        if count > MOST {
            return Err(reader.error(format!("at most {MOST} metrics"), count));
        }
        let mut joint = Self { readings: reader.u32()?, held: reader.u16()?, ..Self::default() };
        for strength in &mut joint.strengths {
            *strength = reader.scale()?;
        }
        joint.channels = (0..count).map(|_| Channel::read(reader)).collect::<Result<_, _>>()?;
        joint.correlations = (0..pairs(count)).map(|_| Ok(reader.u16()? as i16)).collect::<Result<_, DetectError>>()?;
        Ok(joint)
    }
}

/// Where the pair of two different metrics lies in the triangle.
fn pair(a: usize, b: usize) -> usize {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    pairs(high) + low
}

/// Pairs among so many metrics.
fn pairs(count: usize) -> usize {
    count * count.saturating_sub(1) / 2
}

fn fixed(number: f64) -> i16 {
    libm::round(number.clamp(-ONE, ONE)) as i16
}

/// Wilson and Hilferty: the normal deviate of a chi-square number with so many degrees of freedom.
fn deviate(square: f64, freedom: usize) -> f64 {
    let ninth = 2.0 / (9.0 * freedom as f64);
    (libm::cbrt(square.max(0.0) / freedom as f64) - (1.0 - ninth)) / ninth.sqrt()
}
