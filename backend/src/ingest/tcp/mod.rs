//! Readings over TCP: a line of JSON each, and an answer line for each (docs/sending.md).

mod answers;
mod connection;
mod lines;

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::{
    Intake, Source,
    accept::{Limits, accept},
};
use crate::{domain::log::stopped, transport::Listener};

/// Of the places that all listeners share. Each may hold a line (64 KiB), what was read last (64 KiB) and a batch of readings that waits for room (some 192 KiB
/// more), so all of them at most 1,024 × 320 KiB = 320 MiB. One that is idle holds about 10 KiB.
const LIMITS: Limits = Limits { connections: 1_024, grace: Duration::from_secs(10) };

/// The listener.
pub(crate) struct Tcp {
    listener: Listener,
}

impl Tcp {
    /// Serves what comes to this listener.
    pub(crate) fn on(listener: Listener) -> Self {
        Self { listener }
    }
}

impl Source for Tcp {
    fn name(&self) -> &'static str {
        "tcp"
    }

    fn place(&self) -> String {
        let scheme = if self.listener.is_secure() { "tcps" } else { "tcp" };
        format!("{scheme}://{}", self.listener.address())
    }

    fn run(self: Box<Self>, intake: Intake, stop: watch::Receiver<bool>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let stopping = stop.clone();
            accept("tcp", self.listener, LIMITS, stop, |incoming| {
                let (intake, mut stop) = (intake.clone(), stopping.clone());
                async move {
                    let address = incoming.address();
                    let opened = tokio::select! {
                        opened = incoming.open() => opened,
                        () = stopped(&mut stop) => return,
                    };
                    match opened {
                        Ok((stream, peer)) => connection::serve(stream, peer, intake, stop).await,
                        Err(error) => tracing::debug!(%error, %address, "a connection ended early"),
                    }
                }
            })
            .await;
        })
    }
}
