//! Computes a past verdict again: from the payload's reading, the detector's state before it, and the model.
//!
//! It goes the way that the pipeline went ([`super::finding`]) and compares what comes out with what was recorded, to
//! the last digit. It fetches nothing, and it does not examine whether the log holds the entry: `verify` does.

use std::fmt;

use detect::{DetectError, DeviceState, Label, Model, flow::FlowModel};
use ledger::{
    Hash,
    entry::{Entry, EntryError, Payload, Reason, commitment},
    evidence::Bundle,
    hash::sha256,
};
use serde::Serialize;

use super::{
    finding::{self, EncodeError, Subject},
    flows,
};

/// What came of computing a verdict again.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rescored {
    /// The same payload, byte for byte.
    Same(Box<Payload>),
    /// Another verdict than was recorded.
    Differs(Difference),
}

/// The first member in which the verdict of now is not the one that was recorded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Difference {
    /// Its name in docs/spec/entry.md, such as `score` or `reasons[0].expected`; `label` where there is no finding now.
    pub(crate) member: String,
    /// As it was recorded.
    pub(crate) recorded: String,
    /// As it was computed now.
    pub(crate) computed: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: recorded {}, computed {}", self.member, self.recorded, self.computed)
    }
}

/// Why a verdict cannot be computed again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RescoreError {
    /// The entry is no finding, or cannot be read.
    #[error("expected an entry of kind anomaly, found {0}")]
    Entry(String),
    /// Erased, or not disclosed.
    #[error("the bundle brings no payload: it was erased, or is not disclosed")]
    NoPayload,
    /// The payload is not what the entry commits to.
    #[error("the entry commits to {expected}, salt and payload give {actual}")]
    Commitment {
        /// In the entry.
        expected: Hash,
        /// Computed.
        actual: Hash,
    },
    /// The payload cannot be read.
    #[error("the payload: {0}")]
    Payload(#[source] EntryError),
    /// None was kept.
    #[error(
        "the bundle brings no state of the detector: the finding is older than states are kept, or was restored \
             from the chain"
    )]
    NoState,
    /// Another state than the payload names.
    #[error("the payload names the state {expected}, the bundle brings {actual}")]
    State {
        /// In the payload.
        expected: Hash,
        /// Of the bytes.
        actual: Hash,
    },
    /// Another model than the payload names.
    #[error("the payload names the model {expected}, given is {actual}")]
    Model {
        /// In the payload.
        expected: Hash,
        /// Of the bytes.
        actual: Hash,
    },
    /// This program's detector cannot read model or state, or judge the reading: another version made them.
    #[error("{what}: {source}")]
    Detect {
        /// What was refused.
        what: &'static str,
        /// Why.
        source: DetectError,
    },
    /// What was computed now is no payload.
    #[error("what was computed is no payload: {0}")]
    Encode(#[from] EncodeError),
}

/// The hash of the model that judged: whoever brings the model looks for it by this.
///
/// # Errors
/// [`RescoreError`], where the bundle discloses no finding.
pub(crate) fn model_of(bundle: &Bundle) -> Result<Hash, RescoreError> {
    recorded(bundle).map(|payload| payload.model)
}

/// Judges the reading of a bundle again, with the state that the bundle brings and the bytes of the model that its
/// payload names, and compares.
///
/// # Errors
/// [`RescoreError`], where the parts are not at hand, or are not those that the entry commits to.
pub(crate) fn rescore(bundle: &Bundle, model: &[u8]) -> Result<Rescored, RescoreError> {
    let recorded = recorded(bundle)?;
    let state = bundle.state.as_ref().ok_or(RescoreError::NoState)?;
    let (model_hash, state_hash) = (sha256(&[model]), sha256(&[state]));
    if state_hash != recorded.state {
        return Err(RescoreError::State { expected: recorded.state, actual: state_hash });
    }
    if model_hash != recorded.model {
        return Err(RescoreError::Model { expected: recorded.model, actual: model_hash });
    }
    let state = DeviceState::from_bytes(state).map_err(|source| RescoreError::Detect { what: "the state", source })?;

    let (values, time) = (finding::values(&recorded), finding::time(&recorded));
    // The pseudonym stands in the entry alone.
    let subject = Subject {
        device: &recorded.device,
        pseudonym: "",
        sequence: recorded.sequence,
        time,
        values: &values,
        signed: recorded.signed,
        flow: recorded.flow.as_ref(),
    };
    let refused = |source| RescoreError::Detect { what: "the model", source };
    let finding = if FlowModel::is_one(model) {
        let model = FlowModel::from_bytes(model).map_err(refused)?;
        let judgement = flows::judge_by_name(&model, &values)
            .map_err(|source| RescoreError::Detect { what: "the flow", source })?;
        let label = judgement.label;
        finding::pending_flow(subject, model_hash, &state, judgement).ok_or(label)
    } else if recorded.values.is_empty() {
        let model = Model::from_bytes(model).map_err(refused)?;
        // No reading came: that is the finding. Which metrics were meant, its reasons say.
        let names = recorded.reasons.iter().map(|reason| reason.metric.as_str());
        let said = finding::silence(&state, names, time).map(|(said, _)| said);
        said.and_then(|said| finding::pending(subject, &model, model_hash, &state, said)).ok_or(Label::Normal)
    } else {
        let model = Model::from_bytes(model).map_err(refused)?;
        let (judgement, _) = finding::judge(&model, &state, subject)
            .map_err(|source| RescoreError::Detect { what: "the reading", source })?;
        let label = judgement.label;
        finding::pending(subject, &model, model_hash, &state, judgement).ok_or(label)
    };
    let finding = match finding {
        Ok(finding) => finding,
        Err(label) => return Ok(Rescored::Differs(no_finding(label))),
    };
    let computed = finding::payload(recorded.entry.clone(), &finding)?;
    Ok(match difference(&recorded, &computed) {
        Some(difference) => Rescored::Differs(difference),
        None => Rescored::Same(Box::new(recorded)),
    })
}

/// The payload that the bundle's entry commits to.
fn recorded(bundle: &Bundle) -> Result<Payload, RescoreError> {
    let anomaly = match Entry::from_bytes(&bundle.entry) {
        Ok(Entry::Anomaly(anomaly)) => anomaly,
        Ok(other) => return Err(RescoreError::Entry(format!("one of kind {}", other.kind()))),
        Err(error) => return Err(RescoreError::Entry(error.to_string())),
    };
    let disclosure = bundle.disclosure.as_ref().ok_or(RescoreError::NoPayload)?;
    let actual = commitment(&disclosure.salt, &disclosure.payload);
    if actual != anomaly.commitment {
        return Err(RescoreError::Commitment { expected: anomaly.commitment, actual });
    }
    Payload::from_bytes(&disclosure.payload).map_err(RescoreError::Payload)
}

fn no_finding(label: Label) -> Difference {
    let computed = if label == Label::WarmingUp { "warming_up" } else { "normal" };
    Difference { member: "label".into(), recorded: "anomaly".into(), computed: computed.into() }
}

/// The first member in which two payloads differ, what is asked for most first. All members are compared.
fn difference(recorded: &Payload, computed: &Payload) -> Option<Difference> {
    let of = |member: &str, recorded: String, computed: String| {
        (recorded != computed).then(|| Difference { member: member.into(), recorded, computed })
    };
    of("score", recorded.score.to_string(), computed.score.to_string())
        .or_else(|| of("threshold", recorded.threshold.to_string(), computed.threshold.to_string()))
        .or_else(|| of("type", json(&recorded.r#type), json(&computed.r#type)))
        .or_else(|| of("severity", json(&recorded.severity), json(&computed.severity)))
        .or_else(|| of("reasons", recorded.reasons.len().to_string(), computed.reasons.len().to_string()))
        .or_else(|| {
            let mut pairs = recorded.reasons.iter().zip(&computed.reasons).enumerate();
            pairs.find_map(|(at, (recorded, computed))| reason(at, recorded, computed))
        })
        .or_else(|| of("sentence", recorded.sentence.clone(), computed.sentence.clone()))
        .or_else(|| of("payload", json(recorded), json(computed)))
}

/// The first member in which the reasons at this place differ.
fn reason(at: usize, recorded: &Reason, computed: &Reason) -> Option<Difference> {
    let members = |reason: &Reason| match serde_json::to_value(reason) {
        Ok(serde_json::Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    };
    let (recorded, computed) = (members(recorded), members(computed));
    let shown = |value: Option<&serde_json::Value>| match value {
        None => "nothing".to_owned(),
        Some(value) => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    };
    let names: std::collections::BTreeSet<&String> = recorded.keys().chain(computed.keys()).collect();
    names.into_iter().find(|name| recorded.get(*name) != computed.get(*name)).map(|name| Difference {
        member: format!("reasons[{at}].{name}"),
        recorded: shown(recorded.get(name)),
        computed: shown(computed.get(name)),
    })
}

/// A value as it stands in a payload.
fn json(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
