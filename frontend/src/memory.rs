//! What this browser remembers, in localStorage: the pinned trust roots, the chosen RPC address, and checkpoints
//! seen before. The one module that touches the storage. It refuses to decide what any of it means.

use std::num::NonZeroU64;

use ledger::{
    checkpoint::{Checkpoint, LogKey},
    trust::TrustRoots,
};
use serde::{Deserialize, Serialize};
use web_sys::Storage;

const PIN: &str = "anomaly-ledger/pin";
const RPC_URL: &str = "anomaly-ledger/rpc-url";
const SEEN: &str = "anomaly-ledger/seen/";

/// Checkpoints kept for each key: at some 250 bytes each a small part of the 5 MiB that browsers grant.
const MAX_SEEN: usize = 64;

/// How trust roots came to be pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    /// The service's claim, on the first visit.
    FirstUse,
    /// From a trust file.
    File,
    /// The service's new claim, accepted by hand.
    Accepted,
}

/// Pinned trust roots.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pinned {
    pub(crate) roots: TrustRoots,
    pub(crate) how: How,
    /// Milliseconds since 1970.
    pub(crate) at: f64,
    /// Blocks on top that make a block final; absent where the chain itself says which are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) confirmations: Option<NonZeroU64>,
}

/// What stands where the pin should be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Pin {
    /// Nothing: this browser has not been here.
    None,
    /// The pin.
    Held(Box<Pinned>),
    /// Something that cannot be read. It is not replaced without being told to.
    Unreadable(String),
}

/// The pin.
pub(crate) fn pin() -> Pin {
    match read(PIN) {
        None => Pin::None,
        Some(text) => serde_json::from_str(&text).map_or_else(|e| Pin::Unreadable(e.to_string()), Pin::Held),
    }
}

/// Replaces the pin. False if the browser keeps nothing.
pub(crate) fn set_pin(pinned: &Pinned) -> bool {
    serde_json::to_string(pinned).is_ok_and(|text| write(PIN, &text))
}

/// The RPC address that the reader has chosen.
pub(crate) fn rpc_url() -> Option<String> {
    read(RPC_URL)
}

/// Remembers the reader's RPC address, or that there is none.
pub(crate) fn set_rpc_url(url: Option<&str>) {
    match (url, storage()) {
        (Some(url), _) => _ = write(RPC_URL, url),
        // What cannot be removed was never kept.
        (None, Some(storage)) => _ = storage.remove_item(RPC_URL),
        (None, None) => {}
    }
}

/// The note of the checkpoint seen before under this key that can contradict one of `size`: that of the same size.
pub(crate) fn seen(key: &LogKey, size: u64) -> Option<String> {
    checkpoints(key).into_iter().find(|(checkpoint, _)| checkpoint.size == size).map(|(_, note)| note)
}

/// Remembers a signed checkpoint. The first seen of a size stays: a later, other one is the contradiction.
pub(crate) fn remember(key: &LogKey, note: &str) {
    let Ok(checkpoint) = key.verify(note) else { return };
    let mut seen = checkpoints(key);
    if seen.iter().any(|(known, _)| known.size == checkpoint.size) {
        return;
    }
    seen.push((checkpoint, note.to_owned()));
    seen.sort_by_key(|(checkpoint, _)| checkpoint.size);
    let from = seen.len().saturating_sub(MAX_SEEN);
    let notes: Vec<&String> = seen[from..].iter().map(|(_, note)| note).collect();
    if let Ok(text) = serde_json::to_string(&notes) {
        write(&format!("{SEEN}{key}"), &text);
    }
}

/// By size. Notes whose signature does not hold are passed over.
fn checkpoints(key: &LogKey) -> Vec<(Checkpoint, String)> {
    let notes = read(&format!("{SEEN}{key}")).unwrap_or_default();
    let notes: Vec<String> = serde_json::from_str(&notes).unwrap_or_default();
    let mut seen: Vec<_> = notes.into_iter().filter_map(|note| Some((key.verify(&note).ok()?, note))).collect();
    seen.sort_by_key(|(checkpoint, _)| checkpoint.size);
    seen
}

fn storage() -> Option<Storage> {
    web_sys::window()?.local_storage().ok()?
}

fn read(key: &str) -> Option<String> {
    storage()?.get_item(key).ok()?
}

fn write(key: &str, value: &str) -> bool {
    storage().is_some_and(|storage| storage.set_item(key, value).is_ok())
}
