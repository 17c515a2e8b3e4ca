//! A copy of the database, as it stands at one moment, also beside a service at work.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::Path};

use rusqlite::{
    Connection,
    backup::{Backup, StepResult},
};

use super::FILE;
use crate::domain::ports::StoreError;

/// Pages of one step of a backup: 4 MiB, a few milliseconds of reading.
const PAGES: i32 = 1_024;

/// Copies the database into another directory, where there is none yet. The original is only read.
pub(crate) fn copy_database(data_dir: &Path, to: &Path) -> Result<(), StoreError> {
    let connection = super::check::open_read_only(data_dir)?;
    let to = to.join(FILE).display().to_string();
    connection.execute("VACUUM INTO ?", [to])?;
    Ok(())
}

/// Copies the database page by page into another directory, where there is none yet, and tells how far it is: pages done,
/// and all. The original is only read; a service at work commits meanwhile, and its write-ahead log grows by what it
/// commits until the copy is made.
pub(crate) fn back_up_database(
    data_dir: &Path,
    to: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), StoreError> {
    // One moment for all steps: a copy of a database that changes would begin anew after each commit.
    let from = super::check::open_snapshot(data_dir)?;
    let file = to.join(FILE);
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file);
    made.map_err(|error| StoreError::Engine(Box::new(error)))?;
    let mut copy = Connection::open(&file)?;
    {
        let backup = Backup::new(&from, &mut copy)?;
        loop {
            let step = backup.step(PAGES)?;
            let all = backup.progress();
            let count = |pages: i32| u64::from(pages.unsigned_abs());
            progress(count(all.pagecount - all.remaining), count(all.pagecount));
            match step {
                StepResult::Done => break,
                // Nobody else has the copy open, and nobody changes the moment that is read.
                StepResult::More => {}
                _ => return Err(StoreError::Damaged("the copy is in use by somebody".into())),
            }
        }
    }
    // One file, with nothing beside it.
    copy.pragma_update(None, "journal_mode", "delete")?;
    let sync = std::fs::File::open(&file).and_then(|file| file.sync_all());
    sync.map_err(|error| StoreError::Engine(Box::new(error)))
}
