//! What a connection wants to hear, and whether it may.

use api::{Anomaly, DeviceVerdict, Feed};

use super::message::{Severity, Wanted};
use crate::{
    access::Gate,
    domain::{
        DeviceName, ReadingError,
        access::{Action, Caller, Reach},
        verdict::Recorded,
    },
    ingest::readings::judgement,
};

/// Names in a subscription at most: 64 × 128 bytes, 16 subscriptions, so 128 KiB for a connection that uses all.
const MAX_DEVICES: usize = 64;

/// One subscription.
pub(super) struct Subscription {
    pub(super) id: u64,
    pub(super) feed: Feed,
    devices: Option<Vec<DeviceName>>,
    severity: Option<Severity>,
    min_score: Option<f64>,
}

/// Why there can be no such subscription.
#[derive(Debug, thiserror::Error)]
pub(super) enum Impossible {
    #[error(transparent)]
    Device(#[from] ReadingError),
    #[error("expected 1 to {MAX_DEVICES} devices, or none named for all, found {0}")]
    Devices(usize),
}

impl TryFrom<Wanted<'_>> for Subscription {
    type Error = Impossible;

    fn try_from(wanted: Wanted<'_>) -> Result<Self, Impossible> {
        let Wanted { id, feed, devices, severity, min_score } = wanted;
        if let Some(names) = devices.as_ref().filter(|names| !(1..=MAX_DEVICES).contains(&names.len())) {
            return Err(Impossible::Devices(names.len()));
        }
        let devices = devices.map(|names| names.iter().map(|name| DeviceName::new(name)).collect());
        Ok(Self { id, feed, devices: devices.transpose()?, severity, min_score })
    }
}

impl Subscription {
    /// Whether it asks for this anomaly. One whose payload the caller may not read is not asked about its device or
    /// score: a filter would tell what is not shown.
    pub(super) fn wants_anomaly(&self, anomaly: &Anomaly, readable: bool) -> bool {
        self.feed == Feed::Anomalies
            && self.severity.is_none_or(|least| severity(&anomaly.severity).is_some_and(|severity| severity >= least))
            && match readable {
                true => self.wants(&anomaly.device, anomaly.score),
                false => self.devices.is_none() && self.min_score.is_none(),
            }
    }

    /// Whether it asks for this verdict.
    pub(super) fn wants_verdict(&self, recorded: &Recorded) -> bool {
        self.feed == Feed::Verdicts && self.wants(recorded.reading.device().as_str(), recorded.accepted.verdict.score)
    }

    fn wants(&self, device: &str, score: f64) -> bool {
        let named = |names: &Vec<DeviceName>| names.iter().any(|name| name.as_str() == device);
        self.devices.as_ref().is_none_or(named) && self.min_score.is_none_or(|least| score >= least)
    }
}

fn severity(name: &str) -> Option<Severity> {
    match name {
        "info" => Some(Severity::Info),
        "warning" => Some(Severity::Warning),
        "critical" => Some(Severity::Critical),
        _ => None,
    }
}

/// Whether the caller may read the findings of the device that an anomaly names. One whose payload is gone or damaged
/// does not say whose it is.
pub(super) fn may_read(gate: &Gate, caller: &Caller, anomaly: &Anomaly) -> bool {
    match caller.may(Action::ReadFindings) {
        None => false,
        Some(Reach::All) => true,
        Some(Reach::Own) => {
            DeviceName::new(&anomaly.device).is_ok_and(|device| gate.may(caller, Action::ReadFindings, &device).is_ok())
        }
    }
}

/// A verdict as it is told.
pub(super) fn verdict(recorded: &Recorded) -> DeviceVerdict {
    let Recorded { reading, accepted } = recorded;
    DeviceVerdict {
        device: reading.device().to_string(),
        time: reading.time().millis().to_time().to_string(),
        sequence: reading.sequence(),
        metrics: reading.values().iter().cloned().collect(),
        judgement: judgement(accepted.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::ws::message::{self, Said};

    fn subscription(members: &str) -> Subscription {
        let text = format!("{{\"type\":\"subscribe\",\"id\":1,\"feed\":\"anomalies\"{members}}}");
        let Ok(Said::Subscribe(wanted)) = message::read(&text) else { panic!("{text}") };
        wanted.try_into().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn anomaly(device: &str, severity: &str, score: f64) -> Anomaly {
        serde_json::from_value(serde_json::json!({
            "index": 1, "id": "i", "state": "pending", "device": device, "time": "t", "recorded": "r",
            "type": "point", "severity": severity, "score": score, "threshold": 0.5, "sentence": "s",
            "reasons": [], "values": [], "model_version": "m",
        }))
        .unwrap()
    }

    #[test]
    fn filters_by_device_severity_and_score() {
        let all = subscription("");
        let some = subscription(r#","devices":["a","b"],"severity":"warning","min_score":0.8"#);
        for (device, severity, score, wanted) in [
            ("a", "warning", 0.8, true),
            ("b", "critical", 0.9, true),
            ("c", "critical", 0.9, false),
            ("a", "info", 0.9, false),
            ("a", "warning", 0.7, false),
        ] {
            let anomaly = anomaly(device, severity, score);
            assert!(all.wants_anomaly(&anomaly, true));
            assert_eq!(some.wants_anomaly(&anomaly, true), wanted, "{anomaly:?}");
        }
    }

    #[test]
    fn filters_tell_nothing_of_what_is_not_shown() {
        let anomaly = anomaly("a", "critical", 0.9);
        assert!(subscription("").wants_anomaly(&anomaly, false));
        assert!(subscription(r#","severity":"warning""#).wants_anomaly(&anomaly, false));
        for filter in [r#","devices":["a"]"#, r#","devices":["b"]"#, r#","min_score":0.1"#, r#","min_score":0.95"#] {
            assert!(!subscription(filter).wants_anomaly(&anomaly, false), "{filter}");
        }
    }
}
