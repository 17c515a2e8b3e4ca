//! What the service is told at its start, checked once. Secrets come by environment and are never printed.

#[cfg(feature = "mqtt")]
mod broker;
mod keys;
mod lock;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use alloy::{primitives::Address, signers::local::PrivateKeySigner};
use detect::Policies;
use ledger::chain::query::Finality;

use crate::{
    domain::{log::Periods, ports::PackRule, retention::Retention},
    transport::{Proxies, Source, TlsSettings},
};
#[cfg(feature = "mqtt")]
pub(crate) use broker::{Broker, BrokerTls, Piece, Subscription, TimeMember, TimeUnit, Values};
pub(crate) use keys::{DeviceKey, KeyError, LogIdentity};
pub(crate) use lock::lock;

/// The environment variable with the anchoring account's private key.
pub(crate) const ANCHORER_KEY: &str = "ANOMALY_LEDGER_ANCHORER_KEY";

/// Why the service cannot start as it was told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// A trial is keyless, so it must not be reachable.
    #[error("expected a loopback address such as 127.0.0.1:8080 for a trial, found {0}")]
    PublicTrial(SocketAddr),
    /// A proxy makes every address look local, so a trial cannot tell this machine from others.
    #[error("a trial serves this machine only and takes nothing through proxies: leave --trusted-proxy away")]
    TrialBehindProxy,
    /// Keys and readings would go over the network for all to read.
    #[error(
        "{0} can be reached by others, and keys would go there unencrypted: add --tls-cert and --tls-key, or listen on \
         127.0.0.1, or name the proxy that ends TLS with --trusted-proxy"
    )]
    PlainPublic(SocketAddr),
    /// Nobody vouches for it.
    #[error("{0} can be reached by others, and --tls-self-made is for trials and tests: use --tls-cert and --tls-key")]
    SelfMadePublic(SocketAddr),
    /// The anchoring key.
    #[error("expected a private key of 32 bytes in hexadecimal in {ANCHORER_KEY}: {0}")]
    AnchorerKey(&'static str),
}

/// What the service is told.
#[derive(Debug)]
pub(crate) struct ServeConfig {
    pub(crate) listen: SocketAddr,
    /// Where readings are taken over TCP, if anywhere.
    pub(crate) tcp: Option<SocketAddr>,
    /// Where MQTT is spoken.
    #[cfg(feature = "mqtt")]
    pub(crate) mqtt: Option<SocketAddr>,
    /// MQTT brokers to subscribe to.
    #[cfg(feature = "mqtt")]
    pub(crate) brokers: Vec<Broker>,
    /// TLS for all listeners.
    pub(crate) tls: Option<TlsSettings>,
    /// Whose word is taken for where requests come from.
    pub(crate) proxies: Proxies,
    /// The tags of InfluxDB's lines that name the device.
    pub(crate) device_tags: Arc<[String]>,
    /// Keyless, on this machine only.
    pub(crate) trial: bool,
    /// Whether anybody may register, as a device owner.
    pub(crate) open_registration: bool,
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
    /// The bytes of the model that is to judge network flows from now on, where one was given.
    pub(crate) flow_model: Option<Vec<u8>>,
    pub(crate) anchorer: PrivateKeySigner,
}

impl ServeConfig {
    /// Checks what must hold together.
    pub(crate) fn check(self) -> Result<Self, ConfigError> {
        if self.trial && !self.proxies.is_empty() {
            return Err(ConfigError::TrialBehindProxy);
        }
        for address in self.addresses().filter(|address| !address.ip().to_canonical().is_loopback()) {
            match &self.tls {
                _ if self.trial => return Err(ConfigError::PublicTrial(address)),
                Some(TlsSettings { source: Source::SelfMade, .. }) => return Err(ConfigError::SelfMadePublic(address)),
                None if self.proxies.is_empty() => return Err(ConfigError::PlainPublic(address)),
                Some(_) | None => {}
            }
        }
        Ok(self)
    }

    /// All addresses on which the service listens.
    fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        #[cfg(feature = "mqtt")]
        let mqtt = self.mqtt;
        #[cfg(not(feature = "mqtt"))]
        let mqtt = None;
        [Some(self.listen), self.tcp, mqtt].into_iter().flatten()
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
