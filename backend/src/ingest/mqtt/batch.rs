//! Messages that came together go to the pipeline together, and each gets its answer.

use std::num::NonZeroU16;

use api::{Code, Problem, ReadingResult};
use bytes::Bytes;
use rmqtt_codec::v5::PublishAckReason;
use serde::Serialize;

use super::{
    payload,
    topic::{Topic, VERDICTS},
    wire::{Message, Reply},
};
use crate::{
    domain::{DeviceName, Micros, Millis, Reading, verdict::Accepted},
    ingest::readings,
    problem::Fault,
};

/// Messages of a connection that are under way at a time; a client of MQTT 5 is told, and of the others no more are read.
/// With a commit in 5 ms that is 25,000 messages/s for each connection.
pub(super) const WINDOW: u16 = 128;

/// What goes back for a batch.
pub(super) struct Answer {
    pub(super) replies: Vec<Reply>,
    /// Why the first message that was refused was refused.
    pub(super) refused: Option<String>,
}

/// Messages, and their readings in one row.
#[derive(Default)]
pub(super) struct Batch {
    messages: Vec<Pending>,
    readings: Vec<Reading>,
}

/// A message that waits for its answer.
struct Pending {
    id: Option<NonZeroU16>,
    /// How many readings it has, or why it has none.
    readings: Result<usize, (PublishAckReason, Fault)>,
}

/// What is pushed for a reading.
#[derive(Serialize)]
struct Said {
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(flatten)]
    result: ReadingResult,
}

impl Batch {
    /// Whether there is room for another message.
    pub(super) fn is_full(&self) -> bool {
        self.messages.len() >= usize::from(WINDOW) || self.readings.len() >= payload::MAX_READINGS
    }

    /// Whether there is nothing to answer.
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Takes a message in. `me` is the device that sends it, if a device does.
    pub(super) fn add(&mut self, message: &Message, me: Option<&DeviceName>, now: Millis) {
        let readings = match decode(message, me, now) {
            Ok(readings) => {
                let count = readings.len();
                self.readings.extend(readings);
                Ok(count)
            }
            Err(refusal) => Err(refusal),
        };
        self.messages.push(Pending { id: message.id, readings });
    }

    /// The readings, for the pipeline; what is said of them needs their keys, if somebody listens.
    pub(super) fn take_readings(&mut self, told: bool) -> (Vec<Reading>, Vec<Key>) {
        let readings = std::mem::take(&mut self.readings);
        let keys = if told { readings.iter().map(Key::of).collect() } else { Vec::new() };
        (readings, keys)
    }

    /// The answers, when each reading has its result.
    ///
    /// # Errors
    /// If something was not stored that may be stored when it is sent again: then nothing must be acknowledged.
    pub(super) fn answer(
        self,
        results: Vec<Result<Accepted, Fault>>,
        keys: Vec<Key>,
        told: bool,
    ) -> Result<Answer, Fault> {
        let passing = |fault: &&Fault| fault.may_pass() || fault.problem().code == Code::Internal;
        if let Some(fault) = results.iter().filter_map(|result| result.as_ref().err()).find(passing) {
            return Err(fault.clone());
        }
        let (mut replies, mut refused) = (Vec::with_capacity(self.messages.len()), None);
        let (mut results, mut keys) = (results.into_iter(), keys.into_iter());
        for Pending { id, readings } in self.messages {
            let refusal = match readings {
                Err(refusal) => {
                    if told {
                        replies.push(said(None, readings::result(Err(refusal.1.clone()))));
                    }
                    Some(refusal)
                }
                Ok(count) => {
                    let mut first = None;
                    for result in results.by_ref().take(count) {
                        if let (None, Err(fault)) = (&first, &result) {
                            first = Some((reason(fault.problem().code), fault.clone()));
                        }
                        if told {
                            replies.push(said(keys.next(), readings::result(result)));
                        }
                    }
                    first
                }
            };
            let refusal = refusal.map(|(reason, fault)| (reason, fault.problem()));
            refused = refused.or_else(|| refusal.as_ref().map(|(_, problem)| problem.detail.clone()));
            replies.extend(acknowledged(id, refusal));
        }
        Ok(Answer { replies, refused })
    }
}

/// What tells one reading of a connection from another.
pub(super) struct Key {
    device: String,
    time: Micros,
    sequence: Option<u64>,
}

impl Key {
    fn of(reading: &Reading) -> Self {
        Self { device: reading.device().to_string(), time: reading.time(), sequence: reading.sequence() }
    }
}

/// The answer to a message: a refusal is counted, and told where the protocol can.
fn acknowledged(id: Option<NonZeroU16>, refusal: Option<(PublishAckReason, Problem)>) -> Option<Reply> {
    let (reason, why) = match refusal {
        None => (PublishAckReason::Success, None),
        Some((reason, problem)) => {
            count("mqtt", problem.code);
            (reason, Some(problem.detail))
        }
    };
    id.map(|id| Reply::Published { id, reason, why })
}

/// Counts a message that a source has refused.
pub(super) fn count(source: &'static str, code: Code) {
    let name = serde_json::to_value(code).ok();
    let name = name.as_ref().and_then(|name| name.as_str()).unwrap_or_default().to_owned();
    metrics::counter!("messages_refused_total", "source" => source, "code" => name).increment(1);
}

fn said(key: Option<Key>, result: ReadingResult) -> Reply {
    let said = match key {
        Some(Key { device, time, sequence }) => {
            Said { device: Some(device), time: Some(time.millis().to_string()), sequence, result }
        }
        None => Said { device: None, time: None, sequence: None, result },
    };
    let payload = serde_json::to_vec(&said).unwrap_or_default();
    Reply::Publish { topic: VERDICTS, payload: Bytes::from(payload) }
}

/// What MQTT 5 calls a refusal.
fn reason(code: Code) -> PublishAckReason {
    match code {
        Code::Forbidden | Code::Unauthenticated => PublishAckReason::NotAuthorized,
        Code::TooManyRequests => PublishAckReason::QuotaExceeded,
        // A packet of this size is taken, so it is the number of readings.
        Code::InvalidReading | Code::MalformedBody | Code::BodyTooLarge => PublishAckReason::PayloadFormatInvalid,
        _ => PublishAckReason::ImplementationSpecificError,
    }
}

fn decode(message: &Message, me: Option<&DeviceName>, now: Millis) -> Result<Vec<Reading>, (PublishAckReason, Fault)> {
    let malformed = |fault: Fault| (PublishAckReason::PayloadFormatInvalid, fault);
    let unreadable = |error| malformed(Fault::new(Code::MalformedBody, format!("expected UTF-8: {error}")));
    let text = || std::str::from_utf8(&message.payload).map_err(unreadable);
    let readings = match Topic::of(&message.topic) {
        Topic::Own => {
            let nobody = "only a device has a topic of its own: use devices/{name}/readings or v1/gateway/telemetry";
            let me = me.ok_or((PublishAckReason::NotAuthorized, Fault::new(Code::Forbidden, nobody)))?;
            payload::telemetry(text()?, me, now)
        }
        Topic::Gateway => payload::gateway(text()?, now),
        Topic::Readings(name) => {
            let device = DeviceName::new(name).map_err(|error| (PublishAckReason::TopicNameInvalid, error.into()))?;
            payload::readings(text()?, &device, now)
        }
        Topic::Unknown | Topic::Forbidden => {
            let unknown = "no such topic: publish to v1/devices/me/telemetry, v1/gateway/telemetry or \
                           devices/{name}/readings";
            return Err((PublishAckReason::TopicNameInvalid, Fault::new(Code::NotFound, unknown)));
        }
    };
    readings.map_err(|error| malformed(error.into()))
}
