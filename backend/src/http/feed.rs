//! The live feed: server-sent events, after the commit.
//!
//! Each event is rendered once, whoever listens; listeners share the bytes.

use std::{fmt::Write, sync::Arc, time::Duration};

use api::Code;
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::stream::{self, Stream};
use serde::Serialize;
use tokio::sync::{
    OwnedSemaphorePermit,
    broadcast::{Receiver, Sender, error::RecvError},
    watch,
};

use super::{Site, anomalies, log};
use crate::{
    domain::{
        log::{Event, stopped},
        ports::StoreError,
    },
    problem::{Fault, Guarded, Stored, blocking},
};

/// Shorter than the minute after which many proxies, and our own listener, cut a silent connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Anomalies of a message at most: about 1 KB each, and never above 20 KB.
const CHUNK: usize = 32;

/// Messages that a listener may lag behind. All listeners share them: 128 × 32 × 1 KB = 4 MB.
const BUFFER: usize = 128;

/// The feed's messages as bytes. `None` ends the feed of every listener: something was lost, and they should fetch
/// the list again.
type Messages = Sender<Option<Bytes>>;

/// What the handler works with.
#[derive(Clone)]
pub(crate) struct Feed {
    site: Site,
    messages: Messages,
}

impl Feed {
    /// Starts the task that renders, which ends with the service.
    pub(super) fn start(site: Site) -> Self {
        let messages = Sender::new(BUFFER);
        tokio::spawn(render(site.clone(), site.events.subscribe(), messages.clone()));
        Self { site, messages }
    }
}

/// Listen to what happens
///
/// Server-sent events: `anomaly` with an `Anomaly`, `ledger` with a `LedgerStatus`. A listener that lags behind
/// is disconnected, and should fetch the list again.
#[utoipa::path(
    get, path = "/api/v1/feed", tag = "log",
    responses(
        Guarded,
        Stored,
        (status = 200, content_type = "text/event-stream", body = String),
        (status = 503, body = api::Problem, content_type = "application/problem+json", description = "Too many listeners, or the store cannot be read now"),
    )
)]
pub(crate) async fn feed(State(Feed { site, messages }): State<Feed>) -> Result<Response, Fault> {
    let busy = |_| Fault::new(Code::Unavailable, "too many listeners: try again later");
    let place = Arc::clone(&site.listeners).try_acquire_owned().map_err(busy)?;
    // Heard from now on; so nothing is missed between the first message and the others.
    let messages = messages.subscribe();
    let stop = site.stop.clone();
    let first = blocking(move || ledger(&site)).await?;
    let body = Body::from_stream(follow(Listener { first: Some(first), messages, stop, _place: place }));
    Ok(([(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")], body).into_response())
}

struct Listener {
    first: Option<Bytes>,
    messages: Receiver<Option<Bytes>>,
    stop: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

fn follow(listener: Listener) -> impl Stream<Item = std::io::Result<Bytes>> {
    stream::unfold(listener, |mut listener| async move { Some((Ok(listener.next().await?), listener)) })
}

impl Listener {
    /// The next message; `None` when the service stops, or the listener has lagged behind.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        tokio::select! {
            () = stopped(&mut self.stop) => None,
            message = self.messages.recv() => message.ok().flatten(),
            () = tokio::time::sleep(KEEP_ALIVE) => Some(Bytes::from_static(b":\n\n")),
        }
    }
}

/// Makes messages of events until the service stops.
async fn render(site: Site, mut events: Receiver<Event>, messages: Messages) {
    let mut stop = site.stop.clone();
    loop {
        let event = tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            event = events.recv() => event,
        };
        if messages.receiver_count() == 0 {
            continue;
        }
        let told = match event {
            Ok(event) => tell(&site, event, &messages).await,
            Err(RecvError::Lagged(lost)) => {
                tracing::warn!(lost, "the feed lagged behind: listeners are told to fetch the list again");
                None
            }
            Err(RecvError::Closed) => return,
        };
        if told.is_none() {
            let _ = messages.send(None);
        }
    }
}

/// Renders an event, piece by piece; `None` if the store fails, which has been logged.
async fn tell(site: &Site, event: Event, messages: &Messages) -> Option<()> {
    let pieces: Vec<Option<std::ops::Range<u64>>> = match event {
        Event::Ledger => vec![None],
        // Ascending, and what is between them is no anomaly.
        Event::Anomalies(indexes) => {
            indexes.chunks(CHUNK).filter_map(|piece| Some(Some(*piece.first()?..piece.last()? + 1))).collect()
        }
    };
    for piece in pieces {
        let site = site.clone();
        let message = blocking(move || match piece {
            None => ledger(&site),
            Some(indexes) => {
                let anomalies = anomalies::among(&site, indexes, CHUNK as u64)?;
                Ok(message(api::feed::ANOMALY, anomalies.iter().rev()))
            }
        });
        // The listeners may have gone meanwhile.
        let _ = messages.send(Some(message.await.ok()?));
    }
    Some(())
}

fn ledger(site: &Site) -> Result<Bytes, StoreError> {
    Ok(message(api::feed::LEDGER, [log::status(site)?].iter()))
}

/// Server-sent events of one name. JSON has no line breaks outside of its strings, and escapes them there.
fn message<'a, T: Serialize + 'a>(name: &str, items: impl Iterator<Item = &'a T>) -> Bytes {
    let mut text = String::new();
    for item in items {
        let data = serde_json::to_string(item).unwrap_or_default();
        let _ = write!(text, "event: {name}\ndata: {data}\n\n");
    }
    text.into()
}
