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
    pub(super) devices: HashMap<DeviceName, Arc<Entry>>,
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
        let entry = self.entry(registration, Vec::new());
        self.devices.insert(registration.name.clone(), Arc::new(entry));
    }

    /// Takes in a key of a device that is there.
    pub(super) fn add_key(&mut self, stored: &StoredKey) {
        let Some(entry) = self.devices.get_mut(&stored.device) else { return };
        let credential = Credential::new(stored.expires);
        if entry.disabled {
            credential.end();
        }
        let key = Key {
            id: stored.id,
            device: stored.device.clone(),
            credential: Arc::new(credential),
            shown: AtomicI64::new(stored.used.map_or(0, |used| used.0)),
            waits: AtomicBool::new(false),
        };
        self.keys.insert(stored.hash, Arc::new(key));
        let mut keys = entry.keys.clone();
        keys.push(stored.hash);
        keys.shrink_to_fit();
        *entry = Arc::new(Entry { keys, ..entry.copy() });
    }

    /// Puts a device in the place of what it was. Whoever came in by what does not hold any more is out.
    pub(super) fn change(&mut self, old: &Registration, new: &Registration, keys: &[StoredKey]) {
        let (was, is): (BTreeSet<_>, BTreeSet<_>) = (old.addresses.iter().collect(), new.addresses.iter().collect());
        was.difference(&is).for_each(|network| self.networks.remove(network));
        is.difference(&was).for_each(|network| self.networks.add(**network, new.name.clone()));
        let Some(before) = self.devices.get(&new.name).cloned() else { return };
        let mut entry = self.entry(new, before.keys.clone());
        let doors = |of: &Registration| (of.disabled, of.keyless, of.certificate, of.addresses.clone());
        if doors(old) == doors(new) {
            entry.presence.clone_from(&before.presence);
        } else {
            before.presence.iter().for_each(|presence| presence.end());
        }
        let again = old.disabled && !new.disabled;
        if again {
            // Ended credentials stay so, for the connections that hold them: there are new ones for new connections.
            entry.keys = Vec::new();
            before.keys.iter().for_each(|hash| drop(self.keys.remove(hash)));
        }
        if new.disabled {
            self.end_keys(&before.keys);
        }
        self.devices.insert(new.name.clone(), Arc::new(entry));
        if again {
            keys.iter().for_each(|key| self.add_key(key));
        }
    }

    /// Forgets a device. Whoever came in as it is out.
    pub(super) fn remove(&mut self, registration: &Registration) {
        registration.addresses.iter().for_each(|network| self.networks.remove(network));
        let Some(entry) = self.devices.remove(&registration.name) else { return };
        entry.presence.iter().for_each(|presence| presence.end());
        self.end_keys(&entry.keys);
        entry.keys.iter().for_each(|hash| drop(self.keys.remove(hash)));
    }

    /// Forgets a key. Whoever came in by it is out.
    pub(super) fn remove_key(&mut self, key: &StoredKey) {
        self.end_keys(&[key.hash]);
        self.keys.remove(&key.hash);
        if let Some(entry) = self.devices.get_mut(&key.device) {
            let keys = entry.keys.iter().copied().filter(|hash| *hash != key.hash).collect();
            *entry = Arc::new(Entry { keys, ..entry.copy() });
        }
    }

    fn end_keys(&self, hashes: &[[u8; 32]]) {
        hashes.iter().filter_map(|hash| self.keys.get(hash)).for_each(|key| key.credential.end());
    }

    fn entry(&self, registration: &Registration, keys: Vec<[u8; 32]>) -> Entry {
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
            keys,
        }
    }
}

impl Entry {
    /// The same, without its keys.
    fn copy(&self) -> Self {
        Self {
            owner: self.owner,
            kind: Arc::clone(&self.kind),
            disabled: self.disabled,
            keyless: self.keyless,
            public_key: self.public_key.clone(),
            presence: self.presence.clone(),
            certificate: self.certificate,
            keys: Vec::new(),
        }
    }
}
