//! What must hold of contract and log after any fault, read as anybody can read it.

use std::collections::BTreeSet;

use ledger::{
    Hash,
    hash::leaf_hash,
    merkle::{MemoryTree, root},
    tile,
};

use crate::Trial;

/// Nothing is anchored twice, and nothing is lost: the contract's events are numbered without a gap, their sizes grow,
/// no root comes twice, the last is the head, the head covers the whole log, and every recorded root is that of the
/// log's entries as they are served.
///
/// # Panics
/// If something of that does not hold.
pub async fn sound(trial: &Trial) {
    let events = trial.chain.anchored(trial.contract()).await;
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event.sequence, at as u64 + 1, "{events:#?}");
    }
    assert!(events.is_sorted_by(|a, b| a.size < b.size), "{events:#?}");
    let roots: BTreeSet<Hash> = events.iter().map(|event| event.root).collect();
    assert_eq!(roots.len(), events.len(), "{events:#?}");

    let last = events.last().expect("something is anchored");
    assert_eq!((last.root, last.size), trial.chain.head(trial.contract()).await);
    let checkpoint = trial.checkpoint(&trial.trust().await).await;
    assert_eq!((last.root, last.size), (checkpoint.root, checkpoint.size), "the newest checkpoint is anchored");

    let tree = entries(trial, checkpoint.size).await;
    for event in &events {
        assert_eq!(root(&tree, event.size), Ok(event.root), "the contract's record of size {}", event.size);
    }
}

/// The tree of the log's entries, read as any client of tiled logs does.
async fn entries(trial: &Trial, size: u64) -> MemoryTree {
    let mut tree = MemoryTree::default();
    for index in 0..size.div_ceil(tile::WIDTH) {
        let path = tile::index_path(index, tile::width_at(0, index, size));
        let answer = trial.get(&format!("/tile/entries/{path}")).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let entries = tile::entries_from_bytes(&answer.body).expect("whole entries");
        entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
    }
    tree
}
