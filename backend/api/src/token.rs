//! API tokens of people, for their programs.

use serde::{Deserialize, Serialize};

/// What a token is good for: a part of what its maker may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Read what its maker may read.
    Read,
    /// Send readings.
    Send,
    /// Change what its maker may change, but no users and no tokens.
    Manage,
}

/// What `POST /api/v1/tokens` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// What it is for: 1 to 64 characters without control characters.
    pub name: String,
    /// What it is good for; at least one.
    pub scopes: Vec<Scope>,
    /// Days until it ends: 1 to 365; 90 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_days: Option<u32>,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Token {
    /// Its number.
    pub id: u64,
    /// How its secret begins, to recognise it by.
    pub prefix: String,
    /// What it is for.
    pub name: String,
    /// What it is good for.
    pub scopes: Vec<Scope>,
    /// When it was made (RFC 3339, UTC).
    pub created: String,
    /// When it ends (RFC 3339, UTC).
    pub expires: String,
    /// When it was last used, to the minute or so (RFC 3339, UTC); absent if it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<String>,
    /// When it was revoked (RFC 3339, UTC); absent while it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<String>,
}

/// A token that was just made. Its secret is shown this once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewToken {
    /// The secret: `alt_` and 43 characters. Sent as `Authorization: Bearer …`.
    pub secret: String,
    /// What is kept of it.
    pub token: Token,
}
