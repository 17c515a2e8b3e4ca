//! The score of NAB: against the reference tool, and on detectors whose score can be told by hand.
#![allow(clippy::unwrap_used)] // helpers of a test may stop at the first surprise too
mod common;

use std::{path::Path, process::Command};

use common::data_set;
use evaluate::{
    data::nab::{Series, read},
    metric::nab::{LOW_MISSES, PROFILES, STANDARD, Scored},
};
use simulate::random::Random;

/// 1,000 rows, one a minute, with windows given by their first and last rows.
fn series(name: &str, windows: &[(i64, i64)]) -> Series {
    let minutes = |(first, last): &(i64, i64)| (first * 60_000, last * 60_000);
    Series {
        name: name.to_owned(),
        times: (0..1000).map(|row| row * 60_000).collect(),
        values: vec![0.0; 1000],
        windows: windows.iter().map(minutes).collect(),
    }
}

/// Scores of 1 at these rows and of 0 elsewhere.
fn hits(rows: &[usize]) -> Vec<f64> {
    let mut scores = vec![0.0; 1000];
    for row in rows {
        scores[*row] = 1.0;
    }
    scores
}

fn standard(windows: &[(i64, i64)], rows: &[usize]) -> f64 {
    let scored = Scored::new(&[series("a/a.csv", windows)], &[hits(rows)]).unwrap();
    scored.at(&STANDARD, &[1], 0.5).score()
}

#[test]
fn detectors_that_can_be_told_by_hand_score_what_they_should() {
    let windows = [(300, 399), (600, 699)];
    assert_eq!(standard(&windows, &[]), 0.0, "nothing detected");
    assert!((standard(&windows, &[300, 600]) - 100.0).abs() < 1e-9, "perfect");
    assert!((standard(&windows, &[300]) - 50.0).abs() < 1e-9, "one of two");
    assert!((standard(&windows, &[300, 301, 399]) - 50.0).abs() < 1e-9, "a window counts once");
    let late = standard(&windows, &[399, 600]);
    assert!(late > 75.0 && late < 80.0, "a window found at its end earns nothing, and is not missed: {late}");
    let early_alarm = standard(&windows, &[200, 300, 600]);
    assert!(
        (early_alarm - (100.0 - 100.0 * 0.11 / 4.0)).abs() < 1e-9,
        "a false alarm before all windows: {early_alarm}"
    );
    assert!(standard(&windows, &[405, 300, 600]) > early_alarm, "one just behind a window costs less");
    assert!((standard(&windows, &[10, 149, 300, 600]) - 100.0).abs() < 1e-9, "the probation does not count");
}

#[test]
fn a_constant_score_is_worth_nothing_and_harms_at_its_own_threshold() {
    let scored = Scored::new(&[series("a/a.csv", &[(300, 399)])], &[vec![0.7; 1000]]).unwrap();
    for profile in &PROFILES {
        let (gain, threshold) = scored.best(profile, &[1]);
        assert_eq!((gain.score(), threshold), (0.0, f64::INFINITY));
        assert!(scored.at(profile, &[1], 0.7).score() < 0.0);
    }
}

#[test]
fn a_file_that_counts_twice_is_as_two_files() {
    let files = [series("a/a.csv", &[(300, 399)]), series("a/b.csv", &[(500, 599), (800, 850)])];
    let scores = [hits(&[250, 320]), hits(&[510, 700])];
    let twice = Scored::new(&files, &scores).unwrap().best(&LOW_MISSES, &[1, 2]);
    let [a, b] = &files;
    let [of_a, of_b] = scores;
    let three = Scored::new(&[a.clone(), b.clone(), b.clone()], &[of_a, of_b.clone(), of_b]).unwrap();
    let three = three.best(&LOW_MISSES, &[1, 1, 1]);
    assert!((twice.0.score() - three.0.score()).abs() < 1e-9);
}

#[test]
fn held_out_thresholds_never_see_their_own_category() {
    // In `a` only scores of 1 are right, in `b` scores of 0.6 as well: each gets the other's threshold.
    let files = [series("a/a.csv", &[(300, 399)]), series("b/b.csv", &[(300, 399)]), series("c/c.csv", &[])];
    let mut of_b = hits(&[]);
    of_b[300] = 0.6;
    let mut of_c = hits(&[]);
    of_c[500] = 0.6;
    let scored = Scored::new(&files, &[hits(&[300]), of_b, of_c]).unwrap();
    let (pooled, each) = scored.held_out(&STANDARD, &scored.all());
    let thresholds: Vec<f64> = each.iter().map(|held_out| held_out.threshold).collect();
    assert_eq!(thresholds, [0.6, 1.0, 0.6]);
    let alarm = 100.0 * 0.11 / 4.0;
    assert!((pooled.score() - (50.0 - alarm)).abs() < 1e-9, "{}", pooled.score());
    assert!(each[2].gain.score().is_nan(), "no window, no score of its own");
}

/// `nab_score.py`'s three figures and thresholds for these scores.
fn by_the_tool(tool: &Path, dir: &Path, results: &Path, threshold: Option<f64>) -> Vec<(f64, f64)> {
    let mut command = Command::new("python3");
    command.arg(tool).arg("--data").arg(dir.join("data"));
    command.arg("--windows").arg(dir.join("combined_windows.json")).arg("--results").arg(results);
    if let Some(threshold) = threshold {
        command.arg("--threshold").arg(threshold.to_string());
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let figures = text.lines().skip(1).map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words[1].parse().unwrap(), words[3].parse().unwrap())
    });
    figures.collect()
}

#[test]
fn the_reference_tool_agrees() {
    let Some(dir) = data_set("nab") else { return };
    let tool = dir.join("../../tools/nab_score.py");
    if !tool.is_file() || Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: needs python3 and tools/nab_score.py beside the folder of data sets");
        return;
    }
    let series = read(&dir).unwrap();
    let mut random = Random::new(5);
    // Rare and mostly within windows, in few steps, so that equal scores occur.
    let mut score = |time: &i64, series: &Series| {
        let within = series.windows.iter().any(|(first, last)| (first..=last).contains(&time));
        let rare = random.unit() < if within { 0.02 } else { 0.001 };
        if rare { (random.unit() * 20.0).round() / 20.0 } else { 0.05 }
    };
    let scores: Vec<Vec<f64>> =
        series.iter().map(|series| series.times.iter().map(|time| score(time, series)).collect()).collect();
    let results = tempfile::tempdir().unwrap();
    for (series, scores) in series.iter().zip(&scores) {
        let path = results.path().join(&series.name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let lines: Vec<String> = scores.iter().map(|score| format!("x,{score}\n")).collect();
        std::fs::write(path, format!("timestamp,anomaly_score\n{}", lines.concat())).unwrap();
    }
    let scored = Scored::new(&series, &scores).unwrap();
    let close = |ours: f64, theirs: f64| assert!((ours - theirs).abs() <= 0.005_000_1, "{ours} is not {theirs}");
    for (profile, theirs) in PROFILES.iter().zip(by_the_tool(&tool, &dir, results.path(), None)) {
        let (gain, threshold) = scored.best(profile, &scored.all());
        assert!(gain.score() > 10.0, "a case that says something");
        close(gain.score(), theirs.0);
        assert_eq!(threshold, theirs.1);
    }
    for (profile, theirs) in PROFILES.iter().zip(by_the_tool(&tool, &dir, results.path(), Some(0.3))) {
        close(scored.at(profile, &scored.all(), 0.3).score(), theirs.0);
    }
}
