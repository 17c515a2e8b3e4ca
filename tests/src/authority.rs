//! A certificate authority, and what it signs, for tests of TLS.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// An authority of a test's own.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key, both as PEM.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A server on 127.0.0.1.
    Server,
    /// A client.
    Client,
    /// A client whose certificate ended yesterday.
    Expired,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// If there is no randomness.
    #[allow(clippy::new_without_default, reason = "each is another")]
    pub fn new() -> Self {
        let mut params = named("authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key can be made");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("a certificate can be made") }
    }

    /// Its own certificate, as PEM.
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// Signs a certificate with this common name.
    ///
    /// # Panics
    /// If there is no randomness.
    pub fn sign(&self, common_name: &str, purpose: Purpose) -> Signed {
        let mut params = named(common_name);
        params.extended_key_usages = vec![match purpose {
            Purpose::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Purpose::Client | Purpose::Expired => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        if purpose == Purpose::Expired {
            params.not_before = (SystemTime::now() - Duration::from_secs(10 * 86_400)).into();
            params.not_after = (SystemTime::now() - Duration::from_secs(86_400)).into();
        }
        let key = KeyPair::generate().expect("a key can be made");
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate can be made");
        Signed { certificate: signed.pem(), key: key.serialize_pem() }
    }
}

impl Signed {
    /// Writes both into a directory; gives the files of the certificate and of the key.
    ///
    /// # Panics
    /// If they cannot be written.
    pub fn write(&self, dir: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = (dir.join(format!("{name}.crt")), dir.join(format!("{name}.key")));
        std::fs::write(&key, &self.key).expect("a temporary file can be written");
        std::fs::write(&certificate, &self.certificate).expect("a temporary file can be written");
        (certificate, key)
    }
}

fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("the name is one");
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}
