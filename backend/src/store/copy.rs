//! A copy of the database, as it stands at one moment, also beside a service at work.

use std::path::Path;

use super::FILE;
use crate::domain::ports::StoreError;

/// Copies the database into another directory, where there is none yet. The original is only read.
pub(crate) fn copy_database(data_dir: &Path, to: &Path) -> Result<(), StoreError> {
    let connection = super::check::open_read_only(data_dir)?;
    let to = to.join(FILE).display().to_string();
    connection.execute("VACUUM INTO ?", [to])?;
    Ok(())
}
