//! The writer: commits slices of judged readings and what follows for the log, one transaction at a time.
//!
//! The crash story. Before the commit nothing of a slice exists, and nobody has been answered. After it the
//! readings, the entries, the tiles and the signed checkpoint exist together, and the anchorer will find the
//! checkpoint; whoever was not answered sends again and is told the first verdict.

use std::{
    collections::HashMap,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use ledger::audit::Record;
use tokio::sync::broadcast;

use super::{Sequencer, packing::Packing, rounds::Rounds};
use crate::domain::{
    Clock, Millis,
    log::{Event, Halt},
    ports::{Extension, LogReader, NewModel, Silence, StoreError, Transaction, WriteStore},
    verdict::{Accepted, Device, Feedback, Judged, Recorded},
};

/// Slices committed together at most: one of each detector, and a few that arrive meanwhile.
const MAX_GROUP: usize = 16;

/// Rows of the queue that one sequencing step takes.
const STEP: usize = 10_000;

/// How often the writer looks whether the chain has answered, while findings may not be sequenced.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// In place of a queue's row, for entries that were never queued: rows are numbered from 1.
const UNQUEUED: i64 = 0;

/// What a detector wants committed.
#[derive(Default)]
pub(super) struct Slice {
    pub(super) judged: Vec<Judged>,
    pub(super) silences: Vec<Silence>,
    /// What was said of findings, each with its record for the audit log.
    pub(super) feedback: Vec<(Feedback, Record)>,
    /// Models that are to be recorded before they are used.
    pub(super) models: Vec<NewModel>,
    /// The devices that all this has changed.
    pub(super) devices: Vec<Device>,
}

impl Slice {
    pub(super) fn is_empty(&self) -> bool {
        self.judged.is_empty() && self.silences.is_empty() && self.feedback.is_empty()
    }
}

/// The log index of each reading of a slice that has one, or why nothing was committed.
type Committed = Result<Vec<Option<u64>>, &'static str>;

/// The way to the writer: a slice, and whom to tell what came of it.
pub(super) type Commits = mpsc::Sender<Told>;
pub(super) type Told = (Slice, mpsc::SyncSender<Committed>);

/// The one that writes.
pub(super) struct Writer<W> {
    store: W,
    log: Arc<dyn LogReader>,
    sequencer: Sequencer,
    rounds: Rounds,
    packing: Packing,
    /// A commit has failed, perhaps after the point of no return: look again where the log stands.
    stale: bool,
    /// Findings may lie in the queue, because the log was not yet held against the chain.
    waiting: bool,
    /// When the last commit ended.
    idle_since: Instant,
    clock: Arc<dyn Clock>,
    halt: Halt,
    events: broadcast::Sender<Event>,
    verdicts: broadcast::Sender<Arc<Recorded>>,
}

/// What the writer does of itself, beside the slices that it is given.
pub(super) struct Chores {
    pub(super) rounds: Rounds,
    pub(super) packing: Packing,
}

impl<W: WriteStore> Writer<W> {
    pub(super) fn new(
        store: W,
        log: Arc<dyn LogReader>,
        sequencer: Sequencer,
        Chores { rounds, packing }: Chores,
        clock: Arc<dyn Clock>,
        halt: Halt,
        (events, verdicts): (broadcast::Sender<Event>, broadcast::Sender<Arc<Recorded>>),
    ) -> Self {
        Self {
            store,
            log,
            sequencer,
            rounds,
            packing,
            stale: false,
            waiting: true,
            idle_since: Instant::now(),
            clock,
            halt,
            events,
            verdicts,
        }
    }

    /// Sequences what a crash has left in the queue, and what is new at the start.
    /// Damage halts the log, and leaves it readable.
    pub(super) fn recover(&mut self, new: &[NewModel]) -> Result<(), StoreError> {
        match self.commit(&[], new) {
            Ok(_) | Err(StoreError::Damaged(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Works until all detectors are gone.
    pub(super) fn run(&mut self, slices: &mpsc::Receiver<Told>) {
        loop {
            let (idle, rest) = (self.idle(), self.packing.rest());
            let first = match slices.recv_timeout(idle.min(rest)) {
                Ok(first) => first,
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    if self.idle_since.elapsed() >= idle {
                        self.catch_up();
                        self.idle_since = Instant::now();
                    }
                    self.keep_house();
                    continue;
                }
            };
            let mut group = vec![first];
            while group.len() < MAX_GROUP
                && let Ok(next) = slices.try_recv()
            {
                group.push(next);
            }
            self.work(group);
            self.idle_since = Instant::now();
            if self.packing.is_pressing() {
                self.keep_house();
            }
        }
    }

    /// A step of the store's own work; none while the log is halted, for then nothing changes.
    fn keep_house(&mut self) {
        if self.halt.reason().is_none() {
            self.packing.step(&mut self.store, self.clock.now());
        }
    }

    /// How long there is nothing to do without a slice. Findings wait for the chain's first answer, or the store for
    /// being tried again, so that `/ready` tells the truth; then a heartbeat is due.
    fn idle(&self) -> Duration {
        let more = self.halt.reason().is_none() && (self.waiting || self.halt.is_failing());
        // Never without a pause: where a heartbeat is due and cannot be made, it is looked at again then.
        if more { LOOK_AGAIN } else { self.rounds.until_due(self.clock.now()).max(LOOK_AGAIN) }
    }

    /// A commit without readings: sequences what waits, if that is allowed by now, and shows whether the store works.
    fn catch_up(&mut self) {
        if self.halt.may_sequence() || (self.halt.reason().is_none() && self.halt.is_failing()) {
            let result = self.commit(&[], &[]);
            if let Err(error) = &result {
                tracing::error!(%error, "a commit without readings failed");
            }
            self.halt.set_failing(result.is_err());
        }
    }

    fn work(&mut self, group: Vec<Told>) {
        let (group, replies): (Vec<Slice>, Vec<_>) = group.into_iter().unzip();
        if self.halt.reason().is_some() {
            let why = "the log is halted and accepts nothing: /ready says why";
            replies.into_iter().for_each(|reply| drop(reply.send(Err(why))));
            return;
        }
        let readings: usize = group.iter().map(|slice| slice.judged.len()).sum();
        let result = self.commit(&group, &[]);
        self.halt.set_failing(result.is_err());
        match result {
            Ok(indexes) => {
                self.packing.committed(readings);
                metrics::counter!("readings_committed_total").increment(readings as u64);
                metrics::counter!("commits_total").increment(1);
                let told = self.verdicts.receiver_count() > 0;
                for ((reply, slice), indexes) in replies.into_iter().zip(group).zip(indexes) {
                    let recorded = if told { recorded(slice.judged, &indexes) } else { Vec::new() };
                    let _ = reply.send(Ok(indexes));
                    recorded.into_iter().for_each(|recorded| drop(self.verdicts.send(Arc::new(recorded))));
                }
            }
            Err(error) => {
                tracing::error!(%error, readings, "a commit failed; the senders are told to send again");
                metrics::counter!("commits_failed_total").increment(1);
                let why = "the readings could not be stored now: send them again";
                replies.into_iter().for_each(|reply| drop(reply.send(Err(why))));
            }
        }
    }

    /// One transaction: readings and findings, then the log. Gives the log index of each reading that has one. Damage
    /// halts the log: sending again does not mend it.
    fn commit(&mut self, group: &[Slice], new: &[NewModel]) -> Result<Vec<Vec<Option<u64>>>, StoreError> {
        self.try_commit(group, new).inspect_err(|error| {
            if let StoreError::Damaged(why) = error {
                self.halt.set(why.clone());
            }
        })
    }

    fn try_commit(&mut self, group: &[Slice], new: &[NewModel]) -> Result<Vec<Vec<Option<u64>>>, StoreError> {
        let now = self.clock.now();
        if self.stale {
            self.look_again(now)?;
        }
        self.stale = true;
        let may_sequence = self.halt.may_sequence();
        let (mut sequencer, mut rounds) = (self.sequencer.clone(), self.rounds.clone());
        let mut queued: Vec<Vec<Option<i64>>> = Vec::new();
        let mut appended = Appended::default();
        self.store.transaction(&mut |tx: &mut dyn Transaction| {
            for slice in group {
                tx.put_devices(&slice.devices)?;
                queued.push(tx.record(&slice.judged)?);
                tx.record_silences(&slice.silences)?;
                tx.record_feedback(&slice.feedback)?;
            }
            for model in new.iter().chain(group.iter().flat_map(|slice| &slice.models)) {
                tx.add_model(model)?;
            }
            if group.is_empty() && new.is_empty() {
                tx.probe()?;
            }
            if may_sequence {
                appended = sequence(tx, &mut sequencer, &mut rounds, now)?;
            }
            Ok(())
        })?;
        (self.sequencer, self.rounds) = (sequencer, rounds);
        self.stale = false;
        self.waiting = !may_sequence;
        let Appended { indexes, others } = appended;
        self.announce(&indexes, others);
        let of_reading = |queued: Option<i64>| queued.and_then(|queued| indexes.get(&queued).copied());
        Ok(queued.into_iter().map(|rows| rows.into_iter().map(of_reading).collect()).collect())
    }

    /// Looks again where the log stands.
    fn look_again(&mut self, now: Millis) -> Result<(), StoreError> {
        self.sequencer = self.sequencer.reload(&*self.log)?;
        self.rounds = self.rounds.reload(&*self.log, now)?;
        Ok(())
    }

    fn announce(&self, indexes: &HashMap<i64, u64>, others: bool) {
        if indexes.is_empty() {
            if others {
                let _ = self.events.send(Event::Ledger);
            }
            return;
        }
        let mut new: Vec<u64> = indexes.values().copied().collect();
        new.sort_unstable();
        metrics::counter!("entries_appended_total").increment(new.len() as u64);
        // Without listeners there is nobody to tell.
        let _ = self.events.send(Event::Anomalies(new.into()));
        let _ = self.events.send(Event::Ledger);
    }
}

/// Readings that are on disk now, as they are told to listeners.
fn recorded(judged: Vec<Judged>, indexes: &[Option<u64>]) -> Vec<Recorded> {
    let recorded = |(judged, index): (Judged, &Option<u64>)| {
        let Judged { reading, verdict, finding } = judged;
        let sentence = finding.map(|finding| finding.sentence);
        Recorded { reading, accepted: Accepted { duplicate: false, verdict, index: *index, sentence } }
    };
    judged.into_iter().zip(indexes).map(recorded).collect()
}

/// What a commit has added to the log.
#[derive(Default)]
struct Appended {
    /// The index of each row of the queue that has become an entry.
    indexes: HashMap<i64, u64>,
    /// Whether there are entries besides those and their beacons.
    others: bool,
}

/// From the queue to the log; then the key that is to be announced, and what closes a window that has lasted long enough.
fn sequence(
    tx: &mut dyn Transaction,
    sequencer: &mut Sequencer,
    rounds: &mut Rounds,
    now: Millis,
) -> Result<Appended, StoreError> {
    let mut appended = Appended::default();
    loop {
        let mut rows = tx.queue(STEP)?;
        if rows.is_empty() {
            break;
        }
        rows.splice(0..0, rounds.beacon(now).map(|beacon| (UNQUEUED, beacon)));
        let extension = sequencer.extend(rows, now)?;
        tx.append(&extension)?;
        let Extension { from, entries, .. } = extension;
        let indexes = (from..).zip(&entries).map(|(index, entry)| (entry.queued, index));
        appended.indexes.extend(indexes.filter(|(queued, _)| *queued != UNQUEUED));
    }
    if let Some(key) = sequencer.next_key()? {
        tx.append(&sequencer.extend(vec![(UNQUEUED, key)], now)?)?;
        appended.others = true;
    }
    if rounds.is_due(now) {
        let (rows, counters) = rounds.close(tx)?;
        let extension = sequencer.extend(rows.iter().cloned().map(|row| (UNQUEUED, row)).collect(), now)?;
        tx.append(&extension)?;
        rounds.closed(&rows, &extension, now);
        tx.close_window(extension.from + rows.len() as u64 - 1, &counters)?;
        appended.others = true;
    }
    Ok(appended)
}
