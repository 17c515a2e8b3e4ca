//! The tree against its definition, against `rs_merkle`, and against everything that is nearly right.

use ledger::{
    Hash,
    hash::{EMPTY_ROOT, leaf_hash, node_hash, root_of},
    merkle::{MemoryTree, consistency_proof, inclusion_proof, root, verify_consistency, verify_inclusion},
};
use proptest::prelude::*;

const MOST: u64 = 300;

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|i| leaf_hash(&i.to_be_bytes())).collect()
}

/// MTH by the words of RFC 9162, section 2.1.1.
fn definition(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => EMPTY_ROOT,
        [leaf] => *leaf,
        _ => {
            let k = leaves.len().next_power_of_two() / 2;
            node_hash(&definition(&leaves[..k]), &definition(&leaves[k..]))
        }
    }
}

fn tree(size: u64) -> MemoryTree {
    MemoryTree::new(leaves(size))
}

fn root_at(tree: &MemoryTree, size: u64) -> Hash {
    root(tree, size).unwrap()
}

#[test]
fn roots_equal_the_definition_and_rs_merkle() {
    let all = leaves(MOST);
    let tree = tree(MOST);
    for size in 0..=MOST {
        let leaves = &all[..size as usize];
        assert_eq!(root_at(&tree, size), definition(leaves), "size {size}");
        assert_eq!(root_at(&tree, size), root_of(leaves), "size {size}");
    }
}

#[test]
fn every_index_of_every_size_proves() {
    let all = leaves(MOST);
    let tree = tree(MOST);
    for size in 1..=MOST {
        let root = root_at(&tree, size);
        for index in 0..size {
            let proof = inclusion_proof(&tree, index, size).unwrap();
            verify_inclusion(&all[index as usize], index, size, &proof, &root).unwrap();
        }
    }
}

#[test]
fn every_pair_of_sizes_is_consistent() {
    let tree = tree(MOST);
    for newer in 0..=MOST {
        for older in 0..=newer {
            let proof = consistency_proof(&tree, older, newer).unwrap();
            verify_consistency(older, newer, &proof, &root_at(&tree, older), &root_at(&tree, newer)).unwrap();
        }
    }
}

/// Every hash with one bit turned over, for each bit.
fn single_bit_changes(hash: &Hash) -> impl Iterator<Item = Hash> + '_ {
    (0..256).map(|bit| {
        let mut changed = *hash;
        changed.0[bit / 8] ^= 1 << (bit % 8);
        changed
    })
}

#[test]
fn every_single_bit_change_fails() {
    for size in [1, 2, 3, 7, 8, 9, 31, 100] {
        let all = leaves(size);
        let tree = tree(size);
        let root = root_at(&tree, size);
        for index in 0..size {
            let leaf = all[index as usize];
            let proof = inclusion_proof(&tree, index, size).unwrap();
            let holds = |leaf: &Hash, index, proof: &[Hash], root: &Hash| {
                verify_inclusion(leaf, index, size, proof, root).is_ok()
            };
            assert!(holds(&leaf, index, &proof, &root));
            assert!(single_bit_changes(&leaf).all(|leaf| !holds(&leaf, index, &proof, &root)));
            assert!(single_bit_changes(&root).all(|root| !holds(&leaf, index, &proof, &root)));
            assert!((0..64).all(|bit| !holds(&leaf, index ^ (1 << bit), &proof, &root)));
            for at in 0..proof.len() {
                let mut changed = proof.clone();
                assert!(single_bit_changes(&proof[at]).all(|hash| {
                    changed[at] = hash;
                    !holds(&leaf, index, &changed, &root)
                }));
            }
        }
    }
}

proptest! {
    #[test]
    fn a_hash_too_many_or_too_few_fails(size in 1..MOST, pick in any::<u64>(), extra in any::<[u8; 32]>()) {
        let index = pick % size;
        let tree = tree(size);
        let leaf = leaves(size)[index as usize];
        let root = root_at(&tree, size);
        let proof = inclusion_proof(&tree, index, size).unwrap();
        for at in 0..=proof.len() {
            let mut longer = proof.clone();
            longer.insert(at, Hash(extra));
            prop_assert!(verify_inclusion(&leaf, index, size, &longer, &root).is_err());
        }
        for at in 0..proof.len() {
            let mut shorter = proof.clone();
            shorter.remove(at);
            prop_assert!(verify_inclusion(&leaf, index, size, &shorter, &root).is_err());
        }
    }

    #[test]
    fn a_changed_consistency_proof_fails(newer in 2..MOST, pick in any::<u64>(), extra in any::<[u8; 32]>(), bit in 0..256_usize) {
        let older = 1 + pick % (newer - 1);
        let tree = tree(newer);
        let (older_root, newer_root) = (root_at(&tree, older), root_at(&tree, newer));
        let proof = consistency_proof(&tree, older, newer).unwrap();
        let holds = |proof: &[Hash]| verify_consistency(older, newer, proof, &older_root, &newer_root).is_ok();
        prop_assert!(holds(&proof));
        for at in 0..=proof.len() {
            let mut longer = proof.clone();
            longer.insert(at, Hash(extra));
            prop_assert!(!holds(&longer));
        }
        for at in 0..proof.len() {
            let mut shorter = proof.clone();
            shorter.remove(at);
            prop_assert!(!holds(&shorter));
            let mut changed = proof.clone();
            changed[at].0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!holds(&changed));
        }
        prop_assert!(verify_consistency(older, newer, &proof, &newer_root, &newer_root).is_err());
        prop_assert!(verify_consistency(newer, older, &proof, &newer_root, &older_root).is_err());
    }

    #[test]
    fn verification_never_panics(index in any::<u64>(), size in any::<u64>(), newer in any::<u64>(), proof in proptest::collection::vec(any::<[u8; 32]>().prop_map(Hash), 0..70)) {
        let _ = verify_inclusion(&EMPTY_ROOT, index, size, &proof, &EMPTY_ROOT);
        let _ = verify_consistency(size, newer, &proof, &EMPTY_ROOT, &EMPTY_ROOT);
    }
}
