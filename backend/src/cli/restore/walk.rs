//! From events to entries: each publication is held against the root that was anchored with it.

use std::ops::Range;

use alloy::primitives::B256;
use ledger::{
    Hash,
    evidence::Bundle,
    hash::{EMPTY_ROOT, leaf_hash},
    publication::{self, Item},
    tile::{ChangedTiles, Frontier},
    trust::TrustRoots,
    verdict::{Case, ChainAnswer, Outcome, examine},
};

use super::{Stop, record::Record};
use crate::cli::events::{Event, Kind};

/// What is said wherever published bytes do not fit: from here nobody can tell which of the two it is.
const WHO: &str = "either this node shows other bytes than the chain has (ask another one), or whoever anchored \
                   published other bytes";

/// How far the log could be followed.
pub(super) struct Walk<'a> {
    trust: &'a TrustRoots,
    record: &'a mut Record,
    frontier: Frontier,
    /// The last anchor seen: size, and its sequence.
    anchored: u64,
    sequence: Option<u64>,
    pub(super) root: Hash,
    pub(super) payloads: u64,
    /// Entries that were anchored without being published.
    pub(super) gaps: Vec<Range<u64>>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(trust: &'a TrustRoots, record: &'a mut Record) -> Self {
        Self {
            trust,
            record,
            frontier: Frontier::default(),
            anchored: 0,
            sequence: None,
            root: EMPTY_ROOT,
            payloads: 0,
            gaps: Vec::new(),
        }
    }

    /// The entries that were rebuilt.
    pub(super) fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The size of the last anchor seen.
    pub(super) fn anchored(&self) -> u64 {
        self.anchored
    }

    /// Takes the events of some blocks, in their order.
    pub(super) fn take(&mut self, events: Vec<Event>) -> Result<(), Stop> {
        let mut events = events.into_iter().peekable();
        while let Some(event) = events.next() {
            let Kind::Anchored { root, size, sequence } = event.kind else {
                let block = event.block;
                return Err(Stop::Refused(format!("a publication in block {block} stands without its anchor: {WHO}")));
            };
            // The contract emits the publication right after the anchor, in the same transaction.
            let belongs = |next: &Event| {
                next.transaction == event.transaction
                    && next.place == event.place + 1
                    && matches!(next.kind, Kind::Published { .. })
            };
            let publication = events.next_if(belongs).map(|next| next.kind);
            self.follows(size, sequence)?;
            match publication {
                Some(Kind::Published { first, publication }) if sequence > 0 => {
                    if first != self.anchored {
                        let expected = self.anchored;
                        return Err(Stop::Refused(format!(
                            "the publication in block {} begins at entry {first}, expected {expected}: {WHO}",
                            event.block
                        )));
                    }
                    self.batch(root, size, &publication, event.block, event.transaction)?;
                }
                _ => self.gap(size),
            }
            (self.anchored, self.sequence) = (size, Some(sequence));
        }
        Ok(())
    }

    /// Anchors are counted, and sizes grow: a node that leaves one out is found.
    fn follows(&self, size: u64, sequence: u64) -> Result<(), Stop> {
        let expected = self.sequence.map_or(1, |last| last + 1);
        // A successor's first head has the sequence 0.
        let begins = self.sequence.is_none() && sequence == 0;
        if sequence != expected && !begins {
            return Err(Stop::Refused(format!(
                "expected anchor number {expected}, found number {sequence}: the node hides events, or --from-block is \
                 too high"
            )));
        }
        if size <= self.anchored {
            let last = self.anchored;
            return Err(Stop::Refused(format!("anchor {sequence} has size {size}, the one before {last}: {WHO}")));
        }
        Ok(())
    }

    fn gap(&mut self, to: u64) {
        match self.gaps.last_mut().filter(|gap| gap.end == self.anchored) {
            Some(gap) => gap.end = to,
            None => self.gaps.push(self.anchored..to),
        }
    }

    /// A published batch. Behind a gap it cannot be placed in the tree, so it is passed over.
    fn batch(&mut self, root: Hash, size: u64, bytes: &[u8], block: u64, transaction: B256) -> Result<(), Stop> {
        if !self.gaps.is_empty() {
            return Ok(());
        }
        let from = self.anchored;
        let refused = |why: String| {
            Stop::Refused(format!(
                "the publication of the entries {from} to {} (block {block}): {why}: {WHO}",
                size - 1
            ))
        };
        let items = publication::decode(bytes).map_err(|error| refused(error.to_string()))?;
        if items.len() as u64 != size - from {
            return Err(refused(format!("expected {} entries, found {}", size - from, items.len())));
        }
        self.frontier.append(items.iter().map(|item| leaf_hash(&item.entry)), &mut ChangedTiles::new());
        let derived = self.frontier.root();
        if derived != root {
            return Err(refused(format!("its entries give the root {derived}, anchored is {root}")));
        }
        for (index, item) in (from..).zip(items) {
            self.payload(index, &item).map_err(refused)?;
            self.payloads += u64::from(item.disclosure.is_some());
            self.record.item(index, &item)?;
        }
        self.record.anchor(root, size, block, transaction)?;
        self.root = root;
        Ok(())
    }

    /// Judges a payload as the verifier does.
    fn payload(&self, index: u64, item: &Item) -> Result<(), String> {
        if item.disclosure.is_none() {
            return Ok(());
        }
        let bundle = Bundle {
            disclosure: item.disclosure.clone(),
            ..Bundle::new(item.entry.clone(), index, Vec::new(), String::new())
        };
        let case = Case::new(&bundle, self.trust, ChainAnswer::NotAsked);
        let step = examine(&case).steps.into_iter().find(|step| step.name == "payload");
        match step.filter(|step| step.outcome == Outcome::Fails) {
            Some(step) => Err(format!("payload {index}: expected {}, computed {}", step.expected, step.computed)),
            None => Ok(()),
        }
    }
}
