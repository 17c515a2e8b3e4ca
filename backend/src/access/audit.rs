//! The audit trail: who did what, when, from where, and what came of it.
//!
//! Records are written by one thread, as many as wait in one synced transaction. Who acts waits until the record is on
//! disk. The pipeline makes entries of the log out of them (`pipeline/rounds.rs`), so that a cut or changed trail shows.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
};

use ledger::audit::Record;
use tokio::sync::oneshot;

use super::Pass;
use crate::domain::{
    Clock, Millis,
    access::Caller,
    ports::{AuditLog, StoreError},
};

/// Records that wait: at 1 KB each, 1 MB. When there are more, who acts is told to come back.
const WAITING: usize = 1_024;

/// Records of a transaction: those of a moment, and not so many that the pipeline's writer has to wait for them.
const BATCH: usize = 256;

/// Records of refusals in a minute: 30 × 1,440 × about 300 bytes = 13 MB a day, however many are refused. The others are
/// counted, and the next record says how many there were.
const REFUSALS: u32 = 30;

/// Characters of an object, and of a result: 300 and 150 characters take 2,700 of the 4,096 bytes of a record even if each
/// has to be written as six.
const OBJECT: usize = 300;
const RESULT: usize = 150;

/// Where records of acts go. Cheap to clone; the thread ends with the last one.
#[derive(Clone)]
pub(crate) struct Trail {
    queue: SyncSender<Waiting>,
    clock: Arc<dyn Clock>,
    refusals: Arc<Mutex<Refusals>>,
}

/// A record on its way, and whom to tell.
struct Waiting {
    record: Record,
    written: Option<oneshot::Sender<Result<(), String>>>,
}

/// How many refusals were recorded, and how many were not.
#[derive(Default)]
struct Refusals {
    minute: i64,
    recorded: u32,
    passed_over: u64,
}

impl Trail {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// The system's, if it has no thread to give.
    pub(crate) fn start(log: Arc<dyn AuditLog>, clock: Arc<dyn Clock>) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (queue, waiting) = sync_channel(WAITING);
        let thread = std::thread::Builder::new().name("audit".into()).spawn(move || write(&*log, &waiting))?;
        Ok((Self { queue, clock, refusals: Arc::default() }, thread))
    }

    /// Records an act. It is on disk when this returns.
    ///
    /// # Errors
    /// If it could not be written; then the act should not be done, or be reported as failed.
    pub(crate) async fn record(
        &self,
        pass: &Pass,
        what: &'static str,
        object: impl AsRef<str>,
        result: impl AsRef<str>,
    ) -> Result<(), StoreError> {
        let record = self.record_of(&pass.caller, pass.from, what, object.as_ref(), result.as_ref());
        let (written, answer) = oneshot::channel();
        let waiting = Waiting { record, written: Some(written) };
        self.queue.try_send(waiting).map_err(|error| StoreError::Engine(full(&error).into()))?;
        match answer.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(StoreError::Engine(why.into())),
            Err(_) => Err(StoreError::Engine("the audit log's writer has ended".into())),
        }
    }

    /// Records that somebody was refused, without waiting for it, and no more than [`REFUSALS`] a minute.
    pub(crate) fn refused(&self, pass: &Pass, what: &'static str, object: &str, why: &str) {
        metrics::counter!("refusals_total", "what" => what).increment(1);
        let Some(passed_over) = self.may_record_refusal() else { return };
        let result = match passed_over {
            0 => why.to_owned(),
            more => format!("{why} (and {more} more refusals before)"),
        };
        let record = self.record_of(&pass.caller, pass.from, what, object, &result);
        // If the queue is full, acts are being refused as well, and say so.
        let _ = self.queue.try_send(Waiting { record, written: None });
    }

    /// The time by which records are dated, and passes end.
    pub(crate) fn now(&self) -> Millis {
        self.clock.now()
    }

    /// A record of an act that is written together with the act.
    pub(crate) fn record_of(
        &self,
        caller: &Caller,
        from: IpAddr,
        what: &'static str,
        object: &str,
        result: &str,
    ) -> Record {
        record(self.clock.now(), caller.to_string(), from.to_canonical().to_string(), what, object, result)
    }

    /// How many refusals were passed over since the last record; `None` if this one is passed over too.
    fn may_record_refusal(&self) -> Option<u64> {
        let minute = self.clock.now().0.div_euclid(60_000);
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.minute != minute {
            (refusals.minute, refusals.recorded) = (minute, 0);
        }
        if refusals.recorded >= REFUSALS {
            refusals.passed_over += 1;
            return None;
        }
        refusals.recorded += 1;
        Some(std::mem::take(&mut refusals.passed_over))
    }
}

/// A record, its texts cut to what fits.
pub(crate) fn record(at: Millis, who: String, from: String, what: &str, object: &str, result: &str) -> Record {
    let cut = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    Record::new(at.to_time(), who, from, what.to_owned(), cut(object, OBJECT), cut(result, RESULT))
}

fn full(error: &TrySendError<Waiting>) -> &'static str {
    match error {
        TrySendError::Full(_) => "too many acts wait for the audit log",
        TrySendError::Disconnected(_) => "the audit log's writer has ended",
    }
}

/// Writes what waits until nobody is left who could record.
fn write(log: &dyn AuditLog, waiting: &Receiver<Waiting>) {
    while let Ok(first) = waiting.recv() {
        let batch: Vec<Waiting> = std::iter::once(first).chain(waiting.try_iter().take(BATCH - 1)).collect();
        let (records, tell): (Vec<Record>, Vec<_>) =
            batch.into_iter().map(|waiting| (waiting.record, waiting.written)).unzip();
        let written = log.add_audit_records(&records).map(drop).map_err(|error| {
            tracing::error!(%error, "acts could not be recorded in the audit log");
            error.to_string()
        });
        for tell in tell.into_iter().flatten() {
            // Nobody may be waiting any more; it is recorded all the same.
            let _ = tell.send(written.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::domain::SystemClock;

    /// Keeps records in memory, and fails when told to.
    #[derive(Default)]
    struct Log {
        batches: Mutex<Vec<Vec<Record>>>,
        failing: AtomicBool,
    }

    impl AuditLog for Log {
        fn add_audit_record(&self, record: &Record) -> Result<u64, StoreError> {
            self.add_audit_records(std::slice::from_ref(record))
        }

        fn add_audit_records(&self, records: &[Record]) -> Result<u64, StoreError> {
            if self.failing.load(Ordering::SeqCst) {
                return Err(StoreError::Engine("disk full".into()));
            }
            self.batches.lock().unwrap().push(records.to_vec());
            Ok(0)
        }

        fn audit_before(&self, _: u64, _: u64) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
            Ok(Vec::new())
        }

        fn audit_from(&self, _: u64, _: u64) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
            Ok(Vec::new())
        }
    }

    struct At(Mutex<Millis>);

    impl Clock for At {
        fn now(&self) -> Millis {
            *self.0.lock().unwrap()
        }
    }

    fn pass() -> Pass {
        Pass { caller: Caller::Trial, from: std::net::Ipv4Addr::LOCALHOST.into(), credential: None }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_act_is_on_disk_when_it_is_recorded_and_a_failure_is_told() {
        let log = Arc::new(Log::default());
        let (trail, thread) = Trail::start(Arc::clone(&log) as _, Arc::new(SystemClock)).unwrap();
        trail.record(&pass(), "user.create", "a\r\nb", "done").await.unwrap();
        let record = log.batches.lock().unwrap()[0][0].clone();
        assert_eq!((record.who.as_str(), record.from.as_str()), ("trial", "127.0.0.1"));
        assert!(!String::from_utf8(record.to_bytes().unwrap()).unwrap().contains(['\r', '\n']));
        log.failing.store(true, Ordering::SeqCst);
        assert!(trail.record(&pass(), "user.create", "b", "done").await.is_err());
        drop(trail);
        thread.join().unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_longest_texts_fit_a_record() {
        let log = Arc::new(Log::default());
        let (trail, _thread) = Trail::start(Arc::clone(&log) as _, Arc::new(SystemClock)).unwrap();
        let worst = "\u{1}".repeat(10_000);
        let record = trail.record_of(&Caller::Trial, pass().from, "user.create", &worst, &worst);
        assert!(record.to_bytes().is_ok());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_flood_of_refusals_is_counted_and_not_written() {
        let log = Arc::new(Log::default());
        let clock = Arc::new(At(Mutex::new(Millis(0))));
        let (trail, thread) = Trail::start(Arc::clone(&log) as _, Arc::clone(&clock) as _).unwrap();
        for _ in 0..1_000 {
            trail.refused(&pass(), "session.refuse", "ada", "wrong");
        }
        *clock.0.lock().unwrap() = Millis(60_000);
        trail.refused(&pass(), "session.refuse", "ada", "wrong");
        drop(trail);
        thread.join().unwrap();
        let records: Vec<Record> = log.batches.lock().unwrap().concat();
        assert_eq!(records.len(), 31);
        assert_eq!(records[30].result, "wrong (and 970 more refusals before)");
    }
}
