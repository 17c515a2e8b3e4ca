//! The service's live feed: server-sent events, and the way back when they stop.
//!
//! The browser reconnects by itself after a lost connection, and gives up after an error's status; then this
//! module opens a new one. What was missed in between is the caller's affair: it is told when a line is open.

use std::{cell::RefCell, rc::Rc, time::Duration};

use api::{Anomaly, LedgerStatus, feed};
use leptos::prelude::{TimeoutHandle, set_timeout_with_handle};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{EventSource, MessageEvent};

const URL: &str = "/api/v1/feed";

/// The pause before a refused connection is tried again; the browser's own is about as long.
const PAUSE: Duration = Duration::from_secs(3);

/// What the feed says.
pub(crate) enum News {
    /// A connection stands: fetch again what may have been missed.
    Open,
    /// The connection is lost; another is being tried.
    Lost,
    /// An anomaly was committed.
    Anomaly(Box<Anomaly>),
    /// The log or the chain has moved.
    Ledger(Box<LedgerStatus>),
}

/// Follows the feed until [`Feed::close`].
pub(crate) struct Feed {
    inner: Rc<RefCell<Inner>>,
}

struct Inner {
    tell: Rc<dyn Fn(News)>,
    source: Option<EventSource>,
    // The browser holds only references to these.
    listeners: Vec<Closure<dyn FnMut(MessageEvent)>>,
    retry: Option<TimeoutHandle>,
    closed: bool,
}

impl Feed {
    /// Opens the feed.
    pub(crate) fn open(tell: impl Fn(News) + 'static) -> Self {
        let inner = Inner { tell: Rc::new(tell), source: None, listeners: Vec::new(), retry: None, closed: false };
        let inner = Rc::new(RefCell::new(inner));
        connect(&inner);
        Self { inner }
    }

    /// Closes the feed; nothing is told after.
    pub(crate) fn close(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.closed = true;
        if let Some(source) = inner.source.take() {
            source.close();
        }
        if let Some(retry) = inner.retry.take() {
            retry.clear();
        }
    }
}

fn connect(inner: &Rc<RefCell<Inner>>) {
    let Ok(source) = EventSource::new(URL) else { return retry(inner) };
    let tell = inner.borrow().tell.clone();
    let opened = tell.clone();
    let anomalies = tell.clone();
    let ledger = tell.clone();
    let lost = {
        let (inner, source) = (inner.clone(), source.clone());
        move |_| {
            tell(News::Lost);
            if source.ready_state() == EventSource::CLOSED {
                retry(&inner);
            }
        }
    };
    let listeners = vec![
        listen(&source, "open", move |_| opened(News::Open)),
        listen(&source, "error", lost),
        // A message that cannot be read is passed over: the next fetch brings what it said.
        listen(&source, feed::ANOMALY, move |event| {
            if let Some(anomaly) = read(&event) {
                anomalies(News::Anomaly(Box::new(anomaly)));
            }
        }),
        listen(&source, feed::LEDGER, move |event| {
            if let Some(status) = read(&event) {
                ledger(News::Ledger(Box::new(status)));
            }
        }),
    ];
    let mut inner = inner.borrow_mut();
    inner.source = Some(source);
    inner.listeners = listeners;
}

fn retry(inner: &Rc<RefCell<Inner>>) {
    let again = inner.clone();
    let handle = set_timeout_with_handle(
        move || {
            if !again.borrow().closed {
                connect(&again);
            }
        },
        PAUSE,
    );
    inner.borrow_mut().retry = handle.ok();
}

fn listen(
    source: &EventSource,
    name: &str,
    act: impl FnMut(MessageEvent) + 'static,
) -> Closure<dyn FnMut(MessageEvent)> {
    let closure = Closure::new(act);
    // Only a detached source could refuse a listener.
    let _ = source.add_event_listener_with_callback(name, closure.as_ref().unchecked_ref());
    closure
}

fn read<T: serde::de::DeserializeOwned>(event: &MessageEvent) -> Option<T> {
    serde_json::from_str(&event.data().as_string()?).ok()
}
