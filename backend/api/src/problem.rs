//! Errors over HTTP: problem documents by RFC 9457, with codes that stay.

use serde::{Deserialize, Serialize};

/// What went wrong, for programs. New codes may come; none changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The body is not what the route takes.
    MalformedBody,
    /// A member of a reading is missing or not allowed.
    InvalidReading,
    /// A reading's signature is missing where the device has a key, or does not hold.
    InvalidSignature,
    /// The same key with other content.
    Conflict,
    /// The body is too long.
    BodyTooLarge,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The body has a type that the route does not take.
    UnsupportedMediaType,
    /// A parameter is not what the route takes.
    InvalidParameter,
    /// There is no such thing.
    NotFound,
    /// The route exists, but not with this method.
    MethodNotAllowed,
    /// This needs a key, a token or a session that holds.
    Unauthenticated,
    /// This caller, address, host or origin may not do this.
    Forbidden,
    /// Too many tries; wait.
    TooManyRequests,
    /// The service is busy or cannot store at the moment; try again.
    Unavailable,
    /// A fault of the service.
    Internal,
}

/// A problem document (RFC 9457), `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// `about:blank`: the title says it all.
    pub r#type: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong, for programs.
    pub code: Code,
    /// What went wrong and what to do, for people.
    pub detail: String,
}
