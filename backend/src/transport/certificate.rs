//! What is read of X.509 certificates. They are verified elsewhere, by rustls.

use std::io;

use ledger::hash::sha256;
use rustls::pki_types::CertificateDer;
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

/// The name that a client certificate gives its device.
///
/// # Errors
/// If it has no common name that is text, or several: then nobody can say whom it is of.
pub(super) fn common_name(certificate: &CertificateDer<'_>) -> io::Result<String> {
    let refuse = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|error| refuse(error.to_string()))?;
    let mut names = parsed.subject().iter_common_name();
    let (Some(name), None) = (names.next(), names.next()) else {
        return Err(refuse("expected a client certificate with one common name".into()));
    };
    let name = name.as_str().map_err(|error| refuse(format!("the common name is not text: {error}")))?;
    Ok(name.to_owned())
}

/// When it ends, in seconds since 1970.
pub(super) fn ends(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(parsed.validity().not_after.timestamp())
}

/// Its SHA-256, as browsers and openssl show it.
pub(super) fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    sha256(&[certificate]).0.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}
