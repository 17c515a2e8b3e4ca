//! A WebSocket client by another hand than the service's.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, protocol::frame::coding::CloseCode},
};

/// How long a message may take, on a machine under load.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection.
#[derive(Debug)]
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Opens one at the service with this address (`http://…`).
    ///
    /// # Panics
    /// If it is refused.
    pub async fn open(url: &str) -> Self {
        Self::open_with(url, &[]).await.unwrap_or_else(|status| panic!("refused: {status}"))
    }

    /// Opens one with these header fields.
    ///
    /// # Errors
    /// The status of the refusal.
    ///
    /// # Panics
    /// If nobody answers.
    pub async fn open_with(url: &str, headers: &[(&'static str, &str)]) -> Result<Self, u16> {
        let url = format!("{}/api/v1/ws", url.replacen("http", "ws", 1));
        let mut request = url.into_client_request().expect("an address");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a header"));
        }
        match connect_async(request).await {
            Ok((stream, _)) => Ok(Self(stream)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Says a message; `false` if the connection is gone.
    pub async fn say(&mut self, message: &Value) -> bool {
        self.text(message.to_string()).await
    }

    /// Says any text; `false` if the connection is gone.
    pub async fn text(&mut self, text: String) -> bool {
        self.send(Message::text(text)).await
    }

    /// Sends any message; `false` if the connection is gone.
    pub async fn send(&mut self, message: Message) -> bool {
        timeout(PATIENCE, self.0.send(message)).await.is_ok_and(|sent| sent.is_ok())
    }

    /// The next message; or the close code when the service has closed, `None` if it said none.
    ///
    /// # Errors
    /// The close code.
    ///
    /// # Panics
    /// If nothing comes.
    pub async fn hear(&mut self) -> Result<api::SocketMessage, Option<u16>> {
        // For all of it: pings come whether or not anything else does.
        let until = Instant::now() + PATIENCE;
        loop {
            let message = timeout_at(until, self.0.next()).await.expect("a message comes in time");
            match message {
                Some(Ok(Message::Text(text))) => {
                    return Ok(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")));
                }
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame: _| CloseCode::into(frame.code))),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// Says a message, and gives the next one.
    ///
    /// # Panics
    /// If the connection is gone.
    pub async fn ask(&mut self, message: &Value) -> api::SocketMessage {
        assert!(self.say(message).await, "the connection is gone");
        self.hear().await.unwrap_or_else(|code| panic!("closed: {code:?}"))
    }
}
