//! Pinned trust roots beside the service's claims, for every page.
//!
//! On first use the claim is pinned, and the page says so. After that only the reader replaces the pin: a claim
//! that differs is shown on every page, and never taken over silently.

use std::{num::NonZeroU64, time::Duration};

use ledger::{chain::query::Finality, trust::TrustRoots};
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
        // Confirmations are a matter of the chain: another one has its own.
        let confirmations = self.pin.with_untracked(|pin| match pin {
            Pin::Held(old) if old.roots.chain_id == roots.chain_id && old.roots.genesis_hash == roots.genesis_hash => {
                old.confirmations
            }
            Pin::Held(_) | Pin::None | Pin::Unreadable(_) => None,
        });
        self.keep(Pinned { roots, how, at: clock::now(), confirmations });
    }

    /// Sets how many blocks on top make a block final here; `None` if the chain says it itself.
    pub(crate) fn confirm(self, confirmations: Option<NonZeroU64>) {
        if let Pin::Held(pinned) = self.pin.get_untracked() {
            self.keep(Pinned { confirmations, ..*pinned });
        }
    }

    fn keep(self, pinned: Pinned) {
        self.kept.set(memory::set_pin(&pinned));
        self.pin.set(Pin::Held(Box::new(pinned)));
    }

    /// How many blocks on top make a block final here, if the chain does not say it itself.
    pub(crate) fn confirmations(self) -> Option<NonZeroU64> {
        self.pin.with(|pin| if let Pin::Held(pinned) = pin { pinned.confirmations } else { None })
    }

    /// What counts as final here.
    pub(crate) fn finality(self) -> Finality {
        self.confirmations().map_or(Finality::Tag, |blocks| Finality::Depth(blocks.get()))
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
        "predecessors" => "list of earlier contracts",
        _ => "code hash",
    }
}

/// The roots with their names, as text.
pub(crate) fn members(roots: &TrustRoots) -> [(&'static str, String); 6] {
    let before =
        roots.predecessors.iter().map(|old| format!("{} with code {}", old.contract.to_checksum(None), old.code_hash));
    let before: Vec<_> = before.collect();
    [
        ("log_key", roots.log_key.to_string()),
        ("chain_id", roots.chain_id.to_string()),
        ("genesis_hash", roots.genesis_hash.to_string()),
        ("contract", roots.contract.to_checksum(None)),
        ("code_hash", roots.code_hash.to_string()),
        ("predecessors", if before.is_empty() { "none".to_owned() } else { before.join(", ") }),
    ]
}

/// The trust file.
pub(crate) fn file(roots: &TrustRoots) -> String {
    serde_json::to_string_pretty(roots).unwrap_or_default()
}
