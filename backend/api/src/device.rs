//! The registry of devices: who they are, whose they are, and the keys that they show.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// A device: what the registry says of it, and what is known from its readings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Device {
    /// Its name, as readings give it.
    pub name: String,
    /// Whether somebody has registered it. In a trial devices may send that nobody has registered.
    pub registered: bool,
    /// Its type; of a device that nobody has registered, the profile by which it is judged.
    pub r#type: String,
    /// The user whose it is; absent where it has nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<u64>,
    /// Where it is, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The version of its software.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// Free marks, by name.
    pub tags: BTreeMap<String, String>,
    /// Addresses and networks that are this device's, such as `10.1.2.3` or `10.1.0.0/16`.
    pub addresses: Vec<String>,
    /// Whether it may send from those addresses without showing a key.
    pub keyless: bool,
    /// Whether a client certificate with its name as common name lets it in.
    pub certificate: bool,
    /// The pseudonym of the patient that it is attached to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<String>,
    /// Whether it is shut out: no key, certificate or address of it holds.
    pub disabled: bool,
    /// The Ed25519 key with which it signs readings (base64); absent where it signs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// When it was registered (RFC 3339, UTC); absent where nobody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// What is known from its readings.
    pub status: DeviceStatus,
}

/// What is known of a device from its readings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceStatus {
    /// Whether the last reading came within the time that its type allows.
    pub online: bool,
    /// When the last reading came, by the service's clock; absent where none has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<String>,
    /// The latest time of a reading, by the device's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_time: Option<String>,
    /// The lowest sequence number stored; absent where the device gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_sequence: Option<u64>,
    /// The highest sequence number stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sequence: Option<u64>,
    /// How many readings with a sequence number are stored.
    pub sequenced: u64,
    /// How many numbers between the first and the last are missing; 0: there is no gap.
    pub missing: u64,
}

/// What `GET /api/v1/devices` answers: one page, by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Devices {
    /// The devices, by name.
    pub items: Vec<Device>,
    /// Give it as `cursor` to get the next page. Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// How many of all that fit the filters are online, by type; only where `summary=true` asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Vec<TypeCount>>,
}

/// How many devices of a type are online.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TypeCount {
    /// The type.
    pub r#type: String,
    /// Devices that have sent within the time that the type allows.
    pub online: u64,
    /// The others.
    pub offline: u64,
}

/// What `POST /api/v1/devices` takes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DeviceRequest {
    /// 1 to 128 bytes, as readings will give it.
    #[cfg_attr(feature = "openapi", schema(example = "pump-7"))]
    pub name: String,
    /// One of `GET /api/v1/device-types`; `generic` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(example = "infusion-pump"))]
    pub r#type: Option<String>,
    /// The user whose it is to be. An owner's own devices are that owner's; others need an admin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<u64>,
    /// Where it is, in words: at most 200 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The version of its software: at most 100 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// Free marks: at most 16, names and values of at most 64 bytes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Addresses and networks that are this device's: at most 16, each of one device only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// Whether it may send from those addresses without showing a key.
    #[serde(default)]
    pub keyless: bool,
    /// Whether a client certificate with its name as common name lets it in.
    #[serde(default)]
    pub certificate: bool,
    /// The pseudonym of the patient that it is attached to: at most 100 bytes, never a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<String>,
    /// Whether it is shut out from the beginning.
    #[serde(default)]
    pub disabled: bool,
}

/// What `PATCH /api/v1/devices/{name}` takes: what is absent stays; `null` takes away.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct DeviceChange {
    /// Its type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<String>,
    /// Whose it is. Only an admin may say so.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub owner: Option<Option<u64>>,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub location: Option<Option<String>>,
    /// The version of its software.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub firmware: Option<Option<String>>,
    /// All its marks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
    /// All its addresses and networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Vec<String>>,
    /// Whether it may send from those addresses without showing a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyless: Option<bool>,
    /// Whether a client certificate lets it in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<bool>,
    /// The pseudonym of its patient.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub patient: Option<Option<String>>,
    /// Whether it is shut out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
}

/// Tells `null`, which takes away, from what is absent.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A key of a device, without the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceKey {
    /// Its number.
    pub id: i64,
    /// The first 12 characters, to recognise it by.
    pub prefix: String,
    /// What it is called; absent where nobody has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// When it was made (RFC 3339, UTC).
    pub created: String,
    /// When it ends or has ended; absent where it does not by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Whether it lets the device in now.
    pub valid: bool,
    /// When it was last shown, to a minute; absent where it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<String>,
}

/// A key that was just made. It is never shown again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewDeviceKey {
    /// Its number.
    pub id: i64,
    /// The key: keep it, it cannot be had again.
    pub key: String,
    /// The first 12 characters.
    pub prefix: String,
    /// When it was made (RFC 3339, UTC).
    pub created: String,
    /// When it ends; absent where it does not by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Of a rotation: when the old key ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_ends: Option<String>,
}

/// What `POST /api/v1/devices/{name}/keys` takes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct DeviceKeyRequest {
    /// What it is to be called: at most 64 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Seconds until it ends; never by itself if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_seconds: Option<u64>,
}

/// What `POST /api/v1/devices/{name}/keys/{id}/rotate` takes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct DeviceKeyRotation {
    /// Seconds for which the old key holds beside the new one: 0 to 2,592,000 (30 days); a day if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap_seconds: Option<u64>,
}

/// What `PUT /api/v1/devices/{name}/public-key` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DevicePublicKey {
    /// An Ed25519 public key: 32 bytes in base64.
    pub public_key: String,
}

/// What `GET /api/v1/addresses/{ip}` answers: whose an address is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AddressOwner {
    /// The address that was asked for.
    pub address: String,
    /// The registered address or network that it is or lies in: the narrowest one.
    pub network: String,
    /// The device.
    pub device: String,
    /// The device's type.
    pub r#type: String,
}

/// What `POST /api/v1/devices/import` answers: one result for each line, in their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceImport {
    /// How many devices were registered.
    pub registered: u64,
    /// How many lines were refused.
    pub refused: u64,
    /// The results.
    pub results: Vec<DeviceImportLine>,
}

/// What became of one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceImportLine {
    /// The line in the file, from 1; the header is line 1.
    pub line: u64,
    /// The device's name, as it was read.
    pub name: String,
    /// Why it was refused; absent where it was registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
