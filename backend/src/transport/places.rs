//! Places for connections: how many there are, and how many one address may have.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Proxies;

/// Connections that the service is made for: 10,000 that are idle and 1,000 that are busy, and an eighth more for those
/// that come while others go.
const WANTED: u64 = 11_000 + 11_000 / 8;

/// Files that are not connections: the store has 3 for each of its 32 reads at a time and a few for writing, the chain's
/// client, links to other brokers, logs and the pages of certificates have the rest.
const OTHERS: u64 = 512;

/// Of one address at most: a twelfth of all, so that it takes twelve strangers to shut everybody out, while a gateway
/// with some hundreds of devices behind it works. Proxies and this machine may have all.
const PER_ADDRESS: usize = 1_024;

/// The places of a service. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
    per_address: usize,
    trusted: Proxies,
}

/// A place that nobody has yet.
pub(super) struct Free {
    permit: OwnedSemaphorePermit,
    places: Places,
}

/// A place, until this is dropped.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    /// Where it is counted.
    of: Option<(IpAddr, Places)>,
}

impl Places {
    /// As many as this process may open files for, after raising that to what the system allows.
    pub(crate) fn of_process(trusted: Proxies) -> Self {
        let files = raise_file_limit();
        // A process with very few files keeps half of them for what is no connection.
        let connections = files.saturating_sub(OTHERS).max(files / 2).min(WANTED);
        if connections < WANTED {
            tracing::warn!(
                "this process may open {files} files: at most {connections} connections at a time (raise the hard limit \
                 of open files to {} for {WANTED})",
                WANTED + OTHERS
            );
        }
        Self::new(connections as usize, PER_ADDRESS, trusted)
    }

    fn new(all: usize, per_address: usize, trusted: Proxies) -> Self {
        Self { free: Arc::new(Semaphore::new(all)), taken: Arc::default(), per_address, trusted }
    }

    /// So many for all, without a limit for one address.
    #[cfg(test)]
    pub(crate) fn limited(all: usize) -> Self {
        Self::new(all, usize::MAX, Proxies::default())
    }

    /// Whether who comes from this address may come without TLS: from this machine, or a proxy that has ended it.
    pub(super) fn vouched(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_loopback() || self.trusted.contains(address)
    }

    /// Waits for a place.
    pub(super) async fn any(&self) -> Free {
        // Never closed.
        let permit = match Arc::clone(&self.free).acquire_owned().await {
            Ok(permit) => permit,
            Err(_) => std::future::pending().await,
        };
        Free { permit, places: self.clone() }
    }
}

impl Free {
    /// Gives the place to a connection from this address; `None` if it has as many as it may.
    pub(super) fn for_address(self, address: IpAddr) -> Option<Place> {
        let Self { permit, places } = self;
        let address = address.to_canonical();
        if places.vouched(address) {
            return Some(Place { _permit: permit, of: None });
        }
        let counted = network(address);
        let mut taken = places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(counted).or_default();
        if *count >= places.per_address {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(Place { _permit: permit, of: Some((counted, places)) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((address, places)) = &self.of else { return };
        let mut taken = places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(address);
            }
        }
    }
}

/// Whom an address belongs to: of IPv6, one customer has at least 64 bits to choose from.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(ip) => Ipv6Addr::from(u128::from(ip) & !u128::from(u64::MAX)).into(),
    }
}

/// Lets this process open as many files as the system allows it, and says how many.
fn raise_file_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    let current = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    // None is without a limit.
    current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_tls_only_this_machine_and_proxies_come_in() {
        let places = Places::new(10, 2, "10.9.0.0/16".parse().unwrap());
        for (address, vouched) in [
            ("127.0.0.1", true),
            ("::ffff:127.9.9.9", true),
            ("::1", true),
            ("10.9.3.3", true),
            ("::ffff:10.9.3.3", true),
            ("10.8.3.3", false),
            ("192.0.2.1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(places.vouched(address.parse().unwrap()), vouched, "{address}");
        }
    }

    #[tokio::test]
    async fn one_address_has_so_many_and_no_more() {
        let places = Places::new(10, 2, "10.9.0.0/16".parse().unwrap());
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let first = places.any().await.for_address(one).unwrap();
        let _second = places.any().await.for_address("::ffff:192.0.2.1".parse().unwrap()).unwrap();
        assert!(places.any().await.for_address(one).is_none());
        let _other = places.any().await.for_address("192.0.2.2".parse().unwrap()).unwrap();
        drop(first);
        let _again = places.any().await.for_address(one).unwrap();
        let mut free = Vec::new();
        for address in ["127.0.0.1", "127.0.0.1", "10.9.1.1", "::1", "10.9.1.1", "10.9.1.1", "::1"] {
            free.push(places.any().await.for_address(address.parse().unwrap()).unwrap());
        }
        assert_eq!(places.free.available_permits(), 0);
        free.clear();
        assert_eq!(places.free.available_permits(), 7);
    }

    #[tokio::test]
    async fn a_customer_with_many_addresses_is_one() {
        let places = Places::new(10, 1, Proxies::default());
        let _one = places.any().await.for_address("2001:db8::1".parse().unwrap()).unwrap();
        assert!(places.any().await.for_address("2001:db8::2:1".parse().unwrap()).is_none());
        assert!(places.any().await.for_address("2001:db8:0:1::1".parse().unwrap()).is_some());
        assert_eq!(places.taken.lock().unwrap().len(), 1);
    }
}
