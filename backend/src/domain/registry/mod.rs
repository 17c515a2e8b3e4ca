//! The registry: which devices there are, whose they are, of which type, and what they show to come in.
//!
//! What is here is checked: a [`Registration`] or [`DeviceType`] that exists can be stored and served. Keeps nothing.

mod built_in;
mod key;
mod kind;
mod network;
mod port;

use std::collections::BTreeMap;

use api::DeviceRequest;

pub(crate) use built_in::{built_in, built_ins};
pub(crate) use key::{NewKey, StoredKey};
pub(crate) use kind::{DeviceType, GENERIC, Impossible, Kinds, MAX_TYPES};
pub(crate) use network::{Network, NetworkError};
pub(crate) use port::{Filter, Listed, Registry, Seen};

use super::{DeviceName, Millis, ReadingError, access::UserId, reading::is_name};

/// Marks of a device at most, and networks of it at most: what a table shows of one device on a screen.
const MAX_TAGS: usize = 16;
const MAX_ADDRESSES: usize = 16;

/// Longest texts, in bytes.
const MAX_LOCATION: usize = 200;
const MAX_FIRMWARE: usize = 100;
const MAX_PATIENT: usize = 100;
const MAX_TAG: usize = 64;

/// Names that are addresses of the interface beside devices: `POST /api/v1/devices/import`.
const TAKEN: [&str; 1] = ["import"];

/// Why there can be no such registration, type or key.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum RegistrationError {
    /// The device's name.
    #[error("{0}")]
    Name(#[from] ReadingError),
    /// A name that the interface needs.
    #[error("expected another name than {0:?}: it is an address of the interface")]
    Taken(String),
    /// A text that cannot be shown in a line.
    #[error("{what}: expected 1 to {longest} bytes without invisible characters, found {found:?}")]
    Text {
        /// Which.
        what: &'static str,
        /// How long it may be.
        longest: usize,
        /// Its beginning.
        found: String,
    },
    /// Too many of something.
    #[error("expected at most {most} {what}, found {found}")]
    Count {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        most: usize,
        /// How many there are.
        found: usize,
    },
    /// A number of seconds out of its range.
    #[error("{what}: expected {least} to {most}, found {found}")]
    Seconds {
        /// Which.
        what: &'static str,
        /// At least.
        least: u64,
        /// At most.
        most: u64,
        /// What was asked.
        found: u64,
    },
    /// An address or network.
    #[error("{0}")]
    Network(#[from] NetworkError),
    /// The same network twice.
    #[error("expected each address once, found {0} twice")]
    Repeated(Network),
    /// Nobody could come in so.
    #[error("keyless: expected addresses that it may send from, found none")]
    Keyless,
    /// The type's name.
    #[error("expected a type's name of 1 to 64 of a-z, 0-9 and -, found {0:?}")]
    TypeName(String),
    /// A type's metric.
    #[error("expected each metric's name once, of 1 to 64 bytes without invisible characters, found {0:?}")]
    Metric(String),
    /// Bounds that bound nothing, or everything.
    #[error("metric {metric:?}: {what}: expected a lowest value below a highest, or one of them")]
    Bounds {
        /// The metric.
        metric: String,
        /// `possible` or `safe`.
        what: &'static str,
    },
    /// A limit that the detector does not follow.
    #[error("{0}")]
    Rule(String),
    /// Not an Ed25519 key.
    #[error("expected an Ed25519 public key: 32 bytes in base64, found {0:?}")]
    PublicKey(String),
}

impl RegistrationError {
    fn text(what: &'static str, longest: usize, found: &str) -> Self {
        Self::Text { what, longest, found: found.chars().take(40).collect() }
    }

    fn count(what: &'static str, most: usize, found: usize) -> Self {
        Self::Count { what, most, found }
    }

    fn seconds(what: &'static str, least: u64, most: u64, found: u64) -> Self {
        Self::Seconds { what, least, most, found }
    }
}

/// What somebody has registered of a device.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Registration {
    pub(crate) name: DeviceName,
    pub(crate) owner: Option<UserId>,
    /// The type's name; whether there is such a type, the registrar has looked.
    pub(crate) kind: String,
    pub(crate) location: Option<String>,
    pub(crate) firmware: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) addresses: Vec<Network>,
    /// Whether it may send from those addresses without showing anything.
    pub(crate) keyless: bool,
    /// Whether a client certificate lets it in.
    pub(crate) certificate: bool,
    pub(crate) patient: Option<String>,
    pub(crate) disabled: bool,
    /// With which it signs readings.
    pub(crate) public_key: Option<[u8; 32]>,
    pub(crate) created: Millis,
}

impl Registration {
    /// A registration as it was asked for.
    ///
    /// # Errors
    /// [`RegistrationError`], with what was expected and what was found.
    pub(crate) fn new(request: DeviceRequest, created: Millis) -> Result<Self, RegistrationError> {
        let name = DeviceName::new(&request.name)?;
        if TAKEN.contains(&name.as_str()) || name.is_of_flows() {
            return Err(RegistrationError::Taken(request.name));
        }
        let addresses = request.addresses.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        let registration = Self {
            name,
            owner: request.owner.map(UserId::of),
            kind: request.r#type.unwrap_or_else(|| GENERIC.to_owned()),
            location: request.location,
            firmware: request.firmware,
            tags: request.tags,
            addresses,
            keyless: request.keyless,
            certificate: request.certificate,
            patient: request.patient,
            disabled: request.disabled,
            public_key: None,
            created,
        };
        registration.check()?;
        Ok(registration)
    }

    /// The same with what was asked to change.
    ///
    /// # Errors
    /// As of [`Registration::new`].
    pub(crate) fn changed(&self, change: api::DeviceChange) -> Result<Self, RegistrationError> {
        let addresses = match change.addresses {
            Some(texts) => texts.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
            None => self.addresses.clone(),
        };
        let old = self.clone();
        let changed = Self {
            name: old.name,
            owner: change.owner.map_or(old.owner, |owner| owner.map(UserId::of)),
            kind: change.r#type.unwrap_or(old.kind),
            location: change.location.unwrap_or(old.location),
            firmware: change.firmware.unwrap_or(old.firmware),
            tags: change.tags.unwrap_or(old.tags),
            addresses,
            keyless: change.keyless.unwrap_or(old.keyless),
            certificate: change.certificate.unwrap_or(old.certificate),
            patient: change.patient.unwrap_or(old.patient),
            disabled: change.disabled.unwrap_or(old.disabled),
            public_key: old.public_key,
            created: old.created,
        };
        changed.check()?;
        Ok(changed)
    }

    fn check(&self) -> Result<(), RegistrationError> {
        let texts = [
            ("location", MAX_LOCATION, &self.location),
            ("firmware", MAX_FIRMWARE, &self.firmware),
            ("patient", MAX_PATIENT, &self.patient),
        ];
        for (what, longest, text) in texts {
            if let Some(text) = text.as_deref().filter(|text| !is_name(text, longest)) {
                return Err(RegistrationError::text(what, longest, text));
            }
        }
        if self.tags.len() > MAX_TAGS {
            return Err(RegistrationError::count("tags", MAX_TAGS, self.tags.len()));
        }
        if let Some(text) = self.tags.iter().flat_map(|(k, v)| [k, v]).find(|text| !is_name(text, MAX_TAG)) {
            return Err(RegistrationError::text("tags", MAX_TAG, text));
        }
        if self.addresses.len() > MAX_ADDRESSES {
            return Err(RegistrationError::count("addresses", MAX_ADDRESSES, self.addresses.len()));
        }
        for (at, network) in self.addresses.iter().enumerate() {
            if self.addresses[..at].contains(network) {
                return Err(RegistrationError::Repeated(*network));
            }
        }
        if self.keyless && self.addresses.is_empty() {
            return Err(RegistrationError::Keyless);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn request(name: &str) -> DeviceRequest {
        DeviceRequest { name: name.into(), ..DeviceRequest::default() }
    }

    #[test]
    fn refuses_with_a_reason() {
        let many = |n: usize| (0..n).map(|n| (n.to_string(), "v".to_owned())).collect::<BTreeMap<_, _>>();
        let address = |text: &str| vec![text.to_owned()];
        for (request, reason) in [
            (request(""), "device name"),
            (request("import"), "import"),
            (DeviceRequest { location: Some("a\nb".into()), ..request("d") }, "location"),
            (DeviceRequest { firmware: Some(String::new()), ..request("d") }, "firmware"),
            (DeviceRequest { patient: Some("\u{202e}x".into()), ..request("d") }, "patient"),
            (DeviceRequest { tags: many(17), ..request("d") }, "at most 16 tags, found 17"),
            (DeviceRequest { tags: [("k".into(), "v".repeat(65))].into(), ..request("d") }, "64 bytes"),
            (DeviceRequest { addresses: address("10.0.0.1/8"), ..request("d") }, "10.0.0.0/8"),
            (DeviceRequest { addresses: vec!["10.0.0.1".into(), "10.0.0.1/32".into()], ..request("d") }, "twice"),
            (DeviceRequest { keyless: true, ..request("d") }, "keyless"),
        ] {
            let error = Registration::new(request, Millis(0)).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_change_takes_away_what_is_null_and_leaves_what_is_absent() {
        let request = DeviceRequest {
            location: Some("hall 1".into()),
            firmware: Some("1.2".into()),
            owner: Some(7),
            ..request("=cmd|' /C calc'!A0")
        };
        let old = Registration::new(request, Millis(5)).unwrap();
        let change = serde_json::from_str(r#"{"location": null, "disabled": true}"#).unwrap();
        let new = old.changed(change).unwrap();
        assert_eq!(new, Registration { location: None, disabled: true, ..old.clone() });
        let change = serde_json::from_str::<api::DeviceChange>(r#"{"created": "now"}"#);
        assert!(change.unwrap_err().to_string().contains("unknown field"));
    }
}
