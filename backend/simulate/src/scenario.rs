//! What may be forced on a device's readings: emergencies of patients, faults of machines, and sensors that lie. Constants
//! and one step; draws nothing.

use crate::{Sample, profile::Profile, signal::Shape};

/// How many readings a scenario lasts: with one a minute an hour and a half, with one a second so many seconds.
pub const SCENARIO_READINGS: u64 = 90;

/// What happens to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scenario {
    /// The oxygen of a patient's blood falls, and the heart goes faster.
    Desaturation,
    /// Somebody stops breathing.
    Apnoea,
    /// A pump's line is blocked: the pressure rises, and nothing flows.
    Occlusion,
    /// A magnet is no longer superconducting: its helium boils off.
    Quench,
    /// A sensor says the same for ever.
    StuckSensor,
    /// A sensor moves away from the truth, a little with each reading.
    Drift,
}

/// A metric, by how much it moves, and within how many readings.
type Effect = (&'static str, f64, u64);

impl Scenario {
    /// All of them.
    pub const ALL: [Scenario; 6] = [
        Scenario::Desaturation,
        Scenario::Apnoea,
        Scenario::Occlusion,
        Scenario::Quench,
        Scenario::StuckSensor,
        Scenario::Drift,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Scenario::Desaturation => "spo2-desaturation",
            Scenario::Apnoea => "apnoea",
            Scenario::Occlusion => "occlusion",
            Scenario::Quench => "quench",
            Scenario::StuckSensor => "sensor-stuck",
            Scenario::Drift => "drift",
        }
    }

    /// Whether it can happen to such a device.
    pub fn fits(self, profile: &Profile) -> bool {
        let has = |name| profile.metrics.iter().any(|metric| metric.name == name);
        self.effects().first().is_none_or(|(name, ..)| has(*name))
    }

    fn effects(self) -> &'static [Effect] {
        match self {
            Scenario::Desaturation => &[("spo2", -20.0, 12), ("heart_rate", 25.0, 12)],
            Scenario::Apnoea => &[("respiration_rate", -60.0, 3)],
            Scenario::Occlusion => &[("pressure_mmhg", 500.0, 15), ("flow_rate_ml_h", -130.0, 15)],
            Scenario::Quench => &[("helium_pressure_kpa", 80.0, 8), ("helium_level_pct", -60.0, 60)],
            Scenario::StuckSensor | Scenario::Drift => &[],
        }
    }
}

/// A scenario that begins at a certain reading of a device.
#[derive(Clone, Debug)]
pub struct Course {
    scenario: Scenario,
    from: u64,
    held: Option<f64>,
}

impl Course {
    /// Begins at the reading with this sequence number.
    pub fn new(scenario: Scenario, from: u64) -> Self {
        Self { scenario, from, held: None }
    }

    /// Changes what the device says, if it is time; tells whether it is.
    pub fn apply(&mut self, profile: &Profile, sample: &mut Sample) -> bool {
        let Some(since) = sample.sequence.checked_sub(self.from).filter(|since| *since < SCENARIO_READINGS) else {
            return false;
        };
        match self.scenario {
            Scenario::StuckSensor => {
                let liveliest = most(profile, |shape| shape.noise / shape.step);
                let value = &mut sample.values[liveliest].1;
                *value = *self.held.get_or_insert(*value);
            }
            Scenario::Drift => {
                let steadiest = most(profile, |shape| shape.shift.1 / shape.noise);
                let by = 1.5 * profile.shapes[steadiest].shift.1;
                let sign = if profile.shapes[steadiest].spike_up.1 > 0.0 { 1.0 } else { -1.0 };
                shift(profile, sample, steadiest, sign * by, since, SCENARIO_READINGS);
            }
            scenario => {
                for (name, by, within) in scenario.effects() {
                    if let Some(at) = profile.metrics.iter().position(|metric| metric.name == *name) {
                        shift(profile, sample, at, *by, since, *within);
                    }
                }
            }
        }
        true
    }
}

/// The metric for which this is largest.
fn most(profile: &Profile, of: impl Fn(&Shape) -> f64) -> usize {
    let order = (0..profile.shapes.len()).max_by(|a, b| of(&profile.shapes[*a]).total_cmp(&of(&profile.shapes[*b])));
    order.unwrap_or_default()
}

/// Moves a value on its way, within what is possible, and rounds it as the sensor would.
fn shift(profile: &Profile, sample: &mut Sample, at: usize, by: f64, since: u64, within: u64) {
    let (metric, shape) = (&profile.metrics[at], &profile.shapes[at]);
    let share = ((since + 1) as f64 / within as f64).min(1.0);
    let exact = (sample.values[at].1 + by * share).clamp(metric.low, metric.high);
    sample.values[at].1 = libm::round(exact / shape.step) / libm::round(1.0 / shape.step);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{Stream, profiles};

    fn run(profile: &'static Profile, scenario: Option<Scenario>) -> (Vec<Sample>, usize) {
        let stream = Stream::new(profile, 0, 1, 1_767_600_000_000, 1_000, &[]).unwrap();
        let mut course = scenario.map(|scenario| Course::new(scenario, 150));
        let mut under = 0;
        let samples = stream.take(300).map(|mut sample| {
            under += usize::from(course.as_mut().is_some_and(|course| course.apply(profile, &mut sample)));
            sample
        });
        (samples.collect(), under)
    }

    #[test]
    fn each_changes_its_time_and_nothing_else_and_stays_possible() {
        for profile in profiles() {
            let (usual, _) = run(profile, None);
            for scenario in Scenario::ALL.into_iter().filter(|scenario| scenario.fits(profile)) {
                let (samples, under) = run(profile, Some(scenario));
                assert_eq!(under as u64, SCENARIO_READINGS);
                for (before, after) in usual.iter().zip(&samples) {
                    let during = (150..240).contains(&after.sequence);
                    assert!(during || before == after, "{} {}", profile.name, scenario.name());
                    for (metric, (_, value)) in profile.metrics.iter().zip(&after.values) {
                        assert!((metric.low..=metric.high).contains(value), "{} {value}", metric.name);
                    }
                }
                assert_ne!(usual[150..240], samples[150..240], "{} {}", profile.name, scenario.name());
            }
        }
    }

    #[test]
    fn emergencies_reach_their_depth() {
        let value = |profile: &str, scenario, metric: &str| {
            let (samples, _) = run(crate::profile(profile).unwrap(), Some(scenario));
            samples[235].values.iter().find(|(name, _)| *name == metric).unwrap().1
        };
        assert!(value("patient-monitor", Scenario::Desaturation, "spo2") < 82.0);
        assert_eq!(value("baby-monitor", Scenario::Apnoea, "respiration_rate"), 0.0);
        assert!(value("infusion-pump", Scenario::Occlusion, "pressure_mmhg") > 600.0);
        assert_eq!(value("infusion-pump", Scenario::Occlusion, "flow_rate_ml_h"), 0.0);
        assert!(value("mri-scanner", Scenario::Quench, "helium_pressure_kpa") > 170.0);
        assert!(!Scenario::Quench.fits(crate::profile("weather-station").unwrap()));
    }
}
