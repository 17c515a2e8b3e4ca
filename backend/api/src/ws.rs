//! What `GET /api/v1/ws` says (docs/websocket.md). A message is one JSON text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Anomaly, Code, Judgement, LedgerStatus, ReadingResult};

/// What can be listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feed {
    /// Anomalies that have just been committed.
    Anomalies,
    /// The verdict on each reading that has just been committed.
    Verdicts,
    /// The log or the chain has moved.
    Ledger,
}

/// A reading with its verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceVerdict {
    /// The device's name.
    pub device: String,
    /// Time of the reading (RFC 3339, UTC).
    pub time: String,
    /// The device's own count; absent where it gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// The values.
    pub metrics: BTreeMap<String, f64>,
    /// The verdict.
    pub judgement: Judgement,
}

/// What the service says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SocketMessage {
    /// The answer to a hello.
    Hello {
        /// As whom the connection was recognised, such as `device pump-7`.
        caller: String,
    },
    /// The answer to readings, after the commit.
    Ack {
        /// The id of the message that brought them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        /// One for each reading, in their order, as `POST /api/v1/readings` answers.
        results: Vec<ReadingResult>,
    },
    /// From now on the feed is sent.
    Subscribed {
        /// The subscription.
        id: u64,
    },
    /// The feed is not sent any more.
    Unsubscribed {
        /// The subscription.
        id: u64,
    },
    /// An anomaly. Of a device that the caller may not read: without what its payload says.
    Anomaly {
        /// The subscription.
        id: u64,
        /// The anomaly.
        anomaly: Box<Anomaly>,
    },
    /// A verdict.
    Verdict {
        /// The subscription.
        id: u64,
        /// The verdict, with its reading.
        verdict: Box<DeviceVerdict>,
    },
    /// Where log and chain stand.
    Ledger {
        /// The subscription.
        id: u64,
        /// Where they stand.
        ledger: Box<LedgerStatus>,
    },
    /// The client was too slow, or the service was: some messages of a feed are lost. The list has them.
    Lagged {
        /// Of which feed.
        feed: Feed,
        /// How many events at least, before any filter.
        missed: u64,
    },
    /// Something was not done.
    Error {
        /// The id of the message that asked for it, where it had one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        /// Why, for programs.
        code: Code,
        /// Why, for people.
        detail: String,
    },
}
