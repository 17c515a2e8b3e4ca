//! What a patient attacker can teach the detector. The attacker knows everything: model, state and
//! code, tries each reading beforehand, and sends the worst one that is not reported.
#![allow(clippy::unwrap_used)] // helpers of a test may stop at the first surprise too
mod common;

use std::{f64::consts::TAU, sync::LazyLock};

use common::{START, sample, train_generic};
use detect::{DeviceState, Finding, Model, ReadingView, TrainSpec, Value, judge, judge_in_place};

/// Of a group, whose tails are evidence too.
static GROUP: LazyLock<Model> = LazyLock::new(train_generic);
/// For devices of any kind, which are judged by their own records alone.
static STRANGERS: LazyLock<Model> = LazyLock::new(|| {
    let spec = TrainSpec::new("strangers", Vec::new(), 42).unwrap();
    Model::train_for_strangers(&spec, &sample(simulate::profile("weather-station").unwrap())).unwrap()
});

/// A device that is honest at first: what it sends, and how it is judged.
#[derive(Clone, Copy)]
struct Device {
    name: &'static str,
    honest: Honest,
    model: &'static LazyLock<Model>,
}

const DEVICES: [Device; 4] = [
    Device { name: "cycle in a group", honest: cycle, model: &GROUP },
    Device { name: "cycle alone", honest: cycle, model: &STRANGERS },
    Device { name: "wander in a group", honest: wander, model: &GROUP },
    Device { name: "wander alone", honest: wander, model: &STRANGERS },
];

const DAY: u32 = 1440;
/// Days for which a device is honest before anybody attacks.
const HONEST: u32 = 9;

/// What a device sends in each minute.
type Honest = fn(u32) -> f64;

/// Uniform from -1 to 1, from the bits of a hash.
fn noise(number: u32, scale: u32) -> f64 {
    let mut bits = (u64::from(scale) << 32 | u64::from(number)).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

/// A daily cycle of ±5 and a little noise: every hour knows what to expect.
fn cycle(minute: u32) -> f64 {
    20.0 - 5.0 * (f64::from(minute % DAY) / f64::from(DAY) * TAU).cos() + 0.3 * noise(minute, 1)
}

/// Wanders within ±5 at all speeds: no hour knows what to expect.
fn wander(minute: u32) -> f64 {
    let smooth = |scale: u32| {
        let (before, share) = (minute / scale, f64::from(minute % scale) / f64::from(scale));
        noise(before, scale) * (1.0 - share) + noise(before + 1, scale) * share
    };
    20.0 + 2.0 * smooth(720) + 1.5 * smooth(180) + smooth(45) + 0.3 * smooth(10) + 0.2 * noise(minute, 1)
}

/// How far either gets from its middle.
const UNIT: f64 = 5.0;

impl Device {
    /// The state of a device that was honest so far.
    fn taught(self, days: u32) -> DeviceState {
        let mut state = DeviceState::new();
        for minute in 0..days * DAY {
            self.send(&mut state, minute, (self.honest)(minute));
        }
        state
    }

    fn try_out(self, state: &DeviceState, minute: u32, value: f64) -> (Option<Finding>, DeviceState) {
        let time_ms = START + i64::from(minute) * 60_000;
        let values = [Value { metric: "x", value }];
        let (judgement, next) = judge(self.model, state, &ReadingView { time_ms, values: &values }).unwrap();
        (judgement.finding, next)
    }

    fn send(self, state: &mut DeviceState, minute: u32, value: f64) -> Option<Finding> {
        let time_ms = START + i64::from(minute) * 60_000;
        let values = [Value { metric: "x", value }];
        judge_in_place(self.model, state, &ReadingView { time_ms, values: &values }).unwrap().finding
    }

    /// The offset that an attacker reaches without any finding, who adds to it with each reading the
    /// largest of some steps, up to `fastest`, that is not reported. Ends where everything that the
    /// attacker can send is reported.
    fn greedy(self, days: u32, fastest: f64) -> f64 {
        let mut state = self.taught(HONEST);
        let mut offset = 0.0;
        for minute in HONEST * DAY..(HONEST + days) * DAY {
            let steps = [1.0, 0.3, 0.1, 0.03, 0.01, 0.0, -0.1, -1.0, -10.0].map(|share| share * fastest);
            let silent = steps.into_iter().find_map(|step| {
                let (finding, next) = self.try_out(&state, minute, (self.honest)(minute) + offset + step);
                finding.is_none().then_some((step, next))
            });
            let Some((step, next)) = silent else { break };
            offset += step;
            state = next;
        }
        offset
    }

    /// As [`greedy`](Self::greedy), by an attacker who sends nothing honest any more: a calm line that climbs by as
    /// much as is not reported.
    fn climb(self, days: u32, fastest: f64) -> f64 {
        let mut state = self.taught(HONEST);
        let start = (self.honest)(HONEST * DAY - 1);
        let mut value = start;
        for minute in HONEST * DAY..(HONEST + days) * DAY {
            let steps = [1.0, 0.3, 0.1, 0.03, 0.01, 0.0, -0.1, -1.0, -10.0].map(|share| share * fastest);
            let silent = steps.into_iter().find_map(|step| {
                let sent = value + step + 0.2 * noise(minute, 1);
                let (finding, next) = self.try_out(&state, minute, sent);
                finding.is_none().then_some((step, next))
            });
            let Some((step, next)) = silent else { break };
            value += step;
            state = next;
        }
        value - start
    }

    /// The offset that a ramp of constant or growing speed reaches before its first finding; as fast
    /// as `per_day` on the first day, and `faster` times as fast on each next day.
    fn ramp(self, days: u32, per_day: f64, faster: f64) -> f64 {
        let mut state = self.taught(HONEST);
        let (mut offset, mut speed) = (0.0, per_day);
        for minute in HONEST * DAY..(HONEST + days) * DAY {
            if self.send(&mut state, minute, (self.honest)(minute) + offset).is_some() {
                break;
            }
            offset += speed / f64::from(DAY);
            speed *= faster.powf(1.0 / f64::from(DAY));
        }
        offset
    }

    /// Noise beside the honest values, from 0.05 on and `faster` times as loud each day, up to its
    /// first finding: how loud it got, the state before, and the minute.
    fn noise(self, days: u32, faster: f64) -> (f64, DeviceState, u32) {
        let mut state = self.taught(HONEST);
        let mut loud = 0.05;
        for minute in HONEST * DAY..(HONEST + days) * DAY {
            let sign = if minute % 2 == 0 { 1.0 } else { -1.0 };
            let (finding, next) = self.try_out(&state, minute, (self.honest)(minute) + sign * loud);
            if finding.is_some() {
                return (loud, state, minute);
            }
            loud *= faster.powf(1.0 / f64::from(DAY));
            state = next;
        }
        (loud, state, (HONEST + days) * DAY)
    }

    /// The smallest jump that is reported at once.
    fn smallest_jump(self, state: &DeviceState, minute: u32) -> f64 {
        let reported = |size: &f64| self.try_out(state, minute, (self.honest)(minute) + size).0.is_some();
        (0..400).map(|i| 0.05 * 1.05f64.powi(i)).find(reported).unwrap()
    }
}

#[test]
fn nobody_leads_a_level_further_than_stated() {
    for device in DEVICES {
        let name = device.name;
        for days in [1, 5] {
            // 4 units, a quarter of a unit more each day, and units that grow by a tenth each day.
            let stated = (4.0 + 0.25 * f64::from(days)) * UNIT * 1.1f64.powi(days as i32);
            let steps = [0.0005, 0.002, 0.01, 0.05, 0.5];
            let greedy = steps.map(|fastest| device.greedy(days, fastest)).into_iter().fold(0.0, f64::max);
            let climb = steps.map(|fastest| device.climb(days, fastest)).into_iter().fold(0.0, f64::max);
            let speeds = (0..12).map(|i| 0.05 * UNIT * 1.6f64.powi(i));
            let ramps = speeds.flat_map(|speed| [device.ramp(days, speed, 1.0), device.ramp(days, speed, 1.5)]);
            let ramp = ramps.fold(0.0, f64::max);
            println!(
                "{name}, {days} days: {:.2} by ramps, {:.2} with each honest value, {:.2} without; {:.2} units stated",
                ramp / UNIT,
                greedy / UNIT,
                climb / UNIT,
                stated / UNIT
            );
            assert!(ramp.max(greedy).max(climb) <= stated, "{name}, {days} days: of {stated}");
        }
    }
}

#[test]
fn nobody_makes_it_deaf_to_jumps_further_than_stated() {
    let days = 3;
    for device in DEVICES {
        let (mut deafest, mut loudest) = (0.0f64, 0.0f64);
        for faster in [1.2, 1.5, 2.0, 4.0, 16.0, 256.0] {
            let (loud, state, reached) = device.noise(days, faster);
            let mut untouched = device.taught(HONEST);
            (HONEST * DAY..reached)
                .for_each(|minute| drop(device.send(&mut untouched, minute, (device.honest)(minute))));
            let before = device.smallest_jump(&untouched, reached);
            deafest = deafest.max(device.smallest_jump(&state, reached) / before);
            loudest = loudest.max(loud / before);
        }
        // Records are raised by a quarter of their span each day, which is up to twice a record.
        let stated = 2.0 * 1.25f64.powi(days as i32);
        let name = device.name;
        println!("{name}: deaf to {deafest:.2} times as large a jump, {loudest:.2} times by noise; {stated:.2} stated");
        assert!(deafest <= stated && loudest <= stated, "{name}: {deafest} and {loudest} of {stated}");
    }
}

#[test]
fn a_lasting_change_is_reported_and_then_normal() {
    for device in DEVICES {
        let name = device.name;
        let mut state = device.taught(HONEST);
        let mut findings = vec![0; 12];
        // Within three days it warms by 60, and stays there.
        for minute in 0..12 * DAY {
            let warmer = 60.0 * (f64::from(minute) / f64::from(3 * DAY)).min(1.0);
            if device.send(&mut state, HONEST * DAY + minute, (device.honest)(HONEST * DAY + minute) + warmer).is_some()
            {
                findings[(minute / DAY) as usize] += 1;
            }
        }
        println!("{name}: findings by day {findings:?}");
        assert!(findings[..3].iter().sum::<i32>() > 0);
        assert!(findings[5..].iter().sum::<i32>() <= 2, "{name}: {findings:?}");
    }
}
