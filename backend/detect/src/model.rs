//! A trained model: made once, never changed. Does not judge and does not adapt; what adapts is a
//! device's state.
//!
//! Byte form, version 2, little-endian: `"ALDM"`, version u16, profile text, number of metrics
//! u16, for each name text, unit text, low f64, high f64; seed u64; training rows u64; training
//! sample hash 32 bytes; group tails 18 × f64 and u8; training figures 4 × f64; forest (trees u16,
//! columns u16, sample size u16, nodes, leaves). A text is a u16 length and UTF-8 bytes.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    Budget, DetectError, TrainingSample,
    bytes::{Reader, Writer},
    calibrate,
    group::Group,
    row::{COLUMN_OF, COLUMNS, NAMES, Row},
    scorer::forest::{Forest, ForestSpec},
};

const MAGIC: &[u8; 4] = b"ALDM";
const VERSION: u16 = 2;
/// Metrics in a model; generous for profiles that unite several kinds of device.
const MAX_SPECS: usize = 256;
const MAX_TEXT: usize = 128;
/// One forest of the default size needs at least that many rows to be worth growing.
const LEAST_ROWS: usize = 256;
/// A score of one half is evidence exactly at the limit.
pub(crate) const THRESHOLD: f64 = 0.5;

/// What is known about a metric: name, unit, and what is physically plausible.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricSpec {
    name: String,
    unit: String,
    low: f64,
    high: f64,
}

impl MetricSpec {
    /// A metric whose values outside `low..=high`, in `unit`, are physically implausible.
    ///
    /// # Errors
    /// [`DetectError::Parameter`] for an empty name, a text above 128 bytes or an empty range.
    pub fn new(name: &str, unit: &str, low: f64, high: f64) -> Result<Self, DetectError> {
        if name.is_empty() || name.len() > MAX_TEXT || unit.len() > MAX_TEXT {
            let actual = format!("{} and {} bytes", name.len(), unit.len());
            let expected = "a name of 1 to 128 bytes and a unit of at most 128";
            return Err(DetectError::Parameter { name: "metric name or unit", expected, actual });
        }
        if !(low.is_finite() && high.is_finite() && low < high) {
            let actual = format!("{low} to {high}");
            let expected = "finite, the low end below the high end";
            return Err(DetectError::Parameter { name: "plausible range", expected, actual });
        }
        Ok(Self { name: name.to_owned(), unit: unit.to_owned(), low, high })
    }

    /// The metric's name as in readings.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its unit for people; may be empty.
    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// Lowest plausible value.
    pub fn low(&self) -> f64 {
        self.low
    }

    /// Highest plausible value.
    pub fn high(&self) -> f64 {
        self.high
    }
}

/// Checked parameters of a training.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainSpec {
    profile: String,
    metrics: Vec<MetricSpec>,
    seed: u64,
}

impl TrainSpec {
    /// A model called `profile` that knows `metrics` (any order; none for a generic model: then
    /// nothing is implausible and sentences have no units).
    ///
    /// # Errors
    /// [`DetectError::Parameter`] for a profile name that is not 1 to 64 of `a-z`, `0-9`, `-`, or
    /// more than 256 metrics; [`DetectError::Order`] for a metric named twice.
    pub fn new(profile: &str, mut metrics: Vec<MetricSpec>, seed: u64) -> Result<Self, DetectError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=64).contains(&profile.len()) || !profile.bytes().all(plain) {
            let expected = "1 to 64 characters of a-z, 0-9 and -";
            let actual = profile.chars().take(100).collect();
            return Err(DetectError::Parameter { name: "profile", expected, actual });
        }
        if metrics.len() > MAX_SPECS {
            let actual = metrics.len().to_string();
            return Err(DetectError::Parameter { name: "metrics", expected: "at most 256", actual });
        }
        metrics.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(pair) = metrics.windows(2).find(|pair| pair[0].name == pair[1].name) {
            let (first, second) = (pair[0].name.clone(), pair[1].name.clone());
            return Err(DetectError::Order { first, second });
        }
        Ok(Self { profile: profile.to_owned(), metrics, seed })
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }
}

/// How the model does on its own training rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TrainingFigures {
    /// Median of the forest's scores.
    pub forest_median: f64,
    /// 99.9 % quantile of the forest's scores.
    pub forest_high: f64,
    /// 99.9 % quantile of the fused score.
    pub score_high: f64,
    /// Share of rows at or above the threshold.
    pub share_above_threshold: f64,
}

/// A trained, immutable model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    profile: String,
    metrics: Vec<MetricSpec>,
    seed: u64,
    training_rows: u64,
    training_hash: [u8; 32],
    pub(crate) group: Group,
    figures: TrainingFigures,
    pub(crate) forest: Forest,
}

/// What is worth knowing about a model, for `model_meta.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelMeta {
    /// Version of the model's byte form.
    pub format_version: u16,
    /// As [`Model::version`].
    pub model_version: String,
    /// As [`Model::hash`], in hexadecimal.
    pub model_hash: String,
    /// The profile's name.
    pub profile: String,
    /// The metrics that the model knows by name.
    pub metrics: Vec<MetricSpec>,
    /// The feature columns of the forest and of the training sample, in order.
    pub columns: Vec<&'static str>,
    /// Trees in the forest.
    pub trees: usize,
    /// Rows per tree, at most.
    pub sample_size: usize,
    /// The seed.
    pub seed: u64,
    /// Score from which a reading is anomalous.
    pub threshold: f64,
    /// Column, threshold (in its own scale) and shape of each tail of the group.
    pub tails: Vec<(&'static str, f64, f64)>,
    /// Whether those tails are evidence: the model is for devices of one group.
    pub group: bool,
    /// Rows of the training sample.
    pub training_rows: u64,
    /// SHA-256 of the training sample's CSV text, in hexadecimal.
    pub training_sample_hash: String,
    /// How the model does on its training sample.
    pub training: TrainingFigures,
}

impl Model {
    /// Learns a model from normal streams.
    ///
    /// The forest is grown from the sample's rows, which also tell the tails of the group.
    ///
    /// # Errors
    /// [`DetectError::TooFewRows`] below 256 rows.
    pub fn train(spec: &TrainSpec, sample: &TrainingSample) -> Result<Self, DetectError> {
        Self::learn(spec, sample, true)
    }

    /// As [`train`](Self::train), for devices that need not be like those of the sample: its tails
    /// are no evidence, and a device is judged by its own records alone.
    ///
    /// # Errors
    /// As [`train`](Self::train).
    pub fn train_for_strangers(spec: &TrainSpec, sample: &TrainingSample) -> Result<Self, DetectError> {
        Self::learn(spec, sample, false)
    }

    fn learn(spec: &TrainSpec, sample: &TrainingSample, known: bool) -> Result<Self, DetectError> {
        let rows = &sample.rows;
        if rows.len() < LEAST_ROWS {
            return Err(DetectError::TooFewRows { expected: LEAST_ROWS, actual: rows.len() });
        }
        let forest_spec = ForestSpec { seed: spec.seed, ..ForestSpec::default() };
        let forest = Forest::train(&forest_spec, COLUMNS, rows.as_flattened())?;
        let scores: Vec<f64> = rows.iter().map(|row| forest.score(row)).collect::<Result<_, _>>()?;
        let forest_high = quantile(scores.iter().copied(), 0.999);
        let group = Group::learn(rows, forest_high, known);
        let fused = |(row, score): (&Row, &f64)| group.fused(row, *score);
        let nats: Vec<f64> = rows.iter().zip(&scores).map(fused).collect();
        let high = quantile(nats.iter().copied(), 0.999);
        let limit = calibrate::limit(Budget::DEFAULT, 60_000.0);
        let above = nats.iter().filter(|nats| **nats >= limit).count();
        Ok(Self {
            profile: spec.profile.clone(),
            metrics: spec.metrics.clone(),
            seed: spec.seed,
            training_rows: rows.len() as u64,
            training_hash: sample.hash(),
            group,
            figures: TrainingFigures {
                forest_median: quantile(scores.iter().copied(), 0.5),
                forest_high,
                score_high: calibrate::score(high / limit),
                share_above_threshold: above as f64 / nats.len() as f64,
            },
            forest,
        })
    }

    /// The profile's name.
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// The metrics that the model knows by name, sorted.
    pub fn metrics(&self) -> &[MetricSpec] {
        &self.metrics
    }

    /// The parameters with which it was trained.
    pub fn spec(&self) -> TrainSpec {
        TrainSpec { profile: self.profile.clone(), metrics: self.metrics.clone(), seed: self.seed }
    }

    /// Score from which a reading is anomalous.
    pub fn threshold(&self) -> f64 {
        THRESHOLD
    }

    /// SHA-256 of [`to_bytes`](Self::to_bytes). Not cached: ask once.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.to_bytes()).into()
    }

    /// `profile-` and the first 12 hexadecimal digits of the hash.
    pub fn version(&self) -> String {
        format!("{}-{}", self.profile, &hex(&self.hash())[..12])
    }

    /// What is worth knowing about the model.
    pub fn meta(&self) -> ModelMeta {
        ModelMeta {
            format_version: VERSION,
            model_version: self.version(),
            model_hash: hex(&self.hash()),
            profile: self.profile.clone(),
            metrics: self.metrics.clone(),
            columns: NAMES.to_vec(),
            trees: self.forest.trees(),
            sample_size: ForestSpec::default().sample_size,
            seed: self.seed,
            threshold: THRESHOLD,
            tails: COLUMN_OF
                .iter()
                .zip(&self.group.tails)
                .map(|((column, _), tail)| (NAMES[*column], tail.threshold(), tail.shape()))
                .collect(),
            group: self.group.known,
            training_rows: self.training_rows,
            training_sample_hash: hex(&self.training_hash),
            training: self.figures,
        }
    }

    /// The group's evidence of a row, in limits of a device with the default budget that sends a
    /// reading a minute.
    pub(crate) fn strength(&self, row: &Row) -> Result<f64, DetectError> {
        let nats = self.group.fused(row, self.forest.score(row)?);
        Ok(nats / calibrate::limit(Budget::DEFAULT, 60_000.0))
    }

    /// The specification of a metric, if the model knows it.
    pub(crate) fn metric(&self, name: &str) -> Option<&MetricSpec> {
        let found = self.metrics.binary_search_by(|metric| metric.name.as_str().cmp(name));
        found.ok().map(|index| &self.metrics[index])
    }

    /// The stable, versioned byte form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.bytes(MAGIC);
        writer.u16(VERSION);
        writer.text(&self.profile);
        writer.u16(self.metrics.len() as u16);
        for metric in &self.metrics {
            writer.text(&metric.name);
            writer.text(&metric.unit);
            writer.f64(metric.low);
            writer.f64(metric.high);
        }
        writer.u64(self.seed);
        writer.u64(self.training_rows);
        writer.bytes(&self.training_hash);
        self.group.write(&mut writer);
        let figures = &self.figures;
        for number in [figures.forest_median, figures.forest_high, figures.score_high, figures.share_above_threshold] {
            writer.f64(number);
        }
        self.forest.write(&mut writer);
        writer.0
    }

    /// Reads the byte form back, bit for bit.
    ///
    /// # Errors
    /// [`DetectError::Version`] for another version, [`DetectError::Malformed`] or
    /// [`DetectError::Parameter`] for anything else that [`to_bytes`](Self::to_bytes) could not
    /// have written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DetectError> {
        let mut reader = Reader::new("model", bytes);
        let magic = reader.take(4)?;
        if magic != MAGIC {
            return Err(reader.error("the mark ALDM", magic.escape_ascii()));
        }
        let version = reader.u16()?;
        if version != VERSION {
            let what = "the model";
            return Err(DetectError::Version { what, expected: VERSION, actual: version });
        }
        let profile = reader.text()?;
        let count = usize::from(reader.u16()?);
        let metrics: Vec<MetricSpec> = (0..count).map(|_| read_metric(&mut reader)).collect::<Result<_, _>>()?;
        if !metrics.is_sorted_by(|a, b| a.name < b.name) {
            return Err(reader.error("metrics in ascending order", "another order"));
        }
        let spec = TrainSpec::new(&profile, metrics, reader.u64()?)?;
        let training_rows = reader.u64()?;
        let training_hash = reader.hash()?;
        let group = Group::read(&mut reader)?;
        let figures = TrainingFigures {
            forest_median: reader.f64()?,
            forest_high: reader.f64()?,
            score_high: reader.f64()?,
            share_above_threshold: reader.f64()?,
        };
        let forest = Forest::read(&mut reader)?;
        if forest.columns() != COLUMNS {
            let expected = format!("a forest of {COLUMNS} columns");
            return Err(reader.error(expected, forest.columns()));
        }
        reader.end()?;
        let TrainSpec { profile, metrics, seed } = spec;
        Ok(Self { profile, metrics, seed, training_rows, training_hash, group, figures, forest })
    }
}

fn read_metric(reader: &mut Reader<'_>) -> Result<MetricSpec, DetectError> {
    let (name, unit) = (reader.text()?, reader.text()?);
    MetricSpec::new(&name, &unit, reader.f64()?, reader.f64()?)
}

/// The value below which the given share of the numbers lies; 0 if there are none.
pub(crate) fn quantile(numbers: impl Iterator<Item = f64>, share: f64) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    let position = (numbers.len().saturating_sub(1)) as f64 * share;
    numbers.get(position as usize).copied().unwrap_or(0.0)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
