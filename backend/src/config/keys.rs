//! The log's identity: its first key, which names it, and its secrets, files that only the owner may read.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use alloy::primitives::hex;
use ledger::{
    checkpoint::{CheckpointError, LogKey, LogSigner, Origin},
    signed::DeviceSigner,
};

use crate::domain::Keyring;

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
    #[error(
        "{0} holds no log: is it the right directory? (`anomaly-ledger admin init --data-dir {0}` begins a new one)"
    )]
    Missing(String),
    /// The key's file holds something else.
    #[error("{0}: expected 32 bytes in hexadecimal")]
    Key(PathBuf),
    /// The first key's file, or an origin, holds something else.
    #[error(transparent)]
    Public(#[from] CheckpointError),
    /// The system gives no random bytes.
    #[error("the operating system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

/// A log's keys, as they lie in a data directory.
pub(crate) struct LogIdentity;

impl LogIdentity {
    /// Makes a new log's identity, unless there is one.
    pub(crate) fn init(data_dir: &Path, origin: Option<Origin>) -> Result<Keyring, KeyError> {
        let files = Files::of(data_dir);
        if !files.first.exists() {
            files.make()?;
            let origin = match origin.map_or_else(|| files.origin(), |origin| Ok(Some(origin)))? {
                Some(origin) => origin,
                None => format!("anomaly-ledger.local/{}", hex::encode(random::<4>()?)).parse()?,
            };
            // The secret goes first: a name without it is no log. One that is there is never written over.
            let path = files.dir.join("log.key");
            if !path.exists() {
                write_private(&path, hex::encode(random::<32>()?))?;
            }
            write_private(&files.first, signer(origin, path)?.log_key().to_string())?;
        }
        Self::load(data_dir)
    }

    /// Puts an identity that exists already into a new directory: the first key, and copies of the files of secrets.
    pub(crate) fn put(data_dir: &Path, first: &LogKey, secrets: &[PathBuf]) -> Result<Keyring, KeyError> {
        let files = Files::of(data_dir);
        files.make()?;
        for path in secrets {
            let signer = signer(first.origin().clone(), path.clone())?;
            write_private(&files.dir.join(file_name(&signer.log_key())), read(path)?.trim().to_owned())?;
        }
        write_private(&files.first, first.to_string())?;
        Self::load(data_dir)
    }

    /// Reads the identity.
    pub(crate) fn load(data_dir: &Path) -> Result<Keyring, KeyError> {
        let files = Files::of(data_dir);
        if !files.first.exists() {
            return Err(KeyError::Missing(data_dir.display().to_string()));
        }
        let first: LogKey = read(&files.first)?.trim().parse()?;
        let (mut signers, mut next) = (Vec::new(), Vec::new());
        for path in files.secrets()? {
            let named = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let signer = signer(first.origin().clone(), path)?;
            let key = signer.log_key();
            // Only a file that is named after its key was made to be announced. Anything else may have strayed here.
            if named == Some(file_name(&key)) {
                next.push(key);
            }
            signers.push(signer);
        }
        Ok(Keyring::new(first, signers, next))
    }

    /// Reads one secret of a log.
    pub(crate) fn signer(first: &LogKey, file: &Path) -> Result<LogSigner, KeyError> {
        signer(first.origin().clone(), file.to_owned())
    }

    /// Makes the secret of the log's next key, and gives its file and its public half. The service announces it at its
    /// next start.
    pub(crate) fn make_next(data_dir: &Path) -> Result<(PathBuf, LogKey), KeyError> {
        let keyring = Self::load(data_dir)?;
        let secret = random::<32>()?;
        let key = LogSigner::new(keyring.first().origin().clone(), &secret).log_key();
        let path = Files::of(data_dir).dir.join(file_name(&key));
        write_private(&path, hex::encode(secret))?;
        Ok((path, key))
    }
}

/// A device's key, as it lies in a file.
pub(crate) struct DeviceKey;

impl DeviceKey {
    /// Makes a new key in a file that is not there yet, and that only its owner may read.
    pub(crate) fn make(path: &Path) -> Result<DeviceSigner, KeyError> {
        if path.exists() {
            let source = io::Error::new(io::ErrorKind::AlreadyExists, "it is there already, and is not written over");
            return Err(KeyError::File { path: path.to_owned(), source });
        }
        write_private(path, hex::encode(random::<32>()?))?;
        Self::load(path)
    }

    /// Reads a key.
    pub(crate) fn load(path: &Path) -> Result<DeviceSigner, KeyError> {
        secret(path.to_owned()).map(|secret| DeviceSigner::new(&secret))
    }
}

/// Where the keys lie.
struct Files {
    dir: PathBuf,
    /// The first key's public half: it stays when its secret is destroyed.
    first: PathBuf,
}

impl Files {
    fn of(data_dir: &Path) -> Self {
        let dir = data_dir.join("keys");
        Self { first: dir.join("log.pub"), dir }
    }

    /// Payloads and salts will lie beside it: for nobody else's eyes. A directory that was there keeps its mode.
    fn make(&self) -> Result<(), KeyError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        made.map_err(|source| KeyError::File { path: self.dir.clone(), source })
    }

    /// The name that an earlier version wrote into a file of its own.
    fn origin(&self) -> Result<Option<Origin>, KeyError> {
        let path = self.dir.join("origin");
        if path.exists() { Ok(Some(read(&path)?.trim().parse()?)) } else { Ok(None) }
    }

    fn secrets(&self) -> Result<Vec<PathBuf>, KeyError> {
        let error = |source| KeyError::File { path: self.dir.clone(), source };
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(error)? {
            let path = entry.map_err(error)?.path();
            if path.extension().is_some_and(|extension| extension == "key") {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }
}

/// The file of a secret that is not the first.
fn file_name(key: &LogKey) -> String {
    format!("log-{}.key", hex::encode(key.key_id()))
}

fn signer(origin: Origin, path: PathBuf) -> Result<LogSigner, KeyError> {
    Ok(LogSigner::new(origin, &secret(path)?))
}

fn secret(path: PathBuf) -> Result<[u8; 32], KeyError> {
    let mut secret = [0; 32];
    hex::decode_to_slice(read(&path)?.trim(), &mut secret).map_err(|_| KeyError::Key(path))?;
    Ok(secret)
}

fn read(path: &Path) -> Result<String, KeyError> {
    fs::read_to_string(path).map_err(|source| KeyError::File { path: path.to_owned(), source })
}

fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(KeyError::Random)?;
    Ok(bytes)
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
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(error)
}
