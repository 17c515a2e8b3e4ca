//! Model files that commands take. Reads them; trains none.

use std::path::{Path, PathBuf};

use detect::{
    DetectError, Model, TableModel,
    classify::{Classifier, Matching},
};

use super::{MAX_MODEL, WrongUse, input::is_anomalous, read_file, score::Usual};

/// A model of rows without time.
pub(super) enum Rows {
    /// Tells classes apart.
    Classes(Box<Classifier>),
    /// Knows what is usual.
    Usual(Box<Usual>),
}

/// The beginnings of the files' byte forms.
const STREAM: &[u8] = b"ALDM";
const CLASSES: &[u8] = b"ALDC";
const TABLE: &[u8] = b"ALDT";

/// The file itself, or `model.bin` in a directory, with its bytes.
fn read(path: &Path) -> Result<(PathBuf, Vec<u8>), WrongUse> {
    let file = if path.is_dir() { path.join("model.bin") } else { path.to_owned() };
    match read_file(&file, MAX_MODEL) {
        Ok(bytes) => Ok((file, bytes)),
        Err(error) => Err(WrongUse(format!("{error}; `anomaly-ledger train` makes a model"))),
    }
}

/// A model of devices of one kind.
pub(super) fn stream(path: &Path) -> Result<Model, WrongUse> {
    let (file, bytes) = read(path)?;
    let wrong = |why: &dyn std::fmt::Display| WrongUse(format!("{}: {why}", file.display()));
    if [CLASSES, TABLE].iter().any(|mark| bytes.starts_with(mark)) {
        return Err(wrong(&"a model of rows without time; expected one of readings, as `train --profile` makes it"));
    }
    Model::from_bytes(&bytes).map_err(|error| wrong(&error))
}

/// A model of rows without time.
pub(super) fn rows(path: &Path) -> Result<Rows, WrongUse> {
    let (file, bytes) = read(path)?;
    let wrong = |why: &dyn std::fmt::Display| WrongUse(format!("{}: {why}", file.display()));
    if bytes.starts_with(STREAM) {
        return Err(wrong(&"a model of readings: it needs --time COLUMN"));
    }
    if bytes.starts_with(TABLE) {
        let model = TableModel::from_bytes(&bytes).map_err(|error| wrong(&error))?;
        let medians = medians(&file.with_file_name("model_meta.json"), model.columns().len());
        return Ok(Rows::Usual(Box::new(Usual { model, medians })));
    }
    Ok(Rows::Classes(Box::new(Classifier::from_bytes(&bytes).map_err(|error| wrong(&error))?)))
}

/// What stands in for missing numbers, as it lies beside a model; `None` if it does not.
fn medians(file: &Path, columns: usize) -> Option<Vec<f32>> {
    #[derive(serde::Deserialize)]
    struct Meta {
        medians: Vec<f32>,
    }
    let meta: Meta = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    (meta.medians.len() == columns).then_some(meta.medians)
}

/// What a classifier says of rows of one file.
pub(super) struct Judge<'a> {
    classifier: &'a Classifier,
    matching: Matching,
    /// Of each class whether it is one of ordinary rows.
    ordinary: Vec<bool>,
}

/// What a row was taken for.
pub(super) struct Said {
    /// The class's place in the model.
    pub(super) class: usize,
    /// The share of trees for classes that are not ordinary.
    pub(super) score: f64,
    /// Whether the class is not one of ordinary rows.
    pub(super) anomalous: bool,
}

impl<'a> Judge<'a> {
    /// Gets ready for rows of a file with these columns.
    pub(super) fn of(classifier: &'a Classifier, header: &[&str]) -> Result<Self, DetectError> {
        let matching = classifier.matching(header)?;
        let ordinary = classifier.classes().iter().map(|class| !is_anomalous(class)).collect();
        Ok(Self { classifier, matching, ordinary })
    }

    /// A row of the file: a text for each column.
    pub(super) fn row(&self, cells: &[&str]) -> Result<Said, DetectError> {
        let shares = self.classifier.probabilities(&self.matching, cells)?;
        // The first of the largest.
        let class = (0..shares.len()).rev().max_by(|a, b| shares[*a].total_cmp(&shares[*b])).unwrap_or(0);
        let unlike = shares.iter().zip(&self.ordinary).filter(|(_, ordinary)| !**ordinary);
        Ok(Said { class, score: unlike.map(|(share, _)| share).sum(), anomalous: !self.ordinary[class] })
    }

    /// What the user should know about how the columns are read.
    pub(super) fn notes(&self) -> Vec<String> {
        let imputed = self.matching.imputed();
        if imputed.is_empty() { Vec::new() } else { vec![format!("imputed columns: {}", imputed.join(", "))] }
    }
}
