//! A data directory with which the service can go on, from entries that were held against the chain.
//!
//! Everything goes through the ports that the service uses itself; each anchored size gets a checkpoint, signed anew.

use std::{collections::BTreeMap, path::Path};

use detect::DeviceState;
use ledger::{
    audit::Record,
    entry::{Entry, KINDS, Payload},
    hash::leaf_hash,
    keys::KeyHistory,
    publication::Item,
    text::Pseudonym,
    tile::Frontier,
    trust::TrustRoots,
};

use super::{
    Stop,
    chain::Proven,
    record::{AnchorLine, Batches},
};
use crate::{
    config::operator,
    domain::{
        Clock, DeviceName, Keyring, SystemClock,
        ports::{
            AnchorRow, AnchorState, AnchorStore, Extension, NewEntry, RESTORED_SETTING, StoreError, StoredCheckpoint,
            TRUST_SETTING, WriteStore,
        },
        verdict::Device,
    },
    pipeline::profile_of,
    store::{RESTORED, Reader, SqliteWriter, restored_object},
};

/// Builds the database. The identity lies in the directory already.
pub(super) fn build(
    data_dir: &Path,
    from: &Path,
    keyring: &Keyring,
    trust: &TrustRoots,
    proven: Proven,
) -> Result<(), Stop> {
    let mut writer = SqliteWriter::create(data_dir)?;
    let history = KeyHistory::new(keyring.first().clone());
    let mut log = Growing { frontier: Frontier::default(), history, keyring, audited: 0, uncounted: BTreeMap::new() };
    let mut batches = Batches::open(from)?;
    let mut last = None;
    while let Some((anchor, items)) = batches.next()? {
        log.append(&mut writer, &anchor, items)?;
        last = Some(anchor);
    }
    let store = Reader::open(data_dir)?;
    let trust = serde_json::to_string(trust).map_err(|error| Stop::Failed(error.to_string()))?;
    store.put_setting(TRUST_SETTING, &trust)?;
    store.put_setting(RESTORED_SETTING, &log.frontier.size().to_string())?;
    store.count_restored(&log.uncounted)?;
    store.begin_audit_log(log.audited, &restored(log.frontier.size()))?;
    // All of this was published: whoever erases has to know.
    store.note_publishing(true)?;
    if let Some(last) = last {
        store.put_anchor(&adopted(&last, proven))?;
    }
    Ok(())
}

/// The log as it is built up again.
struct Growing<'a> {
    frontier: Frontier,
    history: KeyHistory,
    keyring: &'a Keyring,
    /// Audit records that the entries cover.
    audited: u64,
    /// Anomalies by device that no heartbeat has counted.
    uncounted: BTreeMap<Pseudonym, u64>,
}

impl Growing<'_> {
    /// One batch: entries, payloads, tiles, and a checkpoint where it was anchored.
    fn append(&mut self, writer: &mut SqliteWriter, anchor: &AnchorLine, items: Vec<Item>) -> Result<(), Stop> {
        let mut extension = Extension { from: self.frontier.size(), ..Extension::default() };
        let devices: Vec<Device> = items.iter().filter_map(device).collect();
        for item in items {
            let index = self.frontier.size();
            self.frontier.append([leaf_hash(&item.entry)], &mut extension.tiles);
            self.take_note(index, &item.entry, &mut extension)?;
            let kind = kind(&item.entry).ok_or_else(|| {
                Stop::Failed(format!(
                    "entry {index} is of a kind that this version does not know: go on with a later one"
                ))
            })?;
            extension.entries.push(NewEntry {
                bytes: item.entry,
                kind,
                disclosure: item.disclosure,
                state: None,
                queued: 0,
            });
        }
        let (size, root) = (self.frontier.size(), self.frontier.root());
        // Signed is only what was anchored.
        if (size, root) != (anchor.size, anchor.root) {
            return Err(Stop::Failed(format!(
                "the files were changed meanwhile: at size {size} they give the root {root}"
            )));
        }
        self.checkpoint(&mut extension)?;
        let work = writer.transaction(&mut |transaction| {
            transaction.put_devices(&devices)?;
            transaction.append(&extension)
        });
        Ok(work?)
    }

    /// What an entry means for those that follow. The old key signs the checkpoint that ends with a change of key.
    fn take_note(&mut self, index: u64, entry: &[u8], extension: &mut Extension) -> Result<(), Stop> {
        match Entry::from_bytes(entry) {
            Ok(Entry::Key(key)) => {
                self.checkpoint(extension)?;
                let announced = self.history.announce(index, key.log_key);
                announced.map_err(|error| Stop::Refused(format!("entry {index}: {error}")))
            }
            Ok(Entry::Anomaly(anomaly)) => {
                *self.uncounted.entry(anomaly.device).or_default() += 1;
                Ok(())
            }
            Ok(Entry::Heartbeat(_)) => {
                self.uncounted.clear();
                Ok(())
            }
            Ok(Entry::Audit(audit)) => {
                self.audited = audit.from + audit.records;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn checkpoint(&self, extension: &mut Extension) -> Result<(), Stop> {
        let (size, root) = (self.frontier.size(), self.frontier.root());
        if extension.checkpoints.last().is_some_and(|last| last.size == size) {
            return Ok(());
        }
        let key = self.history.key_at(size);
        let signer = self.keyring.signer(key).ok_or_else(|| {
            Stop::Wrong(format!("the log has signed with {key} at size {size}: give that key too, by --key"))
        })?;
        extension.checkpoints.push(StoredCheckpoint { size, root, note: signer.sign(size, root) });
        Ok(())
    }
}

/// The audit log's record of the restoration.
fn restored(size: u64) -> Record {
    Record::new(
        SystemClock.now().to_time(),
        operator(),
        "the command line".into(),
        RESTORED.into(),
        restored_object(size),
        "done".into(),
    )
}

/// The kind's name, whatever else the entry says.
fn kind(entry: &[u8]) -> Option<&'static str> {
    let entry: serde_json::Value = serde_json::from_slice(entry).ok()?;
    KINDS.into_iter().find(|kind| entry["kind"] == *kind)
}

/// The device that a payload names, under the pseudonym that it has in the log. The detector begins anew with it.
fn device(item: &Item) -> Option<Device> {
    let payload = Payload::from_bytes(&item.disclosure.as_ref()?.payload).ok()?;
    let Ok(Entry::Anomaly(entry)) = Entry::from_bytes(&item.entry) else { return None };
    Some(Device {
        name: DeviceName::new(&payload.device).ok()?,
        pseudonym: entry.device.to_string(),
        profile: profile_of(payload.values.iter().map(|value| value.metric.as_str())).to_owned(),
        state: DeviceState::new().to_bytes(),
        last_sequence: None,
        first_sequence: None,
        sequenced: 0,
        last_seen: None,
        last_time: None,
    })
}

/// The outbox's row for the contract's head. It covers every entry, so older ones need none.
fn adopted(anchor: &AnchorLine, proven: Proven) -> AnchorRow {
    AnchorRow {
        size: anchor.size,
        root: anchor.root,
        state: if proven.is_final { AnchorState::Final } else { AnchorState::Included },
        nonce: 0,
        transaction: Some(anchor.transaction),
        raw: Vec::new(),
        sent_ms: 0,
        proof: proven
            .is_final
            .then(|| ledger::evidence::Anchor { transaction: Some(anchor.transaction), ..proven.anchor }),
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Stop::Failed(error.to_string())
    }
}
