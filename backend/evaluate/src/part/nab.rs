//! NAB: the best single threshold, the detector's own, and each category by the others'.

use std::path::Path;

use simulate::random::Random;

use crate::{
    Result,
    data::nab::{Series, read, read_scores},
    lone::judge_all,
    metric::{
        bootstrap,
        nab::{PROFILES, Profile, STANDARD, Scored},
    },
    peers::{Method, Peers, Task},
    table::Line,
};

/// Published detectors on the 34 files here, standard profile, each with its own best threshold.
const REFERENCES: [(&str, f64); 4] = [("HTM", 73.56), ("CAD", 71.72), ("ARTime", 71.05), ("RCF", 56.71)];
const SET: &str = "NAB";

/// The detector's scores of a series, one for each row.
///
/// # Errors
/// As the detector.
pub fn scores(series: &Series) -> Result<Vec<f64>> {
    let rows: Vec<[f64; 1]> = series.values.iter().map(|value| [*value]).collect();
    judge_all(&["value"], &series.times, &rows)
}

/// Scores all series under `dir`, or takes the scores that lie in `results` in the same folders.
///
/// # Errors
/// [`EvaluateError`](crate::EvaluateError) for files that are missing or malformed.
pub fn scored(dir: &Path, results: Option<&Path>) -> Result<Scored> {
    let series = read(dir)?;
    let one = |series: &Series| results.map_or_else(|| scores(series), |results| read_scores(results, series));
    let scores: Vec<Vec<f64>> = series.iter().map(one).collect::<Result<_>>()?;
    Scored::new(&series, &scores)
}

/// The lines of the table, from the series under `dir`.
///
/// # Errors
/// As [`scored`], and if peers fail.
pub fn measure(dir: &Path, peers: Option<&Peers>) -> Result<Vec<Line>> {
    let ours = scored(dir, None)?;
    let mut lines = lines(&ours);
    if let Some(peers) = peers {
        lines.extend(of_peers(dir, &ours, peers)?);
    }
    Ok(lines)
}

/// Our figures again, beside those of detectors that were run on the same rows just now.
fn of_peers(dir: &Path, ours: &Scored, peers: &Peers) -> Result<Vec<Line>> {
    let series = read(dir)?;
    let values: Vec<Vec<f32>> =
        series.iter().map(|series| series.values.iter().map(|value| *value as f32).collect()).collect();
    let mut lines = Vec::new();
    for (method, who) in [(Method::HalfSpaceTrees, "River HST"), (Method::RandomCutForest, "rcf3")] {
        let task = |test| Task { method, columns: 1, train: &[], test, seed: 1 };
        let answers = peers.run(&values.iter().map(|values| task(values)).collect::<Vec<_>>())?;
        let theirs = Scored::new(&series, &answers.into_iter().map(|answer| answer.scores).collect::<Vec<_>>())?;
        let best = |scored: &Scored| scored.best(&STANDARD, &scored.all()).0.score();
        let held_out = |scored: &Scored| scored.held_out(&STANDARD, &scored.all()).0.score();
        let figures = [
            ("best threshold", best(ours), best(&theirs)),
            ("each category by the others' threshold", held_out(ours), held_out(&theirs)),
        ];
        for (way, ours, theirs) in figures {
            let line = Line::new(SET, format!("{}, {way}", STANDARD.name), ours);
            lines.push(line.against(who, theirs).beside("peer run on the same rows"));
        }
    }
    Ok(lines)
}

/// The lines of the table.
pub fn lines(scored: &Scored) -> Vec<Line> {
    let all = scored.all();
    let mut lines = Vec::new();
    for profile in &PROFILES {
        let best = |times: &[u32]| scored.best(profile, times).0.score();
        let line = Line::new(SET, format!("{}, best threshold", profile.name), best(&all));
        let line = line.within(bootstrap::interval(scored.files(), best));
        lines.push(if profile.name == STANDARD.name { line.against(REFERENCES[0].0, REFERENCES[0].1) } else { line });
    }
    let best = lines[0].ours;
    for (who, figure) in &REFERENCES[1..] {
        let line = Line::new(SET, format!("{}, best threshold", STANDARD.name), best.unwrap_or(f64::NAN));
        lines.push(line.against(*who, *figure));
    }
    for profile in &PROFILES {
        let held_out = |times: &[u32]| scored.held_out(profile, times).0.score();
        let line = Line::new(SET, format!("{}, each category by the others' threshold", profile.name), held_out(&all));
        lines.push(line.within(bootstrap::interval(scored.files(), held_out)));
    }
    for profile in &PROFILES {
        let fixed = |times: &[u32]| scored.at(profile, times, 0.5).score();
        let line = Line::new(SET, format!("{}, threshold 0.5", profile.name), fixed(&all));
        lines.push(line.within(bootstrap::interval(scored.files(), fixed)));
    }
    lines
}

/// Mean score over files whose threshold was chosen on the other half of the files, over random halves.
fn halves(scored: &Scored, profile: &Profile) -> f64 {
    let mut random = Random::new(34);
    let (mut sum, mut count) = (0.0, 0.0);
    for _ in 0..100 {
        let chosen: Vec<u32> = (0..scored.files()).map(|_| u32::from(random.unit() < 0.5)).collect();
        let others: Vec<u32> = chosen.iter().map(|times| 1 - times).collect();
        let score = scored.at(profile, &others, scored.best(profile, &chosen).1).score();
        if score.is_finite() {
            (sum, count) = (sum + score, count + 1.0);
        }
    }
    sum / count
}

/// What stands behind the figures, for whoever works on the detector: thresholds, and each category's share.
pub fn details(scored: &Scored) -> String {
    let all = scored.all();
    let mut text = String::new();
    for profile in &PROFILES {
        let (gain, threshold) = scored.best(profile, &all);
        let (pooled, each) = scored.held_out(profile, &all);
        text += &format!(
            "{}: best {:.2} at {threshold:.9}; held out by category {:.2}; at thresholds of random other halves {:.2}\n",
            profile.name,
            gain.score(),
            pooled.score(),
            halves(scored, profile),
        );
        for held_out in each {
            let of = scored.only(&all, &held_out.category, true);
            let (found, alarms) = scored.tally(&of, held_out.threshold);
            let at_best = scored.at(profile, &of, threshold);
            let (own, own_threshold) = scored.best(profile, &of);
            text += &format!(
                "  {:22} held out {:7.2} at {:.6} ({found} windows found, {alarms} alarming rows outside); at the one best {:7.2}; at its own best {:7.2} ({own_threshold:.6}); points of the whole {:6.2} of {:.2}\n",
                held_out.category,
                held_out.gain.score(),
                held_out.threshold,
                at_best.score(),
                own.score(),
                100.0 * held_out.gain.gained / pooled.possible,
                100.0 * held_out.gain.possible / pooled.possible,
            );
        }
    }
    text
}
