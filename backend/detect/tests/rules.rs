//! Limits that people set: what is reported, when, and in which words.
#![allow(clippy::unwrap_used)] // helpers of a test may stop at the first surprise too
mod common;

use std::sync::LazyLock;

use common::{START, train};
use detect::{
    Condition, DeviceState, Finding, Judgement, Kind, Label, Lasting, MAX_METRICS, MAX_RULES, MAX_STATE_BYTES, Model,
    Per, Policy, ReadingView, Rule, Severity, Value, WHOLE_DEVICE, judge, judge_in_place,
};
use proptest::prelude::*;

static MONITOR: LazyLock<Model> = LazyLock::new(|| train(simulate::profile("patient-monitor").unwrap()));

/// One metric of one device.
struct Device {
    metric: &'static str,
    state: DeviceState,
    time_ms: i64,
}

impl Device {
    fn new(metric: &'static str, rules: Vec<Rule>) -> Self {
        let policy = Policy::new(1.0, rules).unwrap();
        Self { metric, state: DeviceState::with_policy(&policy), time_ms: START }
    }

    fn after(&mut self, seconds: f64, value: f64) -> Judgement {
        self.time_ms += (1000.0 * seconds) as i64;
        let values = [Value { metric: self.metric, value }];
        judge_in_place(&MONITOR, &mut self.state, &ReadingView { time_ms: self.time_ms, values: &values }).unwrap()
    }

    /// The indexes of the values that are reported, ten seconds apart.
    fn reported(&mut self, values: &[f64]) -> Vec<usize> {
        (0..values.len()).filter(|i| self.after(10.0, values[*i]).finding.is_some()).collect()
    }
}

fn rule(metric: &str, condition: Condition) -> Rule {
    Rule::new(metric, condition).unwrap()
}

#[test]
fn a_low_saturation_is_reported_once_it_has_lasted_even_while_warming_up() {
    let low = rule("spo2", Condition::Below(90.0)).lasting(Lasting::Millis(30_000)).unwrap();
    let mut device = Device::new("spo2", vec![low.severity(Severity::Critical)]);
    for value in [97.0, 89.0, 88.0, 86.0] {
        assert_eq!(device.after(10.0, value).label, Label::WarmingUp);
    }
    let judgement = device.after(10.0, 84.0);
    assert_eq!(judgement.label, Label::Anomaly);
    assert!(judgement.score >= judgement.threshold);
    let finding = judgement.finding.unwrap();
    assert_eq!((finding.kind, finding.severity), (Kind::Threshold, Severity::Critical));
    assert_eq!(finding.sentence, "Oxygen saturation has been below 90 % for 30 s; it is 84 %.");
    let reason = &finding.reasons[0];
    assert_eq!((reason.feature, reason.metric.as_str(), reason.unit.as_str()), ("below", "spo2", "%"));
    assert_eq!((reason.expected_low, reason.expected_high, reason.contribution), (90.0, 90.0, 1.0));
    let ongoing = device.after(10.0, 84.0);
    assert!(ongoing.finding.is_none() && (0.4..0.5).contains(&ongoing.score));
}

#[test]
fn a_reading_in_order_starts_the_duration_anew() {
    let low = rule("unheard-of", Condition::Below(90.0)).lasting(Lasting::Millis(20_000)).unwrap();
    let mut device = Device::new("unheard-of", vec![low]);
    assert_eq!(device.reported(&[89.0, 89.0, 90.0, 89.0, 89.0, 89.0, 89.0]), [5]);
}

#[test]
fn n_of_m_readings_are_enough() {
    let high = rule("x", Condition::Above(5.0)).lasting(Lasting::Times { count: 3, of: 5 }).unwrap();
    let mut device = Device::new("x", vec![high]);
    assert_eq!(device.reported(&[6.0, 1.0, 6.0, 1.0, 1.0, 6.0, 6.0]), [6]);
    let high = rule("x", Condition::Above(5.0)).lasting(Lasting::Times { count: 3, of: 5 }).unwrap();
    let mut device = Device::new("x", vec![high]);
    device.reported(&[6.0, 1.0, 6.0, 1.0]);
    let finding = device.after(10.0, 6.5).finding.unwrap();
    assert_eq!(finding.sentence, "X was above 5 in 3 of the last 5 readings; it is 6.5.");
}

#[test]
fn one_crossing_is_one_finding_however_it_flickers() {
    let high = rule("x", Condition::Above(10.0)).hysteresis(1.0).unwrap().refractory_seconds(0);
    let mut device = Device::new("x", vec![high]);
    assert_eq!(device.reported(&[11.0, 9.5, 10.5, 9.1, 12.0, 9.0, 10.1]), [0, 6]);
}

#[test]
fn a_crossing_soon_after_the_last_is_reported_when_it_outlasts_the_refractory_time() {
    let mut device = Device::new("x", vec![rule("x", Condition::Above(10.0))]);
    assert_eq!(device.reported(&[11.0, 9.0, 11.0, 9.0, 11.0, 11.0, 11.0, 11.0]), [0, 6]);
}

#[test]
fn escalation_is_reported_step_by_step_and_more_severe() {
    let high = rule("x", Condition::Above(38.0)).severity(Severity::Info).escalate_by(1.0).unwrap();
    let mut device = Device::new("x", vec![high]);
    let severities: Vec<Option<Severity>> = [38.5, 38.9, 39.2, 39.9, 38.5, 39.5, 41.0, 41.1]
        .into_iter()
        .map(|value| device.after(10.0, value).finding.map(|finding| finding.severity))
        .collect();
    let (info, warning, critical) = (Some(Severity::Info), Some(Severity::Warning), Some(Severity::Critical));
    assert_eq!(severities, [info, None, warning, None, None, None, critical, None]);
}

#[test]
fn a_rule_further_out_is_a_rule_of_its_own() {
    let warning = rule("spo2", Condition::Below(90.0));
    let critical = rule("spo2", Condition::Below(85.0)).severity(Severity::Critical);
    let mut device = Device::new("spo2", vec![warning, critical]);
    assert_eq!(device.after(10.0, 88.0).finding.unwrap().severity, Severity::Warning);
    assert_eq!(device.after(10.0, 84.0).finding.unwrap().severity, Severity::Critical);
    assert!(device.after(10.0, 84.0).finding.is_none());
    // Both at once: the more severe one gives the sentence, both are reasons.
    device.after(70.0, 95.0);
    let finding = device.after(10.0, 80.0).finding.unwrap();
    assert_eq!(finding.sentence, "Oxygen saturation is 80 %; below 85 % is not in order.");
    assert_eq!(finding.reasons.len(), 2);
    assert!((finding.reasons.iter().map(|reason| reason.contribution).sum::<f64>() - 1.0).abs() < 1e-12);
}

#[test]
fn outside_has_two_ends() {
    let both = rule("x", Condition::Outside { low: 18.0, high: 25.0 }).refractory_seconds(0);
    let mut device = Device::new("x", vec![both]);
    let finding = device.after(10.0, 17.96).finding.unwrap();
    assert_eq!(finding.sentence, "X is 17.96; outside 18 to 25 is not in order.");
    assert_eq!((finding.reasons[0].expected_low, finding.reasons[0].expected_high), (18.0, 25.0));
    assert_eq!(device.reported(&[20.0, 25.0, 25.1]), [2]);
}

#[test]
fn a_rate_is_judged_per_time_not_per_reading() {
    let fast = rule("spo2", Condition::RateOfChange { limit: 5.0, per: Per::Minute }).refractory_seconds(0);
    let mut device = Device::new("spo2", vec![fast]);
    assert!(device.after(60.0, 97.0).finding.is_none());
    assert!(device.after(60.0, 93.0).finding.is_none());
    // The same drop within ten seconds.
    let finding = device.after(10.0, 89.0).finding.unwrap();
    assert_eq!(finding.sentence, "Oxygen saturation is falling by 24 % per minute, faster than 5 %; it is 89 %.");
    assert_eq!(finding.reasons[0].feature, "rate_of_change");
    assert!((finding.reasons[0].expected_low - (93.0 - 5.0 / 6.0)).abs() < 1e-9);
    // A repeated time has no rate.
    assert!(device.after(0.0, 80.0).finding.is_none());
}

#[test]
fn silence_is_reported_once_by_whoever_asks() {
    let quiet = rule("spo2", Condition::NoData { seconds: 300.0 });
    let policy = Policy::new(1.0, vec![quiet]).unwrap();
    let mut device = Device::new("spo2", policy.rules().to_vec());
    assert!(device.state.silence(&policy, START + 3_600_000).is_none(), "nothing was ever sent");
    device.after(10.0, 97.0);
    let mut ask = |seconds: i64| device.state.silence(&policy, device.time_ms + 1000 * seconds);
    assert!(ask(300).is_none());
    let finding = ask(720).unwrap();
    assert_eq!(finding.sentence, "Oxygen saturation has sent no data for 12 min; at most 5 min is in order.");
    let reason = &finding.reasons[0];
    assert_eq!((reason.feature, reason.unit.as_str(), reason.value), ("no_data", "s", 720.0));
    assert_eq!((reason.expected_low, reason.expected_high), (0.0, 300.0));
    assert!(ask(800).is_none());
    assert!(device.after(900.0, 97.0).finding.is_none(), "was reported while it lasted");
    let finding = device.after(900.0, 97.0).finding.unwrap();
    assert_eq!(
        finding.sentence,
        "Oxygen saturation had sent no data for 15 min before this reading; at most 5 min is in order."
    );
}

#[test]
fn one_metric_may_fall_silent_while_the_device_goes_on() {
    let rules = vec![
        rule("spo2", Condition::NoData { seconds: 120.0 }),
        rule(WHOLE_DEVICE, Condition::NoData { seconds: 60.0 }).escalate_by(600.0).unwrap(),
    ];
    let policy = Policy::new(1.0, rules).unwrap();
    let mut device = Device::new("heart_rate", policy.rules().to_vec());
    for _ in 0..13 {
        assert!(device.after(10.0, 70.0).finding.is_none());
    }
    let finding = device.state.silence(&policy, device.time_ms + 1000).unwrap();
    assert_eq!((finding.reasons.len(), finding.reasons[0].metric.as_str()), (1, "spo2"));
    let finding = device.state.silence(&policy, device.time_ms + 61_000).unwrap();
    assert_eq!(finding.sentence, "The device has sent no data for 61 s; at most 60 s is in order.");
    // It lasts: reported again, and as worse.
    assert!(device.state.silence(&policy, device.time_ms + 600_000).is_none());
    let finding = device.state.silence(&policy, device.time_ms + 660_000).unwrap();
    assert_eq!(finding.severity, Severity::Critical);
}

#[test]
fn a_rule_and_the_model_make_one_finding() {
    let high = rule("heart_rate", Condition::Above(180.0)).severity(Severity::Info);
    let mut device = Device::new("heart_rate", vec![high]);
    for i in 0..300 {
        device.after(60.0, 70.0 + f64::from(i * 5 % 8) / 4.0);
    }
    let finding: Finding = device.after(60.0, 200.0).finding.unwrap();
    assert_eq!(finding.kind, Kind::Threshold);
    assert!(finding.severity > Severity::Info, "the model finds it worse");
    assert!(finding.sentence.contains("above 180"), "{}", finding.sentence);
    let features: Vec<&str> = finding.reasons.iter().map(|reason| reason.feature).collect();
    assert!(features.len() >= 2 && features[0] == "above", "{features:?}");
    assert!((finding.reasons.iter().map(|reason| reason.contribution).sum::<f64>() - 1.0).abs() < 1e-12);
}

#[test]
fn another_policy_keeps_the_rules_that_stay() {
    let stays = rule("x", Condition::Above(10.0));
    let mut device = Device::new("x", vec![stays.clone(), rule("x", Condition::Above(50.0))]);
    assert_eq!(device.reported(&[11.0]), [0]);
    let next = Policy::new(2.0, vec![rule("x", Condition::Below(0.0)), stays]).unwrap();
    device.state.set_policy(&next);
    assert!(device.state.follows(&next) && !device.state.follows(&Policy::default()));
    assert_eq!(device.reported(&[11.0, -1.0]), [1]);
}

#[test]
fn as_many_rules_and_metrics_as_promised_fit_into_a_state() {
    let range = |i| Condition::Outside { low: -f64::from(i), high: f64::from(i) + 0.3 };
    let rules: Vec<Rule> = (0..MAX_RULES as u32).map(|i| rule(&format!("metric-{i:02}"), range(i))).collect();
    let policy = Policy::new(1.0, rules.clone()).unwrap();
    let names: Vec<String> = (0..MAX_METRICS).map(|i| format!("metric-{i:02}")).collect();
    let values: Vec<Value<'_>> = names.iter().map(|name| Value { metric: name, value: 1.5 }).collect();
    let mut state = DeviceState::with_policy(&policy);
    judge_in_place(&MONITOR, &mut state, &ReadingView { time_ms: START, values: &values }).unwrap();
    let bytes = state.to_bytes();
    assert!(bytes.len() <= MAX_STATE_BYTES, "{}", bytes.len());
    assert_eq!(DeviceState::from_bytes(&bytes).unwrap(), state);
    let mut too_many = rules;
    too_many.push(rule("y", range(3)));
    assert!(Policy::new(1.0, too_many).is_err());
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let condition = prop_oneof![
        (-5.0..5.0f64).prop_map(Condition::Above),
        (-5.0..5.0f64).prop_map(Condition::Below),
        (-5.0..0.0f64, 0.5..5.0f64).prop_map(|(low, high)| Condition::Outside { low, high }),
        (0.1..9.0f64).prop_map(|limit| Condition::RateOfChange { limit, per: Per::Minute }),
        (0.1..900.0f64).prop_map(|seconds| Condition::NoData { seconds }),
    ];
    let lasting = prop_oneof![
        Just(Lasting::AtOnce),
        (1..400_000u32).prop_map(Lasting::Millis),
        (1..=32u8, 0..32u8).prop_map(|(count, more)| Lasting::Times { count, of: (count + more).min(32) }),
    ];
    let severity = prop_oneof![Just(Severity::Info), Just(Severity::Warning), Just(Severity::Critical)];
    (condition, lasting, severity, 0.0..0.04f32, 0.0..3.0f32, 0..300u16).prop_map(
        |(condition, lasting, severity, hysteresis, step, rest)| {
            let rule = rule("x", condition).severity(severity).escalate_by(step).unwrap().refractory_seconds(rest);
            match condition {
                Condition::NoData { .. } => rule,
                _ => rule.lasting(lasting).unwrap().hysteresis(hysteresis).unwrap(),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_the_rules_a_state_keeps_its_bytes_and_a_verdict_its_bounds(
        rules in prop::collection::vec(any_rule(), 1..=MAX_RULES),
        values in prop::collection::vec(prop_oneof![8 => -9.0..9.0f64, 1 => Just(f64::MAX), 1 => Just(f64::MIN)], 1..80),
        steps in prop::collection::vec(-1000..400_000i64, 80),
    ) {
        let Ok(policy) = Policy::new(1.0, rules) else { return Ok(()) };
        let mut state = DeviceState::with_policy(&policy);
        let mut time_ms = START;
        for (value, step) in values.into_iter().zip(steps) {
            time_ms += step;
            let values = [Value { metric: "x", value }];
            let (judgement, next) = judge(&MONITOR, &state, &ReadingView { time_ms, values: &values }).unwrap();
            let bytes = next.to_bytes();
            state = DeviceState::from_bytes(&bytes).unwrap();
            prop_assert_eq!(&state, &next);
            prop_assert_eq!(state.to_bytes(), bytes);
            prop_assert!((0.0..1.0).contains(&judgement.score));
            for reason in judgement.finding.iter().flat_map(|finding| &finding.reasons) {
                prop_assert!(reason.expected_low <= reason.expected_high && reason.expected.is_finite());
                prop_assert!((0.0..=1.0).contains(&reason.contribution));
            }
            let silent = state.silence(&policy, time_ms + 200_000);
            prop_assert!(silent.is_none_or(|finding| finding.kind == Kind::Threshold));
        }
    }

    #[test]
    fn a_rule_reads_back_from_its_text(rule in any_rule()) {
        let text = serde_json::to_string(&rule).unwrap();
        prop_assert_eq!(serde_json::from_str::<Rule>(&text).unwrap(), rule);
    }
}
