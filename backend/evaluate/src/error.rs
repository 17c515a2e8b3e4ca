//! What can go wrong between a folder of data and a figure.

use std::path::{Path, PathBuf};

use detect::DetectError;
use simulate::SimulateError;

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// A file or folder cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{path}: expected {expected}, found {actual}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was expected.
        expected: String,
        /// What was found.
        actual: String,
    },
    /// An argument that cannot be.
    #[error("{what}: expected {expected}, found {actual}")]
    Argument {
        /// Which.
        what: &'static str,
        /// What was expected.
        expected: String,
        /// What was given.
        actual: String,
    },
    /// The detector refused.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// The simulator refused.
    #[error(transparent)]
    Simulate(#[from] SimulateError),
    /// Other people's detectors could not be run.
    #[error("peers: {0}")]
    Peers(String),
}

impl EvaluateError {
    /// A fault of the system at `path`.
    pub fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    /// A file that is not what it should be.
    pub fn malformed(path: &Path, expected: impl Into<String>, actual: impl ToString) -> Self {
        Self::Malformed { path: path.to_owned(), expected: expected.into(), actual: actual.to_string() }
    }
}

/// What the functions of this crate return.
pub type Result<T> = std::result::Result<T, EvaluateError>;
