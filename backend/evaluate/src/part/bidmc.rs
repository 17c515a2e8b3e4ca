//! BIDMC: patients of an intensive care unit, with faults injected by seeds of our own.
//!
//! Thresholds are set so that the *other* patients' untouched streams give one, or a tenth of a,
//! false alarm per patient-hour. There are 3.5 hours in all: a tenth means none in them. Alarms
//! less than a minute apart are one. What is unusual in the recordings themselves counts as a
//! false alarm, and so does what the detector says before it has settled.

use std::{ops::Range, path::Path};

use simulate::random::Random;

use crate::{
    Result,
    data::bidmc::{METRICS, Patient, read},
    lone::judge_all,
    metric::{bootstrap, window::median},
    table::Line,
};

/// Seconds within which alarms are one.
const ONE_ALARM: usize = 60;
/// False alarms per patient-hour.
const RATES: [f64; 2] = [1.0, 0.1];
const SEED: u64 = 4711;
/// Injections of each kind into each patient's stream, each in a run of its own.
const REPEATS: u32 = 4;
/// First and last second at which a fault may begin.
const ONSET: (f64, f64) = (180.0, 300.0);

/// What is injected.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// One metric far off for one to three seconds.
    Spike,
    /// One metric moves away steadily for two minutes and stays there for one.
    Drift,
    /// One metric reads zero for 5 to 20 seconds.
    Dropout,
    /// One metric repeats its value for three minutes.
    Stuck,
    /// All metrics are another patient's from then on; to be noticed within two minutes.
    Swapped,
}

const FAULTS: [(Fault, &str); 5] = [
    (Fault::Spike, "spike"),
    (Fault::Drift, "drift"),
    (Fault::Dropout, "dropout"),
    (Fault::Stuck, "stuck sensor"),
    (Fault::Swapped, "swapped patients"),
];
/// Least and greatest spike, and drift, of each metric in its unit; saturation only falls.
const SPIKES: [(f64, f64); 4] = [(30.0, 60.0), (30.0, 60.0), (10.0, 20.0), (8.0, 20.0)];
const DRIFTS: [(f64, f64); 4] = [(25.0, 40.0), (25.0, 40.0), (8.0, 15.0), (6.0, 12.0)];
const SATURATION: usize = 3;

/// One run with one fault.
struct Trial {
    patient: usize,
    scores: Vec<f64>,
    window: Range<usize>,
}

/// The lines of the table.
///
/// # Errors
/// [`EvaluateError`](crate::EvaluateError) for files that are missing or malformed.
pub fn measure(dir: &Path) -> Result<Vec<Line>> {
    let patients = read(dir)?;
    let clean: Vec<Vec<f64>> = patients.iter().map(|patient| judge(patient)).collect::<Result<_>>()?;
    let hours: f64 = clean.iter().map(|scores| scores.len() as f64 / 3600.0).sum();
    let mut lines = vec![at_one_half(&clean)];
    let mut by_fault = Vec::new();
    for (number, (fault, _)) in FAULTS.iter().enumerate() {
        by_fault.push(trials(&patients, *fault, number as u64)?);
    }
    for rate in RATES {
        let thresholds: Vec<f64> = (0..clean.len()).map(|patient| threshold(&clean, patient, rate)).collect();
        let alarms: usize = clean.iter().zip(&thresholds).map(|(scores, threshold)| alarms(scores, *threshold)).sum();
        for ((_, name), trials) in FAULTS.iter().zip(&by_fault) {
            let measure = format!("recall, {name}, at {rate} false alarms per patient-hour");
            let beside = format!("{:.2} measured on patients held back", alarms as f64 / hours);
            lines.push(line(trials, &thresholds, measure, &beside));
        }
    }
    Ok(lines)
}

fn at_one_half(clean: &[Vec<f64>]) -> Line {
    let units: Vec<(f64, f64)> =
        clean.iter().map(|scores| (alarms(scores, 0.5) as f64, scores.len() as f64 / 3600.0)).collect();
    let rate = units.iter().map(|unit| unit.0).sum::<f64>() / units.iter().map(|unit| unit.1).sum::<f64>();
    let line = Line::new("BIDMC", "false alarms per patient-hour, threshold 0.5", rate);
    line.within(bootstrap::of_ratio(&units)).beside("lower is better")
}

fn line(trials: &[Trial], thresholds: &[f64], measure: String, beside: &str) -> Line {
    let delay =
        |trial: &Trial| trial.scores[trial.window.clone()].iter().position(|score| *score >= thresholds[trial.patient]);
    let mut units = vec![(0.0, 0.0); thresholds.len()];
    for trial in trials {
        units[trial.patient].0 += f64::from(u8::from(delay(trial).is_some()));
        units[trial.patient].1 += 1.0;
    }
    let recall = units.iter().map(|unit| unit.0).sum::<f64>() / units.iter().map(|unit| unit.1).sum::<f64>();
    let delays = trials.iter().filter_map(delay).map(|delay| delay as f64);
    let beside = format!("median delay {} s; {beside}", median(delays));
    Line::new("BIDMC", measure, recall).within(bootstrap::of_ratio(&units)).beside(beside)
}

fn judge(patient: &[[f64; 4]]) -> Result<Vec<f64>> {
    let times: Vec<i64> = (0..patient.len() as i64).map(|second| second * 1000).collect();
    judge_all(&METRICS, &times, patient)
}

/// Alarms of one stream: rows at or above the threshold, those less than a minute apart being one.
fn alarms(scores: &[f64], threshold: f64) -> usize {
    let mut last: Option<usize> = None;
    let mut count = 0;
    for (row, _) in scores.iter().enumerate().filter(|(_, score)| **score >= threshold) {
        count += usize::from(last.is_none_or(|last| row - last > ONE_ALARM));
        last = Some(row);
    }
    count
}

/// The lowest threshold at which the streams of all but one patient give at most that many alarms.
fn threshold(clean: &[Vec<f64>], held_back: usize, rate: f64) -> f64 {
    let others = || clean.iter().enumerate().filter(|(patient, _)| *patient != held_back).map(|(_, scores)| scores);
    let allowed = rate * others().map(|scores| scores.len() as f64 / 3600.0).sum::<f64>();
    let mut candidates: Vec<f64> = others().flatten().copied().collect();
    candidates.sort_by(|a, b| b.total_cmp(a));
    candidates.dedup();
    let few = |threshold: &f64| others().map(|scores| alarms(scores, *threshold)).sum::<usize>() as f64 <= allowed;
    let highest = candidates.first().map_or(0.5, |highest| highest.next_up());
    let at = candidates.partition_point(few);
    if at == 0 { highest } else { candidates[at - 1] }
}

fn trials(patients: &[Patient], fault: Fault, number: u64) -> Result<Vec<Trial>> {
    let mut trials = Vec::new();
    for patient in 0..patients.len() {
        for repeat in 0..REPEATS {
            let mut random = Random::for_purpose(SEED + number, patient as u32, u64::from(repeat));
            let mut stream = patients[patient].clone();
            let window = inject(&mut stream, patients, patient, fault, &mut random);
            trials.push(Trial { patient, scores: judge(&stream)?, window });
        }
    }
    Ok(trials)
}

/// Puts one fault into a stream; the rows in which it is to be found.
fn inject(stream: &mut Patient, patients: &[Patient], own: usize, fault: Fault, random: &mut Random) -> Range<usize> {
    let onset = random.between(ONSET.0, ONSET.1) as usize;
    let metric = (random.unit() * 4.0) as usize;
    let sign = if metric == SATURATION || random.unit() < 0.5 { -1.0 } else { 1.0 };
    let between = |random: &mut Random, (low, high): (f64, f64)| random.between(low, high);
    let length = match fault {
        Fault::Spike => between(random, (1.0, 4.0)) as usize,
        Fault::Dropout => between(random, (5.0, 21.0)) as usize,
        Fault::Drift | Fault::Stuck => 180,
        Fault::Swapped => 120,
    };
    let window = onset..(onset + length).min(stream.len());
    let size = match fault {
        Fault::Drift => between(random, DRIFTS[metric]),
        _ => between(random, SPIKES[metric]),
    };
    let held = stream[onset][metric];
    let other = &patients[(own + 1 + (random.unit() * (patients.len() - 1) as f64) as usize) % patients.len()];
    for row in window.clone() {
        let value = &mut stream[row][metric];
        match fault {
            Fault::Spike => *value = (*value + sign * size).max(0.0),
            Fault::Drift => *value = (*value + sign * size * ((row - onset) as f64 / 120.0).min(1.0)).round().max(0.0),
            Fault::Dropout => *value = 0.0,
            Fault::Stuck => *value = held,
            Fault::Swapped => stream[row] = other.get(row).copied().unwrap_or(stream[row]),
        }
    }
    window
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_less_than_a_minute_apart_are_one() {
        let mut scores = vec![0.0; 200];
        for row in [10, 11, 60, 130, 199] {
            scores[row] = 0.9;
        }
        assert_eq!(alarms(&scores, 0.5), 3);
    }

    #[test]
    fn the_threshold_is_the_others() {
        let hour = |peak: f64| (0..3600).map(|row| if row == 100 { peak } else { 0.1 }).collect::<Vec<f64>>();
        let clean = [hour(0.9), hour(0.8), hour(0.7)];
        assert_eq!(threshold(&clean, 0, 0.5), 0.8, "one alarm in the two hours of the others");
        assert_eq!(threshold(&clean, 0, 0.1), 0.8f64.next_up(), "none");
    }

    #[test]
    fn a_fault_stays_within_its_window_and_repeats_by_seed() {
        let patients: Vec<Patient> =
            (0..3).map(|patient| vec![[80.0 + f64::from(patient), 80.0, 16.0, 97.0]; 481]).collect();
        for (fault, name) in FAULTS {
            let run = || {
                let mut stream = patients[0].clone();
                let window = inject(&mut stream, &patients, 0, fault, &mut Random::new(3));
                (stream, window)
            };
            let (stream, window) = run();
            assert_eq!((stream.clone(), window.clone()), run(), "{name}");
            let changed = |row: &usize| stream[*row] != patients[0][*row];
            assert!((0..481).filter(changed).all(|row| window.contains(&row)), "{name}");
            assert!(fault == Fault::Stuck || (0..481).any(|row| changed(&row)), "{name}");
        }
    }
}
