//! The readings that are sent: calm stations of three metrics, with a spike now and then, so that there is something to
//! find and to put into the log.

use std::{
    fmt::Write,
    time::{SystemTime, UNIX_EPOCH},
};

/// Seconds before now at which the devices' times begin: thirty days, so that a reading a second each stays in the past
/// for 2.6 million of them.
const AGO: u64 = 30 * 86_400;

/// One reading in so many is a spike.
const SPIKE_EVERY: u64 = 20_000;

/// The devices of one connection, and how far they are.
pub(crate) struct Devices {
    names: Vec<String>,
    sequence: u64,
    next: usize,
    /// Seconds since 1970 of the devices' sequence number 0; each further one is a second later.
    start: u64,
}

/// One reading.
pub(crate) struct Reading<'a> {
    pub(crate) device: &'a str,
    pub(crate) sequence: u64,
    /// Microseconds since 1970.
    pub(crate) time_us: u64,
    /// Temperature (°C), humidity (%), sound (dB) and air pressure (hPa): of each reading three are sent.
    pub(crate) values: [f64; 4],
}

impl Devices {
    /// The devices of this connection.
    pub(crate) fn new(prefix: &str, connection: u32, count: u32, from: u64) -> Self {
        let name = |device| format!("{prefix}-{connection}-{device}");
        let names = match count {
            1 => vec![format!("{prefix}-{connection}")],
            count => (0..count).map(name).collect(),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        Self { names, sequence: from, next: 0, start: now - AGO }
    }

    /// The next reading, of each device in turn.
    pub(crate) fn next(&mut self) -> Reading<'_> {
        let (device, sequence) = (self.next, self.sequence);
        self.next += 1;
        if self.next == self.names.len() {
            (self.next, self.sequence) = (0, sequence + 1);
        }
        let phase = sequence.wrapping_mul(7).wrapping_add(device as u64 * 31);
        let wave = ((phase % 600) as f64 - 300.0).abs() / 100.0;
        let noise = (phase.wrapping_mul(2_654_435_761) % 97) as f64 / 100.0;
        let spike = if (sequence + device as u64).is_multiple_of(SPIKE_EVERY) { 60.0 } else { 0.0 };
        let hundredths = |value: f64| (value * 100.0).round() / 100.0;
        let (temperature, humidity, other) = (20.0 + wave + noise + spike, 50.0 - wave + noise, wave / 2.0 + noise);
        let values = [temperature, humidity, 48.0 + other, 1_013.0 + other].map(hundredths);
        Reading { device: &self.names[device], sequence, time_us: (self.start + sequence) * 1_000_000, values }
    }
}

impl Reading<'_> {
    /// As `POST /api/v1/readings` takes it.
    pub(crate) fn json(&self, to: &mut String) {
        let Self { device, sequence, time_us, values: [a, b, _, c] } = self;
        let time = time_us / 1_000_000;
        let _ = write!(
            to,
            r#"{{"device":"{device}","time":{time},"sequence":{sequence},"metrics":{{"humidity":{b},"pressure":{c},"temperature":{a}}}}}"#
        );
    }

    /// As `POST /predict` takes it.
    pub(crate) fn prediction(&self, to: &mut String) {
        let Self { device, sequence, time_us, values: [a, b, c, _] } = self;
        let time = time_us / 1_000_000;
        let _ = write!(
            to,
            r#"{{"timestamp":{time},"sequence":{sequence},"station_id":"{device}","temperature_c":{a},"humidity_pct":{b},"sound_db":{c}}}"#
        );
    }

    /// A line of line protocol, with its time in seconds.
    pub(crate) fn line(&self, to: &mut String) {
        let Self { device, time_us, values: [a, b, _, c], .. } = self;
        let time = time_us / 1_000_000;
        let _ = writeln!(to, "weather,device={device} humidity={b},pressure={c},temperature={a} {time}");
    }

    /// As MQTT's `v1/devices/me/telemetry` takes it.
    pub(crate) fn telemetry(&self, to: &mut String) {
        let Self { time_us, values: [a, b, _, c], .. } = self;
        let time = time_us / 1_000;
        let _ = write!(to, r#"{{"ts":{time},"values":{{"humidity":{b},"pressure":{c},"temperature":{a}}}}}"#);
    }
}
