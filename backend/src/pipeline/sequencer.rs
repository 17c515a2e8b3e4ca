//! The sequencer: from the queue to entries, tiles and signed checkpoints.
//!
//! It computes an extension of the log; whether it takes effect is decided by the store, which refuses it if
//! somebody else has appended meanwhile. Storage and time are arguments.

use std::sync::Arc;

use alloy::primitives::hex;
use ledger::{
    checkpoint::LogKey,
    entry::{self, Entry, commitment},
    evidence::Disclosure,
    hash::{Hash, leaf_hash},
    heartbeat::Totals,
    keys::KeyHistory,
    publication::{Item, MAX_PUBLICATION},
    text::{Id, TextError, Time},
    tile::Frontier,
};

use super::finding::{self, EncodeError};
use crate::domain::{
    Keyring, Millis,
    log::{key_history, read_tile},
    ports::{Extension, LogReader, NewEntry, StoreError, StoredCheckpoint},
    verdict::{Pending, PendingFinding},
};

/// What it takes to extend the log: its right edge and its keys.
#[derive(Clone)]
pub(crate) struct Sequencer {
    frontier: Frontier,
    history: KeyHistory,
    keyring: Arc<Keyring>,
}

impl Sequencer {
    /// Loads the right edge of the tree, and checks that it gives the root that was signed last.
    pub(crate) fn load(log: &dyn LogReader, keyring: Arc<Keyring>) -> Result<Self, StoreError> {
        let history = key_history(log, keyring.first().clone())?;
        if keyring.signer(history.newest()).is_none() {
            return Err(missing_secret(history.newest()));
        }
        let Some(newest) = log.newest_checkpoint()? else {
            return Ok(Self { frontier: Frontier::default(), history, keyring });
        };
        let frontier = Frontier::load(newest.size, |id| read_tile(log, id))?;
        let signed = history.key_at(newest.size).verify(&newest.note).map_err(|error| {
            StoreError::Damaged(format!("the newest checkpoint (size {}) is not this log's: {error}", newest.size))
        })?;
        if (signed.size, signed.root) != (newest.size, frontier.root()) {
            return Err(StoreError::Damaged(format!(
                "the tiles give the root {} at size {}, but {} at size {} was signed; run `anomaly-ledger fsck`",
                frontier.root(),
                newest.size,
                signed.root,
                signed.size
            )));
        }
        Ok(Self { frontier, history, keyring })
    }

    /// Looks again where the log stands.
    pub(super) fn reload(&self, log: &dyn LogReader) -> Result<Self, StoreError> {
        Self::load(log, Arc::clone(&self.keyring))
    }

    /// A sequencer that has not looked, for a log that is halted: the store would refuse what it makes.
    pub(crate) fn unloaded(keyring: Arc<Keyring>) -> Self {
        let history = KeyHistory::new(keyring.first().clone());
        Self { frontier: Frontier::default(), history, keyring }
    }

    /// Announces a key that is here and that the log has never had.
    pub(super) fn next_key(&self) -> Result<Option<Pending>, StoreError> {
        match self.keyring.unannounced(&self.history).as_slice() {
            [] => Ok(None),
            [next] => Ok(Some(Pending::Key { log_key: next.clone() })),
            several => Err(StoreError::Damaged(format!(
                "{} keys in the data directory were never announced: remove all but the next one",
                several.len()
            ))),
        }
    }

    /// Makes entries of queued rows. The sequencer then stands after them.
    pub(crate) fn extend(&mut self, rows: Vec<(i64, Pending)>, now: Millis) -> Result<Extension, StoreError> {
        let mut extension = Extension { from: self.frontier.size(), ..Extension::default() };
        let mut leaves = Vec::new();
        let mut published = 0;
        for (queued, pending) in rows {
            let mut new = encode(&pending, now)
                .map_err(|error| StoreError::Damaged(format!("row {queued} of the queue is no entry: {error}")))?;
            new.queued = queued;
            // No batch may need more than one publication, so a checkpoint stands wherever one is full.
            let item = Item { entry: new.bytes, disclosure: new.disclosure };
            if published + item.len() > MAX_PUBLICATION {
                self.checkpoint(&mut leaves, &mut extension)?;
                published = 0;
            }
            published += item.len();
            leaves.push(leaf_hash(&item.entry));
            extension.entries.push(NewEntry { bytes: item.entry, disclosure: item.disclosure, ..new });
            if let Pending::Key { log_key } = pending {
                // The checkpoint that ends with this entry is the last of the key before.
                self.checkpoint(&mut leaves, &mut extension)?;
                published = 0;
                let index = self.frontier.size() - 1;
                self.history.announce(index, log_key).map_err(|error| StoreError::Damaged(error.to_string()))?;
            }
        }
        self.checkpoint(&mut leaves, &mut extension)?;
        Ok(extension)
    }

    /// Appends the leaves, and signs what they lead to.
    fn checkpoint(&mut self, leaves: &mut Vec<Hash>, extension: &mut Extension) -> Result<(), StoreError> {
        self.frontier.append(leaves.drain(..), &mut extension.tiles);
        let (size, root) = (self.frontier.size(), self.frontier.root());
        let last = extension.checkpoints.last().map_or(extension.from, |checkpoint| checkpoint.size);
        if size > last {
            let key = self.history.key_at(size);
            let signer = self.keyring.signer(key).ok_or_else(|| missing_secret(key))?;
            extension.checkpoints.push(StoredCheckpoint { size, root, note: signer.sign(size, root) });
        }
        Ok(())
    }
}

fn missing_secret(key: &LogKey) -> StoreError {
    StoreError::Damaged(format!("the secret of the log's key {key} is not in the data directory: restore it"))
}

fn encode(pending: &Pending, now: Millis) -> Result<NewEntry, EncodeError> {
    let id = new_id(now)?;
    let recorded = now.to_time();
    let entry = match pending {
        Pending::Finding(finding) => return encode_finding(id, recorded, finding),
        Pending::Model { model, name, sample } => {
            Entry::Model(entry::Model::new(id, recorded, model.parse()?, name.clone(), sample.parse()?))
        }
        Pending::Beacon { chain_id, block, block_hash } => {
            Entry::Beacon(entry::Beacon::new(id, recorded, *chain_id, *block, *block_hash))
        }
        Pending::Heartbeat { from, devices, readings, anomalies, root } => {
            let totals = Totals { devices: *devices, readings: *readings, anomalies: *anomalies, root: *root };
            Entry::Heartbeat(entry::Heartbeat::new(id, recorded, *from, totals))
        }
        Pending::Key { log_key } => Entry::Key(entry::Key::new(id, recorded, log_key.clone())),
        Pending::Audit { from, records, root } => Entry::Audit(entry::Audit::new(id, recorded, *from, *records, *root)),
    };
    Ok(NewEntry { bytes: entry.to_bytes()?, kind: entry.kind(), disclosure: None, state: None, queued: 0 })
}

fn encode_finding(id: Id, recorded: Time, finding: &PendingFinding) -> Result<NewEntry, EncodeError> {
    let payload = finding::payload(id.clone(), finding)?;
    let bytes = payload.to_bytes()?;
    let salt = random();
    let entry = entry::Anomaly::new(
        id,
        recorded,
        commitment(&salt, &bytes),
        finding.pseudonym.parse()?,
        payload.model,
        payload.time,
        finding.severity,
    );
    let disclosure = Some(Disclosure { payload: bytes, salt });
    let state = finding.kept_state.clone();
    Ok(NewEntry { bytes: Entry::Anomaly(entry).to_bytes()?, kind: "anomaly", disclosure, state, queued: 0 })
}

fn new_id(now: Millis) -> Result<Id, TextError> {
    let millis = u64::try_from(now.0).unwrap_or(0);
    let bytes = random::<10>();
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid().to_string().parse()
}

/// Bytes from the operating system. Without them there are no salts, and so no entries.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// N random bytes in hexadecimal.
pub(crate) fn random_hex<const N: usize>() -> String {
    hex::encode(random::<N>())
}
