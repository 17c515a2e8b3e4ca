//! The Numenta Anomaly Benchmark's files: `data/CATEGORY/FILE.csv` and `combined_windows.json`.

use std::{collections::BTreeMap, path::Path};

use crate::{
    EvaluateError, Result,
    data::{Csv, time_ms},
};

/// One series with its labelled windows.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// `CATEGORY/FILE.csv`.
    pub name: String,
    /// Milliseconds since 1970 of each row.
    pub times: Vec<i64>,
    /// The value of each row.
    pub values: Vec<f64>,
    /// First and last time of each window, in milliseconds, both within it.
    pub windows: Vec<(i64, i64)>,
}

impl Series {
    /// The folder that the file lies in.
    pub fn category(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }
}

/// Reads the series that `DIR/combined_windows.json` names, in the order of their names.
///
/// # Errors
/// [`EvaluateError`] for files that are missing or malformed.
pub fn read(dir: &Path) -> Result<Vec<Series>> {
    let path = dir.join("combined_windows.json");
    let text = std::fs::read(&path).map_err(EvaluateError::io(&path))?;
    let labels: BTreeMap<String, Vec<(String, String)>> = serde_json::from_slice(&text)
        .map_err(|error| EvaluateError::malformed(&path, "windows for each file", error))?;
    let one = |(name, windows): (String, Vec<(String, String)>)| {
        let span = |(first, last): &(String, String)| Some((time_ms(first)?, time_ms(last)?));
        let windows: Option<Vec<_>> = windows.iter().map(span).collect();
        let windows = windows.ok_or_else(|| EvaluateError::malformed(&path, "times of windows", &name))?;
        let csv = Csv::read(&dir.join("data").join(&name), b',', true)?;
        let times = csv.times(csv.column("timestamp")?)?;
        let values = csv.numbers(csv.column("value")?)?;
        Ok(Series { name, times, values, windows })
    };
    labels.into_iter().map(one).collect()
}

/// Reads one detector's scores of a series: `DIR/CATEGORY/FILE.csv` with a column `anomaly_score`.
///
/// # Errors
/// [`EvaluateError`] for a file that is missing, malformed, or has another number of rows.
pub fn read_scores(dir: &Path, series: &Series) -> Result<Vec<f64>> {
    let path = dir.join(&series.name);
    let csv = Csv::read(&path, b',', true)?;
    let scores = csv.numbers(csv.column("anomaly_score")?)?;
    if scores.len() != series.times.len() {
        return Err(EvaluateError::malformed(&path, format!("{} rows", series.times.len()), scores.len()));
    }
    Ok(scores)
}
