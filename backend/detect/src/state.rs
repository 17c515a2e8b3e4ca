//! What is remembered about one device. Does not judge, and holds no names: a metric is known by a
//! 64-bit hash of its name, so a state can be exported without telling what was measured.
//!
//! Byte form, version 2, little-endian: `"ALDS"`, version u16, number of metrics u16, readings
//! u64, latest time i64, the policy in the layout of `rules::form`, then each metric in ascending
//! order of its key in the fixed layout of `MetricState::write`. At most 24 + 298 + 12 × 292 =
//! 3826 bytes.

use sha2::{Digest, Sha256};

use crate::{
    Budget, DetectError, Finding, Policy, Rule,
    adapt::learning::LearningBudget,
    bytes::{Reader, Writer},
    rules::Watches,
};

/// Metrics that one device may have over its whole life. 12 states of 292 bytes fit into
/// [`MAX_STATE_BYTES`], beside the rules. A reading that would need more is refused with
/// [`DetectError::TooManyMetrics`] and changes nothing.
pub const MAX_METRICS: usize = 12;
/// No byte form of a state is longer.
pub const MAX_STATE_BYTES: usize = 4096;
/// Readings of a metric before it is judged.
pub const WARM_UP: u32 = 60;

const MAGIC: &[u8; 4] = b"ALDS";
const VERSION: u16 = 2;
/// Hours of a day, each with its own expectation.
pub(crate) const HOURS: usize = 24;

/// Everything remembered about one device; a value, changed only by judging readings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceState {
    pub(crate) readings: u64,
    pub(crate) latest_ms: i64,
    pub(crate) rules: Watches,
    /// Sorted by key.
    pub(crate) metrics: Vec<MetricState>,
}

/// What is remembered about one metric. Scales are means of absolute deviations.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MetricState {
    pub(crate) key: u64,
    pub(crate) seen: u32,
    pub(crate) last_ms: i64,
    /// Usual distance between readings in milliseconds.
    pub(crate) interval: f32,
    pub(crate) last: f64,
    pub(crate) before: f64,
    /// Fast level, not moved by values that are far from it.
    pub(crate) level: f64,
    pub(crate) mid: f64,
    pub(crate) slow: f64,
    /// Level of the values that are far from `level`, and how many in a row.
    pub(crate) away_level: f64,
    pub(crate) away: u16,
    pub(crate) step_scale: f32,
    /// As `step_scale`, over a longer time: what `turbulence` is compared with.
    pub(crate) calm_scale: f32,
    pub(crate) level_scale: f32,
    pub(crate) mid_scale: f32,
    pub(crate) slow_scale: f32,
    /// Mean absolute step of the last few readings.
    pub(crate) turbulence: f32,
    /// Smallest step seen, 0 while there was none: the sensor's resolution.
    pub(crate) resolution: f32,
    /// Range of the level, slowly closing.
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Running high quantile of this metric's own evidence.
    pub(crate) tail: f32,
    pub(crate) episode: Episode,
    pub(crate) budget: LearningBudget,
    pub(crate) hour: u8,
    pub(crate) season_scale: f32,
    pub(crate) season: [f32; HOURS],
    /// Days on which each hour was seen, up to 255.
    pub(crate) season_days: [u8; HOURS],
}

/// The event that is being reported, so that one event gives one finding.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Episode {
    /// What was reported last.
    pub(crate) reported: Reported,
    /// Highest evidence so far, in limits.
    pub(crate) peak: f32,
    /// Readings since evidence was last above the limit.
    pub(crate) quiet: u16,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reported {
    #[default]
    Nothing,
    Passing,
    Lasting,
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo). Two names of one device colliding by chance: 2^-57. A
/// device that makes them collide on purpose only blurs its own statistics.
pub(crate) fn key(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

impl DeviceState {
    /// A device that has not been seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A device that has not been seen yet, and what people ask of the detector for it.
    pub fn with_policy(policy: &Policy) -> Self {
        Self { rules: Watches::new(policy), ..Self::default() }
    }

    /// Takes on another policy. Rules that stay as they are keep how far they have come, so that a
    /// crossing that was reported is not reported again; new rules begin anew.
    pub fn set_policy(&mut self, policy: &Policy) {
        self.rules.set(policy);
    }

    /// Whether the state carries exactly this policy. (A state cannot give its policy back, as it
    /// holds no names.)
    pub fn follows(&self, policy: &Policy) -> bool {
        self.rules.follow(policy)
    }

    /// How often the model may be wrong about this device.
    pub fn budget(&self) -> Budget {
        self.rules.budget
    }

    /// What has sent no data for longer than a rule allows, at `now_ms` (milliseconds since 1970
    /// UTC, of the same clock as the readings), and has not been reported; it counts as reported
    /// from then on. None for a device without any reading. `policy` is the one that the state
    /// carries, and lends the names; a rule whose metric it does not name is passed over.
    ///
    /// Ask from time to time, and before each reading when going through stored ones: a reading
    /// itself only tells of silences that it ends.
    pub fn silence(&mut self, policy: &Policy, now_ms: i64) -> Option<Finding> {
        self.silence_of(policy.rules().iter().map(Rule::metric), now_ms)
    }

    /// As [`silence`](Self::silence), for whoever knows the metrics' names and not the policy: a
    /// finding that names its metrics can be computed again from the state alone.
    pub fn silence_of<'a>(&mut self, names: impl Iterator<Item = &'a str> + Clone, now_ms: i64) -> Option<Finding> {
        if self.readings == 0 {
            return None;
        }
        self.rules.silence(names, now_ms.saturating_sub(self.latest_ms))
    }

    /// Readings judged so far.
    pub fn readings(&self) -> u64 {
        self.readings
    }

    /// The versioned byte form, at most [`MAX_STATE_BYTES`] long.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer(Vec::with_capacity(MAX_STATE_BYTES));
        writer.bytes(MAGIC);
        writer.u16(VERSION);
        writer.u16(self.metrics.len() as u16);
        writer.u64(self.readings);
        writer.i64(self.latest_ms);
        self.rules.write(&mut writer);
        for metric in &self.metrics {
            metric.write(&mut writer);
        }
        writer.0
    }

    /// Reads the byte form back, bit for bit.
    ///
    /// # Errors
    /// [`DetectError::Version`] for another version, [`DetectError::Malformed`] for anything else
    /// that [`to_bytes`](Self::to_bytes) could not have written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DetectError> {
        let mut reader = Reader::new("device state", bytes);
        let magic = reader.take(4)?;
        if magic != MAGIC {
            return Err(reader.error("the mark ALDS", magic.escape_ascii()));
        }
        let version = reader.u16()?;
        if version != VERSION {
            let what = "the device state";
            return Err(DetectError::Version { what, expected: VERSION, actual: version });
        }
        let count = usize::from(reader.u16()?);
        if count > MAX_METRICS {
            return Err(DetectError::TooManyMetrics { actual: count, limit: MAX_METRICS });
        }
        let readings = reader.u64()?;
        let latest_ms = reader.i64()?;
        let rules = Watches::read(&mut reader)?;
        let metrics: Vec<MetricState> = (0..count).map(|_| MetricState::read(&mut reader)).collect::<Result<_, _>>()?;
        reader.end()?;
        if !metrics.is_sorted_by(|a, b| a.key < b.key) {
            return Err(reader.error("keys in ascending order", "another order"));
        }
        Ok(Self { readings, latest_ms, rules, metrics })
    }

    /// SHA-256 of the byte form.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.to_bytes()).into()
    }

    /// The position of a metric, added if it is new.
    pub(crate) fn position(&mut self, key: u64) -> usize {
        match self.metrics.binary_search_by_key(&key, |metric| metric.key) {
            Ok(position) => position,
            Err(position) => {
                self.metrics.insert(position, MetricState { key, ..Default::default() });
                position
            }
        }
    }

    /// How many metrics there would be with these keys as well.
    pub(crate) fn count_with(&self, keys: impl Iterator<Item = u64>) -> usize {
        let known = |key: &u64| self.metrics.binary_search_by_key(key, |m| m.key).is_ok();
        self.metrics.len() + keys.filter(|key| !known(key)).count()
    }
}

impl MetricState {
    fn write(&self, writer: &mut Writer) {
        writer.u64(self.key);
        writer.u32(self.seen);
        writer.i64(self.last_ms);
        writer.f32(self.interval);
        for value in [self.last, self.before, self.level, self.mid, self.slow, self.away_level, self.low, self.high] {
            writer.f64(value);
        }
        writer.u16(self.away);
        for scale in [
            self.step_scale,
            self.calm_scale,
            self.level_scale,
            self.mid_scale,
            self.slow_scale,
            self.turbulence,
            self.resolution,
            self.tail,
            self.season_scale,
            self.episode.peak,
        ] {
            writer.f32(scale);
        }
        writer.u8(self.episode.reported as u8);
        writer.u16(self.episode.quiet);
        self.budget.write(writer);
        writer.u8(self.hour);
        self.season.iter().for_each(|value| writer.f32(*value));
        writer.bytes(&self.season_days);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DetectError> {
        let mut metric = Self {
            key: reader.u64()?,
            seen: reader.u32()?,
            last_ms: reader.i64()?,
            interval: reader.scale()?,
            ..Default::default()
        };
        for value in [
            &mut metric.last,
            &mut metric.before,
            &mut metric.level,
            &mut metric.mid,
            &mut metric.slow,
            &mut metric.away_level,
            &mut metric.low,
            &mut metric.high,
        ] {
            *value = reader.f64()?;
        }
        metric.away = reader.u16()?;
        for scale in [
            &mut metric.step_scale,
            &mut metric.calm_scale,
            &mut metric.level_scale,
            &mut metric.mid_scale,
            &mut metric.slow_scale,
            &mut metric.turbulence,
            &mut metric.resolution,
            &mut metric.tail,
            &mut metric.season_scale,
            &mut metric.episode.peak,
        ] {
            *scale = reader.scale()?;
        }
        metric.episode.reported = match reader.u8()? {
            0 => Reported::Nothing,
            1 => Reported::Passing,
            2 => Reported::Lasting,
            other => return Err(reader.error("an episode of 0, 1 or 2", other)),
        };
        metric.episode.quiet = reader.u16()?;
        metric.budget = LearningBudget::read(reader)?;
        metric.hour = reader.u8()?;
        if usize::from(metric.hour) >= HOURS {
            return Err(reader.error("an hour below 24", metric.hour));
        }
        for value in &mut metric.season {
            *value = reader.f32()?;
        }
        metric.season_days.copy_from_slice(reader.take(HOURS)?);
        Ok(metric)
    }
}
