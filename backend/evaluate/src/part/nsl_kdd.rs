//! NSL-KDD: trained on half of the benign connections, tried on the other half and all attacks.
//!
//! The half is drawn anew for each seed. The file has no time; rows are drawn again for the interval.

use std::path::Path;

use simulate::random::Random;

use crate::{
    Result,
    data::nsl_kdd::{COLUMNS, read},
    metric::{bootstrap, rank::Ranked},
    part::adbench::SEEDS,
    peers::{Method, Peers, Task},
    table::Line,
    tabular,
};

/// The project's references for a forest alone and for fused tails.
const REFERENCES: [(&str, f64); 2] = [("iForest", 0.92), ("fused tails", 0.96)];

/// The lines of the table, from `KDDTrain+_20Percent.txt` in `dir`.
///
/// # Errors
/// [`EvaluateError`](crate::EvaluateError) for a file that is missing or malformed, and if peers fail.
pub fn measure(dir: &Path, quick: bool, peers: Option<&Peers>) -> Result<Vec<Line>> {
    let connections = read(&dir.join("KDDTrain+_20Percent.txt"))?;
    let benign: Vec<bool> = connections.labels.iter().map(|label| label == "normal").collect();
    let (mut forest, mut fused, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for seed in if quick { &SEEDS[..1] } else { &SEEDS[..] } {
        let mut random = Random::new(*seed);
        let known: Vec<usize> = (0..benign.len()).filter(|row| benign[*row] && random.unit() < 0.5).collect();
        let rows = connections.rows(&known);
        let held_back: Vec<usize> = (0..benign.len()).filter(|row| known.binary_search(row).is_err()).collect();
        let pick = |which: &[usize]| -> Vec<f32> {
            which.iter().flat_map(|row| &rows[row * COLUMNS..][..COLUMNS]).copied().collect()
        };
        let (train, test) = (pick(&known), pick(&held_back));
        let labels: Vec<bool> = held_back.iter().map(|row| !benign[*row]).collect();
        let scores = tabular::scores(COLUMNS, &train, &test, *seed)?;
        forest.push(Ranked::of_rows(&scores.forest, &labels));
        fused.push(Ranked::of_rows(&scores.fused, &labels));
        if let Some(peers) = peers {
            let task =
                Task { method: Method::IsolationForest, columns: COLUMNS, train: &train, test: &test, seed: *seed };
            theirs.extend(peers.run(&[task])?.iter().map(|answer| Ranked::of_rows(&answer.scores, &labels)));
        }
    }
    let mut lines = Vec::new();
    for (ranked, name, (who, figure)) in [(&forest, "forest alone", REFERENCES[0]), (&fused, "fused", REFERENCES[1])] {
        if let Some(first) = ranked.first() {
            let interval = bootstrap::interval(first.units(), |times| first.auroc(times));
            lines.push(
                Line::new("NSL-KDD", format!("AUROC, {name}"), mean(ranked)).within(interval).against(who, figure),
            );
        }
    }
    if !theirs.is_empty() {
        lines.push(Line::new("NSL-KDD", "AUROC, forest alone", mean(&forest)).against("scikit-learn", mean(&theirs)));
    }
    Ok(lines)
}

fn mean(ranked: &[Ranked]) -> f64 {
    ranked.iter().map(|ranked| ranked.auroc(&ranked.all())).sum::<f64>() / ranked.len() as f64
}
