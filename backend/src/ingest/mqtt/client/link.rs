//! The connection to a broker: sockets and TLS.

use std::{io, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::{
    config::{Broker, BrokerTls},
    transport::Io,
};

/// Opens a connection, and checks the broker's certificate where there is one.
pub(super) async fn open(broker: &Broker) -> io::Result<Box<dyn Io>> {
    let stream = TcpStream::connect((broker.host.as_str(), broker.port)).await?;
    let _ = stream.set_nodelay(true);
    let Some(tls) = &broker.tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(broker.host.clone()).map_err(io::Error::other)?;
    // Read anew for each connection: certificates change while the service runs.
    let connector = TlsConnector::from(Arc::new(config(tls)?));
    Ok(Box::new(connector.connect(name, stream).await?))
}

fn config(tls: &BrokerTls) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match &tls.ca_file {
        Some(file) => {
            for certificate in certificates(file)? {
                roots.add(certificate).map_err(|error| named(file, &error))?;
            }
        }
        None => _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
    }
    let config = ClientConfig::builder().with_root_certificates(roots);
    match &tls.shown {
        None => Ok(config.with_no_client_auth()),
        Some((certificate, key_file)) => {
            let key = PrivateKeyDer::from_pem_file(key_file).map_err(|error| named(key_file, &error))?;
            config.with_client_auth_cert(certificates(certificate)?, key).map_err(io::Error::other)
        }
    }
}

fn certificates(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match found {
        Ok(found) if found.is_empty() => Err(named(file, &"expected certificates in PEM, found none")),
        found => found.map_err(|error| named(file, &error)),
    }
}

fn named(file: &Path, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {error}", file.display()))
}
