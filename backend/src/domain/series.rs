//! Readings over time, as people ask for them: spans, steps, pages, and what is summed up.
//!
//! No storage here: the port is [`super::ports::Series`].

use std::time::Duration;

use ledger::entry::{Severity, Type};

use super::{DeviceName, Micros, verdict::Verdict};

/// Rows of one page at most: with 12 metrics of 64 bytes each a row takes about 1 KiB, so a page takes 10 MiB.
pub(crate) const MAX_ROWS: usize = 10_000;

/// Buckets of one answer at most: the minutes of a week. The hours of a year are fewer.
pub(crate) const MAX_BUCKETS: usize = 7 * 24 * 60;

/// Devices in a list of the worst at most: more than a page shows.
pub(crate) const MAX_FAILING: usize = 1_000;

/// The least step of a bucket: one second.
const LEAST_STEP: i64 = 1_000_000;

/// Why a question cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SeriesError {
    /// The end is not after the beginning.
    #[error("expected a time range that ends after its beginning")]
    Span,
    /// A step that is none.
    #[error("expected a step of whole seconds, found {0:?}")]
    Step(Duration),
    /// Too many buckets.
    #[error("expected at most {MAX_BUCKETS} steps in the time range, found {0}: take a longer step or a shorter range")]
    Buckets(i64),
}

/// From one time to another, the end not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    from: Micros,
    to: Micros,
}

impl Span {
    /// All times.
    pub(crate) const ALL: Span = Span { from: Micros(i64::MIN), to: Micros(i64::MAX) };

    /// Checks that the end is after the beginning.
    pub(crate) fn new(from: Micros, to: Micros) -> Result<Self, SeriesError> {
        if from < to { Ok(Self { from, to }) } else { Err(SeriesError::Span) }
    }

    /// The first time in it.
    pub(crate) fn from(self) -> Micros {
        self.from
    }

    /// The first time after it.
    pub(crate) fn to(self) -> Micros {
        self.to
    }

    /// Whether a time is in it.
    pub(crate) fn contains(self, time: Micros) -> bool {
        self.from <= time && time < self.to
    }
}

/// Whole steps that cover a span, counted from 1970. Buckets are whole: the span is widened to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Steps {
    span: Span,
    step: i64,
}

impl Steps {
    /// Checks that the step is whole seconds, and that there are no more than [`MAX_BUCKETS`].
    pub(crate) fn new(span: Span, step: Duration) -> Result<Self, SeriesError> {
        let micros = i64::try_from(step.as_micros()).ok().filter(|micros| *micros > 0 && micros % LEAST_STEP == 0);
        let micros = micros.ok_or(SeriesError::Step(step))?;
        let (first, last) = (span.from.0.div_euclid(micros), (span.to.0 - 1).div_euclid(micros));
        let count = last.saturating_sub(first).saturating_add(1);
        if count > MAX_BUCKETS as i64 {
            return Err(SeriesError::Buckets(count));
        }
        let edge = |at: i64| Micros(at.saturating_mul(micros));
        Ok(Self { span: Span { from: edge(first), to: edge(last.saturating_add(1)) }, step: micros })
    }

    /// The hours that a span touches, however many.
    pub(crate) fn hours(span: Span) -> Self {
        const HOUR: i64 = 3_600 * LEAST_STEP;
        let from = span.from.0.div_euclid(HOUR).saturating_mul(HOUR);
        let to = (span.to.0 - 1).div_euclid(HOUR).saturating_add(1).saturating_mul(HOUR);
        Self { span: Span { from: Micros(from), to: Micros(to) }, step: HOUR }
    }

    /// The span, widened to whole steps.
    pub(crate) fn span(self) -> Span {
        self.span
    }

    /// The step, in microseconds.
    pub(crate) fn micros(self) -> i64 {
        self.step
    }

    /// The beginning of the step that a time is in.
    pub(crate) fn start_of(self, time: Micros) -> Micros {
        Micros(time.0.div_euclid(self.step) * self.step)
    }
}

/// What a row is known by, besides its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum RowKey {
    /// A reading without sequence number: its time is its key.
    Time,
    /// A reading with this sequence number.
    Sequence(u64),
    /// No reading came, and that was noticed at this time.
    Silence,
}

/// Where a row stands among a device's rows: by time, then by key. No two rows of a device stand at the same place, and
/// a row's place never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) time: Micros,
    pub(crate) key: RowKey,
}

/// A stored reading with its verdict, or a silence.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) time: Micros,
    pub(crate) key: RowKey,
    /// Sorted by metric. Empty for a silence, and where they were erased.
    pub(crate) values: Vec<(String, f64)>,
    /// Whether the values were erased.
    pub(crate) erased: bool,
    pub(crate) verdict: Verdict,
    /// The index in the log, for an anomaly that has its entry.
    pub(crate) entry: Option<u64>,
}

impl Row {
    /// Where it stands.
    pub(crate) fn position(&self) -> Position {
        Position { time: self.time, key: self.key }
    }

    /// The device's sequence number, where it gave one.
    pub(crate) fn sequence(&self) -> Option<u64> {
        if let RowKey::Sequence(sequence) = self.key { Some(sequence) } else { None }
    }
}

/// In which order a page is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// By time.
    OldestFirst,
    /// Against it.
    NewestFirst,
}

/// A page of a device's readings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageOf {
    /// From when to when.
    pub(crate) span: Span,
    /// Only those with this label.
    pub(crate) label: Option<super::verdict::Label>,
    /// In which order.
    pub(crate) order: Order,
    /// Only those after this place, in that order: the last row of the page before.
    pub(crate) after: Option<Position>,
    /// How many rows; at most [`MAX_ROWS`] are given.
    pub(crate) limit: usize,
}

/// Which readings are to be exported.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Selection<'a> {
    /// Of these devices; of all, if nothing is said.
    pub(crate) devices: Option<&'a [DeviceName]>,
    /// From when to when.
    pub(crate) span: Span,
    /// Only those with this label.
    pub(crate) label: Option<super::verdict::Label>,
}

/// What is summed up of one metric in one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bucket {
    /// The step's beginning.
    pub(crate) start: Micros,
    pub(crate) count: u64,
    pub(crate) sum: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// The value of the latest time in it.
    pub(crate) last: f64,
    /// Readings with this metric that were judged anomalous.
    pub(crate) anomalies: u64,
}

impl Bucket {
    /// The mean.
    pub(crate) fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }
}

/// A device with its findings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failing {
    pub(crate) device: DeviceName,
    pub(crate) anomalies: u64,
    pub(crate) readings: u64,
}

/// Findings of one type and severity in one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FindingCount {
    /// The step's beginning.
    pub(crate) start: Micros,
    pub(crate) r#type: Type,
    pub(crate) severity: Severity,
    pub(crate) count: u64,
}
