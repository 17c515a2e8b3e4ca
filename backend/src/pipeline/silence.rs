//! Devices of which people want to hear when they send nothing: whom to look at next, and the looking.
//!
//! A detector looks between its slices and while it has nothing to do, by the time of the service's clock. What it
//! finds is committed as any finding is, with the state in which it counts as reported, so no restart repeats it.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    sync::Arc,
    time::Duration,
};

use detect::{Condition, Policies, Policy, Rule};

use super::{
    detector::Detector,
    finding::{self, Subject},
    writer::Slice,
};
use crate::domain::{
    DeviceName, Millis,
    ports::{Silence, StoreError},
    verdict::{Label, Verdict},
};

/// How often a detector with nothing to do looks whether a device is due.
pub(super) const LOOK: Duration = Duration::from_millis(500);

/// Devices looked at in one go, so that readings do not wait for longer than a few milliseconds. A detector that has
/// nothing to do looks at 512 a second; with more devices than it gets round to, silences are noticed later.
const MAX_LOOKS: usize = 256;

/// Devices read at a time when the list is filled.
const PAGE: usize = 1_000;

/// A device is looked at eight times in the shortest silence that its rules allow, but not more often than once a
/// second, and at least once a minute.
const LOOKS: i64 = 8;
const OFTENEST_MS: i64 = 1_000;
const SELDOMEST_MS: i64 = 60_000;

/// The devices with a rule about missing data, each with the time of its next look.
#[derive(Default)]
pub(super) struct WatchList {
    next: BinaryHeap<Reverse<(Millis, DeviceName)>>,
    /// Milliseconds between two looks.
    periods: HashMap<DeviceName, i64>,
    /// Whether the devices of the store are all in it.
    filled: bool,
}

impl WatchList {
    /// A list that stays empty as long as the policies say nothing.
    pub(super) fn new(policies: &Policies) -> Self {
        Self { filled: *policies == Policies::default(), ..Self::default() }
    }

    /// Whether there is nothing to look at.
    pub(super) fn rests(&self) -> bool {
        self.filled && self.next.is_empty()
    }

    /// Takes a device in, if its policy has a rule about missing data, and it is not in yet.
    pub(super) fn add(&mut self, device: &DeviceName, policy: &Policy, now: Millis) {
        let Some(period) = period(policy) else { return };
        if self.periods.insert(device.clone(), period).is_none() {
            self.next.push(Reverse((now, device.clone())));
        }
    }

    /// The devices whose look is due, at most [`MAX_LOOKS`]; each is due again a period later.
    fn due(&mut self, now: Millis) -> Vec<DeviceName> {
        // No look is further off than a period, unless the clock was set back: then all are due, for waiting until the
        // clock has caught up would be a silence of our own.
        if self.next.peek().is_some_and(|Reverse((at, _))| at.0 > now.0.saturating_add(SELDOMEST_MS)) {
            self.next = self.next.drain().map(|Reverse((_, device))| Reverse((now, device))).collect();
        }
        let mut due = Vec::new();
        while due.len() < MAX_LOOKS
            && let Some(Reverse((at, _))) = self.next.peek()
            && *at <= now
            && let Some(Reverse((_, device))) = self.next.pop()
        {
            due.push(device);
        }
        for device in &due {
            let period = self.periods.get(device).copied().unwrap_or(SELDOMEST_MS);
            self.next.push(Reverse((Millis(now.0.saturating_add(period)), device.clone())));
        }
        due
    }
}

/// Milliseconds between two looks; `None` where no rule is about missing data.
fn period(policy: &Policy) -> Option<i64> {
    let shortest = policy.rules().iter().filter_map(|rule| match rule.condition() {
        Condition::NoData { seconds } => Some((seconds * 1_000.0) as i64),
        _ => None,
    });
    Some((shortest.min()? / LOOKS).clamp(OFTENEST_MS, SELDOMEST_MS))
}

impl Detector {
    /// Looks at the devices that are due, and commits what was found.
    pub(super) fn watch(&mut self) {
        if self.watched.rests() {
            return;
        }
        let now = self.clock.now();
        if let Err(error) = self.fill(now) {
            tracing::error!(%error, "the devices to watch cannot be read");
        }
        let mut silences = Vec::new();
        for device in self.watched.due(now) {
            match self.look(&device, now) {
                Ok(silence) => silences.extend(silence),
                Err(error) => tracing::error!(%error, "a device to watch cannot be read"),
            }
        }
        // Where it cannot be committed the state is forgotten, and the next look finds the same.
        let _ = self.commit(Slice { silences, ..Slice::default() });
    }

    /// Takes in all devices of this shard that the store knows: whoever is silent does not say that they are there.
    fn fill(&mut self, now: Millis) -> Result<(), StoreError> {
        if self.watched.filled {
            return Ok(());
        }
        let mut after = String::new();
        loop {
            let page = self.store.devices_after(&after, PAGE)?;
            let Some((last, _)) = page.last() else { break };
            last.as_str().clone_into(&mut after);
            for (device, profile) in page.iter().filter(|(device, _)| self.shard.is_of(device)) {
                let kind = self.limits.kind(device);
                self.watched.add(device, &self.limits.policy(&kind, profile, device), now);
            }
        }
        self.watched.filled = true;
        Ok(())
    }

    /// What is to be said of a device's silence.
    fn look(&mut self, device: &DeviceName, now: Millis) -> Result<Option<Silence>, StoreError> {
        if !self.learn_stored(device)? {
            return Ok(None);
        }
        let Some(known) = self.known.get_mut(device) else { return Ok(None) };
        let profile = &known.device.profile;
        let policy = self.limits.policy(&known.kind, profile, device);
        let names = policy.rules().iter().map(Rule::metric);
        let Some((silent, next)) = finding::silence(&known.state, names, now) else { return Ok(None) };
        let subject = Subject {
            device: device.as_str(),
            pseudonym: &known.device.pseudonym,
            sequence: None,
            time: now,
            values: &[],
            signed: None,
            flow: None,
        };
        let kept = self.models.of(profile);
        let verdict = Verdict {
            score: silent.score,
            threshold: silent.threshold,
            label: Label::Anomaly,
            model_version: Arc::clone(&kept.version),
        };
        let finding = finding::pending(subject, &kept.model, kept.hash, &known.state, silent);
        known.state = next;
        if !std::mem::replace(&mut known.changed, true) {
            self.changed.push(device.clone());
        }
        Ok(finding.map(|finding| Silence { device: device.clone(), at: now, verdict, finding }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn policy(seconds: f64) -> Policy {
        Policy::new(1.0, vec![Rule::new("*", Condition::NoData { seconds }).unwrap()]).unwrap()
    }

    #[test]
    fn a_device_is_looked_at_in_time_and_not_all_the_time() {
        assert_eq!(period(&Policy::default()), None);
        assert_eq!([1.0, 80.0, 86_400.0].map(|seconds| period(&policy(seconds)).unwrap()), [1_000, 10_000, 60_000]);
        let mut list = WatchList::new(&Policies::default());
        assert!(list.rests());
        let device = |n: usize| DeviceName::new(&format!("d{n:03}")).unwrap();
        for n in 0..MAX_LOOKS + 3 {
            list.add(&device(n), &policy(80.0), Millis(5));
            list.add(&device(n), &policy(80.0), Millis(0));
        }
        assert_eq!(list.due(Millis(4)).len(), 0);
        assert_eq!(list.due(Millis(5)).len(), MAX_LOOKS);
        assert_eq!(list.due(Millis(5)), [device(MAX_LOOKS), device(MAX_LOOKS + 1), device(MAX_LOOKS + 2)]);
        assert_eq!(list.due(Millis(10_004)).len(), 0);
        assert_eq!(list.due(Millis(10_005)).len(), MAX_LOOKS);
    }

    #[test]
    fn a_clock_that_is_set_back_stops_no_looks() {
        let mut list = WatchList::new(&Policies::default());
        let device = DeviceName::new("d").unwrap();
        list.add(&device, &policy(80.0), Millis(1_700_000_000_000));
        assert_eq!(list.due(Millis(1_700_000_000_000)).len(), 1);
        assert_eq!(list.due(Millis(1_600_000_000_000)).as_slice(), std::slice::from_ref(&device));
        assert_eq!(list.due(Millis(1_600_000_000_001)).len(), 0);
        assert_eq!(list.due(Millis(1_600_000_010_000)), [device]);
    }
}
