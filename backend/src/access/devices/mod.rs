//! Keys, certificates and addresses of devices, and whose they are: what is asked with every message.
//!
//! All of it is in memory, loaded at the start and changed with every act of the [`Registrar`]. With a million devices,
//! each with a key, that takes 390 MB (`measured` in tests.rs says how it was seen). Refuses to keep anything.

mod by;
mod index;
mod registrar;
pub(crate) mod table;
#[cfg(test)]
mod tests;

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use super::{Credential, secret::Kind};
use crate::domain::{
    DeviceName, Millis, Reading,
    access::{Caller, UserId},
    registry::{DeviceType, Impossible, Kinds, Network},
};
pub(crate) use by::By;
use index::Index;
pub(crate) use registrar::{Registrar, RegistrarError};

/// How exact the time of a key's last use is: it is written at most this often.
const USED_MS: i64 = 60_000;

/// The devices that may come in.
#[derive(Default)]
pub(crate) struct Devices {
    index: RwLock<Index>,
    /// Keys that were shown since their last use was noted.
    used: Mutex<Vec<Arc<Key>>>,
}

/// A device as it is asked about.
#[derive(Debug)]
struct Entry {
    owner: Option<UserId>,
    kind: Arc<str>,
    disabled: bool,
    keyless: bool,
    public_key: Option<Box<[u8; 32]>>,
    /// What lets it in without a key, where something may: ends when that changes.
    presence: Option<Arc<Credential>>,
    certificate: bool,
}

/// A key as it is asked about.
#[derive(Debug)]
struct Key {
    id: i64,
    device: Arc<DeviceName>,
    /// Ends when the key is revoked, or its device shut out.
    credential: Arc<Credential>,
    /// When it was shown last; 0: never.
    shown: AtomicI64,
    /// Whether it waits to be noted.
    waits: AtomicBool,
}

impl Devices {
    /// Whose key this is.
    pub(crate) fn by_key(&self, secret: &str, now: Millis) -> Option<(Caller, Option<Arc<Credential>>)> {
        let hash = Kind::Device.hash(secret)?.0;
        let key = self.read(|index| index.keys.get(&hash).cloned())?;
        if !key.credential.holds(now) {
            return None;
        }
        self.note(&key, now);
        Some((Caller::Device((*key.device).clone()), Some(Arc::clone(&key.credential))))
    }

    /// The device that a verified certificate names.
    pub(crate) fn by_certificate(&self, name: &str) -> Option<(Caller, Option<Arc<Credential>>)> {
        let device = DeviceName::new(name).ok()?;
        let entry = self.entry(&device).filter(|entry| entry.certificate)?;
        Some((Caller::Device(device), Some(Arc::clone(entry.presence.as_ref()?))))
    }

    /// The device at this address, for those that can show nothing: only where its registration says that it need not.
    pub(crate) fn by_address(&self, from: IpAddr) -> Option<(Caller, Option<Arc<Credential>>)> {
        let device = self.at(from)?;
        let entry = self.entry(&device).filter(|entry| entry.keyless)?;
        Some((Caller::Device(device), Some(Arc::clone(entry.presence.as_ref()?))))
    }

    /// The device of this address: that of the narrowest registered address or network that it is or lies in.
    pub(crate) fn at(&self, address: IpAddr) -> Option<DeviceName> {
        self.network_at(address).map(|(_, device)| device)
    }

    /// The narrowest registered address or network around an address, and its device.
    pub(crate) fn network_at(&self, address: IpAddr) -> Option<(Network, DeviceName)> {
        self.read(|index| index.networks.find(address).map(|(network, device)| (network, device.clone())))
    }

    /// Whose device this is; `None` of one that nobody has registered, or has nobody.
    pub(crate) fn owner(&self, device: &DeviceName) -> Option<UserId> {
        self.entry(device)?.owner
    }

    /// Whether this device is shut out.
    pub(crate) fn is_disabled(&self, device: &DeviceName) -> bool {
        self.entry(device).is_some_and(|entry| entry.disabled)
    }

    /// The Ed25519 key with which a device has to sign its readings; `None` where it has none.
    pub(crate) fn public_key(&self, device: &DeviceName) -> Option<[u8; 32]> {
        self.entry(device)?.public_key.as_deref().copied()
    }

    /// Refuses a reading with a value that a device of its type cannot measure. Of devices that nobody has registered
    /// nothing is known.
    ///
    /// # Errors
    /// [`Impossible`], with what is possible and what was found.
    pub(crate) fn check(&self, reading: &Reading) -> Result<(), Impossible> {
        self.kind(reading.device()).map_or(Ok(()), |kind| kind.check(reading))
    }

    /// All types, by name.
    pub(crate) fn types(&self) -> Vec<Arc<DeviceType>> {
        self.read(|index| index.types.values().cloned().collect())
    }

    /// The type of this name.
    pub(crate) fn type_named(&self, name: &str) -> Option<Arc<DeviceType>> {
        self.read(|index| index.types.get(name).cloned())
    }

    fn read<T>(&self, ask: impl FnOnce(&Index) -> T) -> T {
        ask(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, act: impl FnOnce(&mut Index) -> T) -> T {
        act(&mut self.index.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn entry(&self, device: &DeviceName) -> Option<Arc<Entry>> {
        self.read(|index| index.devices.get(device).cloned())
    }

    /// Remembers that a key was shown, to a minute.
    fn note(&self, key: &Arc<Key>, now: Millis) {
        let shown = key.shown.load(Ordering::Relaxed);
        if now.0 - shown < USED_MS && now.0 >= shown {
            return;
        }
        key.shown.store(now.0, Ordering::Relaxed);
        if !key.waits.swap(true, Ordering::AcqRel) {
            self.used.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(key));
        }
    }
}

impl Kinds for Devices {
    fn kind(&self, device: &DeviceName) -> Option<Arc<DeviceType>> {
        self.read(|index| index.types.get(&index.devices.get(device)?.kind).cloned())
    }
}
