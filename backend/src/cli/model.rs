//! Model files that commands take. Reads them; trains none.

use std::path::{Path, PathBuf};

use detect::{Model, classify::Classifier};

use super::WrongUse;

/// A model of rows without time.
pub(super) enum Rows {
    /// Tells classes apart.
    Classes(Box<Classifier>),
}

/// The beginnings of the files' byte forms.
const STREAM: &[u8] = b"ALDM";
const CLASSES: &[u8] = b"ALDC";

/// The file itself, or `model.bin` in a directory, with its bytes.
fn read(path: &Path) -> Result<(PathBuf, Vec<u8>), WrongUse> {
    let file = if path.is_dir() { path.join("model.bin") } else { path.to_owned() };
    match std::fs::read(&file) {
        Ok(bytes) => Ok((file, bytes)),
        Err(error) => Err(WrongUse(format!("{}: {error}; `anomaly-ledger train` makes a model", file.display()))),
    }
}

/// A model of devices of one kind.
pub(super) fn stream(path: &Path) -> Result<Model, WrongUse> {
    let (file, bytes) = read(path)?;
    let wrong = |why: &dyn std::fmt::Display| WrongUse(format!("{}: {why}", file.display()));
    if bytes.starts_with(CLASSES) {
        return Err(wrong(&"a model of rows without time; expected one of readings, as `train --profile` makes it"));
    }
    Model::from_bytes(&bytes).map_err(|error| wrong(&error))
}

/// A model of rows without time.
pub(super) fn rows(path: &Path) -> Result<Rows, WrongUse> {
    let (file, bytes) = read(path)?;
    let wrong = |why: &dyn std::fmt::Display| WrongUse(format!("{}: {why}", file.display()));
    if bytes.starts_with(STREAM) {
        return Err(wrong(&"a model of readings: it needs --time COLUMN"));
    }
    Ok(Rows::Classes(Box::new(Classifier::from_bytes(&bytes).map_err(|error| wrong(&error))?)))
}
