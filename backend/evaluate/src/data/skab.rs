//! SKAB's water loop: eight sensors once a second, `;`-separated, labelled by row.

use std::path::{Path, PathBuf};

use crate::{EvaluateError, Result, data::Csv};

/// One experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// The sensors' names.
    pub columns: Vec<String>,
    /// Milliseconds since 1970 of each row.
    pub times: Vec<i64>,
    /// One value for each sensor in each row.
    pub rows: Vec<Vec<f64>>,
    /// Whether each row is labelled anomalous.
    pub labels: Vec<bool>,
}

/// Reads the experiments in a folder such as `skab/valve1`, in the order of the files' names.
///
/// # Errors
/// [`EvaluateError`] for files that are missing or malformed.
pub fn read(dir: &Path) -> Result<Vec<Experiment>> {
    files(dir, "csv")?.iter().map(|path| experiment(path)).collect()
}

fn experiment(path: &Path) -> Result<Experiment> {
    let csv = Csv::read(path, b';', true)?;
    let label = csv.column("anomaly")?;
    let sensors: Vec<usize> = (0..csv.header.len())
        .filter(|at| !["datetime", "anomaly", "changepoint"].contains(&csv.header[*at].as_str()))
        .collect();
    let row = |row: &Vec<String>| sensors.iter().map(|at| csv.number(row, *at)).collect::<Result<Vec<f64>>>();
    Ok(Experiment {
        columns: sensors.iter().map(|at| csv.header[*at].clone()).collect(),
        times: csv.times(csv.column("datetime")?)?,
        rows: csv.rows.iter().map(row).collect::<Result<_>>()?,
        labels: csv.numbers(label)?.iter().map(|label| *label > 0.5).collect(),
    })
}

/// The files of a folder with this ending, sorted by name.
pub(crate) fn files(dir: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).map_err(EvaluateError::io(dir))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(EvaluateError::io(dir))?.path();
        if path.extension().is_some_and(|extension| extension == ending) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
