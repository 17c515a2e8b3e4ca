//! The model file of a classifier.
//!
//! Byte form, version 1, little-endian: `"ALDC"`, version u16; task u8 (0 binary, 1 labels), trees u16, depth u16, rows
//! in a leaf u16, held-back share f64, seed u64; training rows u64, hash of the training table 32 bytes; may impute u8;
//! columns u16, for each name text, kind u8 (1 category), usual value f64, words u16, for each text and value f64;
//! classes u16, for each its name; figures: held-back rows u64, accuracy f64, macro F1 f64, AUROC f64 (−1 for none), for
//! each class precision, recall, F1 f64 and rows u64; trees (see `trees`). A text is a u16 length and UTF-8 bytes.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    Classifier, Figures,
    columns::{ColumnKind, MAX_NAME},
    encode::Encoder,
    spec::{ClassifierSpec, Task},
    table::MAX_CLASSES,
    trees::Trees,
};
use crate::{
    DetectError,
    bytes::{Reader, Writer},
    model::hex,
};

pub(crate) const MAGIC: &[u8; 4] = b"ALDC";
const VERSION: u16 = 1;

/// What is worth knowing about a classifier, for people and for a file beside it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassifierMeta {
    /// Version of the byte form.
    pub format_version: u16,
    /// As [`Classifier::version`].
    pub model_version: String,
    /// As [`Classifier::hash`], in hexadecimal.
    pub model_hash: String,
    /// `binary` or `labels`.
    pub task: &'static str,
    /// The classes, in the model's order.
    pub classes: Vec<String>,
    /// The columns of numbers and of categories that it was trained on, in order.
    pub columns: Vec<(String, &'static str)>,
    /// Whether missing cells and columns are replaced by what is usual.
    pub imputes: bool,
    /// Number of trees.
    pub trees: u16,
    /// Splits on a path, at most.
    pub max_depth: u16,
    /// Training rows in a leaf, at least.
    pub least_rows: u16,
    /// Share of every class's rows that were held back.
    pub held_back: f64,
    /// The seed.
    pub seed: u64,
    /// Rows that the trees were grown from.
    pub training_rows: u64,
    /// SHA-256 of the table, columns, cells and labels, in hexadecimal.
    pub training_hash: String,
    /// How well it does on the rows that were held back.
    pub figures: Figures,
}

impl Classifier {
    /// SHA-256 of [`to_bytes`](Self::to_bytes). Not cached: ask once.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.to_bytes()).into()
    }

    /// `classes-` and the first 12 hexadecimal digits of the hash.
    pub fn version(&self) -> String {
        format!("classes-{}", &hex(&self.hash())[..12])
    }

    /// What is worth knowing about the classifier.
    pub fn meta(&self) -> ClassifierMeta {
        let spec = &self.spec;
        let kind = |kind| if kind == ColumnKind::Category { "category" } else { "number" };
        ClassifierMeta {
            format_version: VERSION,
            model_version: self.version(),
            model_hash: hex(&self.hash()),
            task: if spec.task() == Task::Binary { "binary" } else { "labels" },
            classes: self.classes.clone(),
            columns: self.columns().iter().map(|column| (column.name.clone(), kind(column.kind))).collect(),
            imputes: spec.impute(),
            trees: spec.trees(),
            max_depth: spec.max_depth(),
            least_rows: spec.least_rows(),
            held_back: spec.held_back(),
            seed: spec.seed(),
            training_rows: self.training_rows,
            training_hash: hex(&self.training_hash),
            figures: self.figures.clone(),
        }
    }

    /// The stable, versioned byte form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.bytes(MAGIC);
        writer.u16(VERSION);
        let spec = &self.spec;
        writer.u8(u8::from(spec.task() == Task::Labels));
        writer.u16(spec.trees());
        writer.u16(spec.max_depth());
        writer.u16(spec.least_rows());
        writer.f64(spec.held_back());
        writer.u64(spec.seed());
        writer.u64(self.training_rows);
        writer.bytes(&self.training_hash);
        self.encoder.write(&mut writer);
        writer.u16(self.classes.len() as u16);
        for class in &self.classes {
            writer.text(class);
        }
        self.figures.write(&mut writer);
        self.trees.write(&mut writer);
        writer.0
    }

    /// Reads the byte form back, bit for bit.
    ///
    /// # Errors
    /// [`DetectError::Version`] for another version, [`DetectError::Malformed`] or [`DetectError::Parameter`] for
    /// anything else that [`to_bytes`](Self::to_bytes) could not have written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DetectError> {
        let mut reader = Reader::new("classifier", bytes);
        let magic = reader.take(4)?;
        if magic != MAGIC {
            return Err(reader.error("the mark ALDC", magic.escape_ascii()));
        }
        let version = reader.u16()?;
        if version != VERSION {
            return Err(DetectError::Version { what: "the classifier", expected: VERSION, actual: version });
        }
        let task = reader.u8()?;
        let (trees, max_depth, least_rows) = (reader.u16()?, reader.u16()?, reader.u16()?);
        let held_back = reader.f64()?;
        let seed = reader.u64()?;
        let spec = match task {
            0 => ClassifierSpec::binary(seed),
            1 => ClassifierSpec::labels(seed),
            other => return Err(reader.error("task 0 or 1", other)),
        };
        let spec = spec.with(trees, max_depth, least_rows, held_back)?;
        let (training_rows, training_hash) = (reader.u64()?, reader.hash()?);
        let encoder = Encoder::read(&mut reader)?;
        let spec = if encoder.impute { spec.imputing() } else { spec };
        let classes = read_classes(&mut reader)?;
        let figures = Figures::read(&mut reader, &classes)?;
        let trees = Trees::read(&mut reader, encoder.columns.len(), classes.len())?;
        if trees.count() != usize::from(spec.trees()) {
            return Err(reader.error(format!("{} trees", spec.trees()), trees.count()));
        }
        reader.end()?;
        Ok(Self { spec, encoder, classes, training_rows, training_hash, figures, trees })
    }
}

fn read_classes(reader: &mut Reader<'_>) -> Result<Vec<String>, DetectError> {
    let count = usize::from(reader.u16()?);
    if !(2..=MAX_CLASSES).contains(&count) {
        return Err(reader.error("2 to 256 classes", count));
    }
    let classes: Vec<String> = (0..count).map(|_| reader.text()).collect::<Result<_, _>>()?;
    match classes.iter().find(|class| class.is_empty() || class.len() > MAX_NAME) {
        Some(class) => Err(reader.error("names of 1 to 128 bytes", format!("{} bytes", class.len()))),
        None => Ok(classes),
    }
}
