//! Speed on one core: the forest by row, in batches and in training, and the whole detector.
//!
//! Each figure is the best of several runs, as others may be at work on the same machine.

use std::{hint::black_box, time::Instant};

use detect::{
    Value,
    scorer::forest::{Forest, ForestSpec},
};
use simulate::random::Random;

use crate::{
    Result,
    lone::{MIDNIGHT, lone},
    peers::{Method, Peers, Task},
    table::Line,
};

const SET: &str = "speed, one core";
const COLUMNS: usize = 12;
/// Rows that a forest is trained on.
const TRAINING: usize = 20_000;
/// Rows that are scored: more than the caches hold of a table, as in use.
const ROWS: usize = 200_000;
/// Rows that a peer scores one at a time.
const PEER_ROWS: usize = 2_000;
/// Runs of which the best counts.
const RUNS: usize = 7;
const NAMES: [&str; COLUMNS] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

/// The lines of the table.
///
/// # Errors
/// As the detector, and if peers fail.
pub fn measure(peers: Option<&Peers>) -> Result<Vec<Line>> {
    let rows = rows(ROWS);
    let train = &rows[..TRAINING * COLUMNS];
    let spec = ForestSpec { seed: 1, ..ForestSpec::default() };
    let forest = Forest::train(&spec, COLUMNS, train)?;
    let training = best(|| Forest::train(&spec, COLUMNS, train).map(|_| ()))?;
    let by_row = best(|| {
        for row in rows.chunks_exact(COLUMNS) {
            black_box(forest.score(row)?);
        }
        Ok(())
    })?;
    let mut scores = vec![0.0; ROWS];
    let in_batch = best(|| forest.score_batch(&rows, black_box(&mut scores)))?;
    let mut lines = vec![
        Line::new(SET, "forest, rows a second, one at a time", ROWS as f64 / by_row).against("aim", 1_200_000.0),
        Line::new(SET, "forest, rows a second, one batch", ROWS as f64 / in_batch).against("aim", 1_800_000.0),
        Line::new(SET, "forest, training on 20,000 rows, ms", training * 1000.0)
            .against("limit", 50.0)
            .beside("lower is better"),
    ];
    if let Some(peers) = peers {
        lines.extend(of_peers(peers, &rows, ROWS as f64 / by_row, ROWS as f64 / in_batch)?);
    }
    for metrics in [1, 3, COLUMNS] {
        let seconds = whole(metrics)?;
        let line = Line::new(SET, format!("whole detector, µs a reading of {metrics}"), seconds * 1e6);
        lines.push(line.against("limit", 3.0).beside("lower is better"));
    }
    Ok(lines)
}

/// Seconds of the fastest of several runs.
fn best(mut run: impl FnMut() -> std::result::Result<(), detect::DetectError>) -> Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let begin = Instant::now();
        run()?;
        best = best.min(begin.elapsed().as_secs_f64());
    }
    Ok(best)
}

/// Normal rows, of which one in a hundred is far out.
fn rows(count: usize) -> Vec<f32> {
    let mut random = Random::new(12);
    let mut rows = Vec::with_capacity(count * COLUMNS);
    for _ in 0..count {
        let scale = if random.unit() < 0.01 { 4.0 } else { 1.0 };
        rows.extend((0..COLUMNS).map(|_| (scale * random.normal()) as f32));
    }
    rows
}

/// Seconds a reading, from values to judgement, features and learning included, of a settled device.
fn whole(metrics: usize) -> Result<f64> {
    const READINGS: usize = 20_000;
    let mut random = Random::new(13);
    let mut level = [0.0; COLUMNS];
    let readings: Vec<Vec<Value<'_>>> = (0..READINGS)
        .map(|_| {
            let value = |at: usize| {
                level[at] = 0.9 * level[at] + random.normal();
                Value { metric: NAMES[at], value: 20.0 + level[at] }
            };
            (0..metrics).map(value).collect()
        })
        .collect();
    let mut lone = lone()?;
    let mut time = MIDNIGHT;
    let seconds = best(|| {
        for values in &readings {
            time += 60_000;
            black_box(lone.push(time, values)?);
        }
        Ok(())
    })?;
    Ok(seconds / READINGS as f64)
}

fn of_peers(peers: &Peers, rows: &[f32], by_row: f64, in_batch: f64) -> Result<Vec<Line>> {
    let (all, few) = (&rows[..TRAINING * COLUMNS], &rows[..PEER_ROWS * COLUMNS]);
    let mut tasks = Vec::new();
    for (method, train, test) in [
        (Method::IsolationForestByRow, all, few),
        (Method::IsolationForest, all, rows),
        (Method::HalfSpaceTrees, &[], few),
        (Method::RandomCutForest, &[], few),
    ] {
        tasks.push(Task { method, columns: COLUMNS, train, test, seed: 1 });
    }
    let mut lines = Vec::new();
    let mut line = |way: &str, ours: f64, who: &str, theirs: f64| {
        lines.push(Line::new(SET, format!("forest, rows a second, {way}"), ours).against(who, theirs));
    };
    for (answer, task) in peers.run(&tasks)?.iter().zip(&tasks) {
        let theirs = (task.test.len() / COLUMNS) as f64 / answer.score_seconds;
        match task.method {
            Method::IsolationForest => line("one batch", in_batch, "scikit-learn", theirs),
            Method::IsolationForestByRow => line("one at a time", by_row, "scikit-learn", theirs),
            Method::HalfSpaceTrees => line("one at a time", by_row, "River HST, learning", theirs),
            Method::RandomCutForest => line("one at a time", by_row, "rcf3 in Python, learning", theirs),
        }
    }
    for (who, theirs) in peers.speeds(all)? {
        line("one at a time", by_row, &who, theirs);
    }
    Ok(lines)
}
