//! Who may do what: one table, asked by every way in, and shown in docs/permissions.md.

use std::fmt;

use super::DeviceName;

/// What a person may be. Somebody may be several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Role {
    /// Looks after users, devices and the service; reads no findings.
    Admin,
    /// Judges findings, of all devices.
    Analyst,
    /// Has devices, and sees what is theirs.
    DeviceOwner,
    /// Reads everything, changes nothing.
    Auditor,
}

/// Several roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Roles(u8);

/// What somebody wants to do. Every route names one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Action {
    /// The page itself, the description of the interface, signing in, how the service is.
    Open,
    /// Entries, tiles, checkpoints, proofs, trust roots, anomalies without their payload.
    ReadLog,
    /// Payloads, evidence with them, the detector's states.
    ReadFindings,
    /// Readings, and what is computed from them.
    ReadReadings,
    /// Models and their training samples.
    ReadModels,
    /// Send readings as a device.
    Send,
    /// Say whether a finding was right.
    Judge,
    /// The registry's records of devices.
    ReadDevices,
    /// Register, change and remove devices; make and revoke their keys.
    ManageDevices,
    /// Types of devices: metrics, ranges, limits, retention; which network belongs to which device.
    ManageTypes,
    /// One's own account, sessions and tokens.
    OwnAccount,
    /// Users, their roles, invitations.
    ManageUsers,
    /// The audit log.
    ReadAudit,
    /// Figures of the service for its operators.
    ReadMetrics,
}

/// Of which devices or people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reach {
    /// One's own.
    Own,
    /// All.
    All,
}

/// What a token is good for: a part of what its maker may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Scope {
    /// Read what its maker may read.
    Read,
    /// Send readings.
    Send,
    /// Change what its maker may change, but no users and no tokens.
    Manage,
}

/// Several scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scopes(u8);

/// A user's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct UserId(pub(crate) i64);

/// Who is calling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Nobody has said who they are.
    Nobody,
    /// Somebody on this machine, in a trial, which asks for no keys.
    Trial,
    /// A device, by its key, its certificate or its address.
    Device(DeviceName),
    /// A person, by a session or a token.
    Person {
        /// The user.
        id: UserId,
        /// The name to show, and to write into the audit log.
        name: String,
        /// What the user is.
        roles: Roles,
        /// What the token is good for; all, for a session.
        scopes: Scopes,
    },
}

impl UserId {
    /// The user of this number, as the interface writes it. Of one that is too large there is no user.
    pub(crate) fn of(number: u64) -> Self {
        Self(i64::try_from(number).unwrap_or(i64::MAX))
    }

    /// The number as the interface writes it.
    pub(crate) fn number(self) -> u64 {
        self.0.unsigned_abs()
    }
}

impl Role {
    /// All of them, in the order in which they are shown.
    pub(crate) const ALL: [Role; 4] = [Role::Admin, Role::Analyst, Role::DeviceOwner, Role::Auditor];

    /// As it is written in requests and in the store.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::Analyst => "analyst",
            Role::DeviceOwner => "device_owner",
            Role::Auditor => "auditor",
        }
    }

    /// The table: how far this role may take this action.
    pub(crate) fn may(self, action: Action) -> Option<Reach> {
        use Reach::{All, Own};
        let (admin, analyst, owner, auditor) = match action {
            Action::Open | Action::ReadLog => (Some(All), Some(All), Some(All), Some(All)),
            Action::ReadFindings | Action::ReadReadings => (None, Some(All), Some(Own), Some(All)),
            Action::ReadModels => (Some(All), Some(All), None, Some(All)),
            Action::Send => (None, None, Some(Own), None),
            Action::Judge => (None, Some(All), Some(Own), None),
            Action::ReadDevices => (Some(All), Some(All), Some(Own), Some(All)),
            Action::ManageDevices => (Some(All), None, Some(Own), None),
            Action::ManageTypes | Action::ManageUsers => (Some(All), None, None, None),
            Action::OwnAccount => (Some(Own), Some(Own), Some(Own), Some(Own)),
            Action::ReadAudit => (Some(All), None, None, Some(All)),
            Action::ReadMetrics => (Some(All), Some(All), None, Some(All)),
        };
        match self {
            Role::Admin => admin,
            Role::Analyst => analyst,
            Role::DeviceOwner => owner,
            Role::Auditor => auditor,
        }
    }
}

impl Roles {
    /// These roles.
    pub(crate) fn of(roles: impl IntoIterator<Item = Role>) -> Self {
        Self(roles.into_iter().fold(0, |bits, role| bits | 1 << role as u8))
    }

    /// Whether this role is among them.
    pub(crate) fn has(self, role: Role) -> bool {
        self.0 & (1 << role as u8) != 0
    }

    /// Each of them.
    pub(crate) fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.has(*role))
    }

    /// Whether there are none.
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Action {
    /// All of them, in the order in which they are shown.
    pub(crate) const ALL: [Action; 14] = [
        Action::Open,
        Action::ReadLog,
        Action::ReadFindings,
        Action::ReadReadings,
        Action::ReadModels,
        Action::Send,
        Action::Judge,
        Action::ReadDevices,
        Action::ManageDevices,
        Action::ManageTypes,
        Action::OwnAccount,
        Action::ManageUsers,
        Action::ReadAudit,
        Action::ReadMetrics,
    ];

    /// As it is written in answers and in docs/permissions.md.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Action::Open => "open",
            Action::ReadLog => "read_log",
            Action::ReadFindings => "read_findings",
            Action::ReadReadings => "read_readings",
            Action::ReadModels => "read_models",
            Action::Send => "send",
            Action::Judge => "judge",
            Action::ReadDevices => "read_devices",
            Action::ManageDevices => "manage_devices",
            Action::ManageTypes => "manage_types",
            Action::OwnAccount => "own_account",
            Action::ManageUsers => "manage_users",
            Action::ReadAudit => "read_audit",
            Action::ReadMetrics => "read_metrics",
        }
    }

    /// The scope that a token needs for it; `None` where no token will do.
    pub(crate) fn scope(self) -> Option<Scope> {
        match self {
            Action::Open
            | Action::ReadLog
            | Action::ReadFindings
            | Action::ReadReadings
            | Action::ReadModels
            | Action::ReadDevices
            | Action::ReadAudit
            | Action::ReadMetrics => Some(Scope::Read),
            Action::Send => Some(Scope::Send),
            Action::Judge | Action::ManageDevices | Action::ManageTypes => Some(Scope::Manage),
            Action::OwnAccount | Action::ManageUsers => None,
        }
    }
}

impl Scope {
    /// All of them.
    pub(crate) const ALL: [Scope; 3] = [Scope::Read, Scope::Send, Scope::Manage];

    /// As it is written in requests and in the store.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Send => "send",
            Scope::Manage => "manage",
        }
    }
}

impl Scopes {
    /// A session's: everything that the user may do.
    pub(crate) const SESSION: Scopes = Scopes(u8::MAX);

    /// A session's, while its user has yet to change the password: nothing but the own account.
    pub(crate) const PASSWORD: Scopes = Scopes(1 << 7);

    /// A token's.
    pub(crate) fn of(scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | 1 << scope as u8))
    }

    /// Each of them.
    pub(crate) fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & (1 << *scope as u8) != 0)
    }

    fn allow(self, action: Action) -> bool {
        if self == Self::PASSWORD {
            return action == Action::OwnAccount;
        }
        self == Self::SESSION || action.scope().is_some_and(|needed| self.iter().any(|scope| scope == needed))
    }
}

impl Caller {
    /// How far this caller may take this action; `None` if not at all.
    pub(crate) fn may(&self, action: Action) -> Option<Reach> {
        let everybody = matches!(action, Action::Open | Action::ReadLog).then_some(Reach::All);
        let more = match self {
            Caller::Nobody => None,
            // Everything but what needs a user to do it to.
            Caller::Trial => (action != Action::OwnAccount).then_some(Reach::All),
            Caller::Device(_) => matches!(action, Action::Send | Action::ReadDevices).then_some(Reach::Own),
            Caller::Person { roles, scopes, .. } => {
                let reach = roles.iter().filter_map(|role| role.may(action)).max();
                reach.filter(|_| scopes.allow(action))
            }
        };
        everybody.max(more)
    }
}

/// For the audit log.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Caller::Nobody => f.write_str("nobody"),
            Caller::Trial => f.write_str("trial"),
            Caller::Device(name) => write!(f, "device {name}"),
            Caller::Person { name, .. } => write!(f, "user {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(roles: &[Role], scopes: Scopes) -> Caller {
        let roles = Roles::of(roles.iter().copied());
        Caller::Person { id: UserId(1), name: "ada".into(), roles, scopes }
    }

    #[test]
    fn admins_read_no_findings_and_auditors_change_nothing() {
        for action in [Action::ReadFindings, Action::ReadReadings, Action::Send, Action::Judge] {
            assert_eq!(Role::Admin.may(action), None, "{action:?}");
        }
        for action in [Action::Send, Action::Judge, Action::ManageDevices, Action::ManageTypes, Action::ManageUsers] {
            assert_eq!(Role::Auditor.may(action), None, "{action:?}");
        }
    }

    #[test]
    fn everybody_reads_the_log_and_strangers_nothing_else() {
        for action in Action::ALL {
            let open = matches!(action, Action::Open | Action::ReadLog);
            assert_eq!(Caller::Nobody.may(action).is_some(), open, "{action:?}");
            assert!(!open || person(&[], Scopes::of([])).may(action) == Some(Reach::All), "{action:?}");
        }
    }

    #[test]
    fn several_roles_reach_as_far_as_the_furthest() {
        let both = person(&[Role::DeviceOwner, Role::Auditor], Scopes::SESSION);
        assert_eq!(both.may(Action::ReadFindings), Some(Reach::All));
        assert_eq!(both.may(Action::Send), Some(Reach::Own));
    }

    #[test]
    fn who_has_to_change_the_password_may_do_that_and_nothing_else() {
        for action in Action::ALL {
            let may = person(&Role::ALL, Scopes::PASSWORD).may(action).is_some();
            assert_eq!(may, matches!(action, Action::Open | Action::ReadLog | Action::OwnAccount), "{action:?}");
        }
    }

    #[test]
    fn a_token_does_no_more_than_its_scopes_and_never_manages_people() {
        let all = Scopes::of(Scope::ALL);
        let admin = person(&[Role::Admin], all);
        assert_eq!(admin.may(Action::ManageDevices), Some(Reach::All));
        assert_eq!(admin.may(Action::ManageUsers), None);
        assert_eq!(admin.may(Action::OwnAccount), None);
        let sender = person(&[Role::DeviceOwner], Scopes::of([Scope::Send]));
        assert_eq!(sender.may(Action::Send), Some(Reach::Own));
        assert_eq!(sender.may(Action::ReadReadings), None);
    }
}
