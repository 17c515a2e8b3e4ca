//! What people ask of the detector for one device: the policy file, and the type that the device is registered with.

use std::sync::Arc;

use detect::{Policies, Policy};

use crate::domain::{
    DeviceName,
    registry::{DeviceType, Kinds},
};

/// Both of them. A type may change while the service runs; the file does not.
#[derive(Clone)]
pub(super) struct Limits {
    pub(super) policies: Arc<Policies>,
    pub(super) kinds: Arc<dyn Kinds>,
}

/// A device's type as it was when its policy was worked out.
pub(super) type Kind = Option<Arc<DeviceType>>;

impl Limits {
    /// The type of a device as it is now.
    pub(super) fn kind(&self, device: &DeviceName) -> Kind {
        self.kinds.kind(device)
    }

    /// What is asked for a device of this type that is judged by this profile.
    pub(super) fn policy(&self, kind: &Kind, profile: &str, device: &DeviceName) -> Policy {
        match kind {
            Some(kind) => self.policies.of_type(kind.name(), kind.limits(), profile, device.as_str()),
            None => self.policies.of(profile, device.as_str()),
        }
    }
}

/// Whether a type is the same, unchanged.
pub(super) fn same(one: &Kind, other: &Kind) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}
