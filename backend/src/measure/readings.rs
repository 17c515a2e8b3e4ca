//! Readings each of which is a finding: stations whose thermometers run away.
//!
//! A detector reports an event once, and again whenever the evidence has doubled. So the value more than doubles with
//! each reading, until it is as absurd as evidence can be; then the next station takes over.

use crate::domain::{Clock, DeviceName, Millis, Reading, SystemClock, reading::ReadingError};

/// Readings of a station until its value is as absurd as the detector counts: evidence ends at a million ranges.
const ESCALATIONS: u64 = 12;

/// The first value, and by how much the next one is larger.
const FIRST: f64 = 10_000.0;
const STEP: f64 = 2.1;

/// Readings of findings, without end.
pub(super) struct Readings {
    name: String,
    next: u64,
    now: Millis,
}

impl Readings {
    /// Those of stations with this name before their numbers.
    pub(super) fn new(name: String) -> Self {
        Self { name, next: 0, now: SystemClock.now() }
    }

    /// The next ones, of stations that nobody has heard of: batches may overtake each other.
    pub(super) fn take(&mut self, count: usize) -> Result<Vec<Reading>, ReadingError> {
        self.next = self.next.next_multiple_of(ESCALATIONS);
        (0..count)
            .map(|_| {
                let (station, sequence) = (self.next / ESCALATIONS, self.next % ESCALATIONS);
                self.next += 1;
                let device = DeviceName::new(&format!("{}-{station:07}", self.name))?;
                let time = Millis(1_767_600_000_000 + sequence as i64 * 60_000);
                let wave = (self.next % 200) as f64 / 100.0;
                let values = vec![
                    ("humidity".to_owned(), 50.0 - wave),
                    ("pressure".to_owned(), 1_013.0 + wave / 2.0),
                    ("temperature".to_owned(), FIRST * STEP.powi(sequence as i32)),
                ];
                Reading::new(device, Some(time.into()), Some(sequence), values, self.now)
            })
            .collect()
    }
}
