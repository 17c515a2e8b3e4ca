//! Readings by WebSocket: one message under way on each connection; and connections that say nothing.

use std::{io, time::Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

use crate::{
    AT_ONCE, Plan,
    devices::Devices,
    report::Sent,
    socket::{self, Socket},
};

/// Opens connections, and leaves them alone.
pub(crate) async fn idle(plan: &std::sync::Arc<Plan>, count: u32) -> Vec<tokio::task::JoinHandle<()>> {
    let places = std::sync::Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    let mut held = Vec::new();
    for number in 0..count {
        let Ok(place) = std::sync::Arc::clone(&places).acquire_owned().await else { break };
        let plan = std::sync::Arc::clone(plan);
        held.push(tokio::spawn(async move {
            let opened = open(&plan, number).await;
            drop(place);
            let Ok(mut socket) = opened else { return };
            // Answers what it is asked, such as a ping.
            while let Ok((opcode, body)) = frame(&mut socket).await {
                if opcode == PING && write(&mut socket, PONG, &body).await.is_err() {
                    return;
                }
            }
        }));
    }
    // All are open when each place is free again.
    let _ = places.acquire_many(AT_ONCE as u32).await;
    held.retain(|task| !task.is_finished());
    held
}

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Sends until the time is over.
pub(crate) async fn send(plan: &Plan, number: u32, mut socket: Socket, sent: &mut Sent) -> io::Result<()> {
    let mut devices = Devices::new(&plan.name, number, plan.devices, plan.from);
    let mut body = String::new();
    let end = Instant::now() + plan.lasts;
    let mut ticks = plan.pause.map(tokio::time::interval);
    while Instant::now() < end {
        if let Some(ticks) = &mut ticks {
            ticks.tick().await;
        }
        body.clear();
        body.push_str(r#"{"type":"readings","id":1,"readings":["#);
        for at in 0..plan.batch {
            if at > 0 {
                body.push(',');
            }
            devices.next().json(&mut body);
        }
        body.push_str("]}");
        let since = Instant::now();
        write(&mut socket, TEXT, body.as_bytes()).await?;
        let answer = loop {
            match frame(&mut socket).await? {
                (TEXT, answer) => break answer,
                (PING, body) => write(&mut socket, PONG, &body).await?,
                (opcode, _) => return Err(io::Error::other(format!("expected a text, found opcode {opcode}"))),
            }
        };
        let answer = String::from_utf8_lossy(&answer);
        if !answer.contains(r#""ack""#) || answer.contains(r#""rejected""#) && !answer.contains(r#""rejected":0"#) {
            return Err(io::Error::other(format!("expected an acknowledgement, found {answer:.300}")));
        }
        sent.answered(since.elapsed(), u64::from(plan.batch));
    }
    Ok(())
}

/// Connects, and is let in.
pub(crate) async fn open(plan: &Plan, number: u32) -> io::Result<Socket> {
    let mut socket = socket::connect(plan).await?;
    let port = plan.address.rsplit(':').next().unwrap_or_default();
    let key = plan.key(number).map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
    let request = format!(
        "GET /api/v1/ws HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{key}\r\n"
    );
    socket.get_mut().write_all(request.as_bytes()).await?;
    socket.get_mut().flush().await?;
    let mut line = String::new();
    socket.read_line(&mut line).await?;
    if !line.starts_with("HTTP/1.1 101") {
        return Err(io::Error::other(format!("expected 101, found {line:.100}")));
    }
    while line.trim_end() != "" {
        line.clear();
        socket.read_line(&mut line).await?;
    }
    Ok(socket)
}

/// A frame to the service: masked, as every client's is; with zeros, since nothing here is a secret.
async fn write(socket: &mut Socket, opcode: u8, body: &[u8]) -> io::Result<()> {
    let mut frame = vec![0x80 | opcode];
    match body.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(body);
    socket.get_mut().write_all(&frame).await?;
    socket.get_mut().flush().await
}

/// A frame of the service, which are whole messages.
async fn frame(socket: &mut Socket) -> io::Result<(u8, Vec<u8>)> {
    let opcode = socket.read_u8().await? & 0x0f;
    let length = match socket.read_u8().await? & 0x7f {
        126 => u64::from(socket.read_u16().await?),
        127 => socket.read_u64().await?,
        short => u64::from(short),
    };
    let mut body = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    socket.read_exact(&mut body).await?;
    match opcode {
        CLOSE => {
            Err(io::Error::other(format!("closed: {:.200}", String::from_utf8_lossy(body.get(2..).unwrap_or(&[])))))
        }
        opcode => Ok((opcode, body)),
    }
}
