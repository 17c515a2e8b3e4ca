//! Heartbeats, held against the log: were all anomalies that were counted put there, and kept?
//!
//! Whoever shows heartbeats, counters and entries is not believed: entries lead to a signed checkpoint, counters to
//! the heartbeat's root. What it all amounts to is decided in [`judge`].

mod judge;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ledger::{
    entry::{Entry, Heartbeat},
    evidence::Bundle,
    heartbeat::{Counter, Located, account},
    text::Pseudonym,
    trust::TrustRoots,
};

use crate::{log::Log, server};
pub(crate) use judge::{Counted, Window};

/// A window is counted here up to this many entries: eight tiles, some 700 KiB. For more there is the command.
pub(crate) const MAX_COUNTED: u64 = 2_000;

/// What was found out about one window.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Account {
    /// The window, and what the log holds in it.
    pub(crate) window: Window,
    /// What the heartbeat says of the device; absent where no device was asked for.
    pub(crate) device: Option<Device>,
}

/// What a heartbeat says of a device.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Device {
    /// This counter.
    Counter(Counter),
    /// That nothing was counted.
    Absent,
    /// Nothing: what is shown of it does not hold.
    Refused(String),
}

/// The log under the evidence of the heartbeat at `index`, which covers all older windows.
pub(crate) async fn open(index: u64, roots: &TrustRoots) -> Result<Log, String> {
    let bytes = server::evidence(index).await.map_err(|fault| fault.to_string())?;
    let bundle = Bundle::from_json(&bytes).map_err(|error| error.to_string())?;
    if bundle.index != index {
        return Err(format!("the service gave the evidence of entry {}, not of {index}", bundle.index));
    }
    Log::under(&bundle, roots).await
}

/// Holds the heartbeat at `index` against the log.
pub(crate) async fn examine(log: &mut Log, index: u64, device: Option<&Pseudonym>) -> Result<Account, String> {
    let heartbeat = heartbeat_at(log, index).await?;
    // One entry before the window shows that it begins where the last one ended.
    let first = heartbeat.from.min(index).saturating_sub(1);
    let small = index - first <= MAX_COUNTED;
    let entries = if small { Some(log.entries(first, index).await?) } else { None };
    let window = judge::window(index, heartbeat, first, entries.as_deref(), device);
    let device = match device {
        Some(device) => Some(ask(&window, device).await),
        None => None,
    };
    Ok(Account { window, device })
}

/// The entry at `index`, which must be a heartbeat.
async fn heartbeat_at(log: &mut Log, index: u64) -> Result<Heartbeat, String> {
    let entry = log.entries(index, index + 1).await?.pop().unwrap_or_default();
    match Entry::from_bytes(&entry) {
        Ok(Entry::Heartbeat(heartbeat)) => Ok(heartbeat),
        Ok(other) => Err(format!("entry {index} of the log is no heartbeat but of kind {}", other.kind())),
        Err(error) => Err(format!("entry {index} of the log: {error}")),
    }
}

async fn ask(window: &Window, device: &Pseudonym) -> Device {
    let shown = match server::account(window.index, device).await {
        Ok(answer) => located(&answer.shown),
        Err(fault) => return Device::Refused(fault.to_string()),
    };
    match shown.map(|shown| account(&window.heartbeat, device, &shown)) {
        None => Device::Refused("the answer is malformed".into()),
        Some(Err(error)) => Device::Refused(error.to_string()),
        Some(Ok(None)) => Device::Absent,
        Some(Ok(Some(counter))) => Device::Counter(counter),
    }
}

fn located(shown: &[api::LocatedCounter]) -> Option<Vec<Located>> {
    let read = |located: &api::LocatedCounter| {
        let proof = located.proof.iter().map(|hash| hash.parse().ok()).collect::<Option<_>>()?;
        Some(Located { counter: BASE64.decode(&located.counter).ok()?, index: located.index, proof })
    };
    shown.iter().map(read).collect()
}
