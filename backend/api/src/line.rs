//! What the line protocol (TCP) answers: a line of JSON for each line that says something.

use serde::{Deserialize, Serialize};

use crate::{Code, Label, Status};

/// The answer to a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LineAnswer {
    /// Which line of the connection, from 1; empty ones count.
    pub line: u64,
    /// What became of it.
    pub status: Status,
    /// From 0 to 1; absent where it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The verdict; absent where it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// The log entry; absent unless the label is `anomaly`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// Why it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<LineProblem>,
}

/// Why a line was rejected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LineProblem {
    /// For programs.
    pub code: Code,
    /// For people.
    pub detail: String,
}

/// The answer to a hello.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LineWelcome {
    /// Which line of the connection it was.
    pub line: u64,
    /// The version of the protocol that is spoken: 1.
    pub hello: u64,
    /// As whom the connection was recognised, such as `device pump-7`.
    pub caller: String,
}
