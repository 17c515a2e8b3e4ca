//! What the detector reads of strangers: a device's state out of a bundle, model files, a policy.

use std::sync::LazyLock;

use detect::{
    DeviceState, Feedback, Judgement, MetricSpec, Model, Policies, ReadingView, Rule, TableModel, TrainSpec,
    TrainingReading, TrainingSample, Value,
    classify::{Classifier, ClassifierSpec, LabelledTable, schema},
    judge,
};

const METRICS: [&str; 3] = ["flow", "level", "temperature"];

/// Readings of a device: a training sample keeps one of several.
const LONG: i64 = 2_000;

/// A policy with a rule of every sort.
const POLICY: &str = r#"{"default": {"false_alarms_per_day": 2, "rules": [
    {"metric": "flow", "when": {"above": 90}, "for_seconds": 120, "hysteresis": 1, "escalate_by": 5},
    {"metric": "level", "when": {"outside": {"low": -3, "high": 60}}, "times": {"count": 2, "of": 5}},
    {"metric": "temperature", "when": {"rate_of_change": {"limit": 0.5, "per": "minute"}}, "severity": "info"},
    {"metric": "*", "when": {"no_data": {"seconds": 900}}, "refractory_seconds": 600}]}}"#;

/// A device's readings, a minute apart: ordinary ones, and later a jump.
fn readings(device: u32) -> Vec<TrainingReading> {
    let mut noise = u64::from(device) + 1;
    let mut next = || {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (noise >> 40) as f64 / f64::from(1 << 24)
    };
    let value = |at: i64, place: f64, noise: f64| 20.0 * place + (at as f64 / 60.0 + place).sin() + noise;
    (0..LONG)
        .map(|at| TrainingReading {
            time_ms: at * 60_000,
            values: METRICS
                .iter()
                .zip([1.0, 2.0, 3.0])
                .map(|(metric, place)| {
                    ((*metric).to_owned(), value(at, place, next()) + f64::from(at > LONG - 10) * 30.0)
                })
                .collect(),
        })
        .collect()
}

static MODEL: LazyLock<Model> = LazyLock::new(|| {
    let mut sample = TrainingSample::new();
    for device in 0..4 {
        sample.add_device(&readings(device)[..LONG as usize - 20]).expect("readings in order");
    }
    let metrics = METRICS.map(|metric| MetricSpec::new(metric, "l", -1e3, 1e6).expect("a range"));
    let spec = TrainSpec::new("pump", metrics.into(), 7).expect("a specification");
    Model::train(&spec, &sample).expect("enough rows")
});

/// States of a device on its way, with rules.
fn states() -> Vec<Vec<u8>> {
    let policy = Policies::from_json(POLICY).expect("a policy").of("pump", "any");
    let mut state = DeviceState::with_policy(&policy);
    let mut kept = vec![DeviceState::new().to_bytes(), state.to_bytes()];
    for (at, reading) in readings(9).iter().enumerate() {
        state = judged(&MODEL, &state, reading.time_ms, &values(reading)).expect("an ordinary reading").1;
        if [30, 100, 1_995, 1_997, 1_999].contains(&at) {
            kept.push(state.to_bytes());
        }
    }
    kept
}

fn values(reading: &TrainingReading) -> Vec<Value<'_>> {
    reading.values.iter().map(|(metric, value)| Value { metric, value: *value }).collect()
}

/// Judges, and looks whether what comes out can be recorded.
fn judged(model: &Model, state: &DeviceState, time_ms: i64, values: &[Value<'_>]) -> Option<(Judgement, DeviceState)> {
    let (judgement, next) = judge(model, state, &ReadingView { time_ms, values }).ok()?;
    let share = |number: f64| assert!((0.0..=1.0).contains(&number), "{number}");
    share(judgement.score);
    for reason in judgement.finding.iter().flat_map(|finding| &finding.reasons) {
        [reason.score, reason.probability, reason.contribution].into_iter().for_each(share);
        for number in [reason.value, reason.expected, reason.expected_low, reason.expected_high] {
            assert!(number.is_finite(), "{reason:?}");
        }
    }
    assert!(next.to_bytes().len() <= detect::MAX_STATE_BYTES);
    Some((judgement, next))
}

/// A state means the same when it is written and read again (numbers beyond what a series holds are bounded), and
/// whatever it says, judging ends with a verdict that can be recorded.
pub(super) fn state(data: &[u8]) {
    let Ok(state) = DeviceState::from_bytes(data) else { return };
    assert_eq!(DeviceState::from_bytes(&state.to_bytes()).as_ref(), Ok(&state));
    let policy = Policies::from_json(POLICY).expect("a policy").of("pump", "any");
    for (values, after) in [([21.0, 40.0, 60.0], 60_000), ([-1e308, 1e308, 5e-324], 1), ([80.0, -80.0, 0.0], i64::MAX)]
    {
        let mut state = state.clone();
        let mut time_ms = 1_700_000_000_000;
        for _ in 0..3 {
            let values: Vec<Value<'_>> =
                METRICS.iter().zip(values).map(|(metric, value)| Value { metric, value }).collect();
            let Some((_, next)) = judged(&MODEL, &state, time_ms, &values) else { return };
            state = next;
            time_ms = time_ms.saturating_add(after);
        }
        for answer in [Feedback::FalseAlarm, Feedback::Real] {
            state.feedback(answer, 0.999);
        }
        let _ = state.silence_of(policy.rules().iter().map(Rule::metric), i64::MAX);
    }
}

/// A model is written as it is read, and whatever it says, it judges.
pub(super) fn model(data: &[u8]) {
    let Ok(model) = Model::from_bytes(data) else { return };
    assert_eq!(model.to_bytes(), data);
    let _ = model.meta();
    let mut state = DeviceState::new();
    for reading in readings(3)[LONG as usize - 200..].iter() {
        let Some((_, next)) = judged(&model, &state, reading.time_ms, &values(reading)) else { return };
        // Of a device that was not made up, what is kept is read again.
        assert_eq!(DeviceState::from_bytes(&next.to_bytes()).as_ref(), Ok(&next));
        state = next;
    }
}

/// A model of a table is written as it is read, and whatever it says, it scores.
pub(super) fn table(data: &[u8]) {
    let Ok(model) = TableModel::from_bytes(data) else { return };
    assert_eq!(model.to_bytes(), data);
    let width = model.columns().len();
    for value in [0.0, 1.0, -1e9, f32::MAX, f32::MIN, f32::MIN_POSITIVE] {
        let score = model.score(&vec![value; width]).expect("finite numbers");
        assert!((0.0..=1.0).contains(&score), "{score}");
    }
}

/// A classifier is written as it is read, and whatever it says, its trees vote.
pub(super) fn classifier(data: &[u8]) {
    let Ok(classifier) = Classifier::from_bytes(data) else { return };
    assert_eq!(classifier.to_bytes(), data);
    let names: Vec<String> = classifier.columns().iter().map(|column| column.name().to_owned()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let Ok(matching) = classifier.matching(&names) else { return };
    for cell in ["0", "-1e300", "tcp", "", "nan", "inf"] {
        if let Ok(shares) = classifier.probabilities(&matching, &vec![cell; names.len()]) {
            assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)), "{shares:?}");
        }
    }
}

/// A policy means the same when it is written and read again, and a state can follow it.
pub(super) fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(policies) = Policies::from_json(text) else { return };
    let written = serde_json::to_string(&policies).expect("it was read");
    assert_eq!(Policies::from_json(&written).as_ref(), Ok(&policies));
    for (profile, device) in [("pump", "bed-12"), ("cold-chain", "fridge-7")] {
        let policy = policies.of(profile, device);
        let state = DeviceState::with_policy(&policy);
        assert!(state.follows(&policy));
        self::state(&state.to_bytes());
    }
}

/// Honest inputs for a target.
pub(super) fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "state" => states(),
        "model" => vec![MODEL.to_bytes()],
        "table" => vec![small_table()],
        "classifier" => vec![small_classifier()],
        "policy" => vec![POLICY.into(), include_str!("../../../docs/policy.json").into()],
        _ => Vec::new(),
    }
}

fn small_table() -> Vec<u8> {
    let rows: Vec<f32> = readings(5).iter().take(64).flat_map(|r| r.values.iter().map(|(_, v)| *v as f32)).collect();
    TableModel::train(&METRICS.map(str::to_owned), &rows, 3).expect("enough rows").to_bytes()
}

fn small_classifier() -> Vec<u8> {
    let columns = schema(&["proto", "rate"], &[], &[vec!["tcp", "1.5"]]).expect("columns");
    let mut table = LabelledTable::new(columns).expect("a table");
    for at in 0..100 {
        let (proto, rate) = (if at % 3 == 0 { "udp" } else { "tcp" }, (at * (1 + 9 * (at % 2))).to_string());
        table.push(&[proto, &rate], if at % 2 == 0 { "benign" } else { "flood" }).expect("a row");
    }
    let spec = ClassifierSpec::binary(1).with(5, 6, 2, 0.2).expect("parameters");
    Classifier::train(&table, &spec).expect("enough rows").to_bytes()
}
