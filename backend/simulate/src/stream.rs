//! One device: its signals, and when anomalies are injected. Sends nothing and judges nothing.

use crate::{
    Sample,
    event::{Event, Injection, Kind},
    profile::Profile,
    random::Random,
    signal::Signal,
};

/// Readings at the start of a stream without injected events, so that a detector can settle.
pub const WARM_UP: u64 = 120;
/// Least number of readings between the last marked reading of an event and the next event.
pub const SPACING: u64 = 60;
/// Readings after the onset of a change point that carry its truth; later ones are the new normal.
pub const CHANGE_MARK: u64 = 30;

const DAY_MS: i64 = 86_400_000;
/// Contextual events last from the first to the second number of readings.
const CONTEXTUAL_READINGS: (f64, f64) = (5.0, 20.0);
/// A level shift or spike is at least this many standard deviations of the present noise.
const LEAST_SHIFT: f64 = 6.0;
const LEAST_SPIKE: f64 = 9.0;
/// One change point in four makes the noise this much stronger instead of moving the level.
const AGITATED_SHARE: f64 = 0.25;
const AGITATION: (f64, f64) = (6.0, 8.0);

/// Why a stream cannot be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SimulateError {
    /// Readings must be at least a millisecond and at most a day apart.
    #[error("the interval is {actual} ms; expected 1 to 86400000 ms")]
    Interval {
        /// What was asked for, in milliseconds.
        actual: i64,
    },
    /// A rate must be finite and not negative.
    #[error("the injection rate is {actual} a day; expected 0 to 1000")]
    Rate {
        /// What was asked for, in events per device-day.
        actual: f64,
    },
    /// The start must leave room for a century of readings.
    #[error("the start is {actual} ms; expected a time between the years 1 and 9999")]
    Start {
        /// What was asked for, in milliseconds since 1970.
        actual: i64,
    },
}

/// The readings of one device, without end.
#[derive(Clone, Debug)]
pub struct Stream {
    profile: &'static Profile,
    signals: Vec<Signal>,
    signal_random: Random,
    event_random: Random,
    start_ms: i64,
    interval_ms: i64,
    sequence: u64,
    schedules: Vec<Schedule>,
    forced: Vec<(u64, Kind)>,
    active: Option<Active>,
    free_from: u64,
    next_id: u64,
}

#[derive(Clone, Debug)]
struct Schedule {
    kind: Kind,
    mean_readings: f64,
    due: f64,
}

#[derive(Clone, Debug)]
struct Active {
    event: Event,
    signal: usize,
    extra: f64,
    /// First sequence after the event.
    end: u64,
}

impl Stream {
    /// A device of `profile`. Streams with different `device_index` or `seed` are independent.
    ///
    /// `start_ms` is the time of the first reading in milliseconds since 1970 UTC, `interval_ms`
    /// the distance between readings. Kinds that are not in `injections` do not occur.
    ///
    /// # Errors
    /// [`SimulateError`] where a number is outside its documented range.
    pub fn new(
        profile: &'static Profile,
        device_index: u32,
        seed: u64,
        start_ms: i64,
        interval_ms: i64,
        injections: &[Injection],
    ) -> Result<Self, SimulateError> {
        if !(1..=DAY_MS).contains(&interval_ms) {
            return Err(SimulateError::Interval { actual: interval_ms });
        }
        if !(-62_135_596_800_000..=253_402_300_799_000).contains(&start_ms) {
            return Err(SimulateError::Start { actual: start_ms });
        }
        let mut device = Random::for_purpose(seed, device_index, 1);
        let minutes = interval_ms as f64 / 60_000.0;
        let signals = profile
            .metrics
            .iter()
            .zip(profile.shapes)
            .map(|(metric, shape)| Signal::new(metric, shape, minutes, &mut device))
            .collect();
        let mut event_random = Random::for_purpose(seed, device_index, 3);
        let schedules = schedules(injections, interval_ms, &mut event_random)?;
        Ok(Self {
            profile,
            signals,
            signal_random: Random::for_purpose(seed, device_index, 2),
            event_random,
            start_ms,
            interval_ms,
            sequence: 0,
            schedules,
            forced: Vec::new(),
            active: None,
            free_from: WARM_UP,
            next_id: 1,
        })
    }

    /// Forces one event to begin at the reading with that sequence number, for demonstrations.
    /// It ends any event that is under way and ignores warm-up and spacing. Where the time of day
    /// gives no contrast for a contextual event, a metric is moved by its largest usual shift. A
    /// sequence number that has already passed has no effect.
    pub fn inject_at(&mut self, sequence: u64, kind: Kind) {
        self.forced.push((sequence, kind));
    }

    fn time_ms(&self) -> i64 {
        let passed = (self.sequence.min(i64::MAX as u64) as i64).saturating_mul(self.interval_ms);
        self.start_ms.saturating_add(passed)
    }

    fn begin_events(&mut self, minute: f64) {
        let now = self.sequence;
        if let Some(position) = self.forced.iter().position(|(at, _)| *at == now) {
            let (_, kind) = self.forced.swap_remove(position);
            self.finish();
            let (signal, extra) = self.contextual(minute).filter(|_| kind == Kind::Contextual).unwrap_or_else(|| {
                let signal = self.pick(self.signals.len());
                (signal, 0.0)
            });
            self.begin(kind, signal, extra, minute);
            return;
        }
        if self.active.is_some() || now < self.free_from {
            return;
        }
        // The event that has waited longest goes first.
        let mut order: Vec<usize> = (0..self.schedules.len()).collect();
        order.sort_by(|a, b| self.schedules[*a].due.total_cmp(&self.schedules[*b].due));
        for index in order {
            let Schedule { kind, mean_readings, due } = self.schedules[index];
            if due > now as f64 {
                break;
            }
            let chosen = if kind == Kind::Contextual {
                // Near dawn and dusk every value is usual: the event waits for a better time.
                self.contextual(minute)
            } else {
                Some((self.pick(self.signals.len()), 0.0))
            };
            if let Some((signal, extra)) = chosen {
                let wait = self.event_random.exponential(mean_readings);
                self.schedules[index].due = now as f64 + wait;
                self.begin(kind, signal, extra, minute);
                return;
            }
        }
    }

    fn pick(&mut self, count: usize) -> usize {
        ((self.event_random.unit() * count as f64) as usize).min(count - 1)
    }

    /// A metric whose value half a day away differs enough from now, and the difference.
    fn contextual(&mut self, minute: f64) -> Option<(usize, f64)> {
        let fit: Vec<(usize, f64)> = (0..self.signals.len())
            .filter_map(|index| {
                let signal = &self.signals[index];
                let other = signal.cycle(minute + 720.0) - signal.cycle(minute);
                let least = signal.shape.contrast.max(LEAST_SHIFT * signal.noise_scale());
                (other.abs() >= least).then_some((index, other))
            })
            .collect();
        if fit.is_empty() {
            return None;
        }
        let position = self.pick(fit.len());
        Some(fit[position])
    }

    fn begin(&mut self, kind: Kind, index: usize, contrast: f64, minute: f64) {
        let calm = self.signals.iter().all(|signal| signal.agitation == 1.0);
        let random = &mut self.event_random;
        let signal = &mut self.signals[index];
        let shape = signal.shape;
        let (extra, readings) = match kind {
            Kind::Point => {
                let up = shape.spike_up.1 > 0.0
                    && signal.room(minute, 1.0) > shape.spike_up.0
                    && (random.unit() < 0.5 || signal.room(minute, -1.0) < shape.spike_down.0 + shape.noise);
                let (range, sign) = if up { (shape.spike_up, 1.0) } else { (shape.spike_down, -1.0) };
                let size = random.between(range.0, range.1).max(LEAST_SPIKE * signal.noise_scale());
                (sign * size, 1)
            }
            Kind::Contextual => {
                let lasts = random.between(CONTEXTUAL_READINGS.0, CONTEXTUAL_READINGS.1 + 1.0);
                let extra = if contrast == 0.0 { shape.shift.1 } else { contrast };
                (extra, lasts as u64)
            }
            Kind::ChangePoint => {
                // A quantity at its ceiling cannot swing wider; and one broken sensor is enough.
                let may_agitate = calm && shape.spike_up.1 > 0.0;
                let agitate = random.unit() < AGITATED_SHARE && may_agitate;
                let factor = random.between(AGITATION.0, AGITATION.1);
                let size = random.between(shape.shift.0, shape.shift.1).max(LEAST_SHIFT * signal.noise_scale());
                let up = signal.shift_up(minute, size, random.unit() < 0.5);
                if agitate {
                    signal.agitation = factor;
                } else {
                    signal.shift(if up { size } else { -size });
                }
                (0.0, CHANGE_MARK)
            }
        };
        let event = Event { kind, id: self.next_id, metric: self.profile.metrics[index].name };
        self.next_id += 1;
        self.active = Some(Active { event, signal: index, extra, end: self.sequence + readings });
    }

    fn finish(&mut self) {
        if self.active.take().is_some() {
            self.free_from = self.sequence + SPACING;
        }
    }
}

impl Iterator for Stream {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        let time_ms = self.time_ms();
        let minute = time_ms.rem_euclid(DAY_MS) as f64 / 60_000.0;
        for signal in &mut self.signals {
            signal.advance(&mut self.signal_random);
        }
        if self.active.as_ref().is_some_and(|active| self.sequence >= active.end) {
            self.finish();
        }
        self.begin_events(minute);
        let active = self.active.as_ref();
        let values = self
            .profile
            .metrics
            .iter()
            .zip(&self.signals)
            .enumerate()
            .map(|(index, (metric, signal))| {
                let extra = active.filter(|a| a.signal == index).map_or(0.0, |a| a.extra);
                (metric.name, signal.value(minute, extra))
            })
            .collect();
        let truth = active.map(|active| active.event);
        let sequence = self.sequence;
        self.sequence += 1;
        Some(Sample { time_ms, sequence, values, truth })
    }
}

fn schedules(injections: &[Injection], interval_ms: i64, random: &mut Random) -> Result<Vec<Schedule>, SimulateError> {
    let per_day = DAY_MS as f64 / interval_ms as f64;
    let mut schedules = Vec::new();
    for injection in injections {
        if !(0.0..=1000.0).contains(&injection.rate) {
            return Err(SimulateError::Rate { actual: injection.rate });
        }
        if injection.rate > 0.0 {
            let mean_readings = per_day / injection.rate;
            let due = WARM_UP as f64 + random.exponential(mean_readings);
            schedules.push(Schedule { kind: injection.kind, mean_readings, due });
        }
    }
    Ok(schedules)
}
