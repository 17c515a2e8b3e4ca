//! The registry in memory: by name, by the hash of a key, by address.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64},
    },
};

use super::{Entry, Key};
use crate::{
    access::Credential,
    domain::{
        DeviceName,
        registry::{DeviceType, Network, Registration, StoredKey},
    },
};

/// What is known.
#[derive(Default)]
pub(super) struct Index {
    /// By name, which a device and its keys share.
    pub(super) devices: HashMap<Arc<DeviceName>, Arc<Entry>>,
    pub(super) keys: HashMap<[u8; 32], Arc<Key>>,
    pub(super) networks: Networks,
    pub(super) types: BTreeMap<Arc<str>, Arc<DeviceType>>,
}

/// Addresses and networks, each of one device.
#[derive(Default)]
pub(super) struct Networks {
    by_network: HashMap<Network, DeviceName>,
    /// How many there are of each length of prefix: one look-up for each length that occurs.
    lengths: BTreeMap<(bool, u8), usize>,
}

impl Networks {
    /// The narrowest network around an address, and its device.
    pub(super) fn find(&self, address: IpAddr) -> Option<(Network, &DeviceName)> {
        let v4 = address.to_canonical().is_ipv4();
        let lengths = self.lengths.range((v4, 0)..=(v4, u8::MAX)).rev();
        lengths.into_iter().find_map(|((_, bits), _)| {
            let network = Network::around(address, *bits);
            self.by_network.get(&network).map(|device| (network, device))
        })
    }

    /// Whose this network is.
    pub(super) fn holder(&self, network: &Network) -> Option<&DeviceName> {
        self.by_network.get(network)
    }

    fn add(&mut self, network: Network, device: DeviceName) {
        if self.by_network.insert(network, device).is_none() {
            *self.lengths.entry((network.is_v4(), network.bits())).or_default() += 1;
        }
    }

    fn remove(&mut self, network: &Network) {
        if self.by_network.remove(network).is_none() {
            return;
        }
        let length = (network.is_v4(), network.bits());
        if let Some(count) = self.lengths.get_mut(&length) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&length);
            }
        }
    }
}

impl Index {
    /// Takes in a device that is not there, without keys.
    pub(super) fn add(&mut self, registration: &Registration) {
        for network in &registration.addresses {
            self.networks.add(*network, registration.name.clone());
        }
        let entry = self.entry(registration);
        self.devices.insert(Arc::new(registration.name.clone()), Arc::new(entry));
    }

    /// Takes in a key of a device that is there.
    pub(super) fn add_key(&mut self, stored: &StoredKey) {
        let Some((name, entry)) = self.devices.get_key_value(&stored.device) else { return };
        let credential = Credential::new(stored.expires);
        if entry.disabled {
            credential.end();
        }
        let key = Key {
            id: stored.id,
            device: Arc::clone(name),
            credential: Arc::new(credential),
            shown: AtomicI64::new(stored.used.map_or(0, |used| used.0)),
            waits: AtomicBool::new(false),
        };
        self.keys.insert(stored.hash, Arc::new(key));
    }

    /// Puts a device, with these keys, in the place of what it was. Whoever came in by what does not hold any more is out.
    pub(super) fn change(&mut self, old: &Registration, new: &Registration, keys: &[StoredKey]) {
        let (was, is): (BTreeSet<_>, BTreeSet<_>) = (old.addresses.iter().collect(), new.addresses.iter().collect());
        was.difference(&is).for_each(|network| self.networks.remove(network));
        is.difference(&was).for_each(|network| self.networks.add(**network, new.name.clone()));
        let Some(before) = self.devices.get(&new.name).cloned() else { return };
        let mut entry = self.entry(new);
        let doors = |of: &Registration| (of.disabled, of.keyless, of.certificate, of.addresses.clone());
        if doors(old) == doors(new) {
            entry.presence.clone_from(&before.presence);
        } else {
            before.presence.iter().for_each(|presence| presence.end());
        }
        if let Some(known) = self.devices.get_mut(&new.name) {
            *known = Arc::new(entry);
        }
        if new.disabled {
            self.end_keys(keys);
        } else if old.disabled {
            // Ended credentials stay so, for the connections that hold them: there are new ones for new connections.
            keys.iter().for_each(|key| self.add_key(key));
        }
    }

    /// Forgets a device and its keys. Whoever came in as it is out.
    pub(super) fn remove(&mut self, registration: &Registration, keys: &[StoredKey]) {
        registration.addresses.iter().for_each(|network| self.networks.remove(network));
        let Some(entry) = self.devices.remove(&registration.name) else { return };
        entry.presence.iter().for_each(|presence| presence.end());
        keys.iter().for_each(|key| self.remove_key(key));
    }

    /// Forgets a key. Whoever came in by it is out.
    pub(super) fn remove_key(&mut self, key: &StoredKey) {
        self.end_keys(std::slice::from_ref(key));
        self.keys.remove(&key.hash);
    }

    fn end_keys(&self, keys: &[StoredKey]) {
        keys.iter().filter_map(|key| self.keys.get(&key.hash)).for_each(|key| key.credential.end());
    }

    fn entry(&self, registration: &Registration) -> Entry {
        let opens = (registration.keyless || registration.certificate) && !registration.disabled;
        // The name of the type is one text, shared by all its devices.
        let kind = self.types.get_key_value(registration.kind.as_str()).map(|(name, _)| Arc::clone(name));
        Entry {
            owner: registration.owner,
            kind: kind.unwrap_or_else(|| registration.kind.as_str().into()),
            disabled: registration.disabled,
            keyless: registration.keyless,
            public_key: registration.public_key.map(Box::new),
            presence: opens.then(|| Arc::new(Credential::new(None))),
            certificate: registration.certificate,
        }
    }
}
