//! Where a command writes: a file, whole or not at all, or standard output. Knows no format.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::{input::is_stdin, unfinished::Unfinished};

/// An open output.
pub(super) struct Output {
    inner: BufWriter<Box<dyn Write>>,
    /// The name while it is written, and the name that it gets at the end.
    unfinished: Option<(PathBuf, PathBuf, Unfinished)>,
    name: String,
}

impl Output {
    /// Opens a file; standard output for `-` or nothing. A file that is there is replaced only when all is written.
    pub(super) fn create(path: Option<&Path>) -> io::Result<Self> {
        let Some(path) = path.filter(|path| !is_stdin(path)) else {
            let inner = BufWriter::new(Box::new(io::stdout()) as Box<dyn Write>);
            return Ok(Self { inner, unfinished: None, name: "standard output".to_owned() });
        };
        let name = path.display().to_string();
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{name}: {error}"));
        // A link keeps pointing where it does; a device such as /dev/null is never replaced.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if target.exists() && !target.is_file() {
            let inner = BufWriter::new(Box::new(File::create(&target).map_err(named)?) as Box<dyn Write>);
            return Ok(Self { inner, unfinished: None, name });
        }
        let mut partial = target.clone().into_os_string();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = File::create(&partial).map_err(named)?;
        let guard = Unfinished::new(&partial);
        Ok(Self { inner: BufWriter::new(Box::new(file)), unfinished: Some((partial, target, guard)), name })
    }

    /// Ends it: from now on the file has its name.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        match self.unfinished.take() {
            Some((partial, target, _guard)) => fs::rename(partial, target),
            None => Ok(()),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes).map_err(|error| explained(&self.name, error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush().map_err(|error| explained(&self.name, error))
    }
}

fn explained(name: &str, error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        // A reader that has seen enough, such as `head`, is no fault. 128 + SIGPIPE, as a shell shows it.
        std::process::exit(141);
    }
    io::Error::new(error.kind(), format!("{name}: {error}"))
}

impl Drop for Output {
    /// What was not finished is not left behind.
    fn drop(&mut self) {
        if let Some((partial, ..)) = self.unfinished.take() {
            let _ = fs::remove_file(partial);
        }
    }
}
