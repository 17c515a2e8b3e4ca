//! Classes of network flows, or of any rows, where somebody has labelled them: smartcore's random forest (L. Breiman,
//! "Random forests", Machine Learning 45, 2001), with a model file of its own.
//!
//! Rows in, classes out: no files, no clock, no threads. It does not find what nobody has labelled: that is what the
//! other scorers are for. A model says how well it does on rows that it has not learnt from, and predicts the same bits
//! on every machine, since a prediction compares numbers and counts votes. Training gives the same model for the same
//! rows and seed on every 64-bit machine with the same smartcore; on others the trees may differ.
//!
//! ```
//! use detect::classify::{Classifier, ClassifierSpec, LabelledTable, schema};
//!
//! let header = ["Protocol", "Rate", "Label"];
//! let row = |i: u32| [if i % 3 == 0 { "udp" } else { "tcp" }.to_owned(), (i * (1 + 9 * (i % 2))).to_string()];
//! let first = row(1);
//! let columns = schema(&header, &["label"], &[vec![&first[0], &first[1], "benign"]])?;
//! let mut table = LabelledTable::new(columns)?;
//! for i in 100..200 {
//!     let [protocol, rate] = row(i);
//!     table.push(&[&protocol, &rate], if i % 2 == 0 { "BenignTraffic" } else { "DDoS-UDP_Flood" })?;
//! }
//! let classifier = Classifier::train(&table, &ClassifierSpec::binary(42))?;
//! assert!(classifier.figures().accuracy > 0.9);
//!
//! // Another file has other columns, in another order.
//! let matching = classifier.matching(&["rate", "Number", "PROTOCOL"])?;
//! let class = classifier.classify(&matching, &["1990", "7", "udp"])?;
//! assert_eq!(class.name, "attack");
//! # Ok::<(), detect::DetectError>(())
//! ```

mod columns;
mod draw;
mod encode;
mod figures;
mod file;
mod spec;
mod table;
mod trees;

use smartcore::ensemble::random_forest_classifier::RandomForestClassifierParameters;

pub(crate) use self::{columns::places, file::MAGIC, spec::is_benign};
pub use self::{
    columns::{Column, ColumnKind, Matching, NSL_KDD, nsl_kdd_family, schema},
    figures::{ClassFigures, Figures},
    file::ClassifierMeta,
    spec::{ClassifierSpec, Task},
    table::LabelledTable,
};
use self::{draw::TREE_ROWS, encode::Encoder, trees::Trees};
use crate::{DetectError, random::Random};

/// What a row is taken for.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    /// The class with the most votes; of several the first in the model's order.
    pub name: String,
    /// The share of trees that voted for it, 0 to 1.
    pub probability: f64,
}

/// A trained classifier; immutable.
#[derive(Clone, Debug, PartialEq)]
pub struct Classifier {
    spec: ClassifierSpec,
    encoder: Encoder,
    classes: Vec<String>,
    training_rows: u64,
    training_hash: [u8; 32],
    figures: Figures,
    trees: Trees,
}

impl Classifier {
    /// Holds back a share of every class, learns from the rest, and works out how well it does on what was held back.
    ///
    /// # Errors
    /// [`DetectError::TooFewRows`] below 8 rows; [`DetectError::Malformed`] for fewer than two classes, a missing cell
    /// where the spec does not let it be imputed, or a failure in smartcore.
    pub fn train(table: &LabelledTable, spec: &ClassifierSpec) -> Result<Self, DetectError> {
        if table.rows() < 8 {
            return Err(DetectError::TooFewRows { expected: 8, actual: table.rows() });
        }
        let (classes, labels) = spec.task().classes(table);
        if classes.len() < 2 {
            return Err(DetectError::malformed("labels", "at least two classes", classes.join(", ")));
        }
        let mut random = Random::new(spec.seed());
        let mut training = draw::by_class(&labels, classes.len());
        let held_back = draw::hold_back(&mut training, spec.held_back(), &mut random);
        let learnt = training.concat();
        let largest = largest(&training);
        let rare: Vec<bool> = labels.iter().map(|class| usize::from(*class) != largest).collect();
        let encoder = Encoder::learn(table, &learnt, &rare, spec.impute());
        let trees = grow(table, &encoder, &labels, &mut training, spec, &mut random)?;

        let mut found = Vec::with_capacity(held_back.len());
        let (mut row, mut votes) = (Vec::new(), vec![0; classes.len()]);
        for place in held_back {
            row.clear();
            encoder.table_row(table, place, &mut row)?;
            trees.vote(&row, &mut votes);
            found.push((usize::from(labels[place]), most(&votes), share(votes[1], &trees)));
        }
        let figures = Figures::count(&classes, &found);
        let (training_rows, training_hash) = (learnt.len() as u64, table.hash());
        Ok(Self { spec: spec.clone(), encoder, classes, training_rows, training_hash, figures, trees })
    }

    /// The columns that the model was trained on.
    pub fn columns(&self) -> &[Column] {
        &self.encoder.columns
    }

    /// The classes, in the model's order; of two the second is the attack.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// How well it does on the rows that were held back from its training.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Finds the model's columns in a file's header.
    ///
    /// # Errors
    /// [`DetectError::MissingColumns`] naming those that are not there, if the model does not allow that;
    /// [`DetectError::Parameter`] for a name that is there twice.
    pub fn matching(&self, header: &[&str]) -> Result<Matching, DetectError> {
        Matching::new(&self.encoder.columns, header, self.encoder.impute)
    }

    /// What a row of the file with that header is: a cell for each of the header's columns, as text.
    ///
    /// # Errors
    /// [`DetectError::Malformed`] for another number of cells, text in a column of numbers, or a missing cell, if the
    /// model does not allow that.
    pub fn classify(&self, matching: &Matching, cells: &[&str]) -> Result<Class, DetectError> {
        let votes = self.votes(matching, cells)?;
        let class = most(&votes);
        Ok(Class { name: self.classes[class].clone(), probability: share(votes[class], &self.trees) })
    }

    /// The share of trees that vote for each class, in the model's order.
    ///
    /// # Errors
    /// As [`classify`](Self::classify).
    pub fn probabilities(&self, matching: &Matching, cells: &[&str]) -> Result<Vec<f64>, DetectError> {
        Ok(self.votes(matching, cells)?.into_iter().map(|votes| share(votes, &self.trees)).collect())
    }

    fn votes(&self, matching: &Matching, cells: &[&str]) -> Result<Vec<u32>, DetectError> {
        let mut row = Vec::with_capacity(self.encoder.columns.len());
        self.encoder.cells(matching, cells, &mut row)?;
        let mut votes = vec![0; self.classes.len()];
        self.trees.vote(&row, &mut votes);
        Ok(votes)
    }
}

fn share(votes: u32, trees: &Trees) -> f64 {
    f64::from(votes) / trees.count() as f64
}

/// The first of the largest.
fn most(votes: &[u32]) -> usize {
    (0..votes.len()).rev().max_by_key(|class| votes[*class]).unwrap_or(0)
}

/// The first of the classes with the most rows.
fn largest(rows: &[Vec<usize>]) -> usize {
    most(&rows.iter().map(|rows| rows.len() as u32).collect::<Vec<_>>())
}

/// Where there are many rows, every tree draws its own.
fn grow(
    table: &LabelledTable,
    encoder: &Encoder,
    labels: &[u16],
    training: &mut [Vec<usize>],
    spec: &ClassifierSpec,
    random: &mut Random,
) -> Result<Trees, DetectError> {
    let columns = table.columns().len();
    let together = if training.iter().map(Vec::len).sum::<usize>() <= TREE_ROWS { spec.trees() } else { 1 };
    let mut trees = Trees::default();
    for done in (0..spec.trees()).step_by(usize::from(together)) {
        let drawn = draw::for_tree(training, random);
        let mut rows = Vec::with_capacity(drawn.len() * columns);
        for row in &drawn {
            encoder.table_row(table, *row, &mut rows)?;
        }
        let classes: Vec<u32> = drawn.iter().map(|row| u32::from(labels[*row])).collect();
        let seed = spec.seed().wrapping_add(u64::from(done));
        let parameters = parameters(spec, columns).with_n_trees(together).with_seed(seed);
        trees.extend(Trees::grow(columns, rows, &classes, parameters)?);
    }
    Ok(trees)
}

fn parameters(spec: &ClassifierSpec, columns: usize) -> RandomForestClassifierParameters {
    RandomForestClassifierParameters::default()
        .with_max_depth(spec.max_depth())
        .with_min_samples_leaf(usize::from(spec.least_rows()))
        .with_m(columns.isqrt())
}
