//! Lines of JSON over TCP, and an answer line for each.

use api::{LineAnswer, LineWelcome, Status};
use serde::de::DeserializeOwned;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
};

use super::{
    Answer, Reading,
    kept::{Failure, Place, Talk},
};

/// The longest answer: a reason has a few hundred bytes.
const MAX_ANSWER: u64 = 64 << 10;

/// A connection.
pub(super) struct Lines {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
}

impl Talk for Lines {
    async fn open(place: &Place) -> Result<Self, Failure> {
        let (read, mut write) = place.connect().await?.into_split();
        let mut read = BufReader::new(read);
        if let Some(key) = &place.key {
            let hello = serde_json::json!({ "hello": 1, "key": key });
            write.write_all(format!("{hello}\n").as_bytes()).await?;
            let line = line(&mut read).await?;
            if serde_json::from_str::<LineWelcome>(&line).is_err() {
                let why = read_as::<LineAnswer>(&line)?.problem.map_or(line, |problem| problem.detail);
                return Err(Failure::Refused(why));
            }
        }
        Ok(Self { read, write })
    }

    async fn talk(&mut self, readings: &[Reading<'_>]) -> Result<Vec<Answer>, Failure> {
        let Self { read, write } = self;
        let text: String = readings.iter().map(|reading| format!("{}\n", reading.json())).collect();
        let say = async { Ok::<_, Failure>(write.write_all(text.as_bytes()).await?) };
        let hear = async {
            let mut answers = Vec::with_capacity(readings.len());
            while answers.len() < readings.len() {
                let answer: LineAnswer = read_as(&line(read).await?)?;
                if answer.status == Status::Rejected && answer.problem.is_none() {
                    return Err(Failure::Refused("a line was rejected without a reason".into()));
                }
                answers.push(answer.into());
            }
            Ok(answers)
        };
        // Both at once: who does not read answers is not read either, in the end.
        let ((), answers) = tokio::try_join!(say, hear)?;
        Ok(answers)
    }
}

async fn line(read: &mut BufReader<OwnedReadHalf>) -> Result<String, Failure> {
    let mut line = String::new();
    read.take(MAX_ANSWER).read_line(&mut line).await?;
    match line.ends_with('\n') {
        true => Ok(line),
        false => Err(Failure::Passing("the connection ended before an answer did".into())),
    }
}

fn read_as<T: DeserializeOwned>(line: &str) -> Result<T, Failure> {
    serde_json::from_str(line).map_err(|error| Failure::Refused(format!("not an answer of this service: {error}")))
}
