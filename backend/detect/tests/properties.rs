//! What holds for every input: bounds, exact round trips, determinism, no panic.
#![allow(clippy::unwrap_used)] // helpers of a test may stop at the first surprise too
mod common;

use std::sync::LazyLock;

use common::{START, sample, train};
use detect::{DeviceState, Label, MAX_STATE_BYTES, Model, ReadingView, TrainingSample, Value, judge, judge_in_place};
use proptest::prelude::*;
use simulate::{Injection, Kind, Stream};

static MODEL: LazyLock<Model> = LazyLock::new(|| train(simulate::profile("patient-monitor").unwrap()));

/// Ordinary values, with extremes among them.
fn values() -> impl Strategy<Value = Vec<f64>> {
    let extreme = prop_oneof![
        Just(0.0),
        Just(-0.0),
        Just(f64::MAX),
        Just(f64::MIN),
        Just(f64::MIN_POSITIVE),
        Just(5e-324),
        Just(9_007_199_254_740_993.0),
        any::<f64>().prop_filter("finite", |value| value.is_finite()),
    ];
    prop::collection::vec(prop_oneof![8 => 60.0..80.0f64, 1 => extreme], 1..300)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_finite_series_is_judged_within_bounds(
        series in values(),
        times in prop::collection::vec(any::<i64>(), 4),
        known in any::<bool>(),
    ) {
        let metric = if known { "heart_rate" } else { "unheard-of" };
        let mut state = DeviceState::new();
        for (index, value) in series.into_iter().enumerate() {
            let regular = START + index as i64 * 60_000;
            let time_ms = if index % 50 == 7 { times[index / 50 % 4] } else { regular };
            let values = [Value { metric, value }];
            let reading = ReadingView { time_ms, values: &values };
            let (first, next) = judge(&MODEL, &state, &reading).unwrap();
            let (second, again) = judge(&MODEL, &state, &reading).unwrap();
            prop_assert_eq!(&first, &second);
            prop_assert_eq!(next.to_bytes(), again.to_bytes());
            prop_assert!((0.0..1.0).contains(&first.score), "{}", first.score);
            prop_assert_eq!(first.label == Label::Anomaly, first.finding.is_some());
            prop_assert!(first.finding.is_none() || first.score >= first.threshold);
            for reason in first.finding.iter().flat_map(|finding| &finding.reasons) {
                prop_assert!(reason.expected_low <= reason.expected_high);
                prop_assert!((0.0..1.0).contains(&reason.score));
            }
            let bytes = next.to_bytes();
            prop_assert!(bytes.len() <= MAX_STATE_BYTES);
            let read = DeviceState::from_bytes(&bytes).unwrap();
            prop_assert_eq!(&read.to_bytes(), &bytes);
            prop_assert_eq!(read.hash(), next.hash());
            state = read;
        }
    }

    #[test]
    fn damaged_bytes_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut state = DeviceState::new();
        let values = [Value { metric: "heart_rate", value: 70.0 }];
        for i in 0..100 {
            judge_in_place(&MODEL, &mut state, &ReadingView { time_ms: START + i * 1000, values: &values }).unwrap();
        }
        for bytes in [state.to_bytes(), MODEL.to_bytes()] {
            let mut damaged = bytes.clone();
            damaged[at.index(bytes.len())] = byte;
            if let Ok(state) = DeviceState::from_bytes(&damaged) {
                let reading = ReadingView { time_ms: START, values: &values };
                let (judgement, _) = judge(&MODEL, &state, &reading).unwrap();
                prop_assert!((0.0..=1.0).contains(&judgement.score), "{}", judgement.score);
            }
            let _ = Model::from_bytes(&damaged);
            prop_assert!(DeviceState::from_bytes(&bytes[..cut.index(bytes.len())]).is_err());
            prop_assert!(Model::from_bytes(&bytes[..cut.index(bytes.len())]).is_err());
        }
    }
}

#[test]
fn a_model_reads_back_to_the_same_bits() {
    let bytes = MODEL.to_bytes();
    let read = Model::from_bytes(&bytes).unwrap();
    assert_eq!(read, *MODEL);
    assert_eq!(read.to_bytes(), bytes);
    assert_eq!(read.version(), MODEL.version());
    let mut longer = bytes;
    longer.push(0);
    assert!(Model::from_bytes(&longer).is_err());
    let meta = serde_json::to_value(MODEL.meta()).unwrap();
    assert_eq!(meta["model_version"], MODEL.version());
}

#[test]
fn a_training_sample_reads_back_to_the_same_bits() {
    let sample = sample(simulate::profile("factory-station").unwrap());
    let read = TrainingSample::from_csv(&sample.to_csv()).unwrap();
    assert_eq!(read, sample);
    assert_eq!(read.hash(), sample.hash());
    for wrong in ["", "step,level\n1,2\n", "a\n"] {
        assert!(TrainingSample::from_csv(wrong).is_err());
    }
    let header = sample.to_csv().lines().next().unwrap().to_owned();
    for row in ["1,2,3", "1,2,3,4,5,6,x", "1,2,3,4,5,6,NaN", "1,2,3,4,5,6,7,8", ""] {
        assert!(TrainingSample::from_csv(&format!("{header}\n{row}\n")).is_err(), "{row}");
    }
}

#[test]
fn a_state_saved_in_between_changes_nothing() {
    let profile = simulate::profile("patient-monitor").unwrap();
    let kinds = [Injection { kind: Kind::Point, rate: 20.0 }];
    let (mut kept, mut saved) = (DeviceState::new(), DeviceState::new());
    for sample in Stream::new(profile, 0, 3, START, 60_000, &kinds).unwrap().take(4000) {
        let values = common::view(&sample.values);
        let reading = ReadingView { time_ms: sample.time_ms, values: &values };
        let one = judge_in_place(&MODEL, &mut kept, &reading).unwrap();
        let (two, next) = judge(&MODEL, &saved, &reading).unwrap();
        saved = DeviceState::from_bytes(&next.to_bytes()).unwrap();
        assert_eq!(one, two);
    }
    assert_eq!(kept.hash(), saved.hash());
}
