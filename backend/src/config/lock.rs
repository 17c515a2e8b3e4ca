//! One service for each data directory.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

/// Takes the data directory for this process, until the file is dropped; `None` if another process has it.
pub(crate) fn lock(data_dir: &Path) -> io::Result<Option<File>> {
    let file = File::create(data_dir.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
