//! The score of the Numenta Anomaly Benchmark, version 1.1 (Lavin and Ahmad, 2015).
//!
//! A window's earliest detection earns the more the earlier it is; every detection outside windows
//! costs, the more the further it is behind a window; a missed window costs too. The first 15 % of
//! a file, at most 750 rows, do not count. 100 is a perfect detector, 0 one that detects nothing.
//! One threshold serves all files. There is no way here to choose one for each file.

use std::collections::{BTreeMap, BTreeSet};

use crate::{EvaluateError, Result, data::nab::Series};

/// What a window found and missed and a false alarm weigh.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// Its name in the benchmark.
    pub name: &'static str,
    found: f64,
    missed: f64,
    false_alarm: f64,
}

/// The profile `standard`.
pub const STANDARD: Profile = Profile { name: "standard", found: 1.0, missed: 1.0, false_alarm: 0.11 };
/// The profile `reward_low_FP_rate`.
pub const LOW_FALSE_ALARMS: Profile =
    Profile { name: "reward_low_FP_rate", found: 1.0, missed: 1.0, false_alarm: 0.22 };
/// The profile `reward_low_FN_rate`.
pub const LOW_MISSES: Profile = Profile { name: "reward_low_FN_rate", found: 1.0, missed: 2.0, false_alarm: 0.11 };
/// All three.
pub const PROFILES: [Profile; 3] = [STANDARD, LOW_FALSE_ALARMS, LOW_MISSES];

/// One row outside the probation.
#[derive(Clone, Copy, Debug)]
struct Row {
    score: f64,
    weight: f64,
    /// The window that it lies in, counted over all files.
    window: Option<usize>,
    file: usize,
}

/// The scores of all files, ready to be held against thresholds.
#[derive(Clone, Debug)]
pub struct Scored {
    /// Highest score first.
    rows: Vec<Row>,
    /// The file of each window that has rows outside the probation.
    windows: Vec<usize>,
    /// Windows of each file, those within the probation included.
    windows_in_file: Vec<usize>,
    categories: Vec<String>,
}

/// What a threshold gives: the score, or what is to be added up for it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gain {
    /// Above a detector that detects nothing, in the benchmark's raw units.
    pub gained: f64,
    /// What a perfect detector gains.
    pub possible: f64,
}

impl Gain {
    /// 0 for nothing detected, 100 for perfect; not a number without a window.
    pub fn score(self) -> f64 {
        if self.possible == 0.0 { f64::NAN } else { 100.0 * self.gained / self.possible }
    }
}

impl std::ops::AddAssign for Gain {
    fn add_assign(&mut self, other: Self) {
        self.gained += other.gained;
        self.possible += other.possible;
    }
}

impl Scored {
    /// Weighs the rows of each series; `scores[i]` are those of `series[i]`, a finite one for each row.
    ///
    /// # Errors
    /// [`EvaluateError::Argument`] for scores of another number or that are not finite, and for a
    /// window without rows.
    pub fn new(series: &[Series], scores: &[Vec<f64>]) -> Result<Self> {
        let wrong = |what, expected: String, actual: String| EvaluateError::Argument { what, expected, actual };
        if series.len() != scores.len() {
            return Err(wrong("NAB's files", series.len().to_string(), scores.len().to_string()));
        }
        let mut scored =
            Self { rows: Vec::new(), windows: Vec::new(), windows_in_file: Vec::new(), categories: Vec::new() };
        for (file, (series, scores)) in series.iter().zip(scores).enumerate() {
            if series.times.len() != scores.len() {
                return Err(wrong("scores of a NAB file", series.times.len().to_string(), scores.len().to_string()));
            }
            if let Some(score) = scores.iter().find(|score| !score.is_finite()) {
                return Err(wrong("a score of a NAB file", "a finite number".to_owned(), score.to_string()));
            }
            let weights = weigh(&series.times, &series.windows)
                .ok_or_else(|| wrong("a window of NAB", "rows within it".to_owned(), series.name.clone()))?;
            let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
            for index in probation(scores.len())..scores.len() {
                let (weight, window) = weights[index];
                let window = window.map(|window| {
                    *numbers.entry(window).or_insert_with(|| {
                        scored.windows.push(file);
                        scored.windows.len() - 1
                    })
                });
                scored.rows.push(Row { score: scores[index], weight, window, file });
            }
            scored.windows_in_file.push(series.windows.len());
            scored.categories.push(series.category().to_owned());
        }
        scored.rows.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(scored)
    }

    /// Number of files.
    pub fn files(&self) -> usize {
        self.categories.len()
    }

    /// The categories, sorted.
    pub fn categories(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.categories.iter().map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Each file once.
    pub fn all(&self) -> Vec<u32> {
        vec![1; self.files()]
    }

    /// Of how often each file counts, what is left within a category, or outside it.
    pub fn only(&self, times: &[u32], category: &str, within: bool) -> Vec<u32> {
        let keep = |(times, of): (&u32, &String)| if (of == category) == within { *times } else { 0 };
        times.iter().zip(&self.categories).map(keep).collect()
    }

    /// What a threshold gives where file `i` counts `times[i]` times.
    pub fn at(&self, profile: &Profile, times: &[u32], threshold: f64) -> Gain {
        self.sweep(profile, times, Some(threshold)).0
    }

    /// Windows found and rows outside windows that alarm, at a threshold.
    pub fn tally(&self, times: &[u32], threshold: f64) -> (usize, usize) {
        let counts = |row: &&Row| row.score >= threshold && times[row.file] > 0;
        let alarming = || self.rows.iter().filter(counts);
        let found: BTreeSet<usize> = alarming().filter_map(|row| row.window).collect();
        (found.len(), alarming().filter(|row| row.window.is_none()).count())
    }

    /// The one threshold that scores best, and what it gives; infinity if that is to detect nothing.
    pub fn best(&self, profile: &Profile, times: &[u32]) -> (Gain, f64) {
        self.sweep(profile, times, None)
    }

    /// Each category at the threshold that scores best over the other categories, added up.
    ///
    /// A category without windows adds its false alarms to the sum and nothing to what is possible,
    /// as its files do in the benchmark itself. Adding gains up before dividing lets each window
    /// weigh the same, whichever category it is in; a mean of the categories' scores would not be
    /// defined for one without windows, and would let six windows weigh as much as thirty.
    pub fn held_out(&self, profile: &Profile, times: &[u32]) -> (Gain, Vec<HeldOut>) {
        let mut pooled = Gain::default();
        let mut each = Vec::new();
        for category in self.categories() {
            let (_, threshold) = self.best(profile, &self.only(times, category, false));
            let gain = self.at(profile, &self.only(times, category, true), threshold);
            pooled += gain;
            each.push(HeldOut { category: category.to_owned(), threshold, gain });
        }
        (pooled, each)
    }

    /// The rules of NAB: rows from the highest score down, each window's best detection counted once.
    fn sweep(&self, profile: &Profile, times: &[u32], fixed: Option<f64>) -> (Gain, f64) {
        let times_of = |file: usize| f64::from(times[file]);
        let windows: f64 = self.windows_in_file.iter().enumerate().map(|(file, n)| times_of(file) * *n as f64).sum();
        let scored: f64 = self.windows.iter().map(|file| times_of(*file)).sum();
        // Windows that lie within the probation can be neither found nor missed.
        let mut gained = profile.missed * (windows - scored);
        let mut best_of = vec![-profile.missed; self.windows.len()];
        let mut best = (gained, f64::INFINITY);
        let mut at = 0;
        while let Some(&Row { score, .. }) = self.rows.get(at) {
            if fixed.is_some_and(|threshold| score < threshold) {
                break;
            }
            let mut counts = false;
            while let Some(row) = self.rows.get(at).filter(|row| row.score == score) {
                counts |= times[row.file] > 0;
                match row.window {
                    None => gained += times_of(row.file) * row.weight * profile.false_alarm,
                    Some(window) if row.weight * profile.found > best_of[window] => {
                        gained += times_of(row.file) * (row.weight * profile.found - best_of[window]);
                        best_of[window] = row.weight * profile.found;
                    }
                    Some(_) => {}
                }
                at += 1;
            }
            if counts && gained > best.0 {
                best = (gained, score);
            }
        }
        let possible = (profile.found + profile.missed) * windows;
        match fixed {
            Some(threshold) => (Gain { gained, possible }, threshold),
            None => (Gain { gained: best.0, possible }, best.1),
        }
    }
}

/// How a category fared at the others' threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldOut {
    /// The category.
    pub category: String,
    /// The best threshold over the other categories.
    pub threshold: f64,
    /// What that gives here.
    pub gain: Gain,
}

/// Rows at the start of a file in which nothing counts.
fn probation(rows: usize) -> usize {
    (0.15 * rows as f64).min(750.0) as usize
}

/// +1 at the left edge of a window, 0 at its right edge, −1 far behind it.
fn scaled_sigmoid(position: f64) -> f64 {
    if position > 3.0 { -1.0 } else { 2.0 / (1.0 + (5.0 * position).exp()) - 1.0 }
}

/// For each row its weight and the number of its window, if it lies in one. `None` if a window has no rows.
fn weigh(times: &[i64], windows: &[(i64, i64)]) -> Option<Vec<(f64, Option<usize>)>> {
    let span = |(first, last): &(i64, i64)| {
        let begin = times.iter().position(|time| time >= first)?;
        let end = times.iter().rposition(|time| time <= last)?;
        (begin <= end).then_some((begin, end))
    };
    let spans: Vec<(usize, usize)> = windows.iter().map(span).collect::<Option<_>>()?;
    let top = scaled_sigmoid(-1.0);
    let (mut current, mut previous): (Option<usize>, Option<usize>) = (None, None);
    let mut rows = Vec::with_capacity(times.len());
    for index in 0..times.len() {
        if current.is_none() {
            current = spans.iter().rposition(|(begin, _)| *begin == index);
        }
        let Some(window) = current else {
            let weight = previous.map_or(-1.0, |window| {
                let (begin, end) = spans[window];
                scaled_sigmoid((index - end) as f64 / (end - begin) as f64)
            });
            rows.push((weight, None));
            continue;
        };
        let (begin, end) = spans[window];
        let width = (end - begin + 1) as f64;
        rows.push((scaled_sigmoid(-((end - index + 1) as f64) / width) / top, Some(window)));
        if index == end {
            (previous, current) = (current, None);
        }
    }
    Some(rows)
}
