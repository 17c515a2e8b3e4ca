//! Tiles: C2SP tlog-tiles, height 8 (docs/spec/tree.md).
//!
//! [`Frontier`] appends, and says which tiles changed. [`TileTree`] reads nodes out of stored tiles. Where
//! tiles are stored is the caller's affair.

use std::{
    cell::RefCell,
    collections::{BTreeMap, btree_map::Entry},
};

use crate::{
    hash::{EMPTY_ROOT, Hash, node_hash, root_of},
    merkle::Nodes,
};

/// Hashes in a full tile.
pub const WIDTH: u64 = 256;

/// Levels of the tree that a tile spans.
const HEIGHT: u32 = 8;

/// Which tile: level, index, and how many hashes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TileId {
    /// The tile's hashes are nodes of tree level 8·`level`.
    pub level: u32,
    /// Position among the tiles of its level.
    pub index: u64,
    /// How many hashes, 1 to 256.
    pub width: u32,
}

/// Why a path names no tile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a tile index as C2SP tlog-tiles writes it, such as x001/x234/067 or 005.p/17, found {0:?}")]
pub struct TilePathError(String);

/// Reads the `<N>[.p/<W>]` of a tile's path: index and width.
///
/// # Errors
/// Refuses every spelling but the one that tlog-tiles prescribes.
pub fn parse_index(path: &str) -> Result<(u64, u32), TilePathError> {
    let error = || TilePathError(path.chars().take(80).collect());
    let (number, width) = match path.split_once(".p/") {
        Some((number, width)) => (number, width.parse().map_err(|_| error())?),
        None => (path, WIDTH as u32),
    };
    let digits: String = number.split('/').map(|group| group.strip_prefix('x').unwrap_or(group)).collect();
    let index = digits.parse().map_err(|_| error())?;
    // Writing it again settles groups, leading zeros, and where the x stand.
    if !(1..=WIDTH as u32).contains(&width) || index_path(index, width) != path {
        return Err(error());
    }
    Ok((index, width))
}

/// Writes index and width as in a tile's path.
pub fn index_path(index: u64, width: u32) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    if width < WIDTH as u32 { format!("{path}.p/{width}") } else { path }
}

/// How many hashes tile `index` of `level` has in a tree of `size` leaves: 0 to 256.
pub fn width_at(level: u32, index: u64, size: u64) -> u32 {
    let nodes = size.checked_shr(HEIGHT * level).unwrap_or(0);
    nodes.saturating_sub(index.saturating_mul(WIDTH)).min(WIDTH) as u32
}

/// The bytes of a tile.
pub fn to_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The hashes of a tile; `None` if the bytes are not whole hashes.
pub fn from_bytes(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    rest.is_empty().then(|| hashes.iter().map(|hash| Hash(*hash)).collect())
}

/// Reads a tile of entries: each after its length in two bytes. `None` if one is cut short.
pub fn entries_from_bytes(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk()?;
        let (entry, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        entries.push(entry.to_vec());
        bytes = rest;
    }
    Some(entries)
}

/// The right edge of a tree: what one needs to append to it, and to know its root. At most 255 hashes a level.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// By level, the hashes of the last, unfilled tile.
    edge: Vec<Vec<Hash>>,
}

/// A tile with new hashes in it: all of its hashes, not only the new ones.
pub type ChangedTiles = BTreeMap<(u32, u64), Vec<Hash>>;

impl Frontier {
    /// The right edge of the tree of `size` leaves, read from its unfilled tiles.
    ///
    /// `tile` is given level, index and width, and returns the first hashes of that tile.
    ///
    /// # Errors
    /// When a tile cannot be read.
    pub fn load<E>(size: u64, mut tile: impl FnMut(TileId) -> Result<Vec<Hash>, E>) -> Result<Self, E> {
        let mut edge = Vec::new();
        let mut nodes = size;
        for level in 0.. {
            if nodes == 0 {
                break;
            }
            let width = (nodes % WIDTH) as u32;
            edge.push(if width == 0 { Vec::new() } else { tile(TileId { level, index: nodes / WIDTH, width })? });
            nodes /= WIDTH;
        }
        Ok(Self { size, edge })
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends leaves, and adds the tiles that changed to `changed`.
    pub fn append(&mut self, leaves: impl IntoIterator<Item = Hash>, changed: &mut ChangedTiles) {
        for leaf in leaves {
            self.push(0, leaf, self.size, changed);
            self.size += 1;
        }
        // Full tiles were noted when they filled; what is left are the unfilled ones.
        let mut nodes = self.size;
        for (level, hashes) in self.edge.iter().enumerate() {
            if !hashes.is_empty() {
                changed.insert((level as u32, nodes / WIDTH), hashes.clone());
            }
            nodes /= WIDTH;
        }
    }

    /// Puts a node into its level's tile; `position` is its index on that level.
    fn push(&mut self, level: usize, hash: Hash, position: u64, changed: &mut ChangedTiles) {
        if self.edge.len() == level {
            self.edge.push(Vec::new());
        }
        self.edge[level].push(hash);
        if self.edge[level].len() as u64 == WIDTH {
            let full = std::mem::take(&mut self.edge[level]);
            let tile = position / WIDTH;
            self.push(level + 1, root_of(&full), tile, changed);
            changed.insert((level as u32, tile), full);
        }
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        // The root of a tile's hashes, with all that lies to the right of them as one more, lower node.
        let right = self.edge.iter().fold(None, |right: Option<Hash>, hashes| match (hashes.as_slice(), right) {
            ([], right) => right,
            (hashes, None) => Some(root_of(hashes)),
            (hashes, Some(right)) => Some(join(hashes, right)),
        });
        right.unwrap_or(EMPTY_ROOT)
    }
}

/// The root over complete subtrees of equal height, followed by a smaller subtree with root `right`.
fn join(hashes: &[Hash], right: Hash) -> Hash {
    let mut at = hashes.len();
    let mut acc = right;
    // From the right: the runs of hashes whose lengths are the powers of two that make up their number.
    while at > 0 {
        let run = 1 << at.trailing_zeros();
        acc = node_hash(&root_of(&hashes[at - run..at]), &acc);
        at -= run;
    }
    acc
}

/// Reads the nodes of a tree of `size` leaves out of its tiles, each at most once.
pub struct TileTree<F> {
    size: u64,
    read: F,
    seen: RefCell<BTreeMap<(u32, u64), Vec<Hash>>>,
}

impl<F, E> TileTree<F>
where
    F: Fn(TileId) -> Result<Vec<Hash>, E>,
{
    /// `read` is given level, index and width, and returns the first hashes of that tile.
    pub fn new(size: u64, read: F) -> Self {
        Self { size, read, seen: RefCell::default() }
    }
}

impl<F, E> Nodes for TileTree<F>
where
    F: Fn(TileId) -> Result<Vec<Hash>, E>,
{
    type Error = E;

    fn node(&self, level: u32, index: u64) -> Result<Hash, E> {
        let (tile_level, inner) = (level / HEIGHT, level % HEIGHT);
        let first = index << inner;
        let tile = first / WIDTH;
        let mut seen = self.seen.borrow_mut();
        let hashes = match seen.entry((tile_level, tile)) {
            Entry::Occupied(seen) => seen.into_mut(),
            Entry::Vacant(unseen) => {
                let width = width_at(tile_level, tile, self.size);
                unseen.insert((self.read)(TileId { level: tile_level, index: tile, width })?)
            }
        };
        let from = (first % WIDTH) as usize;
        // A tile that is shorter than it should be gives a wrong node, and so a proof that does not hold.
        let to = (from + (1 << inner)).min(hashes.len());
        Ok(root_of(&hashes[from.min(to)..to]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        hash::leaf_hash,
        merkle::{MemoryTree, consistency_proof, inclusion_proof, root},
    };
    use std::convert::Infallible;

    /// The largest tree that a checkpoint can state.
    const MAX_SIZE: u64 = (1 << 53) - 1;

    #[test]
    fn paths_are_those_of_tlog_tiles() {
        assert_eq!(index_path(1_234_067, 256), "x001/x234/067");
        assert_eq!(parse_index("x001/x234/067"), Ok((1_234_067, 256)));
        assert_eq!(parse_index("005.p/17"), Ok((5, 17)));
        for bad in ["5", "x005", "0005", "x000/005", "005.p/0", "005.p/256", "005.p/017", "-01", "005.p/", "", "x1/005"]
        {
            assert!(parse_index(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_frontier_and_the_tiles_give_the_same_tree_as_memory() {
        const SIZE: u64 = 66_000; // reaches level 2, with full and partial tiles below
        let mut memory = MemoryTree::default();
        let mut frontier = Frontier::default();
        let mut tiles = ChangedTiles::new();
        let mut at = 0_u64;
        for step in [1, 254, 1, 1, 255, 256, 700, 64_068, 464].into_iter().cycle() {
            if at == SIZE {
                break;
            }
            let next = (at + step).min(SIZE);
            let leaves: Vec<Hash> = (at..next).map(|i| leaf_hash(&i.to_be_bytes())).collect();
            leaves.iter().for_each(|leaf| memory.push(*leaf));
            frontier.append(leaves, &mut tiles);
            at = next;
            assert_eq!(frontier.root(), root(&memory, at).unwrap(), "size {at}");
            let read = |id: TileId| Ok::<_, Infallible>(tiles[&(id.level, id.index)][..id.width as usize].to_vec());
            assert_eq!(Frontier::load(at, read).unwrap(), frontier, "size {at}");
        }
        for size in [1, 255, 256, 257, 1000, 65_536, 65_537, SIZE] {
            let read = |id: TileId| Ok::<_, Infallible>(tiles[&(id.level, id.index)][..id.width as usize].to_vec());
            let tree = TileTree::new(size, read);
            assert_eq!(root(&tree, size).unwrap(), root(&memory, size).unwrap());
            for index in [0, size / 2, size - 1] {
                assert_eq!(
                    inclusion_proof(&tree, index, size).unwrap(),
                    inclusion_proof(&memory, index, size).unwrap()
                );
            }
        }
    }

    /// How many tiles `make` reads of a tree of this size, and whether each was within it.
    fn reads(size: u64, make: impl Fn(&TileTree<&dyn Fn(TileId) -> Result<Vec<Hash>, Infallible>>)) -> usize {
        let count = std::cell::Cell::new(0);
        let read = |id: TileId| {
            count.set(count.get() + 1);
            assert!(id.width == width_at(id.level, id.index, size) && id.width > 0, "{id:?}");
            Ok::<_, Infallible>(vec![Hash([1; 32]); id.width as usize])
        };
        make(&TileTree::new(size, &read));
        count.get()
    }

    #[test]
    fn a_proof_reads_a_handful_of_tiles() {
        // On each level of tiles, an inclusion proof reads the tile above the leaf and the last one; a consistency
        // proof those above both sizes. With ten million entries the tree has three such levels.
        for (size, levels) in [(256, 1), (65_000, 2), (10_000_000, 3), (4_294_967_295, 4), (MAX_SIZE, 7)] {
            for index in [0, 1, size / 3, size / 2, size - 2, size - 1] {
                let inclusion = reads(size, |tree| drop(inclusion_proof(tree, index, size)));
                assert!((1..=2 * levels).contains(&inclusion), "{inclusion} tiles for {index} of {size}");
                let older = index + 1;
                let consistency = reads(size, |tree| drop(consistency_proof(tree, older, size)));
                assert!(consistency <= 2 * levels, "{consistency} tiles from {older} to {size}");
            }
        }
    }
}
