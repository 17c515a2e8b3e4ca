//! A node between a command and the chain that hands everything on, save for what it is told to say otherwise.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::service::http;

/// What it does to an answer: it is given the request and may change the answer.
pub type Lie = fn(&Value, &mut Value);

/// The node. It ends with the test.
#[derive(Debug)]
pub struct Liar {
    address: SocketAddr,
    asked: Arc<AtomicU64>,
}

impl Liar {
    /// Stands before the chain at this address.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn before(chain: String, lie: Lie) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let asked = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                let chain = chain.clone();
                // A client that goes away is no matter of the test's.
                tokio::spawn(async move { drop(answer(stream, &chain, lie).await) });
            }
        });
        Self { address, asked }
    }

    /// Where to ask it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many questions it was asked.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

async fn answer(mut stream: TcpStream, chain: &str, lie: Lie) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let body = loop {
        let head = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(head) = head {
            let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
            let length: usize = length.unwrap_or(0);
            if bytes.len() >= head + 4 + length {
                break bytes.split_off(head + 4);
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    };
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let asked = http().post(chain).json(&request).send().await.map_err(std::io::Error::other)?;
    let mut answer: Value = asked.json().await.map_err(std::io::Error::other)?;
    lie(&request, &mut answer);
    let text = answer.to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        text.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}

/// Refuses events of more than four blocks at a time, as nodes of public chains refuse more than some thousands.
pub fn few_blocks(request: &Value, answer: &mut Value) {
    let number = |name: &str| {
        let text = request["params"][0][name].as_str()?;
        u64::from_str_radix(text.trim_start_matches("0x"), 16).ok()
    };
    if request["method"] == "eth_getLogs"
        && let (Some(from), Some(to)) = (number("fromBlock"), number("toBlock"))
        && to - from >= 4
    {
        *answer =
            json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32005, "message": "block range is too wide" } });
    }
}

/// Changes one digit in what was published last, among its entries.
pub fn other_entry(request: &Value, answer: &mut Value) {
    change_published(request, answer, |_| 600);
}

/// Changes one digit in what was published last, in its last payload.
pub fn other_payload(request: &Value, answer: &mut Value) {
    change_published(request, answer, |length| length - 300);
}

fn change_published(request: &Value, answer: &mut Value, place: fn(usize) -> usize) {
    if request["method"] != "eth_getLogs" {
        return;
    }
    let logs = answer["result"].as_array_mut().into_iter().flatten();
    // What is published is long; what is anchored is one word.
    if let Some(log) = logs.filter(|log| log["data"].as_str().is_some_and(|data| data.len() > 1_000)).last() {
        let mut data = log["data"].as_str().unwrap_or_default().as_bytes().to_vec();
        let at = place(data.len());
        let digit = &mut data[at];
        *digit = if *digit == b'1' { b'2' } else { b'1' };
        log["data"] = String::from_utf8_lossy(&data).into_owned().into();
    }
}

/// Leaves out the newest events: as if the contract had gone on less far.
pub fn fewer_events(request: &Value, answer: &mut Value) {
    if request["method"] == "eth_getLogs"
        && let Some(logs) = answer["result"].as_array_mut()
    {
        logs.truncate(logs.len().saturating_sub(2));
    }
}

/// Leaves out the first anchor with its publication.
pub fn no_first_event(request: &Value, answer: &mut Value) {
    if request["method"] == "eth_getLogs"
        && let Some(logs) = answer["result"].as_array_mut()
        && logs.len() > 2
    {
        logs.drain(..2);
    }
}
