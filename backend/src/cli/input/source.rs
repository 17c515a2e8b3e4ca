//! Where input comes from: a file, or standard input. A pipe that has to be read twice is kept in a temporary file
//! meanwhile. Looks at no content.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use super::rows::MAX_ROW;
use crate::cli::{WrongUse, unfinished::Unfinished};

/// A file or standard input.
#[derive(Debug)]
pub(crate) struct Source {
    /// `None` for standard input, which can be opened once.
    path: Option<PathBuf>,
    name: String,
    /// Removed with this value.
    _kept: Option<(Unfinished, tempfile::NamedTempFile)>,
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
        let guard = Unfinished::new(kept.path());
        copy_lines(&mut self.read()?, &mut kept)?;
        Ok(Self { path: Some(kept.path().to_owned()), name: self.name, _kept: Some((guard, kept)) })
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

/// Copies what has lines that end: of /dev/zero the disk would be full before anybody looked at a row.
fn copy_lines(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<()> {
    let (mut buffer, mut line) = (vec![0; 64 << 10], 0);
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        line = match buffer[..read].iter().rposition(|byte| matches!(byte, b'\n' | b'\r')) {
            Some(end) => read - end - 1,
            None => line + read,
        };
        if line > MAX_ROW {
            return Err(io::Error::other(format!("a line of more than {} MiB: is this a text file?", MAX_ROW >> 20)));
        }
        to.write_all(&buffer[..read])?;
    }
}

/// Whether a path stands for standard input or output.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn input_without_lines_does_not_fill_the_disk() {
        let mut kept = Vec::new();
        let error = copy_lines(&mut io::repeat(0), &mut kept).unwrap_err();
        assert!(error.to_string().contains("a line of more than 16 MiB"), "{error}");
        assert!(kept.len() <= MAX_ROW + (64 << 10));
        let text = "t,a\n1,2\n".repeat(4 << 20);
        kept.clear();
        copy_lines(&mut text.as_bytes(), &mut kept).unwrap();
        assert_eq!(kept, text.as_bytes());
    }
}
