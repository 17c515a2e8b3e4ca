//! A load generator for `scripts/bench ingest`: writes requests as bytes, waits for each answer, and says how long it took
//! and how much of the machine it used itself. It checks that what was sent was taken; it judges nothing else.

mod devices;
mod http;
mod mqtt;
mod process;
mod report;
mod socket;
mod websocket;

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use clap::{Parser, ValueEnum};
use tokio::sync::{Barrier, Semaphore};

use report::Report;
use socket::Socket;

/// Connections that are opened at a time, so that their handshakes do not time out behind each other.
const AT_ONCE: usize = 64;

/// Send readings as fast as they are taken, or at a rate, and say how long each answer took.
#[derive(Debug, Parser)]
#[command(
    after_help = "Example:\n  load --address 127.0.0.1:8080 --shape batch --connections 8 --batch 1000 --seconds 10\n\n\
    Prints one line of JSON. Exit codes: 0 all was taken (503 is tried again), 1 something was refused or lost, 2 wrong use."
)]
struct Args {
    /// Where the service listens.
    #[arg(long, value_name = "ADDRESS")]
    address: String,
    /// What is sent.
    #[arg(long)]
    shape: Shape,
    /// Connections that send.
    #[arg(long, default_value_t = 8)]
    connections: u32,
    /// Connections beside them that are open and say nothing (WebSocket only).
    #[arg(long, default_value_t = 0)]
    idle: u32,
    /// Readings of a request.
    #[arg(long, default_value_t = 1)]
    batch: u32,
    /// Devices of each connection.
    #[arg(long, default_value_t = 1)]
    devices: u32,
    /// How long.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Requests a second over all connections; as many as are taken, if absent.
    #[arg(long)]
    rate: Option<f64>,
    /// The key of each connection, a line each, used in turn; none are shown if absent.
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Speak TLS, and trust this certificate (PEM).
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The service's processes, for their share of the processor and their memory.
    #[arg(long = "pid", value_name = "PID")]
    pids: Vec<u32>,
    /// What the devices' names begin with.
    #[arg(long, default_value = "load")]
    name: String,
    /// The first sequence number: above those of an earlier run with the same names.
    #[arg(long, default_value_t = 1)]
    from: u64,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// Arrays of readings to `POST /api/v1/readings`.
    Batch,
    /// InfluxDB line protocol to `POST /api/v2/write`.
    Line,
    /// One reading each to `POST /predict`.
    Predict,
    /// One reading each, by MQTT 3.1.1 with QoS 1.
    Mqtt,
    /// One reading each, by WebSocket.
    Websocket,
}

impl Shape {
    /// Connects, as far as something can be sent.
    async fn open(self, plan: &Plan, number: u32) -> std::io::Result<Socket> {
        match self {
            Shape::Batch | Shape::Line | Shape::Predict => socket::connect(plan).await,
            Shape::Mqtt => mqtt::open(plan, number).await,
            Shape::Websocket => websocket::open(plan, number).await,
        }
    }

    /// Sends until the time is over; what was taken until then is in `sent`, also if it fails.
    async fn send(self, plan: &Plan, number: u32, socket: Socket, sent: &mut report::Sent) -> std::io::Result<()> {
        match self {
            Shape::Batch | Shape::Line | Shape::Predict => http::send(plan, self, number, socket, sent).await,
            Shape::Mqtt => mqtt::send(plan, number, socket, sent).await,
            Shape::Websocket => websocket::send(plan, number, socket, sent).await,
        }
    }
}

/// What every connection needs to know.
struct Plan {
    address: String,
    tls: Option<tokio_rustls::TlsConnector>,
    keys: Vec<String>,
    name: String,
    batch: u32,
    devices: u32,
    from: u64,
    lasts: Duration,
    /// Between the requests of one connection.
    pause: Option<Duration>,
}

impl Plan {
    fn key(&self, connection: u32) -> Option<&str> {
        let at = (connection as usize).checked_rem(self.keys.len())?;
        self.keys.get(at).map(String::as_str)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let plan = match plan(&args) {
        Ok(plan) => Arc::new(plan),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let held = match args.shape {
        Shape::Websocket => websocket::idle(&plan, args.idle).await,
        _ => Vec::new(),
    };
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let open = Arc::new(Barrier::new(args.connections as usize + 1));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..args.connections {
        let (plan, shape) = (Arc::clone(&plan), args.shape);
        let (places, open) = (Arc::clone(&places), Arc::clone(&open));
        tasks.spawn(async move {
            let place = places.acquire_owned().await;
            let opened = shape.open(&plan, number).await;
            drop(place);
            open.wait().await;
            let mut sent = report::Sent::default();
            let ended = match opened {
                Ok(socket) => shape.send(&plan, number, socket, &mut sent).await,
                Err(error) => Err(error),
            };
            sent.failure = ended.err().map(|error| error.to_string());
            sent
        });
    }
    // What is measured begins when all are connected.
    open.wait().await;
    let before = process::Usage::now(&args.pids);
    let started = std::time::Instant::now();
    let mut report = Report::default();
    while let Some(ended) = tasks.join_next().await {
        report.add(ended.unwrap_or_else(|error| report::Sent::failed(error.to_string())));
    }
    let took = started.elapsed();
    let idle = held.iter().filter(|connection| !connection.is_finished()).count();
    let line = report.line(took, before, process::Usage::now(&args.pids), idle);
    println!("{line}");
    if report.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn plan(args: &Args) -> Result<Plan, String> {
    let keys = match &args.keys {
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
            text.lines().map(str::to_owned).collect()
        }
        None => Vec::new(),
    };
    let pause = args.rate.map(|rate| Duration::from_secs_f64(f64::from(args.connections) / rate));
    Ok(Plan {
        address: args.address.clone(),
        tls: args.ca.as_deref().map(socket::connector).transpose()?,
        keys,
        name: args.name.clone(),
        batch: args.batch.max(1),
        devices: args.devices.max(1),
        from: args.from,
        lasts: Duration::from_secs(args.seconds),
        pause,
    })
}
