//! What a patient attacker can teach the detector. The attacker knows everything: model, state and
//! code, tries each reading beforehand, and sends the worst one that is not reported.
#![allow(clippy::unwrap_used)] // helpers of a test may stop at the first surprise too
mod common;

use std::{f64::consts::TAU, sync::LazyLock};

use common::{START, train_generic};
use detect::{DeviceState, Finding, Model, ReadingView, Value, judge, judge_in_place};

static GENERIC: LazyLock<Model> = LazyLock::new(train_generic);

const DAY: u32 = 1440;
/// Mean absolute deviation of `honest` from its mean: 2/π of the amplitude.
const UNIT: f64 = 5.0 * 2.0 / std::f64::consts::PI;

/// A daily cycle of ±5 and a sensor's wiggle.
fn honest(minute: u32) -> f64 {
    let wiggle = [0.0, 0.1, 0.2, 0.1, 0.0, -0.1, -0.2, -0.1][(minute * 5 % 8) as usize];
    20.0 - 5.0 * (f64::from(minute % DAY) / f64::from(DAY) * TAU).cos() + wiggle
}

/// A device that was honest for its first days.
fn taught(days: u32) -> DeviceState {
    let mut state = DeviceState::new();
    for minute in 0..days * DAY {
        send(&mut state, minute, honest(minute));
    }
    state
}

fn try_out(state: &DeviceState, minute: u32, value: f64) -> (Option<Finding>, DeviceState) {
    let time_ms = START + i64::from(minute) * 60_000;
    let values = [Value { metric: "x", value }];
    let (judgement, next) = judge(&GENERIC, state, &ReadingView { time_ms, values: &values }).unwrap();
    (judgement.finding, next)
}

fn send(state: &mut DeviceState, minute: u32, value: f64) -> Option<Finding> {
    let time_ms = START + i64::from(minute) * 60_000;
    let values = [Value { metric: "x", value }];
    judge_in_place(&GENERIC, state, &ReadingView { time_ms, values: &values }).unwrap().finding
}

/// The offset that an attacker reaches from day 4 on without any finding, who adds to it with each
/// reading the largest of some steps, up to `fastest`, that is not reported. Ends where everything
/// that the attacker can send is reported.
fn greedy(days: u32, fastest: f64) -> f64 {
    let mut state = taught(4);
    let mut offset = 0.0;
    for minute in 4 * DAY..(4 + days) * DAY {
        let steps = [1.0, 0.3, 0.1, 0.03, 0.01, 0.0, -0.1, -1.0].map(|share| share * fastest);
        let silent = steps.into_iter().find_map(|step| {
            let (finding, next) = try_out(&state, minute, honest(minute) + offset + step);
            finding.is_none().then_some((step, next))
        });
        let Some((step, next)) = silent else { break };
        offset += step;
        state = next;
    }
    offset
}

#[test]
fn nobody_leads_a_level_further_than_stated() {
    for days in [1, 4] {
        // 8 units, half a unit more each day, and units that grow by a tenth each day.
        let stated = (8.0 + 0.5 * f64::from(days)) * UNIT * 1.1f64.powi(days as i32);
        for fastest in [0.002, 0.005, 0.02, 0.1, 0.5, 2.0] {
            let reached = greedy(days, fastest);
            println!("{days} days, steps up to {fastest}: {:.1} units of {:.1} stated", reached / UNIT, stated / UNIT);
            assert!(reached <= stated, "{days} days, steps up to {fastest}: {reached} of {stated}");
        }
    }
}

/// The smallest jump that is reported at once.
fn smallest_jump(state: &DeviceState, minute: u32) -> f64 {
    let reported = |size: &f64| try_out(state, minute, honest(minute) + size).0.is_some();
    (0..400).map(|i| 0.05 * 1.05f64.powi(i)).find(reported).unwrap()
}

#[test]
fn nobody_makes_it_deaf_to_jumps_further_than_stated() {
    let days = 3;
    let honest_jump = smallest_jump(&taught(4 + days), (4 + days) * DAY);
    let mut state = taught(4);
    let mut noise = 0.1;
    for minute in 4 * DAY..(4 + days) * DAY {
        let sign = if minute % 2 == 0 { 1.0 } else { -1.0 };
        let louder = [1.02, 1.003, 1.0, 0.98, 0.5].into_iter().find_map(|factor| {
            let (finding, next) = try_out(&state, minute, honest(minute) + sign * noise * factor);
            finding.is_none().then_some((factor, next))
        });
        let Some((factor, next)) = louder else { break };
        noise *= factor;
        state = next;
    }
    let jump = smallest_jump(&state, (4 + days) * DAY);
    println!("a jump of {honest_jump:.2} was reported, now {jump:.2}; noise of {noise:.2}");
    // Twice the scale, a quarter more each day; and the same for the device's tail.
    let stated = (2.0 * 1.25f64.powi(days as i32)).powi(2) * honest_jump;
    assert!(jump <= stated, "{jump} of {stated} after {honest_jump}");
}

#[test]
fn a_lasting_change_is_reported_and_then_normal() {
    let mut state = taught(4);
    let mut findings = Vec::new();
    // Within three days it warms by 60, and stays there for a week.
    for minute in 4 * DAY..14 * DAY {
        let warmer = 60.0 * (f64::from(minute - 4 * DAY) / f64::from(3 * DAY)).min(1.0);
        if send(&mut state, minute, honest(minute) + warmer).is_some() {
            findings.push(minute / DAY);
        }
    }
    println!("{findings:?}");
    assert!(!findings.is_empty() && findings.len() <= 8, "{findings:?}");
    assert!(findings.iter().all(|day| *day < 9), "{findings:?}");
}
