//! Many devices at once: memory, readings a second, and how long all states take to save and load.
//!
//! Readings come in turn from all devices, so that each finds its state cold, as in the worst case.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Read, Write},
    path::Path,
    time::Instant,
};

use detect::{DeviceState, MAX_STATE_BYTES, ReadingView, Value, judge_in_place};
use simulate::random::Random;

use crate::{
    EvaluateError, Result,
    lone::{MIDNIGHT, own_model},
    table::Line,
};

const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

/// How many, of what.
#[derive(Clone, Copy, Debug)]
pub struct Fleet {
    /// Devices.
    pub devices: usize,
    /// Metrics in each reading, at most 12.
    pub metrics: usize,
    /// Readings of each device.
    pub rounds: usize,
}

/// Runs the fleet; the states go through a file in `dir`, which is removed.
///
/// # Errors
/// As the detector; [`EvaluateError::Io`] if the file cannot be written; [`EvaluateError::Malformed`]
/// if the states that were read are not those that were written.
pub fn measure(fleet: Fleet, dir: &Path) -> Result<Vec<Line>> {
    let metrics = fleet.metrics.clamp(1, NAMES.len());
    let set = format!("{} devices, {metrics} metrics", fleet.devices);
    let profile = &simulate::profiles()[0];
    let model = own_model(profile)?;
    let before = resident_mib();
    let mut states = vec![DeviceState::new(); fleet.devices];
    let mut random = Random::new(99);
    let begin = Instant::now();
    for round in 0..fleet.rounds {
        let time_ms = MIDNIGHT + 60_000 * round as i64;
        for (device, state) in states.iter_mut().enumerate() {
            let mut values = [Value { metric: "", value: 0.0 }; NAMES.len()];
            for (at, value) in values.iter_mut().enumerate().take(metrics) {
                *value = Value { metric: NAMES[at], value: (device % 50) as f64 + random.unit() };
            }
            judge_in_place(&model, state, &ReadingView { time_ms, values: &values[..metrics] })?;
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    let readings = (fleet.devices * fleet.rounds) as f64;
    let memory = resident_mib() - before;
    let file = tempfile::NamedTempFile::new_in(dir).map_err(EvaluateError::io(dir))?;
    let begin = Instant::now();
    let (bytes, largest) = save(&states, file.path())?;
    let saving = begin.elapsed().as_secs_f64();
    let begin = Instant::now();
    let restored = load(fleet.devices, file.path())?;
    let loading = begin.elapsed().as_secs_f64();
    if restored != states {
        return Err(EvaluateError::malformed(file.path(), "the states that were saved", "others"));
    }
    let each = |total: f64| total / fleet.devices as f64;
    Ok(vec![
        Line::new(&set, "readings a second, one core", readings / seconds)
            .beside(format!("{} readings each", fleet.rounds)),
        Line::new(&set, "points a second, one core", readings * metrics as f64 / seconds),
        Line::new(&set, "memory of all states, MiB", memory)
            .beside(format!("{:.0} bytes each", each(memory * 1024.0 * 1024.0))),
        Line::new(&set, "bytes of the largest state", largest as f64).against("limit", MAX_STATE_BYTES as f64),
        Line::new(&set, "saving all states, s", saving)
            .beside(format!("{:.0} MiB, synced to disk", bytes as f64 / 1048576.0)),
        Line::new(&set, "loading all states, s", loading).beside("equal to those saved"),
    ])
}

/// Each state's length and bytes, one after the other; how many in all, and in the largest.
fn save(states: &[DeviceState], path: &Path) -> Result<(usize, usize)> {
    let file = File::create(path).map_err(EvaluateError::io(path))?;
    let mut writer = BufWriter::with_capacity(1 << 20, file);
    let (mut all, mut largest) = (0, 0);
    for state in states {
        let bytes = state.to_bytes();
        writer.write_all(&(bytes.len() as u32).to_le_bytes()).map_err(EvaluateError::io(path))?;
        writer.write_all(&bytes).map_err(EvaluateError::io(path))?;
        all += bytes.len() + 4;
        largest = largest.max(bytes.len());
    }
    let file = writer.into_inner().map_err(|error| EvaluateError::io(path)(error.into_error()))?;
    file.sync_all().map_err(EvaluateError::io(path))?;
    Ok((all, largest))
}

fn load(count: usize, path: &Path) -> Result<Vec<DeviceState>> {
    let mut reader = BufReader::with_capacity(1 << 20, File::open(path).map_err(EvaluateError::io(path))?);
    let mut bytes = vec![0; MAX_STATE_BYTES];
    let mut states = Vec::with_capacity(count);
    for _ in 0..count {
        let mut length = [0; 4];
        reader.read_exact(&mut length).map_err(EvaluateError::io(path))?;
        let length = (u32::from_le_bytes(length) as usize).min(bytes.len());
        reader.read_exact(&mut bytes[..length]).map_err(EvaluateError::io(path))?;
        states.push(DeviceState::from_bytes(&bytes[..length])?);
    }
    Ok(states)
}

/// Memory of this process, where the system tells (Linux); else 0.
fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok()).map_or(0.0, |kib| kib / 1024.0)
}
