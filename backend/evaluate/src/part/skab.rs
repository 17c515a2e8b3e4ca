//! SKAB, valve 1: each row's label, after the 400 rows that the leaderboard trains on.
//!
//! Our stream simply starts at a file's begin and never learns from labels.

use std::path::Path;

use crate::{
    Result,
    data::skab::read,
    lone::judge_all,
    metric::{
        bootstrap,
        rank::{Counts, Ranked},
    },
    table::Line,
};

/// Rows at the start of each file that the leaderboard's detectors are trained on.
const TRAINING: usize = 400;
/// The leaderboard's T² + Q, over the whole of SKAB: outlier F1 and false-alarm rate.
const REFERENCE: (&str, f64, f64) = ("T²+Q", 0.76, 0.266);

/// A way to choose the threshold, and what it gives.
type Way = fn(&Ranked, &[u32]) -> Counts;

/// The lines of the table.
///
/// # Errors
/// [`EvaluateError`](crate::EvaluateError) for files that are missing or malformed.
pub fn measure(dir: &Path) -> Result<Vec<Line>> {
    let mut rows = Vec::new();
    for (file, experiment) in read(dir)?.iter().enumerate() {
        let scores = judge_all(&experiment.columns, &experiment.times, &experiment.rows)?;
        rows.extend(
            scores.into_iter().zip(&experiment.labels).skip(TRAINING).map(|(score, label)| (score, *label, file)),
        );
    }
    Ok(lines(&Ranked::new(rows)))
}

fn lines(ranked: &Ranked) -> Vec<Line> {
    let ways: [(&str, Way); 4] = [
        ("as many false alarms as T²+Q", |ranked, times| ranked.at(times, ranked.at_rate(times, REFERENCE.2))),
        ("best threshold", |ranked, times| ranked.at(times, ranked.best_f1(times))),
        ("each file by the others' threshold", held_out),
        ("threshold 0.5", |ranked, times| ranked.at(times, 0.5)),
    ];
    let everything = ranked.at(&ranked.all(), f64::NEG_INFINITY).f1();
    let mut lines = Vec::new();
    for (way, count) in ways {
        let counts = |times: &[u32]| count(ranked, times);
        let of = |figure: fn(&Counts) -> f64| {
            (figure(&counts(&ranked.all())), bootstrap::interval(ranked.units(), |times| figure(&counts(times))))
        };
        let (f1, interval) = of(Counts::f1);
        let recall = counts(&ranked.all()).recall();
        let line = Line::new("SKAB valve1", format!("outlier F1, {way}"), f1).within(interval);
        lines.push(
            line.against(REFERENCE.0, REFERENCE.1)
                .beside(format!("recall of rows {recall:.2}; calling all rows anomalous gives {everything:.3}")),
        );
        let (rate, interval) = of(Counts::false_alarm_rate);
        let line = Line::new("SKAB valve1", format!("false-alarm rate, {way}"), rate).within(interval);
        lines.push(line.against(REFERENCE.0, REFERENCE.2).beside("lower is better"));
    }
    lines
}

/// Each file at the threshold with the best F1 over the other files.
fn held_out(ranked: &Ranked, times: &[u32]) -> Counts {
    let mut pooled = Counts::default();
    for file in (0..times.len()).filter(|file| times[*file] > 0) {
        let mut others = times.to_vec();
        others[file] = 0;
        let mut own = vec![0; times.len()];
        own[file] = times[file];
        pooled += ranked.at(&own, ranked.best_f1(&others));
    }
    pooled
}
