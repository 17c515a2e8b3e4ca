//! Connections that others open: plain or TLS, with the peer's address and, where it showed one, its certificate's name.
//!
//! Every listener (HTTP, TCP, MQTT) takes its connections from here. Nothing here speaks a protocol above TLS.

use std::{io, net::SocketAddr, time::Duration};

use rustix::net::sockopt;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// A handshake takes two round trips; who has not finished by then holds a place for nothing.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What a connection reads and writes.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Whom a connection is with.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// Its address, as the socket has it.
    pub(crate) address: SocketAddr,
    /// The device that its verified client certificate names.
    pub(crate) device: Option<String>,
    /// Whether the connection is by TLS.
    pub(crate) secure: bool,
}

/// A bound address.
pub(crate) struct Listener {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
}

/// A connection that was accepted, and has not said anything yet.
pub(crate) struct Incoming {
    stream: TcpStream,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
}

impl Listener {
    /// Binds; port 0 takes any.
    ///
    /// # Errors
    /// The system's, such as that the address is taken.
    pub(crate) async fn bind(address: SocketAddr, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, tls })
    }

    /// The address that was bound.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection. Cancelling this loses none.
    ///
    /// # Errors
    /// The system's, such as that no more files may be opened.
    pub(crate) async fn accept(&self) -> io::Result<Incoming> {
        let (stream, address) = self.listener.accept().await?;
        let _ = stream.set_nodelay(true);
        let _ = keep_alive(&stream);
        Ok(Incoming { stream, address, tls: self.tls.clone() })
    }
}

/// A peer that has vanished without a word is found out after two minutes: a silent minute, and four questions 15 s apart.
fn keep_alive(stream: &TcpStream) -> rustix::io::Result<()> {
    sockopt::set_tcp_keepidle(stream, Duration::from_secs(60))?;
    sockopt::set_tcp_keepintvl(stream, Duration::from_secs(15))?;
    sockopt::set_tcp_keepcnt(stream, 4)?;
    sockopt::set_socket_keepalive(stream, true)
}

impl Incoming {
    /// Whom it is with, before anything was said.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Finishes the handshake, if there is to be one. For the connection's own task: others must not wait for it.
    ///
    /// # Errors
    /// Of the handshake, or [`io::ErrorKind::TimedOut`].
    pub(crate) async fn open(self) -> io::Result<(Box<dyn Io>, Peer)> {
        let Self { stream, address, tls } = self;
        let Some(tls) = tls else {
            return Ok((Box::new(stream), Peer { address, device: None, secure: false }));
        };
        let stream = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await??;
        Ok((Box::new(stream), Peer { address, device: None, secure: true }))
    }
}
