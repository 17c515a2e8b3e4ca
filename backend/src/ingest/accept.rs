//! Taking connections, for every source that listens: a limit, and a stop that finishes.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, watch},
    task::{JoinError, JoinSet},
};

use crate::{
    domain::log::stopped,
    transport::{Incoming, Listener},
};

/// What a listener grants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections at most; the others wait in the system's backlog.
    pub(super) connections: usize,
    /// How long connections may take to finish when the service stops.
    pub(super) grace: Duration,
}

/// Serves each connection by `serve`, in a task of its own, until `stop` turns true; then waits until those that are
/// open have finished, which `serve` has to see to.
pub(super) async fn accept<F>(
    source: &'static str,
    listener: Listener,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
    serve: impl Fn(Incoming) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        // A place first: when all are taken, the system's backlog waits.
        let place = Arc::clone(&places).acquire_owned();
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(ended) = connections.join_next() => report(source, ended),
            accepted = async { (place.await, listener.accept().await) } => match accepted {
                (Ok(place), Ok(incoming)) => {
                    let (counted, served) = (Counted::new(source), serve(incoming));
                    connections.spawn(async move {
                        served.await;
                        drop((place, counted));
                    });
                }
                (_, Err(error)) => {
                    // Out of file descriptors, say: give others time to end.
                    tracing::warn!(%error, source, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                (Err(_), _) => break,
            },
        }
    }
    drop(listener);
    let ended = async {
        while let Some(ended) = connections.join_next().await {
            report(source, ended);
        }
    };
    if tokio::time::timeout(limits.grace, ended).await.is_err() {
        tracing::warn!(source, "some connections did not end within {:?}: they are cut off", limits.grace);
    }
    connections.shutdown().await;
}

fn report(source: &'static str, ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, source, "a connection ended by a fault of the service");
    }
}

/// A connection that is open, for the gauge.
pub(super) struct Counted(&'static str);

impl Counted {
    pub(super) fn new(source: &'static str) -> Self {
        metrics::gauge!("connections", "source" => source).increment(1);
        Self(source)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::gauge!("connections", "source" => self.0).decrement(1);
    }
}
