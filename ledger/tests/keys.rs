//! Changes of the log's key: what an honest chain shows, and every way in which one can lie.

#![allow(clippy::unwrap_used)]

use ledger::{
    Hash,
    checkpoint::{LogKey, LogSigner},
    entry::{Entry, Key},
    hash::leaf_hash,
    keys::{KeyError, KeyHistory, KeyLink, MAX_LINKS, follow, signing_key},
    merkle::{MemoryTree, inclusion_proof, root},
};

fn signer(secret: u8) -> LogSigner {
    LogSigner::new("test.local/log".parse().unwrap(), &[secret; 32])
}

fn key(secret: u8) -> LogKey {
    signer(secret).log_key()
}

fn announcement(key: LogKey) -> Vec<u8> {
    let id = "01a1f838-78f3-71e9-9e5a-a50460b61251".parse().unwrap();
    Entry::Key(Key::new(id, "2026-11-20T09:10:12.979Z".parse().unwrap(), key)).to_bytes().unwrap()
}

/// A log whose key changes at these indexes, from key 1 to key 2 and so on.
fn links(indexes: &[u64]) -> Vec<KeyLink> {
    let mut tree = MemoryTree::default();
    let mut links = Vec::new();
    for (secret, index) in (1..).zip(indexes) {
        (tree.size()..*index).for_each(|i| tree.push(leaf_hash(&i.to_be_bytes())));
        let entry = announcement(key(secret + 1));
        tree.push(leaf_hash(&entry));
        let (size, root) = (tree.size(), root(&tree, tree.size()).unwrap());
        let (proof, checkpoint) = (inclusion_proof(&tree, *index, size).unwrap(), signer(secret).sign(size, root));
        links.push(KeyLink { index: *index, entry, proof, checkpoint });
    }
    links
}

#[test]
fn the_size_says_which_key_signs() {
    let links = links(&[0, 4, 5]);
    let entries = links.iter().map(|link| (link.index, &link.entry));
    let history = KeyHistory::from_entries(key(1), entries).unwrap();
    let serving: Vec<u8> =
        (0..9).map(|size| (1..=4).find(|secret| *history.key_at(size) == key(*secret)).unwrap()).collect();
    assert_eq!(serving, [1, 1, 2, 2, 2, 2, 3, 4, 4]);
    assert_eq!((history.first(), history.newest()), (&key(1), &key(4)));
}

#[test]
fn a_history_refuses_what_no_log_does() {
    let other = LogSigner::new("test.local/other".parse().unwrap(), &[9; 32]).log_key();
    let mut history = KeyHistory::new(key(1));
    history.announce(7, key(2)).unwrap();
    for (index, key, why) in [
        (7, key(3), "expected a key entry above index 7"),
        (6, key(3), "expected a key entry above index 7"),
        (8, key(2), "expected a new key"),
        (8, key(1), "expected a new key"),
        (8, other, "expected a key for the log"),
    ] {
        let error = history.announce(index, key).unwrap_err().to_string();
        assert!(error.starts_with(why), "{error}");
    }
    assert_eq!(history.changes().len(), 1);
    assert_eq!(*history.key_at(u64::MAX), key(2));
}

#[test]
fn a_chain_leads_from_any_of_its_keys_to_the_last() {
    let links = links(&[2, 3, 9]);
    for secret in 1..=4 {
        assert_eq!(signing_key(&key(secret), &links, 11).unwrap(), key(4), "from key {secret}");
    }
    assert_eq!(signing_key(&key(1), &[], 11).unwrap(), key(1));
    assert_eq!(signing_key(&key(1), &links[..1], 4).unwrap(), key(2));
    assert!(matches!(signing_key(&key(1), &links, 10), Err(KeyError::Beyond { below: 9, found: 9 })));
    assert!(matches!(signing_key(&key(1), &links[..1], 0), Err(KeyError::Beyond { .. })));
    assert!(matches!(signing_key(&key(8), &links, 11), Err(KeyError::Checkpoint { index: 2, .. })));
}

#[test]
fn every_lie_in_a_followed_link_is_refused() {
    let honest = links(&[2, 5]);
    let refused = |change: &dyn Fn(&mut Vec<KeyLink>)| {
        let mut links = honest.clone();
        change(&mut links);
        follow(&key(1), &links).unwrap_err()
    };
    assert!(matches!(refused(&|l| l.swap(0, 1)), KeyError::Order { .. }));
    assert!(matches!(refused(&|l| l[1] = l[0].clone()), KeyError::Order { .. }));
    assert!(matches!(refused(&|l| drop(l.remove(0))), KeyError::Checkpoint { index: 5, .. }));
    assert!(matches!(refused(&|l| l[0].index = 1), KeyError::Size { .. }));
    assert!(matches!(refused(&|l| l[1].index = u64::MAX), KeyError::Size { .. }));
    assert!(matches!(refused(&|l| l[0].proof[0].0[0] ^= 1), KeyError::Inclusion { .. }));
    assert!(matches!(refused(&|l| l[0].proof.push(Hash([0; 32]))), KeyError::Inclusion { .. }));
    assert!(matches!(refused(&|l| l[0].proof.clear()), KeyError::Inclusion { .. }));
    assert!(matches!(refused(&|l| l[0].entry = announcement(key(7))), KeyError::Inclusion { .. }));
    assert!(matches!(refused(&|l| l[1].entry = announcement(key(2))), KeyError::Reused(_)));
    assert!(matches!(refused(&|l| l[0].entry.push(b' ')), KeyError::Entry(_)));
    assert!(matches!(refused(&|l| l[1].checkpoint = l[0].checkpoint.clone()), KeyError::Checkpoint { .. }));
    // The new key cannot announce itself: only the key before can.
    let usurped = |l: &mut Vec<KeyLink>| l[1].checkpoint = signer(3).sign(6, Hash([0; 32]));
    assert!(matches!(refused(&usurped), KeyError::Checkpoint { index: 5, .. }));
    let other = LogSigner::new("test.local/other".parse().unwrap(), &[9; 32]).log_key();
    assert!(matches!(refused(&|l| l[0].entry = announcement(other.clone())), KeyError::Origin { .. }));
    let beacon = r#"{"block":1,"block_hash":"f1c04bfac3743a4cd0f46673dc2c19e65d6f166329bc93b982a5f3153b52f718","chain_id":1,"id":"01a1f838-78f3-71e9-9e5a-a50460b61251","kind":"beacon","recorded":"2026-11-20T09:10:12.979Z","v":1}"#;
    assert!(matches!(refused(&|l| l[0].entry = beacon.into()), KeyError::Kind("beacon")));
}

#[test]
fn the_order_holds_for_links_that_are_passed_over_too() {
    let mut links = links(&[2, 5, 9]);
    links[0].index = 6;
    assert!(matches!(follow(&key(3), &links), Err(KeyError::Order { above: 6, found: 5 })));
}

#[test]
fn a_chain_has_an_end() {
    let indexes: Vec<u64> = (0..=MAX_LINKS as u64).collect();
    let links = links(&indexes);
    assert!(matches!(follow(&key(1), &links), Err(KeyError::Length(17))));
    assert_eq!(*follow(&key(1), &links[..MAX_LINKS]).unwrap().newest(), key(17));
}
