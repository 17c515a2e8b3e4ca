//! Network flows: what judges them, and when one of many is reported (docs/decisions/flows.md).
//!
//! A flow is judged by itself, so that its verdict can be computed again from its columns and the model. Only whether it
//! is reported depends on others: an attack is thousands of flows, and one event.

use std::{collections::HashMap, sync::Arc};

use detect::{
    DetectError, Judgement, Severity, TableModel,
    flow::{self, FlowModel},
};
use ledger::{Hash, hash::sha256};

use super::{
    ModelError,
    archive::{Archive, Files},
    detector::Detector,
    finding::{self, Subject},
    models::{SEED, detect_error},
};
use crate::domain::{
    DeviceName, Key, MAX_COLUMNS, Millis, Reading,
    ports::{NewModel, StoreError},
    verdict::{Judged, Label, Refusal, Verdict},
};

/// The profile of flows.
pub(super) const FLOWS: &str = "network-flow";

/// An event is over when no flow of its kind came for so long.
const QUIET_MS: i64 = 60_000;
/// An event that goes on is reported again after so long.
const AGAIN_MS: i64 = 600_000;
/// Keys that a flow tries at most, where others have those before: with 500 flows of a device in one millisecond, one
/// in a million finds none.
const MAX_STEPS: usize = 32;

/// Devices of each kind, and flows of each, from which the built-in model learns: 6,000 flows.
const DEVICES: u32 = 5;
const EACH: usize = 200;

/// Columns that do not depend on how many packets a tool has put into a flow: those that the built-in model judges.
const JUDGED: [&str; 19] = [
    "Header_Length",
    "Protocol Type",
    "Time_To_Live",
    "Rate",
    "fin_flag_number",
    "syn_flag_number",
    "rst_flag_number",
    "psh_flag_number",
    "ack_flag_number",
    "HTTP",
    "HTTPS",
    "DNS",
    "TCP",
    "UDP",
    "Min",
    "Max",
    "AVG",
    "Std",
    "IAT",
];

/// What judges flows, with what is kept beside it.
pub(super) struct FlowJudge {
    pub(super) model: FlowModel,
    /// SHA-256 of its bytes.
    pub(super) hash: Hash,
    version: Arc<str>,
    sample: Hash,
}

impl FlowJudge {
    /// The one that was used last; the built-in one before there was any.
    pub(super) fn load(archive: &Archive) -> Result<Self, ModelError> {
        if let Some(bytes) = archive.current(FLOWS)? {
            match FlowModel::from_bytes(&bytes) {
                Ok(model) => return Self::of(model),
                Err(error @ DetectError::Version { .. }) => {
                    tracing::warn!(profile = FLOWS, %error, "the model is of another version: another is trained");
                    archive.begin_anew(FLOWS)?;
                }
                Err(source) => return Err(detect_error(FLOWS, source)),
            }
        }
        let (model, sample) = built_in().map_err(|source| detect_error(FLOWS, source))?;
        Self::kept(archive, model, Some(&sample))
    }

    /// One that somebody has trained.
    pub(super) fn given(archive: &Archive, bytes: &[u8]) -> Result<Self, ModelError> {
        Self::kept(archive, FlowModel::from_bytes(bytes).map_err(|source| detect_error(FLOWS, source))?, None)
    }

    fn kept(archive: &Archive, model: FlowModel, sample: Option<&str>) -> Result<Self, ModelError> {
        let judge = Self::of(model)?;
        let meta = judge.model.meta_json().map_err(|source| detect_error(FLOWS, source))? + "\n";
        archive.keep(FLOWS, &Files { model: &judge.model.to_bytes(), meta: &meta, sample })?;
        Ok(judge)
    }

    fn of(model: FlowModel) -> Result<Self, ModelError> {
        let malformed = |what, expected: &str, actual: String| {
            detect_error(FLOWS, DetectError::Malformed { what, expected: expected.into(), actual })
        };
        let columns = model.columns();
        if columns.len() > MAX_COLUMNS {
            let expected = format!("at most {MAX_COLUMNS} columns, which a payload can hold");
            return Err(malformed("flow model", &expected, columns.len().to_string()));
        }
        if let Some(name) = columns.iter().find(|name| name.len() > 64) {
            return Err(malformed("flow model", "names of at most 64 bytes", (*name).to_owned()));
        }
        let hash = sha256(&[&model.to_bytes()]);
        let sample = model.training_hash();
        let sample = sample.parse().map_err(|_| malformed("sample hash", "64 hex digits", sample))?;
        let version = format!("{FLOWS}-{}", &hash.to_string()[..12]).into();
        Ok(Self { model, hash, version, sample })
    }

    /// As the log is to record it.
    pub(super) fn new_model(&self) -> NewModel {
        NewModel {
            hash: self.hash,
            version: self.version.to_string(),
            profile: FLOWS.into(),
            bytes: self.model.to_bytes(),
            sample: self.sample,
        }
    }
}

/// A model of what is usual among the simulated flows of devices, and the flows as CSV.
fn built_in() -> Result<(FlowModel, String), DetectError> {
    let place = |name: &&str| simulate::FLOW_COLUMNS.iter().position(|column| column == name);
    let places: Vec<usize> = JUDGED.iter().filter_map(place).collect();
    let (mut rows, mut sample) = (Vec::new(), JUDGED.join(",") + "\n");
    for kind in simulate::flow_devices() {
        for device in 0..DEVICES {
            for flow in simulate::FlowStream::new(kind, device, SEED, 0).into_iter().flatten().take(EACH) {
                let row: Vec<f32> = places.iter().map(|place| flow.columns[*place] as f32).collect();
                sample += &(row.iter().map(f32::to_string).collect::<Vec<_>>().join(",") + "\n");
                rows.extend(row);
            }
        }
    }
    let model = TableModel::train(&JUDGED.map(str::to_owned), &rows, SEED)?;
    Ok((FlowModel::of_usual(model), sample))
}

/// Judges columns that may stand in another order than the model's.
pub(super) fn judge_by_name(model: &FlowModel, columns: &[(String, f64)]) -> Result<Judgement, DetectError> {
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let values: Vec<f64> = model.places(&names)?.into_iter().map(|place| columns[place].1).collect();
    model.judge(&values)
}

/// What goes on among a device's flows, and was reported.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    /// The class, where a classifier named one.
    class: Option<String>,
    severity: Severity,
    reported: Millis,
    last: Millis,
}

impl Told {
    /// Whether this anomalous flow goes on with what was reported.
    fn goes_on(&self, class: Option<&str>, severity: Severity, time: Millis) -> bool {
        time.since(self.last).abs() <= QUIET_MS
            && time.since(self.reported).abs() < AGAIN_MS
            && severity <= self.severity
            && class == self.class.as_deref()
    }
}

impl Detector {
    /// Judges a flow by itself. One that goes on with what was reported is stored with a score just below the limit.
    pub(super) fn judge_flow(&mut self, reading: Reading) -> Result<Judged, Refusal> {
        let (now, judge) = (self.clock.now(), self.models.flows());
        let known = self.known.get_mut(reading.device()).ok_or(Refusal::Unavailable("the device was not read"))?;
        let flow = reading.flow().ok_or(Refusal::Unavailable("the flow was lost"))?;
        let mut judgement = judge_by_name(&judge.model, &flow.columns)
            .map_err(|error| Refusal::Unjudgeable(format!("the flow cannot be judged: {error}")))?;
        if let Some(found) = judgement.finding.take() {
            let (time, class) = (reading.time().millis(), class_of(&found));
            match &mut known.told {
                Some(told) if told.goes_on(class.as_deref(), found.severity, time) => {
                    told.last = time;
                    judgement.score = flow::held(judgement.score);
                }
                told => {
                    *told = Some(Told { class, severity: found.severity, reported: time, last: time });
                    judgement.finding = Some(found);
                }
            }
        }
        let verdict = Verdict {
            score: judgement.score,
            threshold: judgement.threshold,
            label: if judgement.finding.is_some() { Label::Anomaly } else { Label::Normal },
            model_version: Arc::clone(&judge.version),
        };
        let subject = Subject {
            device: known.device.name.as_str(),
            pseudonym: &known.device.pseudonym,
            sequence: None,
            time: reading.time().millis(),
            values: &flow.columns,
            signed: None,
            flow: flow.ends.as_ref(),
        };
        let finding = finding::pending_flow(subject, judge.hash, &known.state, judgement);
        self.take_note(&reading, now);
        Ok(Judged { reading, verdict, finding })
    }

    /// A flow's key is where its content puts it, in its millisecond. Where another flow has that key, the next is tried.
    pub(super) fn find_flow_key(
        &mut self,
        reading: &mut Reading,
        keys: &HashMap<(DeviceName, Key), usize>,
        is_same: impl Fn(usize, &Reading) -> bool,
    ) -> Result<(), StoreError> {
        for _ in 0..MAX_STEPS {
            let taken = match keys.get(&(reading.device().clone(), reading.key())) {
                Some(at) => !is_same(*at, reading),
                None => matches!(self.stored(reading)?, Some(Err(_))),
            };
            if !taken {
                break;
            }
            reading.step_arrival();
        }
        Ok(())
    }
}

/// The class that a classifier has named.
fn class_of(finding: &detect::Finding) -> Option<String> {
    let named = finding.reasons.iter().find(|reason| reason.feature == flow::CLASS);
    named.map(|reason| reason.metric.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_reported_once_and_again_when_it_ends_lasts_or_worsens() {
        let told = Told { class: None, severity: Severity::Warning, reported: Millis(0), last: Millis(500_000) };
        let goes_on = |class, severity, time| told.goes_on(class, severity, Millis(time));
        assert!(goes_on(None, Severity::Warning, 550_000) && goes_on(None, Severity::Info, 499_000));
        assert!(!goes_on(None, Severity::Critical, 550_000));
        assert!(!goes_on(Some("scan"), Severity::Warning, 550_000));
        assert!(!goes_on(None, Severity::Warning, 560_001));
        let long = Told { last: Millis(599_999), ..told };
        assert!(!long.goes_on(None, Severity::Warning, Millis(600_000)));
    }
}
