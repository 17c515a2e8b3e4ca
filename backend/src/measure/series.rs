//! Readings over time: what they take on disk, how long questions take, and what the store's own work costs intake.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use super::{Failure, quantile};
use crate::{
    domain::{
        DeviceName, Micros, Millis, Reading,
        ports::{PackRule, Series, Upkeep, WriteStore},
        retention::Retention,
        series::{Order, PageOf, Span, Steps},
        verdict::{Device, Judged, Label, Verdict},
    },
    store::{Reader, SqliteWriter},
};

/// 2026-01-05T08:00:00Z.
const START: i64 = 1_767_600_000_000;

/// Readings of a commit, when the store is filled: as many as a step packs.
const BATCH: usize = PackRule::DEFAULT.rows;

/// Metrics of a reading.
const METRICS: u64 = 3;

/// What is asked, how often.
const ASKED: usize = 40;

/// Fills a store, and prints what was measured.
pub(super) fn run(data_dir: &Path, points: u64, devices: u64, every: Duration) -> Result<(), Failure> {
    std::fs::create_dir_all(data_dir)?;
    let mut writer = SqliteWriter::create(data_dir)?;
    let of_each = points / METRICS / devices;
    let names: Vec<DeviceName> =
        (0..devices).map(|device| DeviceName::new(&format!("device-{device:05}"))).collect::<Result<_, _>>()?;
    put_devices(&mut writer, &names)?;
    fill(&mut writer, &names, of_each, every)?;
    let bytes = std::fs::metadata(data_dir.join("ledger.sqlite"))?.len();
    let stored = of_each * devices * METRICS;
    println!("{stored} points take {} MiB: {:.2} bytes a point", bytes >> 20, bytes as f64 / stored as f64);
    questions(data_dir, &names, of_each, every)?;
    intake(&mut writer, &names, of_each, every)
}

/// The values of a device's reading: a day's wave, noise, and few decimal places; the score as any number.
fn judged(name: &DeviceName, seed: u64, at: u64, every: Duration) -> Result<Judged, Failure> {
    let time = Millis(START + at as i64 * every.as_millis() as i64);
    let noise = |salt: u64| {
        let mixed = (seed << 40 ^ at << 8 ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) as f64 / u64::MAX as f64
    };
    let day = (time.0 % 86_400_000) as f64 / 86_400_000.0;
    let tenths = |value: f64| (value * 10.0).round() / 10.0;
    let values = vec![
        ("humidity".to_owned(), tenths(45.0 + 10.0 * day + noise(1))),
        ("pressure".to_owned(), tenths(1_013.0 - 2.0 * day + noise(2))),
        ("temperature".to_owned(), tenths(20.0 + 5.0 * day + noise(3))),
    ];
    let reading = Reading::new(name.clone(), Some(time.into()), Some(at), values, Millis(time.0 + 1))?;
    let verdict =
        Verdict { score: noise(4) * 0.5, threshold: 0.9, label: Label::Normal, model_version: "generic-1".into() };
    Ok(Judged { reading, verdict, finding: None })
}

fn put_devices(writer: &mut SqliteWriter, names: &[DeviceName]) -> Result<(), Failure> {
    let device = |(at, name): (usize, &DeviceName)| Device {
        name: name.clone(),
        pseudonym: format!("{at:032x}"),
        profile: "generic".into(),
        state: vec![0; 1_024],
        last_sequence: None,
        last_time: None,
        first_sequence: None,
        sequenced: 0,
        last_seen: None,
    };
    let devices: Vec<Device> = names.iter().enumerate().map(device).collect();
    Ok(writer.transaction(&mut |tx| tx.put_devices(&devices))?)
}

/// Each device's readings, a run at a time, packed as they come.
fn fill(writer: &mut SqliteWriter, names: &[DeviceName], of_each: u64, every: Duration) -> Result<(), Failure> {
    let began = Instant::now();
    let mut steps: Vec<Duration> = Vec::new();
    let mut from = 0;
    while from < of_each {
        let to = of_each.min(from + BATCH as u64);
        for (seed, name) in names.iter().enumerate() {
            let batch =
                (from..to).map(|at| judged(name, seed as u64, at, every)).collect::<Result<Vec<_>, Failure>>()?;
            writer.transaction(&mut |tx| tx.record(&batch).map(drop))?;
            let step = Instant::now();
            if writer.pack(Millis(START), &PackRule::DEFAULT)? > 0 {
                steps.push(step.elapsed());
            }
        }
        from = to;
    }
    steps.sort();
    let rate = (of_each * names.len() as u64) as f64 / began.elapsed().as_secs_f64();
    let (p50, p99) = (quantile(&steps, 0.5), quantile(&steps, 0.99));
    println!("filled at {rate:.0} readings/s; a step of packing takes p50 {p50:.1?}, p99 {p99:.1?}");
    Ok(())
}

fn questions(data_dir: &Path, names: &[DeviceName], of_each: u64, every: Duration) -> Result<(), Failure> {
    let reader = Reader::open(data_dir)?;
    let end = START + of_each as i64 * every.as_millis() as i64;
    let days = |days: i64| Span::new(Millis(end - days * 86_400_000).into(), Micros(end * 1_000));
    let steps = |of: i64, seconds: u64| Ok::<_, Failure>(Steps::new(days(of)?, Duration::from_secs(seconds))?);
    let page = PageOf { span: days(1)?, label: None, order: Order::NewestFirst, after: None, limit: 1_000 };
    let (day, month, year) = (steps(1, 60)?, steps(30, 3_600)?, steps(365, 86_400)?);
    let name = |at: usize| &names[at * 7_919 % names.len()];
    type Question<'a> = (&'a str, Box<dyn Fn(usize) -> Result<usize, Failure> + 'a>);
    let asked: [Question<'_>; 7] = [
        ("latest", Box::new(|at| Ok(usize::from(reader.latest(name(at))?.is_some())))),
        ("a page of 1,000", Box::new(|at| Ok(reader.readings(name(at), &page)?.len()))),
        ("a day by minutes", Box::new(|at| Ok(reader.buckets(name(at), "temperature", day)?.len()))),
        ("a month by hours", Box::new(|at| Ok(reader.buckets(name(at), "temperature", month)?.len()))),
        ("a year by days", Box::new(|at| Ok(reader.buckets(name(at), "temperature", year)?.len()))),
        ("the 20 worst of a month", Box::new(|_| Ok(reader.top_failing(None, days(30)?, 20)?.len()))),
        ("findings of a year by day", Box::new(|_| Ok(reader.anomalies_over_time(None, year)?.len()))),
    ];
    for (what, ask) in asked {
        let (mut times, mut rows) = (Vec::new(), 0);
        for at in 0..ASKED {
            let began = Instant::now();
            rows = ask(at)?;
            times.push(began.elapsed());
        }
        times.sort();
        println!("{what:<28} p50 {:>9.1?}  p99 {:>9.1?}  rows {rows}", quantile(&times, 0.5), quantile(&times, 0.99));
    }
    Ok(())
}

/// How long commits of 256 readings take, one after the other: with nothing else, with packing between them as a busy
/// writer does it, and with retention and giving room back.
fn intake(writer: &mut SqliteWriter, names: &[DeviceName], of_each: u64, every: Duration) -> Result<(), Failure> {
    const COMMITS: u64 = 1_000;
    let mut next = of_each;
    for what in ["nothing else", "packing", "packing, retention, vacuum"] {
        let mut times: Vec<Duration> = Vec::new();
        let mut rows = 0;
        for commit in 0..COMMITS {
            let at = |place: u64| next + (commit * 256 + place) / names.len() as u64;
            let device = |place: u64| (commit * 256 + place) as usize % names.len();
            let batch = (0..256)
                .map(|place| judged(&names[device(place)], device(place) as u64, at(place), every))
                .collect::<Result<Vec<_>, Failure>>()?;
            let began = Instant::now();
            // What a group waits for: the step before it, and its own commit.
            rows += 256;
            if what != "nothing else" && rows >= BATCH {
                rows -= BATCH.min(rows);
                let few = PackRule { any_after: Duration::ZERO, ..PackRule::DEFAULT };
                writer.pack(Millis(START + 400 * 86_400_000), &few)?;
            }
            if what == "packing, retention, vacuum" && commit % 4 == 0 {
                let keep = Retention::new(Some(Duration::from_secs(86_400)), None, None)?;
                writer.forget(Millis(START + 20 * 86_400_000), &keep)?;
                writer.shrink()?;
            }
            writer.transaction(&mut |tx| tx.record(&batch).map(drop))?;
            times.push(began.elapsed());
        }
        next += COMMITS * 256 / names.len() as u64 + 1;
        times.sort();
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| quantile(&times, share));
        println!("commits of 256 readings, {what:<28} p50 {p50:>8.1?}  p99 {p99:>8.1?}  p99.9 {p999:>8.1?}");
    }
    Ok(())
}
