//! Slows down who guesses: by name and by address.
//!
//! A number of tries is free; after that each failure doubles the wait. Nothing is locked for good: whoever is slowed down
//! by somebody else's guesses waits [`LONGEST`] at most.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
};

use crate::domain::Millis;

/// Tries of a name that cost nothing: people mistype.
const OF_NAME: u32 = 5;

/// Tries from an address: an office shares one.
const OF_ADDRESS: u32 = 20;

/// The longest wait: 15 minutes. At that rate 35,040 passwords can be tried in a year.
const LONGEST: i64 = 15 * 60 * 1_000;

/// After so long without a failure all is forgotten.
const FORGOTTEN: i64 = 60 * 60 * 1_000;

/// Names and addresses that are remembered, of each: 10,000 × about 100 bytes = 1 MB. When there are more, those that
/// wait least are forgotten: a flood of names from one address is slowed down by the address.
const REMEMBERED: usize = 10_000;

/// What it knows of a name or an address.
#[derive(Debug, Clone, Copy)]
struct Tries {
    failures: u32,
    last: Millis,
}

impl Tries {
    /// When the next try is allowed.
    fn until(self, free: u32) -> Millis {
        let Some(over) = self.failures.checked_sub(free) else { return self.last };
        // The first wait is a second.
        let wait = 1_000_i64.checked_shl(over).filter(|wait| over < 20 && *wait < LONGEST).unwrap_or(LONGEST);
        Millis(self.last.0 + wait)
    }
}

/// Names or addresses with their failures.
struct Table<K>(Mutex<HashMap<K, Tries>>);

impl<K: Eq + Hash + Clone> Table<K> {
    fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// How long this key still has to wait, in milliseconds; 0 if it may try.
    fn wait(&self, key: &K, free: u32, now: Millis) -> i64 {
        let tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tries.get(key).map_or(0, |tries| tries.until(free).since(now)).clamp(0, LONGEST)
    }

    fn failed(&self, key: K, free: u32, now: Millis) {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.len() >= REMEMBERED && !tries.contains_key(&key) {
            tries.retain(|_, tries| now.since(tries.last) < FORGOTTEN);
            if tries.len() >= REMEMBERED {
                let mut ends: Vec<i64> = tries.values().map(|tries| tries.until(free).0).collect();
                let (_, middle, _) = ends.select_nth_unstable(REMEMBERED / 2);
                let middle = *middle;
                tries.retain(|_, tries| tries.until(free).0 > middle);
            }
        }
        let entry = tries.entry(key).or_insert(Tries { failures: 0, last: now });
        if now.since(entry.last) >= FORGOTTEN {
            entry.failures = 0;
        }
        *entry = Tries { failures: entry.failures.saturating_add(1), last: now };
    }

    fn forgive(&self, key: &K, all: bool) {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all {
            tries.remove(key);
        } else if let Some(tries) = tries.get_mut(key) {
            tries.failures = tries.failures.saturating_sub(1);
        }
    }
}

/// Failures by name and by address.
pub(super) struct Throttle {
    names: Table<String>,
    addresses: Table<IpAddr>,
}

/// A try that is under way. It counts as a failure until it is known to be none, so that tries at the same time count.
pub(super) struct Try<'a> {
    throttle: &'a Throttle,
    name: Option<String>,
    address: IpAddr,
}

impl Throttle {
    pub(super) fn new() -> Self {
        Self { names: Table::new(), addresses: Table::new() }
    }

    /// Begins a try of a name, or of none, from an address.
    ///
    /// # Errors
    /// The seconds to wait, if it may not be tried now.
    pub(super) fn begin(&self, name: Option<&str>, address: IpAddr, now: Millis) -> Result<Try<'_>, u32> {
        let (name, address) = (name.map(str::to_owned), network(address));
        let of_name = name.as_ref().map_or(0, |name| self.names.wait(name, OF_NAME, now));
        let wait = of_name.max(self.addresses.wait(&address, OF_ADDRESS, now));
        if wait > 0 {
            return Err(u32::try_from(wait.saturating_add(999) / 1_000).unwrap_or(u32::MAX));
        }
        if let Some(name) = &name {
            self.names.failed(name.clone(), OF_NAME, now);
        }
        self.addresses.failed(address, OF_ADDRESS, now);
        Ok(Try { throttle: self, name, address })
    }
}

impl Try<'_> {
    /// It was not decided: neither a failure nor a success.
    pub(super) fn undecided(self) {
        if let Some(name) = &self.name {
            self.throttle.names.forgive(name, false);
        }
        self.throttle.addresses.forgive(&self.address, false);
    }

    /// It was no failure. The name's are forgotten; of the address's only this one, or who has one account could try
    /// others for ever.
    pub(super) fn succeeded(self) {
        if let Some(name) = &self.name {
            self.throttle.names.forgive(name, true);
        }
        self.throttle.addresses.forgive(&self.address, false);
    }
}

/// Whoever has one address of IPv6 has its network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => Ipv6Addr::from_bits(six.to_bits() >> 64 << 64).into(),
        four => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn address(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(number).into()
    }

    #[test]
    fn the_sixth_failure_of_a_name_costs_a_second_and_each_further_one_twice_as_much() {
        let throttle = Throttle::new();
        let mut now = Millis(0);
        for number in 0..5 {
            assert!(throttle.begin(Some("ada"), address(number), now).is_ok());
        }
        for (number, expected) in (5..).zip([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]) {
            assert_eq!(throttle.begin(Some("ada"), address(number), now).err(), Some(expected));
            assert!(throttle.begin(Some("bob"), address(number), now).is_ok(), "another name");
            now.0 += i64::from(expected) * 1_000;
            assert!(throttle.begin(Some("ada"), address(number), now).is_ok());
        }
        now.0 += FORGOTTEN;
        for number in 100..105 {
            assert!(throttle.begin(Some("ada"), address(number), now).is_ok(), "forgotten");
        }
    }

    #[test]
    fn success_forgives_the_name_and_not_the_address() {
        let throttle = Throttle::new();
        for _ in 0..4 {
            assert!(throttle.begin(Some("ada"), HOME, Millis(0)).is_ok());
        }
        throttle.begin(Some("ada"), HOME, Millis(0)).ok().unwrap().succeeded();
        for number in 0..16 {
            assert!(throttle.begin(Some(&format!("user{number}")), HOME, Millis(0)).is_ok(), "{number}");
        }
        assert!(throttle.begin(Some("ada"), HOME, Millis(0)).is_err(), "20 failures from one address");
        assert!(throttle.begin(Some("ada"), address(9), Millis(0)).is_ok());
    }

    #[test]
    fn one_network_of_ipv6_is_one_address() {
        let throttle = Throttle::new();
        for number in 0..20_u16 {
            let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, number).into();
            assert!(throttle.begin(None, address, Millis(0)).is_ok());
        }
        assert!(throttle.begin(None, "2001:db8:0:1::ffff".parse().unwrap(), Millis(0)).is_err());
        assert!(throttle.begin(None, "2001:db8:0:2::1".parse().unwrap(), Millis(0)).is_ok());
    }

    #[test]
    fn a_flood_of_names_takes_no_more_memory_and_keeps_who_waits_longest() {
        let throttle = Throttle::new();
        for number in 0..12 {
            throttle.names.failed("guessed".into(), OF_NAME, Millis(number));
        }
        for number in 0..3 * REMEMBERED {
            throttle.names.failed(number.to_string(), OF_NAME, Millis(100));
        }
        assert!(throttle.names.0.lock().unwrap().len() <= REMEMBERED);
        assert!(throttle.begin(Some("guessed"), HOME, Millis(100)).is_err());
    }
}
