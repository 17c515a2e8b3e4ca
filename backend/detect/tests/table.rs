//! The table model on NSL-KDD: benign connections for training, part of them held back. Without
//! the data the test says so and does nothing.
#![allow(clippy::unwrap_used)] // helpers of a test may stop at the first surprise too
mod common;

use std::collections::BTreeMap;

use detect::{Ranking, TableModel};

/// protocol, service, flag.
const SYMBOLIC: [usize; 3] = [1, 2, 3];
const COLUMNS: usize = 41;

#[test]
fn attacks_stand_out_from_benign_connections() {
    let Some(folder) = common::data_set("nsl_kdd") else { return };
    let text = std::fs::read_to_string(folder.join("KDDTrain+_20Percent.txt")).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    let (benign, attacks): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line[COLUMNS] == "normal");
    // Every fifth connection and the one after it are held back.
    let (held, trained): (Vec<_>, Vec<_>) = benign.into_iter().enumerate().partition(|(row, _)| row % 5 < 2);
    let trained: Vec<&Vec<&str>> = trained.into_iter().map(|(_, line)| line).collect();
    let held: Vec<&Vec<&str>> = held.into_iter().map(|(_, line)| line).collect();
    let codes = codes(&trained);
    let names: Vec<String> = (0..COLUMNS).map(|column| format!("column {column}")).collect();
    let model = TableModel::train(&names, &encoded(&trained, &codes), 1).unwrap();

    let fused = |lines: &[&Vec<&str>]| model.scores(&encoded(lines, &codes)).unwrap();
    let forest = |lines: &[&Vec<&str>]| -> Vec<f64> {
        encoded(lines, &codes).chunks(COLUMNS).map(|row| model.forest_score(row).unwrap()).collect()
    };
    let (ours, alone) = (auroc(fused(&held), fused(&attacks)), auroc(forest(&held), forest(&attacks)));
    println!("NSL-KDD: AUROC fused {ours:.4}, forest {alone:.4}");
    assert!(ours > 0.97, "{ours}");
    assert!(alone > 0.96, "{alone}");
    let alarms = fused(&held).iter().filter(|score| **score >= model.threshold()).count() as f64;
    assert!(alarms / (held.len() as f64) < 0.03, "{alarms} of {}", held.len());
}

/// −ln of the share of the training rows with a text, for each symbolic column.
fn codes(lines: &[&Vec<&str>]) -> Vec<BTreeMap<String, f32>> {
    let count = lines.len() as f32;
    SYMBOLIC
        .iter()
        .map(|column| {
            let mut shares: BTreeMap<String, f32> = BTreeMap::new();
            lines.iter().for_each(|line| *shares.entry(line[*column].to_owned()).or_default() += 1.0);
            shares.values_mut().for_each(|share| *share = -(*share / count).ln());
            shares
        })
        .collect()
}

fn encoded(lines: &[&Vec<&str>], codes: &[BTreeMap<String, f32>]) -> Vec<f32> {
    let unknown = (2.0 * 13_000f32).ln();
    let number = |line: &Vec<&str>, column: usize| match SYMBOLIC.iter().position(|symbolic| *symbolic == column) {
        Some(place) => codes[place].get(line[column]).copied().unwrap_or(unknown),
        None => line[column].parse().expect("NSL-KDD has numbers in this column"),
    };
    lines.iter().flat_map(|line| (0..COLUMNS).map(move |column| number(line, column))).collect()
}

fn auroc(benign: Vec<f64>, attacks: Vec<f64>) -> f64 {
    let benign = benign.into_iter().map(|score| (score, false));
    Ranking::of(benign.chain(attacks.into_iter().map(|score| (score, true)))).unwrap().auroc
}
