//! Types of devices: what is possible, what is safe, when one is offline.

use std::{sync::Arc, time::Duration};

use api::{Bounds, DeviceTypeDefinition, LimitSeverity, TypeMetric};
use detect::{Budget, Condition, MAX_RULES, Policy, Rule, Severity};

use super::RegistrationError;
use crate::domain::{DeviceName, Millis, Reading, reading::is_name, retention::Retention};

/// The type of devices of which nothing is known.
pub(crate) const GENERIC: &str = "generic";

/// Types at most. Each is looked through when devices are listed; nobody has as many kinds of machine.
pub(crate) const MAX_TYPES: usize = 200;

/// Metrics of a type at most: more than a device may send ([`crate::domain::reading::MAX_METRICS`]), as not all send all.
const MAX_METRICS: usize = 32;

/// Longest name of a type, of a metric, of a unit and title, in bytes.
const MAX_NAME: usize = 64;
const MAX_UNIT: usize = 20;
const MAX_TITLE: usize = 200;

/// A year. A device that may be silent for longer is never offline.
const MAX_OFFLINE_AFTER: u64 = 31_536_000;

/// A day, as for all devices ([`Retention::new`]): what was sent late, or again, has to be recognised.
const MIN_RETENTION: u64 = 24 * 3_600;

/// A thousand years: the sum with any time stays far inside 64 bits of microseconds.
const MAX_RETENTION: u64 = 1_000 * 31_536_000;

/// A type of device, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DeviceType {
    name: Arc<str>,
    definition: DeviceTypeDefinition,
    /// The safe limits, as the detector follows them. Says nothing of false alarms.
    limits: Policy,
    changed: Option<Millis>,
}

/// A value that such a device cannot have measured.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "{device}: metric {metric:?}: expected a value that a device of type {kind} can measure, {expected}, found {found}"
)]
pub(crate) struct Impossible {
    device: DeviceName,
    metric: String,
    kind: Arc<str>,
    expected: String,
    found: f64,
}

/// Whose type the pipeline asks for when it judges. Asked with every reading, so it must not wait for a store.
pub(crate) trait Kinds: Send + Sync {
    /// The type of a registered device; `None` of one that nobody has registered. The same pointer until the type, or
    /// the device's, is changed.
    fn kind(&self, device: &DeviceName) -> Option<Arc<DeviceType>>;
}

impl DeviceType {
    /// Checks what a type says.
    ///
    /// # Errors
    /// [`RegistrationError`], with what was expected and what was found.
    pub(crate) fn new(
        name: &str,
        definition: DeviceTypeDefinition,
        changed: Option<Millis>,
    ) -> Result<Self, RegistrationError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !is_name(name, MAX_NAME) || !name.chars().all(plain) {
            return Err(RegistrationError::TypeName(name.chars().take(MAX_NAME).collect()));
        }
        if !is_name(&definition.profile, MAX_NAME) {
            return Err(RegistrationError::text("profile", MAX_NAME, &definition.profile));
        }
        if !(definition.title.is_empty() || is_name(&definition.title, MAX_TITLE)) {
            return Err(RegistrationError::text("title", MAX_TITLE, &definition.title));
        }
        if definition.metrics.len() > MAX_METRICS {
            return Err(RegistrationError::count("metrics", MAX_METRICS, definition.metrics.len()));
        }
        let offline_after = definition.offline_after_seconds;
        if !(1..=MAX_OFFLINE_AFTER).contains(&offline_after) {
            return Err(RegistrationError::seconds("offline_after_seconds", 1, MAX_OFFLINE_AFTER, offline_after));
        }
        let kept = [
            ("raw_seconds", definition.retention.raw_seconds),
            ("minute_seconds", definition.retention.minute_seconds),
            ("hour_seconds", definition.retention.hour_seconds),
        ];
        for (what, seconds) in kept {
            if let Some(seconds) = seconds.filter(|seconds| !(MIN_RETENTION..=MAX_RETENTION).contains(seconds)) {
                return Err(RegistrationError::seconds(what, MIN_RETENTION, MAX_RETENTION, seconds));
            }
        }
        let limits = limits(&definition.metrics)?;
        Ok(Self { name: name.into(), definition, limits, changed })
    }

    /// How long readings of such a device are kept; as long as others, where the type does not say.
    pub(crate) fn retention(&self, others: Retention) -> Retention {
        let said = &self.definition.retention;
        let or = |seconds: Option<u64>, others| seconds.map(Duration::from_secs).or(others);
        Retention {
            raw: or(said.raw_seconds, others.raw),
            minute: or(said.minute_seconds, others.minute),
            hour: or(said.hour_seconds, others.hour),
        }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What it says.
    pub(crate) fn definition(&self) -> &DeviceTypeDefinition {
        &self.definition
    }

    /// When it was changed last; `None` of one that is as it came.
    pub(crate) fn changed(&self) -> Option<Millis> {
        self.changed
    }

    /// The safe limits as the detector follows them: rules alone, its budget says nothing.
    pub(crate) fn limits(&self) -> &Policy {
        &self.limits
    }

    /// Milliseconds without a reading after which a device is offline.
    pub(crate) fn offline_after_ms(&self) -> i64 {
        self.definition.offline_after_seconds as i64 * 1_000
    }

    /// Refuses a reading with a value that such a device cannot measure.
    ///
    /// # Errors
    /// [`Impossible`]: the first such value, in the order of the metrics.
    pub(crate) fn check(&self, reading: &Reading) -> Result<(), Impossible> {
        for (metric, value) in reading.values() {
            let of = self.definition.metrics.iter().find(|known| known.metric == *metric);
            let Some(possible) = of.and_then(|known| known.possible) else { continue };
            let inside =
                possible.low.is_none_or(|low| *value >= low) && possible.high.is_none_or(|high| *value <= high);
            if !inside {
                return Err(Impossible {
                    device: reading.device().clone(),
                    metric: metric.clone(),
                    kind: Arc::clone(&self.name),
                    expected: say(possible),
                    found: *value,
                });
            }
        }
        Ok(())
    }
}

/// Bounds in words.
fn say(bounds: Bounds) -> String {
    match (bounds.low, bounds.high) {
        (Some(low), Some(high)) => format!("{low} to {high}"),
        (Some(low), None) => format!("at least {low}"),
        (None, Some(high)) => format!("at most {high}"),
        (None, None) => "any".to_owned(),
    }
}

/// Checks the metrics of a type, and makes rules of what is safe.
fn limits(metrics: &[TypeMetric]) -> Result<Policy, RegistrationError> {
    let mut rules = Vec::new();
    for (at, TypeMetric { metric, unit, possible, safe, severity }) in metrics.iter().enumerate() {
        if !is_name(metric, MAX_NAME) || metrics[..at].iter().any(|earlier| earlier.metric == *metric) {
            return Err(RegistrationError::Metric(metric.chars().take(MAX_NAME).collect()));
        }
        if !(unit.is_empty() || is_name(unit, MAX_UNIT)) {
            return Err(RegistrationError::text("unit", MAX_UNIT, unit));
        }
        for (what, bounds) in [("possible", possible), ("safe", safe)] {
            let Some(bounds) = bounds else { continue };
            let finite = [bounds.low, bounds.high].into_iter().flatten().all(f64::is_finite);
            let ordered = bounds.low.zip(bounds.high).is_none_or(|(low, high)| low < high);
            if !finite || !ordered || *bounds == Bounds::default() {
                return Err(RegistrationError::Bounds { metric: metric.clone(), what });
            }
        }
        rules.extend(safe.map(|safe| rule(metric, safe, *severity)).transpose()?);
    }
    if rules.len() > MAX_RULES {
        return Err(RegistrationError::count("metrics with safe limits", MAX_RULES, rules.len()));
    }
    Policy::with_budget(Budget::DEFAULT, rules).map_err(|error| RegistrationError::Rule(error.to_string()))
}

fn rule(metric: &str, safe: Bounds, severity: LimitSeverity) -> Result<Rule, RegistrationError> {
    let condition = match (safe.low, safe.high) {
        (Some(low), Some(high)) => Condition::Outside { low, high },
        (Some(low), None) => Condition::Below(low),
        (None, Some(high)) => Condition::Above(high),
        (None, None) => return Err(RegistrationError::Bounds { metric: metric.to_owned(), what: "safe" }),
    };
    let severity = match severity {
        LimitSeverity::Info => Severity::Info,
        LimitSeverity::Warning => Severity::Warning,
        LimitSeverity::Critical => Severity::Critical,
    };
    let rule = Rule::new(metric, condition).map_err(|error| RegistrationError::Rule(error.to_string()))?;
    Ok(rule.severity(severity))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::domain::registry::built_in;

    fn metric(name: &str, possible: Option<(f64, f64)>, safe: Option<(f64, f64)>) -> TypeMetric {
        let bounds = |(low, high)| Bounds { low: Some(low), high: Some(high) };
        let (metric, unit, severity) = (name.to_owned(), String::new(), LimitSeverity::Warning);
        TypeMetric { metric, unit, possible: possible.map(bounds), safe: safe.map(bounds), severity }
    }

    fn definition(metrics: Vec<TypeMetric>) -> DeviceTypeDefinition {
        DeviceTypeDefinition { profile: "generic".into(), metrics, offline_after_seconds: 60, ..Default::default() }
    }

    #[test]
    fn refuses_what_means_nothing() {
        let refused = |name: &str, definition| DeviceType::new(name, definition, None).unwrap_err().to_string();
        for name in ["", "Pump", "a b", "pumpe-ä", &"p".repeat(65), "../x"] {
            assert!(refused(name, definition(vec![])).contains("type"), "{name}");
        }
        for (metrics, word) in [
            (vec![metric("", None, None)], "metric"),
            (vec![metric("a", None, None), metric("a", None, None)], "\"a\""),
            (vec![metric("a", Some((2.0, 1.0)), None)], "possible"),
            (vec![metric("a", None, Some((f64::NAN, 1.0)))], "safe"),
            ((0..7).map(|n| metric(&n.to_string(), None, Some((0.0, 1.0)))).collect(), "at most 6"),
            ((0..33).map(|n| metric(&n.to_string(), None, None)).collect(), "at most 32"),
        ] {
            let said = refused("pump", definition(metrics));
            assert!(said.contains(word), "{said}");
        }
        let hasty = DeviceTypeDefinition { offline_after_seconds: 0, ..definition(vec![]) };
        assert!(refused("pump", hasty).contains("offline_after_seconds"));
        let forgetful = api::Retention { raw_seconds: Some(MIN_RETENTION - 1), ..Default::default() };
        let forgetful = DeviceTypeDefinition { retention: forgetful, ..definition(vec![]) };
        assert!(refused("pump", forgetful).contains("raw_seconds"));
    }

    #[test]
    fn tells_impossible_values_from_unsafe_ones() {
        let monitor = built_in("patient-monitor").unwrap();
        let check = |metric: &str, value: f64| {
            let device = DeviceName::new("m").unwrap();
            let reading = Reading::new(device, None, None, vec![(metric.to_owned(), value)], Millis(0)).unwrap();
            monitor.check(&reading)
        };
        for (metric, value, possible) in [
            ("heart_rate", 350.0, true),
            ("heart_rate", 350.5, false),
            ("heart_rate", -1.0, false),
            ("spo2", 40.0, true),
            ("spo2", 100.5, false),
            ("unheard_of", 1e9, true),
        ] {
            assert_eq!(check(metric, value).is_ok(), possible, "{metric} {value}");
        }
        let said = check("heart_rate", 900.0).unwrap_err().to_string();
        for part in ["m:", "heart_rate", "patient-monitor", "0 to 350", "900"] {
            assert!(said.contains(part), "{said}");
        }
        assert!(monitor.limits().rules().iter().any(|rule| rule.metric() == "spo2"));
    }
}
