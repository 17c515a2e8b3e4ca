//! The client of an existing broker. It subscribes with QoS 1 under a name that the broker remembers, and acknowledges
//! after the commit: what it has not acknowledged the broker sends again. Speaks MQTT 3.1.1, which all brokers do.

mod frames;
mod link;
mod map;

use std::{io, num::NonZeroU16, time::Duration};

use bytes::BytesMut;
use bytestring::ByteString;
use futures_util::future::BoxFuture;
use rmqtt_codec::{
    error::{DecodeError, EncodeError},
    types::{Protocol, Publish, QoS},
    v3,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::watch,
    time::{Instant, timeout},
};
use tokio_util::codec::Encoder;

use super::batch::count;
use crate::{
    access::{Credentials, Denied, Pass},
    config::Broker,
    domain::Reading,
    ingest::{Intake, Source},
    problem::Fault,
    transport::Io,
};
use frames::{Frame, Frames};

/// A broker answers a connection, and the client's pings, within this.
const PATIENCE: Duration = Duration::from_secs(10);

/// After the first failure it is tried again this soon, then after twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// And no later than this: a broker that is back is found within a minute.
const LAST_PAUSE: Duration = Duration::from_secs(60);

/// Messages that go to the pipeline together; brokers have some twenty under way, if they are not told otherwise.
const MAX_TOGETHER: usize = 1_024;

/// Read at a time.
const CHUNK: usize = 16 << 10;

/// A refused message is logged no sooner than this after the last one; all of them are counted.
const QUIET: Duration = Duration::from_secs(10);

/// Where the client connects from, for the audit log: it is a part of the service.
const HERE: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// A client of one broker.
pub(crate) struct BrokerClient {
    broker: Broker,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the broker did not answer within {PATIENCE:?}")]
    Silent(#[from] tokio::time::error::Elapsed),
    #[error("the broker sent what is not MQTT 3.1.1: {0}")]
    Broken(#[from] DecodeError),
    #[error("a packet could not be written: {0}")]
    Unwritten(#[from] EncodeError),
    #[error("the broker refuses the connection: {0}")]
    Refused(&'static str),
    #[error("the broker refuses the subscription to {0}")]
    Unsubscribed(String),
    #[error("expected {0}, and the broker sent another packet")]
    Unexpected(&'static str),
    #[error("the token that readings are sent with: {0}")]
    Token(#[from] Denied),
    #[error("readings could not be stored: {}", .0.problem().detail)]
    Unstored(Fault),
}

/// Says why messages are refused, and not a thousand times a second.
#[derive(Default)]
struct Complaints {
    last: Option<Instant>,
}

/// A connection to the broker.
struct Line {
    complaints: Complaints,
    io: Box<dyn Io>,
    frames: Frames,
    codec: v3::Codec,
    buffer: BytesMut,
    out: BytesMut,
}

/// Messages that came together.
#[derive(Default)]
struct Batch {
    readings: Vec<Reading>,
    /// Each message's number, if it wants an acknowledgement.
    messages: Vec<Option<NonZeroU16>>,
}

impl BrokerClient {
    /// For this broker, which may be down.
    pub(crate) fn of(broker: Broker) -> Self {
        Self { broker }
    }

    /// Connects, and takes messages until the connection or the service ends.
    async fn session(
        &self,
        intake: &Intake,
        stop: &mut watch::Receiver<bool>,
        pause: &mut Duration,
    ) -> Result<(), Ended> {
        let shown = self.broker.token.as_ref().map_or(Credentials::Nothing, |token| Credentials::Key(&token.0));
        // Before the broker is asked for anything that could not be stored.
        let pass = intake.gate.admit(shown, HERE, intake.clock.now())?;
        let mut line = Line {
            io: timeout(PATIENCE, link::open(&self.broker)).await??,
            frames: Frames::default(),
            complaints: Complaints::default(),
            codec: v3::Codec::default(),
            buffer: BytesMut::new(),
            out: BytesMut::new(),
        };
        timeout(PATIENCE, line.connect(&self.broker)).await??;
        tracing::info!(broker = self.place(), "subscribed");
        metrics::gauge!("broker_connected", "broker" => self.place()).set(1.0);
        *pause = FIRST_PAUSE;
        self.take(&mut line, &pass, intake, stop).await
    }

    async fn take(
        &self,
        line: &mut Line,
        pass: &Pass,
        intake: &Intake,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), Ended> {
        let mut asked: Option<Instant> = None;
        loop {
            let mut batch = Batch::default();
            while batch.messages.len() < MAX_TOGETHER
                && let Some(frame) = line.frames.next(&mut line.buffer)?
            {
                match frame {
                    Frame::Packet(v3::Packet::Publish(publish)) => {
                        self.add(&publish, &mut batch, &mut line.complaints, intake);
                    }
                    Frame::Packet(v3::Packet::PingResponse) => asked = None,
                    Frame::Packet(v3::Packet::SubscribeAck { status, .. }) => self.subscribed(&status)?,
                    Frame::Packet(_) => return Err(Ended::Unexpected("a message")),
                    Frame::TooLong(id) => {
                        line.complaints.refused("too_long", "longer than 256 KiB");
                        batch.messages.push(id);
                    }
                }
            }
            if !batch.messages.is_empty() {
                line.store(batch, pass, intake).await?;
                continue;
            }
            let due = asked.map_or_else(|| Instant::now() + self.broker.keep_alive / 2, |asked| asked + PATIENCE);
            tokio::select! {
                biased;
                () = stopped(stop) => {
                    line.put(v3::Packet::Disconnect)?;
                    return line.flush().await;
                }
                read = line.read() => read?,
                () = tokio::time::sleep_until(due) => {
                    if asked.is_some() {
                        return Err(io::Error::from(io::ErrorKind::TimedOut).into());
                    }
                    asked = Some(Instant::now());
                    line.put(v3::Packet::PingRequest)?;
                    line.flush().await?;
                }
            }
        }
    }

    /// Takes a message in.
    fn add(&self, publish: &Publish, batch: &mut Batch, complaints: &mut Complaints, intake: &Intake) {
        // What is retained is old, and would come as a new reading with each connection.
        if !publish.retain {
            match map::reading(&self.broker, &publish.topic, &publish.payload, intake.clock.now()) {
                Some(Ok(reading)) => batch.readings.push(reading),
                Some(Err(error)) => complaints.refused("invalid_reading", &error.to_string()),
                None => complaints.refused("not_found", "no subscription is for its topic"),
            }
        }
        batch.messages.push(publish.packet_id);
    }

    fn subscribed(&self, status: &[v3::SubscribeReturnCode]) -> Result<(), Ended> {
        let failed = |status: &v3::SubscribeReturnCode| *status == v3::SubscribeReturnCode::Failure;
        let filters = self.broker.subscriptions.iter().zip(status);
        match filters.into_iter().find(|(_, status)| failed(status)) {
            Some((subscription, _)) => Err(Ended::Unsubscribed(subscription.topic.clone())),
            None => Ok(()),
        }
    }
}

impl Source for BrokerClient {
    fn name(&self) -> &'static str {
        "mqtt-broker"
    }

    fn place(&self) -> String {
        let scheme = if self.broker.tls.is_some() { "mqtts" } else { "mqtt" };
        format!("{scheme}://{}:{}", self.broker.host, self.broker.port)
    }

    fn run(self: Box<Self>, intake: Intake, mut stop: watch::Receiver<bool>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let mut pause = FIRST_PAUSE;
            metrics::gauge!("broker_connected", "broker" => self.place()).set(0.0);
            while !*stop.borrow() {
                let Err(why) = self.session(&intake, &mut stop, &mut pause).await else { break };
                metrics::gauge!("broker_connected", "broker" => self.place()).set(0.0);
                metrics::counter!("broker_failures_total", "broker" => self.place()).increment(1);
                tracing::warn!(broker = self.place(), %why, again_in = ?pause, "not subscribed");
                tokio::select! {
                    () = stopped(&mut stop) => break,
                    () = tokio::time::sleep(pause) => pause = (pause * 2).min(LAST_PAUSE),
                }
            }
        })
    }
}

impl Line {
    /// Says who this is, and what it wants to hear. Messages may come before the broker has answered the latter.
    async fn connect(&mut self, broker: &Broker) -> Result<(), Ended> {
        self.put(v3::Packet::Connect(Box::new(v3::Connect {
            protocol: Protocol::default(),
            // The broker keeps what is not acknowledged.
            clean_session: false,
            keep_alive: u16::try_from(broker.keep_alive.as_secs()).unwrap_or(u16::MAX),
            client_id: ByteString::from(broker.client_id.as_str()),
            username: broker.user.as_ref().map(|user| ByteString::from(user.0.as_str())),
            password: broker.password.as_ref().map(|password| password.0.clone().into_bytes().into()),
            ..v3::Connect::default()
        })))?;
        self.flush().await?;
        let answer = loop {
            if let Some(frame) = self.frames.next(&mut self.buffer)? {
                break frame;
            }
            self.read().await?;
        };
        let Frame::Packet(v3::Packet::ConnectAck(answer)) = answer else {
            return Err(Ended::Unexpected("an answer to the connection"));
        };
        if answer.return_code != v3::ConnectAckReason::ConnectionAccepted {
            return Err(Ended::Refused(answer.return_code.reason()));
        }
        let filter = |topic: &String| (ByteString::from(topic.as_str()), QoS::AtLeastOnce);
        let topic_filters = broker.subscriptions.iter().map(|subscription| filter(&subscription.topic)).collect();
        self.put(v3::Packet::Subscribe { packet_id: NonZeroU16::MIN, topic_filters })?;
        self.flush().await
    }

    /// Has readings stored, and acknowledges their messages after that; also those that will never be readings, which
    /// would come again for ever.
    async fn store(&mut self, batch: Batch, pass: &Pass, intake: &Intake) -> Result<(), Ended> {
        let entered = intake.enter(pass, batch.readings).await.map_err(Ended::Unstored)?;
        let results = entered.results().await;
        for fault in results.iter().filter_map(|result| result.as_ref().err()) {
            let problem = fault.problem();
            if fault.may_pass() || problem.code == api::Code::Internal {
                return Err(Ended::Unstored(fault.clone()));
            }
            count("mqtt-broker", problem.code);
            self.complaints.say(&problem.detail);
        }
        for packet_id in batch.messages.into_iter().flatten() {
            self.put(v3::Packet::PublishAck { packet_id })?;
        }
        self.flush().await
    }

    fn put(&mut self, packet: v3::Packet) -> Result<(), Ended> {
        Ok(self.codec.encode(packet, &mut self.out)?)
    }

    async fn flush(&mut self) -> Result<(), Ended> {
        let write = async {
            self.io.write_all(&self.out).await?;
            self.io.flush().await
        };
        timeout(PATIENCE, write).await??;
        self.out.clear();
        Ok(())
    }

    async fn read(&mut self) -> io::Result<()> {
        self.buffer.reserve(CHUNK);
        match self.io.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// Waits until the service stops.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

impl Complaints {
    fn refused(&mut self, code: &'static str, why: &str) {
        metrics::counter!("messages_refused_total", "source" => "mqtt-broker", "code" => code).increment(1);
        self.say(why);
    }

    fn say(&mut self, why: &str) {
        if self.last.is_none_or(|last| last.elapsed() >= QUIET) {
            self.last = Some(Instant::now());
            tracing::warn!(why, "a broker's message was refused");
        }
    }
}
