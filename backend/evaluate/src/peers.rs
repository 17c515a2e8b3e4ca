//! Other people's detectors, on the same rows in the same run. They score; this crate measures.
//!
//! `peers.py` runs them in one process of a given Python that has what
//! `scripts/tools/peers-requirements.txt` lists. Nothing is installed here.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{EvaluateError, Result};

const SCRIPT: &str = include_str!("peers.py");

/// Whose detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// scikit-learn's `IsolationForest`, 100 trees of 256 rows; trained, then scored in one batch.
    IsolationForest,
    /// As above, scored one row at a time.
    IsolationForestByRow,
    /// River's `HalfSpaceTrees` behind its `MinMaxScaler`; scores each row, then learns it.
    HalfSpaceTrees,
    /// A Random Cut Forest (`rcf3`), 50 trees of 256 rows, shingles of 8; scores each row, then learns it.
    RandomCutForest,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::IsolationForest => "isolation_forest",
            Self::IsolationForestByRow => "isolation_forest_by_row",
            Self::HalfSpaceTrees => "half_space_trees",
            Self::RandomCutForest => "random_cut_forest",
        }
    }
}

/// Rows for a peer.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// Whose detector.
    pub method: Method,
    /// Numbers in a row.
    pub columns: usize,
    /// Rows to train on; empty for detectors that learn as they go.
    pub train: &'a [f32],
    /// Rows to score.
    pub test: &'a [f32],
    /// The seed.
    pub seed: u64,
}

/// What a peer made of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// A score for each row, higher for more anomalous.
    pub scores: Vec<f64>,
    /// Seconds of training.
    pub train_seconds: f64,
    /// Seconds of scoring, without reading and writing of files.
    pub score_seconds: f64,
}

/// Where the peers are.
#[derive(Clone, Debug)]
pub struct Peers {
    python: PathBuf,
    crates: Option<PathBuf>,
}

impl Peers {
    /// The peers that this interpreter has, and those of the program `backend/detect/peers`, if it was built.
    pub fn new(python: &Path, crates: Option<&Path>) -> Self {
        Self { python: python.to_owned(), crates: crates.map(Path::to_owned) }
    }

    /// Rows a second of other crates' forests, one at a time, by name; rows of 12 columns. Nothing
    /// without the program.
    ///
    /// # Errors
    /// [`EvaluateError::Peers`] if the program fails.
    pub fn speeds(&self, rows: &[f32]) -> Result<Vec<(String, f64)>> {
        let Some(program) = &self.crates else { return Ok(Vec::new()) };
        let dir = tempfile::tempdir().map_err(EvaluateError::io(&std::env::temp_dir()))?;
        let path = dir.path().join("rows");
        write_floats(&path, rows)?;
        let answer: BTreeMap<String, Value> = answer(Command::new(program).arg(&path), program)?;
        let speed = |(name, figures): (String, Value)| {
            let speed = figures["one_at_a_time_rows_per_s"].as_f64();
            Ok((name, speed.ok_or_else(|| EvaluateError::Peers(format!("no speed in {figures}")))?))
        };
        answer.into_iter().map(speed).collect()
    }

    /// Runs tasks one after the other, in one process.
    ///
    /// # Errors
    /// [`EvaluateError::Peers`] if Python or one of the libraries fails, with its last line.
    pub fn run(&self, tasks: &[Task<'_>]) -> Result<Vec<Answer>> {
        let dir = tempfile::tempdir().map_err(EvaluateError::io(&std::env::temp_dir()))?;
        let dir = dir.path();
        let mut list = Vec::new();
        for (number, task) in tasks.iter().enumerate() {
            write_floats(&dir.join(format!("{number}.train")), task.train)?;
            write_floats(&dir.join(format!("{number}.test")), task.test)?;
            list.push(json!({ "method": task.method.name(), "columns": task.columns, "seed": task.seed }));
        }
        let (script, wanted) = (dir.join("peers.py"), dir.join("tasks.json"));
        std::fs::write(&script, SCRIPT).map_err(EvaluateError::io(&script))?;
        std::fs::write(&wanted, Value::from(list).to_string()).map_err(EvaluateError::io(&wanted))?;
        let answers: Vec<Value> = answer(Command::new(&self.python).arg(&script).arg(dir), &self.python)?;
        let seconds = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        let answer = |(number, (answer, task)): (usize, (&Value, &Task<'_>))| {
            let path = dir.join(format!("{number}.scores"));
            let scores = read_doubles(&path)?;
            let expected = task.test.len() / task.columns;
            if scores.len() != expected {
                return Err(EvaluateError::malformed(&path, format!("{expected} scores"), scores.len()));
            }
            Ok(Answer {
                scores,
                train_seconds: seconds(&answer["train_seconds"]),
                score_seconds: seconds(&answer["score_seconds"]),
            })
        };
        answers.iter().zip(tasks).enumerate().map(answer).collect()
    }
}

/// Runs a peer and reads the JSON that it prints.
fn answer<T: DeserializeOwned>(command: &mut Command, program: &Path) -> Result<T> {
    let output = command.output().map_err(EvaluateError::io(program))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(EvaluateError::Peers(error.lines().last().unwrap_or("no word of why").to_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| EvaluateError::Peers(error.to_string()))
}

fn write_floats(path: &Path, floats: &[f32]) -> Result<()> {
    let file = std::fs::File::create(path).map_err(EvaluateError::io(path))?;
    let mut writer = std::io::BufWriter::new(file);
    for float in floats {
        writer.write_all(&float.to_le_bytes()).map_err(EvaluateError::io(path))?;
    }
    writer.flush().map_err(EvaluateError::io(path))
}

fn read_doubles(path: &Path) -> Result<Vec<f64>> {
    let bytes = std::fs::read(path).map_err(EvaluateError::io(path))?;
    Ok(bytes.as_chunks().0.iter().map(|chunk| f64::from_le_bytes(*chunk)).collect())
}
