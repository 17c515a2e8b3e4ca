//! NSL-KDD with labels: the supervised classifier on the quarter of each class that its training
//! holds back, for benign against attack, for families of attacks, and for each label.

use std::path::Path;

use detect::classify::{Classifier, ClassifierSpec, LabelledTable, NSL_KDD, nsl_kdd_family, schema};

use crate::{
    Result,
    data::nsl_kdd::{COLUMNS, Connections, read},
    table::Line,
};

const SET: &str = "NSL-KDD, supervised";
const SEED: u64 = 1;

/// Of how many rows a quick run takes one. Training looks at all rows for every node.
const QUICK: usize = 5;

/// The lines of the table, from `KDDTrain+_20Percent.txt` in `dir`.
///
/// # Errors
/// [`EvaluateError`](crate::EvaluateError) for a file that is missing or malformed.
pub fn measure(dir: &Path, quick: bool) -> Result<Vec<Line>> {
    let mut connections = read(&dir.join("KDDTrain+_20Percent.txt"))?;
    if quick {
        connections.thin(QUICK);
    }
    let binary = trained(&connections, str::to_owned, &ClassifierSpec::binary(SEED))?;
    let figures = binary.figures();
    let rows = format!("{} rows held back", figures.rows);
    let mut lines = vec![
        Line::new(SET, "accuracy, benign or attack", figures.accuracy).beside(&rows),
        Line::new(SET, "AUROC, benign or attack", figures.auroc.unwrap_or(f64::NAN)).beside(&rows),
    ];
    // A label that nobody knows is a family of its own.
    let family = |label: &str| nsl_kdd_family(label).unwrap_or(label).to_owned();
    let families = trained(&connections, family, &ClassifierSpec::labels(SEED))?;
    let each: Vec<String> = families
        .figures()
        .classes
        .iter()
        .map(|class| format!("{} {:.2} of {}", class.name, class.recall, class.rows))
        .collect();
    let line = Line::new(SET, "macro F1, families of attacks", families.figures().macro_f1);
    lines.push(line.beside(format!("recall: {}", each.join(", "))));
    let labels = trained(&connections, str::to_owned, &ClassifierSpec::labels(SEED))?;
    let line = Line::new(SET, "macro F1, each label", labels.figures().macro_f1);
    lines.push(line.beside(format!(
        "{} labels, some with one row; accuracy {:.4}",
        labels.classes().len(),
        labels.figures().accuracy
    )));
    Ok(lines)
}

fn trained(connections: &Connections, class: impl Fn(&str) -> String, spec: &ClassifierSpec) -> Result<Classifier> {
    let rows: Vec<Vec<&str>> = connections.cells.iter().map(|row| row.iter().map(String::as_str).collect()).collect();
    let mut table = LabelledTable::new(schema(&NSL_KDD[..COLUMNS], &[], &rows)?)?;
    for (row, label) in rows.iter().zip(&connections.labels) {
        table.push(row, &class(label))?;
    }
    Ok(Classifier::train(&table, spec)?)
}
