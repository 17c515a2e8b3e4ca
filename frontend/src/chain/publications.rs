//! What the chain alone tells: published entries and payloads, checked against each other and the anchored roots.
//!
//! Pure. The payload rule is `ledger`'s own; the roots are computed again where every entry from the first on
//! is known. It refuses to show a payload that does not fit its entry.

use std::collections::BTreeMap;

use ledger::{
    Hash,
    entry::{Entry, EntryError, Payload},
    evidence::Bundle,
    hash::leaf_hash,
    publication::{self, Item},
    tile::{ChangedTiles, Frontier},
    trust::TrustRoots,
    verdict::{Case, ChainAnswer, Outcome, examine},
};

use super::events::{Event, Log, Place};

/// What a published entry turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// A finding whose payload fits the entry.
    Finding(Box<Payload>),
    /// A finding whose payload was not published.
    Withheld,
    /// An entry of a kind that has no payload.
    Plain(Box<Entry>),
    /// An entry of a kind that this page does not know.
    Unexplained(String),
    /// Entry or payload do not hold, for this reason.
    Refused(String),
}

/// Whether the anchored root follows from the published entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RootCheck {
    /// Computed again from all entries, and equal.
    Fits,
    /// Computed again, and other.
    Differs,
    /// Older entries are not loaded, so it was not computed.
    Unknown,
}

/// One published entry.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) index: u64,
    pub(crate) place: Place,
    pub(crate) content: Content,
    pub(crate) root: RootCheck,
}

/// The rows of the events, newest first.
pub(crate) fn rows<'a>(logs: impl Iterator<Item = &'a Log>, trust: &TrustRoots) -> Vec<Row> {
    let logs: Vec<&Log> = logs.collect();
    // One transaction anchors once and publishes at most once.
    let roots: BTreeMap<_, _> = logs
        .iter()
        .filter_map(|log| match log.event {
            Event::Anchored { root, size, .. } => Some((log.place.transaction, (root, size))),
            Event::Published { .. } => None,
        })
        .collect();
    let mut tree = Frontier::default();
    let mut rows = Vec::new();
    for log in logs {
        let Event::Published { first_index, publication } = &log.event else { continue };
        match publication::decode(publication) {
            Ok(items) => {
                let anchored = roots.get(&log.place.transaction).copied();
                let root = check(&mut tree, *first_index, &items, anchored);
                rows.extend(items.into_iter().zip(*first_index..).map(|(item, index)| Row {
                    index,
                    place: log.place,
                    content: content(item, index, trust),
                    root,
                }));
            }
            Err(error) => rows.push(Row {
                index: *first_index,
                place: log.place,
                content: Content::Refused(error.to_string()),
                root: RootCheck::Unknown,
            }),
        }
    }
    rows.reverse();
    rows
}

fn check(tree: &mut Frontier, first: u64, items: &[Item], anchored: Option<(Hash, u64)>) -> RootCheck {
    if tree.size() != first {
        return RootCheck::Unknown;
    }
    tree.append(items.iter().map(|item| leaf_hash(&item.entry)), &mut ChangedTiles::new());
    match anchored {
        Some(anchored) if anchored == (tree.root(), tree.size()) => RootCheck::Fits,
        Some(_) => RootCheck::Differs,
        None => RootCheck::Unknown,
    }
}

/// The step `payload` of an examination, and nothing else of it.
fn content(item: Item, index: u64, trust: &TrustRoots) -> Content {
    let (entry, disclosure) = match (Entry::from_bytes(&item.entry), &item.disclosure) {
        (Err(EntryError::Kind(kind)), _) => return Content::Unexplained(kind.as_str().unwrap_or_default().to_owned()),
        (Err(error), _) => return Content::Refused(error.to_string()),
        (Ok(Entry::Anomaly(_)), None) => return Content::Withheld,
        (Ok(entry), None) => return Content::Plain(Box::new(entry)),
        (Ok(entry), Some(disclosure)) => (entry, disclosure),
    };
    let payload = Payload::from_bytes(&disclosure.payload);
    let bundle = Bundle { disclosure: item.disclosure, ..Bundle::new(item.entry, index, Vec::new(), String::new()) };
    let case = Case::new(&bundle, trust, ChainAnswer::NotAsked);
    let step = examine(&case).steps.into_iter().find(|step| step.name == "payload");
    match (step, payload) {
        (Some(step), Ok(payload)) if step.outcome == Outcome::Holds => Content::Finding(Box::new(payload)),
        (Some(step), _) => Content::Refused(format!("the payload does not fit its entry: {}", step.computed)),
        (None, _) => Content::Refused(format!("an entry of kind {} has no payload", entry.kind())),
    }
}
