//! Fetches heartbeats and has them held against the log, newest first, for as long as the page is shown.

use std::collections::BTreeMap;

use api::Heartbeat;
use ledger::text::Pseudonym;
use leptos::{prelude::*, task::spawn_local};

use crate::{
    completeness::{self, Account},
    http::Fault,
    live::Remote,
    log, server,
    trust::{Claim, Trust},
};

/// The log that the windows are held against.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Log {
    /// There is no window yet.
    Waiting,
    /// Being fetched.
    Opening,
    /// Read, under a signed checkpoint of this size.
    Open(u64),
    /// It does not hold, or is not to be had.
    Refused(String),
    /// There is no key to hold it against.
    NoTrust,
}

/// What is known so far.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) device: StoredValue<Option<Pseudonym>>,
    pub(super) windows: RwSignal<Remote<Vec<Heartbeat>>>,
    pub(super) accounts: RwSignal<BTreeMap<u64, Result<Account, String>>>,
    pub(super) log: RwSignal<Log>,
    pub(super) cursor: RwSignal<Option<String>>,
    pub(super) fault: RwSignal<Option<Fault>>,
    /// Which run this is; what an older one still finds out is dropped.
    number: RwSignal<u32>,
    trust: Trust,
}

impl Run {
    /// Begins as soon as it is known what is trusted.
    pub(super) fn start(device: Option<Pseudonym>) -> Self {
        let trust = expect_context::<Trust>();
        let run = Self {
            device: StoredValue::new(device),
            windows: RwSignal::new(Remote::Loading),
            accounts: RwSignal::new(BTreeMap::new()),
            log: RwSignal::new(Log::Waiting),
            cursor: RwSignal::new(None),
            fault: RwSignal::new(None),
            number: RwSignal::new(0),
            trust,
        };
        let settled = Memo::new(move |_| trust.roots().is_some() || trust.claim() != Claim::Asking);
        Effect::new(move |_| {
            if settled.get() {
                untrack(|| run.again());
            }
        });
        run
    }

    /// Asks for everything anew.
    pub(super) fn again(self) {
        let this = self.number.get_untracked() + 1;
        self.number.set(this);
        self.accounts.set(BTreeMap::new());
        self.log.set(Log::Waiting);
        spawn_local(self.run(this, None));
    }

    /// Asks for the windows before the oldest.
    pub(super) fn older(self) {
        if let Some(cursor) = self.cursor.get_untracked() {
            spawn_local(self.run(self.number.get_untracked(), Some(cursor)));
        }
    }

    async fn run(self, this: u32, cursor: Option<String>) {
        let page = server::heartbeats(cursor.as_deref()).await;
        // A second click may have been quicker; then its page is here already.
        if !self.is(this) || (cursor.is_some() && self.cursor.get_untracked() != cursor) {
            return;
        }
        let page = match page {
            Ok(page) => page,
            Err(fault) if cursor.is_some() => return self.fault.set(Some(fault)),
            Err(fault) => return self.windows.set(Remote::Failed(fault)),
        };
        self.fault.set(None);
        self.cursor.set(page.next_cursor);
        let indexes: Vec<u64> = page.items.iter().map(|heartbeat| heartbeat.index).collect();
        self.windows.update(|windows| match windows {
            Remote::Ready(known) if cursor.is_some() => known.extend(page.items),
            _ => *windows = Remote::Ready(page.items),
        });
        self.examine(this, &indexes).await;
    }

    async fn examine(self, this: u32, indexes: &[u64]) {
        let Some(newest) = indexes.first() else { return };
        let Some(roots) = self.trust.roots() else { return self.log.set(Log::NoTrust) };
        if self.accounts.with_untracked(BTreeMap::is_empty) {
            self.log.set(Log::Opening);
        }
        let opened: Result<log::Log, String> = completeness::open(*newest, &roots).await;
        if !self.is(this) {
            return;
        }
        let mut log = match opened {
            Ok(log) => log,
            Err(why) => return self.log.set(Log::Refused(why)),
        };
        // The newest page's checkpoint is the largest.
        self.log.update(|known| match known {
            Log::Open(size) if *size >= log.size() => {}
            _ => *known = Log::Open(log.size()),
        });
        let device = self.device.get_value();
        for index in indexes {
            let account = completeness::examine(&mut log, *index, device.as_ref()).await;
            if !self.is(this) {
                return;
            }
            self.accounts.update(|accounts| _ = accounts.insert(*index, account));
        }
    }

    /// Whether a run still counts: the page is there, and no newer one has begun.
    fn is(self, this: u32) -> bool {
        self.number.try_get_untracked() == Some(this)
    }
}
