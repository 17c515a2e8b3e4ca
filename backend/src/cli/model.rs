//! Model files that commands take. Reads them; trains none.

use std::path::{Path, PathBuf};

use detect::Model;

use super::WrongUse;

/// The file itself, or `model.bin` in a directory.
fn file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("model.bin") } else { path.to_owned() }
}

fn bytes(path: &Path) -> Result<(PathBuf, Vec<u8>), WrongUse> {
    let file = file(path);
    match std::fs::read(&file) {
        Ok(bytes) => Ok((file, bytes)),
        Err(error) => Err(WrongUse(format!("{}: {error}; `anomaly-ledger train` makes a model", file.display()))),
    }
}

/// A model of devices of one kind.
pub(super) fn stream(path: &Path) -> Result<Model, WrongUse> {
    let (file, bytes) = bytes(path)?;
    Model::from_bytes(&bytes).map_err(|error| WrongUse(format!("{}: no model of readings: {error}", file.display())))
}
