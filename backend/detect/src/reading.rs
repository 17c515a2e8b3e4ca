//! What is judged: one reading of one device. Does not know devices, sequences or clocks.

use crate::DetectError;

/// One metric's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value<'a> {
    /// The metric's name, not empty.
    pub metric: &'a str,
    /// A finite number in the metric's own unit.
    pub value: f64,
}

/// One reading, borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReadingView<'a> {
    /// Milliseconds since 1970-01-01T00:00:00 UTC. May repeat or go backwards: such a reading is
    /// judged as the next one in sequence, and the device's clock in the state does not move back.
    pub time_ms: i64,
    /// At least one value, sorted by metric name (byte order), each name once.
    pub values: &'a [Value<'a>],
}

impl ReadingView<'_> {
    /// Checks what the type cannot say.
    pub(crate) fn check(&self) -> Result<(), DetectError> {
        if self.values.is_empty() {
            return Err(DetectError::Empty { what: "the reading", expected: "value" });
        }
        for value in self.values {
            if value.metric.is_empty() {
                return Err(DetectError::Empty { what: "a metric's name", expected: "character" });
            }
            if !value.value.is_finite() {
                return Err(DetectError::NotFinite { metric: value.metric.to_owned(), actual: value.value });
            }
        }
        for pair in self.values.windows(2) {
            if pair[0].metric >= pair[1].metric {
                return Err(DetectError::Order { first: pair[0].metric.to_owned(), second: pair[1].metric.to_owned() });
            }
        }
        Ok(())
    }
}
