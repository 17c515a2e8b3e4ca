//! Runs the load generator, and reads what it has seen.

use std::{path::PathBuf, process::Stdio};

use serde_json::Value;

use crate::fleet::{Fleet, Group};

/// What the generator is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) shape: &'static str,
    /// Readings of a request.
    pub(crate) batch: u32,
    /// Connections that say nothing.
    pub(crate) idle: u32,
    pub(crate) seconds: u64,
    /// Requests a second; as many as are taken, if absent.
    pub(crate) rate: Option<f64>,
}

/// What the generator has seen.
#[derive(Debug)]
pub(crate) struct Shown {
    /// Its line.
    line: Value,
    pub(crate) connections: u32,
    /// Connections that were to say nothing.
    idle: u32,
    /// The service's memory before its first connection, in bytes.
    pub(crate) before: u64,
}

impl Default for Load {
    fn default() -> Self {
        Self { shape: "batch", batch: 1, idle: 0, seconds: 1, rate: None }
    }
}

impl Load {
    /// Sends as these devices.
    pub(crate) async fn run(self, fleet: &Fleet, group: &Group) -> Shown {
        let mut more = vec!["--keys".to_owned(), group.keys.display().to_string()];
        if let Some(certificate) = fleet.certificate() {
            more.extend(["--ca".to_owned(), certificate.display().to_string()]);
        }
        self.send(&fleet.address(self.shape), &[fleet.pid()], group, more).await
    }

    /// Sends to this address, where these processes listen, with further arguments.
    pub(crate) async fn send(self, address: &str, pids: &[u32], group: &Group, more: Vec<String>) -> Shown {
        let before = pids.iter().map(|pid| memory(*pid)).sum();
        let Self { shape, batch, idle, seconds, rate } = self;
        let Group { prefix, connections, devices, .. } = group;
        eprintln!("{prefix}: {shape}, {connections} connections, {seconds} s");
        let mut command = tokio::process::Command::new(generator());
        command.args(["--address", address, "--shape", shape, "--name", prefix]).args(more);
        for (name, number) in [("connections", *connections), ("devices", *devices), ("batch", batch), ("idle", idle)] {
            command.arg(format!("--{name}={number}"));
        }
        command.arg(format!("--seconds={seconds}")).args(rate.map(|rate| format!("--rate={rate}")));
        command.args(pids.iter().map(|pid| format!("--pid={pid}")));
        let output = command.stderr(Stdio::inherit()).kill_on_drop(true).output().await.expect("the generator starts");
        let line = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        Shown { line, connections: *connections, idle, before }
    }
}

/// A process's memory, in bytes; nothing if it has ended.
pub(crate) fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    line.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) << 10
}

/// The generator's program, which lies beside this one.
fn generator() -> PathBuf {
    let beside = std::env::current_exe().expect("a program knows its own path").with_file_name("load");
    assert!(beside.exists(), "no {}: run cargo build --release --package load", beside.display());
    beside
}

impl Shown {
    /// A number of the generator's line.
    pub(crate) fn number(&self, name: &str) -> f64 {
        self.line[name].as_f64().unwrap_or_else(|| panic!("no {name}: {}", self.line))
    }

    /// Readings that were acknowledged.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.line["readings"].as_u64().expect("a number of readings")
    }

    /// Readings a second.
    pub(crate) fn rate(&self) -> f64 {
        self.number("readings_per_second")
    }

    /// Within how many milliseconds 99 of 100 requests were answered.
    pub(crate) fn p99(&self) -> f64 {
        self.number("p99_ms")
    }

    /// Why connections ended before their time, and how many did.
    pub(crate) fn failure(&self) -> Option<String> {
        let idle = self.number("idle_connections") as u32;
        if idle < self.idle {
            return Some(format!("{idle} of {} idle connections stayed open", self.idle));
        }
        let why = self.line["failure"].as_str()?;
        Some(format!("{} connections ended: {why}", self.line["failures"]))
    }
}
