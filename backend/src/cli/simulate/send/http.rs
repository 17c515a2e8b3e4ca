//! Readings, lines of InfluxDB's protocol, and flows, as requests.

use std::fmt::Write;

use api::{Code, Status};
use serde_json::Value;

use super::{
    super::super::client::{Client, ClientError},
    Answer, Reading,
};

/// Readings of a request: enough to be fast, few enough to show progress.
const BATCH: usize = 500;

/// What a request's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// JSON for `/api/v1/readings`.
    Readings,
    /// InfluxDB's lines.
    Lines,
    /// JSON for `/api/v1/flows`.
    Flows,
}

/// Requests of one caller.
pub(super) struct Http {
    client: Client,
    form: Form,
}

impl Http {
    /// Sends by this client.
    pub(super) fn new(client: Client, form: Form) -> Self {
        Self { client, form }
    }

    /// Sends readings, one request after the other.
    pub(super) async fn send(&mut self, readings: &[Reading<'_>]) -> Result<Vec<Answer>, ClientError> {
        let mut answers = Vec::with_capacity(readings.len());
        for batch in readings.chunks(BATCH) {
            match self.form {
                Form::Lines => answers.extend(self.lines(batch).await?),
                form => {
                    let (path, body): (_, Value) = match form {
                        Form::Flows => ("/api/v1/flows", batch.iter().map(flow).collect()),
                        _ => ("/api/v1/readings", batch.iter().map(Reading::json).collect()),
                    };
                    let answer = self.client.post(path, "application/json", serde_json::to_vec(&body)?).await?;
                    answers.extend(answer.results.into_iter().map(Answer::from));
                }
            }
        }
        Ok(answers)
    }

    /// Of lines the answer is one for all; which of them are refused is found out by sending each again by itself: the
    /// others are duplicates then.
    async fn lines(&self, batch: &[Reading<'_>]) -> Result<Vec<Answer>, ClientError> {
        let stored = Answer { status: Status::Stored, label: None, problem: None };
        if self.write(batch).await?.is_none() {
            return Ok(vec![stored; batch.len()]);
        }
        let mut answers = Vec::with_capacity(batch.len());
        for reading in batch {
            answers.push(match self.write(std::slice::from_ref(reading)).await? {
                None => stored.clone(),
                Some(problem) => Answer { status: Status::Rejected, label: None, problem: Some(problem) },
            });
        }
        Ok(answers)
    }

    async fn write(&self, batch: &[Reading<'_>]) -> Result<Option<(Code, String)>, ClientError> {
        let text: String = batch.iter().map(line).collect();
        let written = self.client.post_text("/api/v2/write?precision=ms", "text/plain", text.into_bytes()).await;
        match written {
            Ok(_) => Ok(None),
            Err(ClientError::Refused { status: 403, detail, .. }) => Ok(Some((Code::Forbidden, detail))),
            Err(ClientError::Refused { status: 400 | 422, detail, .. }) => Ok(Some((Code::InvalidReading, detail))),
            Err(error) => Err(error),
        }
    }
}

fn flow(reading: &Reading<'_>) -> Value {
    let mut flow = reading.members();
    flow.insert("device".into(), reading.device.into());
    if let Some(time) = reading.time {
        flow.insert("time".into(), time.to_string().into());
    }
    Value::Object(flow)
}

fn line(reading: &Reading<'_>) -> String {
    let mut line = format!("simulated,device={}", reading.device);
    for (at, (name, value)) in reading.values.iter().enumerate() {
        // Writing to a text does not fail.
        let _ = write!(line, "{}{name}={value:?}", if at == 0 { ' ' } else { ',' });
    }
    if let Some(time) = reading.time {
        let _ = write!(line, " {}", time.0);
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Millis;

    #[test]
    fn a_reading_is_a_line_or_a_flow() {
        let values = [("humidity", 40.0), ("temperature", 21.5)];
        let reading = Reading { device: "weather-1", time: Some(Millis(1_767_225_600_000)), values: &values };
        assert_eq!(line(&reading), "simulated,device=weather-1 humidity=40.0,temperature=21.5 1767225600000\n");
        let flow = flow(&Reading { time: None, ..reading });
        assert_eq!(flow, serde_json::json!({"device": "weather-1", "humidity": 40.0, "temperature": 21.5}));
    }
}
