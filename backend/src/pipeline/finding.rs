//! From a judgement to what the log says of it: the one place where a reading is put before the detector, and where
//! a finding becomes a payload. The pipeline and `rescore` both go through it, so they cannot come to differ.
//!
//! Stores nothing and looks nothing up.

use detect::{DetectError, DeviceState, Finding, Judgement, Model, ReadingView, Row, Value};
use ledger::{
    Hash,
    entry::{Judged, Payload, Severity, Type},
    hash::sha256,
    signed::Signed,
    text::{Decimal, Id, TextError},
};

use crate::domain::{
    Millis,
    verdict::{MetricValue, PendingFinding, Reason},
};

/// What is judged, as far as a payload speaks of it.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    /// The device's name.
    pub(super) device: &'a str,
    /// Its name in the public log.
    pub(super) pseudonym: &'a str,
    /// The reading's sequence number, where the device gives one.
    pub(super) sequence: Option<u64>,
    /// The reading's time. What is finer than a millisecond is no matter of the detector.
    pub(super) time: Millis,
    /// The values, sorted by metric, each metric once.
    pub(super) values: &'a [(String, f64)],
    /// The device's signature, where it gave one that holds.
    pub(super) signed: Option<Signed>,
    /// Between whom, where it is a network flow.
    pub(super) flow: Option<&'a ledger::entry::Flow>,
}

/// Judges a reading, and gives the state that includes it.
pub(super) fn judge(
    model: &Model,
    state: &DeviceState,
    subject: Subject<'_>,
) -> Result<(Judgement, DeviceState), DetectError> {
    let values: Vec<Value<'_>> = subject.values.iter().map(|(metric, value)| Value { metric, value: *value }).collect();
    detect::judge(model, state, &ReadingView { time_ms: subject.time.0, values: &values })
}

/// The row that a training sample would take from a reading, after this state.
pub(super) fn row(state: &DeviceState, subject: Subject<'_>) -> Option<Row> {
    let values: Vec<Value<'_>> = subject.values.iter().map(|(metric, value)| Value { metric, value: *value }).collect();
    detect::row_of(state, &ReadingView { time_ms: subject.time.0, values: &values })
}

/// The values that a payload records, as the detector takes them.
pub(super) fn values(payload: &Payload) -> Vec<(String, f64)> {
    // A decimal that was read is a number.
    let value = |value: &ledger::entry::MetricValue| value.value.as_str().parse().unwrap_or_default();
    payload.values.iter().map(|read| (read.metric.clone(), value(read))).collect()
}

/// The time that a payload records.
pub(super) fn time(payload: &Payload) -> Millis {
    // A time that was read has its form.
    Millis::parse(payload.time.as_str()).unwrap_or(Millis(0))
}

/// The row of the reading that a payload records, after the state that is kept with it.
pub(super) fn row_of_payload(state: &DeviceState, payload: &Payload) -> Option<Row> {
    let (values, time) = (values(payload), time(payload));
    let device = &payload.device;
    row(
        state,
        Subject { device, pseudonym: "", sequence: payload.sequence, time, values: &values, signed: None, flow: None },
    )
}

/// What is said of a device that sends nothing, of those metrics that are named; and the state in which it was said.
pub(super) fn silence<'a>(
    state: &DeviceState,
    names: impl Iterator<Item = &'a str> + Clone,
    now: Millis,
) -> Option<(Said, DeviceState)> {
    let mut next = state.clone();
    let finding = next.silence_of(names, now.0)?;
    let score = finding.reasons.first().map_or(SILENCE_THRESHOLD, |reason| reason.score);
    Some((Said { score, threshold: SILENCE_THRESHOLD, finding: Some(finding) }, next))
}

/// Of a silence no model is asked; its score stands on the scale of all others, on which 0.5 is the limit.
const SILENCE_THRESHOLD: f64 = 0.5;

/// What came of judging, as far as a payload speaks of it.
pub(super) struct Said {
    pub(super) score: f64,
    pub(super) threshold: f64,
    pub(super) finding: Option<Finding>,
}

impl From<Judgement> for Said {
    fn from(judgement: Judgement) -> Self {
        Self { score: judgement.score, threshold: judgement.threshold, finding: judgement.finding }
    }
}

/// What waits to become an entry, if there is a finding. `state` is the one before the reading, `hash` the model's.
pub(super) fn pending(
    subject: Subject<'_>,
    model: &Model,
    hash: Hash,
    state: &DeviceState,
    said: impl Into<Said>,
) -> Option<PendingFinding> {
    let unit = |metric: &str| {
        let spec = model.metrics().iter().find(|spec| spec.name() == metric);
        spec.map_or_else(String::new, |spec| spec.unit().to_owned())
    };
    pending_with(subject, &unit, hash, state, said.into())
}

/// The same of a flow, whose columns have no units.
pub(super) fn pending_flow(
    subject: Subject<'_>,
    hash: Hash,
    state: &DeviceState,
    said: Judgement,
) -> Option<PendingFinding> {
    pending_with(subject, &|_| String::new(), hash, state, said.into())
}

fn pending_with(
    subject: Subject<'_>,
    unit: &dyn Fn(&str) -> String,
    hash: Hash,
    state: &DeviceState,
    said: Said,
) -> Option<PendingFinding> {
    let Said { score, threshold, finding } = said;
    let finding = finding?;
    let value =
        |(metric, value): &(String, f64)| MetricValue { metric: metric.clone(), unit: unit(metric), value: *value };
    let kept = state.to_bytes();
    Some(PendingFinding {
        device: subject.device.to_owned(),
        pseudonym: subject.pseudonym.to_owned(),
        sequence: subject.sequence,
        time_ms: subject.time.0,
        values: subject.values.iter().map(value).collect(),
        r#type: kind(finding.kind),
        severity: severity(finding.severity),
        score,
        threshold,
        reasons: finding.reasons.into_iter().map(reason).collect(),
        sentence: finding.sentence,
        model: hash.to_string(),
        state: sha256(&[&kept]).to_string(),
        kept_state: Some(kept),
        signed: subject.signed,
        flow: subject.flow.cloned(),
    })
}

fn kind(kind: detect::Kind) -> Type {
    match kind {
        detect::Kind::Point => Type::Point,
        detect::Kind::Contextual => Type::Contextual,
        detect::Kind::ChangePoint => Type::ChangePoint,
        detect::Kind::Threshold => Type::Threshold,
    }
}

fn severity(severity: detect::Severity) -> Severity {
    match severity {
        detect::Severity::Info => Severity::Info,
        detect::Severity::Warning => Severity::Warning,
        detect::Severity::Critical => Severity::Critical,
    }
}

fn reason(reason: detect::Reason) -> Reason {
    Reason {
        metric: reason.metric,
        unit: reason.unit,
        value: reason.value,
        expected: Some(reason.expected),
        expected_low: reason.expected_low,
        expected_high: reason.expected_high,
        feature: reason.feature.to_owned(),
        score: reason.score,
        probability: Some(reason.probability),
        contribution: Some(reason.contribution),
    }
}

/// The payload of a finding, for the entry with this identifier.
pub(super) fn payload(id: Id, finding: &PendingFinding) -> Result<Payload, EncodeError> {
    let values = finding.values.iter().map(|value| {
        let (metric, unit) = (value.metric.clone(), value.unit.clone());
        Ok(ledger::entry::MetricValue { metric, unit, value: Decimal::new(value.value)? })
    });
    let reasons = finding.reasons.iter().map(|reason| {
        Ok(ledger::entry::Reason {
            metric: reason.metric.clone(),
            unit: reason.unit.clone(),
            value: decimal(reason.value)?,
            expected: reason.expected.map(decimal).transpose()?,
            expected_low: decimal(reason.expected_low)?,
            expected_high: decimal(reason.expected_high)?,
            feature: reason.feature.clone(),
            score: decimal(reason.score)?,
            probability: reason.probability.map(decimal).transpose()?,
            contribution: reason.contribution.map(decimal).transpose()?,
        })
    });
    let judged = Judged {
        r#type: finding.r#type,
        severity: finding.severity,
        score: decimal(finding.score)?,
        threshold: decimal(finding.threshold)?,
        reasons: reasons.collect::<Result<_, TextError>>()?,
        sentence: finding.sentence.clone(),
        model: finding.model.parse()?,
        state: finding.state.parse()?,
    };
    let time = Millis(finding.time_ms).to_time();
    let values = values.collect::<Result<_, TextError>>()?;
    let mut payload = Payload::new(id, finding.device.clone(), finding.sequence, time, values, judged);
    payload.signed = finding.signed;
    payload.flow = finding.flow.clone();
    Ok(payload)
}

/// A computed number: negative zero and subnormal results are zero for our purposes.
fn decimal(value: f64) -> Result<Decimal, TextError> {
    Decimal::new(if value.abs() < f64::MIN_POSITIVE { 0.0 } else { value })
}

/// A finding cannot become a payload, or a row of the queue no entry. It is a fault of this program: both come from it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EncodeError {
    #[error(transparent)]
    Text(#[from] TextError),
    #[error(transparent)]
    Hash(#[from] ledger::hash::HashTextError),
    #[error(transparent)]
    Entry(#[from] ledger::entry::EntryError),
}
