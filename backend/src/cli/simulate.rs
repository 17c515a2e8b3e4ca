//! `anomaly-ledger simulate`: synthetic devices, with injected anomalies whose truth is known.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::IsTerminal,
    process::ExitCode,
    time::Duration,
};

use api::{Label, Readings};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use simulate::{Injection, Kind, Sample, Stream};

use super::{Outcome, client::Client, parse_duration, runtime};
use crate::domain::{Clock, Millis, SystemClock};

/// Readings of a request: enough to be fast, few enough to show progress.
const BATCH: usize = 500;

/// Readings after an event's end in which the return to normal may be found: no false alarms.
const AFTERMATH: u64 = 20;

/// Send simulated readings.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  anomaly-ledger simulate --profile weather-station --devices 3 --count 60 --interval 1s\n  \
    anomaly-ledger simulate --profile all --count 2880 --interval 0 --time-step 60s --inject point,contextual,change_point\n\n\
    Profiles: weather-station, factory-station, patient-monitor, all."
)]
pub(crate) struct Args {
    /// The service's address.
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
    url: String,
    /// The sort of device; `all` for one group of each.
    #[arg(long, default_value = "weather-station", value_name = "NAME")]
    profile: String,
    /// Devices of each sort.
    #[arg(long, default_value_t = 1, value_name = "N")]
    devices: u32,
    /// Readings of each device; 0 goes on until it is stopped.
    #[arg(long, default_value_t = 1_440, value_name = "N")]
    count: u64,
    /// Pause between a device's readings; 0 sends as fast as the service takes them.
    #[arg(long, default_value = "1s", value_parser = parse_duration, value_name = "DURATION")]
    interval: Duration,
    /// Time between a device's readings by its own clock; the interval if absent, 60 s if that is 0.
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    time_step: Option<Duration>,
    /// Time of the first reading; if absent, so that the last one is now.
    #[arg(long, value_name = "RFC3339", conflicts_with = "history")]
    start: Option<String>,
    /// Send this much of the past first, as fast as the service takes it.
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    history: Option<Duration>,
    /// Anomalies to inject, as KIND or KIND=EVENTS_PER_DEVICE_DAY: point, contextual, change_point.
    #[arg(long, value_delimiter = ',', value_parser = parse_injection, value_name = "KIND[=RATE]")]
    inject: Vec<Injection>,
    /// The same seed gives the same readings.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

fn parse_injection(text: &str) -> Result<Injection, String> {
    let (kind, rate) = text.split_once('=').unwrap_or((text, "4"));
    let kind = match kind {
        "point" => Kind::Point,
        "contextual" => Kind::Contextual,
        "change_point" => Kind::ChangePoint,
        _ => return Err(format!("expected point, contextual or change_point, found {kind:?}")),
    };
    let rate = rate.parse().map_err(|_| format!("expected events per device and day, found {rate:?}"))?;
    Ok(Injection { kind, rate })
}

/// A simulated device and where it stands.
struct Device {
    name: String,
    stream: Stream,
    /// The last reading of an event, so that the return to normal is told from a false alarm.
    last_marked: Option<u64>,
}

/// One reading on its way.
struct Sent {
    device: usize,
    sample: Sample,
}

/// What was injected and what was found.
#[derive(Default)]
struct Tally {
    readings: u64,
    anomalies: u64,
    false_alarms: u64,
    rejected: BTreeMap<String, u64>,
    injected: BTreeMap<&'static str, BTreeSet<(usize, u64)>>,
    found: BTreeMap<&'static str, BTreeSet<(usize, u64)>>,
}

pub(super) fn run(args: Args) -> Outcome {
    let step = args.time_step.unwrap_or(if args.interval.is_zero() { Duration::from_secs(60) } else { args.interval });
    let step_ms = i64::try_from(step.as_millis())?;
    if step_ms == 0 {
        return Err("expected a --time-step of at least 1ms".into());
    }
    let now = SystemClock.now();
    let history = args.history.map_or(0, |history| history.as_millis() as i64 / step_ms) as u64;
    let start = match &args.start {
        Some(start) => Millis::parse(start)?,
        None if args.interval.is_zero() => Millis(now.0 - args.count.max(history) as i64 * step_ms),
        None => Millis(now.0 - history as i64 * step_ms),
    };
    let mut devices = devices(&args, start, step_ms)?;
    let client = Client::new(&args.url)?;
    let mut tally = Tally::default();
    runtime()?.block_on(async {
        let work = send_all(&args, history, &client, &mut devices, &mut tally);
        tokio::select! {
            result = work => result,
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    })?;
    tally.print(step, devices.len());
    Ok(if tally.rejected.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn devices(args: &Args, start: Millis, step_ms: i64) -> Result<Vec<Device>, Box<dyn std::error::Error>> {
    let profiles: Vec<&'static simulate::Profile> = match args.profile.as_str() {
        "all" => simulate::profiles().iter().collect(),
        name => vec![simulate::profile(name).ok_or_else(|| {
            let known: Vec<&str> = simulate::profiles().iter().map(|profile| profile.name).collect();
            format!("expected a profile of {} or all, found {name:?}", known.join(", "))
        })?],
    };
    let mut devices = Vec::new();
    for profile in profiles {
        for number in 0..args.devices {
            let stream = Stream::new(profile, number, args.seed, start.0, step_ms, &args.inject)?;
            devices.push(Device { name: format!("{}-{}", profile.name, number + 1), stream, last_marked: None });
        }
    }
    Ok(devices)
}

async fn send_all(
    args: &Args,
    history: u64,
    client: &Client,
    devices: &mut [Device],
    tally: &mut Tally,
) -> Result<(), Box<dyn std::error::Error>> {
    let rounds = if args.count == 0 { u64::MAX } else { args.count.max(history) };
    let bar = progress(args.count, rounds.saturating_mul(devices.len() as u64));
    let mut ticks =
        tokio::time::interval(if args.interval.is_zero() { Duration::from_millis(1) } else { args.interval });
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut waiting = Vec::new();
    for round in 0..rounds {
        let fast = args.interval.is_zero() || round < history;
        if !fast {
            ticks.tick().await;
        }
        for (at, device) in devices.iter_mut().enumerate() {
            if let Some(sample) = device.stream.next() {
                waiting.push(Sent { device: at, sample });
            }
        }
        if !fast || waiting.len() >= BATCH || round + 1 == rounds || round + 1 == history {
            for batch in waiting.chunks(BATCH) {
                let answer = client.post_readings(&body(devices, batch)).await?;
                tally.add(devices, batch, &answer);
                bar.inc(batch.len() as u64);
                bar.set_message(format!("{} anomalies", tally.anomalies));
            }
            waiting.clear();
        }
    }
    bar.finish();
    Ok(())
}

fn body(devices: &[Device], batch: &[Sent]) -> Value {
    let reading = |sent: &Sent| {
        let metrics: serde_json::Map<String, Value> =
            sent.sample.values.iter().map(|(metric, value)| ((*metric).to_owned(), json!(value))).collect();
        json!({
            "device": devices[sent.device].name,
            "time": Millis(sent.sample.time_ms).to_string(),
            "metrics": metrics,
        })
    };
    Value::Array(batch.iter().map(reading).collect())
}

fn progress(count: u64, total: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = if count == 0 {
        (ProgressBar::new_spinner(), "{spinner} {pos} readings, {msg} ({per_sec}); Ctrl-C ends it")
    } else {
        (ProgressBar::new(total), "{bar:30} {pos}/{len} readings, {msg}, {eta} left")
    };
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

impl Tally {
    fn add(&mut self, devices: &mut [Device], batch: &[Sent], answer: &Readings) {
        for (sent, result) in batch.iter().zip(&answer.results) {
            self.readings += 1;
            if let Some(problem) = &result.problem {
                *self.rejected.entry(problem.detail.clone()).or_default() += 1;
                continue;
            }
            let device = &mut devices[sent.device];
            let found = result.judgement.as_ref().is_some_and(|judgement| judgement.label == Label::Anomaly);
            self.anomalies += u64::from(found);
            match &sent.sample.truth {
                Some(event) => {
                    let (kind, id) = (name(event.kind), (sent.device, event.id));
                    device.last_marked = Some(sent.sample.sequence);
                    self.injected.entry(kind).or_default().insert(id);
                    if found {
                        self.found.entry(kind).or_default().insert(id);
                    }
                }
                None => {
                    let settling = device.last_marked.is_some_and(|last| sent.sample.sequence - last <= AFTERMATH);
                    self.false_alarms += u64::from(found && !settling);
                }
            }
        }
    }

    fn print(&self, step: Duration, devices: usize) {
        println!("{} readings of {devices} devices: {} anomalies", self.readings, self.anomalies);
        for (kind, injected) in &self.injected {
            let found = self.found.get(kind).map_or(0, BTreeSet::len);
            let share = 100.0 * found as f64 / injected.len() as f64;
            println!("  {kind:<13} {found} of {} injected were found ({share:.0} %)", injected.len());
        }
        let days = self.readings as f64 * step.as_secs_f64() / 86_400.0;
        println!(
            "  false alarms  {} ({:.2} per device and day)",
            self.false_alarms,
            self.false_alarms as f64 / days.max(1e-9)
        );
        for (why, count) in &self.rejected {
            println!("  rejected      {count}: {why}");
        }
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Point => "point",
        Kind::Contextual => "contextual",
        Kind::ChangePoint => "change point",
    }
}
