//! A new model from recent data, and whether it may take the old one's place. Swaps nothing and
//! waits for nobody: the caller does both.
//!
//! What bounds poisoning of a group's model: each candidate is grown from the first sample and
//! recent rows, never from the model before, so that nothing adds up over refits; at least half of
//! its rows are of the first sample; one device fills at most its quota of the rest; and it must
//! find nearly all the probes that the *first* model clearly finds, however many models ago that
//! was: it may be less sensitive than the first by a fifth, and never by more.

use crate::{
    DetectError, Model, Reservoir, TrainSpec, TrainingSample,
    random::Random,
    row::{COLUMNS, Row},
};

/// The least share of the first sample in what a candidate is grown from.
pub const LEAST_BASE_SHARE: f64 = 0.5;
/// Fewer recent rows say too little for a comparison.
const LEAST_RECENT: usize = 256;
/// The new model may alarm at this many times as many ordinary rows as the old one …
const MORE_ALARMS: f64 = 1.5;
/// … or at this share of them.
const FEW_ALARMS: f64 = 0.001;
/// A probe counts if the first model finds it with this many times its limit: what is found by a
/// hair may go one way or the other.
const CLEARLY: f64 = 1.25;
/// The share of those probes that a candidate must find.
pub const LEAST_PROBES: f64 = 0.98;
/// Least rank correlation of the old and the new scores.
const LEAST_AGREEMENT: f64 = 0.7;
/// Probes lie this many times beyond what the first sample reaches.
const PROBE_SIZES: [f64; 3] = [1.5, 2.5, 5.0];

/// A model that may take the place of another, and what it was grown from.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The model.
    pub model: Model,
    /// Its sample: keep it beside the model.
    pub sample: TrainingSample,
}

/// Grows a candidate from recent rows and as many, or more, of the first sample. `base_share` is
/// the share of the first sample's rows; where that sample is too small for it, fewer recent rows
/// are taken.
///
/// # Errors
/// [`DetectError::Parameter`] for a share below [`LEAST_BASE_SHARE`] or above 1; as
/// [`Model::train`].
pub fn refit(
    spec: &TrainSpec,
    base: &TrainingSample,
    recent: &Reservoir,
    base_share: f64,
) -> Result<Candidate, DetectError> {
    if !(LEAST_BASE_SHARE..=1.0).contains(&base_share) {
        let (name, expected) = ("base_share", "0.5 to 1");
        return Err(DetectError::Parameter { name, expected, actual: base_share.to_string() });
    }
    let most_recent = base.rows.len() as f64 * (1.0 - base_share) / base_share;
    let recent: Vec<Row> = recent.rows().copied().collect();
    let recent = choose(&recent, (most_recent as usize).min(recent.len()), spec.seed());
    let wanted = if base_share < 1.0 { recent.len() as f64 * base_share / (1.0 - base_share) } else { f64::INFINITY };
    let base_rows = libm::ceil(wanted).min(base.rows.len() as f64) as usize;
    // A reservoir that is nearly empty must not make the candidate's sample small.
    let base_rows = base_rows.max(base.rows.len().min(2 * LEAST_RECENT));
    let mut rows = choose(&base.rows, base_rows, spec.seed().wrapping_add(1));
    rows.extend(recent);
    let sample = TrainingSample { rows };
    Ok(Candidate { model: Model::train(spec, &sample)?, sample })
}

/// Some of the rows, without replacement, in their order.
fn choose(rows: &[Row], count: usize, seed: u64) -> Vec<Row> {
    let mut random = Random::new(seed);
    let mut missing = count.min(rows.len());
    let mut chosen = Vec::with_capacity(missing);
    for (index, row) in rows.iter().enumerate() {
        // Selection sampling (Knuth, volume 2, algorithm S).
        if random.below(rows.len() - index) < missing {
            chosen.push(*row);
            missing -= 1;
        }
    }
    chosen
}

/// Rows with injected deviations: one feature, or two, beyond what the first sample reaches.
#[derive(Clone, Debug, PartialEq)]
pub struct Probes {
    rows: Vec<Row>,
}

impl Probes {
    /// The probes of a first sample: the median row, with each feature and each pair of features
    /// at 1.5, 2.5 and 5 times its 99.9 % quantile, to either side. The same sample gives the
    /// same probes.
    pub fn new(base: &TrainingSample) -> Self {
        let at = |column: usize, share: f64| {
            let mut values: Vec<f32> = base.rows.iter().map(|row| row[column]).collect();
            values.sort_by(f32::total_cmp);
            let position = values.len().saturating_sub(1) as f64 * share;
            values.get(position as usize).copied().map_or(0.0, f64::from)
        };
        let median: [f64; COLUMNS] = std::array::from_fn(|column| at(column, 0.5));
        let reach = |column: usize, sign: f64| {
            let end = at(column, if sign > 0.0 { 0.999 } else { 0.001 });
            (end - median[column]).abs().max(1e-3) * sign
        };
        let reaches: [[f64; 2]; COLUMNS] = std::array::from_fn(|column| [reach(column, -1.0), reach(column, 1.0)]);
        let mut rows = Vec::new();
        for first in 0..COLUMNS {
            for second in first..COLUMNS {
                for (size, side) in PROBE_SIZES.iter().flat_map(|size| [(size, 0), (size, 1)]) {
                    let mut row = median;
                    row[first] = median[first] + size * reaches[first][side];
                    row[second] = median[second] + size * reaches[second][side];
                    rows.push(row.map(|number| number as f32));
                }
            }
        }
        Self { rows }
    }

    /// The rows.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }
}

/// What was compared, and what follows.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Comparison {
    /// Recent ordinary rows.
    pub recent: usize,
    /// The share of them at which the old model alarms.
    pub old_alarm_rate: f64,
    /// The share of them at which the new one does.
    pub new_alarm_rate: f64,
    /// Rows of confirmed anomalies that the old model finds.
    pub confirmed_by_old: usize,
    /// Those of them that the new one finds too.
    pub confirmed_by_both: usize,
    /// Probes that the first model clearly finds: with 1.25 times its limit.
    pub probes_by_first: usize,
    /// Those of them that the new one finds too.
    pub probes_by_both: usize,
    /// Spearman's rank correlation of the old and the new scores of the recent rows.
    pub rank_agreement: f64,
    /// Why the old model is kept; empty if the new one may take its place.
    pub objections: Vec<Objection>,
}

/// Why a candidate is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Objection {
    /// Fewer than 256 recent rows: nothing can be said.
    TooFewRows,
    /// It alarms at more than 1.5 times as many ordinary rows, and at more than one in 1000.
    MoreAlarms,
    /// It no longer finds an anomaly that people confirmed and the old model finds.
    LosesConfirmed,
    /// It finds less than 98 % of the probes that the first model clearly finds.
    LosesProbes,
    /// Its scores order the recent rows too differently (rank correlation below 0.7).
    Disagrees,
}

impl std::fmt::Display for Objection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TooFewRows => "there are too few recent rows to compare on",
            Self::MoreAlarms => "it would alarm more often",
            Self::LosesConfirmed => "it would miss an anomaly that people called real",
            Self::LosesProbes => "it would miss deviations that the first model finds",
            Self::Disagrees => "it orders recent readings too differently",
        })
    }
}

impl Comparison {
    /// Whether the new model may take the old one's place.
    pub fn swap(&self) -> bool {
        self.objections.is_empty()
    }
}

/// Compares two models on recent ordinary rows, on rows of confirmed anomalies, and on the probes
/// that the first model of all finds.
///
/// # Errors
/// None of the rows' making; [`DetectError`] if a model does not fit its own rows.
pub fn compare(
    (first, old, new): (&Model, &Model, &Model),
    recent: &[Row],
    confirmed: &[Row],
    probes: &Probes,
) -> Result<Comparison, DetectError> {
    let (old_scores, new_scores) = (all(old, recent)?, all(new, recent)?);
    let rate = |scores: &[f64]| found(scores) as f64 / scores.len().max(1) as f64;
    let (old_confirmed, new_confirmed) = (all(old, confirmed)?, all(new, confirmed)?);
    let (first_probes, new_probes) = (all(first, &probes.rows)?, all(new, &probes.rows)?);
    let mut comparison = Comparison {
        recent: recent.len(),
        old_alarm_rate: rate(&old_scores),
        new_alarm_rate: rate(&new_scores),
        confirmed_by_old: found(&old_confirmed),
        confirmed_by_both: found_by_both(&old_confirmed, 1.0, &new_confirmed),
        probes_by_first: first_probes.iter().filter(|score| **score >= CLEARLY).count(),
        probes_by_both: found_by_both(&first_probes, CLEARLY, &new_probes),
        rank_agreement: spearman(&old_scores, &new_scores),
        objections: Vec::new(),
    };
    let c = &comparison;
    let checks = [
        (c.recent < LEAST_RECENT, Objection::TooFewRows),
        (c.new_alarm_rate > (MORE_ALARMS * c.old_alarm_rate).max(FEW_ALARMS), Objection::MoreAlarms),
        (c.confirmed_by_both < c.confirmed_by_old, Objection::LosesConfirmed),
        ((c.probes_by_both as f64) < LEAST_PROBES * c.probes_by_first as f64, Objection::LosesProbes),
        (c.rank_agreement < LEAST_AGREEMENT, Objection::Disagrees),
    ];
    comparison.objections = checks.iter().filter(|(so, _)| *so).map(|(_, objection)| *objection).collect();
    Ok(comparison)
}

/// The evidence of each row, in limits.
fn all(model: &Model, rows: &[Row]) -> Result<Vec<f64>, DetectError> {
    rows.iter().map(|row| model.strength(row)).collect()
}

fn found(scores: &[f64]) -> usize {
    scores.iter().filter(|score| **score >= 1.0).count()
}

fn found_by_both(one: &[f64], least: f64, other: &[f64]) -> usize {
    one.iter().zip(other).filter(|(one, other)| **one >= least && **other >= 1.0).count()
}

/// Spearman's rank correlation; 1 where there is nothing to order.
fn spearman(one: &[f64], other: &[f64]) -> f64 {
    let (one, other) = (ranks(one), ranks(other));
    let mean = one.len().saturating_sub(1) as f64 / 2.0;
    let (mut both, mut of_one, mut of_other) = (0.0, 0.0, 0.0);
    for (a, b) in one.iter().zip(&other) {
        both += (a - mean) * (b - mean);
        of_one += (a - mean) * (a - mean);
        of_other += (b - mean) * (b - mean);
    }
    if of_one <= 0.0 || of_other <= 0.0 { 1.0 } else { both / (of_one * of_other).sqrt() }
}

/// Ranks from 0; equal numbers share the mean of theirs.
fn ranks(numbers: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_by(|a, b| numbers[*a].total_cmp(&numbers[*b]));
    let mut ranks = vec![0.0; numbers.len()];
    let mut start = 0.0;
    for equal in order.chunk_by(|a, b| numbers[*a] == numbers[*b]) {
        let count = equal.len() as f64;
        equal.iter().for_each(|index| ranks[*index] = start + (count - 1.0) / 2.0);
        start += count;
    }
    ranks
}
