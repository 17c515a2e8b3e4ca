//! `anomaly-ledger simulate`: synthetic devices, with injected anomalies and forced attacks whose truth is known.

mod args;
mod attack;
mod device;
mod keys;
mod seen;
mod send;
mod tally;

use std::{process::ExitCode, time::Duration};

use tokio::signal::unix::{SignalKind, signal};

use super::{Outcome, WrongUse, client::Client, progress::Progress, runtime};
use crate::domain::{Clock, Millis, SystemClock};
pub(crate) use args::Args;
use device::{Device, Making};
use keys::Keys;
use send::Wire;
use tally::Tally;

/// Readings that are sent together at least, where they need not wait for their time.
const BATCH: usize = 500;

/// And at most: 2 MB of them in memory, with their answers.
const MAX_BATCH: usize = 10_000;

/// When readings are, and when they are sent.
struct Timing {
    start: Millis,
    step_ms: i64,
    /// Readings of each device that are sent as fast as they are taken.
    history: u64,
}

impl Timing {
    fn new(args: &Args) -> Result<Self, WrongUse> {
        let otherwise = if args.interval.is_zero() { Duration::from_secs(60) } else { args.interval };
        let step = args.time_step.unwrap_or(otherwise);
        let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        if step_ms == 0 {
            return Err(WrongUse::new("expected a --time-step of at least 1ms"));
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
        Ok(Self { start, step_ms, history })
    }
}

pub(super) fn run(args: &Args) -> Outcome {
    let timing = Timing::new(args)?;
    let making = Making {
        profiles: &args.profile,
        devices: args.devices,
        seed: args.seed,
        start_ms: timing.start.0,
        step_ms: timing.step_ms,
        inject: &args.inject,
        attacks: &args.attack,
        count: args.count,
    };
    let mut devices = making.devices()?;
    let mut keys = Keys::read(args.key_file.as_deref())?;
    let runtime = runtime()?;
    if let Some(file) = &args.register {
        if keys.are_own() {
            return Err(WrongUse::new("--register: expected one token in --key-file, found a table of keys").into());
        }
        let client = Client::new(&args.url)?.with_key(keys.of("").map(str::to_owned));
        keys = runtime.block_on(keys::register(&client, &devices, file))?;
    }
    if let Some(name) = keys.lacking(&devices) {
        return Err(WrongUse(format!("--key-file: expected a key of each device, found none of {name}")).into());
    }
    for device in &mut devices {
        // The others are the same caller's where none has a key of its own: so it lies about one that is nobody's.
        if !keys.are_own() || device.victim == device.name {
            device.victim = format!("{}-of-others", device.name);
        }
    }
    let mut wire = Wire::new(args, &devices, &keys)?;
    let mut tally = Tally::new(&args.attack);
    let result = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let work = send_all(args, timing.history, &mut wire, &mut devices, &mut tally);
        tokio::select! {
            result = work => result,
            _ = tokio::signal::ctrl_c() => Ok(()),
            _ = terminate.recv() => Ok(()),
        }
    });
    tally.leave_out_cut_off(&devices);
    tally.print(Duration::from_millis(timing.step_ms.unsigned_abs()), devices.len());
    result?;
    Ok(if tally.all_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn send_all(
    args: &Args,
    history: u64,
    wire: &mut Wire,
    devices: &mut [Device],
    tally: &mut Tally,
) -> Result<(), Box<dyn std::error::Error>> {
    let rounds = if args.count == 0 { u64::MAX } else { args.count.max(history) };
    let total = (args.count > 0).then(|| rounds.saturating_mul(devices.len() as u64));
    let mut progress = Progress::new(total);
    let mut ticks =
        tokio::time::interval(if args.interval.is_zero() { Duration::from_millis(1) } else { args.interval });
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let together = devices.len().clamp(BATCH, MAX_BATCH);
    let mut waiting = Vec::new();
    for round in 0..rounds {
        let fast = args.interval.is_zero() || round < history;
        if !fast {
            ticks.tick().await;
        }
        for (at, device) in devices.iter_mut().enumerate() {
            device.next(at, &mut waiting);
        }
        if !fast || waiting.len() >= together || round + 1 == rounds || round + 1 == history {
            for batch in waiting.chunks(together) {
                let before = tally.readings;
                let answers = wire.send(devices, batch, !fast).await?;
                tally.add(devices, batch, &answers);
                progress.advance(tally.readings - before, tally.anomalies);
            }
            waiting.clear();
        }
    }
    progress.finish();
    Ok(())
}
