//! Attacks that are forced on devices, and what ought to come of them.

use std::time::Duration;

use simulate::{Attack, Profile, Scenario};

use super::super::parse_duration;

/// Flows of an attack on one device: at 20 ms from one to the next it lasts some seconds.
pub(super) const HOSTILE_FLOWS: u64 = 100;

/// Readings that are sent again.
pub(super) const REPLAYED: usize = 20;

/// Readings that are sent as another device.
pub(super) const SPOOFED: u64 = 5;

/// What is forced on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Its readings show this: an anomaly is to be found.
    Shows(Scenario),
    /// Its flows show this: an anomaly is to be found.
    Flows(Attack),
    /// Its readings come again: none of them is to be stored twice.
    Replay,
    /// Readings come in its name from somebody else: they are to be refused.
    Spoofing,
}

/// An attack, and when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Forced {
    /// What is done.
    pub(super) act: Act,
    /// How long after the first reading.
    pub(super) after: Option<Duration>,
}

impl Act {
    fn all() -> impl Iterator<Item = Self> {
        let shown = Scenario::ALL.into_iter().map(Act::Shows);
        shown.chain([Act::Replay, Act::Spoofing]).chain(Attack::ALL.into_iter().map(Act::Flows))
    }

    /// Its name on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Act::Shows(scenario) => scenario.name(),
            Act::Flows(attack) => attack.name(),
            Act::Replay => "replay",
            Act::Spoofing => "spoofing",
        }
    }

    /// Whether it can befall a device that sends readings of this profile, or flows (`None`).
    pub(super) fn fits(self, profile: Option<&Profile>) -> bool {
        match (self, profile) {
            (Act::Flows(_), profile) => profile.is_none(),
            (Act::Shows(scenario), Some(profile)) => scenario.fits(profile),
            (Act::Replay | Act::Spoofing, profile) => profile.is_some(),
            (Act::Shows(_), None) => false,
        }
    }
}

impl Forced {
    /// Reads NAME or NAME@SECONDS.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (name, after) = match text.split_once('@') {
            Some((name, after)) => (name, Some(parse_duration(after)?)),
            None => (text, None),
        };
        let act = Act::all().find(|act| act.name() == name).ok_or_else(|| {
            let known: Vec<&str> = Act::all().map(Act::name).collect();
            format!("expected an attack of {}, found {name:?}", known.join(", "))
        })?;
        Ok(Self { act, after })
    }

    /// The reading with which it begins: this one of so many attacks, in a run of so many readings (0: without end), one
    /// each `step_ms`. Without a time of its own it waits until the detector knows the device.
    pub(super) fn begins(&self, (this, of): (usize, usize), count: u64, step_ms: i64) -> u64 {
        if let Some(after) = self.after {
            return u64::try_from(after.as_millis() / u128::from(step_ms.unsigned_abs().max(1))).unwrap_or(u64::MAX);
        }
        // Without an end they follow each other, each when the last is over.
        let count = if count == 0 { simulate::WARM_UP * (of as u64 + 2) } else { count };
        let known = simulate::WARM_UP.min(count / 2);
        known + (count - known) * this as u64 / of as u64
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_and_times_are_read() {
        let at = |text| Forced::parse(text).unwrap();
        assert_eq!(at("quench").act, Act::Shows(Scenario::Quench));
        assert_eq!(
            at("syn-flood@90"),
            Forced { act: Act::Flows(Attack::SynFlood), after: Some(Duration::from_secs(90)) }
        );
        assert_eq!(at("replay@2m").after, Some(Duration::from_secs(120)));
        for text in ["", "flood", "replay@", "replay@soon", "@5"] {
            assert!(Forced::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn they_begin_when_told_or_spread_over_the_run() {
        let (told, not) = (Forced::parse("drift@90").unwrap(), Forced::parse("drift").unwrap());
        assert_eq!(told.begins((0, 1), 1_000, 1_000), 90);
        assert_eq!(told.begins((0, 1), 1_000, 60_000), 1);
        assert_eq!([0, 1, 2].map(|this| not.begins((this, 3), 1_020, 1_000)), [120, 420, 720]);
        assert_eq!([0, 1].map(|this| not.begins((this, 2), 0, 1_000)), [120, 300]);
        assert_eq!(not.begins((0, 1), 10, 1_000), 5);
    }
}
