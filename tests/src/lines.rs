//! A client of the line protocol (TCP) that says any bytes.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

/// How long an answer may take, on a machine under load.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection.
#[derive(Debug)]
pub struct LineClient {
    read: BufReader<OwnedReadHalf>,
    write: Option<OwnedWriteHalf>,
}

impl LineClient {
    /// Connects.
    ///
    /// # Panics
    /// If nobody listens there.
    pub async fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap_or_else(|error| panic!("{address}: {error}"));
        let (read, write) = stream.into_split();
        Self { read: BufReader::new(read), write: Some(write) }
    }

    /// Sends bytes as they are; `false` if the service does not take them any more.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        match &mut self.write {
            Some(write) => timeout(PATIENCE, write.write_all(bytes)).await.is_ok_and(|sent| sent.is_ok()),
            None => false,
        }
    }

    /// Sends a line.
    pub async fn line(&mut self, line: &Value) -> bool {
        self.send(format!("{line}\n").as_bytes()).await
    }

    /// Says that no more follows; answers are still read.
    pub fn finish(&mut self) {
        self.write = None;
    }

    /// The next answer; `None` when the service has closed.
    ///
    /// # Panics
    /// If nothing comes, or no JSON.
    pub async fn answer(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.read.read_line(&mut line)).await.expect("an answer comes in time");
        if read.unwrap_or(0) == 0 {
            return None;
        }
        Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}")))
    }

    /// All answers, to the end.
    pub async fn answers(&mut self) -> Vec<Value> {
        let mut answers = Vec::new();
        while let Some(answer) = self.answer().await {
            answers.push(answer);
        }
        answers
    }

    /// Whether the service closes within this time.
    pub async fn is_closed_within(&mut self, limit: Duration) -> bool {
        let mut rest = Vec::new();
        timeout(limit, self.read.read_to_end(&mut rest)).await.is_ok()
    }
}
