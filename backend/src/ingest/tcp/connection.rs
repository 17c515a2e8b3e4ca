//! One connection: who it is, its lines in order, and how it ends.

use std::time::Duration;

use api::{Code, LineWelcome};
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, ReadHalf},
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};

use super::{
    super::{Intake, decode},
    answers::{Batch, Said, answer},
    lines::{Line, Lines, MAX_LINE, MAX_SKIPPED},
};
use crate::{
    access::{Credentials, Denied, Pass},
    domain::{Reading, ReadingError, access::Caller, log::stopped},
    problem::Fault,
    transport::{Io, Peer},
};

/// Who needs a key says so within this time.
const HELLO: Duration = Duration::from_secs(10);

/// A connection without a line for so long is ended. Who sends more rarely connects anew.
const IDLE: Duration = Duration::from_secs(600);

/// How often it is looked whether a silent connection's key still holds.
const LOOK: Duration = Duration::from_secs(30);

/// What is read at once, and so about what is submitted at once: 650 readings of 100 bytes.
const PIECE: usize = 64 << 10;

/// What an idle connection waits with.
const SMALL: usize = 4 << 10;

/// Lines of a batch at most: the shortest reading takes some 30 bytes, so a piece and a line hold twice as many.
const MAX_BATCH: usize = 2_000;

/// Batches under way at most. While one is being committed the others gather; more would only wait.
const MAX_BATCHES: usize = 8;

/// What is read on from a client whom we have given up, so that it sees our last line and not a broken connection.
const MAX_DRAINED: usize = 1 << 20;

/// How long it is read on.
const DRAIN: Duration = Duration::from_secs(2);

/// The first line, where it is no reading.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hello {
    hello: u64,
    #[serde(default)]
    key: Option<String>,
}

/// Whether a line means to be a hello.
#[derive(Deserialize)]
struct Probe {
    #[serde(default)]
    hello: Option<serde::de::IgnoredAny>,
}

/// Why no more lines are read.
enum End {
    /// The client has said all, or has gone.
    Client,
    /// It is told why in a last line.
    Ours(Fault),
    /// The service stops: what has come is finished.
    Stop,
}

/// Serves a connection to its end.
pub(super) async fn serve(stream: Box<dyn Io>, peer: Peer, intake: Intake, stop: watch::Receiver<bool>) {
    let (stream, answers) = tokio::io::split(stream);
    let (batches, taken) = mpsc::channel(MAX_BATCHES);
    let from = peer.address.ip().to_canonical();
    let shown = peer.device.as_deref().map_or(Credentials::Nothing, Credentials::Certificate);
    let early = intake.gate.admit(shown, from, intake.clock.now());
    let early = early.and_then(|pass| match pass.caller {
        Caller::Nobody => Err(Denied::Anonymous("say hello with a key first")),
        _ => Ok(pass),
    });
    let reader = Reader { stream, lines: Lines::default(), intake, from, early, pass: None, batches };
    tokio::join!(reader.run(stop), answer(answers, taken));
}

struct Reader {
    stream: ReadHalf<Box<dyn Io>>,
    lines: Lines,
    intake: Intake,
    from: std::net::IpAddr,
    /// Who it is without a hello.
    early: Result<Pass, Denied>,
    /// Who it is, since the first line.
    pass: Option<Pass>,
    batches: mpsc::Sender<Batch>,
}

impl Reader {
    /// Reads to the end. What was entered by then is answered by the other half, which ends when this does.
    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let end = self.read(&mut stop).await;
        if let End::Ours(fault) = end {
            let line = self.lines.number().max(1);
            self.intake.refused(&fault);
            let _ = self.batches.send(Batch { lines: vec![Said::Refused(line, fault)], entered: None }).await;
            drop(self.batches);
            let _ = timeout(DRAIN, drain(&mut self.stream)).await;
        }
    }

    async fn read(&mut self, stop: &mut watch::Receiver<bool>) -> End {
        let opened = Instant::now();
        let (mut heard, mut room) = (opened, SMALL);
        loop {
            let anonymous = self.pass.is_none() && self.early.is_err();
            let patience = if anonymous { opened + HELLO } else { heard + IDLE };
            let mut piece = Vec::with_capacity(room);
            tokio::select! {
                biased;
                () = stopped(stop) => return End::Stop,
                read = self.stream.read_buf(&mut piece) => match read {
                    Ok(0) => return self.take(Lines::rest).await.err().unwrap_or(End::Client),
                    Ok(_) => {}
                    Err(_) => return End::Client,
                },
                () = sleep_until(patience.min(Instant::now() + LOOK)) => {
                    if Instant::now() >= patience {
                        return End::Ours(too_late(anonymous, &self.early));
                    }
                    if self.pass.as_ref().is_some_and(|pass| !pass.holds(self.intake.clock.now())) {
                        return End::Ours(Denied::Unknown.into());
                    }
                    continue;
                }
            }
            // Who fills it gets more.
            room = match piece.len() {
                full if full == piece.capacity() => PIECE,
                little if little < SMALL => SMALL,
                _ => room,
            };
            let before = self.lines.number();
            self.lines.push(&piece);
            drop(piece);
            if let Err(end) = self.take(Lines::next).await {
                return end;
            }
            if self.lines.number() > before {
                heard = Instant::now();
            }
        }
    }

    /// Takes lines as long as there are any, in batches.
    async fn take(&mut self, next: fn(&mut Lines) -> Option<Line<'_>>) -> Result<(), End> {
        loop {
            let mut batch = Gathered::default();
            let end = self.gather(next, &mut batch).err();
            let more = batch.lines.len() >= MAX_BATCH;
            self.send(batch).await?;
            match end {
                Some(end) => return Err(end),
                None if more => {}
                None => return Ok(()),
            }
        }
    }

    fn gather(&mut self, next: fn(&mut Lines) -> Option<Line<'_>>, batch: &mut Gathered) -> Result<(), End> {
        while batch.lines.len() < MAX_BATCH {
            let Some(line) = next(&mut self.lines) else { return Ok(()) };
            let text = match line {
                Line::Whole(line) => match std::str::from_utf8(line) {
                    Ok(text) if text.trim().is_empty() => continue,
                    text => text.map_err(|error| Fault::new(Code::MalformedBody, format!("expected UTF-8: {error}"))),
                },
                Line::TooLong => {
                    Err(Fault::new(Code::BodyTooLarge, format!("expected a line of at most {MAX_LINE} bytes")))
                }
                Line::Endless => {
                    let what = format!("a line does not end within {MAX_SKIPPED} bytes: this is not lines of JSON");
                    return Err(End::Ours(Fault::new(Code::BodyTooLarge, what)));
                }
            };
            let text = text.map(str::to_owned);
            let number = self.lines.number();
            let pass = match &self.pass {
                Some(pass) => pass,
                None => match self.begin(text.as_deref(), number).map_err(End::Ours)? {
                    Some(welcome) => {
                        batch.lines.push(Said::Welcome(welcome));
                        continue;
                    }
                    None => self.pass.as_ref().ok_or(End::Client)?,
                },
            };
            let sender = match &pass.caller {
                Caller::Device(name) => Some(name),
                _ => None,
            };
            let now = self.intake.clock.now();
            let decoded = text.and_then(|text| Ok(decode::reading_of(&text, sender, now)?));
            batch.push(number, decoded, &self.intake);
        }
        Ok(())
    }

    /// The first line: a hello, or a reading of somebody who needs none. Somebody who begins with neither is no client
    /// of this protocol but, say, a page that makes a browser send a request here.
    fn begin(&mut self, text: Result<&str, &Fault>, line: u64) -> Result<Option<LineWelcome>, Fault> {
        let text = text.map_err(Clone::clone)?;
        let probe: Probe = decode::object(text.as_bytes()).map_err(|error| not_ours(&error))?;
        if probe.hello.is_none() {
            self.pass = Some(self.early.clone()?);
            return Ok(None);
        }
        let malformed = |what: &dyn std::fmt::Display| {
            Fault::new(Code::MalformedBody, format!("expected {{\"hello\":1,\"key\":\"…\"}}: {what}"))
        };
        let hello: Hello = decode::object(text.as_bytes()).map_err(|error| malformed(&error))?;
        if hello.hello != 1 {
            return Err(malformed(&format!("this service speaks version 1, found {}", hello.hello)));
        }
        let pass = match hello.key.as_deref() {
            Some(key) => self.intake.gate.admit(Credentials::Key(key), self.from, self.intake.clock.now())?,
            None => self.early.clone()?,
        };
        let caller = pass.caller.to_string();
        self.pass = Some(pass);
        Ok(Some(LineWelcome { line, hello: 1, caller }))
    }

    /// Enters a batch, and hands it on to be answered; waits while too much is under way, and so does not read.
    async fn send(&mut self, batch: Gathered) -> Result<(), End> {
        let Gathered { lines, readings } = batch;
        if lines.is_empty() {
            return Ok(());
        }
        let entered = match &self.pass {
            Some(pass) if !readings.is_empty() => match self.intake.enter(pass, readings).await {
                Ok(entered) => Some(entered),
                Err(fault) => return Err(End::Ours(fault)),
            },
            _ => None,
        };
        self.batches.send(Batch { lines, entered }).await.map_err(|_| End::Client)
    }
}

/// A batch that is being gathered.
#[derive(Default)]
struct Gathered {
    lines: Vec<Said>,
    readings: Vec<Reading>,
}

impl Gathered {
    fn push(&mut self, line: u64, decoded: Result<Reading, Fault>, intake: &Intake) {
        self.lines.push(match decoded {
            Ok(reading) => {
                self.readings.push(reading);
                Said::Reading(line)
            }
            Err(fault) => {
                intake.refused(&fault);
                Said::Refused(line, fault)
            }
        });
    }
}

fn not_ours(error: &ReadingError) -> Fault {
    Fault::new(Code::MalformedBody, format!("expected a hello or a reading as the first line: {error}"))
}

fn too_late(anonymous: bool, early: &Result<Pass, Denied>) -> Fault {
    match early {
        Err(denied) if anonymous => denied.clone().into(),
        _ => Fault::new(Code::BodyTimeout, format!("no line came for {} minutes", IDLE.as_secs() / 60)),
    }
}

/// Reads on without keeping anything.
async fn drain(stream: &mut ReadHalf<Box<dyn Io>>) {
    let (mut scrap, mut left) = (vec![0; 4 << 10], MAX_DRAINED);
    while let Ok(read @ 1..) = stream.read(&mut scrap).await {
        left = left.saturating_sub(read);
        if left == 0 {
            return;
        }
    }
}
