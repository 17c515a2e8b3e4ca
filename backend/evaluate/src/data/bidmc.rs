//! PhysioNet's BIDMC numerics: heart rate, pulse, respiration and saturation once a second.

use std::path::Path;

use crate::{
    EvaluateError, Result,
    data::{Csv, skab::files},
};

/// The metrics' names, sorted as in readings.
pub const METRICS: [&str; 4] = ["HR", "PULSE", "RESP", "SpO2"];

/// One patient's stay of eight minutes: a row each second, not a number where the monitor had none.
pub type Patient = Vec<[f64; 4]>;

/// Reads the patients of a folder, in the order of the files' names.
///
/// # Errors
/// [`EvaluateError`] for files that are missing or malformed.
pub fn read(dir: &Path) -> Result<Vec<Patient>> {
    let mut patients = Vec::new();
    for path in files(dir, "csv")? {
        let csv = Csv::read(&path, b',', true)?;
        let columns = METRICS.map(|metric| csv.column(metric));
        let mut patient = Vec::new();
        for row in &csv.rows {
            let mut values = [f64::NAN; 4];
            for (value, column) in values.iter_mut().zip(&columns) {
                let column = column
                    .as_ref()
                    .map_err(|_| EvaluateError::malformed(&path, METRICS.join(", "), csv.header.join(", ")))?;
                let missing = row.get(*column).is_none_or(|field| field.is_empty() || field == "NaN" || field == "-");
                if !missing {
                    *value = csv.number(row, *column)?;
                }
            }
            patient.push(values);
        }
        patients.push(patient);
    }
    Ok(patients)
}
