//! What people say about findings, and what it does: something, within bounds, for a while.
#![allow(clippy::unwrap_used)] // helpers of a test may stop at the first surprise too
mod common;

use std::sync::LazyLock;

use common::{START, train_generic};
use detect::{
    Condition, DeviceState, Feedback, Judgement, Model, Policy, ReadingView, Rule, Value, judge, judge_in_place,
};

static GENERIC: LazyLock<Model> = LazyLock::new(train_generic);
const MINUTE: i64 = 60_000;
const DAY: i64 = 1440 * MINUTE;

fn try_out(state: &DeviceState, time_ms: i64, value: f64) -> Judgement {
    let values = [Value { metric: "x", value }];
    judge(&GENERIC, state, &ReadingView { time_ms, values: &values }).unwrap().0
}

/// A device that sent for two days, and the time of its next reading.
fn settled() -> (DeviceState, i64) {
    let mut state = DeviceState::new();
    for minute in 0..2880 {
        send(&mut state, START + minute * MINUTE);
    }
    (state, START + 2880 * MINUTE)
}

fn send(state: &mut DeviceState, time_ms: i64) {
    let minute = time_ms / MINUTE;
    let value = 20.0 + [0.0, 0.1, 0.2, 0.1, 0.0, -0.1, -0.2, -0.1][(minute * 5 % 8) as usize];
    let values = [Value { metric: "x", value }];
    judge_in_place(&GENERIC, state, &ReadingView { time_ms, values: &values }).unwrap();
}

/// The smallest size of a spike that is reported.
fn smallest(state: &DeviceState, time_ms: i64) -> f64 {
    let sizes = (0..2000).map(|i| 0.0005 * 1.005f64.powi(i));
    sizes.into_iter().find(|size| try_out(state, time_ms, 20.2 + size).finding.is_some()).unwrap()
}

#[test]
fn a_false_alarm_is_not_repeated_and_a_stronger_one_still_comes() {
    let (mut state, time) = settled();
    let size = smallest(&state, time);
    let judgement = try_out(&state, time, 20.2 + size);
    state.feedback(Feedback::FalseAlarm, judgement.score);
    assert!(try_out(&state, time, 20.2 + size).finding.is_none());
    let before = smallest(&state, time);
    for _ in 0..100 {
        state.feedback(Feedback::FalseAlarm, 0.99);
    }
    let after = smallest(&state, time);
    println!("reported from {size:.2}, after one answer from {before:.2}, after a hundred from {after:.2}");
    assert!(before > size && after > before);
    assert!(try_out(&state, time, 40.0).finding.is_some(), "nobody can be talked into deafness");
}

#[test]
fn what_was_missed_is_found_next_time_within_bounds() {
    let (mut state, time) = settled();
    let size = smallest(&state, time);
    let missed = try_out(&state, time, 20.2 + 0.99 * size);
    assert!(missed.finding.is_none());
    for _ in 0..100 {
        state.feedback(Feedback::Real, missed.score);
    }
    assert!(smallest(&state, time) < size);
    assert!(try_out(&state, time, 20.1).finding.is_none(), "the ordinary stays ordinary");
}

#[test]
fn feedback_is_kept_in_the_state_and_forgotten_in_weeks() {
    let (mut state, time) = settled();
    let mut untouched = state.clone();
    for _ in 0..10 {
        state.feedback(Feedback::FalseAlarm, 0.99);
    }
    assert_eq!(DeviceState::from_bytes(&state.to_bytes()).unwrap(), state);
    let ratio = |a: &DeviceState, b: &DeviceState, time| smallest(a, time) / smallest(b, time);
    let at_once = ratio(&state, &untouched, time);
    let mut now = time;
    while now < time + 42 * DAY {
        send(&mut state, now);
        send(&mut untouched, now);
        now += MINUTE;
    }
    let later = ratio(&state, &untouched, now);
    println!("{at_once:.3} times at once, {later:.3} times after six weeks");
    assert!(at_once > 1.02 && (later - 1.0) < 0.4 * (at_once - 1.0), "{at_once} {later}");
}

#[test]
fn a_right_finding_takes_back_part_of_what_false_alarms_did_and_no_more() {
    let (mut state, time) = settled();
    let before = smallest(&state, time);
    state.feedback(Feedback::Real, 0.8);
    assert_eq!(smallest(&state, time), before);
    state.feedback(Feedback::FalseAlarm, 0.8);
    let harder = smallest(&state, time);
    (0..50).for_each(|_| state.feedback(Feedback::Real, 0.8));
    assert!(harder > before && smallest(&state, time) == before);
}

#[test]
fn a_limit_that_people_set_is_not_argued_with() {
    let rule = Rule::new("x", Condition::Above(20.5)).unwrap();
    let (mut state, time) = settled();
    state.set_policy(&Policy::new(1.0, vec![rule]).unwrap());
    for _ in 0..100 {
        state.feedback(Feedback::FalseAlarm, 0.99);
    }
    assert!(try_out(&state, time, 20.51).finding.is_some());
}
