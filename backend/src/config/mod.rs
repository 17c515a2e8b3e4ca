//! What the service is told at its start, checked once. Secrets come by environment and are never printed.

mod keys;
mod lock;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use alloy::{primitives::Address, signers::local::PrivateKeySigner};
use detect::Policies;
use ledger::chain::query::Finality;

use crate::domain::{log::Periods, ports::PackRule, retention::Retention};
pub(crate) use keys::{KeyError, LogIdentity};
pub(crate) use lock::lock;

/// The environment variable with the anchoring account's private key.
pub(crate) const ANCHORER_KEY: &str = "ANOMALY_LEDGER_ANCHORER_KEY";

/// Why the service cannot start as it was told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// A trial is keyless, so it must not be reachable.
    #[error("expected a loopback address such as 127.0.0.1:8080 for a trial, found {0}")]
    PublicTrial(SocketAddr),
    /// The anchoring key.
    #[error("expected a private key of 32 bytes in hexadecimal in {ANCHORER_KEY}: {0}")]
    AnchorerKey(&'static str),
}

/// What the service is told.
#[derive(Debug)]
pub(crate) struct ServeConfig {
    pub(crate) listen: SocketAddr,
    /// Keyless, on this machine only.
    pub(crate) trial: bool,
    pub(crate) data_dir: PathBuf,
    pub(crate) rpc_url: String,
    pub(crate) contract: Address,
    pub(crate) finality: Finality,
    pub(crate) max_fee_per_gas: u128,
    pub(crate) batch_entries: u64,
    pub(crate) batch_age: Duration,
    pub(crate) poll: Duration,
    pub(crate) resend_after: Duration,
    pub(crate) behind_after: Duration,
    pub(crate) rpc_timeout: Duration,
    pub(crate) publish: bool,
    pub(crate) periods: Periods,
    /// When readings are packed.
    pub(crate) pack: PackRule,
    /// How long readings are kept.
    pub(crate) retain: Retention,
    /// What people ask of the detector, for each device.
    pub(crate) policies: Policies,
    /// How often models are grown anew from recent readings; never, if this is nothing.
    pub(crate) refit: Duration,
    pub(crate) anchorer: PrivateKeySigner,
}

impl ServeConfig {
    /// Checks what must hold together.
    pub(crate) fn check(self) -> Result<Self, ConfigError> {
        if self.trial && !self.listen.ip().is_loopback() {
            return Err(ConfigError::PublicTrial(self.listen));
        }
        Ok(self)
    }
}

/// The anchoring account, from the environment.
pub(crate) fn anchorer_from_env() -> Result<PrivateKeySigner, ConfigError> {
    let key = std::env::var(ANCHORER_KEY).map_err(|_| ConfigError::AnchorerKey("it is not set"))?;
    key.trim().parse().map_err(|_| ConfigError::AnchorerKey("it is malformed"))
}

/// Who runs this program, for the audit log: the user's number, as the system has it.
pub(crate) fn operator() -> String {
    use std::os::unix::fs::MetadataExt;
    // The system shows a process its own directory as its user's.
    std::fs::metadata("/proc/self").map_or_else(|_| "unknown".to_owned(), |process| format!("uid {}", process.uid()))
}
