//! One connection: greeting, messages and their acknowledgements, and the end. One step after the other: while readings
//! are on their way to the disk nothing more is read, so a busy service slows its senders down and drops nothing.

use std::{io, num::NonZeroU16, sync::Arc, time::Duration};

use bytes::BytesMut;
use bytestring::ByteString;
use rmqtt_codec::{
    error::DecodeError,
    types::{MQTT_LEVEL_5, MQTT_LEVEL_311, QoS},
    v5::{ConnectAckReason, DisconnectReasonCode, SubscribeAckReason},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::{SemaphorePermit, watch},
    time::Instant,
};

use super::{
    batch::{Batch, WINDOW},
    listener::Shared,
    sessions::Place,
    topic::{Topic, VERDICTS, is_pattern},
    wire::{Hello, Message, Packet, Reply, Welcome, Wire},
};
use crate::{
    access::{Credentials, Denied, Pass},
    domain::{DeviceName, access::Caller},
    problem::Fault,
    transport::{Incoming, Io, Peer},
};

/// Longest packet: a message of some thousand readings.
const MAX_PACKET: u32 = 256 << 10;

/// What a connection may gather without asking: more than almost every message.
const SMALL: usize = 16 << 10;

/// Read at a time.
const CHUNK: usize = 4 << 10;

/// Longest client id: UUIDs and certificates' names are shorter, and it is kept while the connection lasts.
const MAX_CLIENT_ID: usize = 256;

/// The first packet is here within this: it is short.
const HELLO: Duration = Duration::from_secs(10);

/// A packet that has begun is here within this: the longest, on a line of 4.3 KiB/s.
const PACKET: Duration = Duration::from_secs(60);

/// What is written is taken within this.
const TAKEN: Duration = Duration::from_secs(10);

/// Who showed what does not hold waits this long, with a connection's place taken.
const SLOW_DOWN: Duration = Duration::from_secs(1);

/// Seconds between two packets at most; who asks for more, or for no limit, gets this. A connection whose other end is
/// gone keeps its place half an hour then.
const KEEP_ALIVE: u16 = 1_200;

/// How a connection ends.
enum End {
    /// The client has gone.
    Gone,
    /// Bytes that are no packet.
    Broken(DecodeError),
    /// For this reason, in words of MQTT 5.
    For(DisconnectReasonCode),
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// What a connection knows about its client, once it has said who it is.
struct Guest<'a> {
    pass: Pass,
    /// The device that it is.
    me: Option<DeviceName>,
    place: Place<'a>,
    silence: Duration,
    /// Whether it wants verdicts.
    told: bool,
    /// Whether the log says already that messages of it are refused.
    noted: bool,
}

/// The connection itself.
struct Line {
    io: Box<dyn Io>,
    wire: Wire,
    buffer: BytesMut,
    out: BytesMut,
}

/// Serves a connection to its end.
pub(super) async fn serve(incoming: Incoming, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let address = incoming.address();
    let Ok((io, peer)) = incoming.open().await else { return };
    let mut line = Line { io, wire: Wire::new(), buffer: BytesMut::new(), out: BytesMut::new() };
    let greeting = async {
        let hello = tokio::time::timeout(HELLO, line.hello()).await.map_err(|_| End::Gone)??;
        line.greet(hello, &peer, &shared).await
    };
    let greeted = tokio::select! {
        greeted = greeting => greeted,
        _ = stop.wait_for(|stop| *stop) => return,
    };
    let (end, was_greeted) = match greeted {
        Ok(mut guest) => (line.attend(&mut guest, &shared, &mut stop).await, true),
        Err(end) => (end, false),
    };
    match end {
        End::Gone => {}
        End::Broken(fault) => {
            metrics::counter!("messages_refused_total", "source" => "mqtt", "code" => "protocol").increment(1);
            tracing::debug!(%address, %fault, "a connection ends: what came is not MQTT as it should be");
            line.wire.put_fault(&fault, was_greeted, &mut line.out);
        }
        End::For(reason) => {
            tracing::debug!(%address, ?reason, "a connection ends");
            let _ = line.wire.put(Reply::Bye(reason), &mut line.out);
        }
    }
    let _ = line.flush().await;
    let _ = tokio::time::timeout(TAKEN, line.io.shutdown()).await;
}

impl Line {
    /// The first packet.
    async fn hello(&mut self) -> Result<Hello, End> {
        loop {
            match self.next()? {
                Some(Packet::Connect(hello)) => return Ok(hello),
                Some(_) => return Err(End::Gone),
                None => self.read().await?,
            }
        }
    }

    /// Lets a client in, or says why not.
    async fn greet<'a>(&mut self, hello: Hello, peer: &Peer, shared: &'a Shared) -> Result<Guest<'a>, End> {
        let unwelcome = match hello.version {
            MQTT_LEVEL_311 | MQTT_LEVEL_5 if hello.extended => Some(ConnectAckReason::BadAuthenticationMethod),
            MQTT_LEVEL_311 | MQTT_LEVEL_5 => {
                (hello.client_id.len() > MAX_CLIENT_ID).then_some(ConnectAckReason::ClientIdentifierNotValid)
            }
            _ => Some(ConnectAckReason::UnsupportedProtocolVersion),
        };
        if let Some(reason) = unwelcome {
            return self.turn_away(reason).await;
        }
        let pass = match admit(&hello, peer, shared) {
            Ok(pass) => pass,
            Err(reason) => {
                metrics::counter!("messages_refused_total", "source" => "mqtt", "code" => "unauthenticated")
                    .increment(1);
                tokio::time::sleep(SLOW_DOWN).await;
                return self.turn_away(reason).await;
            }
        };
        let me = match &pass.caller {
            Caller::Device(name) => Some(name.clone()),
            // In a trial a device is who it says it is.
            Caller::Trial => DeviceName::new(&hello.client_id).ok(),
            _ => None,
        };
        let assigned_client_id = hello.client_id.is_empty().then(|| ByteString::from(shared.sessions.name()));
        let client_id = assigned_client_id.as_ref().unwrap_or(&hello.client_id).to_string();
        let place = shared.sessions.take(pass.caller.to_string(), client_id);
        let keep_alive = (hello.keep_alive == 0 || hello.keep_alive > KEEP_ALIVE).then_some(KEEP_ALIVE);
        let silence = Duration::from_secs(keep_alive.unwrap_or(hello.keep_alive).into()) * 3 / 2;
        self.wire.widen(MAX_PACKET);
        let window = NonZeroU16::new(WINDOW).unwrap_or(NonZeroU16::MIN);
        self.put(Reply::Welcome(Welcome { assigned_client_id, window, max_packet: MAX_PACKET, keep_alive }))?;
        self.flush().await?;
        Ok(Guest { pass, me, place, silence, told: false, noted: false })
    }

    async fn turn_away<T>(&mut self, reason: ConnectAckReason) -> Result<T, End> {
        self.put(Reply::Unwelcome(reason))?;
        Err(End::Gone)
    }

    /// Takes messages until the end.
    async fn attend(&mut self, guest: &mut Guest<'_>, shared: &Shared, stop: &mut watch::Receiver<bool>) -> End {
        let (mut heard, mut large) = (Instant::now(), None);
        loop {
            let progress = match self.step(guest, shared).await {
                Ok(progress) => progress,
                Err(end) => return end,
            };
            if progress {
                (heard, large) = (Instant::now(), None);
                // A client that sends without pause hears of the end too.
                if !*stop.borrow() {
                    continue;
                }
            }
            let begun = !self.buffer.is_empty();
            let deadline = heard + if begun { PACKET.min(guest.silence) } else { guest.silence };
            let end = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => Some(End::For(DisconnectReasonCode::ServerShuttingDown)),
                () = guest.place.taken() => Some(End::For(DisconnectReasonCode::SessionTakenOver)),
                read = self.gather(&mut large, shared) => read.err(),
                () = tokio::time::sleep_until(deadline) => Some(End::For(DisconnectReasonCode::KeepAliveTimeout)),
            };
            if let Some(end) = end {
                return end;
            }
            if !begun {
                heard = Instant::now();
            }
        }
    }

    /// Deals with the packets that are here; says whether there was one.
    async fn step(&mut self, guest: &mut Guest<'_>, shared: &Shared) -> Result<bool, End> {
        let mut batch = Batch::default();
        let mut other = None;
        let now = shared.intake.clock.now();
        while !batch.is_full() {
            match self.next() {
                Ok(Some(Packet::Publish(message))) => {
                    if let Err(end) = allowed(&message) {
                        other = Some(Err(end));
                        break;
                    }
                    batch.add(&message, guest.me.as_ref(), now);
                }
                Ok(Some(packet)) => {
                    other = Some(Ok(packet));
                    break;
                }
                Ok(None) => break,
                // What came before it counts.
                Err(end) => {
                    other = Some(Err(end));
                    break;
                }
            }
        }
        let progress = !batch.is_empty() || other.is_some();
        if !batch.is_empty() {
            self.submit(batch, guest, shared).await?;
        }
        match other {
            Some(Ok(packet)) => self.attend_to(packet, guest, shared)?,
            Some(Err(end)) => return Err(end),
            None => {}
        }
        self.flush().await?;
        Ok(progress)
    }

    /// Has readings stored, and writes the answers after that.
    async fn submit(&mut self, mut batch: Batch, guest: &mut Guest<'_>, shared: &Shared) -> Result<(), End> {
        let (readings, keys) = batch.take_readings(guest.told);
        let results = match shared.intake.enter(&guest.pass, readings).await {
            Ok(entered) => entered.results().await,
            Err(fault) => return Err(end_by(&fault)),
        };
        // Not stored, and it may be when it comes again: the client will see no acknowledgement, and send it again.
        let answer = batch.answer(results, keys, guest.told).map_err(|fault| end_by(&fault))?;
        if let Some(why) = answer.refused.filter(|_| !guest.noted) {
            guest.noted = true;
            // Once a connection: who cannot be told, as by MQTT 3.1.1, would fill the log.
            tracing::warn!(caller = %guest.pass.caller, from = %guest.pass.from, why, "a message was refused");
        }
        answer.replies.into_iter().try_for_each(|reply| self.put(reply))
    }

    /// Answers a packet that is no message.
    fn attend_to(&mut self, packet: Packet, guest: &mut Guest<'_>, shared: &Shared) -> Result<(), End> {
        if !guest.pass.holds(shared.intake.clock.now()) {
            return Err(End::For(DisconnectReasonCode::AdministrativeAction));
        }
        match packet {
            Packet::Subscribe { id, filters } => {
                guest.told |= filters.iter().any(|filter| *filter == VERDICTS);
                self.put(Reply::Subscribed { id, reasons: filters.iter().map(|filter| granted(filter)).collect() })
            }
            Packet::Unsubscribe { id, filters } => {
                guest.told &= !filters.iter().any(|filter| *filter == VERDICTS);
                self.put(Reply::Unsubscribed { id, count: filters.len() })
            }
            Packet::Ping => self.put(Reply::Pong),
            Packet::Disconnect => Err(End::Gone),
            Packet::Connect(_) | Packet::Publish(_) | Packet::Other => {
                Err(End::For(DisconnectReasonCode::ProtocolError))
            }
        }
    }

    fn next(&mut self) -> Result<Option<Packet>, End> {
        self.wire.next(&mut self.buffer).map_err(End::Broken)
    }

    fn put(&mut self, reply: Reply) -> Result<(), End> {
        self.wire.put(reply, &mut self.out).map_err(|error| {
            tracing::error!(%error, "an answer could not be written");
            End::Gone
        })
    }

    /// Reads more; for a large packet, when it is this connection's turn. Cancelling this loses nothing.
    async fn gather<'a>(&mut self, large: &mut Option<SemaphorePermit<'a>>, shared: &'a Shared) -> Result<(), End> {
        if self.buffer.len() >= SMALL && large.is_none() {
            *large = shared.large.acquire().await.ok();
        }
        Ok(self.read().await?)
    }

    async fn read(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            // What was read is gone: a connection that waits keeps no room of the largest message it has sent.
            self.buffer = BytesMut::with_capacity(CHUNK);
        }
        self.buffer.reserve(CHUNK);
        match self.io.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let write = async {
            self.io.write_all(&self.out).await?;
            self.io.flush().await
        };
        tokio::time::timeout(TAKEN, write).await??;
        self.out.clear();
        Ok(())
    }
}

/// Who it is: by a key as user name or as password, else by its certificate, else by its address.
fn admit(hello: &Hello, peer: &Peer, shared: &Shared) -> Result<Pass, ConnectAckReason> {
    let password = hello.password.as_deref().map(std::str::from_utf8).transpose();
    let password = password.map_err(|_| ConnectAckReason::BadUserNameOrPassword)?;
    let shown = match (hello.user.as_deref().filter(|user| !user.is_empty()), password.filter(|key| !key.is_empty())) {
        (Some(user), _) if user.starts_with("ald_") || user.starts_with("alt_") => Credentials::Key(user),
        (_, Some(password)) => Credentials::Key(password),
        (Some(user), None) => Credentials::Key(user),
        (None, None) => peer.device.as_deref().map_or(Credentials::Nothing, Credentials::Certificate),
    };
    let pass = shared.intake.gate.admit(shown, peer.address.ip(), shared.intake.clock.now());
    match pass {
        Ok(Pass { caller: Caller::Nobody, .. }) | Err(Denied::Anonymous(_) | Denied::Forbidden(_)) => {
            Err(ConnectAckReason::NotAuthorized)
        }
        Ok(pass) => Ok(pass),
        Err(Denied::Unknown) => Err(ConnectAckReason::BadUserNameOrPassword),
    }
}

/// Whether a message may come at all; if not, the connection ends.
fn allowed(message: &Message) -> Result<(), End> {
    if message.qos == QoS::ExactlyOnce {
        return Err(End::For(DisconnectReasonCode::QosNotSupported));
    }
    if message.aliased {
        return Err(End::For(DisconnectReasonCode::TopicAliasInvalid));
    }
    match Topic::of(&message.topic) {
        Topic::Forbidden => Err(End::For(DisconnectReasonCode::TopicNameInvalid)),
        _ => Ok(()),
    }
}

fn granted(filter: &str) -> SubscribeAckReason {
    match filter {
        VERDICTS => SubscribeAckReason::GrantedQos0,
        filter if filter.starts_with("$share/") => SubscribeAckReason::SharedSubscriptionNotSupported,
        filter if is_pattern(filter) => SubscribeAckReason::WildcardSubscriptionsNotSupported,
        _ => SubscribeAckReason::NotAuthorized,
    }
}

/// How the connection ends when nothing was taken.
fn end_by(fault: &Fault) -> End {
    End::For(if fault.may_pass() {
        DisconnectReasonCode::ServerBusy
    } else if fault.problem().code == api::Code::Unauthenticated {
        DisconnectReasonCode::AdministrativeAction
    } else {
        DisconnectReasonCode::UnspecifiedError
    })
}
