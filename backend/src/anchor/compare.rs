//! The contract's head against our log: do the tiles give its root?

use ledger::{merkle::root, tile::TileTree};

use super::chain::Head;
use crate::domain::{
    log::read_tile,
    ports::{LogReader, StoreError},
};

/// What a log of `newest` entries and a head of the contract contradict each other in; `None` if in nothing.
pub(crate) fn contradiction(log: &dyn LogReader, newest: u64, head: Head) -> Result<Option<String>, StoreError> {
    if head.size > newest {
        return Ok(Some(format!(
            "the contract's head has {} entries, our log {newest}: the database is older than the chain (restored from \
             a backup?), or another service has the keys of this log. Restore the newest database, and let one service \
             alone use it",
            head.size
        )));
    }
    let ours = root(&TileTree::new(newest, |id| read_tile(log, id)), head.size)?;
    Ok((ours != head.root).then(|| {
        format!(
            "at size {} the contract's root is {}, ours {ours}: the log was changed, or another service has the keys of \
             this log. Run `anomaly-ledger fsck`",
            head.size, head.root
        )
    }))
}
