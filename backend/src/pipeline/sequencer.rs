//! The sequencer: from the queue to entries, tiles and signed checkpoints.
//!
//! It computes an extension of the log; whether it takes effect is decided by the store, which refuses it if
//! somebody else has appended meanwhile. Storage and time are arguments.

use std::sync::Arc;

use alloy::primitives::hex;
use ledger::{
    checkpoint::LogSigner,
    entry::{self, Entry, EntryError, Judged, MetricValue, Payload, Reason, commitment},
    evidence::Disclosure,
    hash::{Hash, leaf_hash},
    publication::{Item, MAX_PUBLICATION},
    text::{Decimal, Id, TextError},
    tile::Frontier,
};

use crate::domain::{
    Millis,
    log::read_tile,
    ports::{Extension, LogReader, NewEntry, StoreError, StoredCheckpoint},
    verdict::{Pending, PendingFinding},
};

/// What it takes to extend the log: its right edge and its key.
#[derive(Clone)]
pub(crate) struct Sequencer {
    frontier: Frontier,
    signer: Arc<LogSigner>,
}

/// The pending row cannot become an entry. It is a fault of this program: the row came from it.
#[derive(Debug, thiserror::Error)]
enum EncodeError {
    #[error(transparent)]
    Text(#[from] TextError),
    #[error(transparent)]
    Hash(#[from] ledger::hash::HashTextError),
    #[error(transparent)]
    Entry(#[from] EntryError),
}

impl Sequencer {
    /// Loads the right edge of the tree, and checks that it gives the root that was signed last.
    pub(crate) fn load(log: &dyn LogReader, signer: Arc<LogSigner>) -> Result<Self, StoreError> {
        let Some(newest) = log.newest_checkpoint()? else {
            return Ok(Self { frontier: Frontier::default(), signer });
        };
        let frontier = Frontier::load(newest.size, |id| read_tile(log, id))?;
        let signed = signer.log_key().verify(&newest.note).map_err(|error| {
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
        Ok(Self { frontier, signer })
    }

    /// Looks again where the log stands.
    pub(super) fn reload(&self, log: &dyn LogReader) -> Result<Self, StoreError> {
        Self::load(log, Arc::clone(&self.signer))
    }

    /// A sequencer that has not looked, for a log that is halted: the store would refuse what it makes.
    pub(crate) fn unloaded(signer: Arc<LogSigner>) -> Self {
        Self { frontier: Frontier::default(), signer }
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
                self.checkpoint(&mut leaves, &mut extension);
                published = 0;
            }
            published += item.len();
            leaves.push(leaf_hash(&item.entry));
            extension.entries.push(NewEntry { bytes: item.entry, disclosure: item.disclosure, ..new });
        }
        self.checkpoint(&mut leaves, &mut extension);
        Ok(extension)
    }

    /// Appends the leaves, and signs what they lead to.
    fn checkpoint(&mut self, leaves: &mut Vec<Hash>, extension: &mut Extension) {
        self.frontier.append(leaves.drain(..), &mut extension.tiles);
        let (size, root) = (self.frontier.size(), self.frontier.root());
        let last = extension.checkpoints.last().map_or(extension.from, |checkpoint| checkpoint.size);
        if size > last {
            extension.checkpoints.push(StoredCheckpoint { size, root, note: self.signer.sign(size, root) });
        }
    }
}

fn encode(pending: &Pending, now: Millis) -> Result<NewEntry, EncodeError> {
    let id = new_id(now)?;
    let recorded = now.to_time();
    match pending {
        Pending::Model { model, name, sample } => {
            let entry = entry::Model::new(id, recorded, model.parse()?, name.clone(), sample.parse()?);
            let bytes = Entry::Model(entry).to_bytes()?;
            Ok(NewEntry { bytes, kind: "model", disclosure: None, queued: 0 })
        }
        Pending::Finding(finding) => {
            let payload = payload(id.clone(), finding)?;
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
            Ok(NewEntry { bytes: Entry::Anomaly(entry).to_bytes()?, kind: "anomaly", disclosure, queued: 0 })
        }
    }
}

fn payload(id: Id, finding: &PendingFinding) -> Result<Payload, EncodeError> {
    let values = finding.values.iter().map(|value| {
        Ok(MetricValue { metric: value.metric.clone(), unit: value.unit.clone(), value: Decimal::new(value.value)? })
    });
    let reasons = finding.reasons.iter().map(|reason| {
        Ok(Reason {
            metric: reason.metric.clone(),
            unit: reason.unit.clone(),
            value: decimal(reason.value)?,
            expected_low: decimal(reason.expected_low)?,
            expected_high: decimal(reason.expected_high)?,
            feature: reason.feature.clone(),
            score: decimal(reason.score)?,
        })
    });
    let judged = Judged {
        r#type: finding.r#type,
        severity: finding.severity,
        score: decimal(finding.score)?,
        threshold: decimal(finding.threshold)?,
        reasons: reasons.collect::<Result<_, TextError>>()?,
        sentence: finding.sentence.clone(),
        model: finding.model.parse()?,
        state: finding.state.parse()?,
    };
    let time = Millis(finding.time_ms).to_time();
    let values = values.collect::<Result<_, TextError>>()?;
    Ok(Payload::new(id, finding.device.clone(), finding.sequence, time, values, judged))
}

/// A computed number: negative zero and subnormal results are zero for our purposes.
fn decimal(value: f64) -> Result<Decimal, TextError> {
    Decimal::new(if value.abs() < f64::MIN_POSITIVE { 0.0 } else { value })
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
