//! A long load at half of what is taken: does memory stay where it is, and is everything there at the end?

use std::time::{Duration, Instant};

use crate::{
    Asked,
    fleet::{Fleet, Kind},
    load::{Load, memory},
};

/// Connections that send single readings.
const CONNECTIONS: u32 = 64;

/// Between two looks at the memory; a twentieth of the time, if that is shorter.
const LOOK: Duration = Duration::from_secs(60);

/// Single readings for this long; whether every acknowledged one is in the store, without gaps.
pub(crate) async fn run(fleet: &mut Fleet, asked: &Asked, lasts: Duration) -> bool {
    let trial = fleet.register("trial", CONNECTIONS, 1, Kind::Factory).await;
    let group = fleet.register("soak", CONNECTIONS, 1, Kind::Factory).await;
    let single = Load { shape: "predict", seconds: asked.lasts(), ..Load::default() };
    let full = single.run(fleet, &trial).await;
    let rate = (full.rate() / 2.0).floor();
    println!("{:.0} single readings a second at most; {rate} a second for {} s", full.rate(), lasts.as_secs());

    let (pid, started) = (fleet.pid(), Instant::now());
    let look = LOOK.min(lasts / 20);
    let watch = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(look);
        let mut seen = Vec::new();
        while seen.len() as u128 <= lasts.as_millis() / look.as_millis() {
            ticks.tick().await;
            let (seconds, mib) = (started.elapsed().as_secs_f64(), memory(pid) as f64 / 1_048_576.0);
            println!("{seconds:>8.0} s {mib:>8.1} MiB");
            seen.push((seconds, mib));
        }
        seen
    });
    let load = Load { seconds: lasts.as_secs(), rate: Some(rate), ..single };
    let shown = load.run(fleet, &group).await;
    let seen = watch.await.expect("looking does not fail");

    let sizes = || seen.iter().map(|(_, mib)| *mib);
    let (least, most) = (sizes().fold(f64::MAX, f64::min), sizes().fold(0.0, f64::max));
    println!("memory: {least:.1} MiB at least, {most:.1} at most");
    let later = &seen[seen.len() / 2..];
    println!("slope: {:+.1} MiB/h over all of it, {:+.1} over its second half", slope(&seen), slope(later));
    println!(
        "answers: {:.0} a second, p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, longest {:.1} ms; {:.0} busy",
        shown.rate(),
        shown.number("p50_ms"),
        shown.p99(),
        shown.number("p999_ms"),
        shown.number("max_ms"),
        shown.number("busy"),
    );
    if let Some(why) = shown.failure() {
        println!("{why}");
    }
    let missing = fleet.missing().await;
    let stored = fleet.stop_and_count().await;
    let stored: u64 = stored.iter().filter(|(name, _)| name.starts_with("soak-")).map(|(_, count)| count).sum();
    println!("{} readings acknowledged, {stored} stored, {missing} missing by number", shown.acknowledged());
    missing == 0 && stored == shown.acknowledged() && shown.failure().is_none()
}

/// MiB an hour, by least squares.
fn slope(seen: &[(f64, f64)]) -> f64 {
    let count = seen.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| seen.iter().map(of).sum::<f64>() / count;
    let (time, size) = (mean(|at| at.0), mean(|at| at.1));
    let with: f64 = seen.iter().map(|at| (at.0 - time) * (at.1 - size)).sum();
    let own: f64 = seen.iter().map(|at| (at.0 - time).powi(2)).sum();
    if own > 0.0 { with / own * 3_600.0 } else { 0.0 }
}
