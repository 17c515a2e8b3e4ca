//! The types that come with the program. Constants only.
//!
//! *Possible* is what such a device can report at all: beyond it lies a fault, a wrong unit or a forgery, never a patient.
//! *Safe* is where nobody need be called. The limits of medical devices are common alarm defaults for adults (infants, for
//! the baby monitor), and a ward sets its own with `PUT /api/v1/device-types/{name}`.

use api::{Bounds, DeviceTypeDefinition, LimitSeverity, Retention, TypeMetric};

use super::{DeviceType, kind::GENERIC};

/// A metric: name, unit, lowest and highest possible value, lowest and highest safe value; NaN: no bound.
type Metric = (&'static str, &'static str, f64, f64, f64, f64);

/// No bound.
const NO: f64 = f64::NAN;

/// Name, title, profile, seconds until offline, metrics.
const TYPES: [(&str, &str, &str, u64, &[Metric]); 8] = [
    (
        "weather-station",
        "Weather station",
        "weather-station",
        900,
        // Sensors saturate a little above 100 %. No air pressure on the ground was ever outside 870 to 1085 hPa at sea
        // level; 300 is the top of Everest.
        &[
            ("humidity", "%", 0.0, 105.0, NO, NO),
            ("pressure", "hPa", 300.0, 1_200.0, NO, NO),
            ("temperature", "°C", -100.0, 150.0, NO, NO),
        ],
    ),
    (
        "factory-station",
        "Climate and noise of a factory hall",
        "factory-station",
        900,
        // 194 dB is the loudest sound that air carries; 140 dB harms at once.
        &[
            ("humidity_pct", "%", 0.0, 105.0, NO, NO),
            ("sound_db", "dB", 0.0, 194.0, NO, 140.0),
            ("temperature_c", "°C", -60.0, 200.0, NO, NO),
        ],
    ),
    (
        "patient-monitor",
        "Patient monitor, adults",
        "patient-monitor",
        120,
        &[
            ("diastolic_mmhg", "mmHg", 0.0, 300.0, 40.0, 120.0),
            ("heart_rate", "bpm", 0.0, 350.0, 40.0, 150.0),
            ("respiration_rate", "/min", 0.0, 150.0, 6.0, 40.0),
            ("spo2", "%", 0.0, 100.0, 90.0, NO),
            ("systolic_mmhg", "mmHg", 0.0, 370.0, 80.0, 200.0),
            ("temperature_c", "°C", 0.0, 50.0, 34.0, 40.0),
        ],
    ),
    (
        "baby-monitor",
        "Smart baby monitor",
        "baby-monitor",
        120,
        &[
            ("heart_rate", "bpm", 0.0, 350.0, 80.0, 200.0),
            ("respiration_rate", "/min", 0.0, 150.0, 15.0, 80.0),
            ("room_temperature_c", "°C", -30.0, 70.0, 12.0, 32.0),
            ("skin_temperature_c", "°C", 0.0, 50.0, 34.0, 39.0),
            ("sound_db", "dB", 0.0, 194.0, NO, NO),
            ("spo2", "%", 0.0, 100.0, 90.0, NO),
        ],
    ),
    (
        "infusion-pump",
        "Infusion pump",
        "infusion-pump",
        300,
        // Volumetric pumps run up to 1,200 mL/h, rapid infusers up to 45,000; occlusion alarms lie below 900 mmHg.
        &[
            ("battery_pct", "%", 0.0, 100.0, 10.0, NO),
            ("flow_rate_ml_h", "mL/h", 0.0, 45_000.0, NO, 1_200.0),
            ("pressure_mmhg", "mmHg", -300.0, 2_000.0, NO, 900.0),
            ("volume_infused_ml", "mL", 0.0, 100_000.0, NO, NO),
        ],
    ),
    (
        "mri-scanner",
        "MRI scanner",
        "mri-scanner",
        900,
        // The magnet is superconducting at 4.2 K and quenches when it warms; below half full of helium nobody scans.
        &[
            ("gradient_coil_temperature_c", "°C", -20.0, 200.0, NO, 60.0),
            ("helium_level_pct", "%", 0.0, 100.0, 50.0, NO),
            ("helium_pressure_kpa", "kPa", 0.0, 1_000.0, NO, NO),
            ("magnet_temperature_k", "K", 0.0, 400.0, NO, 5.0),
            ("room_temperature_c", "°C", -30.0, 70.0, 15.0, 30.0),
        ],
    ),
    ("network-probe", "Network probe: flows of other devices", "network-probe", 300, &[]),
    (GENERIC, "Any other device", GENERIC, 900, &[]),
];

/// The built-in type of this name, as it comes.
pub(crate) fn built_in(name: &str) -> Option<DeviceType> {
    let (name, title, profile, offline_after_seconds, metrics) = TYPES.into_iter().find(|(of, ..)| *of == name)?;
    let definition = DeviceTypeDefinition {
        title: title.to_owned(),
        profile: profile.to_owned(),
        metrics: metrics.iter().copied().map(metric).collect(),
        offline_after_seconds,
        retention: Retention::default(),
    };
    DeviceType::new(name, definition, None).ok()
}

/// All built-in types, as they come.
pub(crate) fn built_ins() -> impl Iterator<Item = DeviceType> {
    TYPES.iter().filter_map(|(name, ..)| built_in(name))
}

fn metric((name, unit, low, high, safe_low, safe_high): Metric) -> TypeMetric {
    let bound = |value: f64| (!value.is_nan()).then_some(value);
    let bounds = |low, high| Some(Bounds { low: bound(low), high: bound(high) }).filter(|b| *b != Bounds::default());
    TypeMetric {
        metric: name.to_owned(),
        unit: unit.to_owned(),
        possible: bounds(low, high),
        safe: bounds(safe_low, safe_high),
        severity: LimitSeverity::Critical,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_type_is_one() {
        assert_eq!(built_ins().count(), TYPES.len());
    }

    #[test]
    fn what_the_simulator_sends_is_possible() {
        for profile in simulate::profiles() {
            let kind = built_in(profile.name).unwrap_or_else(|| panic!("no type {}", profile.name));
            for metric in profile.metrics {
                let known = kind.definition().metrics.iter().find(|known| known.metric == metric.name);
                let possible = known.and_then(|known| known.possible).unwrap_or_else(|| panic!("{}", metric.name));
                let inside = possible.low.is_some_and(|low| low <= metric.low)
                    && possible.high.is_some_and(|high| metric.high <= high);
                assert!(inside, "{} {}", profile.name, metric.name);
            }
        }
    }
}
