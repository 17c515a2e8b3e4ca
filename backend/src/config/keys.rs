//! The log's identity: its origin and its signing key, files that only the owner may read.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use alloy::primitives::hex;
use ledger::checkpoint::{CheckpointError, LogSigner, Origin};

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is none yet.
    #[error("{0} holds no log: run `anomaly-ledger admin init --data-dir {0}` first")]
    Missing(String),
    /// The key's file holds something else.
    #[error("{0}: expected 32 bytes in hexadecimal")]
    Key(PathBuf),
    /// The origin's file holds something else.
    #[error(transparent)]
    Origin(#[from] CheckpointError),
    /// The system gives no random bytes.
    #[error("the operating system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

/// A log's signer, as it lies in a data directory.
pub(crate) struct LogIdentity;

impl LogIdentity {
    /// Makes a new log's identity, unless there is one.
    pub(crate) fn init(data_dir: &Path, origin: Option<Origin>) -> Result<LogSigner, KeyError> {
        let (key_file, origin_file) = files(data_dir);
        if !key_file.exists() {
            // Payloads and salts will lie here: for nobody else's eyes. A directory that was there keeps its mode.
            let dir = data_dir.join("keys");
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
            made.map_err(|source| KeyError::File { path: dir, source })?;
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).map_err(KeyError::Random)?;
            let origin = match origin {
                Some(origin) => origin,
                None => {
                    let mut tag = [0; 4];
                    getrandom::fill(&mut tag).map_err(KeyError::Random)?;
                    format!("anomaly-ledger.local/{}", hex::encode(tag)).parse()?
                }
            };
            // The origin first: a key without origin is no log, and would be asked for again.
            write_private(&origin_file, origin.to_string())?;
            write_private(&key_file, hex::encode(secret))?;
        }
        Self::load(data_dir)
    }

    /// Puts an identity that exists already into a new directory: the key as hexadecimal text.
    pub(crate) fn put(data_dir: &Path, origin: &Origin, secret: &str) -> Result<(), KeyError> {
        let (key_file, origin_file) = files(data_dir);
        let dir = data_dir.join("keys");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.map_err(|source| KeyError::File { path: dir, source })?;
        write_private(&origin_file, origin.to_string())?;
        write_private(&key_file, secret.to_owned())
    }

    /// Reads the identity.
    pub(crate) fn load(data_dir: &Path) -> Result<LogSigner, KeyError> {
        let (key_file, origin_file) = files(data_dir);
        if !key_file.exists() {
            return Err(KeyError::Missing(data_dir.display().to_string()));
        }
        let read =
            |path: &Path| fs::read_to_string(path).map_err(|source| KeyError::File { path: path.to_owned(), source });
        let mut secret = [0; 32];
        hex::decode_to_slice(read(&key_file)?.trim(), &mut secret).map_err(|_| KeyError::Key(key_file))?;
        let origin = read(&origin_file)?.trim().parse()?;
        Ok(LogSigner::new(origin, &secret))
    }
}

fn files(data_dir: &Path) -> (PathBuf, PathBuf) {
    let keys = data_dir.join("keys");
    (keys.join("log.key"), keys.join("origin"))
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_private(path: &Path, text: String) -> Result<(), KeyError> {
    let error = |source| KeyError::File { path: path.to_owned(), source };
    let partial = path.with_extension("partial");
    let _ = fs::remove_file(&partial);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial).map_err(error)?;
    file.write_all(format!("{text}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(error)?;
    fs::rename(&partial, path).map_err(error)?;
    // The name itself has to survive a power cut: the key exists nowhere else.
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(error)
}
