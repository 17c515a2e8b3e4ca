//! Where input comes from: a file, or standard input. A pipe that has to be read twice is kept in a temporary file
//! meanwhile. Looks at no content.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::cli::WrongUse;

/// A file or standard input.
#[derive(Debug)]
pub(crate) struct Source {
    /// `None` for standard input, which can be opened once.
    path: Option<PathBuf>,
    name: String,
    /// Removed with this value.
    _kept: Option<tempfile::NamedTempFile>,
}

impl Source {
    /// To be read once; `-` is standard input.
    pub(crate) fn once(path: &Path) -> Self {
        if is_stdin(path) {
            return Self { path: None, name: "standard input".to_owned(), _kept: None };
        }
        Self { path: Some(path.to_owned()), name: path.display().to_string(), _kept: None }
    }

    /// To be read any number of times: a regular file as it is; anything else is read to its end first.
    pub(crate) fn again(path: &Path) -> Result<Self, WrongUse> {
        let source = Self::once(path);
        source.keep().map_err(|error| WrongUse(format!("{}: {error}", path.display())))
    }

    fn keep(self) -> io::Result<Self> {
        if let Some(path) = &self.path
            && path.metadata()?.is_file()
        {
            return Ok(self);
        }
        let mut kept = tempfile::NamedTempFile::new()?;
        io::copy(&mut self.read()?, &mut kept)?;
        Ok(Self { path: Some(kept.path().to_owned()), name: self.name, _kept: Some(kept) })
    }

    fn read(&self) -> io::Result<Box<dyn Read>> {
        Ok(match &self.path {
            None => Box::new(io::stdin()),
            Some(path) => Box::new(File::open(path)?),
        })
    }

    /// Opens it.
    pub(crate) fn open(&self) -> Result<Box<dyn Read>, WrongUse> {
        self.read().map_err(|error| WrongUse(format!("{}: {error}", self.name)))
    }

    /// Its name, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// Whether a path stands for standard input or output.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}
