//! One series alone, as `detect` judges it by default. Any number of metrics; reads and writes nothing.

use detect::{DetectError, Judgement, Lone, Model, Policy, Value};

/// A detector for one series.
pub(in crate::cli) struct Alone {
    lone: Lone,
    metrics: Vec<String>,
}

impl Alone {
    /// A series with these metrics, by the model for series of which nothing is known.
    pub(in crate::cli) fn new(metrics: &[String], policy: &Policy) -> Result<Self, DetectError> {
        Ok(Self { lone: Lone::new(Lone::SEED)?.under(policy.clone()), metrics: metrics.to_vec() })
    }

    /// As [`new`](Self::new), by another model.
    pub(in crate::cli) fn with(model: Model, metrics: &[String], policy: &Policy) -> Self {
        Self { lone: Lone::with(model).under(policy.clone()), metrics: metrics.to_vec() }
    }

    /// Judges the next row: one number for each metric, NaN where there is none. `None` for a row without numbers.
    pub(in crate::cli) fn push(&mut self, time_ms: i64, numbers: &[f64]) -> Result<Option<Judgement>, DetectError> {
        let present = self.metrics.iter().zip(numbers).filter(|(_, number)| number.is_finite());
        let values: Vec<Value<'_>> = present.map(|(metric, number)| Value { metric, value: *number }).collect();
        if values.is_empty() {
            return Ok(None);
        }
        self.lone.push(time_ms, &values).map(Some)
    }
}
