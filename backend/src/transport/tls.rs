//! TLS 1.2 and 1.3, by rustls. The certificate is read again when its files change, so that renewal needs no restart.

use std::{
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier},
};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::{certificate, self_made};
use crate::domain::log::stopped;

/// How often the files are looked at: three times two `stat`s a minute cost nothing, and a renewal is due days before the
/// end.
const LOOK: Duration = Duration::from_secs(20);

/// What the service is told of TLS.
#[derive(Debug, Clone)]
pub(crate) struct TlsSettings {
    /// Where the certificate comes from.
    pub(crate) source: Source,
    /// Whose client certificates are believed; none are asked for without it.
    pub(crate) client_ca: Option<PathBuf>,
}

/// Where a certificate comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Given: a chain, and the key of its first certificate, as PEM.
    Files {
        /// The chain.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// Made by the service and kept in its data directory.
    SelfMade,
}

/// Why there can be no TLS with these files.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file cannot be read as what it should be.
    #[error("{}: expected {expected} as PEM: {found}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What should be in it.
        expected: &'static str,
        /// What was found.
        found: pem::Error,
    },
    /// A file is there, and nothing is in it.
    #[error("{}: expected {expected} as PEM, found none", file.display())]
    Empty {
        /// The file.
        file: PathBuf,
        /// What should be in it.
        expected: &'static str,
    },
    /// What was read does not fit together.
    #[error("certificate and key cannot be used: {0}")]
    Rustls(#[from] rustls::Error),
    /// The certificates of --client-ca.
    #[error("the client CA cannot be used: {0}")]
    Verifier(#[from] VerifierBuilderError),
    /// No certificate could be made.
    #[error("a certificate could not be made: {0}")]
    SelfMade(io::Error),
}

/// TLS with the certificate that holds now. Clones share it.
#[derive(Clone)]
pub(crate) struct Tls(Arc<Shared>);

struct Shared {
    files: Files,
    current: RwLock<Current>,
}

struct Files {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

/// What new connections get.
struct Current {
    any: Arc<ServerConfig>,
    /// The same, for clients that may say which protocol they want, and must want this one.
    http: Arc<ServerConfig>,
    fingerprint: String,
}

impl Tls {
    /// Reads the files; makes them if it is to be a certificate of our own.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub(crate) fn load(settings: TlsSettings, data_dir: &Path, listen: IpAddr) -> Result<Self, TlsError> {
        let (certificate, key) = match settings.source {
            Source::Files { certificate, key } => (certificate, key),
            Source::SelfMade => self_made::ensure(data_dir, listen).map_err(TlsError::SelfMade)?,
        };
        let files = Files { certificate, key, client_ca: settings.client_ca };
        let current = RwLock::new(files.read()?);
        Ok(Self(Arc::new(Shared { files, current })))
    }

    /// The SHA-256 of the certificate that is shown now.
    pub(crate) fn fingerprint(&self) -> String {
        self.0.current.read().unwrap_or_else(PoisonError::into_inner).fingerprint.clone()
    }

    pub(super) fn acceptor(&self, http: bool) -> TlsAcceptor {
        let current = self.0.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(if http { &current.http } else { &current.any }).into()
    }

    /// Reads the files again. If they cannot be used, the certificate of before stays.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        let new = self.0.files.read()?;
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// Reads the files again whenever they have changed, or the process gets SIGHUP, until `stop` turns true.
    pub(crate) async fn keep_current(self, mut stop: watch::Receiver<bool>) {
        let mut hangup = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(error) => {
                return tracing::error!(%error, "certificates are not read again: SIGHUP cannot be waited for");
            }
        };
        let mut seen = self.0.files.stamp();
        loop {
            let asked = tokio::select! {
                () = stopped(&mut stop) => return,
                _ = hangup.recv() => true,
                () = tokio::time::sleep(LOOK) => false,
            };
            let found = self.0.files.stamp();
            if !asked && found == seen {
                continue;
            }
            // Certificate and key are two files: whoever has seen only one of them changed sees the other the next time.
            seen = found;
            match self.reload() {
                Ok(()) => tracing::info!(fingerprint = self.fingerprint(), "the certificate was read again"),
                Err(error) => tracing::error!(%error, "the certificate could not be read again: the old one stays"),
            }
        }
    }
}

impl Files {
    /// Changes when a file does.
    fn stamp(&self) -> Vec<Option<(SystemTime, u64)>> {
        let stamp = |file: &PathBuf| {
            let found = fs::metadata(file).ok()?;
            Some((found.modified().ok()?, found.len()))
        };
        [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()].into_iter().flatten().map(stamp).collect()
    }

    fn read(&self) -> Result<Current, TlsError> {
        let chain = certificates(&self.certificate, "a chain of certificates")?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|found| TlsError::File {
            file: self.key.clone(),
            expected: "a private key",
            found,
        })?;
        let fingerprint = chain.first().map(certificate::fingerprint).unwrap_or_default();
        let provider: Arc<CryptoProvider> = rustls::crypto::ring::default_provider().into();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
        let mut any = match &self.client_ca {
            None => builder.with_no_client_auth().with_single_cert(chain, key)?,
            Some(file) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(file, "certificates")? {
                    roots.add(certificate)?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                let verifier = verifier.allow_unauthenticated().build()?;
                builder.with_client_cert_verifier(verifier).with_single_cert(chain, key)?
            }
        };
        if self.client_ca.is_some() {
            // A session that is taken up again would not show its certificate again, which may have ended since.
            any.session_storage = Arc::new(NoServerSessionStorage {});
            any.send_tls13_tickets = 0;
        }
        let mut http = any.clone();
        http.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Current { any: any.into(), http: http.into(), fingerprint })
    }
}

fn certificates(file: &Path, expected: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |found| TlsError::File { file: file.to_owned(), expected, found };
    let read = CertificateDer::pem_file_iter(file).map_err(wrong)?;
    let read: Vec<_> = read.collect::<Result<_, _>>().map_err(wrong)?;
    if read.is_empty() { Err(TlsError::Empty { file: file.to_owned(), expected }) } else { Ok(read) }
}
