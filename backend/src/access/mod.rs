//! Who is calling: from what was shown to a [`Pass`], and whether that still holds.
//!
//! Every way in, of people and of devices, comes through [`Gate`]. What a caller may do is
//! [`crate::domain::access`]'s table; this module refuses to decide that, to speak a protocol, and to keep rows.

mod accounts;
mod audit;
mod devices;
#[cfg(test)]
mod document;
mod password;
mod people;
pub(crate) mod routes;
mod secret;
#[cfg(test)]
pub(crate) mod testing;
mod throttle;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use crate::domain::{
    DeviceName, Millis,
    access::{Action, Caller, Reach},
    registry::Kinds as _,
};
pub(crate) use accounts::{AccountError, Accounts, Registering, SignedIn, TokenWish};
pub(crate) use audit::{Trail, record as audit_record};
pub(crate) use devices::{By, Devices, Registrar, RegistrarError, table};
pub(crate) use password::PasswordText;
pub(crate) use people::People;

/// The type of devices that see the traffic of others.
pub(crate) const PROBE: &str = "network-probe";

/// What somebody shows to say who they are.
#[derive(Clone, Copy)]
pub(crate) enum Credentials<'a> {
    /// Nothing.
    Nothing,
    /// A device's API key, or a person's token: their beginnings tell them apart.
    Key(&'a str),
    /// What the session's cookie holds.
    Session(&'a str),
    /// The device that a verified client certificate names.
    Certificate(&'a str),
}

/// Why somebody is not let in, or may not do this. Says no more than the caller knows already.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    /// What was shown is not known, not valid any more, or of somebody who was shut out. Which, is not said.
    #[error("the key, token or session is not valid (any more)")]
    Unknown,
    /// Nothing was shown, and this needs somebody.
    #[error("this needs a key, a token or a session: {0}")]
    Anonymous(&'static str),
    /// Known, and not allowed.
    #[error("{0}")]
    Forbidden(String),
}

/// A key, token or session that was made once, and may have ended since.
#[derive(Debug)]
pub(crate) struct Credential {
    ended: AtomicBool,
    /// In milliseconds since 1970. A session's end moves while it is used.
    expires: AtomicI64,
    /// The session's number, if it is one.
    session: Option<i64>,
}

impl Credential {
    /// One that ends then by itself.
    pub(crate) fn new(expires: Option<Millis>) -> Self {
        let expires = expires.map_or(i64::MAX, |expires| expires.0);
        Self { ended: AtomicBool::new(false), expires: AtomicI64::new(expires), session: None }
    }

    /// A session's.
    pub(crate) fn of_session(id: i64, expires: Millis) -> Self {
        Self { session: Some(id), ..Self::new(Some(expires)) }
    }

    /// The session's number, if it is one.
    pub(crate) fn session(&self) -> Option<i64> {
        self.session
    }

    /// Lets it hold until then, unless it was ended.
    pub(crate) fn extend(&self, expires: Millis) {
        self.expires.store(expires.0, Ordering::Release);
    }

    /// Ends it, on open connections too.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Lets it end then, unless it ends earlier.
    pub(crate) fn end_at(&self, then: Millis) {
        self.expires.fetch_min(then.0, Ordering::AcqRel);
    }

    /// Whether it still holds.
    pub(crate) fn holds(&self, now: Millis) -> bool {
        !self.ended.load(Ordering::Acquire) && now.0 < self.expires.load(Ordering::Acquire)
    }
}

/// Who is calling, from where, and by what. Kept with a connection, and asked again with each message.
#[derive(Debug, Clone)]
pub(crate) struct Pass {
    /// Who.
    pub(crate) caller: Caller,
    /// From where.
    pub(crate) from: IpAddr,
    /// What was shown; `None` where there is nothing that could end.
    pub(crate) credential: Option<Arc<Credential>>,
}

impl Pass {
    /// Whether what was shown still holds.
    pub(crate) fn holds(&self, now: Millis) -> bool {
        self.credential.as_ref().is_none_or(|credential| credential.holds(now))
    }
}

/// The one door.
pub(crate) struct Gate {
    /// Whether whoever shows nothing is let in as [`Caller::Trial`]. The listeners see to it that they are of this machine.
    trial: bool,
    pub(crate) people: Arc<People>,
    pub(crate) devices: Arc<Devices>,
}

impl Gate {
    pub(crate) fn new(trial: bool, people: Arc<People>, devices: Arc<Devices>) -> Self {
        Self { trial, people, devices }
    }

    /// Who shows these credentials from this address.
    ///
    /// # Errors
    /// [`Denied::Unknown`] if something was shown that does not hold: nobody falls back to being nobody.
    pub(crate) fn admit(&self, shown: Credentials<'_>, from: IpAddr, now: Millis) -> Result<Pass, Denied> {
        let pass = |(caller, credential)| Pass { caller, from, credential };
        let found = match shown {
            Credentials::Session(secret) => self.people.by_session(secret, now),
            Credentials::Key(secret) => self.devices.by_key(secret, now).or_else(|| self.people.by_token(secret, now)),
            Credentials::Certificate(device) => self.devices.by_certificate(device),
            Credentials::Nothing if self.trial => Some((Caller::Trial, None)),
            Credentials::Nothing => Some(self.devices.by_address(from).unwrap_or((Caller::Nobody, None))),
        };
        found.map(pass).filter(|pass| pass.holds(now)).ok_or(Denied::Unknown)
    }

    /// Whether this caller may do this to this device.
    ///
    /// # Errors
    /// [`Denied::Anonymous`] or [`Denied::Forbidden`]. Of a stranger's device the same as of one that does not exist.
    pub(crate) fn may(&self, caller: &Caller, action: Action, device: &DeviceName) -> Result<(), Denied> {
        let device = &device.device();
        let allowed = match caller.may(action) {
            Some(Reach::All) => Ok(()),
            Some(Reach::Own) if self.is_own(caller, device) => Ok(()),
            Some(Reach::Own) => {
                Err(Denied::Forbidden(format!("{device} is not a device of yours: register it first, if nobody has")))
            }
            None if *caller == Caller::Nobody => Err(Denied::Anonymous("show one")),
            None => Err(Denied::Forbidden("your roles, or the token's scopes, do not allow this".into())),
        };
        if allowed.is_ok() && action == Action::Send && self.devices.is_disabled(device) {
            return Err(Denied::Forbidden(format!("{device} is disabled")));
        }
        allowed
    }

    /// Whether this caller may send flows of this device: who may send as the device, and a network probe, which sees the
    /// traffic of others.
    ///
    /// # Errors
    /// As [`Gate::may`].
    pub(crate) fn may_report(&self, caller: &Caller, device: &DeviceName) -> Result<(), Denied> {
        let probe = |caller: &DeviceName| self.devices.kind(caller).is_some_and(|kind| &**kind.name() == PROBE);
        match caller {
            Caller::Device(name) if probe(name) && self.devices.kind(device).is_some() => {
                self.may(caller, Action::Send, name)
            }
            _ => self.may(caller, Action::Send, device),
        }
    }

    /// Whether a device is the caller itself, or belongs to the caller.
    pub(crate) fn is_own(&self, caller: &Caller, device: &DeviceName) -> bool {
        let device = &device.device();
        match caller {
            Caller::Device(name) => name == device,
            Caller::Person { id, .. } => self.devices.owner(device) == Some(*id),
            Caller::Nobody | Caller::Trial => false,
        }
    }
}
