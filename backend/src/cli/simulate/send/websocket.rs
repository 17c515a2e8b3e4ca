//! Messages of readings over a WebSocket.

use api::{Code, SocketMessage};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest, http::HeaderValue},
};

use super::{
    Answer, Reading,
    kept::{Failure, Place, Talk},
};

/// Readings of a message: 100 bytes each, so a tenth of the longest that the service takes.
const BATCH: usize = 500;

/// A connection.
pub(super) struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// The next message's.
    id: u64,
}

impl From<tungstenite::Error> for Failure {
    fn from(error: tungstenite::Error) -> Self {
        match error {
            tungstenite::Error::Http(answer) if answer.status().is_client_error() => {
                Self::Refused(format!("the service answers {}", answer.status()))
            }
            error => Self::Passing(error.to_string()),
        }
    }
}

impl Talk for Socket {
    async fn open(place: &Place) -> Result<Self, Failure> {
        let mut request = format!("ws://{}/api/v1/ws", place.address).into_client_request()?;
        if let Some(key) = &place.key {
            let value = HeaderValue::from_str(&format!("Bearer {key}"));
            request.headers_mut().insert("authorization", value.map_err(|error| Failure::Refused(error.to_string()))?);
        }
        let (stream, _) = client_async(request, place.connect().await?).await?;
        Ok(Self { stream, id: 0 })
    }

    async fn talk(&mut self, readings: &[Reading<'_>]) -> Result<Vec<Answer>, Failure> {
        let mut answers = Vec::with_capacity(readings.len());
        for batch in readings.chunks(BATCH) {
            self.id += 1;
            let readings: Vec<_> = batch.iter().map(Reading::json).collect();
            let text = json!({ "type": "readings", "id": self.id, "readings": readings }).to_string();
            self.stream.send(Message::text(text)).await?;
            answers.extend(self.answer().await?);
        }
        Ok(answers)
    }
}

impl Socket {
    /// The answer to the last message. Pings are answered on the way.
    async fn answer(&mut self) -> Result<Vec<Answer>, Failure> {
        loop {
            let text = match self.stream.next().await {
                Some(message) => match message? {
                    Message::Text(text) => text,
                    Message::Close(_) => return Err(Failure::Passing("the service closed the connection".into())),
                    _ => continue,
                },
                None => return Err(Failure::Passing("the connection has ended".into())),
            };
            match serde_json::from_str(text.as_str()) {
                Ok(SocketMessage::Ack { id, results }) if id == Some(self.id) => {
                    return Ok(results.into_iter().map(Answer::from).collect());
                }
                Ok(SocketMessage::Error { code: Code::Unavailable, detail, .. }) => {
                    return Err(Failure::Passing(detail));
                }
                Ok(SocketMessage::Error { detail, .. }) => return Err(Failure::Refused(detail)),
                Ok(_) => {}
                Err(error) => return Err(Failure::Refused(format!("not a message of this service: {error}"))),
            }
        }
    }
}
