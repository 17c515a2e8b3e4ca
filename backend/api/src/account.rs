//! Signing in, and what belongs to one's own account.

use serde::{Deserialize, Serialize};

/// What a person may be. Somebody may be several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks after users, devices and the service; reads no findings.
    Admin,
    /// Judges findings, of all devices.
    Analyst,
    /// Has devices, and sees what is theirs.
    DeviceOwner,
    /// Reads everything, changes nothing.
    Auditor,
}

/// Of which devices or people something may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// One's own.
    Own,
    /// All.
    All,
}

/// Who is calling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CallerKind {
    /// Nobody has said who they are.
    Nobody,
    /// Somebody on this machine, in a trial, which asks for no keys.
    Trial,
    /// A device, by its key, its certificate or its address.
    Device,
    /// A person, by a session or a token.
    User,
}

/// An action that the caller may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Permission {
    /// The action's name, as in docs/permissions.md: `read_log`, `read_findings`, `manage_users`, …
    pub action: String,
    /// Of which devices or people.
    pub reach: Reach,
}

/// Who the caller is, and what they may do: `GET /api/v1/session`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Identity {
    /// What the caller is.
    pub caller: CallerKind,
    /// The user's number; absent for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// The user's or the device's name; absent for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the user is.
    pub roles: Vec<Role>,
    /// What the token is good for; absent for a session, which is good for all that its user may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<crate::Scope>>,
    /// What the caller may do. What is not here is refused.
    pub may: Vec<Permission>,
    /// The password has to be changed (`PUT /api/v1/account/password`) before anything else is allowed.
    pub must_change_password: bool,
    /// Whether the service is a trial: keyless, on this machine only.
    pub trial: bool,
    /// Whether anybody may register, without an invitation.
    pub open_registration: bool,
}

/// What `POST /api/v1/session` takes. The answer is an [`Identity`], and sets the session's cookie.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The user's name.
    pub name: String,
    /// The password.
    pub password: String,
}

/// What `PUT /api/v1/account/password` takes. All other sessions of the user end.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The password up to now.
    pub current: String,
    /// The new one: 12 to 256 characters, not the name, and none that everybody tries first.
    pub new: String,
}

/// A session: somebody has signed in, and not out again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    /// Its number.
    pub id: u64,
    /// When the user signed in (RFC 3339, UTC).
    pub created: String,
    /// When it was last used, to the minute or so (RFC 3339, UTC).
    pub last_seen: String,
    /// When it ends unless it is used (RFC 3339, UTC).
    pub expires: String,
    /// The address from which the user signed in.
    pub from: String,
    /// What the browser calls itself, cut short.
    pub user_agent: String,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// What `POST /api/v1/registration` takes. The answer is a [`crate::User`]; signing in comes after.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// 1 to 64 of the characters a–z, 0–9 and `. _ - + @`; capitals are made small.
    pub name: String,
    /// 12 to 256 characters, not the name, and none that everybody tries first.
    pub password: String,
    /// The invitation's token; not needed where registration is open, which makes device owners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<String>,
}

/// Without the secrets: these are written into logs.
macro_rules! names_only {
    ($($type:ident { $($shown:ident),* })*) => {$(
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($type))$(.field(stringify!($shown), &self.$shown))*.finish_non_exhaustive()
            }
        }
    )*};
}

names_only! { SignIn { name } PasswordChange {} Registration { name } }
