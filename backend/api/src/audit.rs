//! The audit log: who did what.

use serde::{Deserialize, Serialize};

/// A record of the audit log, as `GET /api/v1/audit` lists them, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditRecord {
    /// Its number, from 0 on.
    pub number: u64,
    /// When (RFC 3339, UTC).
    pub at: String,
    /// Who: `user NAME`, `device NAME`, `trial`, `nobody`, or who ran a command.
    pub who: String,
    /// From which address; empty where that is unknown.
    pub from: String,
    /// What, as noun and verb: `session.begin`, `user.create`, `payload.read`, …
    pub what: String,
    /// What it was done to.
    pub object: String,
    /// What came of it.
    pub result: String,
}
