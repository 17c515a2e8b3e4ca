//! Retention: whole chunks and whole blocks of sums go when all in them is too old; then the room that they took.
//!
//! Entries, payloads and counts of findings are never deleted here.

use rusqlite::{Connection, params};

use super::{block::Grain, device_name};
use crate::domain::{
    Millis,
    ports::StoreError,
    retention::{Retention, Retentions, before},
};

/// Chunks of one step: 32 of some 25 KiB, whose pages are written once more to erase them, are 1 MiB.
const STEP: usize = 32;

/// Devices that one step looks at without finding anything.
const LOOKED_AT: usize = 256;

/// Pages of one step of giving room back: each is moved from the end of the file, so 256 KiB are written.
const PAGES: i64 = 64;

/// Room that is kept for what comes, in pages: 64 MiB.
const KEPT_PAGES: i64 = 16_384;

/// Which device is looked at next.
#[derive(Default)]
pub(in crate::store) struct Forgetting {
    after: i64,
}

impl Forgetting {
    /// Deletes some of what is too old. Gives 0 when all devices were looked at once and nothing was found.
    pub(in crate::store) fn step(
        &mut self,
        connection: &mut Connection,
        now: Millis,
        retentions: &dyn Retentions,
    ) -> Result<usize, StoreError> {
        for (id, name, profile) in self.devices(connection)? {
            let retention = retentions.of(&device_name(&name)?, &profile);
            if retention != Retention::FOREVER {
                let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
                let deleted = delete(&transaction, id, now, &retention)?;
                if deleted > 0 {
                    transaction.commit()?;
                    // The same device once more: there may be more of it.
                    return Ok(deleted);
                }
            }
            self.after = id;
        }
        // Whether others follow, the next step sees; after the last, all is looked at from the first again.
        let more: bool =
            connection
                .query_row("SELECT EXISTS (SELECT 1 FROM device WHERE id > ?)", [self.after], |row| row.get(0))?;
        if !more {
            self.after = 0;
        }
        Ok(usize::from(more))
    }

    fn devices(&self, connection: &Connection) -> Result<Vec<(i64, String, String)>, StoreError> {
        let mut select =
            connection.prepare_cached("SELECT id, name, profile FROM device WHERE id > ? ORDER BY id LIMIT ?")?;
        let rows = select
            .query_map(params![self.after, LOOKED_AT as i64], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// Deletes some of what is too old of a device.
fn delete(connection: &Connection, device: i64, now: Millis, retention: &Retention) -> Result<usize, StoreError> {
    let mut deleted = 0;
    if let Some(age) = retention.raw {
        let sql =
            "DELETE FROM chunk WHERE id IN (SELECT id FROM chunk WHERE device = ? AND first_us < ? AND last_us < ?
                   ORDER BY first_us LIMIT ?)";
        let oldest = before(now, age).0;
        deleted += connection.prepare_cached(sql)?.execute(params![device, oldest, oldest, STEP as i64])?;
    }
    for (grain, age) in [(Grain::Minute, retention.minute), (Grain::Hour, retention.hour)] {
        let Some(age) = age else { continue };
        let oldest = before(now, age).0.div_euclid(1_000_000) - grain.block_seconds();
        let sql = "DELETE FROM rollup WHERE id IN
                   (SELECT id FROM rollup WHERE device = ? AND step = ? AND start <= ? LIMIT ?)";
        deleted += connection.prepare_cached(sql)?.execute(params![device, grain.seconds(), oldest, STEP as i64])?;
    }
    Ok(deleted)
}

/// Gives some of the room that is free in the database back to the file system, if it is much: more than 64 MiB, and more
/// than a quarter of the file. A database of before has no way to do so but to be rewritten.
pub(in crate::store) fn shrink(connection: &Connection) -> Result<usize, StoreError> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (free, all) = (pragma("freelist_count")?, pragma("page_count")?);
    const INCREMENTAL: i64 = 2;
    if free <= KEPT_PAGES.max(all / 4) || pragma("auto_vacuum")? != INCREMENTAL {
        return Ok(0);
    }
    // Each row that is asked for is a page: without asking for them all, only one is given back.
    let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    let mut pages = vacuum.query([])?;
    while pages.next()?.is_some() {}
    Ok(PAGES as usize)
}
