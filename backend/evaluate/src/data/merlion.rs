//! Merlion's synthetic series: `{horizontal,seasonal}_{kind}_anomaly.csv`, a value every 300 s.

use std::path::Path;

use crate::{Result, data::Csv};

/// What the series are based on.
pub const BASES: [&str; 2] = ["horizontal", "seasonal"];
/// What was injected.
pub const KINDS: [&str; 5] = ["dip", "level", "shock", "spike", "trend"];

/// One series with a label for each row.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// One of [`BASES`].
    pub base: &'static str,
    /// One of [`KINDS`].
    pub kind: &'static str,
    /// Milliseconds.
    pub times: Vec<i64>,
    /// The value of each row.
    pub values: Vec<f64>,
    /// Whether each row is labelled anomalous.
    pub labels: Vec<bool>,
}

/// Reads the ten labelled series.
///
/// # Errors
/// [`EvaluateError`](crate::EvaluateError) for files that are missing or malformed.
pub fn read(dir: &Path) -> Result<Vec<Series>> {
    let mut all = Vec::new();
    for base in BASES {
        for kind in KINDS {
            let csv = Csv::read(&dir.join(format!("{base}_{kind}_anomaly.csv")), b',', true)?;
            let seconds = csv.numbers(csv.column("timestamp")?)?;
            all.push(Series {
                base,
                kind,
                times: seconds.iter().map(|seconds| (seconds * 1000.0) as i64).collect(),
                values: csv.numbers(csv.column(base)?)?,
                labels: csv.numbers(csv.column("anomaly")?)?.iter().map(|label| *label > 0.5).collect(),
            });
        }
    }
    Ok(all)
}
