//! Recent ordinary rows of a group of devices, of bounded size. Trains nothing, and does not decide
//! what is ordinary: who offers a row says so.
//!
//! Rows are kept by weighted sampling without replacement (Efraimidis and Spirakis, 2006), in the
//! form of the Gumbel trick, with weights that double every half-life (forward decay: Cormode,
//! Shkapenyuk, Srivastava and Xu, 2009): the priority of a row is `ln 2 · time / half-life − ln(−ln u)`,
//! where u comes from the seed, the device and the time. The rows with the highest priorities are
//! kept, of each device at most its quota. So what is kept does not depend on the order of arrival,
//! a row that is offered twice counts once, and a device cannot get more than its quota by
//! sending more.
//!
//! Times are those of who accepts readings: a device that could date its rows ahead could crowd
//! out the others', up to its quota.

use std::collections::{BTreeMap, BTreeSet};

use crate::{DetectError, TrainingSample, random::Random, row::Row, state::key};

const DAY_MS: f64 = 86_400_000.0;
/// 64 bytes and a tree's overhead each: at most about 200 MB.
const MOST_ROWS: usize = 1_000_000;

/// How much a reservoir keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReservoirSpec {
    /// Rows altogether, 256 to 1,000,000.
    pub capacity: usize,
    /// The largest share of the capacity that one device may fill, above 0 and at most 1.
    pub device_share: f64,
    /// A row half that many days older is kept half as often; above 0.
    pub half_life_days: f64,
    /// Determines everything random.
    pub seed: u64,
}

impl Default for ReservoirSpec {
    /// 20,000 rows, at most a twentieth of them from one device, half-life one week.
    fn default() -> Self {
        Self { capacity: 20_000, device_share: 0.05, half_life_days: 7.0, seed: 0 }
    }
}

/// The order in which rows are kept: the priority in a form that sorts as it does, then device and
/// time.
type Rank = (u64, u64, i64);

/// Recent ordinary rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Reservoir {
    spec: ReservoirSpec,
    quota: usize,
    rows: BTreeMap<Rank, Row>,
    devices: BTreeMap<u64, BTreeSet<Rank>>,
}

impl Reservoir {
    /// An empty reservoir.
    ///
    /// # Errors
    /// [`DetectError::Parameter`] for a parameter outside its range.
    pub fn new(spec: ReservoirSpec) -> Result<Self, DetectError> {
        let wrong = |name, expected, actual: String| Err(DetectError::Parameter { name, expected, actual });
        if !(256..=MOST_ROWS).contains(&spec.capacity) {
            return wrong("capacity", "256 to 1000000", spec.capacity.to_string());
        }
        if !(spec.device_share > 0.0 && spec.device_share <= 1.0) {
            return wrong("device_share", "above 0 and at most 1", spec.device_share.to_string());
        }
        if !(spec.half_life_days > 0.0 && spec.half_life_days.is_finite()) {
            return wrong("half_life_days", "above 0", spec.half_life_days.to_string());
        }
        let quota = ((spec.capacity as f64 * spec.device_share) as usize).max(1);
        Ok(Self { spec, quota, rows: BTreeMap::new(), devices: BTreeMap::new() })
    }

    /// Rows kept.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Rows kept of one device.
    pub fn of_device(&self, device: &str) -> usize {
        self.devices.get(&key(device)).map_or(0, BTreeSet::len)
    }

    /// Rows that one device may fill.
    pub fn quota(&self) -> usize {
        self.quota
    }

    /// Whether a row of this device and time would be kept: ask before computing it.
    pub fn wants(&self, device: &str, time_ms: i64) -> bool {
        let rank = self.rank(device, time_ms);
        let above = |ranks: Option<&Rank>| ranks.is_none_or(|least| rank > *least);
        let own = self.devices.get(&rank.1);
        let fits_quota = own.is_none_or(|own| own.len() < self.quota || above(own.first()));
        let fits = self.rows.len() < self.spec.capacity || above(self.rows.first_key_value().map(|(rank, _)| rank));
        fits_quota && fits && !self.rows.contains_key(&rank)
    }

    /// Offers the row of an ordinary reading: one without a finding, outside any event that was
    /// reported. Whether it was kept.
    ///
    /// # Errors
    /// [`DetectError::NotFinite`] for a row that contains NaN or infinity.
    pub fn offer(&mut self, device: &str, time_ms: i64, row: Row) -> Result<bool, DetectError> {
        if let Some(actual) = row.iter().find(|number| !number.is_finite()) {
            let metric = "a feature".to_owned();
            return Err(DetectError::NotFinite { metric, actual: f64::from(*actual) });
        }
        if !self.wants(device, time_ms) {
            return Ok(false);
        }
        let rank = self.rank(device, time_ms);
        let own = self.devices.entry(rank.1).or_default();
        own.insert(rank);
        let least = if own.len() > self.quota { own.first().copied() } else { None };
        self.rows.insert(rank, row);
        if let Some(least) = least {
            self.remove(least);
        } else if self.rows.len() > self.spec.capacity
            && let Some((&least, _)) = self.rows.first_key_value()
        {
            self.remove(least);
        }
        Ok(true)
    }

    /// Takes out what a device sent from `from_ms` to `to_ms`, both included: an anomaly there was
    /// confirmed. The number of rows that went.
    pub fn withdraw(&mut self, device: &str, from_ms: i64, to_ms: i64) -> usize {
        let own = self.devices.get(&key(device)).into_iter().flatten();
        let gone: Vec<Rank> = own.filter(|rank| (from_ms..=to_ms).contains(&rank.2)).copied().collect();
        gone.iter().for_each(|rank| self.remove(*rank));
        gone.len()
    }

    /// The rows, in an order that depends on nothing but what they are.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    /// The rows as a training sample.
    pub fn sample(&self) -> TrainingSample {
        TrainingSample { rows: self.rows().copied().collect() }
    }

    fn remove(&mut self, rank: Rank) {
        self.rows.remove(&rank);
        if let Some(own) = self.devices.get_mut(&rank.1) {
            own.remove(&rank);
            if own.is_empty() {
                self.devices.remove(&rank.1);
            }
        }
    }

    fn rank(&self, device: &str, time_ms: i64) -> Rank {
        let device = key(device);
        // Three rounds of mixing: seed, device, time.
        let mut seed = self.spec.seed;
        for part in [device, time_ms as u64] {
            seed = Random::new(seed ^ part).next_u64();
        }
        let uniform = Random::new(seed).unit().max(f64::MIN_POSITIVE);
        let gumbel = -libm::log((-libm::log(uniform)).max(f64::MIN_POSITIVE));
        let age = time_ms as f64 / (self.spec.half_life_days * DAY_MS);
        (sortable(std::f64::consts::LN_2 * age + gumbel), device, time_ms)
    }
}

/// The bits of a number in an order that is that of the numbers.
fn sortable(number: f64) -> u64 {
    let bits = number.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}
