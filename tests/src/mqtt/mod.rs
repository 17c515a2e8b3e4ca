//! A client of MQTT that says any bytes: packets written by hand, from the standards' text.

pub mod load;

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long an answer may take, on a machine under load.
const PATIENCE: Duration = Duration::from_secs(60);

/// MQTT 3.1.1 and 5, as they write their versions.
pub const V3: u8 = 4;
/// See [`V3`].
pub const V5: u8 = 5;

/// A connection.
#[derive(Debug)]
pub struct MqttClient {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A packet: its first byte, and all behind its length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Type and flags.
    pub first: u8,
    /// The rest.
    pub body: Vec<u8>,
}

impl MqttClient {
    /// Opens a connection, and says nothing yet.
    ///
    /// # Panics
    /// If nobody listens there.
    pub async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap_or_else(|error| panic!("{address}: {error}"));
        stream.set_nodelay(true).expect("a socket's option");
        Self { stream, buffer: Vec::new() }
    }

    /// Opens a connection under this name, and waits until it is let in.
    ///
    /// # Panics
    /// If it is not.
    pub async fn connect(address: &str, version: u8, client_id: &str) -> Self {
        let mut client = Self::open(address).await;
        client.send(&connect(version, client_id, None, None)).await;
        let answer = client.next().await.expect("an answer");
        assert_eq!((answer.first, answer.body[1]), (0x20, 0), "{answer:?}");
        client
    }

    /// Sends bytes as they are; `false` if the service does not take them any more.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        timeout(PATIENCE, self.stream.write_all(bytes)).await.is_ok_and(|sent| sent.is_ok())
    }

    /// The next packet; nothing if the connection has ended.
    ///
    /// # Panics
    /// If neither comes.
    pub async fn next(&mut self) -> Option<Packet> {
        loop {
            if let Some(packet) = self.take() {
                return Some(packet);
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await.expect("an answer in time");
            if !read.is_ok_and(|length| length > 0) {
                return None;
            }
        }
    }

    /// A packet that is here already.
    fn take(&mut self) -> Option<Packet> {
        let (mut length, mut at) = (0, 1);
        loop {
            let byte = *self.buffer.get(at)?;
            length |= usize::from(byte & 0x7f) << (7 * (at - 1));
            at += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let body = self.buffer.get(at..at + length)?.to_vec();
        let first = self.buffer[0];
        self.buffer.drain(..at + length);
        Some(Packet { first, body })
    }
}

/// A packet's bytes.
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let (mut bytes, mut length) = (vec![first], body.len());
    loop {
        let more = if length > 0x7f { 0x80 } else { 0 };
        bytes.push((length & 0x7f) as u8 | more);
        length >>= 7;
        if length == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short text");
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}

/// No properties, where the version has them.
fn properties(version: u8) -> &'static [u8] {
    if version == V5 { &[0] } else { &[] }
}

/// A CONNECT with a clean session and no keep-alive.
pub fn connect(version: u8, client_id: &str, user: Option<&str>, password: Option<&str>) -> Vec<u8> {
    let flags = 0x02 | if user.is_some() { 0x80 } else { 0 } | if password.is_some() { 0x40 } else { 0 };
    let mut body = text("MQTT");
    body.extend([version, flags, 0, 0]);
    body.extend(properties(version));
    [Some(client_id), user, password].into_iter().flatten().for_each(|field| body.extend(text(field)));
    packet(0x10, &body)
}

/// A PUBLISH of QoS 1; of QoS 0 without a number.
pub fn publish(version: u8, topic: &str, id: Option<u16>, payload: &str) -> Vec<u8> {
    let mut body = text(topic);
    body.extend(id.map(u16::to_be_bytes).into_iter().flatten());
    body.extend(properties(version));
    body.extend(payload.as_bytes());
    packet(if id.is_some() { 0x32 } else { 0x30 }, &body)
}

/// A SUBSCRIBE with the number 1.
pub fn subscribe(version: u8, filter: &str) -> Vec<u8> {
    packet(0x82, &[&[0, 1], properties(version), &text(filter), &[0]].concat())
}
