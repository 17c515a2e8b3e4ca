//! The writer: commits slices of judged readings and what follows for the log, one transaction at a time.
//!
//! The crash story. Before the commit nothing of a slice exists, and nobody has been answered. After it the
//! readings, the entries, the tiles and the signed checkpoint exist together, and the anchorer will find the
//! checkpoint; whoever was not answered sends again and is told the first verdict.

use std::{
    collections::HashMap,
    sync::{Arc, mpsc},
    time::Duration,
};

use tokio::sync::broadcast;

use super::Sequencer;
use crate::domain::{
    Clock,
    log::{Event, Halt},
    ports::{Extension, LogReader, NewModel, StoreError, Transaction, WriteStore},
    verdict::{Device, Judged},
};

/// Slices committed together at most: one of each detector, and a few that arrive meanwhile.
const MAX_GROUP: usize = 16;

/// Rows of the queue that one sequencing step takes.
const STEP: usize = 10_000;

/// How often the writer looks whether the chain has answered, while findings may not be sequenced.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Nothing to look for but slices.
const FOR_EVER: Duration = Duration::from_secs(3_600 * 24 * 365);

/// What a detector wants committed.
pub(super) struct Slice {
    pub(super) judged: Vec<Judged>,
    pub(super) devices: Vec<Device>,
    /// Told the log index of each reading that has one, or why nothing was committed.
    pub(super) reply: mpsc::SyncSender<Result<Vec<Option<u64>>, &'static str>>,
}

/// The one that writes.
pub(super) struct Writer<W> {
    store: W,
    log: Arc<dyn LogReader>,
    sequencer: Sequencer,
    /// A commit has failed, perhaps after the point of no return: look again where the log stands.
    stale: bool,
    /// Findings may lie in the queue, because the log was not yet held against the chain.
    waiting: bool,
    clock: Arc<dyn Clock>,
    halt: Halt,
    events: broadcast::Sender<Event>,
}

impl<W: WriteStore> Writer<W> {
    pub(super) fn new(
        store: W,
        log: Arc<dyn LogReader>,
        sequencer: Sequencer,
        clock: Arc<dyn Clock>,
        halt: Halt,
        events: broadcast::Sender<Event>,
    ) -> Self {
        Self { store, log, sequencer, stale: false, waiting: true, clock, halt, events }
    }

    /// Sequences what a crash has left in the queue, and what is new at the start.
    pub(super) fn recover(&mut self, new: &[NewModel]) -> Result<(), StoreError> {
        self.commit(&[], new).map(drop)
    }

    /// Works until all detectors are gone.
    pub(super) fn run(&mut self, slices: &mpsc::Receiver<Slice>) {
        loop {
            let idle = if self.has_more_to_do() { LOOK_AGAIN } else { FOR_EVER };
            let first = match slices.recv_timeout(idle) {
                Ok(first) => first,
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    self.catch_up();
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
        }
    }

    /// Whether there is something to do without a slice: findings wait for the chain's first answer, or the store for
    /// being tried again, so that `/ready` tells the truth.
    fn has_more_to_do(&self) -> bool {
        self.halt.reason().is_none() && (self.waiting || self.halt.is_failing())
    }

    /// A commit without readings: sequences what waits, if that is allowed by now, and shows whether the store works.
    fn catch_up(&mut self) {
        if self.halt.may_sequence() || self.halt.is_failing() {
            let result = self.commit(&[], &[]);
            self.halt.set_failing(result.is_err());
        }
    }

    fn work(&mut self, group: Vec<Slice>) {
        if self.halt.reason().is_some() {
            let why = "the log is halted and accepts nothing: /ready says why";
            group.into_iter().for_each(|slice| drop(slice.reply.send(Err(why))));
            return;
        }
        let readings: usize = group.iter().map(|slice| slice.judged.len()).sum();
        let result = self.commit(&group, &[]);
        self.halt.set_failing(result.is_err());
        match result {
            Ok(indexes) => {
                metrics::counter!("readings_committed_total").increment(readings as u64);
                metrics::counter!("commits_total").increment(1);
                for (slice, indexes) in group.iter().zip(indexes) {
                    let _ = slice.reply.send(Ok(indexes));
                }
            }
            Err(error) => {
                tracing::error!(%error, readings, "a commit failed; the senders are told to send again");
                metrics::counter!("commits_failed_total").increment(1);
                let why = "the readings could not be stored now: send them again";
                group.into_iter().for_each(|slice| drop(slice.reply.send(Err(why))));
            }
        }
    }

    /// One transaction: readings and findings, then the log. Gives the log index of each reading that has one.
    fn commit(&mut self, group: &[Slice], new: &[NewModel]) -> Result<Vec<Vec<Option<u64>>>, StoreError> {
        if self.stale {
            self.sequencer = self.sequencer.reload(&*self.log).inspect_err(|error| {
                if let StoreError::Damaged(why) = error {
                    self.halt.set(why.clone());
                }
            })?;
        }
        self.stale = true;
        let may_sequence = self.halt.may_sequence();
        let now = self.clock.now();
        let mut sequencer = self.sequencer.clone();
        let mut indexes: HashMap<i64, u64> = HashMap::new();
        let mut queued: Vec<Vec<Option<i64>>> = Vec::new();
        self.store.transaction(&mut |tx: &mut dyn Transaction| {
            for slice in group {
                tx.put_devices(&slice.devices)?;
                queued.push(tx.record(&slice.judged)?);
            }
            for model in new {
                tx.add_model(model)?;
            }
            if group.is_empty() && new.is_empty() {
                tx.probe()?;
            }
            if !may_sequence {
                return Ok(());
            }
            loop {
                let rows = tx.queue(STEP)?;
                if rows.is_empty() {
                    return Ok(());
                }
                let extension = sequencer.extend(rows, now)?;
                tx.append(&extension)?;
                let Extension { from, entries, .. } = extension;
                indexes.extend((from..).zip(&entries).map(|(index, entry)| (entry.queued, index)));
            }
        })?;
        self.sequencer = sequencer;
        self.stale = false;
        self.waiting = !may_sequence;
        self.announce(&indexes);
        let of_reading = |queued: Option<i64>| queued.and_then(|queued| indexes.get(&queued).copied());
        Ok(queued.into_iter().map(|rows| rows.into_iter().map(of_reading).collect()).collect())
    }

    fn announce(&self, indexes: &HashMap<i64, u64>) {
        if indexes.is_empty() {
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
