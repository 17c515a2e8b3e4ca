//! The ways to the service. What a protocol's bytes mean is the libraries' matter; here is who sends what over which
//! connection, and what came back.

mod http;
mod kept;
#[cfg(feature = "mqtt")]
mod mqtt;
mod tcp;
mod websocket;

use std::collections::BTreeMap;

use api::{Code, Label, LineAnswer, ReadingResult, Status};
use futures_util::{StreamExt, stream};
use serde_json::{Map, Value, json};

use super::{
    super::{
        WrongUse,
        client::{Client, ClientError},
    },
    args::{Args, Protocol},
    device::{Device, Part, Sent},
    keys::Keys,
};
use crate::domain::Millis;
use http::{Form, Http};
use kept::{Kept, Place};

/// Connections at most: the service's listeners take 1,024 of lines, and the system lets a process open as many files.
const MAX_CONNECTIONS: usize = 1_000;

/// Requests and batches under way at a time: enough to share a commit, and a fourth of what the service takes from one
/// address.
const AT_ONCE: usize = 256;

/// A reading in any protocol.
pub(super) struct Reading<'a> {
    device: &'a str,
    /// None for that of its arrival.
    time: Option<Millis>,
    values: &'a [(&'static str, f64)],
}

/// What the service says of a reading.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// What became of it.
    pub(super) status: Status,
    /// The verdict; none where it was refused, or the protocol does not tell.
    pub(super) label: Option<Label>,
    /// Why it was refused.
    pub(super) problem: Option<(Code, String)>,
}

/// Why nothing more can be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// Over HTTP.
    #[error(transparent)]
    Http(#[from] ClientError),
    /// A connection cannot be opened any more, or broke too often.
    #[error("{place}: {why}")]
    Broken {
        /// Where.
        place: String,
        /// What is the matter.
        why: String,
    },
}

/// A connection, or what requests of one caller have in common.
enum Channel {
    Http(Http),
    Tcp(Kept<tcp::Lines>),
    WebSocket(Box<Kept<websocket::Socket>>),
    #[cfg(feature = "mqtt")]
    Mqtt(Box<Kept<mqtt::Session>>),
}

/// All connections, and which device sends over which.
pub(super) struct Wire {
    channels: Vec<Channel>,
    of: Vec<usize>,
}

impl Reading<'_> {
    /// As JSON, as `POST /api/v1/readings` takes it.
    fn json(&self) -> Value {
        let mut reading = json!({ "device": self.device, "metrics": self.members() });
        if let Some(time) = self.time {
            reading["time"] = time.to_string().into();
        }
        reading
    }

    fn members(&self) -> Map<String, Value> {
        self.values.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
    }
}

impl From<ReadingResult> for Answer {
    fn from(ReadingResult { status, judgement, problem }: ReadingResult) -> Self {
        let problem = problem.map(|problem| (problem.code, problem.detail));
        Self { status, label: judgement.map(|judgement| judgement.label), problem }
    }
}

impl From<LineAnswer> for Answer {
    fn from(LineAnswer { status, label, problem, .. }: LineAnswer) -> Self {
        Self { status, label, problem: problem.map(|problem| (problem.code, problem.detail)) }
    }
}

impl Wire {
    /// For these devices; opens nothing yet.
    pub(super) fn new(args: &Args, devices: &[Device], keys: &Keys) -> Result<Self, Box<dyn std::error::Error>> {
        let connected = !matches!(args.protocol, Protocol::Http | Protocol::Line);
        let of_readings = devices.iter().filter(|device| !device.has_flows()).count();
        if connected && keys.are_own() && of_readings > MAX_CONNECTIONS {
            let why = "devices with keys of their own over connections: use --protocol http, or a token of their owner";
            return Err(WrongUse(format!("expected at most {MAX_CONNECTIONS} {why}")).into());
        }
        let (mut channels, mut known, mut of) = (Vec::new(), BTreeMap::new(), Vec::with_capacity(devices.len()));
        for (at, device) in devices.iter().enumerate() {
            let key = keys.of(&device.name).map(str::to_owned);
            // Requests are the same connection whoever sends; connections are the device's, as far as there are enough.
            let number = (connected && !device.has_flows()).then_some(at % MAX_CONNECTIONS);
            let channel = match known.get(&(device.has_flows(), number, key.clone())) {
                Some(channel) => *channel,
                None => {
                    channels.push(channel(args, device.has_flows(), number, key.clone())?);
                    known.insert((device.has_flows(), number, key), channels.len() - 1);
                    channels.len() - 1
                }
            };
            of.push(channel);
        }
        Ok(Self { channels, of })
    }

    /// Sends readings and gives the answers in their order. Readings of one device arrive in theirs.
    pub(super) async fn send(
        &mut self,
        devices: &[Device],
        batch: &[Sent],
        live: bool,
    ) -> Result<Vec<Answer>, SendError> {
        let mut parts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, sent) in batch.iter().enumerate() {
            parts.entry(self.of[sent.device]).or_default().push(at);
        }
        let channels = self.channels.iter_mut().enumerate();
        let busy = channels.filter_map(|(at, channel)| Some((channel, parts.remove(&at)?)));
        let send = busy.map(|(channel, part)| async move {
            let readings: Vec<Reading<'_>> = part.iter().map(|at| reading(devices, &batch[*at], live)).collect();
            channel.send(&readings).await.map(|answers| part.into_iter().zip(answers).collect::<Vec<_>>())
        });
        let mut answered: BTreeMap<usize, Answer> = BTreeMap::new();
        let mut under_way = stream::iter(send).buffer_unordered(AT_ONCE);
        while let Some(answers) = under_way.next().await {
            answered.extend(answers?);
        }
        Ok(answered.into_values().collect())
    }
}

fn reading<'a>(devices: &'a [Device], sent: &'a Sent, live: bool) -> Reading<'a> {
    let device = &devices[sent.device];
    // Flows come when they come: only their past has times of its own.
    let time = (!(live && device.has_flows())).then_some(Millis(sent.sample.time_ms));
    let name = if matches!(sent.part, Part::As(_)) { &device.victim } else { &device.name };
    Reading { device: name, time, values: &sent.sample.values }
}

fn channel(
    args: &Args,
    flows: bool,
    number: Option<usize>,
    key: Option<String>,
) -> Result<Channel, Box<dyn std::error::Error>> {
    let Some(number) = number else {
        let form = match args.protocol {
            _ if flows => Form::Flows,
            Protocol::Line => Form::Lines,
            _ => Form::Readings,
        };
        return Ok(Channel::Http(Http::new(Client::new(&args.url)?.with_key(key), form)));
    };
    let place = |port| Place::new(args, port, number, key);
    Ok(match args.protocol {
        Protocol::Tcp => Channel::Tcp(Kept::at(place(9_000)?)),
        #[cfg(feature = "mqtt")]
        Protocol::Mqtt => Channel::Mqtt(Box::new(Kept::at(place(1_883)?))),
        Protocol::Http | Protocol::Line | Protocol::Websocket => {
            Channel::WebSocket(Box::new(Kept::at(place(args.url.port_or_known_default().unwrap_or(80))?)))
        }
    })
}

impl Channel {
    async fn send(&mut self, readings: &[Reading<'_>]) -> Result<Vec<Answer>, SendError> {
        match self {
            Self::Http(http) => Ok(http.send(readings).await?),
            Self::Tcp(lines) => lines.send(readings).await,
            Self::WebSocket(socket) => socket.send(readings).await,
            #[cfg(feature = "mqtt")]
            Self::Mqtt(session) => session.send(readings).await,
        }
    }
}
