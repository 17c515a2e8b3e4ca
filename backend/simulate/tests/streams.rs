//! What a stream promises, seen from outside.
#![allow(clippy::unwrap_used)] // helpers of a test may stop at the first surprise too

use simulate::{CHANGE_MARK, Injection, Kind, SPACING, Sample, SimulateError, Stream, WARM_UP};

const START: i64 = 1_700_000_000_000;
const ALL: [Injection; 3] = [
    Injection { kind: Kind::Point, rate: 4.0 },
    Injection { kind: Kind::Contextual, rate: 4.0 },
    Injection { kind: Kind::ChangePoint, rate: 2.0 },
];

fn run(profile: &str, seed: u64, injections: &[Injection], count: usize) -> Vec<Sample> {
    let profile = simulate::profile(profile).unwrap();
    Stream::new(profile, 3, seed, START, 60_000, injections).unwrap().take(count).collect()
}

#[test]
fn the_same_arguments_give_the_same_bits() {
    for profile in simulate::profiles() {
        let one = run(profile.name, 5, &ALL, 3000);
        let two = run(profile.name, 5, &ALL, 3000);
        assert_eq!(one, two);
        assert_ne!(one, run(profile.name, 6, &ALL, 3000));
    }
}

#[test]
fn values_stay_plausible_and_sorted() {
    for profile in simulate::profiles() {
        for seed in 0..20 {
            for sample in run(profile.name, seed, &ALL, 5 * 1440) {
                for (metric, (name, value)) in profile.metrics.iter().zip(&sample.values) {
                    assert_eq!(metric.name, *name);
                    assert!((metric.low..=metric.high).contains(value), "{name} {value}");
                }
            }
        }
    }
}

#[test]
fn events_keep_their_distance_and_length() {
    for profile in simulate::profiles() {
        let mut counts = [0usize; 3];
        for seed in 0..20 {
            let samples = run(profile.name, seed, &ALL, 5 * 1440);
            let mut last: Option<(u64, u64)> = None;
            let mut index = 0;
            while index < samples.len() {
                let Some(event) = samples[index].truth else {
                    index += 1;
                    continue;
                };
                let first = samples[index].sequence;
                assert!(first >= WARM_UP);
                if let Some((_, end)) = last {
                    assert!(first > end + SPACING, "{end} {first}");
                }
                let length = samples[index..].iter().take_while(|s| s.truth.is_some_and(|t| t.id == event.id)).count();
                index += length;
                if index < samples.len() {
                    match event.kind {
                        Kind::Point => assert_eq!(length, 1),
                        Kind::Contextual => assert!((5..=20).contains(&length)),
                        Kind::ChangePoint => assert_eq!(length as u64, CHANGE_MARK),
                    }
                }
                counts[event.kind as usize] += 1;
                last = Some((event.id, first + length as u64 - 1));
            }
        }
        // 100 device-days: the asked rates less what spacing and waiting cost.
        for (count, injection) in counts.iter().zip(ALL) {
            // A pump runs as it is set, day and night: no value is unusual for the hour.
            if profile.name == "infusion-pump" && injection.kind == Kind::Contextual {
                assert_eq!(*count, 0);
                continue;
            }
            let rate = *count as f64 / 100.0;
            assert!(rate > 0.35 * injection.rate && rate < 1.3 * injection.rate, "{counts:?}");
        }
    }
}

#[test]
fn without_injections_nothing_is_marked_and_points_leave_the_rest_unchanged() {
    let clean = run("weather-station", 9, &[], 2000);
    assert!(clean.iter().all(|s| s.truth.is_none()));
    let spiked = run("weather-station", 9, &ALL[..1], 2000);
    let differing = clean.iter().zip(&spiked).filter(|(a, b)| a.values != b.values);
    assert!(differing.clone().count() > 0);
    assert!(differing.clone().all(|(_, b)| b.truth.is_some()));
}

#[test]
fn a_forced_event_comes_exactly_when_asked() {
    let profile = simulate::profile("factory-station").unwrap();
    for kind in [Kind::Point, Kind::Contextual, Kind::ChangePoint] {
        let mut stream = Stream::new(profile, 0, 1, START, 1000, &[]).unwrap();
        stream.inject_at(10, kind);
        let samples: Vec<Sample> = stream.take(60).collect();
        let first = samples.iter().find(|s| s.truth.is_some()).unwrap();
        assert_eq!(first.sequence, 10);
        assert_eq!(first.truth.unwrap().kind, kind);
    }
}

#[test]
fn wrong_numbers_are_refused_with_what_was_expected() {
    let profile = simulate::profile("factory-station").unwrap();
    let error = Stream::new(profile, 0, 1, START, 0, &[]).unwrap_err();
    assert_eq!(error, SimulateError::Interval { actual: 0 });
    let rate = [Injection { kind: Kind::Point, rate: -1.0 }];
    let error = Stream::new(profile, 0, 1, START, 1000, &rate).unwrap_err();
    assert_eq!(error.to_string(), "the injection rate is -1 a day; expected 0 to 1000");
    let nan = [Injection { kind: Kind::Point, rate: f64::NAN }];
    assert!(Stream::new(profile, 0, 1, START, 1000, &nan).is_err());
    assert!(Stream::new(profile, 0, 1, i64::MAX, 1000, &[]).is_err());
    assert!(simulate::profile("no such profile").is_none());
}
