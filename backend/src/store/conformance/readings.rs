//! Readings: found by key, by time and in sums, however and whenever they were packed.

use std::{ops::ControlFlow, time::Duration};

use proptest::{prelude::*, test_runner::Config};

use super::{
    Engine, Parts,
    model::{Kept, Model, START, judged, name},
};
use crate::domain::{
    Key, Micros, Millis,
    ports::{PackRule, values_text},
    retention::Retention,
    series::{Order, PageOf, Row, Selection, Span, Steps},
    verdict::Label,
};

const DEVICES: u8 = 3;

/// Something that happens to a store.
#[derive(Debug, Clone)]
enum Act {
    /// Readings of a device: whether they have sequence numbers, where they begin, their distance in ms, their values.
    Record { device: u8, numbered: bool, from: u64, step_ms: i64, values: Vec<f64> },
    /// Findings become entries.
    Append,
    /// A step of packing, of at most this many rows.
    Pack(usize),
    /// The service stops and starts.
    Reopen,
}

fn any_act() -> impl Strategy<Value = Act> {
    let value = prop_oneof![(0..310i64).prop_map(|tenth| tenth as f64 / 10.0), 0.0..31.0f64];
    let values =
        proptest::collection::vec(value.prop_filter("recorded as it is", |v| ledger::text::is_exact(*v)), 1..40);
    let record = (0..DEVICES, any::<bool>(), 0..200u64, prop_oneof![Just(700), Just(60_000), Just(7_200_000)], values);
    prop_oneof![
        4 => record.prop_map(|(device, numbered, from, step_ms, values)| Act::Record { device, numbered, from, step_ms, values }),
        2 => Just(Act::Append),
        3 => (1..50usize).prop_map(Act::Pack),
        1 => Just(Act::Reopen),
    ]
}

/// Packs at once whatever there is.
fn at_once(rows: usize) -> PackRule {
    PackRule { any_after: Duration::ZERO, ..PackRule::after(rows) }
}

pub(super) fn readings_are_what_a_simple_model_says(engine: Engine) {
    let config = Config { cases: 40, failure_persistence: None, ..Config::default() };
    proptest!(config, |(acts in proptest::collection::vec(any_act(), 1..25))| {
        let dir = tempfile::tempdir().unwrap();
        let (mut parts, mut model) = (engine(dir.path()), Model::default());
        for act in acts {
            match act {
                Act::Record { device, numbered, from, step_ms, values } => {
                    let reading = |(at, value): (u64, f64)| {
                        let time = Micros::from(Millis(START.0 + (from + at) as i64 * step_ms));
                        judged(device, time, numbered.then_some(from + at), value)
                    };
                    model.record(&mut *parts.writer, (0..).zip(values).map(reading).collect());
                }
                Act::Append => model.append(&mut *parts.writer),
                Act::Pack(rows) => drop(parts.writer.pack(START, &at_once(rows)).unwrap()),
                Act::Reopen => {
                    drop(parts);
                    parts = engine(dir.path());
                }
            }
            agree(&mut parts, &model);
        }
    });
}

/// Whether the store says what the model says.
fn agree(parts: &mut Parts, model: &Model) {
    for Kept { judged, entry } in &model.kept {
        let (stored, accepted) = parts.devices.reading(judged.reading.device(), judged.reading.key()).unwrap().unwrap();
        assert_eq!(stored.time_us, judged.reading.time().0);
        assert_eq!(stored.values, values_text(judged.reading.values()));
        assert_eq!((accepted.verdict, accepted.index), (judged.verdict.clone(), *entry));
    }
    assert!(parts.devices.reading(&name(0), Key::Sequence(9_999)).unwrap().is_none());
    assert!(parts.devices.reading(&name(0), Key::Time(Micros(1))).unwrap().is_none());
    for device in 0..DEVICES {
        let rows = model.rows(device);
        assert_eq!(pages(parts, device, None, Order::OldestFirst), rows);
        let mut newest_first = pages(parts, device, None, Order::NewestFirst);
        newest_first.reverse();
        assert_eq!(newest_first, rows);
        let anomalies: Vec<Row> = rows.iter().filter(|row| row.verdict.label == Label::Anomaly).cloned().collect();
        assert_eq!(pages(parts, device, Some(Label::Anomaly), Order::OldestFirst), anomalies);
        assert_eq!(parts.series.latest(&name(device)).unwrap(), rows.last().cloned());
        sums_agree(parts, model, device);
    }
    exports_agree(parts, model);
}

/// All rows, page by page.
fn pages(parts: &Parts, device: u8, label: Option<Label>, order: Order) -> Vec<Row> {
    let mut all: Vec<Row> = Vec::new();
    loop {
        let after = all.last().map(Row::position);
        let page = PageOf { span: Span::ALL, label, order, after, limit: 37 };
        let rows = parts.series.readings(&name(device), &page).unwrap();
        if rows.is_empty() {
            return all;
        }
        all.extend(rows);
    }
}

fn sums_agree(parts: &Parts, model: &Model, device: u8) {
    let from = Micros::from(START);
    let hours = |hours: i64| Span::new(from, Micros(from.0 + hours * 3_600_000_000)).unwrap();
    for (span, seconds) in
        [(hours(2), 7), (hours(48), 60), (hours(48), 300), (hours(2_400), 3_600), (hours(2_400), 86_400)]
    {
        let steps = Steps::new(span, Duration::from_secs(seconds)).unwrap();
        let found = parts.series.buckets(&name(device), "temperature", steps).unwrap();
        let found: Vec<_> = found.iter().map(|b| (b.start.0, b.count, b.min, b.max, b.last, b.anomalies)).collect();
        let within = |start: i64| steps.span().contains(Micros(start));
        let mut expected = model.buckets(device, "temperature", steps.micros());
        expected.retain(|bucket| within(bucket.0));
        let last = |buckets: &[(i64, u64, f64, f64, f64, u64)]| buckets.iter().map(|b| (b.0, b.4)).collect::<Vec<_>>();
        // Of two readings at the same time either may be the last.
        let same_time = model.rows(device).windows(2).any(|pair| pair[0].time == pair[1].time);
        if !same_time {
            assert_eq!(last(&found), last(&expected), "{seconds} s");
        }
        let rest = |buckets: &[(i64, u64, f64, f64, f64, u64)]| {
            buckets.iter().map(|b| (b.0, b.1, b.2, b.3, b.5)).collect::<Vec<_>>()
        };
        assert_eq!(rest(&found), rest(&expected), "{seconds} s");
    }
}

fn exports_agree(parts: &Parts, model: &Model) {
    let mut found = Vec::new();
    let selection = Selection { devices: None, span: Span::ALL, label: None };
    let mut visit = |device: &crate::domain::DeviceName, row: Row| {
        found.push((device.clone(), row));
        ControlFlow::Continue(())
    };
    parts.series.for_each(&selection, &mut visit).unwrap();
    let expected: Vec<_> =
        (0..DEVICES).flat_map(|device| model.rows(device).into_iter().map(move |row| (name(device), row))).collect();
    assert_eq!(found, expected);
    assert_eq!(parts.series.count(&selection).unwrap(), expected.len() as u64);
    let entries = model.kept.iter().filter(|kept| kept.entry.is_some()).count() as u64;
    let failing = parts.series.top_failing(None, Span::ALL, 10).unwrap();
    assert_eq!(failing.iter().map(|failing| failing.anomalies).sum::<u64>(), entries);
    for failing in &failing {
        let of = |kept: &&Kept| *kept.judged.reading.device() == failing.device;
        assert_eq!(failing.readings, model.kept.iter().filter(of).count() as u64);
    }
    let span = Span::new(Micros::from(START), Micros(Micros::from(START).0 + 2_400 * 3_600_000_000)).unwrap();
    let steps = Steps::new(span, Duration::from_secs(86_400)).unwrap();
    let by_type = parts.series.anomalies_over_time(None, steps).unwrap();
    assert_eq!(by_type.iter().map(|count| count.count).sum::<u64>(), entries);
    let none = parts.series.anomalies_over_time(Some(&[]), steps).unwrap();
    assert!(none.is_empty());
}

pub(super) fn what_is_too_old_goes_and_its_sums_stay(engine: Engine) {
    let dir = tempfile::tempdir().unwrap();
    let (mut parts, mut model) = (engine(dir.path()), Model::default());
    let reading = |at: i64| judged(0, Micros::from(Millis(START.0 + at * 3_600_000)), None, 25.0);
    model.record(&mut *parts.writer, (0..100).map(reading).collect());
    model.append(&mut *parts.writer);
    while parts.writer.pack(START, &at_once(10)).unwrap() > 0 {}
    let day = Duration::from_secs(86_400);
    let retention = Retention::new(Some(2 * day), None, None).unwrap();
    let now = Millis(START.0 + 100 * 3_600_000);
    while parts.writer.forget(now, &retention).unwrap() > 0 {}
    let left = pages(&parts, 0, None, Order::OldestFirst);
    let oldest = retention.oldest(now).unwrap();
    // Whole chunks go: of ten readings none, as long as one of them is young enough.
    assert!(left.len() >= 48 && left.len() < 58, "{}", left.len());
    assert_eq!(left, model.rows(0).split_off(100 - left.len()));
    assert!(left.iter().filter(|row| row.time >= oldest).count() == 48);
    let steps = Steps::new(Span::new(Micros::from(START), Micros::from(now)).unwrap(), day).unwrap();
    let sums = parts.series.buckets(&name(0), "temperature", steps).unwrap();
    assert_eq!(sums.iter().map(|bucket| bucket.count).sum::<u64>(), 100);
    assert_eq!(parts.series.top_failing(None, Span::ALL, 1).unwrap()[0].anomalies, 100);
    assert_eq!(parts.log.entries(0, 200).unwrap().len(), 100);
}

pub(super) fn what_waits_to_become_an_entry_is_not_packed(engine: Engine) {
    let dir = tempfile::tempdir().unwrap();
    let (mut parts, mut model) = (engine(dir.path()), Model::default());
    let reading =
        |at: i64| judged(0, Micros::from(Millis(START.0 + at * 1_000)), None, if at % 2 == 0 { 25.0 } else { 5.0 });
    model.record(&mut *parts.writer, (0..20).map(reading).collect());
    // Only what does not wait: then there is nothing left to do, and it ends.
    let mut steps = 0;
    while parts.writer.pack(START, &at_once(4)).unwrap() > 0 {
        steps += 1;
        assert!(steps < 50, "packing goes on for ever");
    }
    agree(&mut parts, &model);
    model.append(&mut *parts.writer);
    agree(&mut parts, &model);
    drop(parts);
    let mut parts = engine(dir.path());
    while parts.writer.pack(START, &at_once(4)).unwrap() > 0 {}
    agree(&mut parts, &model);
}
