//! The ground that a drill takes place on: a private copy of the ledger, and what is known of it.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use alloy::primitives::{Address, B256, U256};
use ledger::{
    Hash,
    chain::{HEAD_SLOT, Record, record_slot},
    checkpoint::LogKey,
    trust::TrustRoots,
};
use reqwest::Url;
use serde_json::json;
use tempfile::TempDir;

use super::Args;
use crate::{
    anchor::Head,
    cli::{
        WrongUse,
        client::{ask_chain, chain_client},
        verify,
    },
    config::LogIdentity,
    domain::{
        Keyring,
        log::key_history,
        ports::{AnchorStore, LogReader, StoreError, pinned_trust},
    },
    store::{self, FILE, Reader},
};

/// What is copied, once for all and once more for each attack, and some room for the write-ahead log.
const COPIES: u64 = 3;

/// Anomalies looked at to find one to attack: the newest have their payloads, unless somebody erases at once.
const LOOK_AT: u64 = 500;

/// The ground.
pub(super) struct Ground {
    /// Goes away with everything in it at the end.
    work: TempDir,
    pub(super) key: LogKey,
    /// The log's own keys, if they lie in the data directory.
    pub(super) keyring: Option<Arc<Keyring>>,
    /// What to verify against; values that no step looks at, if the log has met no chain.
    pub(super) trust: TrustRoots,
    pub(super) chain: Option<ChainAt>,
    pub(super) facts: Facts,
}

/// The chain as of a block before the copy was made: whatever is anchored meanwhile does not disturb.
pub(super) struct ChainAt {
    pub(super) http: reqwest::Client,
    pub(super) url: Url,
    pub(super) block: u64,
    pub(super) head: Head,
    pub(super) anchorer: Address,
}

/// What is known of the copied log.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Entries under the newest checkpoint.
    pub(super) size: u64,
    /// Entries under the contract's head, as the chain says it, or else as the log remembers it.
    pub(super) head: u64,
    /// An anomaly with a payload and a neighbour, under the head if there is one.
    pub(super) target: Option<u64>,
    /// The size of a checkpoint below the head.
    pub(super) earlier: Option<u64>,
}

impl Ground {
    /// Copies the ledger, and looks at it.
    pub(super) async fn prepare(args: &Args) -> Result<Self, Box<dyn std::error::Error>> {
        let file = args.data_dir.join(FILE);
        let size = match fs::metadata(&file) {
            Ok(meta) => meta.len() + fs::metadata(wal(&file)).map_or(0, |meta| meta.len()),
            Err(error) => return Err(WrongUse(format!("{}: {error}", file.display())).into()),
        };
        // Keys, payloads and salts will lie here, in files that SQLite makes as the umask says.
        let mut private = tempfile::Builder::new();
        private.prefix("drill-").permissions(fs::Permissions::from_mode(0o700));
        let work = match &args.work_dir {
            Some(dir) => private.tempdir_in(dir)?,
            None => private.tempdir()?,
        };
        room(work.path(), size)?;
        let trust = match &args.trust {
            Some(file) => Some(verify::trust_file(file)?),
            None => pinned_trust(&Reader::open_snapshot(&args.data_dir)?)?,
        };
        // The block first: what the contract had then, the copy has too.
        let block = match &args.rpc_url {
            None => None,
            Some(url) => {
                let trust = trust.as_ref().ok_or_else(|| {
                    WrongUse::new("the log has not met its chain yet: give --trust, or leave --rpc-url away")
                })?;
                Some((url, trust, newest_block(url).await?))
            }
        };
        let base = work.path().join("base");
        fs::create_dir(&base)?;
        store::copy_database(&args.data_dir, &base)?;
        for folder in ["keys", "models"] {
            copy_folder(&args.data_dir.join(folder), &base.join(folder))?;
        }
        let chain = match block {
            None => None,
            Some((url, trust, block)) => Some(ChainAt::look(url, trust, block).await?),
        };
        let keyring = LogIdentity::load(&base).ok().map(Arc::new);
        let key = match (&trust, &keyring) {
            (Some(trust), _) => trust.log_key.clone(),
            (None, Some(keyring)) => keyring.first().clone(),
            (None, None) => return Err(WrongUse::new("there is no keys/log.pub here: give --trust").into()),
        };
        let keyring = keyring.filter(|keyring| signs(&base, keyring));
        let nothing = |key: &LogKey| TrustRoots {
            log_key: key.clone(),
            chain_id: 0,
            genesis_hash: B256::ZERO,
            contract: Address::ZERO,
            code_hash: B256::ZERO,
            predecessors: Vec::new(),
        };
        let trust = trust.unwrap_or_else(|| nothing(&key));
        let facts = Facts::of(&base, chain.as_ref().map(|chain| chain.head.size))?;
        Ok(Self { work, key, keyring, trust, chain, facts })
    }

    /// A fresh copy of the copy, for one attack.
    pub(super) fn copy(&self) -> io::Result<TempDir> {
        let copy = TempDir::with_prefix_in("attack-", self.work.path())?;
        copy_folder(&self.work.path().join("base"), copy.path())?;
        Ok(copy)
    }
}

impl ChainAt {
    async fn look(url: &Url, trust: &TrustRoots, block: u64) -> Result<Self, Box<dyn std::error::Error>> {
        let http = chain_client(url)?;
        let at = format!("0x{block:x}");
        let word = async |slot: B256| -> Result<U256, String> {
            let answer = ask_chain(&http, url, "eth_getStorageAt", &json!([trust.contract, slot, at])).await?;
            serde_json::from_value(answer).map_err(|error| error.to_string())
        };
        let root = Hash(word(HEAD_SLOT).await?.to_be_bytes());
        let size = Record::from_word(word(record_slot(&root)).await?).map_or(0, |record| record.size);
        // Slot 2: see docs/spec/anchor.md.
        let anchorer = Address::from_word(word(B256::with_last_byte(2)).await?.into());
        Ok(Self { url: url.clone(), block, head: Head { size, root }, anchorer, http })
    }
}

impl Facts {
    fn of(dir: &Path, head: Option<u64>) -> Result<Self, StoreError> {
        let log = Reader::open(dir)?;
        let size = log.newest_checkpoint()?.map_or(0, |newest| newest.size);
        let head = match head {
            Some(head) => head.min(size),
            None => log.anchored_sizes()?.0.min(size),
        };
        let below = if head > 0 { head } else { size };
        let anomalies = log.anomalies(0..below, LOOK_AT)?;
        // One whose neighbour in the tree stands before it, so that every proof of it has that neighbour.
        let target = anomalies.iter().find(|row| row.payload.is_some() && row.index % 2 == 1).map(|row| row.index);
        // Read from the top: the newest checkpoint below the head cuts the least.
        let earlier = log.checkpoint_below(head)?;
        Ok(Self { size, head, target, earlier })
    }
}

async fn newest_block(url: &Url) -> Result<u64, Box<dyn std::error::Error>> {
    let answer = ask_chain(&chain_client(url)?, url, "eth_blockNumber", &json!([])).await;
    let answer = answer.map_err(|why| format!("the chain does not answer: {why}"))?;
    let block: U256 = serde_json::from_value(answer)?;
    Ok(block.try_into().map_err(|_| "the chain's block number is no block number")?)
}

/// Refuses where the disk is too small for the copies.
pub(super) fn room(dir: &Path, size: u64) -> Result<(), Box<dyn std::error::Error>> {
    let disk = rustix::fs::statvfs(dir)?;
    let (free, needed) = (disk.f_bavail.saturating_mul(disk.f_frsize), size.saturating_mul(COPIES));
    if free < needed {
        let (free, needed, at) = (free >> 20, needed >> 20, dir.display());
        return Err(
            format!("a drill needs {needed} MiB for its copies, {at} has {free}: give another --work-dir").into()
        );
    }
    Ok(())
}

/// Whether the secret that signs now is among the keys.
fn signs(base: &Path, keyring: &Keyring) -> bool {
    let history = Reader::open(base).and_then(|log| key_history(&log, keyring.first().clone()));
    // A damaged log is none to drill on; that shows soon.
    history.map_or(true, |history| keyring.signer(history.newest()).is_some())
}

/// The write-ahead log beside a database.
fn wal(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Copies the files of a folder and of those below; nothing, if there is no such folder.
fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    fs::create_dir_all(to)?;
    for entry in entries {
        let entry = entry?;
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_folder(&path, &to)?;
        } else {
            fs::copy(&path, &to)?;
        }
    }
    Ok(())
}
