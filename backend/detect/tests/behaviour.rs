//! How the detector behaves on the odd and the ordinary, one sentence a test.
#![allow(clippy::unwrap_used)] // helpers of a test may stop at the first surprise too
mod common;

use std::sync::LazyLock;

use common::{START, train, train_generic};
use detect::{
    DetectError, DeviceState, Judgement, Kind, Label, Lone, MAX_METRICS, MAX_STATE_BYTES, Model, ReadingView, Severity,
    Value, judge, judge_in_place,
};

static STATION: LazyLock<Model> = LazyLock::new(|| train(simulate::profile("weather-station").unwrap()));
static GENERIC: LazyLock<Model> = LazyLock::new(train_generic);

/// One metric of one device, fed value by value.
struct Device {
    model: &'static Model,
    metric: &'static str,
    state: DeviceState,
    time_ms: i64,
}

impl Device {
    fn new(model: &'static Model, metric: &'static str) -> Self {
        Self { model, metric, state: DeviceState::new(), time_ms: START }
    }

    fn feed(&mut self, value: f64) -> Judgement {
        self.time_ms += 60_000;
        self.feed_at(value, self.time_ms)
    }

    fn feed_at(&mut self, value: f64, time_ms: i64) -> Judgement {
        let values = [Value { metric: self.metric, value }];
        let reading = ReadingView { time_ms, values: &values };
        judge_in_place(self.model, &mut self.state, &reading).unwrap()
    }

    /// Readings around 20 that wiggle like a sensor; the count of findings.
    fn settle(&mut self, readings: u32) -> usize {
        (0..readings).filter(|i| self.feed(usual(*i)).finding.is_some()).count()
    }
}

fn usual(i: u32) -> f64 {
    20.0 + [0.0, 0.1, 0.2, 0.1, 0.0, -0.1, -0.2, -0.1][(i * 5 % 8) as usize]
}

#[test]
fn a_new_device_is_warming_up() {
    let mut device = Device::new(&STATION, "temperature");
    for i in 0..detect::WARM_UP {
        let judgement = device.feed(if i == 30 { 40.0 } else { usual(i) });
        assert_eq!(judgement.label, Label::WarmingUp);
        assert!((0.0..0.5).contains(&judgement.score));
    }
    assert_eq!(device.feed(20.0).label, Label::Normal);
    assert_eq!(device.state.readings(), u64::from(detect::WARM_UP) + 1);
}

#[test]
fn the_impossible_is_reported_even_while_warming_up_and_not_learnt() {
    let mut device = Device::new(&STATION, "temperature");
    device.feed(20.0);
    let judgement = device.feed(700.0);
    assert_eq!(judgement.label, Label::Anomaly);
    let finding = judgement.finding.unwrap();
    assert_eq!((finding.kind, finding.severity), (Kind::Point, Severity::Critical));
    assert_eq!(finding.sentence, "Temperature is 700 °C; only values between -60 and 65 °C are physically plausible.");
    assert!(judgement.score >= judgement.threshold);
    // Repeated, it is the same event.
    assert!(device.feed(700.0).finding.is_none());
    assert_eq!(device.settle(200), 0);
}

#[test]
fn a_spike_is_one_finding_and_its_return_none() {
    let mut device = Device::new(&STATION, "temperature");
    assert_eq!(device.settle(300), 0);
    let finding = device.feed(31.2).finding.unwrap();
    assert_eq!(finding.kind, Kind::Point);
    assert!(finding.sentence.starts_with("Temperature is 31.2 °C; between 19"), "{}", finding.sentence);
    let reason = &finding.reasons[0];
    assert_eq!((reason.metric.as_str(), reason.unit.as_str()), ("temperature", "°C"));
    assert!(reason.expected_low < 20.0 && (20.0..31.2).contains(&reason.expected_high));
    assert_eq!(device.settle(100), 0);
}

#[test]
fn a_second_event_soon_after_is_reported_again() {
    let mut device = Device::new(&STATION, "temperature");
    device.settle(300);
    assert!(device.feed(31.0).finding.is_some());
    assert_eq!(device.settle(12), 0);
    assert!(device.feed(31.0).finding.is_some());
}

#[test]
fn a_clearly_higher_peak_within_an_event_is_reported() {
    let mut device = Device::new(&STATION, "temperature");
    device.settle(300);
    assert!(device.feed(25.0).finding.is_some());
    assert!(device.feed(45.0).finding.is_some());
    assert!(device.feed(20.0).finding.is_none());
}

#[test]
fn a_lasting_shift_is_reported_when_it_comes_and_when_it_has_lasted() {
    let mut device = Device::new(&GENERIC, "whatever");
    device.settle(300);
    let kinds: Vec<Kind> = (0..200).filter_map(|i| device.feed(usual(i) + 8.0).finding.map(|f| f.kind)).collect();
    assert_eq!(kinds, [Kind::Point, Kind::ChangePoint]);
}

#[test]
fn a_constant_signals_first_wiggle_is_no_anomaly() {
    for (constant, wiggle) in [(20.0, 20.1), (0.0, 0.01), (1013.0, 1014.0), (-5.0, -5.02)] {
        let mut device = Device::new(&GENERIC, "x");
        for _ in 0..300 {
            assert!(device.feed(constant).finding.is_none());
        }
        assert!(device.feed(wiggle).finding.is_none(), "{constant} {wiggle}");
    }
    let mut device = Device::new(&GENERIC, "x");
    (0..300).for_each(|_| assert!(device.feed(0.0).finding.is_none()));
    assert!(device.feed(400.0).finding.is_some());
}

#[test]
fn time_may_repeat_and_go_backwards() {
    let mut device = Device::new(&STATION, "temperature");
    device.settle(300);
    for (i, time_ms) in [START, START, i64::MIN, i64::MAX, 0, -1, START, i64::MAX].into_iter().enumerate() {
        let judgement = device.feed_at(usual(300 + i as u32), time_ms);
        assert!((0.0..1.0).contains(&judgement.score));
    }
    device.settle(100);
    assert!(device.feed(35.0).finding.is_some());
}

#[test]
fn after_a_gap_the_past_is_a_weak_witness() {
    let mut device = Device::new(&STATION, "temperature");
    device.settle(300);
    device.time_ms += 12 * 3_600_000;
    assert!(device.feed(22.5).finding.is_none());
    assert!(device.feed(22.4).finding.is_none());
}

#[test]
fn missing_metrics_are_no_event() {
    let mut state = DeviceState::new();
    for i in 0..500u32 {
        let both = [
            Value { metric: "humidity", value: 50.0 + usual(i) / 10.0 },
            Value { metric: "temperature", value: usual(i) },
        ];
        let values = if i % 3 == 0 { &both[..] } else { &both[1..] };
        let reading = ReadingView { time_ms: START + i64::from(i) * 60_000, values };
        assert!(judge_in_place(&STATION, &mut state, &reading).unwrap().finding.is_none());
    }
}

#[test]
fn wrong_readings_are_refused_and_change_nothing() {
    let state = DeviceState::new();
    let refuse = |values: &[Value<'_>]| judge(&STATION, &state, &ReadingView { time_ms: 0, values }).unwrap_err();
    let value = |metric, value| Value { metric, value };
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = refuse(&[value("a", bad)]);
        assert!(matches!(error, DetectError::NotFinite { .. }), "{error}");
    }
    assert!(matches!(refuse(&[]), DetectError::Empty { .. }));
    assert!(matches!(refuse(&[value("", 1.0)]), DetectError::Empty { .. }));
    let error = refuse(&[value("b", 1.0), value("a", 1.0)]);
    assert_eq!(error.to_string(), r#"metric "a" follows "b"; expected unique names in ascending order"#);
    assert!(matches!(refuse(&[value("a", 1.0), value("a", 1.0)]), DetectError::Order { .. }));
}

#[test]
fn as_many_metrics_as_promised_fit_and_one_more_is_refused() {
    let names: Vec<String> = (0..=MAX_METRICS).map(|i| format!("metric-{i:02}")).collect();
    let values: Vec<Value<'_>> = names.iter().map(|name| Value { metric: name, value: 1.5 }).collect();
    let mut state = DeviceState::new();
    let full = ReadingView { time_ms: START, values: &values[..MAX_METRICS] };
    judge_in_place(&GENERIC, &mut state, &full).unwrap();
    assert!(state.to_bytes().len() <= MAX_STATE_BYTES, "{}", state.to_bytes().len());
    let before = state.clone();
    let one = ReadingView { time_ms: START, values: &values[MAX_METRICS..] };
    let error = judge_in_place(&GENERIC, &mut state, &one).unwrap_err();
    assert_eq!(error, DetectError::TooManyMetrics { actual: MAX_METRICS + 1, limit: MAX_METRICS });
    assert_eq!(state, before);
}

#[test]
fn a_slow_drift_is_a_change_point() {
    let mut device = Device::new(&STATION, "temperature");
    let quiet = |i: u32| 20.0 + f64::from(i * 7 % 5) / 50.0;
    let calm = (0..300).filter(|i| device.feed(quiet(*i)).finding.is_some()).count();
    assert_eq!(calm, 0);
    let finding = (300..360u32).find_map(|i| device.feed(quiet(i) + 0.03 * f64::from(i - 300)).finding).unwrap();
    assert_eq!((finding.kind, finding.reasons[0].feature), (Kind::ChangePoint, "drift"));
}

#[test]
fn the_noon_temperature_at_night_is_contextual_even_if_it_comes_slowly() {
    let mut device = Device::new(&STATION, "temperature");
    let daily = |minute: u32| {
        let turn = f64::from(minute % 1440) / 1440.0 * std::f64::consts::TAU;
        20.0 - 6.0 * turn.cos() + usual(minute) - 20.0
    };
    let calm = (0..6 * 1440).filter(|minute| device.feed(daily(*minute)).finding.is_some()).count();
    assert_eq!(calm, 0);
    // From midnight on it warms by 12 °C within three hours: no reading differs much from the last.
    let finding = (0..180u32).find_map(|i| device.feed(daily(i) + f64::from(i) / 15.0).finding);
    let finding = finding.unwrap();
    assert_eq!((finding.kind, finding.reasons[0].feature), (Kind::Contextual, "time_of_day"), "{}", finding.sentence);
}

#[test]
fn a_counter_that_counts_on_is_no_event_and_a_leap_or_a_stall_is() {
    let counted = |i: u32| 1e6 + 50.0 * f64::from(i) + usual(i);
    for model in [&*STATION, &*GENERIC] {
        let mut device = Device::new(model, "packets");
        let calm = (0..3000).filter(|i| device.feed(counted(*i)).finding.is_some()).count();
        assert!(calm <= 1, "{calm}");
        assert!(device.feed(counted(3000) + 2000.0).finding.is_some());
        // It begins anew, and goes on as before.
        let calm = (0..200).filter(|i| device.feed(counted(*i) - 1e6).finding.is_some()).count();
        assert!(calm <= 1, "{calm}");
        let mut device = Device::new(model, "packets");
        (0..3000).for_each(|i| drop(device.feed(counted(i))));
        assert!((0..10).any(|_| device.feed(counted(3000)).finding.is_some()));
    }
}

/// Features that a stranger's detector reports in the last of so many readings a minute apart.
fn reported(readings: u32, from: u32, value: impl Fn(u32, f64) -> f64) -> Vec<&'static str> {
    let mut lone = Lone::new(1).unwrap();
    let mut features = Vec::new();
    let mut bits: u64 = 9;
    for minute in 0..readings {
        let mut noise = -2.0;
        for _ in 0..4 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            noise += (bits >> 40) as f64 / f64::from(1 << 24);
        }
        let value = value(minute, noise);
        let judgement = lone.push(START + i64::from(minute) * 60_000, &[Value { metric: "x", value }]).unwrap();
        if minute >= from {
            features.extend(judgement.finding.iter().flat_map(|finding| &finding.reasons).map(|reason| reason.feature));
        }
    }
    features
}

#[test]
fn a_small_lasting_change_is_reported_as_one() {
    let features = reported(3120, 3000, |minute, noise| 50.0 + noise + if minute < 3000 { 0.0 } else { 0.45 });
    assert!(features.contains(&"change"), "{features:?}");
    assert!(reported(3120, 3000, |_, noise| 50.0 + noise).is_empty());
}

#[test]
fn a_value_that_no_longer_moves_is_stuck() {
    let features = reported(3060, 3000, |minute, noise| if minute < 3000 { 50.0 + noise } else { 50.25 });
    assert!(features.contains(&"stuck"), "{features:?}");
}
