//! Policies as people write them: who gets which, and what is refused.
#![allow(clippy::unwrap_used)] // helpers of a test may stop at the first surprise too

use detect::{Budget, Condition, Lasting, Per, Policies, Policy, Rule, Severity};

const DOCUMENT: &str = r#"{
  "default": {"false_alarms_per_day": 0.5, "rules": [{"metric": "*", "when": {"no_data": {"seconds": 600}}}]},
  "profiles": {
    "patient-monitor": {
      "rules": [
        {"metric": "spo2", "when": {"below": 90}, "for_seconds": 30, "severity": "critical", "hysteresis": 1},
        {"metric": "heart_rate", "when": {"outside": {"low": 40, "high": 130}}, "times": {"count": 3, "of": 5},
         "escalate_by": 20, "refractory_seconds": 300},
        {"metric": "temperature", "when": {"rate_of_change": {"limit": 0.5, "per": "minute"}}, "severity": "info"}
      ]
    }
  },
  "devices": {"bed-12": {"contamination": 0.001, "rules": []}, "bed-13": {"false_alarms_per_day": 3}}
}"#;

#[test]
fn the_nearest_part_that_says_something_counts() {
    let policies = Policies::from_json(DOCUMENT).unwrap();
    let other = policies.of("weather-station", "roof");
    assert_eq!((other.budget(), other.rules().len()), (Budget::PerDay(0.5), 1));
    let monitor = policies.of("patient-monitor", "bed-1");
    assert_eq!((monitor.budget(), monitor.rules().len()), (Budget::PerDay(0.5), 3));
    let twelve = policies.of("patient-monitor", "bed-12");
    assert_eq!((twelve.budget(), twelve.rules().len()), (Budget::Share(0.001), 0));
    let thirteen = policies.of("patient-monitor", "bed-13");
    assert_eq!((thirteen.budget(), thirteen.rules().len()), (Budget::PerDay(3.0), 3));
    let none = Policies::from_json("{}").unwrap().of("x", "y");
    assert_eq!(none, Policy::default());
}

#[test]
fn limits_of_a_type_stand_between_its_name_and_its_profile() {
    let policies = Policies::from_json(DOCUMENT).unwrap();
    let rules =
        vec![Rule::new("spo2", Condition::Below(85.0)).unwrap(), Rule::new("t", Condition::Above(1.0)).unwrap()];
    let limits = Policy::new(9.0, rules.clone()).unwrap();
    // What the document says of the type by its name, or of the device, counts before them; the rest does not.
    assert_eq!(policies.of_type("patient-monitor", &limits, "patient-monitor", "bed-1").rules().len(), 3);
    assert_eq!(policies.of_type("icu", &limits, "patient-monitor", "bed-12").rules().len(), 0);
    let icu = policies.of_type("icu", &limits, "patient-monitor", "bed-1");
    assert_eq!((icu.rules(), icu.budget()), (rules.as_slice(), Budget::PerDay(0.5)));
    let without = policies.of_type("icu", &Policy::default(), "patient-monitor", "bed-1");
    assert_eq!(without.rules().len(), 3);
}

#[test]
fn what_is_written_is_what_is_built() {
    let monitor = Policies::from_json(DOCUMENT).unwrap().of("patient-monitor", "bed-1");
    let built = [
        Rule::new("spo2", Condition::Below(90.0))
            .unwrap()
            .lasting(Lasting::Millis(30_000))
            .unwrap()
            .severity(Severity::Critical)
            .hysteresis(1.0)
            .unwrap(),
        Rule::new("heart_rate", Condition::Outside { low: 40.0, high: 130.0 })
            .unwrap()
            .lasting(Lasting::Times { count: 3, of: 5 })
            .unwrap()
            .escalate_by(20.0)
            .unwrap()
            .refractory_seconds(300),
        Rule::new("temperature", Condition::RateOfChange { limit: 0.5, per: Per::Minute })
            .unwrap()
            .severity(Severity::Info),
    ];
    assert_eq!(monitor.rules(), built);
    let text = serde_json::to_string(&monitor).unwrap();
    assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), monitor);
}

#[test]
fn what_is_wrong_is_refused_and_named() {
    let with_rule = |rule: &str| format!(r#"{{"default": {{"rules": [{rule}]}}}}"#);
    let cases = [
        (r#"{"defaults": {}}"#.to_owned(), "defaults"),
        (r#"{"default": {"false_alarms_per_day": 1, "contamination": 0.1}}"#.to_owned(), "both"),
        (r#"{"default": {"false_alarms_per_day": 0}}"#.to_owned(), "0.000001"),
        (r#"{"devices": {"a": {}, "a": {}}}"#.to_owned(), "two policies"),
        (with_rule(r#"{"metric": "x", "when": {"above": 1}, "sevrity": "info"}"#), "sevrity"),
        (with_rule(r#"{"metric": "x", "when": {"above": 1, "below": 0}}"#), "expected"),
        (with_rule(r#"{"metric": "x", "when": {"outside": {"low": 2, "high": 1}}}"#), "low below high"),
        (with_rule(r#"{"metric": "", "when": {"above": 1}}"#), "1 to 128 bytes"),
        (with_rule(r#"{"metric": "*", "when": {"above": 1}}"#), "no_data"),
        (with_rule(r#"{"metric": "x", "when": {"no_data": {"seconds": 9}}, "for_seconds": 5}"#), "for no_data neither"),
        (with_rule(r#"{"metric": "x", "when": {"above": 1}, "times": {"count": 6, "of": 5}}"#), "1 to 32 readings"),
        (with_rule(r#"{"metric": "x", "when": {"above": 1}, "for_seconds": 0}"#), "for_seconds"),
        (
            with_rule(r#"{"metric": "x", "when": {"above": 1}}, {"metric": "x", "when": {"above": 1}}"#),
            "each rule once",
        ),
        ("[1]".to_owned(), "expected"),
    ];
    for (text, part) in cases {
        let error = Policies::from_json(&text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}\n{error}");
    }
}

#[test]
fn a_budget_converts_by_the_number_of_readings() {
    let minute = 60_000.0;
    assert!((Budget::PerDay(1.0).alarm_probability(minute) - 1.0 / 1440.0).abs() < 1e-15);
    assert_eq!(Budget::Share(0.01).alarm_probability(minute), 0.01);
    assert!((Budget::Share(1.0 / 1440.0).false_alarms_per_day(minute) - 1.0).abs() < 1e-12);
    // One reading a week cannot alarm once a day.
    assert_eq!(Budget::PerDay(1.0).alarm_probability(7.0 * 86_400_000.0), 0.5);
}

#[test]
fn the_policy_in_the_documentation_is_one() {
    let page = include_str!("../../../docs/detection.md");
    let example = page.split("```json").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let policies = Policies::from_json(example).unwrap();
    assert_eq!(policies.of("patient-monitor", "bed-1").rules().len(), 4);
    assert!(policies.of("patient-monitor", "bed-12").rules().is_empty());
    assert_eq!(policies.of("weather-station", "roof").rules().len(), 1);
}
