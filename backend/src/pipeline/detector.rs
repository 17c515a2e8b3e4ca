//! One shard's detector: judges its devices' readings in order, and waits for each slice to be committed.
//!
//! While a slice is being committed the next one gathers, so a slice grows with the load. What is kept of a
//! device in memory is what the last commit has stored: after a failed commit it is read again.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
};

use detect::{DetectError, DeviceState};

use super::{
    Job, Models, ReadingsJob, Results, Shard,
    finding::{self, Subject},
    flows::{FLOWS, Told},
    limits::{self, Kind, Limits},
    refit::{Offers, Ordinary},
    silence::{LOOK, WatchList},
    writer::{Commits, Slice},
};
use crate::domain::{
    Clock, DeviceName, Key, Millis, Reading,
    ports::{DeviceReader, ERASED_VALUES, StoreError, StoredReading, values_text},
    retention::Retentions,
    verdict::{Accepted, Device, Judged, Label, Refusal, Verdict},
};

/// Readings in a slice at most, so that no commit takes much longer than a tenth of a second.
const MAX_SLICE: usize = 4_096;

/// Devices that one detector keeps in memory at most. At 4 KiB each and four detectors this is 400 MiB; with three
/// metrics a fifth of it. Others are read from the store when they send again.
const MAX_DEVICES: usize = 25_000;

/// A device as of the last commit, or as of this slice.
pub(super) struct Known {
    pub(super) device: Device,
    pub(super) state: DeviceState,
    /// The type whose limits the state carries.
    pub(super) kind: Kind,
    /// Whether this slice has changed it.
    pub(super) changed: bool,
    /// What goes on among its flows, and was reported. In memory only: after a restart it is reported once more.
    pub(super) told: Option<Told>,
}

/// What became of one reading of a slice, before the commit.
enum Slot {
    /// Settled: a duplicate, or refused.
    Settled(Result<Accepted, Refusal>),
    /// The reading of the slice with this number; `true` if it is the same reading once more.
    Judged(usize, bool),
}

/// One shard's detector.
pub(super) struct Detector {
    pub(super) models: Arc<Models>,
    pub(super) limits: Limits,
    retentions: Arc<dyn Retentions>,
    pub(super) store: Box<dyn DeviceReader>,
    commits: Commits,
    pub(super) clock: Arc<dyn Clock>,
    /// Which devices are its own.
    pub(super) shard: Shard,
    pub(super) known: HashMap<DeviceName, Known>,
    /// The devices that the slice in hand has changed.
    pub(super) changed: Vec<DeviceName>,
    pub(super) watched: WatchList,
    pub(super) offers: Option<Offers>,
    /// Rows of the slice in hand, to be offered when it is on disk.
    ordinary: Vec<Ordinary>,
}

/// What a detector works with.
pub(super) struct Parts {
    pub(super) models: Arc<Models>,
    pub(super) limits: Limits,
    pub(super) retentions: Arc<dyn Retentions>,
    pub(super) store: Box<dyn DeviceReader>,
    pub(super) commits: Commits,
    pub(super) clock: Arc<dyn Clock>,
}

impl Detector {
    /// A detector for its part of the devices; `offers` is where rows of ordinary readings go, if anywhere.
    pub(super) fn new(parts: Parts, shard: Shard, offers: Option<Offers>) -> Self {
        let Parts { models, limits, retentions, store, commits, clock } = parts;
        let watched = WatchList::new(&limits.policies);
        let (known, changed, ordinary) = (HashMap::new(), Vec::new(), Vec::new());
        Self { models, limits, retentions, store, commits, clock, shard, known, changed, watched, offers, ordinary }
    }

    /// Works until all senders of jobs are gone.
    pub(super) fn run(&mut self, jobs: &mpsc::Receiver<Job>) {
        loop {
            self.watch();
            let first = match self.watched.rests() {
                true => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => jobs.recv_timeout(LOOK),
            };
            match first {
                Ok(Job::Readings(first)) => self.gather(first, jobs),
                Ok(Job::Feedback(said)) => self.hear(said),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    }

    /// Takes along what else waits, up to a slice, or to what is no reading.
    fn gather(&mut self, first: ReadingsJob, jobs: &mpsc::Receiver<Job>) {
        let mut size = first.readings.len();
        let mut batch = vec![first];
        let mut said = None;
        while size < MAX_SLICE
            && let Ok(next) = jobs.try_recv()
        {
            match next {
                Job::Readings(next) => {
                    size += next.readings.len();
                    batch.push(next);
                }
                Job::Feedback(next) => {
                    said = Some(next);
                    break;
                }
            }
        }
        self.work(batch);
        if let Some(said) = said {
            self.hear(said);
        }
    }

    fn work(&mut self, mut jobs: Vec<ReadingsJob>) {
        let mut judged = Vec::new();
        let mut keys = HashMap::new();
        let slots: Vec<Vec<Slot>> = jobs
            .iter_mut()
            .map(|job| job.readings.drain(..).map(|reading| self.slot(reading, &mut judged, &mut keys)).collect())
            .collect();
        let verdicts: Vec<(Verdict, Option<String>)> =
            judged.iter().map(|j| (j.verdict.clone(), j.finding.as_ref().map(|f| f.sentence.clone()))).collect();
        let committed = self.commit(Slice { judged, ..Slice::default() });
        for (job, slots) in jobs.into_iter().zip(slots) {
            let results: Results = slots.into_iter().map(|slot| answer(slot, &verdicts, &committed)).collect();
            // Nobody may be waiting any more; the readings are stored all the same.
            let _ = job.reply.send(results);
        }
    }

    /// Hands the slice to the writer, with the devices that it has changed, and waits; gives the log index of each
    /// reading that has one.
    pub(super) fn commit(&mut self, mut slice: Slice) -> Result<Vec<Option<u64>>, &'static str> {
        if slice.is_empty() {
            self.forget_some();
            return Ok(Vec::new());
        }
        let changed = std::mem::take(&mut self.changed);
        slice.devices = changed
            .iter()
            .map(|name| {
                let known = &self.known[name];
                Device { state: known.state.to_bytes(), ..known.device.clone() }
            })
            .collect();
        let (reply, answer) = mpsc::sync_channel(1);
        let sent = self.commits.send((slice, reply)).is_ok();
        let result = if sent { answer.recv().unwrap_or(Err(STOPPING)) } else { Err(STOPPING) };
        let ordinary = std::mem::take(&mut self.ordinary);
        if let (Some(offers), Ok(_)) = (&self.offers, &result) {
            offers.offer(ordinary.into_iter());
        }
        for name in &changed {
            if result.is_err() {
                // Judged on a state that was never stored: forget it, and read what is stored.
                self.known.remove(name);
            } else if let Some(known) = self.known.get_mut(name) {
                known.changed = false;
            }
        }
        self.forget_some();
        result
    }

    /// Between commits all that is known is stored, so any of it may be forgotten.
    fn forget_some(&mut self) {
        if self.known.len() > MAX_DEVICES {
            let mut nth = 0_usize;
            self.known.retain(|_, _| {
                nth += 1;
                nth.is_multiple_of(2)
            });
        }
    }

    fn slot(
        &mut self,
        mut reading: Reading,
        judged: &mut Vec<Judged>,
        keys: &mut HashMap<(DeviceName, Key), usize>,
    ) -> Slot {
        if let Err(error) = self.learn_device(&reading) {
            return unreadable(&error);
        }
        if let Err(error) = self.find_free_key(&mut reading, judged, keys) {
            return unreadable(&error);
        }
        let own_key = (reading.device().clone(), reading.key());
        if let Some(&at) = keys.get(&own_key) {
            let earlier = &judged[at].reading;
            let same = same_content(&reading, earlier.time().0, &values_text(earlier.values()));
            return if same { Slot::Judged(at, true) } else { Slot::Settled(Err(conflict(&reading))) };
        }
        match self.stored(&reading) {
            Ok(None) => {}
            Ok(Some(result)) => return Slot::Settled(result),
            Err(error) => return unreadable(&error),
        }
        if let Some(refusal) = self.too_old(&reading) {
            return Slot::Settled(Err(refusal));
        }
        let new = if reading.flow().is_some() { self.judge_flow(reading) } else { self.judge(reading) };
        match new {
            Err(refusal) => Slot::Settled(Err(refusal)),
            Ok(new) => {
                judged.push(new);
                keys.insert(own_key, judged.len() - 1);
                Slot::Judged(judged.len() - 1, false)
            }
        }
    }

    /// Refuses a reading that is older than readings of its device are kept: whether it was sent before, nobody knows any
    /// more.
    fn too_old(&self, reading: &Reading) -> Option<Refusal> {
        let profile = &self.known.get(reading.device())?.device.profile;
        let oldest = self.retentions.of(reading.device(), profile).oldest(self.clock.now())?;
        let (device, time) = (reading.device().clone(), reading.time().millis());
        (reading.time() < oldest).then(|| Refusal::TooOld { device, time, oldest: oldest.millis() })
    }

    /// Makes sure that the reading's device is in `known`.
    fn learn_device(&mut self, reading: &Reading) -> Result<(), StoreError> {
        let name = reading.device();
        if self.learn_stored(name)? {
            return Ok(());
        }
        let metrics = reading.values().iter().map(|(metric, _)| metric.as_str());
        let kind = self.limits.kind(name);
        let profile = match &kind {
            _ if reading.flow().is_some() => FLOWS,
            Some(kind) => self.models.profile_named(&kind.definition().profile),
            None => self.models.profile_of(metrics),
        };
        let profile = profile.to_owned();
        let policy = self.limits.policy(&kind, &profile, name);
        let device = Device {
            name: name.clone(),
            pseudonym: super::sequencer::random_hex::<16>(),
            profile,
            state: Vec::new(),
            last_sequence: None,
            first_sequence: None,
            sequenced: 0,
            last_seen: None,
            last_time: None,
        };
        self.watched.add(name, &policy, self.clock.now());
        let state = DeviceState::with_policy(&policy);
        self.known.insert(name.clone(), Known { device, state, kind, changed: false, told: None });
        Ok(())
    }

    /// Makes sure that a device which the store knows is in `known`; `false` if it knows none of this name.
    pub(super) fn learn_stored(&mut self, name: &DeviceName) -> Result<bool, StoreError> {
        let kind = self.limits.kind(name);
        if let Some(known) = self.known.get_mut(name) {
            if !limits::same(&known.kind, &kind) {
                let policy = self.limits.policy(&kind, &known.device.profile, name);
                known.state.set_policy(&policy);
                known.kind = kind;
                self.watched.add(name, &policy, self.clock.now());
            }
            return Ok(true);
        }
        let Some(device) = self.store.device(name)? else { return Ok(false) };
        let policy = self.limits.policy(&kind, &device.profile, name);
        let mut state = read_state(&device)?;
        // The policy is part of the state, and so of every verdict; it may have been changed since.
        if !state.follows(&policy) {
            state.set_policy(&policy);
        }
        self.watched.add(name, &policy, self.clock.now());
        self.known.insert(name.clone(), Known { device, state, kind, changed: false, told: None });
        Ok(true)
    }

    /// A reading with neither time nor sequence number has nothing to be recognised by, so it is always new: its
    /// time of arrival is moved on until no other reading has it.
    fn find_free_key(
        &mut self,
        reading: &mut Reading,
        judged: &[Judged],
        keys: &HashMap<(DeviceName, Key), usize>,
    ) -> Result<(), StoreError> {
        if reading.flow().is_some() {
            let is_same = |at: usize, reading: &Reading| {
                let earlier = &judged[at].reading;
                same_content(reading, earlier.time().0, &values_text(earlier.values()))
            };
            return self.find_flow_key(reading, keys, is_same);
        }
        if reading.time_given() || reading.sequence().is_some() {
            return Ok(());
        }
        while keys.contains_key(&(reading.device().clone(), reading.key())) || self.stored(reading)?.is_some() {
            reading.step_arrival();
        }
        Ok(())
    }

    /// What is known of a reading with this key: its first verdict if it is the same, a conflict if it is not. A signed
    /// reading that is not known has to be above all before it.
    pub(super) fn stored(&mut self, reading: &Reading) -> Result<Option<Result<Accepted, Refusal>>, StoreError> {
        let device = &self.known[reading.device()].device;
        let above = match reading.key() {
            Key::Sequence(sequence) => device.last_sequence.is_none_or(|last| sequence > last),
            Key::Time(time) => device.last_time.is_none_or(|last| time > last),
        };
        // A key above all others is new without looking.
        if above {
            return Ok(None);
        }
        let last = device.last_sequence;
        let stored = self.store.reading(reading.device(), reading.key())?;
        if let (None, Some(_), Some(last), Some(found)) = (&stored, reading.signed(), last, reading.sequence()) {
            // What retention has removed is gone, but not its number: nobody can bring it again.
            return Ok(Some(Err(Refusal::Replayed { device: reading.device().clone(), last, found })));
        }
        Ok(stored.map(
            |(StoredReading { time_us, values }, first)| {
                if same_content(reading, time_us, &values) { Ok(first) } else { Err(conflict(reading)) }
            },
        ))
    }

    /// Judges a reading as the next one of its device, also when it is late: whoever could keep the state from moving
    /// by a key far ahead could blind the detector.
    fn judge(&mut self, reading: Reading) -> Result<Judged, Refusal> {
        let now = self.clock.now();
        let known = self.known.get_mut(reading.device()).ok_or(Refusal::Unavailable("the device was not read"))?;
        // One model for all of this verdict, also if another comes into use meanwhile.
        let kept = self.models.of(&known.device.profile);
        let subject = Subject {
            device: known.device.name.as_str(),
            pseudonym: &known.device.pseudonym,
            sequence: reading.sequence(),
            time: reading.time().millis(),
            values: reading.values(),
            signed: reading.signed(),
            flow: None,
        };
        let (judgement, next) = finding::judge(&kept.model, &known.state, subject)
            .map_err(|error| Refusal::Unjudgeable(error.to_string()))?;
        let verdict = Verdict {
            score: judgement.score,
            threshold: judgement.threshold,
            label: label(judgement.label),
            model_version: Arc::clone(&kept.version),
        };
        if self.offers.is_some() && verdict.label == Label::Normal {
            let (state, nth) = (&known.state, known.state.readings());
            let row = || finding::row(state, subject);
            let row = Ordinary::of(&known.device.profile, &known.device.name, (nth, verdict.score), now, row);
            self.ordinary.extend(row);
        }
        let finding = finding::pending(subject, &kept.model, kept.hash, &known.state, judgement);
        known.state = next;
        self.take_note(&reading, now);
        Ok(Judged { reading, verdict, finding })
    }

    /// What is known of a device once this reading of it is judged. The device is known.
    pub(super) fn take_note(&mut self, reading: &Reading, now: Millis) {
        let Some(known) = self.known.get_mut(reading.device()) else { return };
        let device = &mut known.device;
        device.last_sequence = device.last_sequence.max(reading.sequence());
        device.first_sequence = device.first_sequence.into_iter().chain(reading.sequence()).min();
        device.sequenced += u64::from(reading.sequence().is_some());
        device.last_seen = device.last_seen.max(Some(now));
        device.last_time = device.last_time.max(Some(reading.time()));
        if !std::mem::replace(&mut known.changed, true) {
            self.changed.push(reading.device().clone());
        }
    }
}

/// A device's state as it was stored. What another version of the detector remembered cannot be read: the device then
/// warms up anew, which its readings say.
fn read_state(device: &Device) -> Result<DeviceState, StoreError> {
    match DeviceState::from_bytes(&device.state) {
        Err(error @ DetectError::Version { .. }) => {
            tracing::warn!(device = %device.name, %error, "the device warms up anew");
            Ok(DeviceState::new())
        }
        state => state.map_err(|error| StoreError::Damaged(format!("the state of {}: {error}", device.name))),
    }
}

const STOPPING: &str = "the service is stopping: send it again";

/// Whether a reading says what the stored one with its key says. A time of arrival says nothing. Of an erased reading
/// only the key is left: whatever comes with it is told that it was erased, and is not stored.
fn same_content(reading: &Reading, time_us: i64, values: &str) -> bool {
    let same_values = values == ERASED_VALUES || values_text(reading.values()) == values;
    (!reading.time_given() || reading.time().0 == time_us) && same_values
}

fn unreadable(error: &StoreError) -> Slot {
    tracing::error!(%error, "detection cannot read the store");
    Slot::Settled(Err(Refusal::Unavailable("the store cannot be read now: send it again")))
}

fn conflict(reading: &Reading) -> Refusal {
    let key = match reading.key() {
        Key::Sequence(_) => "sequence",
        Key::Time(_) => "time",
    };
    Refusal::Conflict { device: reading.device().clone(), key }
}

fn answer(
    slot: Slot,
    verdicts: &[(Verdict, Option<String>)],
    committed: &Result<Vec<Option<u64>>, &'static str>,
) -> Result<Accepted, Refusal> {
    match (slot, committed) {
        (Slot::Settled(result), _) => result,
        (Slot::Judged(..), Err(why)) => Err(Refusal::Unavailable(why)),
        (Slot::Judged(at, duplicate), Ok(indexes)) => {
            let (verdict, sentence) = verdicts[at].clone();
            Ok(Accepted { duplicate, verdict, index: indexes.get(at).copied().flatten(), sentence })
        }
    }
}

fn label(label: detect::Label) -> Label {
    match label {
        detect::Label::Normal => Label::Normal,
        detect::Label::Anomaly => Label::Anomaly,
        detect::Label::WarmingUp => Label::WarmingUp,
    }
}
