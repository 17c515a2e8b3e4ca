//! Readings by MQTT 3.1.1 with QoS 1: one publication under way on each connection, acknowledged before the next.

use std::{io, time::Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    Plan,
    devices::Devices,
    report::Sent,
    socket::{self, Socket},
};

const TOPIC: &[u8] = b"v1/devices/me/telemetry";

/// Connects, and is let in.
pub(crate) async fn open(plan: &Plan, number: u32) -> io::Result<Socket> {
    let mut socket = socket::connect(plan).await?;
    let client = format!("{}-{number}", plan.name);
    socket.get_mut().write_all(&connect(&client, plan.key(number))).await?;
    socket.get_mut().flush().await?;
    let mut answer = [0; 4];
    socket.read_exact(&mut answer).await?;
    if answer != [0x20, 2, 0, 0] {
        return Err(io::Error::other(format!("expected to be let in, found {answer:?}")));
    }
    Ok(socket)
}

/// Sends until the time is over.
pub(crate) async fn send(plan: &Plan, number: u32, mut socket: Socket, sent: &mut Sent) -> io::Result<()> {
    let mut devices = Devices::new(&plan.name, number, 1, plan.from);
    let (mut answer, mut body, mut id) = ([0; 4], String::new(), 0_u16);
    let end = Instant::now() + plan.lasts;
    let mut ticks = plan.pause.map(tokio::time::interval);
    while Instant::now() < end {
        if let Some(ticks) = &mut ticks {
            ticks.tick().await;
        }
        id = id.checked_add(1).unwrap_or(1);
        body.clear();
        devices.next().telemetry(&mut body);
        let packet = publish(id, body.as_bytes());
        let since = Instant::now();
        socket.get_mut().write_all(&packet).await?;
        socket.get_mut().flush().await?;
        socket.read_exact(&mut answer).await?;
        let [high, low] = id.to_be_bytes();
        if answer != [0x40, 2, high, low] {
            return Err(io::Error::other(format!("expected PUBACK of {id}, found {answer:?}")));
        }
        sent.answered(since.elapsed(), 1);
    }
    Ok(())
}

fn connect(client: &str, key: Option<&str>) -> Vec<u8> {
    // Clean session; with a user name if there is a key.
    let flags = if key.is_some() { 0b1000_0010 } else { 0b10 };
    let mut rest = vec![0, 4, b'M', b'Q', b'T', b'T', 4, flags, 0, 60];
    for text in [Some(client), key].into_iter().flatten() {
        put(&mut rest, text.as_bytes());
    }
    packet(0x10, &rest)
}

fn publish(id: u16, body: &[u8]) -> Vec<u8> {
    let mut rest = Vec::with_capacity(TOPIC.len() + body.len() + 4);
    put(&mut rest, TOPIC);
    rest.extend(id.to_be_bytes());
    rest.extend(body);
    packet(0x32, &rest)
}

fn put(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend((bytes.len() as u16).to_be_bytes());
    to.extend(bytes);
}

fn packet(head: u8, rest: &[u8]) -> Vec<u8> {
    let mut packet = vec![head];
    let mut left = rest.len();
    loop {
        let more = left > 127;
        packet.push((left % 128) as u8 | if more { 128 } else { 0 });
        left /= 128;
        if !more {
            break;
        }
    }
    packet.extend(rest);
    packet
}
