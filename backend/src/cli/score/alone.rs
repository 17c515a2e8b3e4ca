//! One series alone: no device, no profile, no service. Any number of metrics; splits them, since a device's state
//! holds only so many. Reads and writes nothing.

use detect::{DetectError, DeviceState, Judgement, Label, Model, Policy, ReadingView, Value};

use crate::pipeline::{ModelError, built_in};

/// Metrics that are judged together.
const TOGETHER: usize = 12;

/// A detector for one series.
pub(in crate::cli) struct Alone {
    model: Model,
    /// One for each group of metrics.
    states: Vec<DeviceState>,
    metrics: Vec<String>,
}

impl Alone {
    /// A series with these metrics, sorted and unique, judged by the built-in model for unknown devices.
    pub(in crate::cli) fn new(metrics: &[String], policy: &Policy) -> Result<Self, ModelError> {
        Ok(Self::with(built_in("generic")?, metrics, policy))
    }

    /// As [`new`](Self::new), by another model.
    pub(in crate::cli) fn with(model: Model, metrics: &[String], policy: &Policy) -> Self {
        let states = vec![DeviceState::with_policy(policy); metrics.len().div_ceil(TOGETHER)];
        Self { model, states, metrics: metrics.to_vec() }
    }

    /// Judges the next row: one number for each metric, NaN where there is none. `None` for a row without numbers.
    ///
    /// With several groups of metrics the highest score is the row's, and the findings become one.
    pub(in crate::cli) fn push(&mut self, time_ms: i64, numbers: &[f64]) -> Result<Option<Judgement>, DetectError> {
        let mut whole: Option<Judgement> = None;
        let groups = self.metrics.chunks(TOGETHER).zip(numbers.chunks(TOGETHER));
        for (state, (metrics, numbers)) in self.states.iter_mut().zip(groups) {
            let present = metrics.iter().zip(numbers).filter(|(_, number)| number.is_finite());
            let values: Vec<Value<'_>> = present.map(|(metric, number)| Value { metric, value: *number }).collect();
            if values.is_empty() {
                continue;
            }
            let judgement = detect::judge_in_place(&self.model, state, &ReadingView { time_ms, values: &values })?;
            whole = Some(match whole {
                None => judgement,
                Some(whole) => stronger(whole, judgement),
            });
        }
        Ok(whole)
    }
}

/// Two judgements about the same row.
fn stronger(one: Judgement, other: Judgement) -> Judgement {
    let (mut strong, weak) = if other.score > one.score { (other, one) } else { (one, other) };
    if strong.finding.is_none() {
        strong.finding = weak.finding;
    }
    if strong.finding.is_some() {
        strong.label = Label::Anomaly;
    } else if weak.label == Label::Normal {
        strong.label = Label::Normal;
    }
    strong
}
