//! Grows other models from recent ordinary readings, in the background, and puts one in use where it is no worse.
//!
//! The crash story. A candidate's files are kept first; then the log records it; only then it is named as the one in
//! use, and judges. Whoever is stopped in between goes on with the old one, and a finding never names a model that the
//! log does not have. Intake waits for none of this: what it offers is dropped where this thread is busy.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError, SyncSender, TrySendError},
    },
    time::Duration,
};

use detect::{
    Comparison, DetectError, DeviceState, Model, Probes, Reservoir, ReservoirSpec, Row, TrainSpec, TrainingSample,
    compare, refit,
};

use ledger::entry::Payload;

use super::{
    ModelError, Models, finding,
    models::{GENERIC, SEED, detect_error},
    writer::{Commits, Slice},
};
use crate::domain::{
    Clock, DeviceName, Millis,
    ports::{LogReader, ModelPart, StoreError},
};

/// Of a device's readings, one in so many is offered: neighbours say nearly the same.
const STRIDE: u64 = 7;

/// A reading with a score from here on may belong to an event that was reported: those are held between this and the
/// threshold of 0.5.
const ORDINARY: f64 = 0.4;

/// Offers that wait for this thread at most; what is beyond them is dropped, for it is a sample of many.
const MAX_OFFERS: usize = 4_096;

/// Around an anomaly that people have confirmed, what its device sent in this time is not ordinary either.
const AROUND_MS: i64 = 3_600_000;

/// Confirmed anomalies that a candidate has to find as the old model does: the newest.
const MAX_CONFIRMED: u64 = 1_000;

/// How often the clock is looked at while nothing is offered.
const LOOK: Duration = Duration::from_secs(1);

/// Half of what a candidate is grown from is the first model's sample, so that nobody leads it far.
const BASE_SHARE: f64 = 0.5;

/// A row of an ordinary reading that was committed.
pub(super) struct Ordinary {
    profile: String,
    device: DeviceName,
    at: Millis,
    row: Row,
}

impl Ordinary {
    /// The row that a reading offers: of one reading in seven, if it was ordinary. `nth` is how many the device has sent
    /// before.
    pub(super) fn of(
        profile: &str,
        device: &DeviceName,
        (nth, score): (u64, f64),
        now: Millis,
        row: impl FnOnce() -> Option<Row>,
    ) -> Option<Self> {
        if !nth.is_multiple_of(STRIDE) || score >= ORDINARY {
            return None;
        }
        // A reservoir keeps one row of a device and a time: readings that come together get times beside each other.
        let at = Millis(now.0.saturating_add((nth / STRIDE % 60_000) as i64));
        Some(Self { profile: profile.to_owned(), device: device.clone(), at, row: row()? })
    }
}

/// What the thread is told.
enum Told {
    Ordinary(Ordinary),
    /// Somebody has called a finding of this device real, that was recorded then.
    Confirmed(DeviceName, Millis),
}

/// The way to the reservoirs. Never waits.
#[derive(Clone)]
pub(super) struct Offers(SyncSender<Told>);

impl Offers {
    /// Offers rows of readings that are on disk.
    pub(super) fn offer(&self, rows: impl Iterator<Item = Ordinary>) {
        for row in rows {
            match self.0.try_send(Told::Ordinary(row)) {
                Ok(()) => {}
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => return,
            }
        }
    }
}

impl Offers {
    /// Takes what a device sent around a confirmed anomaly out of what models are grown from.
    pub(super) fn confirmed(&self, device: DeviceName, recorded: Millis) {
        if self.0.try_send(Told::Confirmed(device, recorded)).is_err() {
            tracing::warn!("the readings around a confirmed anomaly may stay among the ordinary ones");
        }
    }
}

/// Why a model was not grown, or not taken.
#[derive(Debug, thiserror::Error)]
enum RefitError {
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The writer did not record it.
    #[error("{0}")]
    NotRecorded(&'static str),
}

/// What came of a refit.
#[derive(Debug)]
enum Refitted {
    /// There is none that others could be grown from: devices of unknown profiles have no group.
    NoFirst,
    /// The old one is kept.
    Kept(Comparison),
    /// Another is in use.
    Swapped(Arc<str>, Comparison),
}

/// The thread in the background.
pub(super) struct Refitter {
    models: Arc<Models>,
    log: Arc<dyn LogReader>,
    offers: mpsc::Receiver<Told>,
    commits: Commits,
    clock: Arc<dyn Clock>,
    period: Duration,
    due: Millis,
    reservoirs: BTreeMap<String, Reservoir>,
}

impl Refitter {
    pub(super) fn new(
        models: Arc<Models>,
        log: Arc<dyn LogReader>,
        commits: Commits,
        clock: Arc<dyn Clock>,
        period: Duration,
    ) -> (Self, Offers) {
        let (sender, offers) = mpsc::sync_channel(MAX_OFFERS);
        let due = after(clock.now(), period);
        (Self { models, log, offers, commits, clock, period, due, reservoirs: BTreeMap::new() }, Offers(sender))
    }

    /// Works until all detectors are gone.
    pub(super) fn run(&mut self) {
        loop {
            match self.offers.recv_timeout(LOOK) {
                Ok(Told::Ordinary(ordinary)) => self.take(ordinary),
                Ok(Told::Confirmed(device, at)) => {
                    let (from, to) = (at.0.saturating_sub(AROUND_MS), at.0.saturating_add(AROUND_MS));
                    for reservoir in self.reservoirs.values_mut() {
                        reservoir.withdraw(device.as_str(), from, to);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = self.clock.now();
            // Further off than a period it is only after the clock was set back.
            self.due = self.due.min(after(now, self.period));
            if now >= self.due {
                self.due = after(now, self.period);
                self.round();
            }
        }
    }

    fn take(&mut self, ordinary: Ordinary) {
        let Ordinary { profile, device, at, row } = ordinary;
        let taken = match self.reservoirs.get_mut(&profile) {
            Some(reservoir) => reservoir.offer(device.as_str(), at.0, row),
            None => Reservoir::new(ReservoirSpec { seed: SEED, ..ReservoirSpec::default() }).and_then(|mut new| {
                let taken = new.offer(device.as_str(), at.0, row);
                self.reservoirs.insert(profile, new);
                taken
            }),
        };
        if let Err(error) = taken {
            tracing::error!(%error, "a row was not taken into a reservoir");
        }
    }

    /// One refit of each profile that has sent something.
    fn round(&mut self) {
        for (profile, recent) in &self.reservoirs {
            match self.refit(profile, recent) {
                Ok(Refitted::NoFirst) => {}
                Ok(Refitted::Kept(comparison)) => {
                    let why: Vec<_> = comparison.objections.iter().map(ToString::to_string).collect();
                    let why = why.join("; ");
                    tracing::info!(
                        profile,
                        why,
                        ?comparison,
                        "a model was grown from recent readings, and is not taken"
                    );
                    metrics::counter!("refits_refused_total").increment(1);
                }
                Ok(Refitted::Swapped(version, comparison)) => {
                    tracing::info!(profile, %version, ?comparison, "a model grown from recent readings is in use");
                    metrics::counter!("refits_total").increment(1);
                }
                Err(error) => tracing::error!(profile, %error, "no model was grown from recent readings"),
            }
        }
    }

    fn refit(&self, profile: &str, recent: &Reservoir) -> Result<Refitted, RefitError> {
        if profile == GENERIC {
            return Ok(Refitted::NoFirst);
        }
        let files = self.models.files();
        let (Some(first), Some(sample)) =
            (files.of_first(profile, ModelPart::Model)?, files.of_first(profile, ModelPart::Sample)?)
        else {
            return Ok(Refitted::NoFirst);
        };
        let wrong = |source: DetectError| detect_error(profile, source);
        let first = Model::from_bytes(&first).map_err(wrong)?;
        let base = TrainingSample::from_csv(&String::from_utf8_lossy(&sample)).map_err(wrong)?;
        let old = self.models.of(profile);
        // Another seed for each: the same trees on other rows would be half the same model.
        let seed = old.hash.0.iter().take(8).fold(SEED, |seed, byte| seed.rotate_left(8) ^ u64::from(*byte));
        let spec = TrainSpec::new(profile, first.metrics().to_vec(), seed).map_err(wrong)?;
        let candidate = refit(&spec, &base, recent, BASE_SHARE).map_err(wrong)?;
        let rows: Vec<Row> = recent.rows().copied().collect();
        let models = (&first, &old.model, &candidate.model);
        let confirmed = self.confirmed(profile)?;
        let comparison = compare(models, &rows, &confirmed, &Probes::new(&base)).map_err(wrong)?;
        if !comparison.swap() {
            return Ok(Refitted::Kept(comparison));
        }
        let (kept, new) = self.models.keep(candidate.model, &candidate.sample)?;
        let version = Arc::clone(&kept.version);
        if self.log.model_version(&kept.hash.to_string())?.is_none() {
            let (reply, answer) = mpsc::sync_channel(1);
            let slice = Slice { models: vec![new], ..Slice::default() };
            let gone = RefitError::NotRecorded("the service is stopping");
            self.commits.send((slice, reply)).map_err(|_| gone)?;
            answer.recv().unwrap_or(Err("the service is stopping")).map_err(RefitError::NotRecorded)?;
        }
        // The point of no return: the log records it, and from here on findings may name it.
        self.models.put_in_use(kept)?;
        Ok(Refitted::Swapped(version, comparison))
    }
}

impl Refitter {
    /// The rows of a profile's confirmed anomalies, from the evidence that is kept of them. Of what was erased, or is of
    /// another version of the detector, there is none.
    fn confirmed(&self, profile: &str) -> Result<Vec<Row>, RefitError> {
        let files = self.models.files();
        let mut rows = Vec::new();
        for index in self.log.confirmed(MAX_CONFIRMED)? {
            let (Some(disclosure), Some(state)) = (self.log.disclosure(index)?, self.log.state(index)?) else {
                continue;
            };
            let Ok(payload) = Payload::from_bytes(&disclosure.payload) else { continue };
            let Ok(state) = DeviceState::from_bytes(&state) else { continue };
            if files.profile_of(payload.model)?.as_deref() == Some(profile) {
                rows.extend(finding::row_of_payload(&state, &payload));
            }
        }
        Ok(rows)
    }
}

fn after(now: Millis, period: Duration) -> Millis {
    Millis(now.0.saturating_add(i64::try_from(period.as_millis()).unwrap_or(i64::MAX)))
}
