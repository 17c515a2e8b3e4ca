//! Who has read which device's readings: recorded once an hour, since a page that is open asks every few seconds.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::domain::{DeviceName, Millis, access::UserId};

/// So long one record speaks for all that a person reads of a device: an hour.
const HOUR: i64 = 3_600 * 1_000;

/// Persons and devices that are remembered: 10,000 × about 100 bytes = 1 MB. When there are more, all are forgotten, and
/// recorded once more than they need be.
const REMEMBERED: usize = 10_000;

/// What was recorded within the last hour.
#[derive(Default)]
pub(super) struct Noted(Mutex<HashMap<(UserId, DeviceName), Millis>>);

impl Noted {
    /// Whether this has to be recorded now.
    pub(super) fn is_due(&self, who: UserId, device: &DeviceName, now: Millis) -> bool {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.get(&(who, device.clone())).is_none_or(|at| !(0..HOUR).contains(&(now.0 - at.0)))
    }

    /// It was recorded.
    pub(super) fn done(&self, who: UserId, device: &DeviceName, now: Millis) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() >= REMEMBERED {
            noted.retain(|_, at| now.0 - at.0 < HOUR);
            if noted.len() >= REMEMBERED {
                noted.clear();
            }
        }
        noted.insert((who, device.clone()), now);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn once_an_hour_for_each_person_and_device_and_in_bounded_memory() {
        let (noted, device) = (Noted::default(), |name: &str| DeviceName::new(name).unwrap());
        let due = |who, name: &str, at| noted.is_due(UserId(who), &device(name), Millis(at));
        assert!(due(1, "a", 0));
        noted.done(UserId(1), &device("a"), Millis(0));
        assert!(!due(1, "a", HOUR - 1) && due(1, "b", 1) && due(2, "a", 1));
        assert!(due(1, "a", HOUR) && due(1, "a", -1), "an hour later, and after the clock was set back");
        for number in 0..REMEMBERED + 10 {
            noted.done(UserId(3), &device(&number.to_string()), Millis(1));
        }
        assert!(noted.0.lock().unwrap().len() <= REMEMBERED);
    }
}
