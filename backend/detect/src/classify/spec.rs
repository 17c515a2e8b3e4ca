//! What to learn, and how: checked parameters of a training.

use super::{columns::normal, table::LabelledTable, trees::MAX_TREES};
use crate::DetectError;

/// Labels that mean that nothing is wrong, as data sets have them.
const BENIGN: [&str; 6] = ["benign", "normal", "benigntraffic", "benignfinal", "0", "false"];

/// Whether a label means that nothing is wrong.
pub(crate) fn is_benign(label: &str) -> bool {
    BENIGN.contains(&normal(label).as_str())
}

/// What is to be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// `benign` (labels such as `benign`, `normal`, `BenignTraffic` and `0`) and `attack` (every other).
    Binary,
    /// The labels as they are.
    Labels,
}

impl Task {
    /// The classes, and the class of every row of the table.
    pub(super) fn classes(self, table: &LabelledTable) -> (Vec<String>, Vec<u16>) {
        let name = |label: &str| match self {
            Self::Labels => label.to_owned(),
            Self::Binary if is_benign(label) => "benign".to_owned(),
            Self::Binary => "attack".to_owned(),
        };
        let mut classes: Vec<String> = table.labels().iter().map(|label| name(label)).collect();
        classes.sort_unstable();
        classes.dedup();
        if self == Self::Binary {
            classes.reverse();
        }
        let class = |label: &String| classes.iter().position(|class| *class == name(label)).unwrap_or(0) as u16;
        let of_label: Vec<u16> = table.labels().iter().map(class).collect();
        let rows = (0..table.rows()).map(|row| of_label[table.label_number(row)]).collect();
        (classes, rows)
    }
}

/// Checked parameters of a training.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassifierSpec {
    task: Task,
    trees: u16,
    max_depth: u16,
    least_rows: u16,
    held_back: f64,
    impute: bool,
    seed: u64,
}

impl ClassifierSpec {
    /// Benign or attack: 100 trees of at most 32 splits on a path, a quarter of the rows held back, nothing imputed.
    pub fn binary(seed: u64) -> Self {
        let (trees, max_depth, least_rows, held_back) = (100, 32, 1, 0.25);
        Self { task: Task::Binary, trees, max_depth, least_rows, held_back, impute: false, seed }
    }

    /// The same for the labels as they are.
    pub fn labels(seed: u64) -> Self {
        Self { task: Task::Labels, ..Self::binary(seed) }
    }

    /// Lets missing cells and columns be replaced by what is usual in training: the median of numbers, the share of all
    /// rows for categories.
    pub fn imputing(self) -> Self {
        Self { impute: true, ..self }
    }

    /// Another number of trees (1 to 500), splits on a path (1 to 64), rows in a leaf at least (1 to 1000) and share of
    /// rows held back (0.05 to 0.5).
    ///
    /// # Errors
    /// [`DetectError::Parameter`] for what is out of range.
    pub fn with(self, trees: u16, max_depth: u16, least_rows: u16, held_back: f64) -> Result<Self, DetectError> {
        let range = |name, holds: bool, expected, actual: String| match holds {
            true => Ok(()),
            false => Err(DetectError::Parameter { name, expected, actual }),
        };
        range("trees", (1..=MAX_TREES).contains(&usize::from(trees)), "1 to 500", trees.to_string())?;
        range("depth", (1..=64).contains(&max_depth), "1 to 64", max_depth.to_string())?;
        range("rows in a leaf", (1..=1000).contains(&least_rows), "1 to 1000", least_rows.to_string())?;
        range("held-back share", (0.05..=0.5).contains(&held_back), "0.05 to 0.5", held_back.to_string())?;
        Ok(Self { trees, max_depth, least_rows, held_back, ..self })
    }

    /// What is to be told apart.
    pub fn task(&self) -> Task {
        self.task
    }

    /// Number of trees.
    pub fn trees(&self) -> u16 {
        self.trees
    }

    /// Splits on a path, at most.
    pub fn max_depth(&self) -> u16 {
        self.max_depth
    }

    /// Training rows in a leaf, at least.
    pub fn least_rows(&self) -> u16 {
        self.least_rows
    }

    /// Share of every class's rows that are held back from training.
    pub fn held_back(&self) -> f64 {
        self.held_back
    }

    /// Whether missing cells and columns are replaced by what is usual.
    pub fn impute(&self) -> bool {
        self.impute
    }

    /// Determines everything random.
    pub fn seed(&self) -> u64 {
        self.seed
    }
}
