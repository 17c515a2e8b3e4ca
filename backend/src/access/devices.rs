//! Keys, certificates and addresses of devices, and whose they are.

use std::{net::IpAddr, sync::Arc};

use super::Credential;
use crate::domain::{
    DeviceName,
    access::{Caller, UserId},
};

/// The devices that may come in.
#[derive(Default)]
pub(crate) struct Devices {}

impl Devices {
    /// Whose key this is.
    pub(crate) fn by_key(&self, _secret: &str) -> Option<(Caller, Option<Arc<Credential>>)> {
        None
    }

    /// The device that a verified certificate names.
    pub(crate) fn by_certificate(&self, _name: &str) -> Option<(Caller, Option<Arc<Credential>>)> {
        None
    }

    /// The device at this address, for those that can show nothing.
    pub(crate) fn by_address(&self, _from: IpAddr) -> Option<(Caller, Option<Arc<Credential>>)> {
        None
    }

    /// The device of this address: the narrowest registered address or network that it is or lies in.
    pub(crate) fn at(&self, _address: IpAddr) -> Option<DeviceName> {
        None
    }

    /// The Ed25519 key with which a device has to sign its readings; `None` where it has none.
    pub(crate) fn public_key(&self, _device: &DeviceName) -> Option<[u8; 32]> {
        None
    }

    /// Whose device this is; `None` of one that nobody has registered, or has nobody.
    pub(crate) fn owner(&self, _device: &DeviceName) -> Option<UserId> {
        None
    }
}
