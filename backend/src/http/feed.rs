//! The live feed: server-sent events, after the commit.
//!
//! Each event is rendered once, whoever listens; listeners share the bytes. An anomaly is rendered twice, for those who may
//! read its payload and for the others, and each listener is told what is theirs to see.

use std::{fmt::Write, sync::Arc, time::Duration};

use api::Code;
use axum::{
    Extension,
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

use super::{
    Site,
    anomalies::{self, Told},
    log,
    reader::{self, Reader},
};
use crate::{
    access::Pass,
    domain::{
        Clock,
        access::Reach,
        log::{Event, stopped},
        ports::StoreError,
    },
    problem::{Fault, Guarded, Stored, blocking},
};

/// Shorter than the minute after which many proxies, and our own listener, cut a silent connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Anomalies of a message at most: about 1 KB each, and never above 20 KB.
const CHUNK: usize = 32;

/// Messages that a listener may lag behind. All listeners share them: 128 × 32 × 2 × 1 KB = 8 MB.
const BUFFER: usize = 128;

/// The feed's messages as bytes. `None` ends the feed of every listener: something was lost, and they should fetch
/// the list again.
type Messages = Sender<Option<Message>>;

/// An event, rendered.
#[derive(Clone)]
enum Message {
    /// The same for everybody.
    Ledger(Bytes),
    Anomalies(Arc<Rendered>),
}

/// Anomalies, rendered for those who may read all payloads, for those who may read none, and one by one.
struct Rendered {
    whole: Bytes,
    hidden: Bytes,
    each: Vec<One>,
}

/// One anomaly: its device, and how far it goes in both renderings, which it begins where the one before ends.
struct One {
    device: String,
    whole: usize,
    hidden: usize,
}

/// What the handler works with.
#[derive(Clone)]
pub(crate) struct Feed {
    site: Site,
    clock: Arc<dyn Clock>,
    messages: Messages,
}

impl Feed {
    /// Starts the task that renders, which ends with the service.
    pub(super) fn start(site: Site, clock: Arc<dyn Clock>) -> Self {
        let messages = Sender::new(BUFFER);
        tokio::spawn(render(site.clone(), site.events.subscribe(), messages.clone()));
        Self { site, clock, messages }
    }
}

/// Listen to what happens
///
/// Server-sent events: `anomaly` with an `Anomaly`, `ledger` with a `LedgerStatus`. A listener that lags behind
/// is disconnected, and should fetch the list again; so is one whose session or token ends. Of an anomaly whose payload the
/// listener may not read, only what its entry says is told.
#[utoipa::path(
    get, path = "/api/v1/feed", tag = "log",
    responses(
        Guarded,
        Stored,
        (status = 200, content_type = "text/event-stream", body = String),
        (status = 503, body = api::Problem, content_type = "application/problem+json", description = "Too many listeners, or the store cannot be read now"),
    )
)]
pub(crate) async fn feed(
    State(Feed { site, clock, messages }): State<Feed>,
    Extension(pass): Extension<Pass>,
) -> Result<Response, Fault> {
    let busy = |_| Fault::new(Code::Unavailable, "too many listeners: try again later");
    let place = Arc::clone(&site.listeners).try_acquire_owned().map_err(busy)?;
    // Heard from now on; so nothing is missed between the first message and the others.
    let messages = messages.subscribe();
    let stop = site.stop.clone();
    reader::record(&site, &pass, "the feed").await?;
    let reader = Reader::new(&site, &pass);
    let first = Some(blocking(move || ledger(&site)).await?);
    let body = Body::from_stream(follow(Listener { first, messages, stop, reader, pass, clock, _place: place }));
    Ok(([(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")], body).into_response())
}

struct Listener {
    first: Option<Bytes>,
    messages: Receiver<Option<Message>>,
    stop: watch::Receiver<bool>,
    reader: Reader,
    pass: Pass,
    clock: Arc<dyn Clock>,
    _place: OwnedSemaphorePermit,
}

fn follow(listener: Listener) -> impl Stream<Item = std::io::Result<Bytes>> {
    stream::unfold(listener, |mut listener| async move { Some((Ok(listener.next().await?), listener)) })
}

impl Listener {
    /// The next message; `None` when the service stops, the listener has lagged behind, or what it has shown does not hold
    /// any more.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let message = tokio::select! {
            () = stopped(&mut self.stop) => None,
            message = self.messages.recv() => Some(self.readable(message.ok()??)),
            () = tokio::time::sleep(KEEP_ALIVE) => Some(Bytes::from_static(b":\n\n")),
        };
        message.filter(|_| self.pass.holds(self.clock.now()))
    }

    /// What of a message this listener may read.
    fn readable(&self, message: Message) -> Bytes {
        let rendered = match message {
            Message::Ledger(bytes) => return bytes,
            Message::Anomalies(rendered) => rendered,
        };
        match self.reader.reach() {
            Some(Reach::All) => rendered.whole.clone(),
            None => rendered.hidden.clone(),
            Some(Reach::Own) => {
                let (mut text, mut whole, mut hidden) = (Vec::new(), 0, 0);
                for one in &rendered.each {
                    let of_own = self.reader.may_read(&one.device);
                    let (bytes, from, to) = if of_own {
                        (&rendered.whole, whole, one.whole)
                    } else {
                        (&rendered.hidden, hidden, one.hidden)
                    };
                    text.extend_from_slice(bytes.get(from..to).unwrap_or_default());
                    (whole, hidden) = (one.whole, one.hidden);
                }
                text.into()
            }
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
            None => ledger(&site).map(Message::Ledger),
            Some(indexes) => {
                let anomalies = anomalies::among(&site, indexes, CHUNK as u64)?;
                Ok(Message::Anomalies(Arc::new(rendered(anomalies))))
            }
        });
        // The listeners may have gone meanwhile.
        let _ = messages.send(Some(message.await.ok()?));
    }
    Some(())
}

fn ledger(site: &Site) -> Result<Bytes, StoreError> {
    let mut text = String::new();
    write_event(&mut text, api::feed::LEDGER, &log::status(site)?);
    Ok(text.into())
}

/// Anomalies, oldest first.
fn rendered(anomalies: Vec<Told>) -> Rendered {
    let (mut whole, mut hidden) = (String::new(), String::new());
    let one = |told: Told| {
        write_event(&mut whole, api::feed::ANOMALY, &told.whole);
        write_event(&mut hidden, api::feed::ANOMALY, &told.hidden);
        One { device: told.whole.device, whole: whole.len(), hidden: hidden.len() }
    };
    let each = anomalies.into_iter().rev().map(one).collect();
    Rendered { whole: whole.into(), hidden: hidden.into(), each }
}

/// A server-sent event. JSON has no line breaks outside of its strings, and escapes them there.
fn write_event(text: &mut String, name: &str, item: &impl Serialize) {
    let data = serde_json::to_string(item).unwrap_or_default();
    let _ = write!(text, "event: {name}\ndata: {data}\n\n");
}
