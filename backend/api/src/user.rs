//! Users and invitations, for those who look after them.

use serde::{Deserialize, Serialize};

use crate::Role;

/// Whether a user may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum UserState {
    /// Yes.
    Active,
    /// No; what belongs to the user stays.
    Disabled,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct User {
    /// Its number.
    pub id: u64,
    /// The name to sign in with.
    pub name: String,
    /// What the user is.
    pub roles: Vec<Role>,
    /// Whether the user may come in.
    pub state: UserState,
    /// Whether the password has to be changed at the next sign-in.
    pub must_change_password: bool,
    /// Since when there is this user (RFC 3339, UTC).
    pub created: String,
}

/// What `POST /api/v1/users` takes. The answer shows a password that has to be changed at the first sign-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UserRequest {
    /// 1 to 64 of the characters a–z, 0–9 and `. _ - + @`; capitals are made small.
    pub name: String,
    /// What the user is to be; at least one.
    pub roles: Vec<Role>,
}

/// What `PATCH /api/v1/users/{id}` takes: what is to change. It holds at once, on open connections too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    /// What the user is to be from now on; at least one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<Role>>,
    /// Whether the user may come in. Disabling ends all sessions; tokens do not work until the user is active again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<UserState>,
    /// Makes a new password, which the answer shows, and ends all sessions.
    #[serde(default)]
    pub reset_password: bool,
}

/// A user who was just made or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangedUser {
    /// The user.
    pub user: User,
    /// The password that was made, shown this once; absent where none was. It has to be changed at the next sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// What `POST /api/v1/invitations` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct InvitationRequest {
    /// What whoever takes it up will be; at least one.
    pub roles: Vec<Role>,
}

/// An invitation that nobody has taken up yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Invitation {
    /// Its number.
    pub id: u64,
    /// What whoever takes it up will be.
    pub roles: Vec<Role>,
    /// Who made it.
    pub by: String,
    /// When it was made (RFC 3339, UTC).
    pub created: String,
    /// Until when it can be taken up (RFC 3339, UTC).
    pub expires: String,
}

/// An invitation that was just made. Its secret is shown this once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewInvitation {
    /// The secret: `ali_` and 43 characters; goes into [`crate::Registration`].
    pub secret: String,
    /// Where to take it up, below the service's address. The secret stands behind `#`, so that browsers keep it out of
    /// requests and servers out of their logs.
    pub path: String,
    /// What is kept of it.
    pub invitation: Invitation,
}
