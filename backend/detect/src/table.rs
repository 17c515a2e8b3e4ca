//! Anomalies among rows of a table that have no time: Isolation Forest, tails of the columns,
//! principal components and distant neighbours, fused. Knows columns by name, encodes nothing
//! (texts are the caller's), judges rows one by one and learns nothing from them.
//!
//! Each scorer's evidence becomes −ln of the probability of evidence that high in the training
//! rows; these are averaged. All columns matter alike, whatever their unit: to multiply one by a
//! power of two changes no bit of any score.
//!
//! Byte form, version 1, little-endian: `"ALDT"`, version u16, number of columns u16, names
//! (texts), seed u64, training rows u64 and their hash, limit f64, figures 4 × f64, forest, tails,
//! scales, components, neighbours, four calibrations. A text is a u16 length and UTF-8 bytes.

mod calibration;
mod components;
mod meta;
mod neighbours;
mod sample;
mod scale;
mod tails;
#[cfg(test)]
mod tests;

pub use meta::{TableFigures, TableMeta};

use sha2::{Digest, Sha256};

use crate::{
    DetectError,
    bytes::{Reader, Writer},
    model::{hex, quantile},
    scorer::forest::{Forest, ForestSpec},
};
use calibration::Calibration;
use components::Components;
use neighbours::Neighbours;
use sample::Sample;
use scale::Scale;
use tails::Tails;

pub(crate) const MAGIC: &[u8; 4] = b"ALDT";
const VERSION: u16 = 1;
/// InternetAds has 1,555; the forest takes no more.
const MOST_COLUMNS: usize = 4096;
const LONGEST_NAME: usize = 256;
const LEAST_ROWS: usize = 8;
/// Rows from which tails, scales and calibrations are learnt: enough for a probability of 10^-4,
/// few enough that a million rows are learnt as fast.
const SAMPLE: usize = 16_384;
/// The sample must not be the forest's.
const SAMPLE_SEED: u64 = 0x7ab1e;
/// What the forest, the tails, the components and the neighbours count for. Equal weights, and
/// twice for the only scorer that sees gaps between crowds; docs/decisions/table.md has the figures.
const WEIGHTS: [f64; 4] = [1.0, 1.0, 1.0, 2.0];
/// What a number outside its column's range adds. The mean of the scorers alone would let one
/// absurd number among many ordinary ones pass.
const OUTSIDE: f64 = 1.0;
/// The share of the training rows that is anomalous, for want of anything better: sets which
/// evidence is a score of one half.
const CONTAMINATION: f64 = 0.01;
/// The least evidence of which an anomaly can be made: −ln p of one row in five.
const LEAST_LIMIT: f64 = 1.6;
/// A score of one half is evidence exactly at the limit.
const THRESHOLD: f64 = 0.5;

/// A trained, immutable model of a table's rows.
#[derive(Clone, Debug, PartialEq)]
pub struct TableModel {
    columns: Vec<String>,
    seed: u64,
    training_rows: u64,
    training_hash: [u8; 32],
    /// Fused evidence of a score of one half.
    limit: f64,
    figures: TableFigures,
    forest: Forest,
    tails: Tails,
    scale: Scale,
    components: Components,
    neighbours: Neighbours,
    calibrations: [Calibration; 4],
}

/// What the scorers say of a row, each on its own scale.
struct Evidence {
    scorers: [f64; 4],
    outside: f64,
}

impl TableModel {
    /// Learns from `rows`, row-major, one finite number for each of `columns`; most of them should
    /// be ordinary. The same arguments give the same model on one machine; on another the last bits
    /// of its components may differ, while scores of the same model file are the same everywhere.
    ///
    /// # Errors
    /// [`DetectError::Parameter`] unless there are 1 to 4096 columns with names of 1 to 256 bytes,
    /// [`DetectError::Malformed`] for a name that comes twice or an incomplete row,
    /// [`DetectError::NotFinite`] for NaN and infinities, [`DetectError::TooFewRows`] below 8 rows.
    pub fn train(columns: &[String], rows: &[f32], seed: u64) -> Result<Self, DetectError> {
        check_columns(columns)?;
        let width = columns.len();
        if !rows.len().is_multiple_of(width) {
            let expected = format!("a multiple of {width} numbers");
            return Err(DetectError::malformed("table rows", expected, rows.len()));
        }
        rows.chunks_exact(width).try_for_each(|row| check_finite(columns, row))?;
        let count = rows.len() / width;
        if count < LEAST_ROWS {
            return Err(DetectError::TooFewRows { expected: LEAST_ROWS, actual: count });
        }
        let forest = Forest::train(&ForestSpec { seed, ..ForestSpec::default() }, width, rows)?;
        let sample = Sample::new(width, rows, SAMPLE, seed ^ SAMPLE_SEED);
        let scale = Scale::fit(&sample);
        let (mut standard, mut buffer) = (Vec::new(), Vec::new());
        for row in sample.rows() {
            scale.apply(row, &mut buffer);
            standard.extend_from_slice(&buffer);
        }
        let mut model = Self {
            columns: columns.to_vec(),
            seed,
            training_rows: count as u64,
            training_hash: hash_rows(rows),
            limit: LEAST_LIMIT,
            figures: TableFigures {
                forest_median: 0.0,
                forest_high: 0.0,
                score_median: 0.0,
                share_above_threshold: 0.0,
            },
            forest,
            tails: Tails::fit(&sample),
            components: Components::fit(scale.width(), &standard, seed),
            neighbours: Neighbours::fit(scale.width(), &standard),
            scale,
            calibrations: std::array::from_fn(|_| Calibration::fit(vec![0.0])),
        };
        model.calibrate(&sample)?;
        Ok(model)
    }

    /// Puts the four scorers on one scale, and the score's middle where few of the sample are above.
    fn calibrate(&mut self, sample: &Sample<'_>) -> Result<(), DetectError> {
        let mut buffer = Vec::new();
        let evidence: Vec<Evidence> =
            sample.rows().map(|row| self.evidence(row, &mut buffer)).collect::<Result<_, _>>()?;
        self.calibrations =
            std::array::from_fn(|scorer| Calibration::fit(evidence.iter().map(|e| e.scorers[scorer]).collect()));
        let fused: Vec<f64> = evidence.iter().map(|evidence| self.fuse(evidence)).collect();
        self.limit = quantile(fused.iter().copied(), 1.0 - CONTAMINATION).max(LEAST_LIMIT);
        let scores: Vec<f64> = fused.iter().map(|fused| self.score_of(*fused)).collect();
        let above = scores.iter().filter(|score| **score >= THRESHOLD).count();
        let forest: Vec<f64> = evidence.iter().map(|evidence| evidence.scorers[0]).collect();
        self.figures = TableFigures {
            forest_median: quantile(forest.iter().copied(), 0.5),
            forest_high: quantile(forest.into_iter(), 0.99),
            share_above_threshold: above as f64 / scores.len() as f64,
            score_median: quantile(scores.into_iter(), 0.5),
        };
        Ok(())
    }

    /// How anomalous a row is: from 0 to below 1, one half where one training row in a hundred is
    /// beyond. There is no evidence so strong that stronger evidence would not score higher.
    ///
    /// # Errors
    /// [`DetectError::Malformed`] if there is not one number for each column,
    /// [`DetectError::NotFinite`] for NaN and infinities.
    pub fn score(&self, row: &[f32]) -> Result<f64, DetectError> {
        self.check(row)?;
        let evidence = self.evidence(row, &mut Vec::new())?;
        Ok(self.score_of(self.fuse(&evidence)))
    }

    /// The Isolation Forest's score alone.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn forest_score(&self, row: &[f32]) -> Result<f64, DetectError> {
        self.check(row)?;
        self.forest.score(row)
    }

    /// The scores of many rows, row-major: the same bits as one by one.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn scores(&self, rows: &[f32]) -> Result<Vec<f64>, DetectError> {
        let width = self.columns.len();
        if !rows.len().is_multiple_of(width) {
            let expected = format!("a multiple of {width} numbers");
            return Err(DetectError::malformed("table rows", expected, rows.len()));
        }
        let mut buffer = Vec::new();
        let score = |row: &[f32]| {
            self.check(row)?;
            Ok(self.score_of(self.fuse(&self.evidence(row, &mut buffer)?)))
        };
        rows.chunks_exact(width).map(score).collect()
    }

    /// How far out in its column each number of a row is by itself: −ln p of the rarer of its two tails. The row is one
    /// that was scored.
    pub(crate) fn column_evidence(&self, row: &[f32]) -> Vec<f64> {
        self.tails.each(row).collect()
    }

    /// What a column usually holds: its 1 %, 50 % and 99 % quantiles.
    pub(crate) fn column_range(&self, place: usize) -> (f32, f32, f32) {
        self.tails.range(place)
    }

    fn evidence(&self, row: &[f32], buffer: &mut Vec<f32>) -> Result<Evidence, DetectError> {
        self.scale.apply(row, buffer);
        let scorers = [
            self.forest.score(row)?,
            self.tails.evidence(row),
            self.components.evidence(buffer),
            self.neighbours.evidence(buffer),
        ];
        Ok(Evidence { scorers, outside: self.tails.outside(row) })
    }

    /// The weighted mean of −ln p, and what is outside all that was seen.
    fn fuse(&self, evidence: &Evidence) -> f64 {
        let mut sum = 0.0;
        for (scorer, calibration) in self.calibrations.iter().enumerate() {
            sum += WEIGHTS[scorer] * calibration.apply(evidence.scorers[scorer]);
        }
        sum / WEIGHTS.iter().sum::<f64>() + OUTSIDE * evidence.outside
    }

    fn score_of(&self, fused: f64) -> f64 {
        fused / (fused + self.limit)
    }

    fn check(&self, row: &[f32]) -> Result<(), DetectError> {
        if row.len() != self.columns.len() {
            let expected = format!("{} numbers", self.columns.len());
            return Err(DetectError::malformed("table row", expected, row.len()));
        }
        check_finite(&self.columns, row)
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Score from which a row is anomalous.
    pub fn threshold(&self) -> f64 {
        THRESHOLD
    }

    /// SHA-256 of [`to_bytes`](Self::to_bytes). Not cached: ask once.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.to_bytes()).into()
    }

    /// What is worth knowing about the model.
    pub fn meta(&self) -> TableMeta {
        let names = ["forest", "tails", "components", "neighbours"];
        TableMeta {
            format_version: VERSION,
            model_hash: hex(&self.hash()),
            columns: self.columns.clone(),
            seed: self.seed,
            training_rows: self.training_rows,
            training_rows_hash: hex(&self.training_hash),
            trees: self.forest.trees(),
            sample_size: ForestSpec::default().sample_size,
            weights: std::array::from_fn(|scorer| (names[scorer], WEIGHTS[scorer])),
            threshold: THRESHOLD,
            contamination: CONTAMINATION,
            training: self.figures,
        }
    }

    /// The stable, versioned byte form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.bytes(MAGIC);
        writer.u16(VERSION);
        writer.u16(self.columns.len() as u16);
        self.columns.iter().for_each(|column| writer.text(column));
        writer.u64(self.seed);
        writer.u64(self.training_rows);
        writer.bytes(&self.training_hash);
        writer.f64(self.limit);
        let figures = &self.figures;
        for number in [figures.forest_median, figures.forest_high, figures.score_median, figures.share_above_threshold]
        {
            writer.f64(number);
        }
        self.forest.write(&mut writer);
        self.tails.write(&mut writer);
        self.scale.write(&mut writer);
        self.components.write(&mut writer);
        self.neighbours.write(&mut writer);
        self.calibrations.iter().for_each(|calibration| calibration.write(&mut writer));
        writer.0
    }

    /// Reads the byte form back, bit for bit.
    ///
    /// # Errors
    /// [`DetectError::Version`] for another version, [`DetectError::Malformed`] or
    /// [`DetectError::Parameter`] for anything else that [`to_bytes`](Self::to_bytes) could not
    /// have written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DetectError> {
        let mut reader = Reader::new("table model", bytes);
        let magic = reader.take(4)?;
        if magic != MAGIC {
            return Err(reader.error("the mark ALDT", magic.escape_ascii()));
        }
        let version = reader.u16()?;
        if version != VERSION {
            return Err(DetectError::Version { what: "the table model", expected: VERSION, actual: version });
        }
        let count = usize::from(reader.u16()?);
        let columns: Vec<String> = (0..count).map(|_| reader.text()).collect::<Result<_, _>>()?;
        check_columns(&columns)?;
        let (seed, training_rows, training_hash) = (reader.u64()?, reader.u64()?, reader.hash()?);
        let limit = reader.f64()?;
        if limit < LEAST_LIMIT {
            return Err(reader.error(format!("a limit of at least {LEAST_LIMIT}"), limit));
        }
        let figures = TableFigures {
            forest_median: reader.f64()?,
            forest_high: reader.f64()?,
            score_median: reader.f64()?,
            share_above_threshold: reader.f64()?,
        };
        let forest = Forest::read(&mut reader)?;
        if forest.columns() != count {
            return Err(reader.error(format!("a forest of {count} columns"), forest.columns()));
        }
        let tails = Tails::read(&mut reader, count)?;
        let scale = Scale::read(&mut reader, count)?;
        let components = Components::read(&mut reader, scale.width())?;
        let neighbours = Neighbours::read(&mut reader, scale.width())?;
        let mut calibration = || Calibration::read(&mut reader);
        let calibrations = [calibration()?, calibration()?, calibration()?, calibration()?];
        reader.end()?;
        Ok(Self {
            columns,
            seed,
            training_rows,
            training_hash,
            limit,
            figures,
            forest,
            tails,
            scale,
            components,
            neighbours,
            calibrations,
        })
    }
}

fn check_columns(columns: &[String]) -> Result<(), DetectError> {
    if !(1..=MOST_COLUMNS).contains(&columns.len()) {
        let actual = columns.len().to_string();
        return Err(DetectError::Parameter { name: "columns", expected: "1 to 4096", actual });
    }
    if let Some(name) = columns.iter().find(|name| !(1..=LONGEST_NAME).contains(&name.len())) {
        let actual = format!("{} bytes", name.len());
        return Err(DetectError::Parameter { name: "column name", expected: "1 to 256 bytes", actual });
    }
    let mut sorted: Vec<&String> = columns.iter().collect();
    sorted.sort();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(DetectError::malformed("table columns", "each name once", format!("{:?} twice", pair[0]))),
        None => Ok(()),
    }
}

fn check_finite(columns: &[String], row: &[f32]) -> Result<(), DetectError> {
    match row.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(DetectError::NotFinite { metric: columns[at].clone(), actual: row[at].into() }),
    }
}

fn hash_rows(rows: &[f32]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for value in rows {
        hasher.update(value.to_le_bytes());
    }
    hasher.finalize().into()
}
