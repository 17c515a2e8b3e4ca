//! Merlion: each kind of anomaly on each base, by window, at threshold 0.5.

use std::{ops::Range, path::Path};

use crate::{
    Result,
    data::merlion::{Series, read},
    lone::judge_all,
    metric::{
        bootstrap,
        window::{Outcome, f1, runs},
    },
    table::Line,
};

/// A trend's label marks one row, the one at which the slope changes; nobody can tell by that row
/// alone. It may be found within as many rows as the shortest window of the other kinds has.
const TREND_ROWS: usize = 20;

/// The lines of the table.
///
/// # Errors
/// [`EvaluateError`](crate::EvaluateError) for files that are missing or malformed.
pub fn measure(dir: &Path) -> Result<Vec<Line>> {
    read(dir)?.iter().map(line).collect()
}

fn line(series: &Series) -> Result<Line> {
    let rows: Vec<[f64; 1]> = series.values.iter().map(|value| [*value]).collect();
    let scores = judge_all(&["value"], &series.times, &rows)?;
    let alarms: Vec<bool> = scores.iter().map(|score| *score >= 0.5).collect();
    let outcome = Outcome::new(&alarms, &windows(series));
    let found: Vec<f64> = outcome.delays.iter().map(|delay| f64::from(u8::from(delay.is_some()))).collect();
    let interval = bootstrap::interval(found.len(), |times| {
        let found: f64 = found.iter().zip(times).map(|(found, times)| found * f64::from(*times)).sum();
        f1(found, outcome.delays.len() as f64, outcome.false_alarms as f64)
    });
    let beside = format!(
        "precision {:.2}, recall {:.2} of {} windows, {} false alarms, median delay {} rows",
        outcome.precision(),
        outcome.recall(),
        outcome.delays.len(),
        outcome.false_alarms,
        outcome.median_delay(),
    );
    let measure = format!("{} {}, F1 by window", series.base, series.kind);
    Ok(Line::new("Merlion", measure, outcome.f1()).within(interval).beside(beside))
}

fn windows(series: &Series) -> Vec<Range<usize>> {
    let windows = runs(&series.labels);
    if series.kind != "trend" {
        return windows;
    }
    let begins = windows.iter().skip(1).map(|next| next.start).chain([series.labels.len()]);
    windows.iter().zip(begins).map(|(window, next)| window.start..(window.start + TREND_ROWS).min(next)).collect()
}
