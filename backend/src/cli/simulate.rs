//! `anomaly-ledger simulate`: synthetic devices, with injected anomalies whose truth is known.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
    time::Duration,
};

use api::{Label, Readings};
use reqwest::Url;
use serde_json::{Value, json};
use simulate::{CHANGE_MARK, Event, Injection, Kind, Sample, Stream};
use tokio::signal::unix::{SignalKind, signal};

use super::{
    Outcome, WrongUse,
    client::{Client, parse_url},
    parse_duration,
    progress::Progress,
    runtime,
};
use crate::domain::{Clock, Millis, SystemClock};

/// Readings of a request: enough to be fast, few enough to show progress.
const BATCH: usize = 500;

/// Readings after an event's end in which the return to normal may be found: no false alarms.
const AFTERMATH: u64 = 20;

/// Devices of each sort at most: a stream of its own and a few hundred bytes each.
const MAX_DEVICES: i64 = 100_000;

/// Events per device and day at most: with their distance of an hour of one-minute readings, more do not fit.
const MAX_RATE: f64 = 1_000.0;

/// Send simulated readings.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  anomaly-ledger simulate --profile weather-station --devices 3 --count 60 --interval 1s\n  \
    anomaly-ledger simulate --profile all --count 2880 --interval 0 --time-step 60s --inject point,contextual,change_point\n\n\
    Profiles: weather-station, factory-station, patient-monitor, all. Ctrl-C or SIGTERM ends it with the summary.\n\n\
    Exit codes: 0 every reading was taken, 1 some were rejected, or the service does not answer; 2 wrong use."
)]
pub(crate) struct Args {
    /// The service's address.
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL", value_parser = parse_url)]
    url: Url,
    /// The sort of device; `all` for one group of each.
    #[arg(long, default_value = "weather-station", value_name = "NAME")]
    profile: String,
    /// Devices of each sort.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MAX_DEVICES))]
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
    let events = rate.parse().ok().filter(|rate| (0.0..=MAX_RATE).contains(rate));
    let rate = events.ok_or_else(|| format!("expected 0 to {MAX_RATE} events per device and day, found {rate:?}"))?;
    Ok(Injection { kind, rate })
}

/// A simulated device and where it stands.
struct Device {
    name: String,
    stream: Stream,
    /// The last reading of an event, so that the return to normal is told from a false alarm.
    last_marked: Option<u64>,
    /// The event that the last reading belongs to, with the sequence of its first and of the last reading.
    under_way: Option<(Event, u64, u64)>,
}

impl Device {
    fn follow(&mut self, sample: &Sample) {
        let at = sample.sequence;
        self.under_way = sample.truth.map(|event| match self.under_way {
            Some((before, first, _)) if before.id == event.id => (event, first, at),
            _ => (event, at, at),
        });
    }

    /// The event that the end of the stream has cut off: the detector was not given all of it.
    fn cut_off(&self) -> Option<Event> {
        let (event, first, last) = self.under_way?;
        let whole = match event.kind {
            Kind::Point => true,
            Kind::ChangePoint => last - first + 1 >= CHANGE_MARK,
            // How long it would have lasted is not known.
            Kind::Contextual => false,
        };
        (!whole).then_some(event)
    }
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
    cut_off: u64,
}

pub(super) fn run(args: &Args) -> Outcome {
    let step = args.time_step.unwrap_or(if args.interval.is_zero() { Duration::from_secs(60) } else { args.interval });
    let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
    if step_ms == 0 {
        return Err(WrongUse::new("expected a --time-step of at least 1ms").into());
    }
    let now = SystemClock.now();
    let history = args.history.map_or(0, |history| history.as_millis() / step_ms as u128);
    let history = u64::try_from(history).unwrap_or(u64::MAX);
    // Too far back, and the stream refuses the start.
    let back = |readings: u64| {
        let ms = i64::try_from(readings).unwrap_or(i64::MAX).saturating_mul(step_ms);
        Millis(now.0.saturating_sub(ms))
    };
    let start = match &args.start {
        Some(start) => Millis::parse(start).map_err(|error| WrongUse(format!("--start: {error}")))?,
        None if args.interval.is_zero() => back(args.count.max(history)),
        None => back(history),
    };
    let mut devices = devices(args, start, step_ms)?;
    let client = Client::new(&args.url)?;
    let mut tally = Tally::default();
    let result = runtime()?.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let work = send_all(args, history, &client, &mut devices, &mut tally);
        tokio::select! {
            result = work => result,
            _ = tokio::signal::ctrl_c() => Ok(()),
            _ = terminate.recv() => Ok(()),
        }
    });
    tally.leave_out_cut_off(&devices);
    tally.print(step, devices.len());
    result?;
    Ok(if tally.rejected.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn devices(args: &Args, start: Millis, step_ms: i64) -> Result<Vec<Device>, WrongUse> {
    let profiles: Vec<&'static simulate::Profile> = match args.profile.as_str() {
        "all" => simulate::profiles().iter().collect(),
        name => vec![simulate::profile(name).ok_or_else(|| {
            let known: Vec<&str> = simulate::profiles().iter().map(|profile| profile.name).collect();
            WrongUse(format!("expected a profile of {} or all, found {name:?}", known.join(", ")))
        })?],
    };
    let mut devices = Vec::new();
    for (sort, profile) in (0_u64..).zip(profiles) {
        for number in 0..args.devices {
            // Devices of different sorts are not to have their events at the same moments.
            let seed = args.seed.wrapping_add(sort << 32);
            let stream = Stream::new(profile, number, seed, start.0, step_ms, &args.inject);
            let stream = stream.map_err(WrongUse::new)?;
            let name = format!("{}-{}", profile.name, number + 1);
            devices.push(Device { name, stream, last_marked: None, under_way: None });
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
    let total = (args.count > 0).then(|| rounds.saturating_mul(devices.len() as u64));
    let mut progress = Progress::new(total);
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
                progress.advance(batch.len() as u64, tally.anomalies);
            }
            waiting.clear();
        }
    }
    progress.finish();
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

impl Tally {
    fn add(&mut self, devices: &mut [Device], batch: &[Sent], answer: &Readings) {
        for (sent, result) in batch.iter().zip(&answer.results) {
            self.readings += 1;
            devices[sent.device].follow(&sent.sample);
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

    /// Forgets the events that the end has cut off: that they were not found says nothing.
    fn leave_out_cut_off(&mut self, devices: &[Device]) {
        for (at, event) in devices.iter().enumerate().filter_map(|(at, device)| Some((at, device.cut_off()?))) {
            let (kind, id) = (name(event.kind), (at, event.id));
            for events in [self.injected.get_mut(kind), self.found.get_mut(kind)].into_iter().flatten() {
                events.remove(&id);
            }
            self.cut_off += 1;
        }
        self.injected.retain(|_, events| !events.is_empty());
    }

    fn print(&self, step: Duration, devices: usize) {
        println!("{} readings of {devices} devices: {} anomalies", self.readings, self.anomalies);
        for (kind, injected) in &self.injected {
            let found = self.found.get(kind).map_or(0, BTreeSet::len);
            let share = 100.0 * found as f64 / injected.len() as f64;
            println!("  {kind:<13} {found} of {} injected were found ({share:.0} %)", injected.len());
        }
        if self.cut_off > 0 {
            println!("  cut off       {} by the end of the stream, not counted", self.cut_off);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use api::{Judgement, ReadingResult, Status};

    use super::*;

    #[test]
    fn rates_are_checked() {
        assert_eq!(parse_injection("point=0.5").unwrap(), Injection { kind: Kind::Point, rate: 0.5 });
        assert_eq!(parse_injection("change_point").unwrap().rate, 4.0);
        for text in ["point=-1", "point=NaN", "point=inf", "point=1001", "point=", "point=many", "spike=1"] {
            assert!(parse_injection(text).is_err(), "{text}");
        }
    }

    /// Sends `count` readings of one device with one event at reading 200, all of them judged alike.
    fn tally(kind: Kind, count: usize, label: Label) -> Tally {
        let profile = simulate::profile("weather-station").unwrap();
        let mut stream = Stream::new(profile, 0, 7, 1_767_600_000_000, 60_000, &[]).unwrap();
        stream.inject_at(200, kind);
        let mut devices = [Device { name: "a".into(), stream, last_marked: None, under_way: None }];
        let batch: Vec<Sent> =
            devices[0].stream.by_ref().take(count).map(|sample| Sent { device: 0, sample }).collect();
        let judgement =
            Judgement { score: 0.9, threshold: 0.5, label, model_version: "m".into(), index: None, sentence: None };
        let result = ReadingResult { status: Status::Stored, judgement: Some(judgement), problem: None };
        let answer = Readings { accepted: count as u64, rejected: 0, results: vec![result; count] };
        let mut tally = Tally::default();
        tally.add(&mut devices, &batch, &answer);
        tally.leave_out_cut_off(&devices);
        tally
    }

    #[test]
    fn events_that_the_end_cuts_off_are_not_counted() {
        for (kind, count, counted) in [
            (Kind::ChangePoint, 201, 0),
            (Kind::ChangePoint, 229, 0),
            (Kind::ChangePoint, 230, 1),
            (Kind::ChangePoint, 400, 1),
            (Kind::Contextual, 202, 0),
            (Kind::Contextual, 400, 1),
            (Kind::Point, 201, 1),
        ] {
            let missed = tally(kind, count, Label::Normal);
            let injected: usize = missed.injected.values().map(BTreeSet::len).sum();
            assert_eq!((injected, missed.cut_off), (counted, 1 - counted as u64), "{kind:?} of {count}");
            let found: usize = tally(kind, count, Label::Anomaly).found.values().map(BTreeSet::len).sum();
            assert_eq!(found, counted, "{kind:?} of {count}");
        }
    }
}
