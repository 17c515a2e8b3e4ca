//! The settings of `serve` for TLS and for proxies in front of it.

use std::path::PathBuf;

use crate::transport::{Net, Proxies, Source, TlsSettings};

/// How connections come in.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "TLS and proxies")]
pub(super) struct TransportArgs {
    /// The certificate chain, as PEM; read again when it changes, or at SIGHUP.
    #[arg(long, value_name = "FILE", requires = "tls_key", conflicts_with = "tls_self_made")]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// TLS with a certificate that the service makes itself and keeps in its data directory: for trials and tests.
    #[arg(long)]
    tls_self_made: bool,
    /// Believe client certificates of these authorities: the common name is the device's. Nobody must show one.
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,
    /// Believe this proxy, or all of this network, in where a request comes from (X-Forwarded-For, X-Forwarded-Proto,
    /// Forwarded). May be given several times.
    #[arg(long, value_name = "ADDRESS|NET")]
    trusted_proxy: Vec<Net>,
}

impl TransportArgs {
    /// What they say.
    ///
    /// # Errors
    /// If a setting is of no use without another.
    pub(super) fn settings(self) -> Result<(Option<TlsSettings>, Proxies), String> {
        let source = match (self.tls_cert, self.tls_key) {
            (Some(certificate), Some(key)) => Some(Source::Files { certificate, key }),
            _ => self.tls_self_made.then_some(Source::SelfMade),
        };
        if source.is_none() && self.client_ca.is_some() {
            return Err("--client-ca needs TLS: add --tls-cert and --tls-key".to_owned());
        }
        let tls = source.map(|source| TlsSettings { source, client_ca: self.client_ca });
        Ok((tls, self.trusted_proxy.into_iter().collect()))
    }
}
