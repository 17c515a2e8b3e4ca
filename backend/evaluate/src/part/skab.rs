//! SKAB, valve 1: each row's label, after the 400 rows that the leaderboard trains on.
//!
//! Our stream simply starts at a file's begin and never learns from labels.

use std::path::Path;

use crate::{
    Result,
    data::skab::{Experiment, read},
    lone::judge_all,
    metric::{
        bootstrap,
        rank::{Counts, Ranked},
    },
    peers::{Method, Peers, Task},
    table::Line,
};

const SET: &str = "SKAB valve1";
/// Rows at the start of each file that the leaderboard's detectors are trained on.
const TRAINING: usize = 400;
/// The leaderboard's T² + Q, over the whole of SKAB: outlier F1 and false-alarm rate.
const REFERENCE: (&str, f64, f64) = ("T²+Q", 0.76, 0.266);

/// A way to choose the threshold, and what it gives.
type Way = fn(&Ranked, &[u32]) -> Counts;

/// The lines of the table.
///
/// # Errors
/// [`EvaluateError`](crate::EvaluateError) for files that are missing or malformed, and if peers fail.
pub fn measure(dir: &Path, peers: Option<&Peers>) -> Result<Vec<Line>> {
    let experiments = read(dir)?;
    let scores: Vec<Vec<f64>> = experiments
        .iter()
        .map(|experiment| judge_all(&experiment.columns, &experiment.times, &experiment.rows))
        .collect::<Result<_>>()?;
    let ours = ranked(&experiments, &scores);
    let mut lines = lines(&ours);
    if let Some(peers) = peers {
        lines.extend(of_peers(&experiments, &ours, peers)?);
    }
    Ok(lines)
}

/// The rows after the leaderboard's training.
fn ranked(experiments: &[Experiment], scores: &[Vec<f64>]) -> Ranked {
    let rows = experiments.iter().zip(scores).enumerate().flat_map(|(file, (experiment, scores))| {
        let labelled = scores.iter().zip(&experiment.labels).skip(TRAINING);
        labelled.map(move |(score, label)| (*score, *label, file))
    });
    Ranked::new(rows)
}

/// Our F1 again, beside that of detectors that were run on the same rows just now.
fn of_peers(experiments: &[Experiment], ours: &Ranked, peers: &Peers) -> Result<Vec<Line>> {
    let rows: Vec<Vec<f32>> = experiments
        .iter()
        .map(|experiment| experiment.rows.iter().flatten().map(|value| *value as f32).collect())
        .collect();
    let f1 = |ranked: &Ranked| ranked.at(&ranked.all(), ranked.at_rate(&ranked.all(), REFERENCE.2)).f1();
    let mut lines = Vec::new();
    for (method, who) in [(Method::HalfSpaceTrees, "River HST"), (Method::RandomCutForest, "rcf3")] {
        let task = |(experiment, test): (&Experiment, _)| Task {
            method,
            columns: experiment.columns.len(),
            train: &[],
            test,
            seed: 1,
        };
        let tasks: Vec<Task<'_>> = experiments.iter().zip(rows.iter().map(Vec::as_slice)).map(task).collect();
        let scores: Vec<Vec<f64>> = peers.run(&tasks)?.into_iter().map(|answer| answer.scores).collect();
        let line = Line::new(SET, "outlier F1, as many false alarms as T²+Q", f1(ours));
        lines.push(line.against(who, f1(&ranked(experiments, &scores))).beside("peer run on the same rows"));
    }
    Ok(lines)
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
        let line = Line::new(SET, format!("outlier F1, {way}"), f1).within(interval);
        lines.push(
            line.against(REFERENCE.0, REFERENCE.1)
                .beside(format!("recall of rows {recall:.2}; calling all rows anomalous gives {everything:.3}")),
        );
        let (rate, interval) = of(Counts::false_alarm_rate);
        let line = Line::new(SET, format!("false-alarm rate, {way}"), rate).within(interval);
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
