//! The built-in kinds of device. Constants only: nothing is drawn or computed here.

use crate::signal::{Rhythm, Shape};

/// A kind of device: its name and what it measures.
#[derive(Debug)]
pub struct Profile {
    /// Stable name, as used in configuration and model versions.
    pub name: &'static str,
    /// What the device measures, sorted by name.
    pub metrics: &'static [Metric],
    /// How each metric behaves, in the order of `metrics`.
    pub(crate) shapes: &'static [Shape],
}

/// One measured quantity.
#[derive(Debug)]
pub struct Metric {
    /// Name as it appears in readings.
    pub name: &'static str,
    /// Unit for people, for example "°C".
    pub unit: &'static str,
    /// Lowest physically plausible value.
    pub low: f64,
    /// Highest physically plausible value.
    pub high: f64,
}

const fn metric(name: &'static str, unit: &'static str, low: f64, high: f64) -> Metric {
    Metric { name, unit, low, high }
}

/// All built-in profiles.
pub fn profiles() -> &'static [Profile] {
    &PROFILES
}

/// Those of which the model for unknown devices is trained: a day of people, of machines and of the weather. With more of
/// them it finds less of each, since what is unusual for one is usual for another.
pub fn general() -> &'static [Profile] {
    &PROFILES[..3]
}

/// The built-in profile of that name.
pub fn profile(name: &str) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| profile.name == name)
}

static PROFILES: [Profile; 6] = [
    Profile {
        name: "weather-station",
        metrics: &[
            metric("humidity", "%", 0.0, 100.0),
            metric("pressure", "hPa", 850.0, 1090.0),
            metric("temperature", "°C", -60.0, 65.0),
        ],
        shapes: &[HUMIDITY, PRESSURE, OUTDOOR_TEMPERATURE],
    },
    Profile {
        name: "factory-station",
        metrics: &[
            metric("humidity_pct", "%", 0.0, 100.0),
            metric("sound_db", "dB", 0.0, 150.0),
            metric("temperature_c", "°C", -40.0, 85.0),
        ],
        shapes: &[FACTORY_HUMIDITY, SOUND, HALL_TEMPERATURE],
    },
    Profile {
        name: "patient-monitor",
        metrics: &[
            metric("heart_rate", "bpm", 15.0, 300.0),
            metric("respiration_rate", "/min", 0.0, 90.0),
            metric("spo2", "%", 30.0, 100.0),
        ],
        shapes: &[HEART_RATE, RESPIRATION, SATURATION],
    },
    Profile {
        name: "baby-monitor",
        metrics: &[
            metric("respiration_rate", "/min", 0.0, 120.0),
            metric("room_temperature_c", "°C", -10.0, 50.0),
            metric("sound_db", "dB", 0.0, 130.0),
        ],
        shapes: &[BREATHING, ROOM_TEMPERATURE, NURSERY_SOUND],
    },
    Profile {
        name: "infusion-pump",
        metrics: &[
            metric("battery_pct", "%", 0.0, 100.0),
            metric("flow_rate_ml_h", "mL/h", 0.0, 1200.0),
            metric("pressure_mmhg", "mmHg", -150.0, 1500.0),
        ],
        shapes: &[BATTERY, FLOW, LINE_PRESSURE],
    },
    Profile {
        name: "mri-scanner",
        metrics: &[
            metric("gradient_coil_temperature_c", "°C", 0.0, 90.0),
            metric("helium_level_pct", "%", 0.0, 100.0),
            metric("helium_pressure_kpa", "kPa", 80.0, 300.0),
        ],
        shapes: &[COIL_TEMPERATURE, HELIUM, HELIUM_PRESSURE],
    },
];

const OUTDOOR_TEMPERATURE: Shape = Shape {
    base: (10.0, 20.0),
    amplitude: (4.0, 7.0),
    peak_hour: (13.5, 15.5),
    rhythm: Rhythm::Sine,
    weather: 1.2,
    weather_minutes: 2000.0,
    noise: 0.15,
    persistence: 0.85,
    step: 0.1,
    spike_up: (6.0, 14.0),
    spike_down: (6.0, 14.0),
    shift: (2.5, 5.0),
    contrast: 4.0,
};

const HUMIDITY: Shape = Shape {
    base: (55.0, 65.0),
    amplitude: (9.0, 14.0),
    peak_hour: (3.0, 5.0),
    rhythm: Rhythm::Sine,
    weather: 3.0,
    weather_minutes: 2000.0,
    noise: 0.6,
    persistence: 0.85,
    step: 0.1,
    spike_up: (18.0, 30.0),
    spike_down: (18.0, 40.0),
    shift: (8.0, 14.0),
    contrast: 10.0,
};

// The twice-daily tide of the air is below 1 hPa in middle latitudes: no contextual events.
const PRESSURE: Shape = Shape {
    base: (990.0, 1020.0),
    amplitude: (0.3, 0.7),
    peak_hour: (9.5, 10.5),
    rhythm: Rhythm::TwiceDaily,
    weather: 5.0,
    weather_minutes: 3000.0,
    noise: 0.12,
    persistence: 0.6,
    step: 0.1,
    spike_up: (8.0, 20.0),
    spike_down: (8.0, 30.0),
    shift: (4.0, 8.0),
    contrast: f64::INFINITY,
};

const HALL_TEMPERATURE: Shape = Shape {
    base: (20.0, 24.0),
    amplitude: (3.0, 4.5),
    peak_hour: (14.0, 16.0),
    rhythm: Rhythm::Sine,
    weather: 0.5,
    weather_minutes: 2000.0,
    noise: 0.12,
    persistence: 0.8,
    step: 0.1,
    spike_up: (6.0, 15.0),
    spike_down: (6.0, 12.0),
    shift: (2.0, 4.0),
    contrast: 3.0,
};

const FACTORY_HUMIDITY: Shape = Shape {
    base: (42.0, 52.0),
    amplitude: (6.0, 9.0),
    peak_hour: (3.0, 5.0),
    rhythm: Rhythm::Sine,
    weather: 2.0,
    weather_minutes: 2000.0,
    noise: 0.5,
    persistence: 0.8,
    step: 0.1,
    spike_up: (15.0, 30.0),
    spike_down: (15.0, 30.0),
    shift: (7.0, 12.0),
    contrast: 8.0,
};

// Machines run in the day and idle at night; the edges take about an hour.
const SOUND: Shape = Shape {
    base: (60.0, 66.0),
    amplitude: (9.0, 12.0),
    peak_hour: (12.5, 13.5),
    rhythm: Rhythm::Shift,
    weather: 0.5,
    weather_minutes: 600.0,
    noise: 0.9,
    persistence: 0.4,
    step: 0.1,
    spike_up: (18.0, 35.0),
    spike_down: (15.0, 25.0),
    shift: (9.0, 14.0),
    contrast: 13.0,
};

const HEART_RATE: Shape = Shape {
    base: (66.0, 80.0),
    amplitude: (9.0, 13.0),
    peak_hour: (14.0, 17.0),
    rhythm: Rhythm::Sine,
    weather: 1.5,
    weather_minutes: 400.0,
    noise: 1.3,
    persistence: 0.7,
    step: 1.0,
    spike_up: (35.0, 70.0),
    spike_down: (25.0, 35.0),
    shift: (16.0, 26.0),
    contrast: 15.0,
};

const RESPIRATION: Shape = Shape {
    base: (14.0, 17.0),
    amplitude: (1.0, 1.8),
    peak_hour: (14.0, 17.0),
    rhythm: Rhythm::Sine,
    weather: 0.3,
    weather_minutes: 400.0,
    noise: 0.6,
    persistence: 0.6,
    step: 1.0,
    spike_up: (12.0, 25.0),
    spike_down: (8.0, 11.0),
    shift: (7.0, 11.0),
    contrast: f64::INFINITY,
};

const SATURATION: Shape = Shape {
    base: (96.5, 97.8),
    amplitude: (0.2, 0.4),
    peak_hour: (14.0, 17.0),
    rhythm: Rhythm::Sine,
    weather: 0.15,
    weather_minutes: 400.0,
    noise: 0.35,
    persistence: 0.6,
    step: 1.0,
    // A healthy saturation has no room above.
    spike_up: (0.0, 0.0),
    spike_down: (8.0, 18.0),
    shift: (5.0, 8.0),
    contrast: f64::INFINITY,
};

// A sleeping infant breathes faster than an adult, and unevenly.
const BREATHING: Shape = Shape {
    base: (32.0, 42.0),
    amplitude: (1.5, 3.0),
    peak_hour: (14.0, 17.0),
    rhythm: Rhythm::Sine,
    weather: 0.8,
    weather_minutes: 300.0,
    noise: 1.6,
    persistence: 0.6,
    step: 1.0,
    spike_up: (24.0, 45.0),
    spike_down: (20.0, 30.0),
    shift: (13.0, 20.0),
    contrast: f64::INFINITY,
};

const ROOM_TEMPERATURE: Shape = Shape {
    base: (19.0, 21.5),
    amplitude: (1.2, 2.0),
    peak_hour: (15.0, 18.0),
    rhythm: Rhythm::Sine,
    weather: 0.3,
    weather_minutes: 1500.0,
    noise: 0.08,
    persistence: 0.8,
    step: 0.1,
    spike_up: (4.0, 9.0),
    spike_down: (4.0, 9.0),
    shift: (1.5, 3.5),
    contrast: 2.0,
};

// Days are loud and nights are quiet; a cry is a spike.
const NURSERY_SOUND: Shape = Shape {
    base: (38.0, 44.0),
    amplitude: (7.0, 10.0),
    peak_hour: (12.0, 14.0),
    rhythm: Rhythm::Shift,
    weather: 0.5,
    weather_minutes: 600.0,
    noise: 1.2,
    persistence: 0.4,
    step: 0.1,
    spike_up: (25.0, 45.0),
    spike_down: (15.0, 22.0),
    shift: (10.0, 16.0),
    contrast: 12.0,
};

// On the mains: what is left of a day's rhythm is the nurse who unplugs it.
const BATTERY: Shape = Shape {
    base: (90.0, 95.0),
    amplitude: (0.5, 1.5),
    peak_hour: (4.0, 6.0),
    rhythm: Rhythm::Sine,
    weather: 0.6,
    weather_minutes: 500.0,
    noise: 0.3,
    persistence: 0.8,
    step: 1.0,
    spike_up: (0.0, 0.0),
    spike_down: (25.0, 60.0),
    shift: (10.0, 25.0),
    contrast: f64::INFINITY,
};

// The rate is programmed and held by a motor: it is even, until something is wrong.
const FLOW: Shape = Shape {
    base: (60.0, 125.0),
    amplitude: (0.0, 0.4),
    peak_hour: (10.0, 14.0),
    rhythm: Rhythm::Sine,
    weather: 0.2,
    weather_minutes: 400.0,
    noise: 0.35,
    persistence: 0.3,
    step: 0.1,
    spike_up: (30.0, 80.0),
    spike_down: (25.0, 50.0),
    shift: (8.0, 20.0),
    contrast: f64::INFINITY,
};

const LINE_PRESSURE: Shape = Shape {
    base: (165.0, 240.0),
    amplitude: (2.0, 6.0),
    peak_hour: (10.0, 16.0),
    rhythm: Rhythm::Sine,
    weather: 4.5,
    weather_minutes: 300.0,
    noise: 3.8,
    persistence: 0.5,
    step: 1.0,
    // An occlusion.
    spike_up: (225.0, 525.0),
    spike_down: (75.0, 150.0),
    shift: (60.0, 110.0),
    contrast: f64::INFINITY,
};

// The scanner works in the day.
const COIL_TEMPERATURE: Shape = Shape {
    base: (28.0, 32.0),
    amplitude: (5.0, 7.5),
    peak_hour: (13.0, 15.0),
    rhythm: Rhythm::Shift,
    weather: 0.4,
    weather_minutes: 600.0,
    noise: 0.3,
    persistence: 0.8,
    step: 0.1,
    spike_up: (12.0, 25.0),
    spike_down: (8.0, 14.0),
    shift: (5.0, 9.0),
    contrast: 6.0,
};

const HELIUM_PRESSURE: Shape = Shape {
    base: (104.0, 108.0),
    amplitude: (0.3, 0.7),
    peak_hour: (13.0, 16.0),
    rhythm: Rhythm::Sine,
    weather: 0.4,
    weather_minutes: 1500.0,
    noise: 0.1,
    persistence: 0.6,
    step: 0.1,
    // A quench begins as pressure.
    spike_up: (15.0, 60.0),
    spike_down: (5.0, 12.0),
    shift: (3.0, 8.0),
    contrast: f64::INFINITY,
};

const HELIUM: Shape = Shape {
    base: (72.0, 85.0),
    amplitude: (0.0, 0.1),
    peak_hour: (10.0, 16.0),
    rhythm: Rhythm::Sine,
    weather: 0.25,
    weather_minutes: 4000.0,
    noise: 0.08,
    persistence: 0.7,
    step: 0.1,
    spike_up: (0.0, 0.0),
    spike_down: (5.0, 15.0),
    shift: (2.0, 6.0),
    contrast: f64::INFINITY,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_sorted_and_have_shapes() {
        for profile in profiles() {
            assert!(profile.metrics.is_sorted_by(|a, b| a.name < b.name), "{}", profile.name);
            assert_eq!(profile.metrics.len(), profile.shapes.len(), "{}", profile.name);
        }
    }
}
