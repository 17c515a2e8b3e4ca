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
    Comparison, DetectError, Model, Probes, Reservoir, ReservoirSpec, Row, TrainSpec, TrainingSample, compare, refit,
};

use super::{
    ModelError, Models,
    models::{SEED, detect_error},
    writer::{Commits, Slice},
};
use crate::domain::{
    Clock, DeviceName, Millis,
    ports::{LogReader, ModelPart, StoreError},
};

/// Of a device's readings, one in so many is offered: neighbours say nearly the same.
const STRIDE: u64 = 7;

/// A reading with a score from here on may belong to an event that was reported, whose readings stand below the
/// threshold of 0.5, and not far below.
const ORDINARY: f64 = 0.4;

/// Offers that wait for this thread at most; what is beyond them is dropped, for it is a sample of many.
const MAX_OFFERS: usize = 4_096;

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
    /// before, `rows` gives those of its metrics.
    pub(super) fn of(
        profile: &str,
        device: &DeviceName,
        (nth, score): (u64, f64),
        now: Millis,
        rows: impl FnOnce() -> Vec<Row>,
    ) -> Option<Self> {
        if !nth.is_multiple_of(STRIDE) || score >= ORDINARY {
            return None;
        }
        let (rows, turn) = (rows(), nth / STRIDE);
        // A reservoir keeps one row of a device and a time: readings that come together get times beside each other.
        let at = Millis(now.0.saturating_add((turn % 60_000) as i64));
        let row = *rows.get(usize::try_from(turn).ok()?.checked_rem(rows.len())?)?;
        Some(Self { profile: profile.to_owned(), device: device.clone(), at, row })
    }
}

/// The way to the reservoirs. Never waits.
#[derive(Clone)]
pub(super) struct Offers(SyncSender<Ordinary>);

impl Offers {
    /// Offers rows of readings that are on disk.
    pub(super) fn offer(&self, rows: impl Iterator<Item = Ordinary>) {
        for row in rows {
            match self.0.try_send(row) {
                Ok(()) => {}
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => return,
            }
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
    /// The profile has no model of its own kind that others can be grown from.
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
    offers: mpsc::Receiver<Ordinary>,
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
                Ok(ordinary) => self.take(ordinary),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = self.clock.now();
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
                    tracing::info!(profile, ?comparison, "a model was grown from recent readings, and is not taken");
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
        let comparison = compare(models, &rows, &[], &Probes::new(&base)).map_err(wrong)?;
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

fn after(now: Millis, period: Duration) -> Millis {
    Millis(now.0.saturating_add(i64::try_from(period.as_millis()).unwrap_or(i64::MAX)))
}
