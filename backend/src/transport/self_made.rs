//! A certificate of the service's own making, for trials and tests. Nobody vouches for it: a client pins it, or believes
//! whoever answers.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    net::IpAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::certificate;

/// How long a certificate holds: browsers refuse more than 398 days.
const VALID: Duration = Duration::from_secs(365 * 86_400);

/// A certificate that ends within this is made anew at the next start.
const RENEW: Duration = Duration::from_secs(30 * 86_400);

/// The files of the certificate and of its key in this directory; made if they are missing or about to end.
///
/// # Errors
/// If they cannot be made or written.
pub(super) fn ensure(data_dir: &Path, listen: IpAddr) -> io::Result<(PathBuf, PathBuf)> {
    let (certificate, key) = (data_dir.join("tls-self-made.crt"), data_dir.join("tls-self-made.key"));
    if !(key.exists() && holds(&certificate)) {
        let (certificate_pem, key_pem) = make(listen).map_err(io::Error::other)?;
        write(&key, &key_pem)?;
        write(&certificate, &certificate_pem)?;
    }
    Ok((certificate, key))
}

fn holds(file: &Path) -> bool {
    let ends = CertificateDer::from_pem_file(file).ok().and_then(|certificate| certificate::ends(&certificate));
    let limit = (SystemTime::now() + RENEW).duration_since(UNIX_EPOCH).unwrap_or_default();
    ends.is_some_and(|ends| ends > limit.as_secs() as i64)
}

fn make(listen: IpAddr) -> Result<(String, String), rcgen::Error> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !names.contains(&listen.to_string()) {
        names.push(listen.to_string());
    }
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "anomaly-ledger, self-made");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // An hour back: the client's clock may be behind.
    let now = SystemTime::now();
    params.not_before = (now - Duration::from_secs(3_600)).into();
    params.not_after = (now + VALID).into();
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

/// Whole or not at all, and for the owner's eyes only.
fn write(file: &Path, text: &str) -> io::Result<()> {
    let unfinished = file.with_extension("unfinished");
    let _ = fs::remove_file(&unfinished);
    let mut open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    open.write_all(text.as_bytes())?;
    open.sync_all()?;
    fs::rename(unfinished, file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn is_kept_and_secret() {
        let dir = tempfile::tempdir().unwrap();
        let listen = "127.0.0.1".parse().unwrap();
        let (certificate, key) = ensure(dir.path(), listen).unwrap();
        let first = fs::read(&certificate).unwrap();
        for file in [&certificate, &key] {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
        }
        ensure(dir.path(), listen).unwrap();
        assert_eq!(fs::read(&certificate).unwrap(), first);
        fs::write(&certificate, "damaged").unwrap();
        ensure(dir.path(), listen).unwrap();
        assert_ne!(fs::read(&certificate).unwrap(), b"damaged");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
