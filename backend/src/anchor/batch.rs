//! What to anchor next: how many entries, under which checkpoint, with which publication.

use ledger::{
    entry::Entry,
    merkle::{consistency_proof, root},
    publication::{self, Item, MAX_PUBLICATION},
};

use super::{
    anchorer::{Anchorer, TickError},
    chain::Head,
    transaction::Anchoring,
};
use crate::domain::{
    Millis,
    ports::{StoreError, StoredCheckpoint},
};

/// Entries looked at for one publication. At 300 bytes each they fill it; smaller ones do not occur.
const MAX_BATCH_PUBLISHED: u64 = 512;

impl Anchorer {
    /// What to anchor next, if enough waits or has waited long enough.
    pub(super) fn next(&self, head: Head) -> Result<Option<Anchoring>, TickError> {
        let Some(newest) = self.log.newest_checkpoint()? else { return Ok(None) };
        let waiting = newest.size.saturating_sub(head.size);
        let age = self.oldest_age(head.size)?.unwrap_or(0);
        if waiting == 0
            || (waiting < self.config.max_entries && (0..self.config.max_age.as_millis() as i64).contains(&age))
        {
            return Ok(None);
        }
        let (target, publication) =
            if self.config.publish { self.published(head.size, &newest)? } else { (newest.clone(), Vec::new()) };
        // The checkpoint is not believed: root and proof come from the tiles.
        let tiles = self.tiles(newest.size);
        let derived = root(&tiles, target.size)?;
        if derived != target.root {
            return Err(TickError::Diverged(format!(
                "the tiles give the root {derived} at size {}, but {} was signed. Run `anomaly-ledger fsck`",
                target.size, target.root
            )));
        }
        let proof = consistency_proof(&tiles, head.size, target.size)?;
        Ok(Some(Anchoring { root: derived, size: target.size, proof, publication }))
    }

    /// The newest checkpoint whose entries since the head fit one publication, and that publication.
    fn published(&self, from: u64, newest: &StoredCheckpoint) -> Result<(StoredCheckpoint, Vec<u8>), TickError> {
        let mut items = Vec::new();
        let mut length = 0;
        for (index, entry) in (from..).zip(self.log.entries(from, MAX_BATCH_PUBLISHED)?) {
            let item = Item { entry, disclosure: self.log.disclosure(index)? };
            length += item.len();
            if length > MAX_PUBLICATION {
                break;
            }
            items.push(item);
        }
        let reach = from + items.len() as u64;
        let fitting = if newest.size <= reach {
            Some(newest.clone())
        } else {
            self.log.checkpoints(from, reach, MAX_BATCH_PUBLISHED)?.pop()
        };
        // The sequencer signs often enough that one fits; a gap in the table would be damage.
        let target = fitting.ok_or_else(|| {
            StoreError::Damaged(format!("no checkpoint between {from} and {reach}, where a batch has to end"))
        })?;
        items.truncate((target.size - from) as usize);
        Ok((target, publication::encode(&items)))
    }

    /// How long the oldest entry above this size has waited; negative if the clock was turned back.
    pub(super) fn oldest_age(&self, anchored: u64) -> Result<Option<i64>, StoreError> {
        let Some(entry) = self.log.entries(anchored, 1)?.pop() else { return Ok(None) };
        // A damaged entry is fsck's matter; for the age it counts as new.
        let Ok(entry) = Entry::from_bytes(&entry) else { return Ok(Some(0)) };
        let recorded = Millis::parse(entry.recorded().as_str()).unwrap_or(self.clock.now());
        Ok(Some(self.clock.now().since(recorded)))
    }
}
