//! Connections to the service, plain or by TLS.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, BufReader},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::Plan;

/// What a connection reads and writes.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection, buffered for reading.
pub(crate) type Socket = BufReader<Box<dyn Io>>;

/// Connects; by TLS if the plan says so.
pub(crate) async fn connect(plan: &Plan) -> std::io::Result<Socket> {
    let stream = TcpStream::connect(&plan.address).await?;
    stream.set_nodelay(true)?;
    let stream: Box<dyn Io> = match &plan.tls {
        None => Box::new(stream),
        Some(tls) => {
            let name = ServerName::try_from("localhost").map_err(std::io::Error::other)?;
            Box::new(tls.connect(name, stream).await?)
        }
    };
    Ok(BufReader::with_capacity(16 << 10, stream))
}

/// Trusts the certificates of this file.
pub(crate) fn connector(ca: &Path) -> Result<TlsConnector, String> {
    let explain = |error: &dyn std::fmt::Display| format!("{}: {error}", ca.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(|error| explain(&error))? {
        roots.add(certificate.map_err(|error| explain(&error))?).map_err(|error| explain(&error))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = builder.map_err(|error| explain(&error))?.with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
