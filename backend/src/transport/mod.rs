//! Connections that others open: plain or TLS, with the peer's address and, where it showed one, its certificate's name.
//!
//! Every listener (HTTP, TCP, MQTT) takes its connections from here. Nothing here speaks a protocol above TLS.

mod certificate;
mod places;
mod proxies;
mod self_made;
mod tls;

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use rustix::net::sockopt;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use places::Place;
pub(crate) use places::Places;
pub(crate) use proxies::{Net, Proxies};
pub(crate) use tls::{Source, Tls, TlsError, TlsSettings};

/// A handshake takes two round trips; who has not finished by then holds a place for nothing.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What a connection reads and writes.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Whom a connection is with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Peer {
    /// Its address, as the socket has it; of an HTTP request through a trusted proxy, as the proxy says.
    pub(crate) address: SocketAddr,
    /// The device that its verified client certificate names.
    pub(crate) device: Option<String>,
    /// Whether nobody on the way can read along: by TLS, or a trusted proxy says so.
    pub(crate) secure: bool,
}

/// What all listeners of a service have in common.
#[derive(Clone)]
pub(crate) struct Entrance {
    /// By TLS, with this.
    pub(crate) tls: Option<Tls>,
    /// The places for connections, shared by all listeners: they use the same files.
    pub(crate) places: Places,
}

/// A bound address.
pub(crate) struct Listener {
    listener: TcpListener,
    address: SocketAddr,
    entrance: Entrance,
    http: bool,
}

/// A connection that was accepted, and has not said anything yet.
pub(crate) struct Incoming {
    stream: TcpStream,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    place: Place,
}

impl Listener {
    /// Binds; port 0 takes any.
    ///
    /// # Errors
    /// The system's, such as that the address is taken.
    pub(crate) async fn bind(address: SocketAddr, entrance: Entrance) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, entrance, http: false })
    }

    /// The same, for HTTP: a client that asks for another protocol in its handshake is refused.
    pub(crate) fn http(self) -> Self {
        Self { http: true, ..self }
    }

    /// The address that was bound.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether connections are by TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.entrance.tls.is_some()
    }

    /// The next connection. Without TLS, only from this machine and trusted proxies. When all places are taken, the others wait in the system's backlog. Cancelling this loses
    /// none.
    ///
    /// # Errors
    /// The system's, such as that no more files may be opened.
    pub(crate) async fn accept(&self) -> io::Result<Incoming> {
        loop {
            let free = self.entrance.places.any().await;
            let (stream, address) = self.listener.accept().await?;
            if self.entrance.tls.is_none() && !self.entrance.places.vouched(address.ip()) {
                // Whoever passes the proxy by would show keys for all to read.
                metrics::counter!("connections_refused_total").increment(1);
                tracing::debug!(%address, "a connection without TLS that is not from a trusted proxy");
                continue;
            }
            let Some(place) = free.for_address(address.ip()) else {
                // Closed without a word: who holds so many knows, and an answer would cost a handshake.
                metrics::counter!("connections_refused_total").increment(1);
                tracing::debug!(%address, "an address has taken all places that one may have");
                continue;
            };
            let _ = stream.set_nodelay(true);
            let _ = keep_alive(&stream);
            let tls = self.entrance.tls.as_ref().map(|tls| tls.acceptor(self.http));
            return Ok(Incoming { stream, address, tls, place });
        }
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
        let Self { stream, address, tls, place } = self;
        let Some(tls) = tls else {
            let peer = Peer { address, device: None, secure: false };
            return Ok((Box::new(Held { stream, _place: place }), peer));
        };
        let stream = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await??;
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let device = shown.map(|certificate| certificate::common_name(certificate)).transpose()?;
        Ok((Box::new(Held { stream, _place: place }), Peer { address, device, secure: true }))
    }
}

/// A stream with the place that it takes.
struct Held<S> {
    stream: S,
    _place: Place,
}

impl<S: AsyncRead + Unpin> AsyncRead for Held<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Held<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
