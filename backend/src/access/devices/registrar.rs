//! The acts on the registry: each is kept by the store first, in one transaction with its record in the audit log, and then
//! holds for the next message.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
};

use api::{DeviceChange, DeviceRequest, DeviceTypeDefinition};

use ledger::hash::sha256;

use super::{
    By, Devices, USED_MS,
    by::{members, of_key},
};
use crate::access::secret::{self, Kind};
use crate::domain::{
    DeviceName, Millis,
    ports::StoreError,
    registry::{
        DeviceType, Filter, GENERIC, Listed, MAX_TYPES, Network, NewKey, Registration, RegistrationError, Registry,
        StoredKey, built_ins,
    },
};

/// Keys of a device at most, those that have ended included: two for a rotation, and some for those who rotate often.
const MAX_KEYS: usize = 16;

/// How long two keys may hold beside each other, in seconds: a day if nothing is said, 30 days at most.
const OVERLAP: u64 = 86_400;
const MAX_OVERLAP: u64 = 30 * 86_400;

/// Why an act was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistrarError {
    /// What was asked for cannot be.
    #[error(transparent)]
    Invalid(#[from] RegistrationError),
    /// No such type.
    #[error("expected a type of device that there is, found {0:?}: GET /api/v1/device-types lists them")]
    NoType(String),
    /// The name is somebody's.
    #[error("the name {0} is registered already")]
    Exists(DeviceName),
    /// Whoever registers it would read what somebody else's device has sent.
    #[error("a device of the name {0} has sent readings before: an admin has to register it")]
    HasSent(DeviceName),
    /// An address that is another device's.
    #[error("{0} belongs to another device")]
    AddressTaken(Network),
    /// A type too many.
    #[error("expected at most {MAX_TYPES} types of devices: change one that is not needed")]
    TooManyTypes,
    /// A key too many.
    #[error("{0} has {MAX_KEYS} keys: revoke one that is not needed")]
    TooManyKeys(DeviceName),
    /// No such device or key.
    #[error("there is no {0}")]
    None(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What became of one line of an import.
type Imported = Result<(Registration, Option<NewKey>), RegistrarError>;

/// Draws a key.
fn draw(
    device: &DeviceName,
    label: Option<String>,
    expires_seconds: Option<u64>,
    now: Millis,
) -> Result<NewKey, RegistrarError> {
    let secret = Kind::Device.make()?;
    let (hash, prefix) = (sha256(&[secret.as_bytes()]).0, secret[..secret::PREFIX].to_owned());
    Ok(NewKey::new((secret, hash, &prefix), device, label, expires_seconds, now)?)
}

/// Changes the registry, one act after the other.
pub(crate) struct Registrar {
    devices: Arc<Devices>,
    store: Arc<dyn Registry>,
    acts: Mutex<()>,
}

impl Registrar {
    /// Loads what is kept.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn open(store: Arc<dyn Registry>) -> Result<Self, StoreError> {
        let devices = Devices::default();
        let changed = store.types()?;
        let types = built_ins().chain(changed).map(|kind| (Arc::clone(kind.name()), Arc::new(kind)));
        devices.write(|index| index.types.extend(types));
        store.load(&mut |registration| devices.write(|index| index.add(&registration)), &mut |key| {
            devices.write(|index| index.add_key(&key))
        })?;
        Ok(Self { devices: Arc::new(devices), store, acts: Mutex::default() })
    }

    /// What is asked with every message.
    pub(crate) fn devices(&self) -> &Arc<Devices> {
        &self.devices
    }

    /// Registers a device. `any`: also under a name that has sent before.
    ///
    /// # Errors
    /// [`RegistrarError`].
    pub(crate) fn register(&self, request: DeviceRequest, any: bool, by: &By) -> Result<Registration, RegistrarError> {
        let mut done = self.import(vec![request], any, false, by)?;
        done.pop().unwrap_or_else(|| Err(RegistrarError::None("request".into()))).map(|(registration, _)| registration)
    }

    /// Registers many devices, each for itself, and those that can be in one commit; with a key each, if asked.
    ///
    /// # Errors
    /// The store's: then none is registered.
    pub(crate) fn import(
        &self,
        requests: Vec<DeviceRequest>,
        any: bool,
        keys: bool,
        by: &By,
    ) -> Result<Vec<Imported>, RegistrarError> {
        let _act = self.act();
        let now = by.at;
        let (mut names, mut networks) = (HashSet::new(), HashSet::new());
        let mut accepted = Vec::new();
        let mut results: Vec<Option<RegistrarError>> = Vec::with_capacity(requests.len());
        for request in requests {
            let checked = self.acceptable(request, any, now).and_then(|registration| {
                if !names.insert(registration.name.clone()) {
                    return Err(RegistrarError::Exists(registration.name));
                }
                if let Some(network) = registration.addresses.iter().find(|network| networks.contains(*network)) {
                    return Err(RegistrarError::AddressTaken(*network));
                }
                networks.extend(registration.addresses.iter().copied());
                let key = keys.then(|| draw(&registration.name, None, None, now)).transpose()?;
                Ok((registration, key))
            });
            match checked {
                Ok(new) => {
                    accepted.push(new);
                    results.push(None);
                }
                Err(RegistrarError::Store(error)) => return Err(error.into()),
                Err(error) => results.push(Some(error)),
            }
        }
        let record = |(registration, key): &(Registration, Option<NewKey>)| {
            let with = key.as_ref().map_or(String::new(), |key| format!(", with key {}…", key.stored.prefix));
            let result = format!("registered as {}{with}", registration.kind);
            by.record("device.register", registration.name.as_str(), &result)
        };
        let records: Vec<_> = accepted.iter().map(record).collect();
        let ids = if accepted.is_empty() { Vec::new() } else { self.store.add(&accepted, &records)? };
        for ((_, key), id) in accepted.iter_mut().zip(ids) {
            if let (Some(key), Some(id)) = (key, id) {
                key.stored.id = id;
            }
        }
        self.devices.write(|index| {
            for (registration, key) in &accepted {
                index.add(registration);
                key.iter().for_each(|key| index.add_key(&key.stored));
            }
        });
        let mut accepted = accepted.into_iter();
        let none = || RegistrarError::None("result".into());
        let result = |error: Option<RegistrarError>| error.map_or_else(|| accepted.next().ok_or_else(none), Err);
        Ok(results.into_iter().map(result).collect())
    }

    /// Checks a request against what there is.
    fn acceptable(&self, request: DeviceRequest, any: bool, now: Millis) -> Result<Registration, RegistrarError> {
        let registration = Registration::new(request, now)?;
        let name = &registration.name;
        if self.devices.entry(name).is_some() {
            return Err(RegistrarError::Exists(name.clone()));
        }
        self.check(&registration)?;
        // A probe may have told of its traffic, though it has sent nothing itself.
        for known in [Some(name.clone()), name.flows().ok()].into_iter().flatten() {
            if !any && self.store.has_sent(&known)? {
                return Err(RegistrarError::HasSent(name.clone()));
            }
        }
        Ok(registration)
    }

    /// Whether there is the type, and the addresses are nobody else's.
    fn check(&self, registration: &Registration) -> Result<(), RegistrarError> {
        if self.devices.type_named(&registration.kind).is_none() {
            return Err(RegistrarError::NoType(registration.kind.chars().take(40).collect()));
        }
        let other = |network: &&Network| {
            self.devices.read(|index| index.networks.holder(network).is_some_and(|holder| *holder != registration.name))
        };
        match registration.addresses.iter().find(other) {
            Some(network) => Err(RegistrarError::AddressTaken(*network)),
            None => Ok(()),
        }
    }

    /// Changes a registration; gives it as it is then.
    ///
    /// # Errors
    /// [`RegistrarError`].
    pub(crate) fn change(
        &self,
        name: &DeviceName,
        change: DeviceChange,
        by: &By,
    ) -> Result<Registration, RegistrarError> {
        let result = members(&change);
        self.rewrite(name, |old| Ok(old.changed(change)?), (by, &result))
    }

    /// Says with which key a device signs its readings, or that it signs none.
    ///
    /// # Errors
    /// [`RegistrarError`].
    pub(crate) fn set_public_key(
        &self,
        name: &DeviceName,
        key: Option<[u8; 32]>,
        by: &By,
    ) -> Result<Registration, RegistrarError> {
        let result = if key.is_some() { "public_key set" } else { "public_key taken away" };
        self.rewrite(name, |old| Ok(Registration { public_key: key, ..old.clone() }), (by, result))
    }

    fn rewrite(
        &self,
        name: &DeviceName,
        new: impl FnOnce(&Registration) -> Result<Registration, RegistrarError>,
        (by, result): (&By, &str),
    ) -> Result<Registration, RegistrarError> {
        let _act = self.act();
        let old = self.registered(name)?;
        let new = new(&old)?;
        self.check(&new)?;
        self.store.put(&new, &by.record("device.change", name.as_str(), result))?;
        let keys = self.store.keys(name)?;
        self.devices.write(|index| index.change(&old, &new, &keys));
        Ok(new)
    }

    /// Forgets a registration and its keys. What the device has sent, and what was found of it, stays: it is evidence.
    ///
    /// # Errors
    /// [`RegistrarError`].
    pub(crate) fn remove(&self, name: &DeviceName, by: &By) -> Result<(), RegistrarError> {
        let _act = self.act();
        let (old, keys) = (self.registered(name)?, self.store.keys(name)?);
        self.store.remove(name, &by.record("device.remove", name.as_str(), "removed, with its keys"))?;
        self.devices.write(|index| index.remove(&old, &keys));
        Ok(())
    }

    /// Makes a key.
    ///
    /// # Errors
    /// [`RegistrarError`].
    pub(crate) fn make_key(
        &self,
        name: &DeviceName,
        label: Option<String>,
        expires_seconds: Option<u64>,
        by: &By,
    ) -> Result<NewKey, RegistrarError> {
        let _act = self.act();
        self.registered(name)?;
        let key = draw(name, label, expires_seconds, by.at)?;
        self.add_key(key, None, by)
    }

    /// Makes a key in the place of another, which holds for some time beside it; gives the new one, and when the old one
    /// ends.
    ///
    /// # Errors
    /// [`RegistrarError`].
    pub(crate) fn rotate_key(
        &self,
        name: &DeviceName,
        id: i64,
        overlap_seconds: Option<u64>,
        by: &By,
    ) -> Result<(NewKey, Millis), RegistrarError> {
        let _act = self.act();
        let now = by.at;
        let old = self.key(name, id)?;
        let overlap = overlap_seconds.unwrap_or(OVERLAP);
        if overlap > MAX_OVERLAP {
            let (what, most) = ("overlap_seconds", MAX_OVERLAP);
            return Err(RegistrationError::Seconds { what, least: 0, most, found: overlap }.into());
        }
        let ends = Millis(now.0 + overlap as i64 * 1_000);
        let ends = old.expires.map_or(ends, |expires| expires.min(ends));
        let key = draw(name, old.label.clone(), None, now)?;
        Ok((self.add_key(key, Some((&old, ends)), by)?, ends))
    }

    fn add_key(&self, mut key: NewKey, old: Option<(&StoredKey, Millis)>, by: &By) -> Result<NewKey, RegistrarError> {
        let (name, now) = (&key.stored.device, by.at);
        let keys = self.store.keys(name)?;
        if keys.len() >= MAX_KEYS {
            let kept = |key: &StoredKey| old.is_some_and(|(old, _)| old.id == key.id);
            let ended = |key: &&StoredKey| key.expires.is_some_and(|expires| expires <= now) && !kept(key);
            let ended: Vec<&StoredKey> = keys.iter().filter(ended).collect();
            if ended.is_empty() {
                return Err(RegistrarError::TooManyKeys(name.clone()));
            }
            self.forget_keys(&ended, by, "had ended")?;
        }
        let result = old.map_or("made".to_owned(), |(old, _)| format!("in the place of key {}…", old.prefix));
        let record = by.record("key.create", &of_key(&key.stored), &result);
        key.stored.id = self.store.add_key(&key.stored, old.map(|(old, ends)| (old.id, ends)), &record)?;
        self.devices.write(|index| {
            index.add_key(&key.stored);
            if let Some((old, ends)) = old
                && let Some(key) = index.keys.get(&old.hash)
            {
                key.credential.end_at(ends);
            }
        });
        Ok(key)
    }

    /// Revokes a key, at once: also on connections that are open.
    ///
    /// # Errors
    /// [`RegistrarError`].
    pub(crate) fn revoke_key(&self, name: &DeviceName, id: i64, by: &By) -> Result<StoredKey, RegistrarError> {
        let _act = self.act();
        let key = self.key(name, id)?;
        self.forget_keys(&[&key], by, "revoked")?;
        Ok(key)
    }

    fn forget_keys(&self, keys: &[&StoredKey], by: &By, result: &str) -> Result<(), StoreError> {
        let records: Vec<_> = keys.iter().map(|key| by.record("key.revoke", &of_key(key), result)).collect();
        self.store.remove_keys(&keys.iter().map(|key| key.id).collect::<Vec<_>>(), &records)?;
        self.devices.write(|index| keys.iter().for_each(|key| index.remove_key(key)));
        Ok(())
    }

    /// The keys of a device, with their last use as it is known now.
    ///
    /// # Errors
    /// [`RegistrarError`].
    pub(crate) fn keys(&self, name: &DeviceName) -> Result<Vec<StoredKey>, RegistrarError> {
        self.registered(name)?;
        let mut keys = self.store.keys(name)?;
        self.devices.read(|index| {
            for key in &mut keys {
                let shown = index.keys.get(&key.hash).map(|known| known.shown.load(Ordering::Relaxed));
                key.used = shown.filter(|shown| *shown > 0).map(Millis).max(key.used);
            }
        });
        Ok(keys)
    }

    /// Changes a type, or makes one; it holds for the next reading.
    ///
    /// # Errors
    /// [`RegistrarError`].
    pub(crate) fn put_type(
        &self,
        name: &str,
        definition: DeviceTypeDefinition,
        by: &By,
    ) -> Result<Arc<DeviceType>, RegistrarError> {
        let _act = self.act();
        let kind = Arc::new(DeviceType::new(name, definition, Some(by.at))?);
        if self.devices.type_named(name).is_none() && self.devices.types().len() >= MAX_TYPES {
            return Err(RegistrarError::TooManyTypes);
        }
        self.store.put_type(&kind, &by.record("type.change", name, "changed"))?;
        self.devices.write(|index| index.types.insert(Arc::clone(kind.name()), Arc::clone(&kind)));
        Ok(kind)
    }

    /// A device, registered or only seen.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn device(&self, name: &DeviceName) -> Result<Option<Listed>, StoreError> {
        self.store.device(name)
    }

    /// A page of devices, by name.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn list(
        &self,
        filter: &Filter,
        after: &str,
        count: usize,
        now: Millis,
    ) -> Result<Vec<Listed>, StoreError> {
        self.store.list(filter, &self.since(now), after, count)
    }

    /// How many devices are online and how many are not, by type.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn count(&self, filter: &Filter, now: Millis) -> Result<Vec<(String, u64, u64)>, StoreError> {
        self.store.count(filter, &self.since(now))
    }

    /// Whether a device of this type that was seen then is online now.
    pub(crate) fn is_online(&self, kind: &str, seen: Option<Millis>, now: Millis) -> bool {
        let kind = self.devices.type_named(kind).or_else(|| self.devices.type_named(GENERIC));
        seen.zip(kind).is_some_and(|(seen, kind)| seen.0 >= now.0 - kind.offline_after_ms())
    }

    /// Since when devices of each type must have been seen to be online; last, those of any other.
    fn since(&self, now: Millis) -> Vec<(String, Millis)> {
        let types = self.devices.types();
        let since = |kind: &Arc<DeviceType>| (kind.name().to_string(), Millis(now.0 - kind.offline_after_ms()));
        let generic = types.iter().filter(|kind| &**kind.name() == GENERIC);
        types.iter().chain(generic).map(since).collect()
    }

    /// Notes in the store when keys were shown, for those that were since the last time. Called once a minute, and at the
    /// end.
    ///
    /// # Errors
    /// The store's: then nothing is lost but the exact time.
    pub(crate) fn note_used(&self) -> Result<(), StoreError> {
        let keys = std::mem::take(&mut *self.devices.used.lock().unwrap_or_else(PoisonError::into_inner));
        let note = |key: &Arc<super::Key>| {
            key.waits.store(false, Ordering::Release);
            (key.id, Millis(key.shown.load(Ordering::Relaxed)))
        };
        let used: Vec<(i64, Millis)> = keys.iter().map(note).collect();
        if used.is_empty() { Ok(()) } else { self.store.note_used(&used) }
    }

    /// How often [`Registrar::note_used`] is to be called.
    pub(crate) const NOTE_EVERY: std::time::Duration = std::time::Duration::from_millis(USED_MS as u64);

    fn registered(&self, name: &DeviceName) -> Result<Registration, RegistrarError> {
        self.store.registration(name)?.ok_or_else(|| RegistrarError::None(format!("registered device {name}")))
    }

    fn key(&self, name: &DeviceName, id: i64) -> Result<StoredKey, RegistrarError> {
        let key = self.store.keys(name)?.into_iter().find(|key| key.id == id);
        key.ok_or_else(|| RegistrarError::None(format!("key {id} of {name}")))
    }

    fn act(&self) -> MutexGuard<'_, ()> {
        self.acts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
