//! How the registry is kept.

use ledger::audit::Record;

use super::{DeviceType, NewKey, Registration, StoredKey};
use crate::domain::{DeviceName, Micros, Millis, access::UserId, ports::StoreError};

/// What is known of a device from its readings.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Seen {
    /// The profile by which it is judged; `None` where it has sent nothing.
    pub(crate) profile: Option<String>,
    /// When the last reading came.
    pub(crate) last_seen: Option<Millis>,
    /// The latest time of a reading.
    pub(crate) last_time: Option<Micros>,
    /// The lowest sequence number.
    pub(crate) first_sequence: Option<u64>,
    /// The highest sequence number.
    pub(crate) last_sequence: Option<u64>,
    /// Readings with a sequence number.
    pub(crate) sequenced: u64,
}

/// A device as it is listed: registered, or only seen, or both.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) registration: Option<Registration>,
    pub(crate) seen: Seen,
}

/// Which devices are asked for; what is `None` lets all pass.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Of this type; of a device that nobody has registered, its profile counts.
    pub(crate) kind: Option<String>,
    /// Of this user.
    pub(crate) owner: Option<UserId>,
    /// With this mark, and this value of it.
    pub(crate) tag: Option<(String, Option<String>)>,
    /// Online or not.
    pub(crate) online: Option<bool>,
    /// With this in its name, location, firmware or patient; upper and lower case of a-z are alike.
    pub(crate) text: Option<String>,
    /// Only those that somebody has registered, or only those that nobody has.
    pub(crate) registered: Option<bool>,
}

/// Keeps registrations, keys and types. One registrar writes; when a write returns, it is on disk, and whole or not at
/// all, and with it the records that the audit log is to have of it. Any number read.
pub(crate) trait Registry: Send + Sync {
    /// Gives each registration to `visit`, and then each key to `keys`.
    fn load(&self, visit: &mut dyn FnMut(Registration), keys: &mut dyn FnMut(StoredKey)) -> Result<(), StoreError>;

    /// The types that were changed or made.
    fn types(&self) -> Result<Vec<DeviceType>, StoreError>;

    /// Adds registrations, of names that are not registered, each with a key or none; gives the keys' numbers.
    fn add(&self, new: &[(Registration, Option<NewKey>)], records: &[Record]) -> Result<Vec<Option<i64>>, StoreError>;

    /// Puts a registration in the place of that with its name.
    fn put(&self, registration: &Registration, record: &Record) -> Result<(), StoreError>;

    /// Forgets a registration and its keys. Readings, findings and entries stay.
    fn remove(&self, name: &DeviceName, record: &Record) -> Result<(), StoreError>;

    /// The registration of this name.
    fn registration(&self, name: &DeviceName) -> Result<Option<Registration>, StoreError>;

    /// Whether a device of this name has ever sent.
    fn has_sent(&self, name: &DeviceName) -> Result<bool, StoreError>;

    /// A device, registered or only seen.
    fn device(&self, name: &DeviceName) -> Result<Option<Listed>, StoreError>;

    /// Devices after a name, by name, at most `count`. Each type with the time since which its devices must have been seen to
    /// be online; the last counts for those without a type.
    fn list(
        &self,
        filter: &Filter,
        since: &[(String, Millis)],
        after: &str,
        count: usize,
    ) -> Result<Vec<Listed>, StoreError>;

    /// How many devices are online and how many are not, by type. Goes through all of them.
    fn count(&self, filter: &Filter, since: &[(String, Millis)]) -> Result<Vec<(String, u64, u64)>, StoreError>;

    /// The keys of a device, oldest first.
    fn keys(&self, device: &DeviceName) -> Result<Vec<StoredKey>, StoreError>;

    /// Adds a key of a registered device, and lets an older one end then; gives its number.
    fn add_key(&self, key: &StoredKey, old_ends: Option<(i64, Millis)>, record: &Record) -> Result<i64, StoreError>;

    /// Forgets keys.
    fn remove_keys(&self, ids: &[i64], records: &[Record]) -> Result<(), StoreError>;

    /// Notes when keys were last shown.
    fn note_used(&self, used: &[(i64, Millis)]) -> Result<(), StoreError>;

    /// Keeps a type, in the place of that with its name.
    fn put_type(&self, kind: &DeviceType, record: &Record) -> Result<(), StoreError>;
}
