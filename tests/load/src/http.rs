//! Readings by HTTP/1.1 on connections that are kept open. Requests are bytes, and of an answer only what is needed is read.

use std::{
    io,
    time::{Duration, Instant},
};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

use crate::{Plan, Shape, devices::Devices, report::Sent, socket::Socket};

/// How long a busy service is left alone. It asks for a second; this load wants to know how soon it takes more.
const BUSY: Duration = Duration::from_millis(50);

/// Sends until the time is over.
pub(crate) async fn send(
    plan: &Plan,
    shape: Shape,
    number: u32,
    mut socket: Socket,
    sent: &mut Sent,
) -> io::Result<()> {
    let mut devices = Devices::new(&plan.name, number, plan.devices, plan.from);
    let head = head(plan, shape, number);
    let (mut body, mut request) = (String::new(), Vec::new());
    let end = Instant::now() + plan.lasts;
    let mut ticks = plan.pause.map(tokio::time::interval);
    while Instant::now() < end {
        if let Some(ticks) = &mut ticks {
            ticks.tick().await;
        }
        body.clear();
        fill(&mut body, shape, plan.batch, &mut devices);
        request.clear();
        request.extend_from_slice(head.as_bytes());
        request.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        request.extend_from_slice(body.as_bytes());
        let since = Instant::now();
        loop {
            socket.get_mut().write_all(&request).await?;
            socket.get_mut().flush().await?;
            match answer(&mut socket).await? {
                (200 | 204, _) => break,
                (503, _) => {
                    sent.busy += 1;
                    tokio::time::sleep(BUSY).await;
                }
                (status, body) => {
                    return Err(io::Error::other(format!("{status}: {:.300}", String::from_utf8_lossy(&body))));
                }
            }
        }
        sent.answered(since.elapsed(), u64::from(plan.batch));
    }
    Ok(())
}

fn head(plan: &Plan, shape: Shape, number: u32) -> String {
    let (path, media_type) = match shape {
        Shape::Line => ("/api/v2/write?org=a&bucket=b&precision=s", "text/plain"),
        Shape::Predict => ("/predict", "application/json"),
        _ => ("/api/v1/readings", "application/json"),
    };
    let port = plan.address.rsplit(':').next().unwrap_or_default();
    let key = plan.key(number).map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
    format!("POST {path} HTTP/1.1\r\nhost: localhost:{port}\r\ncontent-type: {media_type}\r\n{key}")
}

fn fill(body: &mut String, shape: Shape, batch: u32, devices: &mut Devices) {
    match shape {
        Shape::Line => (0..batch).for_each(|_| devices.next().line(body)),
        Shape::Predict => devices.next().prediction(body),
        _ => {
            body.push('[');
            for at in 0..batch {
                if at > 0 {
                    body.push(',');
                }
                devices.next().json(body);
            }
            body.push(']');
        }
    }
}

/// The status and the body of an answer, which says its length or has none.
async fn answer(socket: &mut Socket) -> io::Result<(u16, Vec<u8>)> {
    let (mut line, mut status, mut length, mut chunked) = (String::new(), None, 0, false);
    loop {
        line.clear();
        if socket.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = line.trim_end().to_ascii_lowercase();
        if text.is_empty() {
            break;
        }
        if status.is_none() {
            status = text.split(' ').nth(1).and_then(|code| code.parse().ok());
        } else if let Some(value) = text.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        chunked |= text == "transfer-encoding: chunked";
    }
    if chunked {
        return Err(io::Error::other("an answer in chunks is not expected here"));
    }
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await?;
    Ok((status.ok_or_else(|| io::Error::other("an answer without status"))?, body))
}
