//! Follows a contract's events: the newest blocks first, older ones on demand, and again what a reorganisation
//! may have changed.

use std::{cell::Cell, collections::BTreeMap, rc::Rc, time::Duration};

use alloy_primitives::Address;
use ledger::trust::TrustRoots;
use leptos::{prelude::*, task::spawn_local};

use crate::chain::{self, Tip, events::Log};

/// Blocks asked for at a time; public nodes refuse many more.
const WINDOW: u64 = 2_000;
/// Blocks that are read again each time: deeper reorganisations show after a reload.
const REREAD: u64 = 32;
/// A block takes two seconds in the trial and twelve on Ethereum.
const PAUSE: Duration = Duration::from_secs(4);

/// Which node, and which contract.
type Target = Option<(String, Option<TrustRoots>)>;

/// How the following stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Standing {
    Asking,
    Following,
    NoTrust,
    Silent(String),
    OtherChain(String),
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Seen {
    /// By block and position.
    pub(super) logs: BTreeMap<(u64, u64), Log>,
    /// The oldest block read.
    pub(super) from: u64,
    /// The newest block read.
    pub(super) latest: Option<u64>,
}

/// Follows the events as long as the page is shown.
#[derive(Clone, Copy)]
pub(super) struct Follower {
    pub(super) standing: RwSignal<Standing>,
    pub(super) seen: RwSignal<Seen>,
    target: Memo<Target>,
}

impl Follower {
    /// Begins, and begins again whenever the target changes.
    pub(super) fn start(target: Memo<Target>) -> Self {
        let follower = Self { standing: RwSignal::new(Standing::Asking), seen: RwSignal::new(Seen::default()), target };
        let busy = Rc::new(Cell::new(false));
        let poll = move || {
            if busy.replace(true) {
                return;
            }
            let busy = busy.clone();
            spawn_local(async move {
                follower.poll().await;
                busy.set(false);
            });
        };
        Effect::new({
            let poll = poll.clone();
            move |_| {
                target.track();
                follower.standing.set(Standing::Asking);
                follower.seen.set(Seen::default());
                poll();
            }
        });
        if let Ok(polling) = set_interval_with_handle(poll, PAUSE) {
            on_cleanup(move || polling.clear());
        }
        follower
    }

    async fn poll(self) {
        let Some(Some(target)) = self.target.try_get_untracked() else { return };
        let (url, Some(roots)) = target.clone() else {
            self.standing.try_set(Standing::NoTrust);
            return;
        };
        let outcome = self.read_new(&url, &roots).await;
        // The answer to a question that is no longer asked.
        if self.target.try_get_untracked() != Some(Some(target)) {
            return;
        }
        self.standing.try_set(match outcome {
            Ok((tip, _, _)) if other_chain(&roots, &tip).is_some() => {
                Standing::OtherChain(other_chain(&roots, &tip).unwrap_or_default())
            }
            Ok((tip, from, logs)) => {
                self.seen.try_update(|seen| seen.take(from, tip.latest, logs));
                Standing::Following
            }
            Err(why) => Standing::Silent(why),
        });
    }

    /// The tip, and the events from a block on.
    async fn read_new(self, url: &str, roots: &TrustRoots) -> Result<(Tip, u64, Vec<Log>), String> {
        let tip = chain::tip(url).await?;
        if other_chain(roots, &tip).is_some() {
            return Ok((tip, 0, Vec::new()));
        }
        let known = self.seen.try_with_untracked(|seen| (seen.latest, seen.from)).unwrap_or_default();
        let from = match known {
            (Some(latest), from) if latest <= tip.latest && tip.latest - latest < WINDOW => {
                latest.saturating_sub(REREAD).max(from)
            }
            _ => (tip.latest + 1).saturating_sub(WINDOW),
        };
        let logs = chain::logs(url, &contracts(roots), from, tip.latest).await?;
        Ok((tip, from, logs))
    }

    /// Reads the blocks before the oldest.
    pub(super) async fn older(self) {
        let Some(target @ Some(_)) = self.target.try_get_untracked() else { return };
        let Some((url, Some(roots))) = target.clone() else { return };
        let before = self.seen.with_untracked(|seen| seen.from);
        let Some(to) = before.checked_sub(1) else { return };
        let from = before.saturating_sub(WINDOW);
        let outcome = chain::logs(&url, &contracts(&roots), from, to).await;
        if self.target.try_get_untracked() != Some(target) {
            return;
        }
        match outcome {
            Ok(logs) => {
                self.seen.try_update(|seen| {
                    // A second click may have been quicker.
                    if seen.from == before {
                        seen.add(logs);
                        seen.from = from;
                    }
                });
            }
            Err(why) => _ = self.standing.try_set(Standing::Silent(why)),
        }
    }
}

impl Seen {
    /// Takes what blocks `from` to `latest` hold now, in place of what they held before.
    fn take(&mut self, from: u64, latest: u64, logs: Vec<Log>) {
        let continues = self.latest.is_some_and(|known| known <= latest && from <= known + 1);
        if !continues {
            *self = Self { from, ..Self::default() };
        }
        self.logs.retain(|(block, _), _| *block < from);
        self.add(logs);
        self.latest = Some(latest);
    }

    fn add(&mut self, logs: Vec<Log>) {
        self.logs.extend(logs.into_iter().map(|log| ((log.place.block, log.place.position), log)));
    }
}

/// The contract, and those that the log used before.
fn contracts(roots: &TrustRoots) -> Vec<Address> {
    roots.contracts().map(|trusted| trusted.contract).collect()
}

/// In what the chain differs from the pinned one.
fn other_chain(roots: &TrustRoots, tip: &Tip) -> Option<String> {
    if tip.chain_id != roots.chain_id {
        return Some(format!("the chain id is {}, not {}", tip.chain_id, roots.chain_id));
    }
    (tip.genesis_hash != roots.genesis_hash).then(|| format!("block 0 has the hash {}", tip.genesis_hash))
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;

    use super::*;
    use crate::chain::events::{Event, Place};

    fn log(block: u64) -> Log {
        let event = Event::Published { first_index: block, publication: Vec::new() };
        Log { place: Place { block, position: 0, transaction: B256::ZERO }, event }
    }

    fn blocks(seen: &Seen) -> Vec<u64> {
        seen.logs.keys().map(|(block, _)| *block).collect()
    }

    #[test]
    fn a_reorganisation_replaces_what_it_undid() {
        let mut seen = Seen::default();
        seen.take(0, 10, vec![log(3), log(9)]);
        seen.take(5, 11, vec![log(8), log(11)]);
        assert_eq!((blocks(&seen), seen.from, seen.latest), (vec![3, 8, 11], 0, Some(11)));
    }

    #[test]
    fn a_chain_that_went_back_or_jumped_is_read_anew() {
        let mut seen = Seen::default();
        seen.take(0, 100, vec![log(90)]);
        seen.take(0, 50, vec![log(40)]);
        assert_eq!((blocks(&seen), seen.latest), (vec![40], Some(50)));
        seen.take(4_000, 6_000, vec![log(5_000)]);
        assert_eq!((blocks(&seen), seen.from), (vec![5_000], 4_000));
    }
}
