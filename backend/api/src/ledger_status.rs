//! Where the log and the chain stand, and how the service is.

use serde::{Deserialize, Serialize};

/// `GET /api/v1/ledger`: the log's head beside the chain's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LedgerStatus {
    /// The log's name.
    pub origin: String,
    /// The log's verifier key (C2SP signed-note).
    pub log_key: String,
    /// Entries in the log.
    pub tree_size: u64,
    /// The log's root (64 hex digits).
    pub root: String,
    /// Entries under a root that the contract has recorded.
    pub anchored_size: u64,
    /// Entries under a root that the contract has recorded in a final block, and of which the service has the proof.
    pub final_size: u64,
    /// What the chain says.
    pub chain: ChainStatus,
    /// Whether this is a trial: keyless intake from this machine only, data synthetic.
    pub trial: bool,
}

/// The chain as the service sees it. An auditor asks the chain itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChainStatus {
    /// Where the service asks the chain, and where a browser may.
    pub rpc_url: String,
    /// `unknown`, `ok`, `unreachable`, `misconfigured`, `store_failed`, `behind` or `diverged`.
    pub status: String,
    /// What is the matter, and what to do; absent where all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The last thing that kept the service from anchoring since its start, also when it has passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    /// The contract's head: tree size. Absent before the first answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree_size: Option<u64>,
    /// The contract's head: root (64 hex digits).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// The newest block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_block: Option<u64>,
    /// The newest block that the chain calls final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finalized_block: Option<u64>,
    /// Seconds that the oldest entry which is not anchored has waited; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_unanchored_s: Option<f64>,
}

/// What was wrong, and when it was seen last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LastError {
    /// When it was seen last (RFC 3339).
    pub time: String,
    /// `problem` as it was then.
    pub problem: String,
}

/// `GET /health` and `GET /ready`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServiceHealth {
    /// `ok`, or what is the matter.
    pub status: String,
    /// The software's version.
    pub version: String,
    /// The version of the model for unknown profiles.
    pub model_version: String,
    /// Entries in the log.
    pub tree_size: u64,
    /// Entries under a root that the contract has recorded.
    pub anchored_size: u64,
    /// Entries under a root that the contract has recorded in a final block, and of which the service has the proof.
    pub final_size: u64,
    /// Seconds that the oldest entry which is not anchored has waited; 0 where there is none.
    pub oldest_unanchored_s: f64,
    /// `unknown`, `ok`, `unreachable`, `misconfigured`, `store_failed`, `behind` or `diverged`.
    pub chain: String,
    /// The last thing that kept the service from anchoring since its start, also when it has passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
}
