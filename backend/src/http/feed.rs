//! The live feed: server-sent events, after the commit.

use std::{convert::Infallible, time::Duration};

use api::Code;
use axum::{
    extract::State,
    response::{
        IntoResponse, Response,
        sse::{Event as Message, KeepAlive, Sse},
    },
};
use futures_util::stream::{self, Stream};

use super::{Site, anomalies, log};
use crate::{
    domain::log::{Event, stopped},
    problem::{Fault, blocking},
};

/// Shorter than the minute after which many proxies cut a silent connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Listen to what happens
///
/// Server-sent events: `anomaly` with an `Anomaly`, `ledger` with a `LedgerStatus`. A listener that lags behind
/// is disconnected, and should fetch the list again.
#[utoipa::path(
    get, path = "/api/v1/feed", tag = "log",
    responses(
        (status = 200, content_type = "text/event-stream"),
        (status = 503, body = api::Problem, content_type = "application/problem+json", description = "Too many listeners"),
    )
)]
pub(crate) async fn feed(State(site): State<Site>) -> Result<Response, Fault> {
    let busy = |_| Fault::new(Code::Unavailable, "too many listeners: try again later");
    let place = std::sync::Arc::clone(&site.listeners).try_acquire_owned().map_err(busy)?;
    let listener = Listener { events: site.events.subscribe(), site, waiting: Vec::new(), first: true, _place: place };
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(messages(listener)).keep_alive(keep_alive).into_response())
}

struct Listener {
    site: Site,
    events: tokio::sync::broadcast::Receiver<Event>,
    /// Messages in reverse order.
    waiting: Vec<Message>,
    first: bool,
    _place: tokio::sync::OwnedSemaphorePermit,
}

fn messages(listener: Listener) -> impl Stream<Item = Result<Message, Infallible>> {
    stream::unfold(listener, |mut listener| async move {
        loop {
            if let Some(message) = listener.waiting.pop() {
                return Some((Ok(message), listener));
            }
            let event = listener.next().await?;
            // A fault of the store ends the feed; the client comes back.
            listener.waiting = of_event(&listener.site, event).await.ok()?;
            listener.waiting.reverse();
        }
    })
}

impl Listener {
    /// The next event; `None` when the service stops, or the listener has lagged behind.
    async fn next(&mut self) -> Option<Event> {
        if std::mem::take(&mut self.first) {
            return Some(Event::Ledger);
        }
        tokio::select! {
            event = self.events.recv() => event.ok(),
            () = stopped(&mut self.site.stop) => None,
        }
    }
}

async fn of_event(site: &Site, event: Event) -> Result<Vec<Message>, Fault> {
    let site = site.clone();
    blocking(move || {
        let message =
            |name, data: serde_json::Result<String>| Message::default().event(name).data(data.unwrap_or_default());
        Ok(match event {
            Event::Ledger => vec![message(api::feed::LEDGER, serde_json::to_string(&log::status(&site)?))],
            Event::Anomalies(indexes) => {
                let mut messages = Vec::new();
                for index in indexes.iter() {
                    if let Some(anomaly) = anomalies::one(&site, *index)? {
                        messages.push(message(api::feed::ANOMALY, serde_json::to_string(&anomaly)));
                    }
                }
                messages
            }
        })
    })
    .await
}
