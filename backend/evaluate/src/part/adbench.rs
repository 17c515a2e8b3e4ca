//! ADBench: tables without labels for training. Each is trained on and scored whole, for each seed.

use std::path::Path;

use crate::{
    Result,
    data::adbench::{Table, read},
    metric::{bootstrap, rank::Ranked},
    peers::{Method, Peers, Task},
    table::Line,
    tabular,
};

/// The three seeds.
pub const SEEDS: [u64; 3] = [1, 2, 3];
/// Files up to this size take part in a quick run.
const QUICK_BYTES: u64 = 250_000;

/// Which scorer of which party.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scorer {
    Forest,
    Fused,
    Peer,
}

/// AUROC and average precision of one table, means over the seeds.
type Figures = (f64, f64);

/// The lines of the table; with `each`, also two for each set.
///
/// # Errors
/// [`EvaluateError`](crate::EvaluateError) for files that are missing or malformed, and if peers fail.
pub fn measure(dir: &Path, quick: bool, each: bool, peers: Option<&Peers>) -> Result<Vec<Line>> {
    let tables = read(dir, if quick { QUICK_BYTES } else { u64::MAX })?;
    let seeds = if quick { &SEEDS[..1] } else { &SEEDS[..] };
    let mut rows = Vec::new();
    for table in &tables {
        rows.push((table.name.clone(), of_table(table, seeds, peers)?));
    }
    let mut lines = Vec::new();
    for (which, name) in [(Scorer::Forest, "forest alone"), (Scorer::Fused, "fused")] {
        for (pick, measure) in [(first as fn(&Figures) -> f64, "AUROC"), (second, "AP")] {
            let of = |which| -> Vec<f64> {
                rows.iter()
                    .filter_map(|(_, figures)| get(figures, which))
                    .map(|figures| 100.0 * pick(&figures))
                    .collect()
            };
            let ours = of(which);
            if ours.is_empty() {
                continue;
            }
            let set = format!("ADBench, mean of {}", ours.len());
            let line =
                Line::new(&set, format!("{measure} × 100, {name}"), mean(&ours)).within(bootstrap::of_mean(&ours));
            lines.push(beside(line, &of(Scorer::Peer)));
        }
    }
    for (set, figures) in rows.iter().filter(|_| each) {
        for (which, name) in [(Scorer::Forest, "forest alone"), (Scorer::Fused, "fused")] {
            let Some(ours) = get(figures, which) else { continue };
            let line = Line::new(set, format!("AUROC × 100, {name}"), 100.0 * ours.0)
                .beside(format!("AP {:.1}", 100.0 * ours.1));
            let theirs = get(figures, Scorer::Peer).map(|theirs| 100.0 * theirs.0);
            lines.push(beside(line, theirs.as_slice()));
        }
    }
    Ok(lines)
}

fn first(figures: &Figures) -> f64 {
    figures.0
}

fn second(figures: &Figures) -> f64 {
    figures.1
}

fn get(figures: &[(Scorer, Figures)], which: Scorer) -> Option<Figures> {
    figures.iter().find(|(scorer, _)| *scorer == which).map(|(_, figures)| *figures)
}

fn beside(line: Line, theirs: &[f64]) -> Line {
    if theirs.is_empty() { line } else { line.against("scikit-learn", mean(theirs)) }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn of_table(table: &Table, seeds: &[u64], peers: Option<&Peers>) -> Result<Vec<(Scorer, Figures)>> {
    let mut figures = Vec::new();
    for seed in seeds {
        let scores = tabular::scores(table.columns, &table.rows, &table.rows, *seed)?;
        figures.push((Scorer::Forest, of_scores(&scores.forest, table)));
        figures.push((Scorer::Fused, of_scores(&scores.fused, table)));
    }
    if let Some(peers) = peers {
        let task = |seed: &u64| Task {
            method: Method::IsolationForest,
            columns: table.columns,
            train: &table.rows,
            test: &table.rows,
            seed: *seed,
        };
        let answers = peers.run(&seeds.iter().map(task).collect::<Vec<_>>())?;
        figures.extend(answers.iter().map(|answer| (Scorer::Peer, of_scores(&answer.scores, table))));
    }
    let mut means = Vec::new();
    for which in [Scorer::Forest, Scorer::Fused, Scorer::Peer] {
        let of: Vec<Figures> =
            figures.iter().filter(|(scorer, _)| *scorer == which).map(|(_, figures)| *figures).collect();
        if !of.is_empty() {
            let mean = |pick: fn(&Figures) -> f64| of.iter().map(pick).sum::<f64>() / of.len() as f64;
            means.push((which, (mean(first), mean(second))));
        }
    }
    Ok(means)
}

fn of_scores(scores: &[f64], table: &Table) -> Figures {
    let ranked = Ranked::of_rows(scores, &table.labels);
    let all = ranked.all();
    (ranked.auroc(&all), ranked.average_precision(&all))
}
