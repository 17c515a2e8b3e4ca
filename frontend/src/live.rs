//! What the service says, kept up to date for all pages: its ledger, its newest anomalies, and whether the line
//! to it stands.

use std::time::Duration;

use api::{Anomaly, EntryState, LedgerStatus};
use leptos::{prelude::*, task::spawn_local};

use crate::{
    clock,
    http::Fault,
    memory,
    server::{
        self,
        feed::{Feed, News},
    },
};

/// Something that the service is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Remote<T> {
    /// Not answered yet.
    Loading,
    /// Here.
    Ready(T),
    /// Not to be had.
    Failed(Fault),
}

/// The live line to the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// Being opened for the first time.
    Opening,
    /// News arrive as they happen.
    Live,
    /// Lost; another is being tried.
    Interrupted,
}

/// A browser stays quick with some hundred rows; older ones come by the page.
const MAX_ROWS: usize = 400;

/// Ages move on even when nothing happens, but gently.
const TICK: Duration = Duration::from_secs(5);

/// What the service says.
#[derive(Clone, Copy)]
pub(crate) struct Live {
    /// Log and chain.
    pub(crate) ledger: RwSignal<Remote<LedgerStatus>>,
    /// When that was said, in milliseconds since 1970.
    heard: RwSignal<f64>,
    /// The time, every few seconds.
    now: RwSignal<f64>,
    /// Anomalies, newest first.
    pub(crate) anomalies: RwSignal<Remote<Vec<Anomaly>>>,
    /// Where the older ones begin.
    pub(crate) cursor: RwSignal<Option<String>>,
    /// The line.
    pub(crate) line: RwSignal<Line>,
    /// Anomalies that have arrived since the page was opened.
    pub(crate) arrived: RwSignal<u64>,
    /// The RPC address that the reader has chosen.
    chosen_rpc: RwSignal<Option<String>>,
}

impl Live {
    /// Asks, and follows the feed for as long as the page is open.
    pub(crate) fn start() -> Self {
        let live = Self {
            ledger: RwSignal::new(Remote::Loading),
            heard: RwSignal::new(clock::now()),
            now: RwSignal::new(clock::now()),
            anomalies: RwSignal::new(Remote::Loading),
            cursor: RwSignal::new(None),
            line: RwSignal::new(Line::Opening),
            arrived: RwSignal::new(0),
            chosen_rpc: RwSignal::new(memory::rpc_url()),
        };
        live.refresh();
        if let Ok(ticking) = set_interval_with_handle(move || live.now.set(clock::now()), TICK) {
            on_cleanup(move || ticking.clear());
        }
        let feed = StoredValue::new_local(Feed::open(move |news| live.hear(news)));
        on_cleanup(move || feed.with_value(Feed::close));
        live
    }

    /// Asks for everything anew.
    pub(crate) fn refresh(self) {
        spawn_local(async move {
            match server::ledger().await {
                Ok(status) => self.take(status),
                // What was known stays, and the line says that it is old.
                Err(fault) => self.ledger.update(|ledger| {
                    if !matches!(ledger, Remote::Ready(_)) {
                        *ledger = Remote::Failed(fault);
                    }
                }),
            }
        });
        spawn_local(async move {
            if let Err(fault) = self.catch_up().await {
                self.anomalies.update(|list| {
                    if !matches!(list, Remote::Ready(_)) {
                        *list = Remote::Failed(fault);
                    }
                });
            }
        });
    }

    /// Asks for the newest anomalies, page by page until one is known, so that an interruption leaves no hole. After a
    /// very long one the list begins anew.
    async fn catch_up(self) -> Result<(), Fault> {
        let known = self.anomalies.with_untracked(|list| match list {
            Remote::Ready(known) => known.first().map(|newest| newest.index),
            Remote::Loading | Remote::Failed(_) => None,
        });
        let mut cursor = None;
        let mut fetched = Vec::new();
        loop {
            let page = server::anomalies(cursor.as_deref()).await?;
            let met = page.items.iter().any(|anomaly| Some(anomaly.index) <= known);
            fetched.extend(page.items);
            cursor = page.next_cursor;
            if met {
                self.merge(fetched);
                return Ok(());
            }
            if known.is_none() || cursor.is_none() || fetched.len() >= MAX_ROWS {
                self.cursor.set(cursor);
                self.anomalies.set(Remote::Ready(fetched));
                return Ok(());
            }
        }
    }

    /// Asks for the page after the oldest anomaly here.
    pub(crate) async fn older(self) -> Result<(), Fault> {
        let page = server::anomalies(self.cursor.get_untracked().as_deref()).await?;
        self.cursor.set(page.next_cursor);
        self.merge(page.items);
        Ok(())
    }

    fn hear(self, news: News) {
        match news {
            News::Open => {
                // The first time, everything has just been asked for.
                if self.line.get_untracked() == Line::Interrupted {
                    self.refresh();
                }
                self.line.set(Line::Live);
            }
            News::Lost => self.line.set(Line::Interrupted),
            News::Ledger(status) => self.take(*status),
            News::Anomaly(anomaly) => {
                self.arrived.update(|count| *count += 1);
                self.merge(vec![*anomaly]);
                self.drop_oldest();
            }
        }
    }

    fn take(self, status: LedgerStatus) {
        self.heard.set(clock::now());
        self.now.set(clock::now());
        self.ledger.set(Remote::Ready(status));
    }

    /// Seconds that the oldest entry which is not anchored has waited by now; the service says it only when something
    /// moves.
    pub(crate) fn oldest_age(self) -> Option<f64> {
        let since = ((self.now.get() - self.heard.get()) / 1000.0).max(0.0);
        self.ledger.with(|ledger| match ledger {
            Remote::Ready(status) => Some(status.chain.oldest_unanchored_s? + since),
            Remote::Loading | Remote::Failed(_) => None,
        })
    }

    /// Puts anomalies among those known; what is said later counts.
    fn merge(self, items: Vec<Anomaly>) {
        self.anomalies.update(|list| {
            let mut known = match std::mem::replace(list, Remote::Loading) {
                Remote::Ready(known) => known,
                Remote::Loading | Remote::Failed(_) => Vec::new(),
            };
            known.retain(|old| items.iter().all(|new| new.index != old.index));
            known.extend(items);
            known.sort_by_key(|anomaly| std::cmp::Reverse(anomaly.index));
            *list = Remote::Ready(known);
        });
    }

    /// Keeps a page that stays open for days from growing without end. "Older" then goes on below what is left.
    fn drop_oldest(self) {
        let last = self.anomalies.try_update(|list| match list {
            Remote::Ready(known) if known.len() > MAX_ROWS => {
                known.truncate(MAX_ROWS);
                known.last().map(|anomaly| anomaly.index)
            }
            _ => None,
        });
        if let Some(Some(last)) = last {
            self.cursor.set(Some(last.to_string()));
        }
    }

    /// How far an anomaly has come: as it was listed, or further if the ledger has moved since.
    pub(crate) fn state(self, anomaly: &Anomaly) -> EntryState {
        self.ledger.with(|ledger| match (anomaly.state, ledger) {
            (EntryState::Final, _) => EntryState::Final,
            (_, Remote::Ready(status)) if anomaly.index < status.final_size => EntryState::Final,
            (EntryState::Anchored, _) => EntryState::Anchored,
            (_, Remote::Ready(status)) if anomaly.index < status.anchored_size => EntryState::Anchored,
            (state, _) => state,
        })
    }

    /// Whether it is known where to ask the chain; before, a field for it would change under the reader's hands.
    pub(crate) fn rpc_is_known(self) -> bool {
        self.rpc_is_chosen() || self.ledger.with(|ledger| !matches!(ledger, Remote::Loading))
    }

    /// The RPC address: the reader's, else the service's.
    pub(crate) fn rpc_url(self) -> String {
        self.chosen_rpc.get().unwrap_or_else(|| self.service_rpc_url())
    }

    /// The RPC address that the service names.
    pub(crate) fn service_rpc_url(self) -> String {
        self.ledger.with(|ledger| if let Remote::Ready(s) = ledger { s.chain.rpc_url.clone() } else { String::new() })
    }

    /// Whether the reader has chosen an address.
    pub(crate) fn rpc_is_chosen(self) -> bool {
        self.chosen_rpc.with(Option::is_some)
    }

    /// Takes the reader's address; the service's own, or nothing, is no choice.
    pub(crate) fn choose_rpc(self, url: &str) {
        let url = url.trim();
        let chosen = (!url.is_empty() && url != self.service_rpc_url()).then(|| url.to_owned());
        memory::set_rpc_url(chosen.as_deref());
        self.chosen_rpc.set(chosen);
    }
}
