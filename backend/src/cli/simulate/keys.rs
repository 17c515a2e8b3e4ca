//! With which key each device sends; and the registration that makes these keys.

use std::{collections::BTreeMap, fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use api::NewDeviceKey;

use super::{
    super::{WrongUse, client::Client, key::word, read_file},
    device::Device,
};

/// The longest file: 600,000 devices, the most there can be, with 100 bytes each.
const MAX_KEYS: usize = 60_000_000;

/// Devices of a table that is registered at once: what the service takes.
const TABLE: usize = 10_000;

/// What devices show.
pub(super) enum Keys {
    /// Nothing: a trial asks for none.
    Nothing,
    /// All the same, such as a token of their owner.
    One(String),
    /// Each its own.
    Each(BTreeMap<String, String>),
}

impl Keys {
    /// Reads a file with one key, or a table with the columns `name` and `key`.
    pub(super) fn read(file: Option<&Path>) -> Result<Self, WrongUse> {
        let Some(file) = file else { return Ok(Self::Nothing) };
        let bytes = read_file(file, MAX_KEYS)?;
        let wrong = |why: String| WrongUse(format!("{}: {why}", file.display()));
        if let Some(key) = word(&bytes) {
            return Ok(Self::One(key));
        }
        table(&bytes).map(Self::Each).map_err(wrong)
    }

    /// What this device shows.
    pub(super) fn of(&self, device: &str) -> Option<&str> {
        match self {
            Self::Nothing => None,
            Self::One(key) => Some(key),
            Self::Each(keys) => keys.get(device).map(String::as_str),
        }
    }

    /// Whether each device has its own.
    pub(super) fn are_own(&self) -> bool {
        matches!(self, Self::Each(_))
    }

    /// A device that has no key, where each should.
    pub(super) fn lacking<'a>(&self, devices: &'a [Device]) -> Option<&'a str> {
        let lacks = |device: &&Device| self.of(&device.name).is_none();
        self.are_own().then(|| devices.iter().find(lacks)).flatten().map(|device| device.name.as_str())
    }
}

/// The keys of a table, by their devices; lines without one are passed over, as an import answers for devices that it
/// could not register.
fn table(bytes: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let expected = "expected a key such as ald_… on one line, or a table with the columns name and key";
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let header = reader.headers().map_err(|error| format!("{expected}: {error}"))?.clone();
    let column = |wanted: &str| header.iter().position(|name| name == wanted);
    let (Some(name), Some(key)) = (column("name"), column("key")) else { return Err(expected.into()) };
    let mut keys = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        if let (Some(name), Some(key)) = (record.get(name), record.get(key).filter(|key| !key.is_empty())) {
            let key = word(key.as_bytes()).ok_or_else(|| format!("expected a key for {name}, found another text"))?;
            keys.insert(name.to_owned(), key);
        }
    }
    Ok(keys)
}

/// Registers the devices under their types, makes a key for each, and keeps the keys in a new file. Devices that are
/// registered already get another key.
pub(super) async fn register(
    client: &Client,
    devices: &[Device],
    file: &Path,
) -> Result<Keys, Box<dyn std::error::Error>> {
    // Before anything is made that nobody could keep.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let mut out = made.map_err(|error| WrongUse(format!("{}: {error}", file.display())))?;
    let by_name: BTreeMap<&str, &Device> = devices.iter().map(|device| (device.name.as_str(), device)).collect();
    let mut keys = BTreeMap::new();
    for part in by_name.values().collect::<Vec<_>>().chunks(TABLE) {
        let lines = part.iter().map(|device| format!("{},{}\n", device.name, device.kind));
        let text = ["name,type\n".to_owned()].into_iter().chain(lines).collect::<String>();
        let answer = client.post_text("/api/v1/devices/import?keys=true", "text/csv", text.into_bytes()).await?;
        keys.extend(table(&answer)?);
    }
    let registered = keys.len();
    for name in by_name.keys().filter(|name| !keys.contains_key(**name)).copied().collect::<Vec<_>>() {
        let path = format!("/api/v1/devices/{name}/keys");
        let answer = client.post_text(&path, "application/json", b"{}".to_vec()).await?;
        keys.insert(name.to_owned(), serde_json::from_slice::<NewDeviceKey>(&answer)?.key);
    }
    writeln!(out, "name,key")?;
    for (name, key) in &keys {
        writeln!(out, "{name},{key}")?;
    }
    let known = keys.len() - registered;
    eprintln!("{registered} devices registered, {known} were: the keys are in {}", file.display());
    Ok(Keys::Each(keys))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_is_one_key_or_a_table() {
        let dir = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            let file = dir.path().join("keys");
            std::fs::write(&file, text).unwrap();
            Keys::read(Some(&file))
        };
        assert_eq!(read("alt_abc\n").unwrap().of("any"), Some("alt_abc"));
        let keys = read("line,name,key,problem\n1,a,ald_1,\n2,b,,taken\n").unwrap();
        assert_eq!((keys.of("a"), keys.of("b"), keys.are_own()), (Some("ald_1"), None, true));
        for wrong in ["", "a b\n", "name,secret\na,b\n", "name,key\na,b c\n"] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
        assert!(Keys::read(None).unwrap().of("a").is_none());
    }
}
