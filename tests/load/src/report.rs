//! What came of a load, as one line of JSON.

use std::time::Duration;

use serde_json::{Value, json};

use crate::process::Usage;

/// What one connection has sent.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// How long each answer took, in microseconds.
    pub(crate) answers: Vec<u32>,
    /// Readings that were taken.
    pub(crate) readings: u64,
    /// How often the service was busy, and was tried again.
    pub(crate) busy: u64,
    /// What ended it early.
    pub(crate) failure: Option<String>,
}

impl Sent {
    /// One that has sent nothing, and why.
    pub(crate) fn failed(why: String) -> Self {
        Self { failure: Some(why), ..Self::default() }
    }

    /// Notes an answer.
    pub(crate) fn answered(&mut self, took: Duration, readings: u64) {
        self.answers.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        self.readings += readings;
    }
}

/// What all of them have sent.
#[derive(Debug, Default)]
pub(crate) struct Report {
    total: Sent,
    failures: u64,
}

impl Report {
    pub(crate) fn add(&mut self, sent: Sent) {
        self.total.answers.extend(sent.answers);
        self.total.readings += sent.readings;
        self.total.busy += sent.busy;
        self.failures += u64::from(sent.failure.is_some());
        self.total.failure = self.total.failure.take().or(sent.failure);
    }

    /// Whether something was refused or lost.
    pub(crate) fn failed(&self) -> bool {
        self.failures > 0
    }

    /// All of it, rates by the time that it took.
    pub(crate) fn line(&mut self, took: Duration, before: Usage, after: Usage, idle: usize) -> Value {
        self.total.answers.sort_unstable();
        let (answers, seconds) = (&self.total.answers, took.as_secs_f64());
        let at = |share: f64| {
            let place = (answers.len().saturating_sub(1) as f64 * share).round() as usize;
            answers.get(place).map_or(0.0, |micros| f64::from(*micros) / 1_000.0)
        };
        let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
        let share = |used: f64| used / (seconds * cores);
        json!({
            "seconds": seconds,
            "requests": answers.len(),
            "readings": self.total.readings,
            "readings_per_second": self.total.readings as f64 / seconds,
            "points_per_second": self.total.readings as f64 * 3.0 / seconds,
            "p50_ms": at(0.5), "p99_ms": at(0.99), "p999_ms": at(0.999), "max_ms": at(1.0),
            "busy": self.total.busy,
            "idle_connections": idle,
            "generator_share": share(after.own - before.own),
            "service_share": share(after.service - before.service),
            "service_mib_before": before.resident as f64 / 1_048_576.0,
            "service_mib_after": after.resident as f64 / 1_048_576.0,
            "failures": self.failures,
            "failure": self.total.failure,
        })
    }
}
