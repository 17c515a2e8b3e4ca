//! From a reading to an entry: detection, group commit, sequencing, and only then the acknowledgement.
//!
//! One detector thread for each shard of devices judges; one writer thread commits what the detectors have
//! judged, together with the log entries that follow from it, in one transaction at a time. A bounded number
//! of readings is under way; when it is reached, the source is told to wait. Nothing is dropped.

mod archive;
mod detector;
mod feedback;
mod finding;
mod flows;
mod limits;
mod models;
mod packing;
mod refit;
mod rescore;
mod rounds;
mod sequencer;
mod silence;
mod writer;

#[cfg(test)]
mod tests;

use std::{
    hash::{DefaultHasher, Hash as _, Hasher},
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use detect::{Policies, flow::FlowModel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, oneshot, watch};

use crate::domain::{
    Clock, DeviceName, Reading,
    log::{ChainView, Event, Halt, Periods},
    ports::{DeviceReader, LogReader, PackRule, StoreError, WriteStore},
    registry::Kinds,
    retention::Retentions,
    verdict::{Accepted, Recorded, Refusal},
};
pub(crate) use feedback::{Said, model_score};
use limits::Limits;
pub(crate) use models::{ModelError, Models, built_in, profile_of};
pub(crate) use rescore::{RescoreError, Rescored, model_of, rescore};
pub(crate) use sequencer::Sequencer;

/// Readings under way at most. At 100,000 a second this is the work of two thirds of a second, and some 20 MiB.
const MAX_UNDER_WAY: usize = 65_536;

/// The verdict, or the refusal, for each reading of a request.
pub(crate) type Results = Vec<Result<Accepted, Refusal>>;

/// All readings that may be under way are; try again shortly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the service is busy: try again in a second")]
pub(crate) struct Busy;

/// Work for one shard's detector.
enum Job {
    Readings(ReadingsJob),
    Feedback(feedback::FeedbackJob),
}

/// Readings of one shard's devices, with the way to answer.
struct ReadingsJob {
    readings: Vec<Reading>,
    reply: oneshot::Sender<Results>,
    /// Given back when the job is dropped, answered or not.
    _under_way: OwnedSemaphorePermit,
}

/// Readings that have entered, and are not answered yet. Dropped or not, they are judged and stored.
pub(crate) struct Entered {
    total: usize,
    /// The answer of each shard, and at which positions its readings were.
    waiting: Vec<(Vec<usize>, oneshot::Receiver<Results>)>,
}

impl Entered {
    /// Waits for the commit.
    pub(crate) async fn results(self) -> Results {
        let unavailable = || Err(Refusal::Unavailable("the service is stopping: send it again"));
        let mut results: Results = std::iter::repeat_with(unavailable).take(self.total).collect();
        for (positions, answer) in self.waiting {
            for (position, result) in positions.into_iter().zip(answer.await.unwrap_or_default()) {
                results[position] = result;
            }
        }
        results
    }
}

/// The way into the pipeline. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pipeline {
    shards: Arc<[mpsc::Sender<Job>]>,
    under_way: Arc<Semaphore>,
    flows: Arc<flows::FlowJudge>,
}

/// Why the pipeline did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PipelineError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// What the pipeline is made of.
pub(crate) struct Parts<W> {
    /// The one that writes.
    pub(crate) writer: W,
    /// One view of the devices for each shard.
    pub(crate) devices: Vec<Box<dyn DeviceReader>>,
    /// The models.
    pub(crate) models: Arc<Models>,
    /// What people ask of the detector.
    pub(crate) policies: Arc<Policies>,
    /// Of which types devices are.
    pub(crate) kinds: Arc<dyn Kinds>,
    /// How often models are grown anew from recent readings; never, if this is nothing.
    pub(crate) refit: Duration,
    /// From findings to entries.
    pub(crate) sequencer: Sequencer,
    /// How often entries are made that no reading asks for.
    pub(crate) periods: Periods,
    /// When readings are packed.
    pub(crate) pack: PackRule,
    /// How long they are kept.
    pub(crate) retentions: Arc<dyn Retentions>,
    /// The chain as it was last seen.
    pub(crate) view: watch::Receiver<ChainView>,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Whether the log may be extended.
    pub(crate) halt: Halt,
    /// Told after each commit.
    pub(crate) events: broadcast::Sender<Event>,
    /// Told each reading after its commit, as long as somebody listens.
    pub(crate) verdicts: broadcast::Sender<Arc<Recorded>>,
}

/// The threads at work; join them after the last [`Pipeline`] is dropped.
pub(crate) struct Threads(Vec<JoinHandle<()>>);

impl Threads {
    /// Waits until all accepted work is committed and answered.
    pub(crate) fn join(self) {
        for thread in self.0 {
            if thread.join().is_err() {
                tracing::error!("a pipeline thread ended by a fault");
            }
        }
    }
}

impl Pipeline {
    /// Brings the log up to date by the code that runs at each commit, and starts the threads.
    ///
    /// If the log is halted, nothing is brought up to date, and every reading will be refused.
    pub(crate) fn start<W: WriteStore + 'static>(
        parts: Parts<W>,
        log: Arc<dyn LogReader>,
    ) -> Result<(Self, Threads), PipelineError> {
        let Parts { writer, devices, models, policies, kinds, refit, sequencer, periods, .. } = parts;
        let Parts { pack, retentions, view, clock, halt, events, verdicts, .. } = parts;
        let limits = Limits { policies, kinds };
        let rounds = match rounds::Rounds::load(&*log, periods, view.clone(), clock.now()) {
            Ok(rounds) => rounds,
            // What is stored can still be read, and shown to be damaged; nothing more is appended.
            Err(StoreError::Damaged(why)) => {
                halt.set(why);
                rounds::Rounds::unloaded(periods, view, clock.now())
            }
            Err(error) => return Err(error.into()),
        };
        let halted = halt.reason().is_some();
        let now = Arc::clone(&clock);
        let packing = packing::Packing::new(pack, Arc::clone(&retentions));
        let chores = writer::Chores { rounds, packing };
        let told = (events, verdicts);
        let mut writer = writer::Writer::new(writer, Arc::clone(&log), sequencer, chores, clock, halt.clone(), told);
        if !halted {
            writer.recover(&models.unknown_to(&*log)?)?;
            if halt.reason().is_none() {
                models.note_use()?;
            }
        }

        let (commits, slices) = mpsc::channel();
        let mut threads = vec![spawn("writer", &halt, move || writer.run(&slices))];
        let mut shards = Vec::new();
        let offers = (!refit.is_zero()).then(|| {
            let (mut refitter, offers) =
                refit::Refitter::new(Arc::clone(&models), Arc::clone(&log), commits.clone(), Arc::clone(&now), refit);
            threads.push(spawn("refit", &halt, move || refitter.run()));
            offers
        });
        let of = devices.len();
        for (at, reader) in devices.into_iter().enumerate() {
            let (sender, jobs) = mpsc::channel();
            let (models, limits, now) = (Arc::clone(&models), limits.clone(), Arc::clone(&now));
            let (shard, commits, retentions) = (Shard { at, of }, commits.clone(), Arc::clone(&retentions));
            let parts = detector::Parts { models, limits, retentions, store: reader, commits, clock: now };
            let mut detector = detector::Detector::new(parts, shard, offers.clone());
            threads.push(spawn(&format!("detector-{at}"), &halt, move || detector.run(&jobs)));
            shards.push(sender);
        }
        let under_way = Arc::new(Semaphore::new(MAX_UNDER_WAY));
        let flows = models.flows();
        Ok((Self { shards: shards.into(), under_way, flows }, Threads(threads)))
    }

    /// Judges and stores readings. When this returns a verdict for a reading, the reading is on disk.
    ///
    /// The order of one device's readings is kept.
    ///
    /// # Errors
    /// [`Busy`], at once: for senders that can be told to send again.
    pub(crate) async fn submit(&self, readings: Vec<Reading>) -> Result<Results, Busy> {
        // Room for all of them before any is sent, so that a busy service has taken nothing of a request.
        let wanted = u32::try_from(readings.len()).map_err(|_| Busy)?;
        let room = Arc::clone(&self.under_way).try_acquire_many_owned(wanted).map_err(|_| Busy)?;
        Ok(self.hand_on(room, readings)?.results().await)
    }

    /// As [`Pipeline::submit`], in two steps, for connections on which more follows before this is committed. Waits for
    /// room. When it returns, the readings are in order before all that are entered later.
    ///
    /// # Errors
    /// [`Busy`] if there can never be so much room, or the service is stopping.
    pub(crate) async fn enter(&self, readings: Vec<Reading>) -> Result<Entered, Busy> {
        let wanted = u32::try_from(readings.len()).ok().filter(|wanted| *wanted as usize <= MAX_UNDER_WAY);
        let room = Arc::clone(&self.under_way).acquire_many_owned(wanted.ok_or(Busy)?).await.map_err(|_| Busy)?;
        self.hand_on(room, readings)
    }

    fn hand_on(&self, mut room: OwnedSemaphorePermit, readings: Vec<Reading>) -> Result<Entered, Busy> {
        let total = readings.len();
        let mut parts: Vec<(Vec<usize>, Vec<Reading>)> = vec![Default::default(); self.shards.len()];
        for (at, reading) in readings.into_iter().enumerate() {
            let (positions, part) = &mut parts[self.shard(reading.device())];
            positions.push(at);
            part.push(reading);
        }
        let mut waiting = Vec::new();
        for (shard, (positions, part)) in self.shards.iter().zip(parts) {
            if part.is_empty() {
                continue;
            }
            let (reply, answer) = oneshot::channel();
            let Some(permit) = room.split(part.len()) else { return Err(Busy) };
            let job = ReadingsJob { readings: part, reply, _under_way: permit };
            shard.send(Job::Readings(job)).map_err(|_| Busy)?;
            waiting.push((positions, answer));
        }
        Ok(Entered { total, waiting })
    }

    /// What judges flows: of which columns.
    pub(crate) fn flow_model(&self) -> &FlowModel {
        &self.flows.model
    }

    fn shard(&self, device: &DeviceName) -> usize {
        Shard::of(device, self.shards.len())
    }
}

/// One of several parts of all devices. A device always meets the same detector, so its readings stay in order.
#[derive(Debug, Clone, Copy)]
struct Shard {
    at: usize,
    of: usize,
}

impl Shard {
    fn of(device: &DeviceName, shards: usize) -> usize {
        let mut hasher = DefaultHasher::new();
        device.hash(&mut hasher);
        (hasher.finish() % shards as u64) as usize
    }

    fn is_of(self, device: &DeviceName) -> bool {
        Self::of(device, self.of) == self.at
    }
}

fn spawn(name: &str, halt: &Halt, work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let guard = halt.watch(name);
    let work = move || {
        let _guard = guard;
        work();
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(work).expect("the system starts a thread")
}
