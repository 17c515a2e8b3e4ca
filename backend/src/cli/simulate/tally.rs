//! What was injected and forced, and what the service found.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use api::Label;
use simulate::Kind;

use super::{
    attack::Forced,
    device::{Device, Part, Sent},
    seen::Seen,
    send::Answer,
};

/// Readings after an event's end in which the return to normal may be found: no false alarms.
const AFTERMATH: u64 = 20;

/// What was injected and what was found.
pub(super) struct Tally {
    /// Readings that were sent as they should be, or under an attack.
    pub(super) readings: u64,
    /// Those judged anomalous.
    pub(super) anomalies: u64,
    false_alarms: u64,
    /// Whether the way there tells verdicts.
    told: bool,
    rejected: BTreeMap<String, u64>,
    injected: BTreeMap<&'static str, BTreeSet<(usize, u64)>>,
    found: BTreeMap<&'static str, BTreeSet<(usize, u64)>>,
    cut_off: u64,
    sorts: BTreeMap<&'static str, Sort>,
    attacks: Vec<Seen>,
}

/// What came of one sort of devices.
#[derive(Default)]
struct Sort {
    readings: u64,
    anomalies: u64,
    false_alarms: u64,
    rejected: u64,
}

impl Tally {
    /// Of nothing yet.
    pub(super) fn new(attacks: &[Forced]) -> Self {
        Self {
            readings: 0,
            anomalies: 0,
            false_alarms: 0,
            told: true,
            rejected: BTreeMap::new(),
            injected: BTreeMap::new(),
            found: BTreeMap::new(),
            cut_off: 0,
            sorts: BTreeMap::new(),
            attacks: attacks.iter().map(|forced| Seen::of(forced.act)).collect(),
        }
    }

    /// Counts answers, in the order in which readings were sent.
    pub(super) fn add(&mut self, devices: &mut [Device], batch: &[Sent], answers: &[Answer]) {
        for (sent, answer) in batch.iter().zip(answers) {
            let found = answer.label == Some(Label::Anomaly);
            if let Part::Under(attack) | Part::Again(attack) | Part::As(attack) = sent.part {
                self.attacks[attack].add(sent, answer, found);
            }
            if matches!(sent.part, Part::Own | Part::Under(_)) {
                self.add_own(&mut devices[sent.device], sent, answer, found);
            }
        }
    }

    fn add_own(&mut self, device: &mut Device, sent: &Sent, answer: &Answer, found: bool) {
        let sample = &sent.sample;
        let sort = self.sorts.entry(device.sort()).or_default();
        (self.readings, sort.readings) = (self.readings + 1, sort.readings + 1);
        device.follow(sample);
        if let Some((_, why)) = &answer.problem {
            *self.rejected.entry(why.clone()).or_default() += 1;
            sort.rejected += 1;
            return;
        }
        self.told &= answer.label.is_some();
        (self.anomalies, sort.anomalies) = (self.anomalies + u64::from(found), sort.anomalies + u64::from(found));
        if let Some(event) = &sample.truth {
            let (kind, id) = (name(event.kind), (sent.device, event.id));
            self.injected.entry(kind).or_default().insert(id);
            if found {
                self.found.entry(kind).or_default().insert(id);
            }
        }
        if sample.truth.is_some() || sent.part != Part::Own {
            device.last_marked = Some(sample.sequence);
        } else if found && device.last_marked.is_none_or(|last| sample.sequence - last > AFTERMATH) {
            self.false_alarms += 1;
            sort.false_alarms += 1;
        }
    }

    /// Forgets the events that the end has cut off: that they were not found says nothing.
    pub(super) fn leave_out_cut_off(&mut self, devices: &[Device]) {
        for (at, event) in devices.iter().enumerate().filter_map(|(at, device)| Some((at, device.cut_off()?))) {
            let (kind, id) = (name(event.kind), (at, event.id));
            for events in [self.injected.get_mut(kind), self.found.get_mut(kind)].into_iter().flatten() {
                events.remove(&id);
            }
            self.cut_off += 1;
        }
        self.injected.retain(|_, events| !events.is_empty());
    }

    /// Whether all was taken that should be, and nothing else.
    pub(super) fn all_well(&self) -> bool {
        self.rejected.is_empty() && self.attacks.iter().all(Seen::is_safe)
    }

    /// Prints the summary.
    pub(super) fn print(&self, step: Duration, devices: usize) {
        println!("{} readings of {devices} devices: {} anomalies", self.readings, self.anomalies);
        if self.told {
            self.print_found(step);
        } else {
            println!("  the line protocol does not tell verdicts: what was found is on the dashboard");
        }
        for (why, count) in &self.rejected {
            println!("  rejected      {count}: {why}");
        }
        if self.sorts.len() > 1 {
            for (name, sort) in &self.sorts {
                let Sort { readings, anomalies, false_alarms, rejected } = sort;
                println!(
                    "  {name:<16} {readings} readings, {anomalies} anomalies, {false_alarms} false alarms, \
                     {rejected} rejected"
                );
            }
        }
        for seen in &self.attacks {
            println!("  attack {:<17} {}", seen.act.name(), seen.summary(self.told));
        }
    }

    fn print_found(&self, step: Duration) {
        for (kind, injected) in &self.injected {
            let found = self.found.get(kind).map_or(0, BTreeSet::len);
            let share = 100.0 * found as f64 / injected.len() as f64;
            println!("  {kind:<13} {found} of {} injected were found ({share:.0} %)", injected.len());
        }
        if self.cut_off > 0 {
            println!("  cut off       {} by the end of the stream, not counted", self.cut_off);
        }
        let days = self.readings as f64 * step.as_secs_f64() / 86_400.0;
        println!(
            "  false alarms  {} ({:.2} per device and day)",
            self.false_alarms,
            self.false_alarms as f64 / days.max(1e-9)
        );
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Point => "point",
        Kind::Contextual => "contextual",
        Kind::ChangePoint => "change point",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use api::{Code, Status};

    use super::*;
    use crate::cli::simulate::device::Making;

    fn making(attacks: &[Forced]) -> Vec<Device> {
        let profiles = ["weather-station".to_owned()];
        let making = Making {
            profiles: &profiles,
            devices: 1,
            seed: 7,
            start_ms: 1_767_600_000_000,
            step_ms: 60_000,
            inject: &[],
            attacks,
            count: 400,
        };
        making.devices().unwrap()
    }

    fn sent(devices: &mut [Device], count: usize) -> Vec<Sent> {
        let mut batch = Vec::new();
        for _ in 0..count {
            devices[0].next(0, &mut batch);
        }
        batch
    }

    fn answer(status: Status, label: Option<Label>) -> Answer {
        let problem = (status == Status::Rejected).then(|| (Code::Forbidden, "no".to_owned()));
        Answer { status, label, problem }
    }

    /// Sends `count` readings of one device with one event at reading 200, all of them judged alike.
    fn tally(kind: Kind, count: usize, label: Label) -> Tally {
        let mut devices = making(&[]);
        devices[0].inject_at(200, kind);
        let batch = sent(&mut devices, count);
        let mut tally = Tally::new(&[]);
        tally.add(&mut devices, &batch, &vec![answer(Status::Stored, Some(label)); count]);
        tally.leave_out_cut_off(&devices);
        tally
    }

    #[test]
    fn events_that_the_end_cuts_off_are_not_counted() {
        for (kind, count, counted) in [
            (Kind::ChangePoint, 201, 0),
            (Kind::ChangePoint, 229, 0),
            (Kind::ChangePoint, 230, 1),
            (Kind::ChangePoint, 400, 1),
            (Kind::Contextual, 202, 0),
            (Kind::Contextual, 400, 1),
            (Kind::Point, 201, 1),
        ] {
            let missed = tally(kind, count, Label::Normal);
            let injected: usize = missed.injected.values().map(BTreeSet::len).sum();
            assert_eq!((injected, missed.cut_off), (counted, 1 - counted as u64), "{kind:?} of {count}");
            let found: usize = tally(kind, count, Label::Anomaly).found.values().map(BTreeSet::len).sum();
            assert_eq!(found, counted, "{kind:?} of {count}");
        }
    }

    #[test]
    fn attacks_are_held_against_what_was_expected() {
        let attacks: Vec<Forced> =
            ["drift@9000", "replay@6000", "spoofing@6000"].map(|text| Forced::parse(text).unwrap()).to_vec();
        let run = |again: Status, as_other: Status| {
            let mut devices = making(&attacks);
            let batch = sent(&mut devices, 300);
            let answers: Vec<Answer> = batch
                .iter()
                .map(|sent| match sent.part {
                    Part::Own => answer(Status::Stored, Some(Label::Normal)),
                    Part::Under(_) => answer(Status::Stored, Some(Label::Anomaly)),
                    Part::Again(_) => answer(again, Some(Label::Normal)),
                    Part::As(_) => answer(as_other, None),
                })
                .collect();
            let mut tally = Tally::new(&attacks);
            tally.add(&mut devices, &batch, &answers);
            tally
        };
        let safe = run(Status::Duplicate, Status::Rejected);
        assert_eq!((safe.readings, safe.anomalies, safe.false_alarms, safe.all_well()), (300, 90, 0, true));
        let said: Vec<String> = safe.attacks.iter().map(|seen| seen.summary(true)).collect();
        assert_eq!(said[0], "expected: found; found on 1 of 1 devices, after 0.0 s");
        assert!(said[1].contains("20 of 20 were known already, 0 refused"), "{}", said[1]);
        assert_eq!(said[2], "expected: refused; 5 of 5 were refused (forbidden)");
        for (again, as_other) in [(Status::Stored, Status::Rejected), (Status::Duplicate, Status::Stored)] {
            let unsafe_ = run(again, as_other);
            assert!(!unsafe_.all_well());
            assert!(unsafe_.attacks.iter().any(|seen| seen.summary(true).contains("NOT AS EXPECTED")));
        }
    }
}
