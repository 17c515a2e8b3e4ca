//! The way from entries to a checkpoint's root, over the log's tiles. Pure.
//!
//! A full tile's root is one hash of the tile above it; a tile that is not full lies on the right edge, and the
//! edge as a whole gives the root.

use std::collections::BTreeMap;

use ledger::{
    Hash,
    checkpoint::Checkpoint,
    hash::{leaf_hash, root_of},
    tile::{Frontier, TileId, WIDTH, width_at},
};

/// What has been fetched. Only tiles of the edge are known to hold.
type Tiles = BTreeMap<TileId, Vec<Hash>>;

/// The unfilled tiles of a tree, the lowest first.
pub(super) fn edge(size: u64) -> Vec<TileId> {
    let mut tiles = Vec::new();
    let (mut nodes, mut level) = (size, 0);
    while nodes > 0 {
        let (index, width) = (nodes / WIDTH, (nodes % WIDTH) as u32);
        if width > 0 {
            tiles.push(TileId { level, index, width });
        }
        nodes = index;
        level += 1;
    }
    tiles
}

/// The tiles above a tile of entries, up to the edge.
pub(super) fn above(size: u64, number: u64) -> Vec<TileId> {
    let mut tiles = Vec::new();
    let (mut index, mut level) = (number, 0);
    while u64::from(width_at(level, index, size)) == WIDTH {
        (index, level) = (index / WIDTH, level + 1);
        tiles.push(TileId { level, index, width: width_at(level, index, size) });
    }
    tiles
}

/// The edge gives the root that was signed.
pub(super) fn check_edge(checkpoint: &Checkpoint, tiles: &Tiles) -> Result<(), String> {
    let known = |id: TileId| {
        let tile = tiles.get(&id).filter(|hashes| hashes.len() == id.width as usize);
        tile.cloned().ok_or_else(|| "a tile of the log is cut short".to_owned())
    };
    let root = Frontier::load(checkpoint.size, known)?.root();
    if root == checkpoint.root {
        Ok(())
    } else {
        Err(format!("the log's tiles give the root {root}, but {} was signed", checkpoint.root))
    }
}

/// The entries lead up to the edge.
pub(super) fn check_entries(size: u64, number: u64, entries: &[Vec<u8>], tiles: &Tiles) -> Result<(), String> {
    let wrong = || format!("the entries of the log's tile {number} do not lead to the signed root");
    let mut hashes: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    let (mut index, mut level) = (number, 0);
    loop {
        let width = width_at(level, index, size);
        if hashes.len() != width as usize {
            return Err(wrong());
        }
        if u64::from(width) < WIDTH {
            let same = tiles.get(&TileId { level, index, width }) == Some(&hashes);
            return if same { Ok(()) } else { Err(wrong()) };
        }
        let place = (index % WIDTH) as usize;
        let root = root_of(&hashes);
        (index, level) = (index / WIDTH, level + 1);
        let above = tiles.get(&TileId { level, index, width: width_at(level, index, size) });
        hashes = above.filter(|above| above.get(place) == Some(&root)).ok_or_else(wrong)?.clone();
    }
}

#[cfg(test)]
mod tests {
    use ledger::{checkpoint::LogSigner, tile::ChangedTiles};

    use super::*;

    /// A log of this many entries: its checkpoint, and all of its tiles.
    fn log(size: u64) -> (Checkpoint, Tiles) {
        let mut tree = Frontier::default();
        let mut changed = ChangedTiles::new();
        tree.append((0..size).map(|at| leaf_hash(&entry(at))), &mut changed);
        let tiles = changed
            .into_iter()
            .map(|((level, index), hashes)| (TileId { level, index, width: hashes.len() as u32 }, hashes));
        let key = LogSigner::new("example.org/log".parse().unwrap(), &[7; 32]);
        let checkpoint = key.log_key().verify(&key.sign(size, tree.root())).unwrap();
        (checkpoint, tiles.collect())
    }

    fn entry(at: u64) -> Vec<u8> {
        at.to_be_bytes().to_vec()
    }

    fn entries(size: u64, number: u64) -> Vec<Vec<u8>> {
        let first = number * WIDTH;
        (first..first + u64::from(width_at(0, number, size))).map(entry).collect()
    }

    #[test]
    fn entries_lead_to_the_root_and_others_do_not() {
        for size in [1, 255, 256, 257, 600, 65_536, 65_537, 66_000] {
            let (checkpoint, tiles) = log(size);
            for id in edge(size) {
                assert!(tiles.contains_key(&id), "{id:?} of {size}");
            }
            check_edge(&checkpoint, &tiles).unwrap();
            let last = (size - 1) / WIDTH;
            for number in [0, last / 2, last] {
                for id in above(size, number) {
                    assert!(tiles.contains_key(&id), "{id:?} of {size}");
                }
                let genuine = entries(size, number);
                check_entries(size, number, &genuine, &tiles).unwrap();
                let mut changed = genuine.clone();
                changed[0][0] ^= 1;
                check_entries(size, number, &changed, &tiles).unwrap_err();
                check_entries(size, number, &genuine[1..], &tiles).unwrap_err();
                check_entries(size, number + 1, &genuine, &tiles).unwrap_err();
            }
        }
    }

    #[test]
    fn a_tile_that_is_not_the_logs_breaks_the_way() {
        let (checkpoint, tiles) = log(66_000);
        for id in above(66_000, 3).into_iter().chain(edge(66_000)) {
            let mut forged = tiles.clone();
            forged.get_mut(&id).unwrap()[0].0[0] ^= 1;
            let holds = check_edge(&checkpoint, &forged).is_ok()
                && check_entries(66_000, 0, &entries(66_000, 0), &forged).is_ok()
                && check_entries(66_000, 257, &entries(66_000, 257), &forged).is_ok();
            assert!(!holds, "{id:?}");
        }
        assert!(check_edge(&checkpoint, &Tiles::new()).is_err());
    }
}
