//! The listener: connections with limits, and a stop that finishes what is under way.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo};
use hyper::{Request, body::Incoming};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};
use tower::ServiceExt;

use crate::domain::log::stopped;

/// Connections at most, at about 20 KiB each.
const MAX_CONNECTIONS: usize = 8_192;

/// Headers that take longer are not coming.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long requests under way may take to finish when the service stops.
const GRACE: Duration = Duration::from_secs(10);

/// A bound listener.
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Binds; port 0 takes any.
    pub(crate) async fn bind(address: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The address that was bound.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` turns true, then finishes the requests under way.
    pub(crate) async fn run(self, router: Router, mut stop: watch::Receiver<bool>) {
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let graceful = GracefulShutdown::new();
        loop {
            // A place first: when all are taken, the system's backlog waits.
            let place = Arc::clone(&connections).acquire_owned();
            let (stream, peer) = tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                accepted = async { (place.await, self.listener.accept().await) } => match accepted {
                    (Ok(place), Ok((stream, peer))) => ((stream, place), peer),
                    (_, Err(error)) => {
                        // Out of file descriptors, say: give others time to end.
                        tracing::warn!(%error, "a connection was not accepted");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                    (Err(_), _) => break,
                },
            };
            let (stream, place) = stream;
            let _ = stream.set_nodelay(true);
            let router = router.clone();
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(ConnectInfo(peer));
                router.clone().oneshot(request)
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            let connection = graceful.watch(connection);
            tokio::spawn(async move {
                // A client that goes away is no fault of ours.
                if let Err(error) = connection.await {
                    tracing::debug!(%error, %peer, "a connection ended early");
                }
                drop(place);
            });
        }
        drop(self.listener);
        if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
            tracing::warn!("some requests did not end within {GRACE:?}");
        }
    }
}
