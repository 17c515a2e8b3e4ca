//! The undisturbed signal of one metric of one device. Injects nothing.

use crate::{profile::Metric, random::Random};

const DAY_MINUTES: f64 = 1440.0;

/// The form of a metric's daily cycle.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rhythm {
    /// One soft wave a day.
    Sine,
    /// Two soft waves a day.
    TwiceDaily,
    /// A working day: high, low, and steep edges.
    Shift,
}

/// How a metric behaves. Pairs are the lowest and highest value that a device may draw.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Middle of the daily cycle, in the metric's unit.
    pub(crate) base: (f64, f64),
    /// Half the swing of the daily cycle.
    pub(crate) amplitude: (f64, f64),
    /// Hour of day (UTC) of the peak.
    pub(crate) peak_hour: (f64, f64),
    pub(crate) rhythm: Rhythm,
    /// Standard deviation of the slow weather, and its time constant.
    pub(crate) weather: f64,
    pub(crate) weather_minutes: f64,
    /// Standard deviation of the noise, and its correlation from one minute to the next.
    pub(crate) noise: f64,
    pub(crate) persistence: f64,
    /// The sensor's resolution.
    pub(crate) step: f64,
    /// Size of point anomalies upwards and downwards; (0, 0) where there is no room.
    pub(crate) spike_up: (f64, f64),
    pub(crate) spike_down: (f64, f64),
    /// Size of lasting level shifts.
    pub(crate) shift: (f64, f64),
    /// Least difference between now and another time of day for a contextual event.
    pub(crate) contrast: f64,
}

/// One metric of one device in motion.
#[derive(Clone, Debug)]
pub(crate) struct Signal {
    pub(crate) shape: &'static Shape,
    low: f64,
    high: f64,
    base: f64,
    amplitude: f64,
    peak_minute: f64,
    weather: f64,
    noise: f64,
    weather_keep: f64,
    noise_keep: f64,
    /// Lasting shift of the level by change points.
    pub(crate) offset: f64,
    /// Lasting factor on the noise by change points.
    pub(crate) agitation: f64,
}

impl Signal {
    pub(crate) fn new(metric: &Metric, shape: &'static Shape, interval_minutes: f64, device: &mut Random) -> Self {
        let base = device.between(shape.base.0, shape.base.1);
        let amplitude = device.between(shape.amplitude.0, shape.amplitude.1);
        let peak_minute = 60.0 * device.between(shape.peak_hour.0, shape.peak_hour.1);
        Self {
            shape,
            low: metric.low,
            high: metric.high,
            base,
            amplitude,
            peak_minute,
            weather: shape.weather * device.normal(),
            noise: shape.noise * device.normal(),
            weather_keep: libm::exp(-interval_minutes / shape.weather_minutes),
            noise_keep: libm::pow(shape.persistence, interval_minutes),
            offset: 0.0,
            agitation: 1.0,
        }
    }

    /// Moves weather and noise on by one reading. Draws exactly two normals, always, so that
    /// injections do not change the undisturbed part of a stream.
    pub(crate) fn advance(&mut self, random: &mut Random) {
        let fresh = libm::sqrt(1.0 - self.weather_keep * self.weather_keep);
        self.weather = self.weather_keep * self.weather + self.shape.weather * fresh * random.normal();
        let fresh = libm::sqrt(1.0 - self.noise_keep * self.noise_keep);
        self.noise = self.noise_keep * self.noise + self.shape.noise * fresh * random.normal();
    }

    /// The daily cycle alone, at a minute of the day.
    pub(crate) fn cycle(&self, minute: f64) -> f64 {
        let turn = core::f64::consts::TAU * (minute - self.peak_minute) / DAY_MINUTES;
        self.amplitude
            * match self.shape.rhythm {
                Rhythm::Sine => libm::cos(turn),
                Rhythm::TwiceDaily => libm::cos(2.0 * turn),
                Rhythm::Shift => libm::tanh(4.0 * libm::cos(turn)),
            }
    }

    /// The value at a minute of the day, moved by `extra` and rounded as the sensor would.
    pub(crate) fn value(&self, minute: f64, extra: f64) -> f64 {
        let exact = self.base + self.cycle(minute) + self.weather + self.noise * self.agitation + self.offset + extra;
        let steps = libm::round(exact.clamp(self.low, self.high) / self.shape.step);
        // Dividing by the whole number of steps per unit gives 20.1, not 20.100000000000001.
        steps / libm::round(1.0 / self.shape.step)
    }

    /// The value at a minute of the day without noise: where `extra` would start from.
    pub(crate) fn level(&self, minute: f64) -> f64 {
        self.base + self.cycle(minute) + self.weather + self.offset
    }

    /// Which way the level shifts: back towards the device's own base if it is off it, so that
    /// shifts do not pile up; else as `wish` says, unless only the other way has room.
    pub(crate) fn shift_up(&self, minute: f64, size: f64, wish: bool) -> bool {
        let needed = size + 2.0 * self.noise_scale();
        let fits_up = self.shape.spike_up.1 > 0.0 && self.room(minute, 1.0) > needed;
        match (self.offset != 0.0, fits_up, self.room(minute, -1.0) > needed) {
            (true, ..) => self.offset < 0.0,
            (false, true, false) => true,
            (false, false, _) => false,
            (false, true, true) => wish,
        }
    }

    /// Shifts the level; a shift back ends at the base if that is nearly as far.
    pub(crate) fn shift(&mut self, by: f64) {
        let back = by * self.offset < 0.0 && self.offset.abs() >= 0.7 * by.abs();
        self.offset = if back { 0.0 } else { self.offset + by };
    }

    /// Standard deviation of the noise now.
    pub(crate) fn noise_scale(&self) -> f64 {
        self.shape.noise * self.agitation
    }

    /// Space between the level and the plausible limit in the direction of `sign`.
    pub(crate) fn room(&self, minute: f64, sign: f64) -> f64 {
        if sign > 0.0 { self.high - self.level(minute) } else { self.level(minute) - self.low }
    }
}
