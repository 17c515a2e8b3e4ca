//! The ports: what the pipeline, the anchorer and the HTTP interface ask of a store.
//!
//! Each trait's comment is its contract. SQLite keeps it today; a second engine will have to keep the same.
//! The methods block; callers on the async side use a blocking thread.

mod series;
mod upkeep;

use std::{collections::HashMap, ops::Range};

use alloy::primitives::B256;
use ledger::{
    Hash,
    audit::Record,
    chain::Header,
    evidence::{Anchor, Disclosure},
    heartbeat::Counter,
    tile::ChangedTiles,
    trust::TrustRoots,
};

use super::{
    DeviceName, Key, Micros, Millis,
    log::Block,
    verdict::{Accepted, Device, Feedback, Judged, Pending, PendingFinding, Verdict},
};

pub(crate) use series::{RowVisitor, Series};
pub(crate) use upkeep::{PackRule, Upkeep};

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The engine failed: disk full, locked, damaged. Nothing of the transaction is kept. May pass.
    #[error("the store failed: {0}")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Somebody else has appended since this sequencer looked. It must stop and look again.
    #[error("expected the newest checkpoint at size {expected}, found {found}")]
    Fenced {
        /// The size this sequencer knows.
        expected: u64,
        /// The newest size in the store.
        found: u64,
    },
    /// What is stored cannot be what was stored. Needs a person, and `fsck`.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

/// A signed checkpoint with what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredCheckpoint {
    pub(crate) size: u64,
    pub(crate) root: Hash,
    /// The signed note, verbatim.
    pub(crate) note: String,
}

/// An entry to append, with its payload.
#[derive(Debug, Clone)]
pub(crate) struct NewEntry {
    /// The leaf's bytes.
    pub(crate) bytes: Vec<u8>,
    /// Its kind.
    pub(crate) kind: &'static str,
    /// Payload and salt, where the kind has one.
    pub(crate) disclosure: Option<Disclosure>,
    /// The detector's state before the reading, to be kept with the payload: with it the verdict can be computed again.
    pub(crate) state: Option<Vec<u8>>,
    /// The row of the queue that it settles.
    pub(crate) queued: i64,
}

/// What one sequencing step adds to the log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extension {
    /// The size before.
    pub(crate) from: u64,
    /// The entries, in order.
    pub(crate) entries: Vec<NewEntry>,
    /// All hashes of every tile that has new ones.
    pub(crate) tiles: ChangedTiles,
    /// Signed checkpoints, ascending; the last covers all entries.
    pub(crate) checkpoints: Vec<StoredCheckpoint>,
}

/// The store as the pipeline's one writer sees it.
pub(crate) trait WriteStore: Upkeep + Send {
    /// Runs `work` in one transaction.
    ///
    /// When this returns `Ok`, all of it is on disk, through power cuts. When it returns an error, none of it is
    /// visible, now or later, unless the engine failed after the point of no return; then the same readings,
    /// sent again, are answered as duplicates.
    fn transaction(
        &mut self,
        work: &mut dyn FnMut(&mut dyn Transaction) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;
}

/// What can be done within a transaction. Embedded, detection and sequencing share one; they need not.
pub(crate) trait Transaction: Detections + Sequencing {}

/// Detection's half: readings with their verdicts, devices with their detector state, findings to be sequenced.
pub(crate) trait Detections {
    /// Commits judged readings, in order, counts them for the next heartbeat, and queues their findings; gives the
    /// queue's row of each that has one. The keys are new: the caller has looked.
    fn record(&mut self, judged: &[Judged]) -> Result<Vec<Option<i64>>, StoreError>;

    /// Commits findings without a reading, in order, and queues them; gives the queue's row of each. They count as
    /// anomalies for the next heartbeat, and not as readings.
    fn record_silences(&mut self, silences: &[Silence]) -> Result<Vec<i64>, StoreError>;

    /// Commits what was said of findings, each with a record in the audit log. Of none of them anything was said before.
    fn record_feedback(&mut self, feedback: &[(Feedback, Record)]) -> Result<(), StoreError>;

    /// Commits devices as they are after those readings, new ones included.
    fn put_devices(&mut self, devices: &[Device]) -> Result<(), StoreError>;

    /// Writes something that means nothing: only a commit that writes shows whether the store takes writes.
    fn probe(&mut self) -> Result<(), StoreError>;

    /// Keeps a model, so that a past verdict can be computed again, and queues its entry.
    fn add_model(&mut self, model: &NewModel) -> Result<(), StoreError>;
}

/// That a device has sent nothing for too long.
#[derive(Debug, Clone)]
pub(crate) struct Silence {
    /// The device; it is known.
    pub(crate) device: DeviceName,
    /// When it was noticed, by the service's clock.
    pub(crate) at: Millis,
    /// The verdict, as of a reading.
    pub(crate) verdict: Verdict,
    /// What the log is to record.
    pub(crate) finding: PendingFinding,
}

/// A model that came into use.
#[derive(Debug, Clone)]
pub(crate) struct NewModel {
    /// SHA-256 of the bytes.
    pub(crate) hash: Hash,
    pub(crate) version: String,
    pub(crate) profile: String,
    pub(crate) bytes: Vec<u8>,
    /// SHA-256 of the training sample.
    pub(crate) sample: Hash,
}

/// A file of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ModelPart {
    /// What judges: its SHA-256 is the model's hash.
    Model,
    /// What it says of itself, as JSON.
    Meta,
    /// What it was trained on, as CSV.
    Sample,
}

impl ModelPart {
    /// All of them.
    pub(crate) const ALL: [ModelPart; 3] = [ModelPart::Model, ModelPart::Meta, ModelPart::Sample];

    /// The file's name.
    pub(crate) fn file(self) -> &'static str {
        match self {
            ModelPart::Model => "model.bin",
            ModelPart::Meta => "model_meta.json",
            ModelPart::Sample => "sample.csv",
        }
    }
}

/// The files of all models that were ever in use. As they lie there: nothing here checks a hash.
pub(crate) trait ModelFiles: Send + Sync {
    /// A file of the model with this hash; `None` if there is none.
    fn file(&self, hash: Hash, part: ModelPart) -> Result<Option<Vec<u8>>, StoreError>;
}

/// The sequencer's half: from the queue to the log. Idempotent: a queue row is settled by the entry it becomes.
pub(crate) trait Sequencing {
    /// The oldest rows of the queue.
    fn queue(&mut self, limit: usize) -> Result<Vec<(i64, Pending)>, StoreError>;

    /// Appends to the log if the newest checkpoint's size is still `extension.from`. Counts its anomalies for the next
    /// heartbeat.
    fn append(&mut self, extension: &Extension) -> Result<(), StoreError>;

    /// What the next heartbeat is to say: a counter for each device that has sent a reading, or has an anomaly in the
    /// log, since the last. Sorted by pseudonym.
    fn counters(&mut self) -> Result<Vec<Counter>, StoreError>;

    /// Keeps the counters of the heartbeat at this index, and begins to count anew.
    fn close_window(&mut self, heartbeat: u64, counters: &[Counter]) -> Result<(), StoreError>;

    /// Records of the audit log from a number on, at most `count`.
    fn audit_records(&mut self, from: u64, count: u64) -> Result<Vec<Vec<u8>>, StoreError>;
}

/// The audit log. Append only.
pub(crate) trait AuditLog: Send + Sync {
    /// Adds a record at the end, and gives its number. On disk when this returns.
    fn add_audit_record(&self, record: &Record) -> Result<u64, StoreError>;

    /// Adds several, in one transaction, and gives the last one's number. All are on disk when this returns, or none.
    fn add_audit_records(&self, records: &[Record]) -> Result<u64, StoreError>;

    /// Records with a number below this one, newest first, at most `count`, each with its number.
    fn audit_before(&self, before: u64, count: u64) -> Result<Vec<(u64, Vec<u8>)>, StoreError>;

    /// Records from a number on, at most `count`, each with its number.
    fn audit_from(&self, from: u64, count: u64) -> Result<Vec<(u64, Vec<u8>)>, StoreError>;
}

/// A request to which its caller gave a key, so that it may come again.
#[derive(Debug)]
pub(crate) struct KeyedRequest {
    /// Who sends it, by a name that does not change.
    pub(crate) caller: String,
    /// The caller's name for it.
    pub(crate) key: String,
    /// SHA-256 of its body.
    pub(crate) digest: Hash,
    /// The time of its readings that have none, if it is new.
    pub(crate) arrived: Micros,
    /// The service's time.
    pub(crate) now: Millis,
}

/// What is known of such a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Nothing: its time is kept now.
    First,
    /// It came before, when this was its time.
    Again(Micros),
    /// Another came with its key.
    OtherBody,
    /// This caller has used as many keys as are remembered.
    TooMany(u64),
}

/// Requests with keys, each remembered for 24 hours.
pub(crate) trait Requests: Send + Sync {
    /// Looks for a request, and keeps it if it is new. On disk when this returns.
    fn first_use(&self, request: &KeyedRequest) -> Result<Use, StoreError>;
}

/// The store as detection reads it: sees every commit that was acknowledged before the call.
pub(crate) trait DeviceReader: Send {
    /// A device; `None` if it never sent.
    fn device(&mut self, name: &DeviceName) -> Result<Option<Device>, StoreError>;

    /// What was said of the finding at this index.
    fn feedback(&mut self, index: u64) -> Result<Option<Feedback>, StoreError>;

    /// Names and profiles of devices after a name in their order, at most `count`.
    fn devices_after(&mut self, name: &str, count: usize) -> Result<Vec<(DeviceName, String)>, StoreError>;

    /// The stored values (as canonical text) and the verdict of the reading with this key.
    fn reading(&mut self, device: &DeviceName, key: Key) -> Result<Option<(StoredReading, Accepted)>, StoreError>;
}

/// What is compared to tell a repeated reading from a conflicting one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredReading {
    pub(crate) time_us: i64,
    /// The text of [`values_text`], or [`ERASED_VALUES`].
    pub(crate) values: String,
}

/// What stands in the place of that text once the values are erased.
pub(crate) const ERASED_VALUES: &str = "";

/// The text in which a reading's values are stored and compared: a JSON object sorted by metric.
pub(crate) fn values_text(values: &[(String, f64)]) -> String {
    let object: serde_json::Map<String, serde_json::Value> =
        values.iter().map(|(metric, value)| (metric.clone(), (*value).into())).collect();
    serde_json::Value::Object(object).to_string()
}

/// What is stored of an anomaly, byte for byte.
#[derive(Debug, Clone)]
pub(crate) struct StoredAnomaly {
    pub(crate) index: u64,
    /// The leaf's bytes.
    pub(crate) entry: Vec<u8>,
    /// `None` if it was erased.
    pub(crate) payload: Option<Vec<u8>>,
    /// What people said of it.
    pub(crate) feedback: Option<Feedback>,
}

/// The log as everybody reads it. Entries come as stored, byte for byte; nothing here checks a hash.
pub(crate) trait LogReader: Send + Sync {
    /// Entries from `from` on, at most `count`.
    fn entries(&self, from: u64, count: u64) -> Result<Vec<Vec<u8>>, StoreError>;

    /// The newest entry of a kind with an index below `before`. Only for kinds of which there are few: not `anomaly`.
    fn newest(&self, kind: &str, before: u64) -> Result<Option<(u64, Vec<u8>)>, StoreError>;

    /// Gives each counter of the heartbeat at this index to `visit`, in the order of its tree.
    fn counters(&self, heartbeat: u64, visit: &mut dyn FnMut(Vec<u8>)) -> Result<(), StoreError>;

    /// Payload and salt of an entry; `None` if it has none, or they were erased.
    fn disclosure(&self, index: u64) -> Result<Option<Disclosure>, StoreError>;

    /// The detector's state that is kept with an entry's payload; `None` where there is none, or it was erased.
    fn state(&self, index: u64) -> Result<Option<Vec<u8>>, StoreError>;

    /// The stored hashes of a tile, as bytes: at least as many as asked for, unless damaged.
    fn tile(&self, level: u32, index: u64) -> Result<Option<Vec<u8>>, StoreError>;

    /// The newest checkpoint; `None` in an empty log.
    fn newest_checkpoint(&self) -> Result<Option<StoredCheckpoint>, StoreError>;

    /// The checkpoint at exactly this size.
    fn checkpoint_at(&self, size: u64) -> Result<Option<StoredCheckpoint>, StoreError>;

    /// Checkpoints above one size and up to another, ascending, at most `count`.
    fn checkpoints(&self, above: u64, to: u64, count: u64) -> Result<Vec<StoredCheckpoint>, StoreError>;

    /// The anomalies among these indexes, newest first, at most `count`.
    fn anomalies(&self, indexes: Range<u64>, count: u64) -> Result<Vec<StoredAnomaly>, StoreError>;

    /// The indexes of findings that people have called real, newest first, at most `count`.
    fn confirmed(&self, count: u64) -> Result<Vec<u64>, StoreError>;

    /// The versions of all models that the service knows, by hash (hex). There are few: one for each profile and
    /// training.
    fn model_versions(&self) -> Result<HashMap<String, String>, StoreError>;

    /// The version of the model with this hash (hex), if the service knows it.
    fn model_version(&self, hash: &str) -> Result<Option<String>, StoreError>;
}

/// How far an anchoring transaction has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnchorState {
    /// Signed and stored; sent, or about to be.
    Sent,
    /// The contract has the record, in a block that is not final.
    Included,
    /// The contract has the record in a final block, and the proof of it is stored.
    Final,
}

/// One anchoring: the outbox row, and later the evidence.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AnchorRow {
    pub(crate) size: u64,
    pub(crate) root: Hash,
    pub(crate) state: AnchorState,
    pub(crate) nonce: u64,
    /// The hash of what was signed last; `None` where the row was made from the contract's head.
    pub(crate) transaction: Option<B256>,
    /// The signed transaction: what is sent again is made of it.
    pub(crate) raw: Vec<u8>,
    pub(crate) sent_ms: i64,
    pub(crate) proof: Option<Anchor>,
}

impl AnchorRow {
    /// The block of which the stored proof is; `None` without proof, or if it cannot be read.
    pub(crate) fn proven_at(&self) -> Option<Block> {
        let header = Header::from_rlp(&self.proof.as_ref()?.header).ok()?;
        Some(Block { number: header.number, hash: header.hash })
    }
}

/// The setting that keeps the trust roots which the service has seen first.
pub(crate) const TRUST_SETTING: &str = "trust_roots";

/// The setting that keeps up to which size the log was restored from the chain: its readings are lost.
pub(crate) const RESTORED_SETTING: &str = "restored_below";

/// The trust roots that the service has seen first; `None` before it has met its chain.
pub(crate) fn pinned_trust(anchors: &dyn AnchorStore) -> Result<Option<TrustRoots>, StoreError> {
    let Some(text) = anchors.setting(TRUST_SETTING)? else { return Ok(None) };
    let damaged = |error| StoreError::Damaged(format!("setting {TRUST_SETTING}: {error}"));
    Ok(Some(serde_json::from_str(&text).map_err(damaged)?))
}

/// What the anchorer keeps.
pub(crate) trait AnchorStore: Send + Sync {
    /// The anchorings that are not final, by size.
    fn open_anchors(&self) -> Result<Vec<AnchorRow>, StoreError>;

    /// The smallest final anchoring that covers an index.
    fn final_anchor(&self, index: u64) -> Result<Option<AnchorRow>, StoreError>;

    /// Stores an anchoring, in place of one of the same size. On disk when this returns.
    fn put_anchor(&self, row: &AnchorRow) -> Result<(), StoreError>;

    /// The largest size that was seen anchored, and the largest that was seen final; 0 before.
    fn anchored_sizes(&self) -> Result<(u64, u64), StoreError>;

    /// The final anchoring of the largest size.
    fn newest_final(&self) -> Result<Option<AnchorRow>, StoreError>;

    /// Whether there is an anchoring of this size.
    fn has_anchor(&self, size: u64) -> Result<bool, StoreError>;

    /// Forgets an anchoring whose transaction can no longer be included.
    fn drop_anchor(&self, size: u64) -> Result<(), StoreError>;

    /// A value of the service's own settings.
    fn setting(&self, name: &str) -> Result<Option<String>, StoreError>;

    /// Keeps a value. On disk when this returns.
    fn put_setting(&self, name: &str, value: &str) -> Result<(), StoreError>;
}

/// An anomaly as those see it who may read its payload, and as the others do.
#[derive(Debug)]
pub(crate) struct ShownAnomaly {
    /// With all that its payload says.
    pub(crate) whole: api::Anomaly,
    /// What its entry says.
    pub(crate) hidden: api::Anomaly,
}

/// The log as people are shown it. Made where it is shown; asked by those who push it to listeners.
pub(crate) trait Shown: Send + Sync {
    /// The anomalies among these indexes, newest first, at most so many.
    fn anomalies(&self, indexes: Range<u64>, limit: u64) -> Result<Vec<ShownAnomaly>, StoreError>;

    /// Where log and chain stand.
    fn ledger(&self) -> Result<api::LedgerStatus, StoreError>;
}
