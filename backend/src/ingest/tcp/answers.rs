//! The way back: answers in the order of the lines, after the commit.

use std::time::Duration;

use api::{LineAnswer, LineProblem, LineWelcome, Status};
use serde::Serialize;
use tokio::{
    io::{AsyncWriteExt, WriteHalf},
    sync::mpsc,
};

use super::super::Entered;
use crate::{domain::verdict::Accepted, problem::Fault, transport::Io};

/// A client that has taken nothing for so long does not read answers. Its readings are still taken.
const PATIENCE: Duration = Duration::from_secs(30);

/// Lines that were taken together.
pub(super) struct Batch {
    /// In their order.
    pub(super) lines: Vec<Said>,
    /// The readings among them.
    pub(super) entered: Option<Entered>,
}

/// What is said of a line.
pub(super) enum Said {
    /// A hello that was heard.
    Welcome(LineWelcome),
    /// A line that is not taken.
    Refused(u64, Fault),
    /// The line with this number is the batch's next reading.
    Reading(u64),
}

/// Answers all batches, then closes the writing side.
pub(super) async fn answer(mut stream: WriteHalf<Box<dyn Io>>, mut batches: mpsc::Receiver<Batch>) {
    let mut heard = true;
    while let Some(Batch { lines, entered }) = batches.recv().await {
        let results = match entered {
            Some(entered) => entered.results().await,
            None => Vec::new(),
        };
        if heard {
            heard = write(&mut stream, render(lines, results).as_bytes()).await;
        }
    }
    let _ = tokio::time::timeout(PATIENCE, stream.shutdown()).await;
}

fn render(lines: Vec<Said>, results: Vec<Result<Accepted, Fault>>) -> String {
    let mut results = results.into_iter();
    let mut text = String::new();
    for said in lines {
        match said {
            Said::Welcome(welcome) => put(&mut text, &welcome),
            Said::Refused(line, fault) => put(&mut text, &refused(line, &fault)),
            Said::Reading(line) => match results.next() {
                Some(Ok(accepted)) => put(&mut text, &taken(line, accepted)),
                Some(Err(fault)) => put(&mut text, &refused(line, &fault)),
                None => put(&mut text, &refused(line, &Fault::new(api::Code::Internal, "no result"))),
            },
        }
    }
    text
}

fn put(text: &mut String, answer: &impl Serialize) {
    // It is made of texts and numbers: it can be written.
    text.push_str(&serde_json::to_string(answer).unwrap_or_default());
    text.push('\n');
}

fn taken(line: u64, accepted: Accepted) -> LineAnswer {
    LineAnswer {
        line,
        status: if accepted.duplicate { Status::Duplicate } else { Status::Stored },
        score: Some(accepted.verdict.score),
        label: Some(accepted.verdict.label),
        index: accepted.index,
        problem: None,
    }
}

fn refused(line: u64, fault: &Fault) -> LineAnswer {
    let problem = fault.problem();
    let problem = Some(LineProblem { code: problem.code, detail: problem.detail });
    LineAnswer { line, status: Status::Rejected, score: None, label: None, index: None, problem }
}

/// Writes all of it; `false` if the client does not take it.
async fn write(stream: &mut WriteHalf<Box<dyn Io>>, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        match tokio::time::timeout(PATIENCE, stream.write(bytes)).await {
            Ok(Ok(written)) if written > 0 => bytes = &bytes[written..],
            _ => return false,
        }
    }
    matches!(tokio::time::timeout(PATIENCE, stream.flush()).await, Ok(Ok(())))
}
