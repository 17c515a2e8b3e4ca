//! How long readings and what is summed up of them are kept. Entries of the log and their payloads are evidence: they
//! are kept until a person erases them.

use std::{str::FromStr, sync::Arc, time::Duration};

use super::{DeviceName, Micros, Millis, registry::Kinds};

/// A day. Months and years are none of the units: they are not equally long.
const DAY: u64 = 24 * 3_600;

/// The shortest age at which readings are deleted: what was sent late, or again, has to be recognised.
const SHORTEST: Duration = Duration::from_secs(DAY);

/// After which age something is deleted; never, where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Retention {
    /// Readings.
    pub(crate) raw: Option<Duration>,
    /// Sums of minutes.
    pub(crate) minute: Option<Duration>,
    /// Sums of hours.
    pub(crate) hour: Option<Duration>,
}

/// Why there is no such retention.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RetentionError {
    /// Not written as one.
    #[error(
        "expected an age such as 30d, or 30d,minute=365d,hour=5y (d, w or y for days, weeks and years of 365 days), found {0:?}"
    )]
    Shape(String),
    /// Readings would not be recognised when they are sent again.
    #[error("expected to keep readings for a day at least, found {0:?}")]
    Short(Duration),
}

impl Retention {
    /// Nothing is ever deleted.
    pub(crate) const FOREVER: Retention = Retention { raw: None, minute: None, hour: None };

    /// Checks that readings are kept for a day at least.
    pub(crate) fn new(
        raw: Option<Duration>,
        minute: Option<Duration>,
        hour: Option<Duration>,
    ) -> Result<Self, RetentionError> {
        if let Some(short) = [raw, minute, hour].into_iter().flatten().find(|age| *age < SHORTEST) {
            return Err(RetentionError::Short(short));
        }
        Ok(Self { raw, minute, hour })
    }

    /// The first time of which readings are kept.
    pub(crate) fn oldest(&self, now: Millis) -> Option<Micros> {
        self.raw.map(|age| before(now, age))
    }
}

/// The time that was this long ago.
pub(crate) fn before(now: Millis, age: Duration) -> Micros {
    Micros(Micros::from(now).0.saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX)))
}

impl FromStr for Retention {
    type Err = RetentionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shape = || RetentionError::Shape(text.to_owned());
        let mut retention = Self::default();
        for part in text.split(',') {
            let (name, age) = part.split_once('=').unwrap_or(("raw", part));
            let place = match name {
                "raw" => &mut retention.raw,
                "minute" => &mut retention.minute,
                "hour" => &mut retention.hour,
                _ => return Err(shape()),
            };
            if place.replace(age_of(age).ok_or_else(shape)?).is_some() {
                return Err(shape());
            }
        }
        Self::new(retention.raw, retention.minute, retention.hour)
    }
}

/// A number with its unit.
fn age_of(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let days = match unit {
        "d" => 1,
        "w" => 7,
        "y" => 365,
        _ => return None,
    };
    // Longer than a thousand years is a slip.
    let number: u64 = number.parse().ok().filter(|number| *number <= 365_000)?;
    Some(Duration::from_secs(number * days * DAY))
}

/// Who says how long a device's readings are kept.
pub(crate) trait Retentions: Send + Sync {
    /// Of this device, whose model is that of this profile. Asked with every reading: it has to be quick.
    fn of(&self, device: &DeviceName, profile: &str) -> Retention;
}

/// The same for all devices.
impl Retentions for Retention {
    fn of(&self, _device: &DeviceName, _profile: &str) -> Retention {
        *self
    }
}

/// As a device's type says; and of a device that nobody has registered, or where its type says nothing, as for all.
pub(crate) struct ByType {
    /// Whose types are asked for.
    pub(crate) kinds: Arc<dyn Kinds>,
    /// For all that no type says.
    pub(crate) others: Retention,
}

impl Retentions for ByType {
    fn of(&self, device: &DeviceName, _profile: &str) -> Retention {
        self.kinds.kind(device).map_or(self.others, |kind| kind.retention(self.others))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::domain::registry::{DeviceType, built_in};

    #[test]
    fn reads_ages_and_refuses_what_is_none() {
        let days = |days: u64| Some(Duration::from_secs(days * DAY));
        let of = |raw, minute, hour| Ok(Retention { raw, minute, hour });
        assert_eq!("30d".parse::<Retention>(), of(days(30), None, None));
        assert_eq!("2w,minute=1y,hour=5y".parse::<Retention>(), of(days(14), days(365), days(1_825)));
        assert_eq!("minute=90d".parse::<Retention>(), of(None, days(90), None));
        for text in ["", "30", "d", "30m", "30d,30d", "-1d", "1.5d", "day=3d", "30d,", "999999999d", "3µ"] {
            assert!(matches!(text.parse::<Retention>(), Err(RetentionError::Shape(_))), "{text}");
        }
        assert!(matches!("0d".parse::<Retention>(), Err(RetentionError::Short(_))));
    }

    /// Knows one device.
    struct One(Arc<DeviceType>);

    impl Kinds for One {
        fn kind(&self, device: &DeviceName) -> Option<Arc<DeviceType>> {
            (device.as_str() == "pump").then(|| Arc::clone(&self.0))
        }
    }

    #[test]
    fn a_type_says_how_long_and_the_service_what_it_leaves_open() {
        let pump = built_in("infusion-pump").unwrap();
        let retention = api::Retention { raw_seconds: Some(2 * DAY), ..api::Retention::default() };
        let definition = api::DeviceTypeDefinition { retention, ..pump.definition().clone() };
        let kind = Arc::new(DeviceType::new("infusion-pump", definition, None).unwrap());
        let others: Retention = "30d,minute=90d".parse().unwrap();
        let of = |kind: &Arc<DeviceType>, device: &str| {
            ByType { kinds: Arc::new(One(Arc::clone(kind))), others }.of(&DeviceName::new(device).unwrap(), "generic")
        };
        assert_eq!(of(&kind, "pump"), "2d,minute=90d".parse::<Retention>().unwrap());
        assert_eq!(of(&kind, "unknown"), others);
        assert_eq!(of(&Arc::new(pump), "pump"), others);
    }
}
