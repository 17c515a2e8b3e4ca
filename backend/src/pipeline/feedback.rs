//! What people say of findings: it moves the device's limit, and is recorded once, beside the finding and in the audit log.
//!
//! It goes through the device's own detector, in its order among the device's readings. What was said first stands: the
//! same again changes nothing, and something else is a conflict.

use ledger::{
    audit::Record,
    entry::{Payload, Type},
};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{Busy, Job, Pipeline, detector::Detector, writer::Slice};
use crate::domain::{
    DeviceName, Millis,
    ports::StoreError,
    verdict::{Feedback, FeedbackVerdict, Refusal},
};

/// What was said of a finding, and of which device it is.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) feedback: Feedback,
    pub(crate) device: DeviceName,
    /// How sure the detector's model was, from [`model_score`]; `None` where a limit of people spoke alone.
    pub(crate) score: Option<f64>,
    /// When the finding was recorded, by the service's clock.
    pub(crate) recorded: Millis,
    /// Who said it, and from where, for the audit log.
    pub(crate) by: (String, String),
}

/// What limits of people are called in the reasons of a finding.
const LIMITS: [&str; 5] = ["above", "below", "outside", "rate_of_change", "no_data"];

/// How sure the model was of a finding. A limit of people is not the model's mistake, however often it speaks up for
/// nothing: `None` where there is no other reason.
pub(crate) fn model_score(payload: &Payload) -> Option<f64> {
    if payload.r#type != Type::Threshold {
        return payload.score.as_str().parse().ok();
    }
    let own = payload.reasons.iter().filter(|reason| !LIMITS.contains(&reason.feature.as_str()));
    own.filter_map(|reason| reason.score.as_str().parse().ok()).max_by(f64::total_cmp)
}

/// The same on its way to the device's detector.
pub(super) struct FeedbackJob {
    said: Said,
    reply: oneshot::Sender<Result<Feedback, Refusal>>,
    /// Given back when the job is dropped, answered or not.
    _under_way: OwnedSemaphorePermit,
}

impl Pipeline {
    /// Keeps what was said of a finding. When this returns what stands, it is on disk, and in the audit log.
    pub(crate) async fn feedback(&self, said: Said) -> Result<Result<Feedback, Refusal>, Busy> {
        let shard = &self.shards[self.shard(&said.device)];
        let permit = std::sync::Arc::clone(&self.under_way).try_acquire_owned().map_err(|_| Busy)?;
        let (reply, answer) = oneshot::channel();
        shard.send(Job::Feedback(FeedbackJob { said, reply, _under_way: permit })).map_err(|_| Busy)?;
        let stopping = Refusal::Unavailable("the service is stopping: send it again");
        Ok(answer.await.unwrap_or(Err(stopping)))
    }
}

impl Detector {
    /// Keeps what was said, unless something was said before.
    pub(super) fn hear(&mut self, job: FeedbackJob) {
        let FeedbackJob { said, reply, .. } = job;
        // Nobody may be waiting any more; it is stored all the same.
        let _ = reply.send(self.heard(said));
    }

    fn heard(&mut self, said: Said) -> Result<Feedback, Refusal> {
        let Said { feedback, device, score, recorded, by } = said;
        let unreadable = |error: StoreError| {
            tracing::error!(%error, "detection cannot read the store");
            Refusal::Unavailable("the store cannot be read now: send it again")
        };
        match self.store.feedback(feedback.index).map_err(unreadable)? {
            Some(first) if first.verdict == feedback.verdict => return Ok(first),
            Some(first) => return Err(Refusal::SaidOtherwise(first.index)),
            None => {}
        }
        // A log that was restored from the chain knows findings of devices that have not sent since.
        if let Some(score) = score
            && self.learn_stored(&device).map_err(unreadable)?
            && let Some(known) = self.known.get_mut(&device)
        {
            known.state.feedback(heard(feedback.verdict), score);
            if !std::mem::replace(&mut known.changed, true) {
                self.changed.push(device.clone());
            }
        }
        let record = record(&feedback, by);
        let slice = Slice { feedback: vec![(feedback.clone(), record)], ..Slice::default() };
        self.commit(slice).map_err(Refusal::Unavailable)?;
        if let (FeedbackVerdict::Real, Some(offers)) = (feedback.verdict, &self.offers) {
            offers.confirmed(device, recorded);
        }
        Ok(feedback)
    }
}

fn heard(verdict: FeedbackVerdict) -> detect::Feedback {
    match verdict {
        FeedbackVerdict::FalseAlarm => detect::Feedback::FalseAlarm,
        FeedbackVerdict::Real => detect::Feedback::Real,
    }
}

/// The audit log's record of it. The comment is not in it: it is erased with the payload, the audit log stays.
fn record(feedback: &Feedback, (who, from): (String, String)) -> Record {
    let verdict = match feedback.verdict {
        FeedbackVerdict::FalseAlarm => "false_alarm",
        FeedbackVerdict::Real => "real",
    };
    Record::new(
        feedback.at.to_time(),
        who,
        from,
        "feedback.give".into(),
        format!("entry {}", feedback.index),
        verdict.into(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_limit_of_people_says_nothing_of_the_model() {
        let vector = include_str!("../../../tests/vectors/entry/explained.json");
        let vector: serde_json::Value = serde_json::from_str(vector).unwrap();
        let payload = Payload::from_bytes(vector["payload"].as_str().unwrap().as_bytes()).unwrap();
        let scored = |r#type, features: &[(&str, f64)]| {
            let reason = &payload.reasons[0];
            let reasons = features.iter().map(|(feature, score)| ledger::entry::Reason {
                feature: (*feature).to_owned(),
                score: ledger::text::Decimal::new(*score).unwrap(),
                ..reason.clone()
            });
            let score = ledger::text::Decimal::new(0.9).unwrap();
            let mut payload = payload.clone();
            (payload.r#type, payload.score, payload.reasons) = (r#type, score, reasons.collect());
            model_score(&payload)
        };
        assert_eq!(scored(Type::Point, &[("jump", 0.7)]), Some(0.9));
        assert_eq!(scored(Type::Threshold, &[("above", 0.9), ("jump", 0.6), ("drift", 0.7)]), Some(0.7));
        for limit in LIMITS {
            assert_eq!(scored(Type::Threshold, &[(limit, 0.9)]), None);
        }
    }
}
