//! What can be listened to: each event is asked for once, however many listen, and not at all if nobody does.
//!
//! All listeners of a feed share its buffer. Who lags behind it is told how much was missed.

use std::sync::Arc;

use api::LedgerStatus;
use tokio::sync::{
    broadcast::{self, error::RecvError},
    watch,
};

use crate::{
    domain::{
        log::{Event, stopped},
        ports::{Shown, ShownAnomaly},
        verdict::Recorded,
    },
    problem::{Fault, blocking},
};

/// Anomalies that are asked for at once.
const CHUNK: usize = 32;

/// Anomalies that a listener may lag behind. All listeners share them: 4,096 × 1 KB = 4 MB.
const BUFFER: usize = 4_096;

/// The feeds.
#[derive(Clone)]
pub(crate) struct Feeds {
    shown: Arc<dyn Shown>,
    pub(super) anomalies: broadcast::Sender<News>,
    pub(super) verdicts: broadcast::Sender<Arc<Recorded>>,
    pub(super) ledger: watch::Sender<Option<Arc<LedgerStatus>>>,
}

/// What is told of anomalies.
#[derive(Debug, Clone)]
pub(super) enum News {
    /// One that has just been committed.
    Anomaly(Arc<ShownAnomaly>),
    /// So many at least could not be told.
    Lost(u64),
}

impl Feeds {
    /// Starts the task that asks, which ends with the service.
    pub(crate) fn start(
        shown: Arc<dyn Shown>,
        events: &broadcast::Sender<Event>,
        verdicts: broadcast::Sender<Arc<Recorded>>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let (anomalies, ledger) = (broadcast::Sender::new(BUFFER), watch::Sender::new(None));
        let feeds = Self { shown, anomalies, verdicts, ledger };
        tokio::spawn(feeds.clone().tell(events.subscribe(), stop));
        feeds
    }

    /// Where log and chain stand now.
    pub(super) async fn status(&self) -> Result<LedgerStatus, Fault> {
        let shown = Arc::clone(&self.shown);
        blocking(move || shown.ledger()).await
    }

    async fn tell(self, mut events: broadcast::Receiver<Event>, mut stop: watch::Receiver<bool>) {
        loop {
            let event = tokio::select! {
                biased;
                () = stopped(&mut stop) => return,
                event = events.recv() => event,
            };
            match event {
                Ok(Event::Anomalies(indexes)) => self.tell_anomalies(&indexes).await,
                Ok(Event::Ledger) if self.ledger.receiver_count() > 0 => {
                    // What fails has been logged, and the next event tells the newer state.
                    if let Ok(status) = self.status().await {
                        self.ledger.send_replace(Some(Arc::new(status)));
                    }
                }
                Ok(Event::Ledger) => {}
                Err(RecvError::Lagged(events)) => drop(self.anomalies.send(News::Lost(events))),
                Err(RecvError::Closed) => return,
            }
        }
    }

    async fn tell_anomalies(&self, indexes: &[u64]) {
        for piece in indexes.chunks(CHUNK) {
            let (Some(first), Some(last)) = (piece.first(), piece.last()) else { return };
            if self.anomalies.receiver_count() == 0 {
                return;
            }
            // Ascending, and what is between them is no anomaly.
            let (shown, range) = (Arc::clone(&self.shown), *first..*last + 1);
            match blocking(move || shown.anomalies(range, CHUNK as u64)).await {
                Ok(found) => {
                    found.into_iter().rev().for_each(|one| drop(self.anomalies.send(News::Anomaly(Arc::new(one)))))
                }
                Err(_) => drop(self.anomalies.send(News::Lost(piece.len() as u64))),
            }
        }
    }
}

/// What one connection listens to.
#[derive(Default)]
pub(super) struct Listening {
    pub(super) anomalies: Option<broadcast::Receiver<News>>,
    pub(super) verdicts: Option<broadcast::Receiver<Arc<Recorded>>>,
    pub(super) ledger: Option<watch::Receiver<Option<Arc<LedgerStatus>>>>,
}

/// What a connection hears.
pub(super) enum Heard {
    Anomaly(Arc<ShownAnomaly>),
    Verdict(Arc<Recorded>),
    Ledger(Arc<LedgerStatus>),
    /// So many at least were missed.
    Missed(api::Feed, u64),
}

impl Listening {
    /// The next thing to hear; never, where nothing is listened to. Cancelling this loses nothing.
    pub(super) async fn next(&mut self) -> Heard {
        loop {
            tokio::select! {
                news = hear(&mut self.anomalies) => match news {
                    Ok(News::Anomaly(anomaly)) => return Heard::Anomaly(anomaly),
                    Ok(News::Lost(missed)) | Err(missed) => return Heard::Missed(api::Feed::Anomalies, missed),
                },
                recorded = hear(&mut self.verdicts) => match recorded {
                    Ok(recorded) => return Heard::Verdict(recorded),
                    Err(missed) => return Heard::Missed(api::Feed::Verdicts, missed),
                },
                status = newest(&mut self.ledger) => if let Some(status) = status {
                    return Heard::Ledger(status);
                },
            }
        }
    }
}

/// The next item, or how many were missed.
async fn hear<T: Clone>(receiver: &mut Option<broadcast::Receiver<T>>) -> Result<T, u64> {
    if let Some(open) = receiver {
        match open.recv().await {
            Ok(item) => return Ok(item),
            Err(RecvError::Lagged(missed)) => return Err(missed),
            Err(RecvError::Closed) => *receiver = None,
        }
    }
    std::future::pending().await
}

async fn newest<T: Clone>(receiver: &mut Option<watch::Receiver<Option<T>>>) -> Option<T> {
    if let Some(open) = receiver {
        match open.changed().await {
            Ok(()) => return open.borrow_and_update().clone(),
            Err(_) => *receiver = None,
        }
    }
    std::future::pending().await
}
