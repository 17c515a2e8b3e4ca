//! The listener: a task for each connection, and stopping by finishing.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;

use super::{session, sessions::Sessions};
use crate::{
    ingest::{Intake, Source},
    transport::Listener,
};

/// After a failed `accept`, such as for want of files, another is tried no sooner.
const PAUSE: Duration = Duration::from_millis(100);

/// Packets longer than 16 KiB that are gathered at a time, of all connections: 128 × 256 KiB are 32 MiB.
const LARGE_PACKETS: usize = 128;

/// What is under way when the service stops is committed within this, or sent again by its sender.
const LAST_WORDS: Duration = Duration::from_secs(30);

/// The listener, bound.
pub(crate) struct Mqtt {
    listener: Listener,
}

/// What the connections share.
pub(super) struct Shared {
    pub(super) intake: Intake,
    pub(super) sessions: Sessions,
    pub(super) large: Semaphore,
}

impl Mqtt {
    /// On a bound address.
    pub(crate) fn on(listener: Listener) -> Self {
        Self { listener }
    }
}

impl Source for Mqtt {
    fn name(&self) -> &'static str {
        "mqtt"
    }

    fn place(&self) -> String {
        let scheme = if self.listener.is_secure() { "mqtts" } else { "mqtt" };
        format!("{scheme}://{}", self.listener.address())
    }

    fn run(self: Box<Self>, intake: Intake, mut stop: watch::Receiver<bool>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let shared =
                Arc::new(Shared { intake, sessions: Sessions::default(), large: Semaphore::new(LARGE_PACKETS) });
            let tasks = TaskTracker::new();
            loop {
                let accepted = tokio::select! {
                    accepted = self.listener.accept() => accepted,
                    _ = stop.wait_for(|stop| *stop) => break,
                };
                match accepted {
                    Ok(incoming) => _ = tasks.spawn(session::serve(incoming, Arc::clone(&shared), stop.clone())),
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
            drop(self);
            tasks.close();
            if tokio::time::timeout(LAST_WORDS, tasks.wait()).await.is_err() {
                tracing::warn!(connections = tasks.len(), "connections were cut off: what was under way comes again");
            }
        })
    }
}
