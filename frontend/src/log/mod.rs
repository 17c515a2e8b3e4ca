//! Reads the log's own entries, each held against one signed checkpoint before it is handed on.
//!
//! Every tile is fetched once. It refuses entries that do not lead to the checkpoint's root.

mod path;

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use ledger::{
    Hash,
    checkpoint::Checkpoint,
    evidence::Bundle,
    keys::signing_key,
    tile::{self, TileId},
    trust::TrustRoots,
    verdict::{Case, ChainAnswer, Outcome, examine},
};

use crate::server;

/// The log under one signed checkpoint.
pub(crate) struct Log {
    checkpoint: Checkpoint,
    hashes: BTreeMap<TileId, Vec<Hash>>,
    entries: BTreeMap<u64, Vec<Vec<u8>>>,
}

impl Log {
    /// The log under the checkpoint of a bundle, whose entry, place and signature hold under the pinned roots.
    pub(crate) async fn under(bundle: &Bundle, roots: &TrustRoots) -> Result<Self, String> {
        let report = examine(&Case::new(bundle, roots, ChainAnswer::NotAsked));
        if let Some(step) = report.steps.iter().find(|step| matches!(step.outcome, Outcome::Fails | Outcome::Differs)) {
            return Err(format!("the step {} does not hold: {}", step.name, step.computed));
        }
        let size = Checkpoint::unverified(&bundle.checkpoint).map_err(|error| error.to_string())?.size;
        let key = signing_key(&roots.log_key, &bundle.keys, size).map_err(|error| error.to_string())?;
        let checkpoint = key.verify(&bundle.checkpoint).map_err(|error| error.to_string())?;
        let mut log = Self { checkpoint, hashes: BTreeMap::new(), entries: BTreeMap::new() };
        log.fetch(path::edge(size)).await?;
        path::check_edge(&log.checkpoint, &log.hashes)?;
        Ok(log)
    }

    /// How many entries the checkpoint covers.
    pub(crate) fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// The entries from one index up to, and without, another.
    pub(crate) async fn entries(&mut self, from: u64, to: u64) -> Result<Vec<Vec<u8>>, String> {
        let mut found = Vec::new();
        for number in from / tile::WIDTH..to.div_ceil(tile::WIDTH) {
            let first = number * tile::WIDTH;
            let entries = self.tile(number).await?;
            let range = from.saturating_sub(first) as usize..(to - first).min(tile::WIDTH) as usize;
            found.extend_from_slice(entries.get(range).ok_or("the checkpoint does not cover these entries")?);
        }
        Ok(found)
    }

    async fn tile(&mut self, number: u64) -> Result<&[Vec<u8>], String> {
        if !self.entries.contains_key(&number) {
            let size = self.checkpoint.size;
            let width = tile::width_at(0, number, size);
            if width == 0 {
                return Err("the checkpoint does not cover these entries".into());
            }
            let entries = server::entry_tile(number, width).await.map_err(|fault| fault.to_string())?;
            let entries = entries.ok_or("the log's tile of entries is cut short")?;
            self.fetch(path::above(size, number)).await?;
            path::check_entries(size, number, &entries, &self.hashes)?;
            self.entries.insert(number, entries);
        }
        Ok(self.entries.get(&number).map(Vec::as_slice).unwrap_or_default())
    }

    async fn fetch(&mut self, tiles: Vec<TileId>) -> Result<(), String> {
        let missing = tiles.into_iter().filter(|id| !self.hashes.contains_key(id));
        let fetched = try_join_all(missing.map(|id| async move {
            let hashes = server::hash_tile(id).await.map_err(|fault| fault.to_string())?;
            hashes.map(|hashes| (id, hashes)).ok_or_else(|| "a tile of the log holds no hashes".to_owned())
        }));
        self.hashes.extend(fetched.await?);
        Ok(())
    }
}
