//! The listener: connections with limits, and a stop that finishes what is under way.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo, response::IntoResponse};
use hyper::Request;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::watch,
    task::{JoinError, JoinSet},
    time::Sleep,
};
use tower::ServiceExt;

use crate::{
    domain::log::stopped,
    transport::{Incoming, Listener, Proxies},
};

use super::forwarded;

/// Bytes that are buffered for a connection in each direction at most; so a request's head may be this long. Buffers
/// begin with 8 KiB and grow with what comes, so that an idle connection costs little (docs/operations.md has the
/// figures). The worst that strangers can do: of the 12,375 places that `transport/places.rs` gives, one address may have
/// 1,024, which is 128 MiB of buffers if each sends a head without an end, for as long as `header` lasts.
const BUFFER: usize = 64 << 10;

/// What a listener grants.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Headers that take longer are not coming; nor is the next request on a connection that is kept open.
    header: Duration,
    /// A client that has taken nothing for so long is gone. The feed says something every 15 s, so an answer that
    /// is read moves well within it.
    write: Duration,
    /// How long requests under way may take to finish when the service stops.
    grace: Duration,
}

const LIMITS: Limits =
    Limits { header: Duration::from_secs(10), write: Duration::from_secs(60), grace: Duration::from_secs(10) };

/// A bound listener.
pub(crate) struct Server {
    listener: Listener,
    proxies: Proxies,
    limits: Limits,
}

impl Server {
    /// Serves what comes to this listener.
    pub(crate) fn on(listener: Listener, proxies: Proxies) -> Self {
        Self { listener: listener.http(), proxies, limits: LIMITS }
    }

    /// The address that was bound.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Serves until `stop` turns true, then finishes the requests under way. When this returns, no connection is
    /// left, and with the last of them went everything that the router holds.
    pub(crate) async fn run(self, router: Router, mut stop: watch::Receiver<bool>) {
        let Self { listener, proxies, limits } = self;
        let proxies = Arc::new(proxies);
        let stopping = stop.clone();
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                Some(ended) = connections.join_next() => report(ended),
                accepted = listener.accept() => match accepted {
                    Ok(incoming) => {
                        let (router, proxies) = (router.clone(), Arc::clone(&proxies));
                        connections.spawn(connection(incoming, router, proxies, limits, stopping.clone()));
                    }
                    Err(error) => {
                        // Out of file descriptors, say: give others time to end.
                        tracing::warn!(%error, "a connection was not accepted");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
            }
        }
        drop(listener);
        let ended = async {
            while let Some(ended) = connections.join_next().await {
                report(ended)
            }
        };
        if tokio::time::timeout(limits.grace, ended).await.is_err() {
            tracing::warn!("some requests did not end within {:?}: they are cut off", limits.grace);
        }
        connections.shutdown().await;
    }
}

/// One connection: its handshake, then HTTP/1.1 with our limits, to its end. When the service stops, a request under way
/// is answered, and none follows.
async fn connection(
    incoming: Incoming,
    router: Router,
    proxies: Arc<Proxies>,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let address = incoming.address();
    // A client that goes away is no fault of ours.
    let early = |error: &dyn std::fmt::Display| tracing::debug!(%error, %address, "a connection ended early");
    let opened = tokio::select! {
        opened = incoming.open() => opened,
        () = stopped(&mut stop) => return,
    };
    let (stream, peer) = match opened {
        Ok(opened) => opened,
        Err(error) => return early(&error),
    };
    let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        let caller = forwarded::caller(&peer, &proxies, request.headers());
        let router = router.clone();
        async move {
            let caller = match caller {
                Ok(caller) => caller,
                Err(fault) => return Ok(fault.into_response()),
            };
            request.extensions_mut().insert(ConnectInfo(caller.address));
            request.extensions_mut().insert(caller);
            router.oneshot(request).await
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(Patient { stream, patience: limits.write, deadline: None }), service)
        .with_upgrades();
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stopped(&mut stop) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        early(&error);
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection ended by a fault of the service");
    }
}

/// A stream that fails when its peer takes nothing for a while. Hyper itself waits for ever.
struct Patient<S> {
    stream: S,
    patience: Duration,
    /// Set while the peer takes nothing.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    /// Progress takes the deadline away; waiting sets it.
    fn judge<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.deadline = None;
            return polled;
        }
        let patience = self.patience;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        deadline.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.judge(context, polled)
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

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, time::Instant};

    use axum::{
        body::Bytes,
        routing::{get, post},
    };
    use futures_util::stream;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        sync::mpsc,
        task::JoinHandle,
    };

    use super::*;
    use crate::transport::{Entrance, Places};

    const HURRIED: Limits = Limits { grace: Duration::from_millis(300), ..LIMITS };

    /// More than the system buffers for a connection.
    static LARGE: [u8; 32 << 20] = [b'x'; 32 << 20];

    struct Running {
        address: SocketAddr,
        stop: watch::Sender<bool>,
        server: JoinHandle<()>,
        /// Closed when nobody holds the router any more.
        router_gone: mpsc::Receiver<()>,
    }

    async fn start(limits: Limits) -> Running {
        start_with(limits, 100).await
    }

    async fn start_with(limits: Limits, places: usize) -> Running {
        let (alive, router_gone) = mpsc::channel(1);
        let endless = || async {
            let chunks = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&LARGE[..1 << 20])));
            Body::from_stream(chunks)
        };
        let router = Router::new()
            .route("/small", get(|| async { "small" }))
            .route("/large", get(|| async { &LARGE[..] }))
            .route("/endless", get(endless))
            .route("/body", post(|body: Bytes| async move { body.len().to_string() }))
            .layer(axum::Extension(alive));
        let entrance = Entrance { tls: None, places: Places::limited(places) };
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), entrance).await.unwrap();
        let server = Server::on(listener, Proxies::default());
        let server = Server { limits, ..server };
        let (stop, stopped) = watch::channel(false);
        let address = server.address();
        Running { address, stop, server: tokio::spawn(server.run(router, stopped)), router_gone }
    }

    impl Running {
        /// Sends a request, and reads nothing.
        async fn send(&self, request: &str) -> TcpStream {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            stream
        }

        async fn stop(mut self) -> Duration {
            let from = Instant::now();
            self.stop.send(true).unwrap();
            self.server.await.unwrap();
            assert_eq!(self.router_gone.recv().await, None, "the router outlived the server");
            from.elapsed()
        }
    }

    #[tokio::test]
    async fn stops_in_time_whatever_clients_do() {
        let running = start(HURRIED).await;
        let get = |path| format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
        let _clients = [
            running.send(&get("/large").repeat(50)).await,
            running.send(&get("/endless")).await,
            running.send("POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf").await,
            running.send("GET /small HTT").await,
            running.send("").await,
        ];
        tokio::time::sleep(Duration::from_millis(200)).await;
        let took = running.stop().await;
        assert!(took < HURRIED.grace + Duration::from_secs(2), "{took:?}");
    }

    #[tokio::test]
    async fn finishes_what_is_under_way() {
        let running = start(Limits { grace: Duration::from_secs(20), ..LIMITS }).await;
        let mut client =
            running.send("POST /body HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 8\r\n\r\nhalf").await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let stopping = tokio::spawn(running.stop());
        tokio::time::sleep(Duration::from_millis(100)).await;
        client.write_all(b"half").await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with('8'), "{answer}");
        assert!(stopping.await.unwrap() < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_loses_its_place() {
        let limits = Limits { write: Duration::from_millis(200), ..HURRIED };
        let running = start_with(limits, 1).await;
        let _stalled = running.send("GET /endless HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let mut client = running.send("GET /small HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        let mut answer = String::new();
        let read = client.read_to_string(&mut answer);
        tokio::time::timeout(Duration::from_secs(10), read).await.expect("a place becomes free").unwrap();
        assert!(answer.ends_with("small"), "{answer}");
        running.stop().await;
    }

    #[tokio::test]
    async fn an_idle_client_loses_its_place() {
        let limits = Limits { header: Duration::from_millis(200), ..HURRIED };
        let running = start_with(limits, 1).await;
        let _silent = running.send("").await;
        let mut kept = running.send("GET /small HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let mut answer = String::new();
        // Kept open after its answer, and closed when nothing follows.
        tokio::time::timeout(Duration::from_secs(10), kept.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.ends_with("small"), "{answer}");
        running.stop().await;
    }
}
