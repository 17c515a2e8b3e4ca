//! A connection that is opened when it is needed, and again when it breaks: what was not acknowledged is then sent again,
//! and what was stored nevertheless is recognised by its time.

use std::{
    io,
    time::{Duration, Instant},
};

use api::Code;
use tokio::{net::TcpStream, time::timeout};

use super::{
    super::{super::WrongUse, args::Args},
    Answer, Reading, SendError,
};

/// How long it is tried to get an answer, with new connections: longer than a restart of the service takes.
const RETRY_FOR: Duration = Duration::from_secs(30);

/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// A service that has not answered a batch by then is as good as down.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a connection goes to, and who is there.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// `HOST:PORT`.
    pub(super) address: String,
    /// What is shown.
    pub(super) key: Option<String>,
    /// Which of the connections this is.
    pub(super) number: usize,
}

/// How a connection fails.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// It may go better with another one.
    #[error("{0}")]
    Passing(String),
    /// The service does not want it.
    #[error("{0}")]
    Refused(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Passing(error.to_string())
    }
}

/// A protocol over a connection.
pub(super) trait Talk: Sized {
    /// Opens a connection, and says who is there.
    async fn open(place: &Place) -> Result<Self, Failure>;

    /// Sends readings, and gives their answers in their order.
    async fn talk(&mut self, readings: &[Reading<'_>]) -> Result<Vec<Answer>, Failure>;
}

/// A connection and the way to have another one.
pub(super) struct Kept<T> {
    place: Place,
    open: Option<T>,
}

impl Place {
    /// As the arguments say; without an address, this port of the service's host.
    pub(super) fn new(args: &Args, port: u16, number: usize, key: Option<String>) -> Result<Self, WrongUse> {
        if args.url.scheme() != "http" {
            let why = "http:// with this protocol: connections by TLS are not simulated, --protocol http and line are";
            return Err(WrongUse(format!("expected an address that begins with {why}")));
        }
        let host = args.url.host_str().unwrap_or_default();
        let address = args.address.clone().unwrap_or_else(|| format!("{host}:{port}"));
        Ok(Self { address, key, number })
    }

    /// Connects.
    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl<T: Talk> Kept<T> {
    /// Not open yet.
    pub(super) fn at(place: Place) -> Self {
        Self { place, open: None }
    }

    /// Sends readings, over a new connection where the old one fails.
    pub(super) async fn send(&mut self, readings: &[Reading<'_>]) -> Result<Vec<Answer>, SendError> {
        let give_up = Instant::now() + RETRY_FOR;
        loop {
            let late = |_| Failure::Passing(format!("no answer within {} s", PATIENCE.as_secs()));
            let why = match timeout(PATIENCE, self.attempt(readings)).await.map_err(late).flatten() {
                Ok(answers) => return Ok(answers),
                Err(failure) => failure,
            };
            self.open = None;
            let passing = matches!(why, Failure::Passing(_)) && Instant::now() < give_up;
            if !passing {
                let place = format!("connection {} to {}", self.place.number + 1, self.place.address);
                return Err(SendError::Broken { place, why: why.to_string() });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn attempt(&mut self, readings: &[Reading<'_>]) -> Result<Vec<Answer>, Failure> {
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(T::open(&self.place).await?),
        };
        let answers = open.talk(readings).await?;
        let busy = |answer: &&Answer| matches!(answer.problem, Some((Code::Unavailable, _)));
        match answers.iter().find(busy) {
            Some(_) => Err(Failure::Passing("the service is busy".into())),
            None => Ok(answers),
        }
    }
}
