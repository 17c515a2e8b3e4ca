//! One connection: what it says, what it is told, and how it ends.

use std::time::Duration;

use api::{Code, Feed, SocketMessage};
use axum::extract::ws::{CloseCode, CloseFrame, Message, WebSocket, close_code};
use futures_util::{FutureExt, SinkExt, StreamExt, future::BoxFuture, stream::FuturesOrdered};
use tokio::time::{Instant, sleep_until, timeout};

use super::{
    super::{decode, merge, readings},
    Sockets,
    feeds::{Heard, Listening},
    message::{self, Said, Wanted},
    subscription::{Subscription, may_read, verdict},
};
use crate::{
    access::{Credentials, Denied, Pass},
    domain::{
        access::{Action, Caller},
        log::stopped,
        reading::MAX_READINGS,
    },
    problem::Fault,
};

/// Who needs a key says so within this time.
const HELLO: Duration = Duration::from_secs(10);

/// How often it is asked whether the client is still there, and its key still holds.
const PING: Duration = Duration::from_secs(30);

/// A client that has said nothing for so long, not even to two pings, is gone.
const SILENCE: Duration = Duration::from_secs(75);

/// A client that takes nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(30);

/// Messages with readings under way on a connection at most; then it is not read.
const MAX_UNDER_WAY: usize = 16;

/// Subscriptions of a connection at most.
const MAX_SUBSCRIPTIONS: usize = 16;

/// What is told before it is written out.
const BURST: usize = 64;

/// How long answers under way may take when the service stops.
const GRACE: Duration = Duration::from_secs(5);

/// How a connection ends, by its close frame.
struct Close(CloseCode, &'static str);

/// Goes on, or ends.
type Step = Result<(), Close>;

struct Connection {
    socket: WebSocket,
    pass: Pass,
    sockets: Sockets,
    /// Whether the client has said something yet.
    begun: bool,
    /// Answers to come, in the order of the messages.
    under_way: FuturesOrdered<BoxFuture<'static, SocketMessage>>,
    subscriptions: Vec<Subscription>,
    listening: Listening,
    /// When the client was last heard.
    heard: Instant,
}

/// Serves a connection to its end.
pub(super) async fn serve(socket: WebSocket, pass: Pass, sockets: Sockets) {
    let mut connection = Connection {
        socket,
        pass,
        sockets,
        begun: false,
        under_way: FuturesOrdered::new(),
        subscriptions: Vec::new(),
        listening: Listening::default(),
        heard: Instant::now(),
    };
    let Err(Close(code, reason)) = connection.run().await;
    let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
    // Then until the client closes too, so that it sees ours; what it still says is not heard.
    let _ = timeout(GRACE, async {
        connection.socket.send(close).await.ok()?;
        while let Some(Ok(_)) = connection.socket.recv().await {}
        Some(())
    })
    .await;
}

impl Connection {
    async fn run(&mut self) -> Result<std::convert::Infallible, Close> {
        let mut stop = self.sockets.stop.clone();
        let hello = Instant::now() + HELLO;
        let mut ping = Instant::now() + PING;
        loop {
            let anonymous = self.pass.caller == Caller::Nobody;
            tokio::select! {
                () = stopped(&mut stop) => return Err(self.finish().await),
                Some(answer) = self.under_way.next(), if !self.under_way.is_empty() => self.say(answer).await?,
                message = self.socket.recv(), if self.under_way.len() < MAX_UNDER_WAY => self.hear(message).await?,
                heard = self.listening.next() => self.tell(heard).await?,
                () = sleep_until(if anonymous { hello.min(ping) } else { ping }) => {
                    if anonymous && Instant::now() >= hello {
                        return Err(self.shut(Denied::Anonymous("say hello with a key first")).await);
                    }
                    ping = Instant::now() + PING;
                    self.look().await?;
                }
            }
        }
    }

    /// Whether the client is still there, and may be.
    async fn look(&mut self) -> Step {
        self.check_pass().await?;
        if self.heard.elapsed() > SILENCE {
            return Err(Close(close_code::AWAY, "no answer to pings"));
        }
        self.write(Message::Ping(Vec::new().into())).await
    }

    async fn check_pass(&mut self) -> Step {
        match self.pass.holds(self.sockets.intake.clock.now()) {
            true => Ok(()),
            false => Err(self.shut(Denied::Unknown).await),
        }
    }

    async fn hear(&mut self, message: Option<Result<Message, axum::Error>>) -> Step {
        self.heard = Instant::now();
        match message {
            None | Some(Ok(Message::Close(_))) => Err(Close(close_code::NORMAL, "")),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Binary(_))) => {
                self.refuse(None, &Fault::new(Code::UnsupportedMediaType, "expected text, found bytes")).await
            }
            Some(Ok(Message::Text(text))) => self.obey(text.as_str()).await,
            Some(Err(error)) => {
                // The library says it in words only, and has its reasons: too long, not UTF-8, not masked, broken off.
                let error = error.to_string();
                let code = if error.contains("too long") { close_code::SIZE } else { close_code::PROTOCOL };
                Err(Close(code, if code == close_code::SIZE { "the message is too long" } else { "" }))
            }
        }
    }

    async fn obey(&mut self, text: &str) -> Step {
        self.check_pass().await?;
        let first = !std::mem::replace(&mut self.begun, true);
        let said = match message::read(text) {
            Ok(Said::Hello { key }) if first => return self.greet(&key).await,
            said if self.pass.caller == Caller::Nobody => {
                drop(said);
                return Err(self.shut(Denied::Anonymous("say hello with a key first")).await);
            }
            Ok(said) => said,
            Err(malformed) => {
                return self.refuse(malformed.id, &Fault::new(Code::MalformedBody, malformed.what)).await;
            }
        };
        match said {
            Said::Hello { .. } => {
                self.refuse(None, &Fault::new(Code::MalformedBody, "hello is the first message, or none")).await
            }
            Said::Readings { id, readings } => {
                let texts: Vec<&str> = readings.iter().map(|reading| reading.get()).collect();
                self.take(id, &texts).await
            }
            Said::Subscribe(wanted) => self.subscribe(wanted).await,
            Said::Unsubscribe { id } => self.unsubscribe(id).await,
        }
    }

    async fn greet(&mut self, key: &str) -> Step {
        let intake = &self.sockets.intake;
        match intake.gate.admit(Credentials::Key(key), self.pass.from, intake.clock.now()) {
            Ok(pass) => {
                self.pass = pass;
                self.say(SocketMessage::Hello { caller: self.pass.caller.to_string() }).await
            }
            Err(denied) => Err(self.shut(denied).await),
        }
    }

    /// Enters readings, and waits for room if there is none; so the connection is not read meanwhile.
    async fn take(&mut self, id: Option<u64>, texts: &[&str]) -> Step {
        if texts.len() > MAX_READINGS {
            let what = format!("expected at most {} readings, found {}", MAX_READINGS, texts.len());
            return self.refuse(id, &Fault::new(Code::BodyTooLarge, what)).await;
        }
        let intake = &self.sockets.intake;
        let now = intake.clock.now();
        let sender = match &self.pass.caller {
            Caller::Device(name) => Some(name),
            _ => None,
        };
        let (mut taken, mut refused) = (Vec::with_capacity(texts.len()), Vec::with_capacity(texts.len()));
        for text in texts {
            let decoded = decode::reading_of(text, sender, now);
            refused.push(decoded.map(|reading| taken.push(reading)).err());
        }
        match intake.enter(&self.pass, taken).await {
            Ok(entered) => {
                let answer = async move {
                    let results = merge(refused, entered.results().await.into_iter());
                    SocketMessage::Ack { id, results: results.into_iter().map(readings::result).collect() }
                };
                self.under_way.push_back(answer.boxed());
                Ok(())
            }
            Err(fault) if fault.may_pass() => self.refuse(id, &fault).await,
            Err(_) => Err(self.shut(Denied::Unknown).await),
        }
    }

    async fn subscribe(&mut self, wanted: Wanted<'_>) -> Step {
        let id = wanted.id;
        let subscription = match Subscription::try_from(wanted) {
            Ok(subscription) => subscription,
            Err(error) => return self.refuse(Some(id), &Fault::new(Code::InvalidParameter, error)).await,
        };
        if let Some(fault) = self.unwanted(&subscription) {
            return self.refuse(Some(id), &fault).await;
        }
        let (feeds, feed) = (self.sockets.feeds.clone(), subscription.feed);
        if let Err(fault) = self.record(feed).await {
            return self.refuse(Some(id), &fault).await;
        }
        // From now on; what follows is sent after the answer.
        match feed {
            Feed::Anomalies => _ = self.listening.anomalies.get_or_insert_with(|| feeds.anomalies.subscribe()),
            Feed::Verdicts => _ = self.listening.verdicts.get_or_insert_with(|| feeds.verdicts.subscribe()),
            Feed::Ledger => _ = self.listening.ledger.get_or_insert_with(|| feeds.ledger.subscribe()),
        }
        self.subscriptions.push(subscription);
        self.say(SocketMessage::Subscribed { id }).await?;
        if feed == Feed::Ledger {
            return match feeds.status().await {
                Ok(ledger) => self.say(SocketMessage::Ledger { id, ledger: Box::new(ledger) }).await,
                Err(fault) => self.refuse(Some(id), &fault).await,
            };
        }
        Ok(())
    }

    /// Why there cannot be this subscription too.
    fn unwanted(&self, subscription: &Subscription) -> Option<Fault> {
        if self.subscriptions.iter().any(|other| other.id == subscription.id) {
            return Some(Fault::new(Code::Conflict, "there is a subscription with this id"));
        }
        if self.subscriptions.len() >= MAX_SUBSCRIPTIONS {
            let what = format!("expected at most {MAX_SUBSCRIPTIONS} subscriptions");
            return Some(Fault::new(Code::TooManyRequests, what));
        }
        let needed = match subscription.feed {
            // What is not for everybody is left out of each.
            Feed::Anomalies | Feed::Ledger => Action::ReadLog,
            Feed::Verdicts => Action::ReadReadings,
        };
        let denied = || Denied::Forbidden("your roles, or the token's scopes, do not allow this".into()).into();
        self.pass.caller.may(needed).is_none().then(denied)
    }

    /// Records that a person begins to read payloads or readings: once for a subscription, whatever it shows.
    async fn record(&mut self, feed: Feed) -> Result<(), Fault> {
        let (what, object, needed) = match feed {
            Feed::Anomalies => ("payload.read", "feed of anomalies", Action::ReadFindings),
            Feed::Verdicts => ("readings.read", "feed of verdicts", Action::ReadReadings),
            Feed::Ledger => return Ok(()),
        };
        let person = matches!(self.pass.caller, Caller::Person { .. });
        if person && self.pass.caller.may(needed).is_some() {
            self.sockets.trail.record(&self.pass, what, object, "shown").await?;
        }
        Ok(())
    }

    async fn unsubscribe(&mut self, id: u64) -> Step {
        let Some(at) = self.subscriptions.iter().position(|subscription| subscription.id == id) else {
            return self.refuse(Some(id), &Fault::new(Code::NotFound, "there is no subscription with this id")).await;
        };
        let feed = self.subscriptions.swap_remove(at).feed;
        if self.subscriptions.iter().all(|subscription| subscription.feed != feed) {
            match feed {
                Feed::Anomalies => self.listening.anomalies = None,
                Feed::Verdicts => self.listening.verdicts = None,
                Feed::Ledger => self.listening.ledger = None,
            }
        }
        self.say(SocketMessage::Unsubscribed { id }).await
    }

    /// Tells what is heard, and what else waits, to those subscriptions that ask for it.
    async fn tell(&mut self, heard: Heard) -> Step {
        self.check_pass().await?;
        let mut heard = heard;
        for _ in 0..BURST {
            for message in self.messages(heard) {
                self.feed(message).await?;
            }
            match self.listening.next().now_or_never() {
                Some(next) => heard = next,
                None => return self.flush().await,
            }
        }
        for message in self.messages(heard) {
            self.feed(message).await?;
        }
        self.flush().await
    }

    fn messages(&self, heard: Heard) -> Vec<SocketMessage> {
        let (gate, caller) = (&self.sockets.intake.gate, &self.pass.caller);
        let subscriptions = self.subscriptions.iter();
        match heard {
            Heard::Missed(feed, missed) => vec![SocketMessage::Lagged { feed, missed }],
            Heard::Ledger(ledger) => subscriptions
                .filter(|subscription| subscription.feed == Feed::Ledger)
                .map(|subscription| SocketMessage::Ledger { id: subscription.id, ledger: Box::new((*ledger).clone()) })
                .collect(),
            Heard::Anomaly(anomaly) => {
                let readable = may_read(gate, caller, &anomaly.whole);
                let shown = if readable { &anomaly.whole } else { &anomaly.hidden };
                subscriptions
                    .filter(|subscription| subscription.wants_anomaly(shown, readable))
                    .map(|subscription| SocketMessage::Anomaly {
                        id: subscription.id,
                        anomaly: Box::new(shown.clone()),
                    })
                    .collect()
            }
            Heard::Verdict(recorded) => {
                if gate.may(caller, Action::ReadReadings, recorded.reading.device()).is_err() {
                    return Vec::new();
                }
                subscriptions
                    .filter(|subscription| subscription.wants_verdict(&recorded))
                    .map(|subscription| SocketMessage::Verdict {
                        id: subscription.id,
                        verdict: Box::new(verdict(&recorded)),
                    })
                    .collect()
            }
        }
    }

    /// Answers what is under way, when the service stops.
    async fn finish(&mut self) -> Close {
        let finish = async {
            while let Some(answer) = self.under_way.next().await {
                self.say(answer).await?;
            }
            Ok(())
        };
        match timeout(GRACE, finish).await {
            Ok(Err(close)) => close,
            _ => Close(close_code::AWAY, "the service is stopping"),
        }
    }

    /// Says why the connection ends.
    async fn shut(&mut self, denied: Denied) -> Close {
        match self.refuse(None, &denied.into()).await {
            Ok(()) => Close(close_code::POLICY, "not let in (any more)"),
            Err(close) => close,
        }
    }

    async fn refuse(&mut self, id: Option<u64>, fault: &Fault) -> Step {
        self.sockets.intake.refused(fault);
        let problem = fault.problem();
        self.say(SocketMessage::Error { id, code: problem.code, detail: problem.detail }).await
    }

    async fn say(&mut self, message: SocketMessage) -> Step {
        self.feed(message).await?;
        self.flush().await
    }

    async fn feed(&mut self, message: SocketMessage) -> Step {
        // It is made of texts and numbers: it can be written.
        let text = serde_json::to_string(&message).unwrap_or_default();
        in_time(timeout(PATIENCE, self.socket.feed(Message::Text(text.into()))).await)
    }

    async fn flush(&mut self) -> Step {
        in_time(timeout(PATIENCE, self.socket.flush()).await)
    }

    async fn write(&mut self, message: Message) -> Step {
        in_time(timeout(PATIENCE, self.socket.send(message)).await)
    }
}

fn in_time(written: Result<Result<(), axum::Error>, tokio::time::error::Elapsed>) -> Step {
    match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Close(close_code::AWAY, "the connection is broken")),
        Err(_) => Err(Close(close_code::AGAIN, "nothing was read for too long")),
    }
}
