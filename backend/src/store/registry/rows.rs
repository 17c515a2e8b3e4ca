//! Rows of the registry, and what they say.

use rusqlite::{Connection, Row, params};

use crate::domain::{
    DeviceName, Millis,
    access::UserId,
    ports::StoreError,
    registry::{DeviceType, Registration, StoredKey},
};

/// The columns of a registration, for [`registration`].
pub(super) const REGISTRATION: &str = "registration.name, registration.type, owner, location, firmware, tags, addresses, \
                                       keyless, certificate, patient, disabled, public_key, created_ms";

/// How many they are.
pub(super) const REGISTRATION_COLUMNS: usize = 13;

/// The columns of a key, for [`key`], and where they are.
pub(super) const KEY: &str =
    "device_key.id, registration.name, hash, prefix, label, device_key.created_ms, expires_ms, used_ms";
pub(super) const KEYS: &str = "device_key JOIN registration ON registration.id = device_key.device";

fn damaged(what: &str) -> impl Fn(&dyn std::fmt::Display) -> StoreError + '_ {
    move |error| StoreError::Damaged(format!("the registry: {what}: {error}"))
}

/// Reads a registration from the first columns of a row.
pub(super) fn registration(row: &Row<'_>) -> Result<Registration, StoreError> {
    let name: String = row.get(0)?;
    let wrong = damaged(&name);
    let addresses: Vec<String> = serde_json::from_str(&row.get::<_, String>(6)?).map_err(|error| wrong(&error))?;
    let addresses = addresses.iter().map(|text| text.parse());
    Ok(Registration {
        name: device_name(&name)?,
        kind: row.get(1)?,
        owner: row.get::<_, Option<i64>>(2)?.map(UserId),
        location: row.get(3)?,
        firmware: row.get(4)?,
        tags: serde_json::from_str(&row.get::<_, String>(5)?).map_err(|error| wrong(&error))?,
        addresses: addresses
            .collect::<Result<_, crate::domain::registry::NetworkError>>()
            .map_err(|error| wrong(&error))?,
        keyless: row.get(7)?,
        certificate: row.get(8)?,
        patient: row.get(9)?,
        disabled: row.get(10)?,
        public_key: row.get(11)?,
        created: Millis(row.get(12)?),
    })
}

fn device_name(name: &str) -> Result<DeviceName, StoreError> {
    DeviceName::new(name).map_err(|error| damaged("a device's name")(&error))
}

/// Reads a key.
pub(super) fn key(row: &Row<'_>) -> Result<StoredKey, StoreError> {
    Ok(StoredKey {
        id: row.get(0)?,
        device: device_name(&row.get::<_, String>(1)?)?,
        hash: row.get(2)?,
        prefix: row.get(3)?,
        label: row.get(4)?,
        created: Millis(row.get(5)?),
        expires: row.get::<_, Option<i64>>(6)?.map(Millis),
        used: row.get::<_, Option<i64>>(7)?.map(Millis),
    })
}

/// Reads a type.
pub(super) fn device_type(row: &Row<'_>) -> Result<DeviceType, StoreError> {
    let name: String = row.get(0)?;
    let wrong = damaged(&name);
    let definition = serde_json::from_str(&row.get::<_, String>(1)?).map_err(|error| wrong(&error))?;
    DeviceType::new(&name, definition, Some(Millis(row.get(2)?))).map_err(|error| wrong(&error))
}

/// The texts of tags and addresses.
fn texts(registration: &Registration) -> Result<(String, String), StoreError> {
    let addresses: Vec<String> = registration.addresses.iter().map(ToString::to_string).collect();
    let engine = |error| StoreError::Engine(Box::new(error));
    let tags = serde_json::to_string(&registration.tags).map_err(engine)?;
    Ok((tags, serde_json::to_string(&addresses).map_err(engine)?))
}

/// Adds a registration.
pub(super) fn insert(connection: &Connection, registration: &Registration) -> Result<(), StoreError> {
    let (tags, addresses) = texts(registration)?;
    let sql = "INSERT INTO registration (name, type, owner, location, firmware, tags, addresses, keyless, certificate,
                   patient, disabled, public_key, created_ms)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    connection.prepare_cached(sql)?.execute(params![
        registration.name.as_str(),
        registration.kind,
        registration.owner.map(|owner| owner.0),
        registration.location,
        registration.firmware,
        tags,
        addresses,
        registration.keyless,
        registration.certificate,
        registration.patient,
        registration.disabled,
        registration.public_key,
        registration.created.0,
    ])?;
    Ok(())
}

/// Puts a registration in the place of that with its name.
pub(super) fn update(connection: &Connection, registration: &Registration) -> Result<(), StoreError> {
    let (tags, addresses) = texts(registration)?;
    let sql = "UPDATE registration SET type = ?2, owner = ?3, location = ?4, firmware = ?5, tags = ?6, addresses = ?7,
                   keyless = ?8, certificate = ?9, patient = ?10, disabled = ?11, public_key = ?12
               WHERE name = ?1";
    let changed = connection.prepare_cached(sql)?.execute(params![
        registration.name.as_str(),
        registration.kind,
        registration.owner.map(|owner| owner.0),
        registration.location,
        registration.firmware,
        tags,
        addresses,
        registration.keyless,
        registration.certificate,
        registration.patient,
        registration.disabled,
        registration.public_key,
    ])?;
    match changed {
        1 => Ok(()),
        _ => Err(StoreError::Damaged(format!("the registry: expected {} in it", registration.name))),
    }
}

/// Adds a key, and gives its number.
pub(super) fn insert_key(connection: &Connection, key: &StoredKey) -> Result<i64, StoreError> {
    let sql = "INSERT INTO device_key (device, hash, prefix, label, created_ms, expires_ms)
               VALUES ((SELECT id FROM registration WHERE name = ?), ?, ?, ?, ?, ?)";
    connection.prepare_cached(sql)?.execute(params![
        key.device.as_str(),
        key.hash,
        key.prefix,
        key.label,
        key.created.0,
        key.expires.map(|expires| expires.0),
    ])?;
    Ok(connection.last_insert_rowid())
}
