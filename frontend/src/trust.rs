//! Pinned trust roots beside the service's claims, for every page.
//!
//! On first use the claim is pinned, and the page says so. After that only the reader replaces the pin: a claim
//! that differs is shown on every page, and never taken over silently.

use std::time::Duration;

use ledger::trust::TrustRoots;
use leptos::{prelude::*, task::spawn_local};

use crate::{
    clock,
    http::Fault,
    memory::{self, How, Pin, Pinned},
    server,
};

/// A page that stays open learns of a changed claim within a minute; every check asks anew anyway.
const PAUSE: Duration = Duration::from_secs(60);

/// What the service claims.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Claim {
    /// It has not answered yet.
    Asking,
    /// This.
    Made(Box<TrustRoots>),
    /// It does not say.
    Silent(Fault),
}

/// The trust roots of this visit.
#[derive(Clone, Copy)]
pub(crate) struct Trust {
    pin: RwSignal<Pin>,
    claim: RwSignal<Claim>,
    /// Whether the browser will still know the pin at the next visit.
    kept: RwSignal<bool>,
}

impl Trust {
    /// Reads the pin, and asks the service for its claim.
    pub(crate) fn start() -> Self {
        let trust =
            Self { pin: RwSignal::new(memory::pin()), claim: RwSignal::new(Claim::Asking), kept: RwSignal::new(true) };
        let ask = move || {
            spawn_local(async move {
                trust.ask().await;
            });
        };
        ask();
        if let Ok(asking) = set_interval_with_handle(ask, PAUSE) {
            on_cleanup(move || asking.clear());
        }
        trust
    }

    /// Asks the service for its claim; pins it if nothing was ever pinned here.
    pub(crate) async fn ask(self) -> Claim {
        let claim = match server::trust().await {
            Ok(roots) => Claim::Made(Box::new(roots)),
            Err(fault) => Claim::Silent(fault),
        };
        if let Claim::Made(roots) = &claim
            && self.pin.get_untracked() == Pin::None
        {
            self.replace((**roots).clone(), How::FirstUse);
        }
        self.claim.set(claim.clone());
        claim
    }

    /// Replaces the pin.
    pub(crate) fn replace(self, roots: TrustRoots, how: How) {
        let pinned = Pinned { roots, how, at: clock::now() };
        self.kept.set(memory::set_pin(&pinned));
        self.pin.set(Pin::Held(Box::new(pinned)));
    }

    /// The pin.
    pub(crate) fn pin(self) -> Pin {
        self.pin.get()
    }

    /// The pinned roots, if there are any.
    pub(crate) fn roots(self) -> Option<TrustRoots> {
        self.pin.with(|pin| if let Pin::Held(pinned) = pin { Some(pinned.roots.clone()) } else { None })
    }

    /// The claim.
    pub(crate) fn claim(self) -> Claim {
        self.claim.get()
    }

    /// Whether the browser will still know the pin at the next visit.
    pub(crate) fn is_kept(self) -> bool {
        self.kept.get()
    }

    /// The names of the roots that the service now claims otherwise.
    pub(crate) fn changed(self) -> Vec<&'static str> {
        match (self.roots(), self.claim.get()) {
            (Some(pinned), Claim::Made(claimed)) => pinned.differences(&claimed),
            _ => Vec::new(),
        }
    }
}

/// The name of a root, in words.
pub(crate) fn name(member: &str) -> &'static str {
    match member {
        "log_key" => "log key",
        "chain_id" => "chain id",
        "genesis_hash" => "genesis hash",
        "contract" => "contract",
        "predecessors" => "list of predecessors",
        _ => "code hash",
    }
}

/// The five roots with their names, as text.
pub(crate) fn members(roots: &TrustRoots) -> [(&'static str, String); 5] {
    [
        ("log_key", roots.log_key.to_string()),
        ("chain_id", roots.chain_id.to_string()),
        ("genesis_hash", roots.genesis_hash.to_string()),
        ("contract", roots.contract.to_checksum(None)),
        ("code_hash", roots.code_hash.to_string()),
    ]
}

/// The trust file.
pub(crate) fn file(roots: &TrustRoots) -> String {
    serde_json::to_string_pretty(roots).unwrap_or_default()
}
