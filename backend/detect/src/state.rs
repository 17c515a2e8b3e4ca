//! What is remembered about one device. Does not judge, and holds no names: a metric is known by a
//! 32-bit hash of its name, so a state can be exported without telling what was measured.
//!
//! Byte form, version 2, little-endian: `"ALDS"`, version u16, number of metrics u16, readings
//! u64, latest time i64, interval f32, habit f32, feedback f32, what is remembered of the device's
//! routine in the layout of `Routine::write` and its event, how far it has been from what is usual
//! in that of `Drift::write`, the policy in the layout of `rules::form`, what is remembered of the
//! metrics together in that of `Together::write`, then each metric in ascending order of its key in
//! the fixed layout of `Series::write`. At most 36 + 97 + 55 + 298 + 312 + 12 × 273 = 4074 bytes.

use sha2::{Digest, Sha256};

use crate::{
    Budget, DetectError, Feedback, Finding, Policy, Rule,
    adapt::feedback::Tuning,
    bytes::{Reader, Writer},
    calibrate::{self, Habit},
    episode::Episode,
    rules::Watches,
    scorer::{drift::Drift, routine::Routine},
    series::Series,
    together::Together,
};

/// Metrics that one device may have over its whole life. 12 states of 273 bytes fit into
/// [`MAX_STATE_BYTES`], beside rules and what is remembered of metrics together. A reading that
/// would need more is refused with [`DetectError::TooManyMetrics`] and changes nothing.
pub const MAX_METRICS: usize = 12;
/// No byte form of a state is longer.
pub const MAX_STATE_BYTES: usize = 4096;
const MAGIC: &[u8; 4] = b"ALDS";
const VERSION: u16 = 2;
/// Gain of the usual interval; single ones enter as at most four usual ones.
const INTERVAL: f64 = 0.05;
const LONGEST: f64 = 4.0;

/// Everything remembered about one device; a value, changed only by judging readings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceState {
    pub(crate) readings: u64,
    pub(crate) latest_ms: i64,
    /// Usual distance between readings in milliseconds; 0 while unknown.
    pub(crate) interval: f32,
    pub(crate) habit: Habit,
    pub(crate) tuning: Tuning,
    pub(crate) routine: Routine,
    /// The event that routine has reported.
    pub(crate) unusual: Episode,
    /// How far readings have been from what is usual.
    pub(crate) drift: Drift,
    pub(crate) rules: Watches,
    pub(crate) together: Together,
    /// Sorted by key.
    pub(crate) metrics: Vec<Series>,
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo). A device that makes two of its names collide on purpose only
/// blurs its own statistics.
pub(crate) fn key(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The upper half of [`key`], folded over the lower: how a metric is known within its device.
pub(crate) fn short_key(name: &str) -> u32 {
    let key = key(name);
    (key >> 32) as u32 ^ key as u32
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

    /// Takes in what a person found out about a reading that had this score. It moves the evidence
    /// that the model needs for an alarm: one answer by at most a factor of 2 in probability, all
    /// together by at most a factor of 8, and half of it is forgotten in two weeks. Rules stay.
    pub fn feedback(&mut self, feedback: Feedback, score: f64) {
        let limit = self.limit(f64::from(self.interval));
        self.tuning.hear(feedback, calibrate::strength(score), limit);
    }

    /// The evidence in nats at which the model alarms, for readings usually so far apart.
    pub(crate) fn limit(&self, interval_ms: f64) -> f64 {
        (calibrate::limit(self.rules.budget, interval_ms) + self.habit.nats() + self.tuning.nats()).max(1.0)
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
        writer.f32(self.interval);
        writer.f32(self.habit.0);
        writer.f32(self.tuning.0);
        self.routine.write(&mut writer);
        self.unusual.write(&mut writer);
        self.drift.write(&mut writer);
        self.rules.write(&mut writer);
        self.together.write(&mut writer);
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
        let (interval, habit) = (reader.scale()?, Habit(reader.scale()?));
        let tuning = Tuning(reader.f32()?);
        if !tuning.valid() {
            return Err(reader.error("feedback within its bounds", tuning.0));
        }
        let (routine, unusual) = (Routine::read(&mut reader)?, Episode::read(&mut reader)?);
        let drift = Drift::read(&mut reader)?;
        let rules = Watches::read(&mut reader)?;
        let together = Together::read(&mut reader)?;
        let metrics: Vec<Series> = (0..count).map(|_| Series::read(&mut reader)).collect::<Result<_, _>>()?;
        reader.end()?;
        if !metrics.is_sorted_by(|a, b| a.key < b.key) {
            return Err(reader.error("keys in ascending order", "another order"));
        }
        Ok(Self { readings, latest_ms, interval, habit, tuning, routine, unusual, drift, rules, together, metrics })
    }

    /// SHA-256 of the byte form.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.to_bytes()).into()
    }

    /// Readings judged so far, for statistics: no more than fit 32 bits.
    pub(crate) fn counted(&self) -> u32 {
        u32::try_from(self.readings).unwrap_or(u32::MAX)
    }

    /// One more reading; the usual interval before it in milliseconds, 0 while unknown.
    pub(crate) fn tick(&mut self, time_ms: i64) -> f64 {
        let before = f64::from(self.interval);
        if self.readings == 0 {
            self.latest_ms = time_ms;
        }
        let elapsed = time_ms.saturating_sub(self.latest_ms);
        if elapsed > 0 {
            let seen = if before > 0.0 { (elapsed as f64).min(LONGEST * before) } else { elapsed as f64 };
            let gain = INTERVAL.max(1.0 / (self.readings.max(1) as f64));
            self.interval = (before + gain * (seen - before)) as f32;
            self.habit.rest(elapsed);
            self.tuning.rest(self.latest_ms, time_ms);
            self.latest_ms = time_ms;
        }
        self.readings = self.readings.saturating_add(1);
        before
    }

    /// The position of a metric, added if it is new.
    pub(crate) fn position(&mut self, key: u32) -> usize {
        match self.metrics.binary_search_by_key(&key, |metric| metric.key) {
            Ok(position) => position,
            Err(position) => {
                let place = self.together.join();
                self.metrics.insert(position, Series { key, place, ..Default::default() });
                position
            }
        }
    }

    /// How many metrics there would be with these keys as well.
    pub(crate) fn count_with(&self, keys: impl Iterator<Item = u32>) -> usize {
        let known = |key: &u32| self.metrics.binary_search_by_key(key, |m| m.key).is_ok();
        self.metrics.len() + keys.filter(|key| !known(key)).count()
    }
}
