//! Input that is read twice. A pipe cannot be, so it is kept in a temporary file meanwhile.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use super::rows::is_stdin;

/// A file that can be opened again and again.
pub(crate) struct Spool {
    path: PathBuf,
    /// Removed with this value.
    _kept: Option<tempfile::NamedTempFile>,
}

impl Spool {
    /// A regular file as it is; anything else is read to its end first.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        if !is_stdin(path) && path.metadata()?.is_file() {
            return Ok(Self { path: path.to_owned(), _kept: None });
        }
        let mut kept = tempfile::NamedTempFile::new()?;
        if is_stdin(path) {
            io::copy(&mut io::stdin().lock(), &mut kept)?;
        } else {
            io::copy(&mut File::open(path)?, &mut kept)?;
        }
        Ok(Self { path: kept.path().to_owned(), _kept: Some(kept) })
    }

    /// Where it can be opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
