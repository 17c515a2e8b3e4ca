//! Measures what a service takes in that asks everybody who they are: readings a second by each protocol, plain and by
//! TLS, with `tests/load` as the generator. It ends with a failure if an acknowledged reading is not in the store.
//!
//! `scripts/bench ingest` builds everything for release and calls this.

mod fleet;
mod load;
mod peer;
mod soak;
mod table;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use fleet::{Fleet, Group, Kind};
use load::{Load, Shown};
use table::Table;

/// How long each line of the table is measured.
const LASTS: u64 = 15;

/// The same with `--quick`.
const LASTS_QUICK: u64 = 3;

/// Single readings are asked for within this time, at the 99th percentile.
const WITHIN_MS: f64 = 20.0;

/// Connections with which that is tried.
const STEPS: [u32; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// The same with `--quick`.
const STEPS_QUICK: [u32; 3] = [4, 16, 64];

/// Connections that send batches, the devices of each, and the readings of a request.
const BATCHES: (u32, u32, u32) = (8, 100, 1_000);

/// MQTT connections; WebSocket connections that send, and those that say nothing.
const MQTT: u32 = 1_000;
const SOCKETS: (u32, u32) = (1_000, 10_000);

/// What was asked for.
#[derive(Debug)]
struct Asked {
    quick: bool,
    soak: Option<Duration>,
    /// The Python with the peer's packages.
    peer: Option<PathBuf>,
}

impl Asked {
    fn parse() -> Result<Self, String> {
        let mut asked = Self { quick: false, soak: None, peer: None };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--quick" => asked.quick = true,
                "--soak" => asked.soak = Some(duration(&value()?)?),
                "--peer" => asked.peer = Some(value()?.into()),
                _ => return Err(format!("unknown argument: {arg}")),
            }
        }
        Ok(asked)
    }

    fn lasts(&self) -> u64 {
        if self.quick { LASTS_QUICK } else { LASTS }
    }

    fn steps(&self) -> &'static [u32] {
        if self.quick { &STEPS_QUICK } else { &STEPS }
    }
}

/// A number of seconds, minutes or hours, such as `90s` or `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let seconds = [("s", 1), ("m", 60), ("h", 3_600)].into_iter().find_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(seconds)
    });
    let seconds = seconds.filter(|seconds| *seconds >= 20);
    seconds.map(Duration::from_secs).ok_or(format!("expected a duration of 20s or more, such as 1h, found {text}"))
}

#[tokio::main]
async fn main() -> ExitCode {
    let asked = match Asked::parse() {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let mut fleet = Fleet::start().await;
    let whole = match asked.soak {
        Some(lasts) => soak::run(&mut fleet, &asked, lasts).await,
        None => measure(&mut fleet, &asked).await,
    };
    if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// All protocols, plain and by TLS; whether every acknowledged reading is in the store.
async fn measure(fleet: &mut Fleet, asked: &Asked) -> bool {
    let mut table = Table::default();
    for tls in [false, true] {
        let way = if tls { "tls" } else { "plain" };
        // By TLS nobody registers anything here: the client of the tests believes no self-made certificate.
        let groups = Groups::register(fleet, way, asked.steps()).await;
        if tls {
            fleet.restart(true).await;
        }
        let title = |what: &str| if tls { format!("{what}, TLS") } else { what.to_owned() };
        for (what, group, load) in groups.loads(asked.lasts()) {
            let shown = load.run(fleet, group).await;
            table.add(&title(what), &group.prefix, shown);
        }
        let (connections, shown) = singles(fleet, &groups, asked).await;
        table.add(&title("POST /predict, single readings"), &groups.single(connections).prefix, shown);
        if tls {
            fleet.restart(false).await;
        }
    }
    let gaps = fleet.missing().await;
    if let Some(python) = &asked.peer {
        peer::measure(python, asked, &mut table).await;
    }
    let stored = fleet.stop_and_count().await;
    table.print(&stored);
    println!("numbers missing between a device's first and last sequence number: {gaps}");
    gaps == 0 && table.is_whole(&stored)
}

/// The devices of one way, plain or by TLS.
struct Groups {
    batch: Group,
    line: Group,
    mqtt: Group,
    socket: Group,
    singles: Vec<Group>,
}

impl Groups {
    async fn register(fleet: &Fleet, way: &str, steps: &[u32]) -> Self {
        let name = |what: &str| format!("{what}-{way}");
        let (connections, devices, _) = BATCHES;
        let mut singles = Vec::new();
        for step in steps {
            // Once to see whether they are fast enough, and once to measure.
            for what in ["try", "single"] {
                let prefix = name(&format!("{what}{step}"));
                singles.push(fleet.register(&prefix, *step, 1, Kind::Factory).await);
            }
        }
        Self {
            batch: fleet.register(&name("batch"), connections, devices, Kind::Weather).await,
            line: fleet.register(&name("line"), connections, devices, Kind::Weather).await,
            mqtt: fleet.register(&name("mqtt"), MQTT, 1, Kind::Weather).await,
            socket: fleet.register(&name("socket"), SOCKETS.0, 1, Kind::Weather).await,
            singles,
        }
    }

    fn named(&self, what: &str, connections: u32) -> &Group {
        let start = format!("{what}{connections}-");
        let found = self.singles.iter().find(|group| group.prefix.starts_with(&start));
        found.expect("every step has its devices")
    }

    fn single(&self, connections: u32) -> &Group {
        self.named("single", connections)
    }

    /// All but the single readings.
    fn loads(&self, seconds: u64) -> Vec<(&'static str, &Group, Load)> {
        let batch = BATCHES.2;
        let with = |shape| Load { shape, seconds, ..Load::default() };
        vec![
            ("POST /api/v1/readings, 1,000 of 3 metrics", &self.batch, Load { batch, ..with("batch") }),
            ("POST /api/v2/write, 1,000 lines", &self.line, Load { batch, ..with("line") }),
            ("MQTT QoS 1, 1,000 connections", &self.mqtt, with("mqtt")),
            ("WebSocket, 1,000 busy, 10,000 idle", &self.socket, Load { idle: SOCKETS.1, ..with("websocket") }),
        ]
    }
}

/// Single readings on as many connections as stay within the time; how many, and what they have shown.
async fn singles(fleet: &Fleet, groups: &Groups, asked: &Asked) -> (u32, Shown) {
    let seconds = (asked.lasts() / 3).max(1);
    let load = |seconds| Load { shape: "predict", seconds, ..Load::default() };
    let connections = most_within(asked.steps(), async |connections| {
        load(seconds).run(fleet, groups.named("try", connections)).await
    })
    .await;
    (connections, load(asked.lasts()).run(fleet, groups.single(connections)).await)
}

/// The largest of these numbers of connections with which answers stay within [`WITHIN_MS`]; the smallest if none does.
async fn most_within(steps: &[u32], mut load: impl AsyncFnMut(u32) -> Shown) -> u32 {
    let mut most = steps[0];
    for connections in steps {
        let shown = load(*connections).await;
        eprintln!("  {connections} connections: {:.0} a second, p99 {:.1} ms", shown.rate(), shown.p99());
        if shown.p99() > WITHIN_MS {
            break;
        }
        most = *connections;
    }
    most
}
